#!/usr/bin/python3
"""Run the end-to-end scenarios against beds of several engines, side by side.

usage: run.py [--engine 20.10|26.1|next|next-graph|podman] [-k WORD]...
              [MODULE]...

BERTH_BINARY names the program (build/proxy/berth), BERTH_STAND_IN=ssh takes an
`ssh -L` in its place, BERTH_E2E_MIB says how big the big contents are (64).
A MODULE is the name of a file beside this one: test_cli.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
from harness import Bed  # noqa: E402

ENGINES = ["20.10", "26.1", "next", "podman"]
MORE_ENGINES = ["next-graph"]  # by --engine only
# Without a MODULE, all of them run on 26.1; on the others those in which the
# engine or its clients' age may matter, and not what berth does by itself.
SOME = ["test_cli", "test_images", "test_own_images"]
NEXT = [*SOME, "test_build_attacks", "test_build_flows", "test_compose",
        "test_old_clients", "test_sdk"]
# The next release's speaks no older API than the first engines 29 did, so that
# all old clients there need berth's help.
ENVIRONMENT = {"next": "DOCKER_MIN_API_VERSION=1.44"}
MODULES = {"20.10": SOME, "next": NEXT, "next-graph": NEXT,
           "podman": ["test_podman"]}


class Report(unittest.TestResult):
    """A line for each scenario as it ends, and the counts for the parent."""

    def __init__(self, engine, counts, is_again=False):
        super().__init__()
        self.engine = engine
        self.counts = counts
        self.again = []  # scenarios
        self.is_again = is_again

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, how, test, text=""):
        if how != "again":
            self.counts[how] += 1
        name = test.id() if hasattr(test, "id") else str(test)
        took = time.monotonic() - getattr(self, "began", time.monotonic())
        word = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip",
                "again": "again"}[how]
        print(f"{word} {self.engine:5} {took:5.1f}s {name}", text, flush=True)

    def addSuccess(self, test):
        self.say("passed", test)

    def addFailure(self, test, err):
        text = "\n" + self._exc_info_to_string(err, test)
        if self.is_again or not isinstance(test, unittest.TestCase):
            self.say("failed", test, text)
            return
        self.say("again", test, text)
        if test not in self.again:
            self.again.append(test)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            # what is done again is the whole of it
            self.addFailure(subtest if self.is_again else test, err)

    def addSkip(self, test, reason):
        self.say("skipped", test, "(" + reason + ")")


def child(args):
    """Run the scenarios for one engine, whose bed is up."""
    loader = unittest.TestLoader()
    if args.k:
        loader.testNamePatterns = [f"*{k}*" for k in args.k]
    engine = Bed(os.environ["BERTH_E2E_BED"]).env["BED_ENGINE"]
    modules = args.modules or MODULES.get(engine) or sorted(
        f.stem for f in HERE.glob("test_*.py"))
    suite = unittest.TestSuite(loader.loadTestsFromName(m) for m in modules)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    report = Report(engine, counts)
    suite.run(report)
    # Two cores are shared by three engines, six runners and all their clients;
    # what fails among them has to hold once it is by itself.
    unittest.TestSuite(report.again).run(Report(engine, counts, is_again=True))
    Path(args.child).write_text(json.dumps(counts))


def parent(args):
    os.environ.setdefault(
        "BERTH_BINARY", str(HERE.parents[1] / "build/proxy/berth"))
    with tempfile.TemporaryDirectory(prefix="berth-run.") as tmp:
        beds, children = [], []
        try:
            for engine in args.engine or ENGINES:
                os.environ["BED_ENGINE_ENV"] = ENVIRONMENT.get(engine, "")
                bed = Bed(f"{tmp}/{engine}").up(engine)
                beds.append(bed)
                # What the scenarios leave behind goes with all the rest.
                scratch = Path(f"{tmp}/t{engine}")
                scratch.mkdir()
                children.append((engine, subprocess.Popen(
                    [sys.executable, __file__, "--child", f"{tmp}/c{engine}",
                     *sys.argv[1:]],
                    env={**os.environ, "BERTH_E2E_BED": str(bed.dir),
                         "TMPDIR": str(scratch)})))
            counts = [count(f"{tmp}/c{engine}", engine, p.wait())
                      for engine, p in children]
        finally:
            for _, p in children:
                if p.poll() is None:
                    p.terminate()
                    p.wait()
            for bed in beds:
                bed.down()
    total = {k: sum(c[k] for c in counts)
             for k in ("passed", "failed", "skipped")}
    print(", ".join(f"{n} {how}" for how, n in total.items()))
    return 1 if total["failed"] or not total["passed"] else 0


def count(path, engine, rc):
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        print(f"FAIL {engine} the scenarios broke off with {rc}")
        return {"passed": 0, "failed": 1, "skipped": 0}


def main():
    # An end from outside, too, takes the beds down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    p = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].replace("%", "%%"))
    p.add_argument("--engine", action="append",
                   choices=ENGINES + MORE_ENGINES)
    p.add_argument("--child")
    p.add_argument("-k", action="append")
    p.add_argument("modules", nargs="*")
    args = p.parse_args()
    return child(args) if args.child else parent(args)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
