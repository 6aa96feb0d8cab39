"""What the output of each kind of test says about its cases."""
import json
import re

from step import Case, tail

WORDS = {"OK": "passed", "ok": "passed", "FAILED": "failed", "FAIL": "failed",
         "SKIPPED": "skipped", "skip": "skipped", "SKIP": "skipped"}


def of_meson(testlog):
    """Meson's testlog.json: a cmocka program has many cases, another one."""
    cases = []
    with open(testlog) as lines:
        for line in lines:
            test = json.loads(line)
            said = test.get("stdout", "") + test.get("stderr", "")
            cases += of_program(test["name"], test["result"], said)
    return cases


def of_program(program, result, said):
    found = re.findall(r"^\[ +(OK|FAILED|SKIPPED) +\] (\w+)$", said, re.M)
    # cmocka tells of a failed case twice: as it fails and at the end
    cases = [Case(WORDS[word], f"{program}: {name}")
             for name, word in {n: w for w, n in found}.items()]
    if result == "SKIP":
        return cases + [Case("skipped", program)]
    if result == "OK":
        return cases or [Case("passed", program)]
    if not any(c.how == "failed" for c in cases):
        cases.append(Case("failed", program))
    next(c for c in cases if c.how == "failed").text = \
        f"{program}: {result}\n{tail(said)}"
    return cases


def of_link(text):
    """tests/link/run.py: "name: ok (1.2 s)" or "name: FAILED: why"."""
    return of_lines(text, r"(?P<name>\w+): (?P<word>ok|FAILED|SKIPPED)\b")


def of_e2e(text):
    """tests/e2e/run.py: "ok   26.1    1.2s module.Class.name"."""
    return of_lines(text, r"(?P<word>ok|FAIL|skip) +(?P<name>\S+ +[\d.]+s .*)")


def of_lines(text, pattern):
    """Each line like PATTERN begins a case; what follows is its text."""
    cases = []
    for line in text.splitlines():
        if m := re.match(pattern, line):
            cases.append(Case(WORDS[m["word"]], m["name"], line))
        elif cases:
            cases[-1].text += "\n" + line
    for case in cases:
        case.text = tail(case.text) if case.how == "failed" else ""
    return cases
