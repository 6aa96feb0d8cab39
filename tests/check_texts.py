#!/usr/bin/python3
"""Every error text that README.md explains is one that the program still has:
in one string of the sources, "..." standing for what is filled in."""
import re
import sys
from pathlib import Path

FOREIGN = {"Not allowed at this time"}  # sshd's


def strings(path):
    """The string literals of a C file, adjacent ones joined."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    one = r'"(?:[^"\\\n]|\\.)*"'
    for run in re.findall(rf"{one}(?:\s*{one})*", text):
        parts = re.findall(r'"((?:[^"\\\n]|\\.)*)"', run)
        yield "".join(parts).replace('\\"', '"')


def explained(readme):
    """The quoted texts in the first column of the tables of what it says."""
    for table in re.findall(r"^\| it says .*\n\|.*\n((?:\|.*\n)+)", readme, re.M):
        for row in table.splitlines():
            yield from re.findall(r"`([^`]+)`", row.split(" | ")[0])


def main(top):
    known = [s for name in ("policy", "proxy")
             for path in (top / name).glob("*.c") for s in strings(path)]
    texts = list(explained((top / "README.md").read_text()))
    gone = [t for t in texts if t not in FOREIGN and not any(
        re.search(".*".join(map(re.escape, t.split("..."))), s) for s in known)]
    for text in gone:
        print(f"README.md explains what nothing says: {text}")
    if not texts:
        print("README.md explains nothing")
    return 1 if gone or not texts else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
