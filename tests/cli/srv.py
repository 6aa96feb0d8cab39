"""A namespace on one of several hosts that SRV records tell.

usage: srv.py PATH-OF-BERTH [TEST]...

The engines and the name server are stand-ins; root alone may put the latter in
place of those in /etc/resolv.conf.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from name_server import NameServer, within
from stand_in import TcpEngine

BERTH = os.path.abspath(sys.argv.pop(1))
PATIENCE = 60
SERVER = f"127.83.{os.getpid() % 250 + 1}.53"
NAME = "_docker._tcp.example.com"
URL = "tcp+srv://" + NAME


@unittest.skipIf(os.geteuid() != 0, "needs root")
class Srv(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.TemporaryDirectory(prefix="srv")
        self.addCleanup(self.top.cleanup)
        self.socket = self.top.name + "/berth.sock"
        self.conf = self.top.name + "/resolv.conf"
        with open(self.conf, "w") as file:
            file.write(f"nameserver {SERVER}\noptions timeout:1 attempts:1\n")
        self.names = NameServer(SERVER)
        self.addCleanup(self.names.end)
        self.log = open(self.top.name + "/log", "w+")
        self.berth = None

    def tearDown(self):
        if self.berth and self.berth.poll() is None:
            self.berth.kill()
        if self.berth:
            self.berth.wait()
        self.log.close()

    def engine(self, name, **more):
        engine = TcpEngine(("127.0.0.1", 0), name, **more)
        self.addCleanup(engine.end)
        return engine

    def record(self, engine, priority=0, weight=10, host="127.0.0.1"):
        return priority, weight, engine.server_address[1], host

    def policy(self, url=URL, **upstream):
        with open(self.top.name + "/policy.json", "w") as file:
            json.dump({"version": 1, "preset": "compose-tests", "namespace": "r1",
                       "upstream": {"url": url, "wait": "1s", "plain_tcp": True, **upstream},
                       "listen": {"path": self.socket},
                       "audit": {"to": self.top.name + "/audit"}}, file)

    def command(self, *words):
        return within(self.conf, BERTH, *words)

    def run_it(self, *words):
        return subprocess.run(self.command(*words), capture_output=True, text=True,
                              timeout=PATIENCE)

    def start(self):
        self.berth = subprocess.Popen(
            self.command("serve", "--policy", self.top.name + "/policy.json"),
            stdout=subprocess.DEVNULL, stderr=self.log)

    def said(self):
        with open(self.top.name + "/log") as file:
            return file.read()

    def ask(self):
        end = time.monotonic() + PATIENCE
        while True:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE)
                try:
                    s.connect(self.socket)
                except OSError:
                    if time.monotonic() > end or self.berth.poll() is not None:
                        self.fail("nobody listens\n" + self.said())
                    time.sleep(0.02)
                    continue
                s.sendall(b"GET /v1.45/containers/json?size=1 HTTP/1.1\r\nHost: d\r\n"
                          b"Connection: close\r\n\r\n")
                got = b""
                while part := s.recv(65536):
                    got += part
            return int(got.split()[1]), got.decode()

    def good(self):
        end = time.monotonic() + PATIENCE
        while (answer := self.ask())[0] != 200:
            if time.monotonic() > end:
                self.fail(answer[1] + self.said())

    def serves(self, *engines):
        """Which of them were asked for the runner's own list."""
        return [e.id for e in engines if any("size=1" in path for path in e.asked)]

    def test_it_is_where_it_has_something(self):
        engines = (self.engine("a"), self.engine("b", running=900, has=["r1"]),
                   self.engine("c"))
        first, home, last = engines
        self.names.records[NAME] = [self.record(first), self.record(home, priority=10),
                                    self.record(last)]
        self.policy()
        self.start()
        self.good()
        self.assertEqual(self.serves(*engines), ["b"])
        # and stays there, whatever the records say and the policy does
        self.names.records[NAME] = [self.record(first)]
        self.policy(wait="2s")
        self.berth.send_signal(signal.SIGHUP)
        self.good()
        self.policy("tcp://127.0.0.1:1")
        self.berth.send_signal(signal.SIGHUP)
        self.good()
        self.assertEqual(self.serves(*engines), ["b"])
        self.assertIn("which upstream.url does not name any more", self.said())

    def test_a_new_one_goes_to_the_smallest_priority_and_not_to_weight_0(self):
        engines = (self.engine("a"), self.engine("b", running=900), self.engine("c"))
        spare, meant, drained = engines
        self.names.records[NAME] = [self.record(spare, priority=10), self.record(meant),
                                    self.record(drained, weight=0)]
        self.policy()
        self.start()
        self.good()
        self.assertEqual(self.serves(*engines), ["b"])

    def test_a_target_can_be_drained(self):
        engines = self.engine("a"), self.engine("b", running=900)
        self.names.records[NAME] = [self.record(e) for e in engines]
        self.policy(drain=["tcp://127.0.0.1:%d" % engines[0].server_address[1]])
        self.start()
        self.good()
        self.assertEqual(self.serves(*engines), ["b"])

    def test_records_may_come_later(self):
        engine = self.engine("a")
        self.policy()
        self.start()
        status, text = self.ask()
        self.assertEqual(status, 503, text)
        self.assertIn("there are no SRV records of that name", text)
        self.names.records[NAME] = [self.record(engine)]
        self.good()

    def test_a_name_server_may_be_away(self):
        engine = self.engine("a")
        self.names.records[NAME] = None
        self.policy()
        self.start()
        status, text = self.ask()
        self.assertEqual(status, 503, text)
        self.names.records[NAME] = [self.record(engine)]
        self.good()

    def test_what_they_tell_is_a_host_or_nothing(self):
        engine = self.engine("a")
        self.names.records[NAME] = [self.record(engine), self.record(engine, host="a b")]
        self.policy()
        self.start()
        status, text = self.ask()
        self.assertEqual(status, 503, text)
        self.assertIn("a host that has no name", text)

    def test_check_shows_them(self):
        engines = self.engine("a"), self.engine("b")
        self.names.records[NAME] = [self.record(engines[0], weight=7),
                                    self.record(engines[1], priority=3)]
        self.policy()
        done = self.run_it("check", "--connect", self.top.name + "/policy.json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for engine, what in zip(engines, ("priority 0, weight 7", "priority 3, weight 10")):
            self.assertIn("tcp://127.0.0.1:%d\n" % engine.server_address[1], done.stdout)
            self.assertIn(f"{NAME}: SRV record of {what}", done.stdout)
        self.names.records.clear()
        done = self.run_it("check", "--connect", self.top.name + "/policy.json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("there are no SRV records of that name", done.stdout)

    def test_clean_goes_to_all_of_them(self):
        engines = self.engine("a", has=["r1"]), self.engine("b", has=["r1"])
        self.names.records[NAME] = [self.record(e) for e in engines]
        self.policy()
        done = self.run_it("clean", "--dry-run", "--policy", self.top.name + "/policy.json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("would remove volume"), 2, done.stdout)


unittest.main(verbosity=2)
