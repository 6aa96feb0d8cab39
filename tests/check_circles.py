#!/usr/bin/python3
"""Inside a folder of policy/ and proxy/, calls run one way.

usage: check_circles.py BUILD

An entry point is on top, and what it uses is below it. Two files may use each
other; more of them that do so in a circle are refused, with the functions by
which they do. Reads the symbols in the libraries of a BUILD, one per folder.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

TOP = Path(__file__).parents[1]
SYMBOL = re.compile(r".*[:/](\S+)\.o:[0-9a-f ]* ([A-Za-z]) (\S+)$")


def uses(libraries):
    """{file: {other file of these libraries: [symbols of it]}}"""
    makes, needs = {}, defaultdict(set)
    for library in libraries:
        listed = subprocess.run(["nm", "--print-file-name", library], text=True, check=True,
                                stdout=subprocess.PIPE).stdout
        for line in listed.splitlines():
            if not (found := SYMBOL.match(line)):
                continue
            name, kind, symbol = found.groups()
            if kind == "U":
                needs[name].add(symbol)
            elif kind.isupper():
                makes[symbol] = name
                needs.setdefault(name, set())
    graph = {name: defaultdict(list) for name in needs}
    for name, symbols in needs.items():
        for symbol in sorted(symbols & makes.keys()):
            if makes[symbol] != name:
                graph[name][makes[symbol]].append(symbol)
    return graph


def reached(graph, start):
    seen, left = set(), [start]
    while left:
        for name in graph[left.pop()]:
            if name not in seen:
                seen.add(name)
                left.append(name)
    return seen


def circles(graph):
    """The sets of files of which each uses, by way of others, all of its set."""
    reach = {name: reached(graph, name) for name in graph}
    return {frozenset(other for other in reach[name] if name in reach[other])
            for name in graph if name in reach[name]}


def main():
    build, wrong = Path(sys.argv[1]), 0
    for readme in sorted([*TOP.glob("policy/*/README.md"), *TOP.glob("proxy/*/README.md")]):
        folder = readme.parent.relative_to(TOP).as_posix()
        graph = uses(sorted((build / folder).glob("lib*.a")))
        if not graph:
            print(f"{folder}: {build} has no library of it")
            wrong += 1
        for circle in circles(graph):
            if len(circle) <= 2:
                continue
            wrong += 1
            print(f"{folder}: {len(circle)} files use each other in a circle:")
            for name in sorted(circle):
                for other in sorted(circle & graph[name].keys()):
                    print(f"    {name} uses {other}: {', '.join(graph[name][other])}")
    return 1 if wrong else 0


sys.exit(main())
