"""Runs groups of tests, a step more at a time than there are processors: what
runs real programs waits now and then.

usage: tests/run [--no-install] [--list] [GROUP]...

Without a GROUP it runs them all. Logs of all steps are in build-tests/logs.
"""
import argparse
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.dont_write_bytecode = True
from count import adopt_orphans  # noqa: E402
from step import Case, Run, Trouble  # noqa: E402
from steps import GROUPS, ORDER  # noqa: E402

INSTALLS = {"e2e": "all", "sanitized": "all", "trixie": "trixie",
            "builds": "package"}
INSTALL_LIMIT = 1200  # seconds
LANES = 1 + max(2, os.cpu_count() or 1)  # that steps run in
TEXTS_MAX = 6  # of a step's failures; all are in its log


def children():
    me, found = str(os.getpid()), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if words[1] == me and words[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def end_leftovers(tmp):
    """Whatever went wrong: no bed and no process outlives the run."""
    for env in Path(tmp).rglob("env"):
        if "BED_NETNS" in env.read_text(errors="replace"):
            subprocess.run([TOP / "tests/bed/bed", "down", env.parent])
    while left := children():
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


class Board:
    """Which steps wait, run and are done; and what came of them."""

    def __init__(self, steps, tmp, logs):
        self.waiting = list(steps)
        self.tmp, self.logs = tmp, logs
        self.good, self.bad = set(), set()
        self.running = {}
        self.cases = []
        self.took = []  # lines of (step's name, begin, end, CPU seconds)
        self.began = time.monotonic()
        self.lock = threading.Condition()
        self.stopping = False
        self.lanes = LANES  # that are free

    def begin(self, step):
        self.waiting.remove(step)
        self.lanes -= step.lanes
        tmp = tempfile.mkdtemp(prefix="s", dir=self.tmp)
        log = self.logs / (step.name.replace(" ", "-") + ".log")
        log.unlink(missing_ok=True)
        self.running[step.name] = run = Run(step, str(TOP), tmp, log)
        return run

    def take(self):
        """The next step that can begin, or None when there are no more."""
        with self.lock:
            while self.waiting and not self.stopping:
                for step in self.waiting:
                    if self.bad.intersection(step.needs):
                        self.waiting.remove(step)
                        self.bad.add(step.name)
                        self.tell(step, 0, 0, [Case(
                            "skipped", "not run, for want of the "
                            + " and the ".join(step.needs))])
                        break
                    if self.good.issuperset(step.needs):
                        if step.lanes <= self.lanes:
                            return self.begin(step)
                        self.lock.wait()  # none goes before it
                        break
                else:
                    self.lock.wait()
            return None

    def work(self):
        while run := self.take():
            began = time.monotonic()
            try:
                cases = run.step.work(run) or [Case(
                    "failed", "ran no test", f"see {run.log}")]
            except Trouble as why:
                cases = [Case("failed", str(why).partition("\n")[0], str(why))]
            except Exception as why:  # of a program whose output is odd
                cases = [Case("failed", repr(why), f"{why!r}; see {run.log}")]
            else:
                rc = getattr(run, "rc", 0)
                if rc != 0 and all(c.how != "failed" for c in cases):
                    cases.append(Case("failed", f"ended with {rc}",
                                      f"see {run.log}"))
            with self.lock:
                del self.running[run.step.name]
                self.lanes += run.step.lanes
                failed = any(c.how == "failed" for c in cases)
                (self.bad if failed else self.good).add(run.step.name)
                now = time.monotonic()
                self.took.append((run.step.name, began - self.began,
                                  now - self.began, run.cpu))
                self.tell(run.step, now - began, run.cpu, cases)
                self.lock.notify_all()

    def tell(self, step, took, cpu, cases):
        if not step.counts:
            cases = [c for c in cases if c.how == "failed"]
        self.cases += cases
        counts = ", ".join(summary(cases, always=())) or "ok"
        print(f"{step.name:20} {took:6.1f} s {cpu:6.1f} s CPU  {counts}",
              flush=True)
        failed = [c for c in cases if c.how == "failed"]
        for n, case in enumerate(failed):
            print(f"  FAILED {step.name}: {case.name}")
            for line in case.text.splitlines() if n < TEXTS_MAX else ():
                print("    " + line)
        if len(failed) > TEXTS_MAX:
            print(f"  what the others said is in {self.logs}")
        sys.stdout.flush()

    def table(self):
        """Where the time went, the costliest step first."""
        print(f"\n{'step':20} {'from':>6} {'to':>6} {'CPU s':>7}")
        for name, begin, end, cpu in sorted(self.took, key=lambda t: -t[3]):
            print(f"{name:20} {begin:6.0f} {end:6.0f} {cpu:7.1f}")
        took = time.monotonic() - self.began
        cpu = sum(t[3] for t in self.took)
        print(f"all of it took {took:.0f} seconds, and {cpu:.0f} of CPU time")

    def stop(self):
        with self.lock:
            self.stopping = True
            running = list(self.running.values())
            self.lock.notify_all()
        threads = [threading.Thread(target=run.stop) for run in running]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def summary(cases, always=("passed", "failed")):
    counts = {how: sum(c.how == how for c in cases)
              for how in ("passed", "failed", "skipped")}
    return [f"{n} {how}" for how, n in counts.items() if n or how in always]


def chosen_steps(groups):
    """The steps of GROUPS, each once, in the order in which they are begun."""
    steps = {}
    for group in groups:
        for step in GROUPS[group]:
            steps.setdefault(step.name, step)
    place = {name: n for n, name in enumerate(ORDER)}
    return sorted(steps.values(), key=lambda s: place.get(s.name, len(place)))


def install(groups):
    words = {INSTALLS.get(group, "check") for group in groups}
    for word in {"all"} & words or sorted(words):
        if subprocess.run(
                [TOP / "tests/install.sh", word], timeout=INSTALL_LIMIT,
                stdin=subprocess.DEVNULL).returncode != 0:
            sys.exit("tests/run: tests/install.sh did not succeed")


def run_all(groups):
    logs = TOP / "build-tests/logs"
    logs.mkdir(parents=True, exist_ok=True)
    tmp = tempfile.mkdtemp(prefix="bt.", dir="/tmp")  # short, for sockets
    os.chmod(tmp, 0o755)  # servers run as other users, too
    board = Board(chosen_steps(groups), tmp, logs)
    interrupted = queue.SimpleQueue()
    for sig in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(sig, lambda number, frame: interrupted.put(number))
    workers = [threading.Thread(target=board.work) for _ in range(LANES)]
    try:
        for w in workers:
            w.start()
        while any(w.is_alive() for w in workers):
            try:
                number = interrupted.get(timeout=0.2)
            except queue.Empty:
                continue
            print("tests/run: interrupted, taking everything down", flush=True)
            board.stop()
            for w in workers:
                w.join()
            board.cases.append(Case("failed", f"signal {number}"))
    finally:
        end_leftovers(tmp)
        shutil.rmtree(tmp, ignore_errors=True)
    board.table()
    return board.cases


def main():
    p = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2])
    p.add_argument("--no-install", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("groups", nargs="*", metavar="GROUP")
    args = p.parse_args()
    if args.list:
        for group, steps in GROUPS.items():
            print(f"{group:12}", ", ".join(s.name for s in steps))
        return 0
    unknown = set(args.groups) - set(GROUPS)
    if unknown:
        p.error(f"no group {sorted(unknown)[0]}; there are: "
                + ", ".join(GROUPS))
    groups = args.groups or list(GROUPS)
    os.chdir(TOP)
    adopt_orphans()
    if not args.no_install:
        install(groups)
    cases = run_all(groups)
    counts = summary(cases)
    print(", ".join(counts), flush=True)
    failed = any(c.how == "failed" for c in cases)
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
