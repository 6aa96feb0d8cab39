"""What berths that died have left goes once their lease is over, and nothing of
those that live.

usage: leases.py PATH-OF-BERTH
"""

import sys
import time

from leftovers_stage import FAULTS, NOW, Stage, check, stop


def wait_until(what, question, seconds=60):
    end = time.monotonic() + seconds
    while not question():
        if time.monotonic() > end:
            check(what, False, "not within %d s" % seconds)
            return
        time.sleep(0.05)


SHORT = {"action": "remove", "lease": "10s"}


def of_the_dead_by_the_living():
    with Stage(leftovers=SHORT) as s, Stage(leftovers=SHORT, namespace="r2") as other:
        other.use_engine_of(s)
        s.engine.fill("r1", 3)
        s.engine.fill("r2", 3)
        dead = s.serve()
        wait_until("who serves has a lease", lambda: len(s.engine.leases("r1")) == 1)
        living = other.serve()
        dead.kill()
        dead.communicate()
        time.sleep(1)
        check("which outlives it", len(s.engine.leases("r1")) == 1)
        with s.engine.lock:
            s.engine.now += 3600  # a clock that is set costs the living nothing
        wait_until("all of the dead goes",
                   lambda: not s.engine.left("r1") and not s.engine.leases("r1"))
        check("nothing of the living", len(s.engine.left("r2")) == 8, s.engine.left("r2"))
        kinds = [kind for kind, ref, _ in s.engine.log
                 if not ref.startswith("berth_") and not ref.startswith("r2")]
        order = ["containers", "networks", "volumes", "images"]
        check("in order", kinds == sorted(kinds, key=order.index), kinds)
        records = other.records()
        check("on the record of who did it", {"r1"} == {
            r["namespace"] for r in records if r.get("rule") == "leftovers"})
        stop(living)
        check("a lease goes when berth stops", not s.engine.leases("r2"), s.engine.leases("r2"))


def who_comes_later_goes_on_from_what_others_saw():
    """The lease of the dead lasts longer than anybody here lives."""
    with Stage(leftovers=SHORT, namespace="r2") as s:
        s.engine.fill("r1", 1)
        s.engine.add_lease("r1", NOW - 2000, term=1000)

        def records():
            return [v for n, v in s.engine.objects["volumes"].items()
                    if n.startswith("berth_watch.r1.")]

        first = s.serve()
        wait_until("it looks at leases", lambda: s.engine.looks)
        time.sleep(5)  # less than a second is not worth a record
        stop(first)
        check("what it saw is on record", len(records()) == 1, s.engine.leases("r1"))
        seen = int(records()[0]["Labels"]["berth.lease.seen"])
        check("as long as that was", 1000 <= seen < 60_000, seen)
        with s.engine.lock:
            records()[0]["Labels"]["berth.lease.seen"] = "999000"
        second = s.serve()
        wait_until("who comes next needs a second", lambda: not s.engine.left("r1"))
        wait_until("no record is left", lambda: not s.engine.leases("r1"))
        stop(second)


def clean_goes_by_leases():
    with Stage() as s:
        s.engine.fill("ci-1", 2, made=NOW - 60)
        s.engine.add_lease("ci-1", NOW - 2000)
        s.engine.fill("ci-2", 2)
        s.engine.add_lease("ci-2", NOW - 800)
        s.engine.fill("ci-3", 2)
        s.engine.add_lease("ci-3", NOW - 2000, term=4)
        s.engine.add_lease("ci-3", NOW - 5, kind="sweep", term=None)
        run = s.clean("--namespace", "ci-*", "--dry-run")
        check("a dry run goes by them", "would remove container ci-1" in run.stdout
              and "ci-2 stays: a berth has a lease on it for 100 s yet" in run.stdout
              and "ci-3 stays: another berth is removing it" in run.stdout, run.stdout)
        s.engine.objects["volumes"].pop(s.engine.leases("ci-1")[0])
        s.engine.add_lease("ci-1", NOW - 2000, term=4)
        run = s.clean("--namespace", "ci-*")
        check("one whose lease is over goes, however young",
              not s.engine.left("ci-1") and not s.engine.leases("ci-1"), run.stdout)
        check("it waits to be sure", "waiting for as long" in run.stdout, run.stdout)
        check("one that is in use stays, however old", len(s.engine.left("ci-2")) == 7)
        run = s.clean("--namespace", "ci-2")
        check("also by name", "--force removes it" in run.stdout and
              len(s.engine.left("ci-2")) == 7, run.stdout)
        run = s.clean("--namespace", "ci-2", "--force")
        check("but for --force", not s.engine.left("ci-2") and not s.engine.leases("ci-2"), run.stdout)
        check("another is left to it", len(s.engine.left("ci-3")) == 7)
        s.engine.objects["volumes"].pop(s.engine.leases("ci-3")[1])
        s.engine.companion = {"Status": "running", "ExitCode": 0}
        run = s.clean("--namespace", "ci-3")
        check("a companion that runs holds it", len(s.engine.left("ci-3")) == 7
              and "in use" in run.stdout, run.stdout)
        check("and no mark is left", len(s.engine.leases("ci-3")) == 1, s.engine.leases("ci-3"))
        s.engine.companion = {"Status": "exited", "ExitCode": 0}
        s.clean("--namespace", "ci-3")
        check("until it has ended by itself", not s.engine.left("ci-3"))
        s.engine.tags += ["left.anchor.berth.invalid/image:" + "a" * 64]
        s.clean("--namespace", "ci-*")
        check("what no namespace uses goes, too", not s.engine.tags, s.engine.tags)


def who_comes_back_waits_for_the_end():
    with Stage(leftovers=SHORT, upstream_wait="1s") as s:
        s.engine.fill("r1", 1)
        s.engine.add_lease("r1", NOW - 20, term=10)
        mark = s.engine.add_lease("r1", NOW - 5, kind="sweep", term=None)
        process = s.serve()
        status, body = s.ask("GET", "/containers/json")
        check("its requests are refused meanwhile", status == 503 and
              "longer than leftovers.lease" in body, (status, body))
        with s.engine.lock:
            s.engine.objects["volumes"].pop(mark)
        wait_until("then they are not", lambda: s.ask("GET", "/containers/json")[0] == 200)
        check("and all is there", len(s.engine.left("r1")) == 6)
        wait_until("the old lease goes", lambda: len(s.engine.leases("r1")) == 1)
        process.kill()
        process.communicate()
        s.engine.add_lease("r1", NOW - 1005, kind="sweep", term=None)
        process = s.serve()
        wait_until("it does the rest for one that was killed",
                   lambda: s.ask("GET", "/containers/json")[0] == 200)
        check("all of it", not s.engine.left("r1"), s.engine.left("r1"))
        stop(process)


def where_there_can_be_no_lease():
    with Stage(leftovers=SHORT, upstream_wait="1s") as s:
        s.engine.forbids.add("volumes")
        process = s.serve()
        status, body = s.ask("GET", "/containers/json")
        check("requests are refused, with the remedy", status == 503 and
              "authorization denied by plugin" in body and '0s' in body, (status, body))
        process.kill()
        process.communicate()
    with Stage(leftovers={"action": "remove", "lease": "0s"}) as s:
        s.engine.forbids.add("volumes")
        process = s.serve()
        check("not without one", s.ask("GET", "/containers/json")[0] == 200)
        process.kill()
        process.communicate()
    with Stage() as s:
        s.engine.add_lease("r1", NOW - 2000)
        process = s.serve()
        check("who has none takes those away that are there",
              s.ask("GET", "/containers/json")[0] == 200 and not s.engine.leases("r1"))
        stop(process)


def of_two_of_one_namespace_the_first_goes_on():
    """They call the engine by two names, so that neither sees the other's claim."""
    with Stage(leftovers=SHORT, upstream_wait="1s") as s, \
            Stage(leftovers=SHORT, upstream_wait="1s") as other:
        other.server.engine = s.engine
        first = s.serve()
        s.engine.fill("r1", 1)
        time.sleep(1.1)  # an engine tells whole seconds
        later = other.serve()
        wait_until("the one that came later is refused",
                   lambda: other.ask("GET", "/containers/json")[0] == 503)
        status, body = other.ask("GET", "/containers/json")
        check("with the reason and the remedy", status == 503 and
              "was there before this one" in body and "--share-namespace" in body, body)
        check("the first goes on", s.ask("GET", "/containers/json")[0] == 200)
        err = stop(later)
        check("the later one says so", "and came before this one" in err, err)
        check("and removes nothing", len(s.engine.left("r1")) == 6, s.engine.left("r1"))
        again = other.serve()
        wait_until("also the next time",
                   lambda: other.ask("GET", "/containers/json")[0] == 503)
        err = stop(first)
        check("the first says so, too", "and came after this one" in err, err)
        check("and removes what it has", not s.engine.left("r1"))
        wait_until("then the other may", lambda: other.ask("GET", "/containers/json")[0] == 200)
        stop(again)
    with Stage(leftovers=SHORT) as s, Stage(leftovers=SHORT) as other:
        other.use_engine_of(s)
        both = [s.serve("--share-namespace"), other.serve("--share-namespace")]
        time.sleep(5)  # several leases
        check("those that are to share it do", s.ask("GET", "/containers/json")[0] == 200
              and other.ask("GET", "/containers/json")[0] == 200)
        for process in both:
            stop(process)


of_the_dead_by_the_living()
of_two_of_one_namespace_the_first_goes_on()
who_comes_later_goes_on_from_what_others_saw()
clean_goes_by_leases()
who_comes_back_waits_for_the_end()
where_there_can_be_no_lease()
print("%d faults" % len(FAULTS))
sys.exit(bool(FAULTS))
