#!/usr/bin/python3
"""Comments, messages and documentation are in plain technical English.

usage: check_voice.py [TOP]

Refuses the turns of phrase below: each cost readers a second look, and has a
plain word in its place.
"""

import re
import sys
from pathlib import Path

TOP = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1])
WHERE = ["README.md", "docs/*.md", "deploy/*", "policy/**/*", "proxy/**/*",
         "tests/**/*.py", "tests/**/*.[ch]", "tests/**/*.md", "tests/run"]
TEXT = {".c", ".h", ".md", ".py", ".sh", ".json", ".build", ""}

INSTEAD = {
    # "stands for" means something
    r"\bstands?\b(?! (?:for|in for)\b|-)(?<!-stand)": "is, are; follows, precedes",
    r"\bnobody's\b": "no runner's; not in use; not told",
    r"\b(?:to )?be had\b": "be opened, read, made; there is",
    r"\bmend(?:s|ed|ing)?\b": "correct, fix, repair",
    r"\bwho (?:wants|waits)\b": "the taker, the waiter, what waits",
    r"\bwants one\b": "needs one, takes one",
    r"\bdear\b": "costly",
    r"\bin peace\b|\benough said\b|\bour patience\b|\bown affair\b|\bmood\b":
        "what happens",
}


def main():
    found = 0
    for path in sorted({p for w in WHERE for p in TOP.glob(w)}):
        if path.suffix not in TEXT or not path.is_file() or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(errors="replace").split("\n"), 1):
            for habit, instead in INSTEAD.items():
                if hit := re.search(habit, line, re.I):
                    print(f"{path.relative_to(TOP)}:{number}: \"{hit[0]}\": "
                          f"say what is meant ({instead})")
                    found += 1
    return 1 if found else 0


sys.exit(main())
