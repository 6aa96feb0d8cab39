#!/usr/bin/python3
"""Write docs/performance.md and docs/performance.svg from what `run --json`
measured.

usage: page.py FILE.json...

Of several files, the rows of all are shown; the first says on what machine, and
each of which sources. Every row that berth takes part in is in the figure, and
every one in which it is slower has a line in the page: nothing is left out.
"""
import json
import sys
from html import escape
from math import log2
from pathlib import Path

sys.dont_write_bytecode = True
from report import better, median, spread, targets  # noqa: E402
from sections import Column  # noqa: E402

DOCS = Path(__file__).resolve().parents[2] / "docs"
FIRST = (Column("ms", "ms", 1), Column("rate", "a second", 0, True),
         Column("longest", "ms", 1))
SLOWER = 0.95  # of the other's speed: below it, berth counts as slower


class Row:
    """One of the file, with what it is compared by, and with whom."""

    def __init__(self, row):
        self.title, self.name = row["title"], row["name"]
        self.samples = {p: s for p, s in row["samples"].items() if s}
        some = next(iter(self.samples.values()))[0]
        self.columns = [c for c in FIRST if c.key in some]
        self.against = next(p for p in ("Go proxy", "ssh -L", "HAProxy", "")
                            if p in self.samples or not p)
        if self.title.startswith("Creates") and "HAProxy" in self.samples:
            self.against = "HAProxy"
        self.times = better(self, "berth", self.against) \
            if self.against and "berth" in self.samples else None

    def value(self, peer):
        """What PEER needs or does, with its unit."""
        column = self.columns[0]
        value = median(self, peer, column.key)
        if value is None:
            return ""
        if column.more_is_better:
            unit = "MiB/s" if "tream" in self.title or "Builds" in self.title \
                else "/s"
            return f"{value:,.0f} {unit}"
        return f"{value:,.1f} ms"


# The figure: a bar for each row, on a logarithmic scale around 1.

WIDTH, LABEL, LINE, HEAD = 900, 330, 17, 26
LEAST, MOST = 1 / 8, 16


def place(times):
    """Where TIMES is from left to right."""
    times = min(max(times, LEAST), MOST)
    span = log2(MOST) - log2(LEAST)
    return LABEL + (WIDTH - LABEL - 60) * (log2(times) - log2(LEAST)) / span


def bars(rows, top):
    title, y = None, top
    for row in rows:
        if row.title != title:
            title, y = row.title, y + HEAD
            yield f'<text x="0" y="{y - 6}" class="t">{escape(title)}</text>'
        x, one = place(row.times), place(1)
        kind = "b" if row.times >= 1 else "a"
        noise = (spread(row, "berth", row.columns[0].key) or 0) * row.times
        low, high = place(row.times - noise), place(row.times + noise)
        against = "" if row.against == "ssh -L" else f" ({row.against})"
        yield (f'<text x="{LABEL - 8}" y="{y + 12}" class="n">'
               f"{escape(row.name + against)}</text>"
               f'<rect x="{min(x, one):.1f}" y="{y + 3}" height="{LINE - 6}" '
               f'width="{max(abs(x - one), 1):.1f}" class="{kind}"/>'
               f'<path d="M{low:.1f} {y + 8.5}H{high:.1f}" class="s"/>'
               f'<text x="{max(x, one, high) + 5:.1f}" y="{y + 12}">'
               f"{row.times:.2f}</text>")
        y += LINE
    yield y


STYLE = """text{font:12px sans-serif;fill:#333}.t{font-weight:bold}
.n{text-anchor:end}.m{text-anchor:middle;fill:#777}.b{fill:#4a90b8}
.a{fill:#d98841}.s{stroke:#222;stroke-width:1}.g{stroke:#ddd}.o{stroke:#555}"""


def figure(rows):
    top = 34
    *shapes, bottom = bars(rows, top)
    grid = []
    for times in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16):
        kind = "o" if times == 1 else "g"
        grid.append(f'<path d="M{place(times):.1f} {top}V{bottom}" '
                    f'class="{kind}"/><text x="{place(times):.1f}" '
                    f'y="{top - 6}" class="m">{times:g}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{bottom + 10}" viewBox="0 0 {WIDTH} {bottom + 10}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{bottom + 10}" fill="#fff"/>',
        '<text x="0" y="14" class="t">How many times as fast as ssh -L berth is '
        "(or as who is in brackets)</text>", *grid, *shapes, "</svg>", ""])


# The page.


def table(heads, lines):
    """A table, or nothing where there are no LINES."""
    if not lines:
        return ""
    aligned = ["---"] + ["---:"] * (len(heads) - 1)
    return "\n".join("| " + " | ".join(line) + " |"
                     for line in [heads, aligned, *lines]) + "\n"


def words(row):
    return f"{row.title}: {row.name}"


def commands(rows):
    others = ["ssh -L", "docker ssh://"]
    lines = []
    for row in rows:
        if row.title.startswith("docker's command"):
            lines.append([words(row).replace("docker's command, ", ""),
                          row.value("berth"), row.value("ssh -L"),
                          *(f"{t:.2f}" if t else "" for t in
                            (better(row, "berth", o) for o in others))])
    return table(["", "berth", "ssh -L", "times as fast as ssh -L",
                  "as docker ssh://"], lines)


def requests(rows):
    lines = []
    for row in rows:
        if not row.title.startswith(("GET ", "Creates", "Requests")):
            continue
        cells = [f"{median(row, 'berth', key):,.{digits}f}"
                 for key, digits in (("rate", 0), ("p50", 2), ("p99", 2),
                                     ("cpu", 0))]
        lines.append([words(row), *cells, f"{row.times:.2f}"])
    return table(["", "a second", "p50 ms", "p99 ms", "CPU us each",
                  "times as many as ssh -L (creates: HAProxy)"], lines)


def streams(rows):
    lines = []
    for row in rows:
        if not row.title.startswith(("Streams", "Builds of")):
            continue
        bare = better(row, "berth", "bare libssh2")
        cpu = median(row, "berth", "cpu")
        lines.append([words(row), row.value("berth"), row.value("ssh -L"),
                      f"{row.times:.2f}", f"{bare:.2f}" if bare else "",
                      f"{cpu:.1f}" if cpu else ""])
    return table(["", "berth", "ssh -L", "of ssh -L", "of a bare libssh2",
                  "CPU s/GiB"], lines)


def slower(rows):
    bad = sorted((r for r in rows if r.times < SLOWER), key=lambda r: r.times)
    return table(["", "berth", "the other", "times as fast", "than"], [
        [words(r), r.value("berth"), r.value(r.against), f"{r.times:.2f}",
         r.against] for r in bad])


def scale(rows):
    """How lists and events grow with what the engine has."""
    lines = []
    for row in rows:
        taken = row.samples.get("berth, namespaced", [{}])
        if "kib" not in taken[0]:
            continue
        lines.append([words(row).replace(", stand-in engine", ""),
                      row.value("unix socket"), row.value("berth, namespaced"),
                      *(f"{median(row, 'berth, namespaced', key):,.1f}"
                        for key in ("cpu", "kib", "rss"))])
    return table(["", "without berth", "through it", "its CPU ms",
                  "KiB that came", "its RSS MiB"], lines)


def memory(lines):
    return table(["", "idle", "a silent log", "a silent tunnel"], [
        [line["peer"], f"{line['idle'] / 1024:.1f} MiB",
         f"{line['logs']:.0f} KiB", f"{line['attach']:.0f} KiB"]
        for line in lines])


def met(rows, lines):
    return table(["target", "is", "met"], [
        [what, value, "yes" if good else "**no**"]
        for what, value, good in targets(rows, lines)])


HEAD_TEXT = """# How fast it is

Written by `tests/bench/page.py` from what `tests/bench/run --full` measured
({date}, {commit}): {cpus} cores, which the engine ({engine}), sshd and `ssh`
({ssh}), the client and berth all share; medians of {rounds} rounds; load {load:.1f}
at the start. [tests/bench](../tests/bench/README.md) says how all of it is
measured, and measures it on your machine.{others}

berth reads, judges and records each request, puts it into the runner's
namespace, and the reply out of it. `ssh -L` forwards bytes: beside it, more than
1 is better for berth. Rows with *20 ms* are behind a relay that takes so long
both ways. The black lines are half of what lies between the quartiles: bars that
differ by less say nothing.

![How many times as fast as ssh -L berth is](performance.svg)

"""

SLOWER_TEXT = f"""All rows in which berth has less than {int(SLOWER * 100)} % of the other's speed, the
worst first. A tunnel that judges nothing is hard to beat without a delay, and so
is a HAProxy that looks at nothing but paths.

"""


def of_others(files):
    """What was measured of other sources than the first file's."""
    return "".join(
        "\nOf {date}, {commit}, medians of {rounds} rounds, are: ".format(
            **f["about"])
        + ", ".join(dict.fromkeys(r["title"] for r in f["rows"])) + "."
        for f in files[1:])


SCALE_TEXT = """An engine asks for labels itself, so that lists of containers grow with what is
the runner's own; images and events without a filter come whole, and are sieved.

"""


def page(files, rows, lines, every):
    parts = [HEAD_TEXT.format(**files[0]["about"], others=of_others(files))]
    for title, words_, text in (
            ("Commands", "", commands(rows)),
            ("Where it is slower", SLOWER_TEXT, slower(rows)),
            ("Requests", "", requests(rows)), ("Bytes", "", streams(rows)),
            ("Scale", SCALE_TEXT, scale(every)),
            ("Memory", "", memory(lines)),
            ("Targets", "What the bench holds berth against.\n\n",
             met(rows, lines))):
        if text:
            parts.append(f"## {title}\n\n{words_}{text}\n")
    return "".join(parts).rstrip("\n") + "\n"


def main(paths):
    files = [json.loads(Path(p).read_text()) for p in paths]
    rows = [Row(r) for f in files for r in f["rows"]]
    shown = [r for r in rows if r.times is not None]
    lines = next((f["memory"] for f in files if f["memory"]), [])
    (DOCS / "performance.svg").write_text(figure(shown))
    (DOCS / "performance.md").write_text(page(files, shown, lines, rows))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.partition("usage: ")[2].partition("\n")[0])
    main(sys.argv[1:])
