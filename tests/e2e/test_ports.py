"""Published ports answer on the runner's localhost.

The two runners of a bed share this machine's loopback, so each has an address
of its own there: 127.0.0.1 and 127.0.0.2.
"""
import socket
import threading
import time
import unittest

from harness import (PATIENCE, STAND_IN, Berth, Scenario, TwoRunners, empty,
                     noise, sha256, wait_for)

HTTPD = ("sh", "-c",
         "mkdir -p /w && hostname > /w/index.html && exec httpd -f -p 80 -h /w")


def fetch(address, port, path="/", timeout=PATIENCE):
    """The body of a GET, or None when nobody answers."""
    try:
        with socket.create_connection((address, port), timeout) as s:
            s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            got = b""
            while more := s.recv(65536):
                got += more
    except OSError:
        return None
    head, _, body = got.partition(b"\r\n\r\n")
    return body.decode().strip() if head else None


def listens(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        return s.connect_ex((address, port)) == 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@unittest.skipIf(STAND_IN, "ssh -L carries no ports")
class TwoRunnersPorts(TwoRunners):
    policy = {"ports": {"publish": "runner", "listen": ["127.0.0.1"]}}
    other_policy = {"ports": {"publish": "runner", "listen": ["127.0.0.2"]}}

    def theirs(self, *words):
        return self.docker(*words, DOCKER_HOST=f"unix://{self.other.socket}")

    def clear(self):
        super().clear()
        empty(self.other.socket)

    def test_both_have_the_same_port_at_the_same_time(self):
        port = free_port()
        mine = self.docker("run", "-d", "--name", "web", "-h", "mine",
                           "-p", f"{port}:80", "busybox", *HTTPD)
        self.theirs("run", "-d", "--name", "web", "-h", "theirs",
                    "-p", f"{port}:80", "busybox", *HTTPD)
        self.assertTrue(mine)
        for address, name in (("127.0.0.1", "mine"), ("127.0.0.2", "theirs")):
            wait_for(name, lambda: fetch(address, port) == name)
        for who in self.docker, self.theirs:
            self.assertEqual(who("port", "web"), f"80/tcp -> 0.0.0.0:{port}")
            self.assertIn(f"0.0.0.0:{port}->80/tcp", who("ps"))
        self.docker("rm", "-f", "web")
        wait_for("its end", lambda: not listens("127.0.0.1", port))
        self.assertEqual(fetch("127.0.0.2", port), "theirs")


@unittest.skipIf(STAND_IN, "ssh -L carries no ports")
class Ports(Scenario):
    policy = {"ports": {"publish": "runner", "lowest": 65535}}

    def serve(self, *words, name="web"):
        return self.docker("run", "-d", "--name", name, "-h", name, *words,
                           "busybox", *HTTPD)

    def ports(self, name="web"):
        return self.api("GET", f"/containers/{name}/json")[
            "NetworkSettings"]["Ports"]

    def answers(self, port, name="web", address="127.0.0.1"):
        wait_for(f"{name} at {address}:{port}",
                 lambda: fetch(address, port) == name)

    def test_everything_shows_the_runners_words(self):
        port = free_port()
        self.serve("-p", f"{port}:80", "-p", "127.0.0.1::81")
        self.answers(port)
        shown = self.api("GET", "/containers/web/json")
        self.assertEqual(shown["HostConfig"]["PortBindings"], {
            "80/tcp": [{"HostIp": "", "HostPort": str(port)}],
            "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]})
        ports = shown["NetworkSettings"]["Ports"]
        self.assertEqual(ports["80/tcp"][0],
                         {"HostIp": "0.0.0.0", "HostPort": str(port)})
        other = int(ports["81/tcp"][0]["HostPort"])
        self.assertEqual(ports["81/tcp"][0]["HostIp"], "127.0.0.1")
        self.assertTrue(listens("127.0.0.1", other))
        rows = self.api("GET", "/containers/json")[0]["Ports"]
        self.assertIn({"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": port,
                       "Type": "tcp"}, rows)
        self.assertNotIn("berth", str(shown) + str(rows))
        listed = self.docker("ps", "-q", "--filter", f"publish={port}")
        self.assertTrue(listed)
        self.assertEqual(
            self.docker("ps", "-q", "--filter", "publish=1-2"), "")

    def test_a_port_that_is_taken(self):
        port = free_port()
        self.serve("-p", f"{port}:80")
        self.answers(port)
        r = self.docker_result("run", "-d", "--name", "two", "-p",
                               f"{port}:80", "busybox", *HTTPD)
        self.assertEqual(r.rc, 125)
        self.assertIn(f"Bind for 0.0.0.0:{port} failed: port is already "
                      "allocated", r.err.decode())
        # and once it is free
        self.docker("rm", "-f", "web")
        self.docker("start", "two")
        wait_for("two", lambda: fetch("127.0.0.1", port))

    def test_a_port_of_another_process(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            r = self.docker_result("run", "-d", "-p", f"{port}:80", "busybox",
                                   *HTTPD)
        self.assertEqual(r.rc, 125)
        self.assertIn("address already in use", r.err.decode())

    def test_over_stop_start_restart_kill_and_rename(self):
        port = free_port()
        self.serve("-p", f"{port}:80")
        self.answers(port)
        self.docker("stop", "-t", "0", "web")
        wait_for("its end", lambda: not listens("127.0.0.1", port))
        self.assertEqual(self.ports(), {})
        self.docker("start", "web")
        self.assertTrue(listens("127.0.0.1", port))
        self.answers(port)
        for _ in range(3):
            self.docker("restart", "-t", "0", "web")
            self.assertTrue(listens("127.0.0.1", port))
            self.answers(port)
        self.docker("rename", "web", "wob")
        self.assertEqual(fetch("127.0.0.1", port), "web")
        self.docker("pause", "wob")
        self.docker("unpause", "wob")
        self.assertEqual(fetch("127.0.0.1", port), "web")
        self.docker("kill", "wob")
        wait_for("its end", lambda: not listens("127.0.0.1", port))

    def test_networks_come_and_go(self):
        port = free_port()
        self.docker("network", "create", "net")
        self.serve("-p", f"{port}:80", "--network", "net")
        self.answers(port)
        self.docker("network", "create", "net2")
        self.docker("network", "connect", "net2", "web")
        self.docker("network", "disconnect", "net", "web")
        self.answers(port)
        self.docker("network", "rm", "net")

    def test_ranges_and_several_bindings(self):
        port = free_port()
        self.serve("-p", f"{port}:80", "-p", f"127.0.0.1:{port + 1}:80",
                   "-p", f"{port + 2}-{port + 9}:80")
        for p in port, port + 1:
            self.answers(p)
        shown = {int(x["HostPort"]) for x in self.ports()["80/tcp"]}
        third = shown - {port, port + 1}
        self.assertEqual(len(third), 1)
        self.answers(third.pop())

    def test_all_exposed_ports(self):
        self.serve("-P", "--expose", "80", "--expose", "81/tcp")
        ports = self.ports()
        self.assertEqual(sorted(ports), ["80/tcp", "81/tcp"])
        self.answers(int(ports["80/tcp"][0]["HostPort"]))
        host = self.api("GET", "/containers/web/json")["HostConfig"]
        self.assertTrue(host["PublishAllPorts"])
        self.assertFalse(host["PortBindings"])

    def test_ipv6(self):
        port = free_port()
        self.serve("-p", f"{port}:80")
        self.answers(port)
        if not socket.has_ipv6 or not listens("::1", port):
            self.skipTest("no IPv6 here")
        self.answers(port, address="::1")
        self.assertIn({"HostIp": "::", "HostPort": str(port)},
                      self.ports()["80/tcp"])

    def test_a_restart_of_berth(self):
        port = free_port()
        self.serve("-p", f"{port}:80")
        self.answers(port)
        berth = Berth(self.bed, ports={"publish": "runner",
                                       "listen": ["127.0.0.3"]})
        self.addCleanup(berth.stop)
        self.answers(port, address="127.0.0.3")

    def test_an_engine_that_restarts_swaps_no_ports(self):
        one, two = free_port(), free_port()
        for name, port in (("one", one), ("two", two)):
            self.serve("-p", f"{port}:80", "--restart", "always", name=name)
            self.answers(port, name)
        self.bed.do("engine-stop")
        self.bed.do("engine-start")
        self.answers(one, "one")
        self.answers(two, "two")
        for _ in range(20):
            self.assertEqual(fetch("127.0.0.1", one), "one")
            self.assertEqual(fetch("127.0.0.1", two), "two")

    def test_half_closed_and_bulk(self):
        port = free_port()
        self.docker("run", "-d", "--name", "echo", "-p", f"{port}:7",
                    "busybox", "nc", "-ll", "-p", "7", "-e", "cat")
        wait_for("echo", lambda: listens("127.0.0.1", port))
        data = noise(32 << 20)
        s = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.addCleanup(s.close)

        def send():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

        t = threading.Thread(target=send)
        t.start()
        time.sleep(0.5)  # nothing is read: what is sent waits
        got = b"".join(iter(lambda: s.recv(1 << 20), b""))
        t.join()
        self.assertEqual((len(got), sha256(got)), (len(data), sha256(data)))

    def test_many_at_once(self):
        port = free_port()
        self.docker("run", "-d", "--name", "echo", "-p", f"{port}:7",
                    "busybox", "nc", "-ll", "-p", "7", "-e", "cat")
        wait_for("echo", lambda: listens("127.0.0.1", port))
        open_ones = []
        try:
            for i in range(1000):
                s = socket.create_connection(("127.0.0.1", port), PATIENCE)
                open_ones.append(s)
                # nc has a short queue of those that it has not accepted, and
                # the kernel forgets who finds it full
                s.sendall(b"%d" % i)
                self.assertEqual(s.recv(16), b"%d" % i)
            for i, s in enumerate(open_ones):
                s.sendall(b"again %d" % i)
            for i, s in enumerate(open_ones):
                self.assertEqual(s.recv(16), b"again %d" % i)
        finally:
            for s in open_ones:
                s.close()

    def test_a_server_that_says_it_all_and_closes(self):
        port = free_port()
        self.docker("run", "-d", "--name", "once", "-p", f"{port}:7",
                    "busybox", "sh", "-c",
                    "head -c 3000000 /dev/zero | nc -l -p 7")
        time.sleep(1)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
            got = sum(map(len, iter(lambda: s.recv(1 << 20), b"")))
        self.assertEqual(got, 3000000)

    def test_compose_tells_them(self):
        port = free_port()
        (self.dir / "compose.yaml").write_text(
            "services: {web: {image: busybox, hostname: web, command: "
            "[sh, -c, 'mkdir /w; hostname > /w/index.html; "
            "exec httpd -f -p 80 -h /w'], "
            f"ports: ['{port}:80'], stop_grace_period: 0s}}}}\n")
        self.docker("compose", "up", "-d")
        self.answers(port)
        self.assertEqual(self.docker("compose", "port", "web", "80"),
                         f"0.0.0.0:{port}")
        self.docker("compose", "down")
        wait_for("its end", lambda: not listens("127.0.0.1", port))


@unittest.skipIf(STAND_IN, "ssh -L carries no ports")
class Elsewhere(Scenario):
    policy = {"ports": {"publish": "nowhere"}}

    def test_none_may_be_published(self):
        r = self.docker_result("run", "--rm", "-p", "8080:80", "busybox",
                               "true")
        self.assertEqual(r.rc, 125)
        self.assertIn("ports.publish", r.err.decode())
