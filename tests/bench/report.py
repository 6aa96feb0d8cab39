"""Medians, tables and the targets."""
import statistics

AGAINST = "ssh -L"


def median(row, peer, key):
    values = [s[key] for s in row.samples.get(peer, []) if key in s]
    return statistics.median(values) if values else None


def spread(row, peer, key):
    """Half of what lies between the quartiles, as a share of the median."""
    values = [s[key] for s in row.samples[peer] if key in s]
    if len(values) < 2 or not statistics.median(values):
        return None
    q = statistics.quantiles(values, n=4, method="inclusive")
    return (q[2] - q[0]) / 2 / statistics.median(values)


def better(row, peer, other):
    """How many times better PEER is than OTHER, by the first column."""
    column = row.columns[0]
    a, b = median(row, peer, column.key), median(row, other, column.key)
    if not a or not b:
        return None
    return a / b if column.more_is_better else b / a


def table(lines):
    """LINES of cells, the first the heads; the first two columns are words."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for n, line in enumerate(lines):
        print("  " + "  ".join(
            cell.ljust(w) if i < 2 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths))).rstrip())
        if n == 0:
            print("  " + "  ".join("-" * w for w in widths))


def show(rows):
    titles = dict.fromkeys(r.title for r in rows)
    for title in titles:
        some = [r for r in rows if r.title == title]
        print(f"\n{title}\n")
        lines = [["", "peer", *[c.head for c in some[0].columns],
                  f"x {some[0].against}", "noise"]]
        for row in some:
            for i, peer in enumerate(p.name for p in row.peers):
                lines.append(line_of(row, peer, row.name if i == 0 else ""))
        table(lines)


def line_of(row, peer, name):
    cells = [name, peer]
    for c in row.columns:
        value = median(row, peer, c.key)
        cells.append("" if value is None else f"{value:.{c.digits}f}")
    times = better(row, peer, row.against)
    noise = spread(row, peer, row.columns[0].key)
    cells.append("" if times is None or peer == row.against else f"{times:.2f}")
    cells.append("" if noise is None else f"{noise:.0%}")
    return cells


def show_memory(lines, held):
    print(f"\nMemory, and CPU of {held} silent streams\n")
    rows = [["", "peer", "RSS MiB", "KiB/log", "KiB/tunnel", "logs ms/s",
             "tunnels ms/s", "RSS after"]]
    for line in lines:
        rows.append(["", line["peer"], f"{line['idle'] / 1024:.1f}",
                     f"{line['logs']:.1f}", f"{line['attach']:.1f}",
                     f"{line['logs cpu']:.2f}", f"{line['attach cpu']:.2f}",
                     f"{line['after'] / 1024:.1f}"])
    table(rows)


# The targets: (what, value as text, met)


def find(rows, title, name):
    for row in rows:
        if row.title.startswith(title) and row.name == name:
            return row
    return None


def at_least(rows, what, title, name, other, factor):
    row = find(rows, title, name)
    times = row and better(row, "berth", other)
    if times is not None:
        yield what, f"{times:.2f} times", times >= factor


def at_most_more(rows, what, title, name, round_trip, limit):
    row = find(rows, title, name)
    values = row and [median(row, peer, "ms") for peer in ("berth", AGAINST)]
    if values and None not in values:
        more = (values[0] - values[1]) / round_trip
        yield what, f"{more:.2f}", more <= limit


def below(rows, what, title, name, key, limit):
    row = find(rows, title, name)
    value = row and median(row, "berth", key)
    if value is not None:
        yield what, f"{value:.2f}", value < limit


def targets(rows, memory):
    yield from at_least(
        rows, "docker ps at least 8 times faster than docker ssh://",
        "docker's command, no delay", "docker ps", "docker ssh://", 8)
    yield from at_least(
        rows, "docker ps at 20 ms at least 1.5 times faster than ssh -L",
        "docker's command, 20 ms", "docker ps", AGAINST, 1.5)
    yield from at_least(
        rows, "100 connections at once at 20 ms no slower than ssh -L",
        "100 connections at once, 20 ms", "GET /version", AGAINST, 1)
    yield from at_least(
        rows, "docker ps behind a bastion at 10 + 10 ms at least 2 times faster "
        "than ssh -J -L", "docker's command, one bastion", "docker ps", AGAINST,
        2)
    for kind in "stand-in", "real":
        yield from at_least(
            rows, f"10 creates at a time, {kind} engine: no slower than "
            "HAProxy", f"Creates of 6 KiB, {kind}", "x 10", "HAProxy", 1)
    for name, limit in ("two new volumes", 3.3), ("nothing new", 2.2):
        yield from below(
            rows, f"a create over SSH at 20 ms, {name}: below {limit} round "
            "trips", "Creates one at a time", name, "trips", limit)
    yield from below(
        rows, "ready within 50 ms, without SSH", "From start",
        "on plain sockets", "ms", 50)
    for name in "archive down x 1", "archive down x 8", \
            "archive up x 1", "archive up x 8":
        yield from at_least(
            rows, f"{name}: within 10 % of bare libssh2",
            "Streams to a stand-in engine, no delay", name, "bare libssh2",
            0.9)
    for target in "/version", "/containers/box/json":
        for name in "kept x 1", "new x 1", "kept x 10", "new x 10":
            yield from below(
                rows, f"{target}, {name}: p99 below 2 ms",
                f"GET {target}, stand-in engine, no delay", name, "p99", 2)
    for what in "ps", "inspect", "events":
        yield from at_least(
            rows, f"30 of 330 containers, docker {what}: at most 1.3 times "
            "ssh -L's time", "docker's command, 30", f"docker {what}", AGAINST,
            1 / 1.3)
    for name in "list x 1", "list x 10":
        yield from at_least(
            rows, f"30 of 330 containers, {name}: no slower than a Go proxy",
            "Lists against a proxy", name, "Go proxy", 1)
    for name in "a new context", "--output type=tar":
        yield from at_least(
            rows, f"a build, {name}: at least 0.9 of ssh -L", "Builds of",
            name, AGAINST, 0.9)
    for where in "no delay", "20 ms":
        yield from at_least(
            rows, f"a cached build of 20 steps, {where}: at most 1.1 times "
            "ssh -L's time", f"Cached builds, {where}", "20 steps", AGAINST,
            1 / 1.1)
    yield from at_most_more(
        rows, "a connection to a port at 20 ms: at most 1.1 round trips more "
        "than ssh -L", "Connections to a published port, 20 ms", "set-up", 20,
        1.1)
    for name in "down x 1", "up x 1":
        yield from at_least(
            rows, f"a published port, {name}: at least 0.9 of ssh -L",
            "Bytes through a published port, no delay", name, AGAINST, 0.9)
    for line in memory:
        if line["peer"] == "berth":
            yield ("idle below 16 MiB", f"{line['idle'] / 1024:.1f} MiB",
                   line["idle"] < 16 * 1024)
            for what in "logs", "attach":
                yield (f"a silent stream ({what}) below 64 KiB",
                       f"{line[what]:.1f} KiB", line[what] < 64)


def show_targets(rows, memory):
    lines = [["", "target", "is", "met"]]
    for what, value, met in targets(rows, memory):
        lines.append(["", what, value, "yes" if met else "NO"])
    if len(lines) > 1:
        print("\nTargets\n")
        table(lines)
