"""What runners leave behind goes: by "berth clean", and when berth stops.

usage: leftovers.py PATH-OF-BERTH
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from leftovers_stage import BERTH, FAULTS, NOW, Stage, check, stop


def own_namespace():
    with Stage() as s:
        for ns in ("r1", "r2"):
            s.engine.fill(ns)
        # what only says that it is r1's, and what says nothing
        s.engine.objects["networks"]["x"] = {
            "Id": "x", "Name": "other", "Labels": {"berth.namespace": "r1"}}
        before = sorted(s.engine.left("r2"))
        run = s.clean("--dry-run")
        check("a dry run says what would go", run.stdout.count("would remove") == 25, run.stdout)
        check("and removes nothing", not s.engine.log)
        s.engine.slow = 0.01
        run = s.clean()
        check("clean succeeds", run.returncode == 0, run.stdout + run.stderr)
        check("all is gone", s.engine.left("r1") == ["other"], s.engine.left("r1"))
        check("nothing of another", sorted(s.engine.left("r2")) == before)
        kinds = [kind for kind, _, _ in s.engine.log]
        order = ["containers", "networks", "volumes", "images"]
        check("in order", kinds == sorted(kinds, key=order.index), kinds)
        check("eight at a time", 1 < s.engine.most_at_once <= 8, s.engine.most_at_once)
        check("with their volumes", all("v=1" in q for k, _, q in s.engine.log if k == "containers"))
        records = s.records()
        decided = [r["id"] for r in records if r["event"] == "decision"]
        ended = [r["id"] for r in records if r["event"] == "end"]
        check("each on record, before and after", len(decided) == len(s.engine.log)
              and sorted(decided) == sorted(ended) and len(set(ended)) == len(ended))
        check("by its rule", {r["rule"] for r in records} == {"leftovers"})
        check("again finds nothing", s.clean().stdout.startswith("0 removed"))


def what_broke_off():
    with Stage() as s:
        for ns in ("r1", "r2"):
            s.engine.fill(ns, 1)
        s.engine.break_off("r2")
        run = s.clean()
        there = s.engine.objects["containers"]
        check("another's push and build stay", {"step", "lock"} <= there.keys(), run.stdout)
        s.engine.log.clear()
        run = s.clean("--namespace", "r2")
        check("they go with their namespace", not there and run.returncode == 0,
              run.stdout + run.stderr)
        names = [ref for kind, ref, _ in s.engine.log if kind == "images"]
        check("and the name that the push borrowed, first", names[:2] ==
              ["docker.io/library/app:1", "push.berth.invalid/app:1"], s.engine.log)
        check("then its lock", [ref for _, ref, _ in s.engine.log].index("lock") >
              [ref for _, ref, _ in s.engine.log].index("push.berth.invalid/app:1"))
        check("each is told", "removed build step busy_hopper" in run.stdout and
              "removed push berth.push.12" in run.stdout, run.stdout)
    with Stage() as s:
        s.engine.break_off("r2")
        s.clean()
        check("a push may take an hour", len(s.engine.tags) == 2, s.engine.log)
        s.engine.now = NOW + 3601
        s.clean("--namespace", "nobody-*")
        check("then anybody gives its name back",
              s.engine.objects["containers"].keys() == {"step"} and not s.engine.tags,
              s.engine.log)


def patterns_and_ages():
    with Stage() as s:
        s.engine.fill("ci-1", 2)
        s.engine.fill("ci-2", 2, made=NOW - 60)
        s.engine.fill("prod", 2)
        s.engine.tags.append("ci-3.berth.invalid/app:1")  # of an age unknown
        run = s.clean("--namespace", "ci-*")
        check("old ones go", not s.engine.left("ci-1"), run.stdout)
        check("young ones stay", len(s.engine.left("ci-2")) == 7, run.stdout)
        check("and those of no age", len(s.engine.left("ci-3")) == 1, run.stdout)
        check("and others", len(s.engine.left("prod")) == 7)
        check("it says why", "ci-2 stays: it made something 60 s ago" in run.stdout, run.stdout)
        s.clean("--namespace", "ci-*", "--older-than", "1m")
        check("by an age of one's own", not s.engine.left("ci-2"))
        s.clean("--namespace", "ci-3")
        check("by name", not s.engine.left("ci-3"))


def two_at_once_and_one_killed():
    with Stage() as s:
        s.engine.fill("r1", 60)
        s.engine.slow = 0.03
        first = subprocess.Popen([BERTH, "clean", "--policy", s.policy, "--namespace", "r1"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while len(s.engine.log) < 10:
            time.sleep(0.01)
        first.kill()
        first.wait()
        first.stderr.close()
        runs = [threading.Thread(target=s.clean) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        check("two at once, after one that was killed", not s.engine.left("r1"), s.engine.left("r1"))


def when_berth_stops():
    with Stage(leftovers="remove") as s:
        s.engine.fill("r1")
        s.engine.fill("r2", 1)
        process = s.serve()
        run = s.clean()
        check("one that is served stays", "r1 stays: a berth serves it" in run.stdout, run.stdout)
        err = stop(process)
        check("all goes when berth stops", not s.engine.left("r1"), err)
        check("and nothing else", len(s.engine.left("r2")) == 6)
    with Stage() as s:
        s.engine.fill("r1", 1)
        stop(s.serve())
        check("what is kept stays, with the bridge that it uses", len(s.engine.left("r1")) == 6)
        s.engine.objects["containers"].clear()
        stop(s.serve())
        check("the bridge goes when it is empty", sorted(s.engine.left("r1")) ==
              ["r1.berth.invalid/app:1", "r1.net", "r1.v1", "r1.v2"], s.engine.left("r1"))
    with Stage(leftovers="remove", isolation="none") as s:
        s.engine.fill("r1", 1)
        stop(s.serve())
        check("without isolation nothing is touched", not s.engine.log)
        check("nor cleaned", s.clean().returncode == 2)


def who_has_what():
    with Stage() as s:
        place = s.dir.name + "/metrics.sock"
        with open(s.policy) as file:
            policy = json.load(file)
        policy["metrics"] = {"listen": place}
        with open(s.policy, "w") as file:
            json.dump(policy, file)
        s.engine.fill("r1", 5)
        s.engine.fill("r2", 7)
        for row in s.engine.objects["containers"].values():
            row["Ports"] = [{"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "IP": ip}
                            for ip in ("0.0.0.0", "::")] + [{"PrivatePort": 81, "Type": "tcp"}]
        process = s.serve()

        def has():
            status = subprocess.run([BERTH, "status", "--socket", place, "--json"],
                                    capture_output=True, text=True, timeout=60)
            return json.loads(status.stdout)["berths"][0]["objects"]

        check("nothing is known before the first count", has() is None)
        for _ in range(200):
            if has():
                break
            time.sleep(0.02)
        check("then it is counted", has() == {
            "containers": 5, "networks": 2, "volumes": 2, "images": 1, "ports": 5,
            "image_bytes": 1234}, has())
        shown = subprocess.run([BERTH, "status", "--socket", place],
                               capture_output=True, text=True, timeout=60)
        check("and shown", "has 5 containers, 2 networks, 2 volumes, 1 images" in shown.stdout,
              shown.stdout)
        asked = len(s.engine.lists)
        for _ in range(20):
            has()
        # but for a count now and then on a busy machine, of four lists each
        check("who looks often asks no more", len(s.engine.lists) < asked + 20,
              len(s.engine.lists) - asked)
        stop(process)


def a_reload_spares_what_is_served_on():
    with Stage(leftovers="remove") as s:
        s.engine.fill("r1", 3)
        process = s.serve()
        with open(s.policy) as file:
            policy = json.load(file)
        policy["listen"]["path"] = s.socket + "2"
        with open(s.policy, "w") as file:
            json.dump(policy, file)
        process.send_signal(signal.SIGHUP)
        while not os.path.exists(s.socket + "2"):
            time.sleep(0.02)
        time.sleep(0.3)
        check("the same namespace on another socket keeps all", not s.engine.log, s.engine.log)
        policy["namespace"] = "r9"
        with open(s.policy, "w") as file:
            json.dump(policy, file)
        process.send_signal(signal.SIGHUP)
        for _ in range(500):
            if not s.engine.left("r1"):
                break
            time.sleep(0.02)
        check("one that is served no more goes", not s.engine.left("r1"))
        stop(process)


own_namespace()
what_broke_off()
patterns_and_ages()
two_at_once_and_one_killed()
when_berth_stops()
who_has_what()
a_reload_spares_what_is_served_on()
print("%d faults" % len(FAULTS))
sys.exit(bool(FAULTS))
