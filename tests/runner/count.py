#!/usr/bin/python3
"""Run COMMAND to its end, and write to FILE how many seconds of CPU time it took
with all that it started: also what was left to itself (a bed's engine), as far
as that has ended by then.

usage: count.py FILE COMMAND [ARGUMENT]...
"""
import ctypes
import os
import resource
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """What a child leaves behind becomes ours."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(until, how=0):
    """Wait for whatever ends, UNTIL that child or nothing does: its status."""
    while True:
        try:
            pid, status = os.waitpid(-1, how)
        except ChildProcessError:
            return None
        if pid in (0, until):
            return status


def main(file, *argv):
    adopt_orphans()
    # what is sent to the whole group is the command's to heed
    signal.signal(signal.SIGTERM, lambda *_: None)
    pid = os.posix_spawnp(argv[0], argv, os.environ)
    status = reap(pid)
    reap(None, os.WNOHANG)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(file, "w") as out:
        out.write(str(used.ru_utime + used.ru_stime))
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
