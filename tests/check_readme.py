#!/usr/bin/python3
"""README.md is true: every error text that it explains is one that the program
still has, in one string of the sources, "..." standing for what is filled in;
and what it links to is there, as it is in docs/, all of which is installed."""
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


def broken_links(path):
    """The links of a document that lead nowhere."""
    text = path.read_text()
    titles = {re.sub(r"[^\w -]", "", t).strip().lower().replace(" ", "-")
              for t in re.findall(r"^#+ (.*)$", text, re.M)}
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("#"):
            good = link[1:] in titles
        else:
            good = "://" in link or (path.parent / link.split("#")[0]).exists()
        if not good:
            yield link


def main(top):
    known = [s for name in ("policy", "proxy")
             for path in (top / name).rglob("*.c") for s in strings(path)]
    texts = list(explained((top / "README.md").read_text()))
    gone = [t for t in texts if t not in FOREIGN and not any(
        re.search(".*".join(map(re.escape, t.split("..."))), s) for s in known)]
    wrong = [f"README.md explains what nothing says: {t}" for t in gone]
    wrong += [] if texts else ["README.md explains nothing"]
    for path in [top / "README.md", *(top / "docs").glob("*.md")]:
        wrong += [f"{path.name}: nothing is at {link}"
                  for link in broken_links(path)]
    installed = (top / "meson.build").read_text()
    wrong += [f"docs/{path.name} is not installed"
              for path in (top / "docs").glob("*.md")
              if f"'docs/{path.name}'" not in installed]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
