#!/usr/bin/python3
"""What page.py makes of measurements: all of them are there, the bad ones too."""
import re
import sys
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import page  # noqa: E402

ABOUT = {"date": "2026-01-31", "commit": "abc1234", "cpus": 2, "engine": "26.1",
         "ssh": "OpenSSH 9.2", "rounds": 5, "load": 0.25}
SVG = "{http://www.w3.org/2000/svg}"


def row(title, name, **peers):
    """One as `run --json` writes it: of each of PEERS its samples, which are
    milliseconds unless they are dicts."""
    return page.Row({"title": title, "name": name, "samples": {
        peer.replace("_", " "): [s if isinstance(s, dict) else {"ms": s}
                                 for s in samples]
        for peer, samples in peers.items()}})


def command(name, berth, ssh):
    return row("docker's command, no delay", name, berth=berth,
               **{"ssh_-L": ssh})


class Rows(unittest.TestCase):
    def test_less_time_is_better(self):
        self.assertEqual(command("docker ps", [10, 20, 30], [40]).times, 2)

    def test_a_greater_rate_is_better(self):
        one = row("Streams, no delay", "down", berth=[{"rate": 300}],
                  **{"ssh_-L": [{"rate": 100}]})
        self.assertEqual(one.times, 3)
        self.assertEqual(one.value("berth"), "300 MiB/s")

    def test_each_is_held_against_the_best_there_is(self):
        peers = {"ssh_-L": [30], "HAProxy": [10], "berth": [20]}
        self.assertEqual(row("Lists", "ps", **peers).against, "ssh -L")
        self.assertEqual(row("Creates of 6 KiB", "x 1", **peers).against, "HAProxy")
        self.assertEqual(row("Lists", "ps", Go_proxy=[5], **peers).times, 0.25)

    def test_a_peer_without_samples_is_none(self):
        one = row("Lists", "ps", berth=[20], HAProxy=[10], **{"ssh_-L": []})
        self.assertEqual(one.against, "HAProxy")
        self.assertIsNone(row("Lists", "ps", **{"ssh_-L": [5]}).times)


class Figure(unittest.TestCase):
    ROWS = [command("docker <ps>", [10, 10], [20, 20]),
            command("slow", [3000, 3000], [1, 1]),
            command("fast", [1, 1], [3000, 3000])]

    def setUp(self):
        self.top = xml.fromstring(page.figure(self.ROWS))  # so it is well-formed

    def bars(self):
        return [r for r in self.top.iter(SVG + "rect") if r.get("class")]

    def test_every_row_has_a_bar_its_name_and_how_many_times(self):
        self.assertEqual(len(self.bars()), len(self.ROWS))
        said = [t.text for t in self.top.iter(SVG + "text")]
        for one in self.ROWS:
            self.assertIn(one.name, said)
            self.assertIn(f"{one.times:.2f}", said)

    def test_what_is_slower_is_marked_and_on_the_other_side_of_one(self):
        one = page.place(1)
        for bar, wanted in zip(self.bars(), "bab"):
            self.assertEqual(bar.get("class"), wanted)
            left = float(bar.get("x"))
            self.assertEqual(left < one - 0.1, wanted == "a")

    def test_nothing_leaves_the_figure(self):
        height = int(self.top.get("height"))
        for bar in self.bars():
            left, width = float(bar.get("x")), float(bar.get("width"))
            self.assertGreaterEqual(left, page.LABEL)
            self.assertLessEqual(left + width, page.WIDTH)
            self.assertLess(float(bar.get("y")), height)


class Page(unittest.TestCase):
    def lines(self, title, *rows, memory=()):
        text = page.page([{"about": ABOUT}], list(rows), list(memory), list(rows))
        part = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        return part[1].splitlines() if part else None

    def test_every_slower_row_is_listed_the_worst_first(self):
        found = self.lines("Where it is slower", command("good", [10], [20]),
                           command("bad", [20], [10]), command("even", [10], [10]),
                           command("worst", [30], [10]))
        names = [line.split(" | ")[0] for line in found if " ms | " in line]
        self.assertEqual(names, ["| docker's command, no delay: worst",
                                 "| docker's command, no delay: bad"])

    def test_what_was_not_measured_has_no_part(self):
        one = command("docker ps", [10], [20])
        self.assertIsNone(self.lines("Memory", one))
        self.assertIsNone(self.lines("Where it is slower", one))
        self.assertIn("| docker ps | 10.0 ms | 20.0 ms | 2.00 |  |",
                      [line.replace("no delay: ", "")
                       for line in self.lines("Commands", one)])

    def test_a_target_that_is_missed_stands_out(self):
        memory = [{"peer": "berth", "idle": 20 * 1024, "logs": 10, "attach": 70}]
        found = self.lines("Targets", memory=memory)
        self.assertIn("| idle below 16 MiB | 20.0 MiB | **no** |", found)
        self.assertIn("| a silent stream (logs) below 64 KiB | 10.0 KiB | yes |",
                      found)

    def test_the_head_says_of_which_sources_what_is(self):
        other = {"about": {**ABOUT, "date": "2025-12-24", "commit": "fedcba9"},
                 "rows": [{"title": "Builds"}, {"title": "Bastions"},
                          {"title": "Builds"}]}
        text = page.page([{"about": ABOUT}, other], [], [], [])
        for value in ABOUT.values():
            self.assertIn(str(value)[:3], text)
        self.assertIn("Of 2025-12-24, fedcba9, medians of 5 rounds, are: "
                      "Builds, Bastions.", text)
        self.assertNotIn("fedcba9", page.page([{"about": ABOUT}], [], [], []))


unittest.main()
