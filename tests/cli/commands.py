#!/usr/bin/python3
"""What berth's commands print, and how they exit.

usage: commands.py BERTH

A case of commands.json runs "argv", where POLICY and BODY are files with
"policy" (keys beside the usual ones) and "body", with "env" in its environment; all of "out" has to be in the
output and of "err" on standard error, nothing of "not", and "json" has to be
part of the output, which then is JSON.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

USUAL = {"version": 1, "preset": "compose-tests", "namespace": "r1",
         "upstream": {"url": "unix:///run/docker.sock"}}


def faults(case, berth, where):
    files = {"POLICY": {**USUAL, **case.get("policy", {})},
             "BODY": case.get("body")}
    for name, content in files.items():
        (where / name).write_text(json.dumps(content))
    p = subprocess.run(
        [berth, *(str(where / a) if a in files else a for a in case["argv"])],
        input=case.get("stdin", "").encode(), capture_output=True, check=False,
        timeout=60, env={**os.environ, **case.get("env", {})})
    out, err = p.stdout.decode(), p.stderr.decode()
    if p.returncode != case["exit"]:
        yield f"exited with {p.returncode}"
    for text in case.get("out", []):
        if text not in out:
            yield f"not printed: {text!r}"
    for text in case.get("not", []):
        if text in out:
            yield f"printed: {text!r}"
    for text in case.get("err", []):
        if text not in err:
            yield f"not on standard error: {text!r}"
    if "json" in case:
        got = json.loads(out)
        for key, value in case["json"].items():
            if got.get(key) != value:
                yield f"{key} is {got.get(key)!r}"


def main(berth):
    cases = json.loads(Path(__file__).with_suffix(".json").read_text())
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="berth-cli.") as tmp:
        for case in cases:
            for fault in faults(case, berth, Path(tmp)):
                print(f"{case['name']}: {fault}")
                wrong += 1
    print(f"{len(cases)} commands, {wrong} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
