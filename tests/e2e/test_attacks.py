"""The corpus of attacks, against engines that would obey."""
import json
import re
import socket
import sys
import time
import unittest
from pathlib import Path

from harness import PATIENCE, STAND_IN, Berth, Scenario, api

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "attacks"))
import attack_requests  # noqa: E402

REFUSAL = b'{"message":"berth: '
NO_SWARM = b'{"message":"This node is not '  # an engine's own words for it


def exchange(path, data, half_close=True):
    """Send bytes, and return all that comes until the connection closes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(str(path))
        got = b""
        try:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass  # it was refused before its end; what was said is there
        try:
            while part := s.recv(65536):
                got += part
        except ConnectionResetError:
            pass  # not all that was sent was read
        return got


def statuses(reply):
    return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d{3}) ", reply)]


def is_dangerous(host):
    """Does a HostConfig give away what no attack may have?"""
    return (host["Privileged"] or host["CapAdd"] or host["Devices"] or
            host["SecurityOpt"] or host["DeviceCgroupRules"] or
            "host" in (host["NetworkMode"], host["PidMode"], host["IpcMode"],
                       host["UTSMode"], host["UsernsMode"]) or
            any(b.startswith("/") for b in host["Binds"] or []))


@unittest.skipIf(STAND_IN, "about berth itself")
class Attacks(Scenario):
    """Nothing but a container, `victim`, is there when an attack is made."""

    def setUp(self):
        super().setUp()
        self.engine_socket = self.bed_env["BED_SOCKET"]
        self.victim = self.docker("run", "-d", "--name", "victim", "busybox",
                                  "sleep", "86400")
        self.found = {k: set(v) for k, v in self.look().items()}

    def direct(self, method, target, **query):
        """Past berth, to the engine itself."""
        status, reply = api(self.engine_socket, method, target, **query)
        self.assertLess(status, 400, f"{method} {target}: {reply}")
        return reply

    def look(self):
        """What is there, on the engine's side."""
        volumes = self.direct("GET", "/volumes")["Volumes"] or []
        return {
            "containers": {c["Id"]: c["State"] for c in
                           self.direct("GET", "/containers/json", all=1)},
            "networks": {n["Id"]: sorted(n.get("Containers") or {})
                         for n in self.direct("GET", "/networks")},
            "volumes": {v["Name"]: v.get("Options") for v in volumes},
            "images": {i["Id"]: sorted(i["RepoTags"] or []) for i in
                       self.direct("GET", "/images/json", all=1)},
        }

    def inspect_victim(self):
        there = self.direct("GET", f"/containers/{self.victim}/json")
        return (there["HostConfig"], sorted(there["ExecIDs"] or []),
                there["State"]["Pid"])

    def everything(self):
        info = self.direct("GET", "/info")
        return {**self.look(), "victim": self.inspect_victim(),
                "swarm": info["Swarm"]["LocalNodeState"],
                "plugins": self.direct("GET", "/plugins")}

    def events(self, since):
        lines = self.direct("GET", "/events", since=f"{since:.9f}",
                            until=f"{time.time():.9f}")
        lines = [lines] if isinstance(lines, dict) else lines.splitlines()
        return [x for x in lines if x]

    def check_harmless(self):
        """Of what has been made, nothing may give the host away."""
        for c in set(self.look()["containers"]) - self.found["containers"]:
            host = self.direct("GET", f"/containers/{c}/json")["HostConfig"]
            self.assertFalse(is_dangerous(host), host)

    def clean(self):
        """Remove what was not there at first."""
        there = self.look()
        for c in set(there["containers"]) - self.found["containers"]:
            self.direct("DELETE", f"/containers/{c}", force=1, v=1)
        for n in set(there["networks"]) - self.found["networks"]:
            self.direct("DELETE", f"/networks/{n}")
        for v in set(there["volumes"]) - self.found["volumes"]:
            self.direct("DELETE", f"/volumes/{v}", force=1)
        self.remove_images(set(there["images"]) - self.found["images"])
        for tags in there["images"].values():
            for tag in tags:
                if "twin" in tag:
                    api(self.engine_socket, "DELETE", f"/images/{tag}")

    def remove_images(self, images):
        """One that others were made from goes behind them, or with them."""
        while images:
            left = set()
            for i in images:
                status, reply = api(self.engine_socket, "DELETE",
                                    f"/images/{i}", force=1)
                if status == 409:
                    left.add(i)
                else:
                    self.assertIn(status, (200, 404), reply)
            self.assertLess(len(left), len(images))
            images = left

    def attack(self, berth, case):
        before, since = self.everything(), time.time()
        reply = exchange(berth.socket,
                         attack_requests.compose(case["attack"]),
                         half_close="timeouts" not in case.get("policy", {}))
        if reply.startswith(b"\0"):  # to a client of HTTP/2: SETTINGS, GOAWAY
            self.assertIn(b"by the policy", reply)
        elif "rule" in case:
            wanted = case.get("status")
            got = statuses(reply)
            self.assertTrue(wanted in got if wanted else
                            any(s >= 400 for s in got), reply[:2000])
            if not str(case["attack"]).startswith("HEAD"):
                # a namespace's refusals have an engine's words for a name
                self.assertTrue(REFUSAL in reply or NO_SWARM in reply or
                                case["rule"] == "namespace", reply)
        if "reaches" in case:
            self.check_harmless()
            self.clean()
        else:
            self.assertEqual(before, self.everything())
            self.assertEqual(self.events(since), [])

    def is_default(self, case):
        """Does the attack ask for what this engine gives to all anyway?"""
        info = self.direct("GET", "/info")
        return any(info.get(key) == value
                   for key, value in case.get("unless", {}).items())

    def twin(self, berth, case):
        reply = exchange(berth.socket, attack_requests.compose(case["twin"]))
        self.assertNotIn(REFUSAL, reply)
        self.assertTrue(statuses(reply), reply)
        if NO_SWARM not in reply:
            self.assertNotIn(503, statuses(reply))

    def judge(self, name):
        cases = {}
        for case in attack_requests.load(name):
            key = json.dumps(case.get("policy", {}), sort_keys=True)
            cases.setdefault(key, []).append(case)
        for key, group in cases.items():
            berth = self.berth_for(json.loads(key))
            for case in group:
                with self.subTest(case["name"]):
                    try:
                        if "unless" not in case or not self.is_default(case):
                            self.attack(berth, case)
                        # what it leaves an attack may be about
                        self.twin(berth, case)
                    finally:
                        self.clean()
            if berth is not self.berth:
                berth.stop()

    def berth_for(self, policy):
        if not policy:
            return self.berth
        berth = Berth(self.bed, **{**self.policy, **policy})
        self.addCleanup(
            lambda: berth.process.poll() is None and berth.stop())
        return berth


def scenario(name):
    def test(self):
        self.judge(name)
    return test


for each in attack_requests.names():
    setattr(Attacks, f"test_{each}", scenario(each))
