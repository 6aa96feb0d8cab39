"""Published ports of UDP answer on the runner's localhost."""
import json
import socket
import time
import unittest
from pathlib import Path

from harness import STAND_IN, Scenario, TwoRunners, api, empty, noise, wait_for

ECHO = Path(__file__).with_name("udp_echo.c")


def client(address="127.0.0.1"):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                         socket.SOCK_DGRAM)


def ask(port, data=b"", address="127.0.0.1", timeout=1):
    """What comes back for a datagram, from a client of its own; or None."""
    with client(address) as s:
        s.settimeout(timeout)
        s.connect((address, port))
        s.send(data)
        try:
            return s.recv(65536)
        except OSError:
            return None


def free_port():
    with client() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Echoes:
    """Mixed into scenarios."""

    def echo(self, name, word, *words, docker=None):
        """A container that answers at port 53, beginning with WORD."""
        docker = docker or self.docker
        program = self.dir / "udp_echo"
        if not program.exists():
            self.ok("cc", "-static", "-O", "-o", program, ECHO)
        docker("create", "--name", name, *words, "busybox", "/udp_echo", "53",
               *([word] if word else []))
        docker("cp", program, f"{name}:/udp_echo")
        docker("start", name)

    def answers(self, port, word, address="127.0.0.1"):
        wait_for(f"{word} at {address}:{port}", lambda: ask(
            port, b"q", address) == word.encode() + b"q")


@unittest.skipIf(STAND_IN, "ssh -L carries no execs")
class TwoRunnersUdp(Echoes, TwoRunners):
    policy = {"ports": {"publish": "runner", "listen": ["127.0.0.1"]}}
    other_policy = {"ports": {"publish": "runner", "listen": ["127.0.0.2"]}}

    def theirs(self, *words):
        return self.docker(*words, DOCKER_HOST=f"unix://{self.other.socket}")

    def clear(self):
        super().clear()
        empty(self.other.socket)

    def test_both_have_the_same_port_at_the_same_time(self):
        port = free_port()
        self.echo("dns", "mine", "-p", f"{port}:53/udp")
        self.echo("dns", "theirs", "-p", f"{port}:53/udp", docker=self.theirs)
        self.answers(port, "mine")
        self.answers(port, "theirs", "127.0.0.2")
        for who in self.docker, self.theirs:
            self.assertEqual(who("port", "dns").splitlines()[0],
                             f"53/udp -> 0.0.0.0:{port}")
            self.assertIn(f"0.0.0.0:{port}->53/udp", who("ps"))
        self.docker("rm", "-f", "dns")
        self.assertIsNone(ask(port, b"q"))
        self.assertEqual(ask(port, b"q", "127.0.0.2", 10), b"theirsq")


@unittest.skipIf(STAND_IN, "ssh -L carries no execs")
class Udp(Echoes, Scenario):
    policy = {"ports": {"publish": "runner", "lowest": 65535}}

    def ask_engine(self, target):
        return api(self.bed_env["BED_SOCKET"], "GET", target)

    def relays(self, target):
        """The containers on the engine by which datagrams reach TARGET."""
        status, listed = self.ask_engine("/containers/json?all=1")
        self.assertEqual(status, 200)
        return [c for c in listed if c["Names"][0].startswith(
            f"/berth_relay.{self.berth.namespace}.")
                and c["HostConfig"]["NetworkMode"] == f"container:{target}"]

    def test_datagrams_are_carried_as_they_are(self):
        port = free_port()
        self.echo("echo", "", "-p", f"{port}:53/udp", "-p", "127.0.0.1::53/udp")
        wait_for("an answer", lambda: ask(port) == b"")
        for size in 1, 1472, 1473, 9000, 65507:
            data = noise(size)
            self.assertEqual(ask(port, data, timeout=20), data, size)
        shown = self.api("GET", "/containers/echo/json")
        ports = shown["NetworkSettings"]["Ports"]["53/udp"]
        self.assertEqual(ports[0],
                         {"HostIp": "0.0.0.0", "HostPort": str(port)})
        self.assertEqual(ports[-1]["HostIp"], "127.0.0.1")
        self.assertEqual(ask(int(ports[-1]["HostPort"]), b"x", timeout=10),
                         b"x")
        if socket.has_ipv6 and {"HostIp": "::",
                                "HostPort": str(port)} in ports:
            self.assertEqual(ask(port, b"6", "::1", 10), b"6")
        # one client keeps its flow, and has its datagrams apart
        with client() as s:
            s.settimeout(20)
            s.connect(("127.0.0.1", port))
            for i in range(50):
                s.send(b"%d" % i)
                self.assertEqual(s.recv(100), b"%d" % i)
        self.assertTrue(
            self.docker("ps", "-q", "--filter", f"publish={port}/udp"))
        self.assertEqual(self.docker("ps", "-q", "--filter",
                                     f"publish={port}/tcp"), "")

    def test_over_restarts_pauses_and_networks(self):
        port = free_port()
        self.docker("network", "create", "net")
        self.echo("dns", "a", "-p", f"{port}:53/udp", "--network", "net")
        self.answers(port, "a")
        with client() as s:  # one that stays
            s.settimeout(1)
            s.connect(("127.0.0.1", port))

            def answered():
                try:
                    s.send(b"q")
                    return s.recv(10) == b"aq"
                except OSError:
                    return False
            wait_for("an answer", answered)
            self.docker("restart", "-t", "0", "dns")
            wait_for("an answer after a restart", answered)
            self.docker("network", "create", "net2")
            self.docker("network", "connect", "net2", "dns")
            self.docker("network", "disconnect", "net", "dns")
            wait_for("an answer over another network", answered)
            self.docker("pause", "dns")
            s.send(b"q")
            self.docker("unpause", "dns")
            wait_for("an answer after a pause", answered)
        self.docker("stop", "-t", "0", "dns")
        self.assertIsNone(ask(port, b"q"))
        with client() as s:  # and it is free
            s.bind(("127.0.0.1", port))
            r = self.docker_result("start", "dns")
            self.assertIn(f"listen udp4 0.0.0.0:{port}: bind: address already "
                          "in use", r.err.decode())
        self.docker("start", "dns")
        self.answers(port, "a")

    def test_an_engine_that_restarts_swaps_no_ports(self):
        one, two = free_port(), free_port()
        for name, port in (("one", one), ("two", two)):
            self.echo(name, name, "-p", f"{port}:53/udp", "--restart", "always")
            self.answers(port, name)
        self.bed.do("engine-stop")
        self.bed.do("engine-start")
        self.answers(one, "one")
        self.answers(two, "two")
        for _ in range(10):
            self.assertIn(ask(one, b"q"), (b"oneq", None))
            self.assertIn(ask(two, b"q"), (b"twoq", None))

    def test_the_relay_is_held_in_and_goes(self):
        port = free_port()
        self.echo("dns", "a", "-p", f"{port}:53/udp")
        target = self.docker("inspect", "-f", "{{.Id}}", "dns")
        self.assertEqual(self.relays(target), [])  # nobody has asked
        self.answers(port, "a")
        relay, = self.relays(target)
        status, relay = self.ask_engine(f"/containers/{relay['Id']}/json")
        self.assertEqual(status, 200)
        host = relay["HostConfig"]
        self.assertEqual((host["CapDrop"], host["CapAdd"], host["Binds"],
                          host["ReadonlyRootfs"], relay["Config"]["User"]),
                         (["ALL"], None, None, True, "65534:65534"))
        for words in (["ps", "-aq", "--no-trunc"], ["system", "df", "-v"]):
            self.assertNotIn(relay["Id"][:12], self.docker(*words))
        for words in (["inspect", relay["Id"]], ["rm", relay["Id"]],
                      ["exec", relay["Name"][1:], "true"]):
            self.assertNotEqual(self.docker_result(*words).rc, 0, words)
        events = self.docker("events", "--since", "60m", "--until",
                             str(time.time()), "--format", "{{json .}}")
        self.assertNotIn(relay["Id"], events)
        self.assertIn(target, events)
        self.assertNotIn("berth", json.dumps(
            self.api("GET", "/containers/dns/json")))
        self.docker("rm", "-f", "dns")
        wait_for("its end", lambda: not self.relays(target))
