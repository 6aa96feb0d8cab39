#!/usr/bin/python3
"""Run the end-to-end scenarios against beds of several engines, side by side.

usage: run.py [--engine 20.10|26.1|next|next-graph|podman]... [-k WORD]...
              [--except ENGINE:MODULE]... [MODULE]...

An engine that is named twice has two beds, which share the modules.

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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
from harness import Bed  # noqa: E402

# 26.1, on which everything is played, has two beds.
ENGINES = ["26.1", "26.1", "next", "20.10", "podman"]
AT_ONCE = 4  # beds
MORE_ENGINES = ["next-graph"]  # by --engine only
# Without a MODULE, all of them run on 26.1; on the others those in which the
# engine or its clients' age may matter, and not what berth does by itself.
SOME = ["test_cli", "test_images", "test_own_images"]
NEXT = [*SOME, "test_build_attacks", "test_build_flows", "test_compose",
        "test_old_clients", "test_sdk"]
# The next release's speaks no older API than the first engines 29 did, so that
# all old clients there need berth's help.
ENVIRONMENT = {"next": "DOCKER_MIN_API_VERSION=1.44"}
MODULES = {"20.10": [*SOME, "test_buildbot"], "next": NEXT, "next-graph": NEXT,
           "podman": ["test_podman"]}
# These come first, so that no bed is left with a long one in the end.
LONG = {"test_parity", "test_own_images", "test_cli", "test_isolation",
        "test_copied_files", "test_build_flows", "test_deploy", "test_faults",
        "test_projects"}
RECORD = 64  # bytes of a module's name in a pipe: a read takes one whole


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


def given(pipe):
    """The modules to play next, each given to one bed only."""
    while record := os.read(pipe, RECORD):
        yield record.decode().strip()


def modules_for(engine, args):
    modules = args.modules or MODULES.get(engine) or [
        f.stem for f in HERE.glob("test_*.py")]
    modules = {m for m in modules if f"{engine}:{m}" not in args.but}
    return sorted(modules, key=lambda m: (m not in LONG, m))


def queue_of(modules):
    """A pipe that they are all in; those who read it share them."""
    reader, writer = os.pipe()
    for module in modules:
        os.write(writer, module.encode().ljust(RECORD))
    os.close(writer)
    return reader


def child(args):
    """Run scenarios on one bed, which is up."""
    loader = unittest.TestLoader()
    if args.k:
        loader.testNamePatterns = [f"*{k}*" for k in args.k]
    engine = Bed(os.environ["BERTH_E2E_BED"]).env["BED_ENGINE"]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    again = []
    for module in given(args.pipe):
        # one of its own: it keeps the class that is to be torn down next
        report = Report(engine, counts)
        loader.loadTestsFromName(module).run(report)
        again += report.again
    # Two cores are shared by several engines, their runners and all clients;
    # what fails among them has to hold once it is by itself.
    unittest.TestSuite(again).run(Report(engine, counts, is_again=True))
    Path(args.child).write_text(json.dumps(counts))


class Lanes:
    """Beds side by side, each with a child that plays scenarios on it."""

    def __init__(self, tmp, args):
        self.tmp, self.argv = tmp, sys.argv[1:]
        self.engines = args.engine or ENGINES
        self.queues = {e: queue_of(modules_for(e, args))
                       for e in dict.fromkeys(self.engines)}
        self.children = []
        self.stopping = False

    def play(self, number):
        """Bring a bed up, play on it, take it down; returns the counts."""
        engine = self.engines[number]
        queue = self.queues[engine]
        bed = Bed(f"{self.tmp}/{number}")
        counts = Path(f"{self.tmp}/c{number}")
        # What the scenarios leave behind goes with all the rest.
        scratch = Path(f"{self.tmp}/t{number}")
        scratch.mkdir()
        try:
            if self.stopping:
                return None
            bed.up(engine, BED_ENGINE_ENV=ENVIRONMENT.get(engine, ""))
            p = subprocess.Popen(
                [sys.executable, __file__, "--child", counts, "--pipe",
                 str(queue), *self.argv], pass_fds=[queue],
                env={**os.environ, "BERTH_E2E_BED": str(bed.dir),
                     "TMPDIR": str(scratch)})
            self.children.append(p)
            if self.stopping:
                p.terminate()
            return count(counts, engine, p.wait())
        except subprocess.CalledProcessError as why:
            print(f"FAIL {engine} has no bed: {why}", flush=True)
            return {"passed": 0, "failed": 1, "skipped": 0}
        finally:
            bed.down()

    def stop(self):
        self.stopping = True
        for p in self.children:
            if p.poll() is None:
                p.terminate()


def parent(args):
    os.environ.setdefault(
        "BERTH_BINARY", str(HERE.parents[1] / "build/proxy/berth"))
    with tempfile.TemporaryDirectory(prefix="berth-run.") as tmp:
        lanes = Lanes(tmp, args)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                counts = list(pool.map(lanes.play, range(len(lanes.engines))))
            except BaseException:
                lanes.stop()
                raise
    total = {k: sum(c[k] for c in counts)
             for k in ("passed", "failed", "skipped")}
    print(", ".join(f"{n} {how}" for how, n in total.items()))
    return 1 if total["failed"] or not total["passed"] else 0


def count(path, engine, rc):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        print(f"FAIL {engine} the scenarios broke off with {rc}")
        return {"passed": 0, "failed": 1, "skipped": 0}


def main():
    # An end from outside, too, takes the beds down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    p = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].replace("%", "%%"))
    p.add_argument("--engine", action="append",
                   choices=list(dict.fromkeys(ENGINES + MORE_ENGINES)))
    p.add_argument("--child")
    p.add_argument("--pipe", type=int)
    p.add_argument("-k", action="append")
    p.add_argument("--except", action="append", dest="but", default=[])
    p.add_argument("modules", nargs="*")
    args = p.parse_args()
    return child(args) if args.child else parent(args)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
