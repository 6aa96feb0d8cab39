"""One step of a test run: a few commands in order, with a time limit and a
log, and the cases that their output tells of."""
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

COUNT = Path(__file__).with_name("count.py")
GRACE = 40  # seconds to take down what it started, after a SIGTERM


@dataclass
class Case:
    """One test that ran (or did not); TEXT is what it said, if it failed."""
    how: str  # "passed", "failed", "skipped"
    name: str
    text: str = ""


class Trouble(Exception):
    """What keeps a step from going on, for the reader of the report."""


class Late(Trouble):
    """Its time was over; TEXT is what it had printed by then."""

    def __init__(self, what, text):
        super().__init__(what)
        self.text = text


@dataclass
class Step:
    name: str
    work: object  # a function that takes the step's Run, returns its Cases
    needs: tuple = ()  # names of steps that must have gone well before
    limit: int = 600  # seconds
    lanes: int = 1  # how many of main.py's it keeps busy
    counts: bool = True  # False: a build; its cases are only told if it fails


class Run:
    """A step under way: where its commands run, log and end."""

    def __init__(self, step, top, tmp, log):
        self.step, self.top, self.tmp, self.log = step, top, tmp, log
        self.end = time.monotonic() + step.limit
        self.process = None
        self.stopped = False
        self.cpu = 0  # seconds, of all commands

    def call(self, *argv, env=None, check=True):
        """Run a command to its end; returns its output, both kinds in one."""
        argv = [str(a) for a in argv]
        if self.stopped:
            raise Trouble("interrupted")
        with open(self.log, "ab") as log:
            begin = log.tell()
            log.write(("$ " + " ".join(argv) + "\n").encode())
            log.flush()
            self.process = subprocess.Popen(
                [sys.executable, COUNT, f"{self.tmp}/cpu", *argv], cwd=self.top, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
                env={**os.environ, "TMPDIR": self.tmp, **(env or {})})
            if self.stopped:  # just now, by another thread
                self.stop()
            try:
                rc = self.process.wait(max(1, self.end - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.stop()
                raise Late(f"not done within {self.step.limit} seconds",
                           self.since(begin))
            finally:
                self.count()
        text = self.since(begin)
        if self.stopped:
            raise Trouble("interrupted")
        if check and rc != 0:
            raise Trouble(f"{argv[0]} ended with {rc}:\n{tail(text)}")
        self.rc = rc
        return text

    def count(self):
        """Add what the last command took of the processors."""
        said = Path(self.tmp, "cpu")
        if said.exists():  # or it was killed
            self.cpu += float(said.read_text())
            said.unlink()

    def since(self, begin):
        """What was printed by the command that began there in the log."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(begin)
            return log.read().partition("\n")[2]

    def stop(self):
        """End the command: kindly first, as it may have much to take down."""
        self.stopped = True
        p = self.process
        if not p or p.poll() is not None:
            return
        for sig in signal.SIGTERM, signal.SIGKILL:
            try:
                os.killpg(p.pid, sig)
            except ProcessLookupError:
                pass
            try:
                p.wait(GRACE)
                return
            except subprocess.TimeoutExpired:
                continue


def tail(text, lines=60):
    return "\n".join(text.rstrip().splitlines()[-lines:])
