#!/usr/bin/python3
"""The commands in the documents work. Those of berth's that need no engine run as
they are written, among files of the names that they use; of all others every
option is one that `berth COMMAND --help`, or the script of deploy/, knows. The
quick starts run end to end (tests/e2e/test_deploy*.py).

usage: check_commands.py TOP BERTH
"""
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

POLICY = {"version": 1, "preset": "compose-tests", "namespace": "r1",
          "upstream": {"url": "unix:///nowhere/docker.sock"}}
RECORD = {"time": "2026-01-31T11:00:00.000Z", "event": "end", "policy": "r1.json",
          "operation": "ContainerList", "method": "GET",
          "target": "/v1.45/containers/json", "verdict": "allow", "status": 200}
# With an engine, as long as it serves, or in a place that is the system's.
ELSEWHERE = re.compile(r"berth (serve|clean|stdio|status|ping|keygen|--upstream)"
                       r"|--connect|-f |/etc/berth")


def blocks(text):
    """The lines of a document's indented and fenced code."""
    return re.findall(r"^    (\S.*)$", text, re.M) + [
        line for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
        for line in block.splitlines()]


def chain(where, names, each):
    """Files of a record whose lines hold each other."""
    previous, number = None, 0
    for name in names:
        lines = []
        for _ in range(each):
            number += 1
            line = json.dumps({**RECORD, "line": number, "previous": previous},
                              separators=(",", ":"))
            previous = hashlib.sha256(line.encode()).hexdigest()
            lines.append(line + "\n")
        text = "".join(lines).encode()
        if name.endswith(".gz"):
            text = gzip.compress(text)
        (where / name).write_bytes(text)


def furnish(where, berth):
    (where / "r1.json").write_text(json.dumps(POLICY))
    (where / "body.json").write_text(json.dumps({"Image": "alpine"}))
    chain(where, ["r1.jsonl.3.gz", "r1.jsonl.2", "r1.jsonl.1", "r1.jsonl"], 3)
    (where / "bin").mkdir()
    (where / "bin/berth").symlink_to(berth)


def failures(top, berth):
    documents = [*top.glob("*.md"), *(top / "docs").glob("*.md")]
    ran = 0
    with tempfile.TemporaryDirectory(prefix="berth-commands.") as tmp:
        where = Path(tmp)
        furnish(where, berth)
        env = {**os.environ, "PATH": f"{where}/bin:{os.environ['PATH']}"}
        for path in documents:
            for line in blocks(path.read_text()):
                if not re.search(r"(^|\| )berth ", line) or ELSEWHERE.search(line):
                    continue
                ran += 1
                p = subprocess.run(["sh", "-c", line], cwd=where, env=env,
                                   text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, timeout=60)
                if p.returncode:
                    yield f"{path.name}: {line}\nends with {p.returncode}: " \
                        + p.stdout
    if ran < 10:
        yield f"only {ran} commands were found"
    for path in documents:
        yield from unknown(path, top, berth)


def unknown(path, top, berth):
    """What a document tells to call with an option that is none."""
    text = path.read_text().replace("build-release/proxy/berth", "berth serve")
    calls = set(re.findall(r"(?:^    |`)(berth [a-z]+(?: [^`\n#|]*)?)", text, re.M))
    # a message of its own that begins with its name is no command
    calls = {c for c in calls if "--" in c or len(c.split()) == 2}
    for call in calls:
        p = subprocess.run([berth, call.split()[1], "--help"], text=True, timeout=60,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if p.returncode:
            yield f"{path.name}: {call}: there is no such command"
        for option in re.findall(r"(?:^| )(--?[a-z][a-z-]*)", call):
            if option not in p.stdout:
                yield f"{path.name}: {call}: there is no {option}"
    for script, rest in re.findall(
            r"((?:deploy|tests)/[a-z_/-]+(?:\.sh|\.py)?)((?: +--?[a-z][^ `\n]*)*)",
            text):
        file = top / script
        if rest and not file.exists():
            yield f"{path.name}: there is no {script}"
        elif rest and file.is_file():
            for option in re.findall(r"--[a-z-]+", rest):
                if option not in file.read_text() and \
                        option not in (top / "tests/runner/main.py").read_text():
                    yield f"{path.name}: {script} has no {option}"


def main():
    found = list(failures(Path(sys.argv[1]), Path(sys.argv[2]).resolve()))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
