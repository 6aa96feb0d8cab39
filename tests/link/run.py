#!/usr/bin/env python3
"""The SSH link against a real sshd. Usage: run.py BUILD-DIR [NAME...]"""

import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bed import Bed, Failure  # noqa: E402

MIB = 1 << 20
tests = []


def test(function):
    tests.append(function)
    return function


@test
def a_stream_goes_both_ways(bed):
    link = bed.link(bed.sshd())
    link.up(1)
    link.say("stream 1 up=1000000 down=2000000")
    link.expect("^stream 1 ok ")


@test
def rekeying_loses_no_byte(bed):
    link = bed.link(bed.sshd("RekeyLimit 1M"))
    link.up(1)
    for i in range(8):
        link.say(f"stream {i} up={24 * MIB + i} down={24 * MIB + 7 * i}")
    link.expect("^stream . ok ", count=8)


def main():
    if os.geteuid() != 0 or not os.path.exists("/usr/sbin/sshd"):
        print("needs root and /usr/sbin/sshd")
        return 77
    build, names = sys.argv[1], sys.argv[2:]
    failed = []
    for function in tests:
        if names and function.__name__ not in names:
            continue
        bed = Bed(build)
        began = time.monotonic()
        verdict = "ok"
        try:
            try:
                function(bed)
            finally:
                bed.clean()
        except Failure as failure:
            verdict = f"FAILED: {failure}"
        except Exception:
            verdict = "FAILED: " + traceback.format_exc()
        if verdict != "ok":
            failed.append(function.__name__)
            log = bed.path("driver.log")
            if os.path.exists(log):
                sys.stdout.write(open(log).read()[-4000:])
        bed.close(keep=verdict != "ok" and "KEEP" in os.environ)
        print(f"{function.__name__}: {verdict} ({time.monotonic() - began:.1f} s)")
        sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
