#!/usr/bin/python3
"""The documents are true: every error text that docs/troubleshooting.md explains
is one that the program still has, in one string of the sources, "..." standing
for what is filled in; what they link to is there; docs/architecture.md has all
folders; and all of docs/ is installed."""
import re
import sys
from pathlib import Path

FOREIGN = {"Not allowed at this time",  # sshd's
           'source "docker-image://..." denied by policy'}  # BuildKit's


def strings(path):
    """The string literals of a C file, adjacent ones joined."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    one = r'"(?:[^"\\\n]|\\.)*"'
    for run in re.findall(rf"{one}(?:\s*{one})*", text):
        parts = re.findall(r'"((?:[^"\\\n]|\\.)*)"', run)
        yield "".join(parts).replace('\\"', '"')


def explained(document):
    """The quoted texts in the first column of the tables of what it says."""
    for table in re.findall(r"^\| it says .*\n\|.*\n((?:\|.*\n)+)", document,
                            re.M):
        for row in table.splitlines():
            yield from re.findall(r"`([^`]+)`", row.split(" | ")[0])


def titles(path):
    """What the headings of a document can be linked to by."""
    return {re.sub(r"[^\w -]", "", t).strip().lower().replace(" ", "-")
            for t in re.findall(r"^#+ (.*)$", path.read_text(), re.M)}


def broken_links(path):
    """The links of a document that lead nowhere."""
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        file, _, title = link.partition("#")
        where = path.parent / file if file else path
        if "://" not in link and not (where.exists() and (
                not title or title in titles(where))):
            yield link


def main(top):
    known = [s for name in ("policy", "proxy")
             for path in (top / name).rglob("*.c") for s in strings(path)]
    texts = list(explained((top / "docs/troubleshooting.md").read_text()))
    gone = [t for t in texts if t not in FOREIGN and not any(
        re.search(".*".join(map(re.escape, t.split("..."))), s) for s in known)]
    wrong = [f"troubleshooting.md explains what nothing says: {t}" for t in gone]
    wrong += [] if texts else ["troubleshooting.md explains nothing"]
    for path in [*top.glob("*.md"), *(top / "docs").glob("*.md")]:
        wrong += [f"{path.name}: nothing is at {link}"
                  for link in broken_links(path)]
    architecture = (top / "docs/architecture.md").read_text()
    wrong += [f"architecture.md does not say what {folder} is"
              for folder in (p.parent.relative_to(top) for name in
                             ("policy", "proxy") for p in
                             (top / name).glob("*/README.md"))
              if f"`{folder}`" not in architecture]
    installed = (top / "meson.build").read_text()
    wrong += [f"docs/{path.name} is not installed"
              for path in (top / "docs").glob("*.md")
              if f"'docs/{path.name}'" not in installed]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
