"""What a berth that died has left goes, and nothing of those that live.

The lease is short here, so that a minute is enough.
"""
import collections
import contextlib
import http.client
import os
import random
import signal
import subprocess
import threading
import time
import unittest

from harness import STAND_IN, Berth, Connection, Scenario, api, wait_for
from tarball import tar_of
from test_faults import descendants

LEASE = {"leftovers": {"action": "remove", "lease": "12s"}}
SOCK = "/var/run/docker.sock:/var/run/docker.sock"
KILLS = int(os.environ.get("BERTH_KILLS", "32"))
KILLS_S = int(os.environ.get("BERTH_KILL_SECONDS", "40"))


@unittest.skipIf(STAND_IN, "ssh -L has no lease")
class Leases(Scenario):
    policy = {**LEASE, "container": {"engine_socket": "berth"}}

    def on_engine(self, target, **query):
        status, reply = api(self.bed_env["BED_SOCKET"], "GET", target, **query)
        self.assertEqual(status, 200, reply)
        return reply

    def left(self, namespace):
        """The names of all that is NAMESPACE's on the engine."""
        names = []
        for label in ("berth.namespace", "berth.binds", "berth.companion",
                      "berth.lease", "berth.push.by"):
            query = {"filters": '{"label":["%s=%s"]}' % (label, namespace)}
            names += [c["Names"][0] for c in
                      self.on_engine("/containers/json", all=1, **query)]
            names += [n["Name"] for n in self.on_engine("/networks", **query)]
            names += [v["Name"] for v in
                      self.on_engine("/volumes", **query)["Volumes"] or []]
        # steps of builds, which have no label
        names += [c["Names"][0] for c in self.on_engine("/containers/json", all=1)
                  if "berth.namespace" not in (c["Labels"] or {}) and
                  c["HostConfig"]["NetworkMode"].startswith(f"{namespace}.")]
        for image in self.on_engine("/images/json"):
            # and the names under which it pushes
            names += [t for t in image["RepoTags"] or []
                      if t.startswith((f"{namespace}.berth.", f"{namespace}.anchor.",
                                       f"{namespace}.digest."))
                      or f"/of-{namespace}/" in t]
        return sorted(set(names))

    def another(self, namespace, **changes):
        berth = Berth(self.bed, namespace, **{**self.policy, **changes})

        def end():
            if berth.process.poll() is None:
                berth.stop()
        self.addCleanup(end)
        return berth

    def use(self, berth, socket=False):
        """What a job leaves: of everything one, and a container that runs."""
        def there(*words):
            self.docker(*words, DOCKER_HOST=f"unix://{berth.socket}")
        there("network", "create", "net")
        there("volume", "create", "data")
        there("tag", "busybox", "mine:1")
        # as a pull by digest does
        api(self.bed_env["BED_SOCKET"], "POST", "/images/busybox/tag", tag="0" * 64,
            repo=f"{berth.namespace}.digest.berth.invalid/other")
        there("run", "-d", "--name", "bridged", "--restart", "always", "-v",
              "data:/data", "busybox", "sleep", "1000")
        there("run", "-d", "--name", "netted", "--network", "net",
              *(["-v", SOCK] if socket else []), "busybox", "sleep", "1000")

    def kill(self, berth):
        berth.process.kill()
        berth.process.wait()

    def test_a_dead_berths_namespace_goes_and_a_living_ones_stays(self):
        self.use(self.berth)
        mine = [n for n in self.left("t1") if "_lease" not in n]
        self.assertGreaterEqual(len(mine), 6)
        dead = self.another("dead")
        self.use(dead, socket=True)
        self.kill(dead)
        left = self.left("dead")
        self.assertGreaterEqual(len(left), 9, left)
        wait_for("all of it to go", lambda: not self.left("dead"))
        self.assertEqual(
            [n for n in self.left("t1") if "_lease" not in n], mine)
        records = [r for r in self.berth.audit() if r.get("rule") == "leftovers"
                   and r["namespace"] == "dead"]
        self.assertTrue({r["operation"] for r in records} >= {
            "ContainerDelete", "NetworkDelete", "VolumeDelete", "ImageDelete"})
        # and the living one works on
        self.docker("exec", "bridged", "true")
        again = self.another("dead")
        self.use(again)

    def test_clean_does_the_same_and_spares_who_has_a_lease(self):
        dead = self.another("gone")
        self.use(dead)

        def clean(*words):
            return subprocess.run(
                [os.environ["BERTH_BINARY"], "clean", "--policy",
                 self.berth.dir / "policy.json", "--namespace", "gone", *words],
                capture_output=True, text=True, timeout=100, check=False)

        self.assertIn("gone stays: a berth has a lease on it", clean().stdout)
        self.kill(dead)
        self.assertIn("would remove", clean("--dry-run", "--force").stdout)
        r = clean("--force")
        self.assertEqual((r.returncode, self.left("gone")), (0, []), r.stdout + r.stderr)

    def test_who_comes_back_has_what_it_had(self):
        berth = self.another("back")
        self.use(berth)
        had = [n for n in self.left("back") if "_lease" not in n]
        for _ in range(6):
            berth.restart()
            time.sleep(3)
        self.assertEqual([n for n in self.left("back") if "_lease" not in n], had)
        self.assertEqual(len([n for n in self.left("back") if "_lease" in n]),
                         len(set(n.split("-")[0] for n in self.left("back") if "_lease" in n)))
        berth.stop()
        self.assertEqual(self.left("back"), [])


class Kills(Leases):
    """Berths, companions, links and the engine end at random moments, under
    load; some berths for ever, and another runner comes in their place."""

    runners = 4
    policy = {**Leases.policy, "leftovers": {
        "action": "remove", "lease": "12s" if KILLS < 100 else "60s"}}
    test_a_dead_berths_namespace_goes_and_a_living_ones_stays = None
    test_clean_does_the_same_and_spares_who_has_a_lease = None
    test_who_comes_back_has_what_it_had = None

    def ask(self, berth, target, body=b"", **headers):
        """A request whose reply tells of its progress, up to its end."""
        c = Connection(berth.socket)
        try:
            c.request("POST", target, body, headers)
            return c.getresponse().read()
        finally:
            c.close()

    def build(self, berth, number):
        """Steps that fill what the next push takes along."""
        built = self.ask(
            berth, f"/build?t={self.pushes_as(berth)}:1&nocache=1",
            tar_of(Dockerfile=f"FROM busybox\nRUN echo {number} > /n\n"
                              "RUN head -c 500000 /dev/urandom > /m; sleep 0.5\n"),
            **{"Content-Type": "application/x-tar"})
        self.did["built"] += b"Successfully tagged" in built

    def push(self, berth):
        name = self.pushes_as(berth)
        api(berth.socket, "POST", "/images/busybox/tag", repo=name, tag="2")
        for tag in "12":
            pushed = self.ask(berth, f"/images/{name}/push?tag={tag}",
                              **{"X-Registry-Auth": "e30="})
            self.did["pushed"] += b"digest: sha256:" in pushed

    def pushes_as(self, berth):
        return f"{self.bed_env['BED_REGISTRY']}/of-{berth.namespace}/app"

    def work(self, berth, stop):
        """A job after the other; what fails is to be expected here."""
        number, builds = 0, int(berth.namespace[1:]) % 2
        while not stop.wait(0.2):
            number += 1
            with contextlib.suppress(OSError, AssertionError, ValueError,
                                     http.client.HTTPException):
                if builds:
                    self.push(berth)
                    self.build(berth, number)
                    continue
                api(berth.socket, "POST", "/containers/create",
                    {"Image": "busybox", "Cmd": ["sleep", "1000"],
                     "HostConfig": {"Binds": [f"v{number % 5}:/v",
                                              *([SOCK] if number % 7 == 0 else [])]}},
                    name=f"c{number}")
                api(berth.socket, "POST", f"/containers/c{number}/start")
                if number % 6:
                    api(berth.socket, "DELETE", f"/containers/c{number}", force=1)

    def begin_with(self, berth):
        """What is looked for as long as BERTH lives."""
        for target, body, query in (
                ("/networks/create", {"Name": "net"}, {}),
                ("/volumes/create", {"Name": "data"}, {}),
                ("/containers/create", {"Image": "busybox", "HostConfig": {
                    "Binds": ["data:/data"], "NetworkMode": "net"}},
                 {"name": "first"})):
            status, reply = api(berth.socket, "POST", target, body, **query)
            self.assertEqual(status, 201, reply)

    def new_runner(self):
        name = f"k{len(self.berths) + len(self.dead)}"
        berth, stop = self.another(name), threading.Event()
        self.begin_with(berth)
        thread = threading.Thread(target=self.work, args=(berth, stop), daemon=True)
        thread.start()
        self.berths[name] = berth, stop, thread

    def end_runner(self, name):
        berth, stop, thread = self.berths.pop(name)
        self.kill(berth)  # in the middle of what it does
        stop.set()
        thread.join()
        self.dead.append(name)

    def cut_links(self):
        for pid in list(descendants(self.bed_env["BED_SSHD_PID"])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_companion(self, namespace):
        api(self.bed_env["BED_SOCKET"], "POST",
            f"/containers/berth_companion.{namespace}/kill")

    def kill_engine(self):
        os.kill(int(self.bed.env["BED_DOCKERD_PID"]), signal.SIGKILL)
        for _ in range(4):  # it gives its containerd no more than 15 seconds
            with contextlib.suppress(subprocess.CalledProcessError):
                self.bed.do("engine-start")
                return
        self.bed.do("engine-start")

    def stop_for_a_while(self, berth):
        berth.process.send_signal(signal.SIGSTOP)
        threading.Timer(self.chance.random() * 2, berth.process.send_signal,
                        [signal.SIGCONT]).start()

    def kill_one(self):
        """Returns the kind."""
        name = self.chance.choice(list(self.berths))
        berth = self.berths[name][0]
        kind = self.chance.choices(
            ("berth", "berth for ever", "companion", "links", "pause", "engine"),
            (60, 8, 10, 10, 10, 2))[0]
        if kind == "berth":
            berth.process.kill()
            berth.process.wait()
            berth.begin(waits=self.chance.random() < 0.5)
        elif kind == "berth for ever":
            self.end_runner(name)
            self.new_runner()
        elif kind == "companion":
            self.kill_companion(name)
        elif kind == "links":
            self.cut_links()
        elif kind == "pause":
            self.stop_for_a_while(berth)
        else:
            self.kill_engine()
        return kind

    def missing(self):
        """What living runners had at the beginning and have no more."""
        query = {"filters": '{"label":["berth.namespace"]}'}
        there = {n for c in self.on_engine("/containers/json", all=1, **query)
                 for n in c["Names"]}
        there |= {n["Name"] for n in self.on_engine("/networks", **query)}
        there |= {v["Name"] for v in self.on_engine("/volumes", **query)["Volumes"] or []}
        return {f"{intro}{name}.{what}" for name in self.berths
                for intro, what in (("/", "first"), ("", "net"), ("", "data"))} - there

    def test_kills_leave_nothing_and_touch_nothing(self):
        seed = int(os.environ.get("BERTH_KILL_SEED", random.randrange(1 << 30)))
        self.chance = random.Random(seed)
        self.berths, self.dead, kinds = {}, [], collections.Counter()
        self.did = collections.Counter()
        self.use(self.berth)
        mine = [n for n in self.left("t1") if "_lease" not in n]
        signal.alarm(0)
        for _ in range(self.runners):
            self.new_runner()
        end = time.monotonic() + KILLS_S
        try:
            while time.monotonic() < end and kinds.total() < KILLS:
                kinds[self.kill_one()] += 1
                self.assertFalse(self.missing(), f"seed {seed}")
                time.sleep(self.chance.random() / 4)
        finally:
            for name in list(self.berths):
                self.end_runner(name)
        print(f"{dict(kinds)}: {kinds.total()} kills, {len(self.dead)} namespaces, "
              f"{dict(self.did)}, seed {seed}", flush=True)

        began = time.monotonic()

        def left(marks):
            """MARKS of sweepers that were killed, or all else."""
            return [n for name in self.dead for n in self.left(name)
                    if marks == n.startswith("berth_sweep.")]

        def goes(marks, minutes):
            for _ in range(minutes):
                with contextlib.suppress(TimeoutError):
                    wait_for("all of them to go", lambda: not left(marks))
                    break
            self.assertEqual(left(marks), [], f"seed {seed}")
            print(f"{'marks' if marks else 'all'} gone after "
                  f"{time.monotonic() - began:.0f} s", flush=True)

        goes(marks=False, minutes=8)
        if KILLS >= 100:  # a quarter of an hour, and another look
            goes(marks=True, minutes=20)
        self.assertEqual([n for n in self.left("t1") if "_lease" not in n], mine)
