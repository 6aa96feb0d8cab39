"""Chapters: files of scenarios, as a user would type them.

    a title, which is the scenario's name
        a step: a line for bash
        another, which goes on
            as long as lines are indented further

Scenarios of a chapter run in their order, in one shell, and find what those
before them left. A title may say of which engine it is alone: "[26.1] ...".
"""
import re
from dataclasses import dataclass, field
from pathlib import Path

WHERE = Path(__file__).resolve().parent / "chapters"


@dataclass
class Scenario:
    title: str
    engine: str = ""  # the only one it is for, or both
    steps: list = field(default_factory=list)

    @property
    def slug(self):
        return re.sub(r"\W+", "_", self.title).strip("_").lower()


def read(text):
    """The scenarios in TEXT."""
    scenarios = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            engine, title = re.fullmatch(r"(?:\[([\d.]+)\] )?(.+)",
                                         line).groups()
            scenarios.append(Scenario(title, engine or ""))
        elif not scenarios:
            raise ValueError(f"line {number}: a step without a title")
        elif line.startswith(" " * 8):
            scenarios[-1].steps[-1] += "\n" + line[8:]
        else:
            scenarios[-1].steps.append(line.strip())
    return scenarios


def every(name):
    """The scenarios of the chapter NAME."""
    return read((WHERE / f"{name}.txt").read_text())


def of_engine(name, engine):
    return [s for s in every(name) if s.engine in ("", engine)]


def names():
    return sorted(p.stem for p in WHERE.glob("*.txt"))
