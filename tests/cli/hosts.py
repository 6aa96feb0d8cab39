"""A namespace on one of several hosts: which, and that it stays there.

usage: hosts.py PATH-OF-BERTH [TEST]...

The engines are stand-ins on Unix sockets.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from stand_in import UnixEngine

BERTH = os.path.abspath(sys.argv.pop(1))
PATIENCE = 60


class Engine(UnixEngine):
    def end(self):
        super().end()
        os.unlink(self.server_address)

    def serves(self):
        """Has a runner's own list been asked for here? berth's own has a
        filter, and so has this, but also the client's word."""
        return any("size=1" in path for path in self.asked)


class Hosts(unittest.TestCase):
    def setUp(self):
        # not in $TMPDIR, into which others may not be let
        self.top = tempfile.TemporaryDirectory(prefix="hosts", dir="/tmp")
        self.addCleanup(self.top.cleanup)
        self.socket = self.top.name + "/berth.sock"
        self.log = open(self.top.name + "/log", "w+")
        self.berth = None

    def tearDown(self):
        if self.berth and self.berth.poll() is None:
            self.berth.kill()
        if self.berth:
            self.berth.wait()
        self.log.close()

    def path(self, name):
        return f"{self.top.name}/{name}.sock"

    def url(self, name):
        return "unix://" + self.path(name)

    def engine(self, name, **more):
        engine = Engine(self.path(name), more.pop("id", name.upper()), **more)
        self.addCleanup(lambda: engine.fileno() < 0 or engine.end())
        return engine

    def policy(self, *names, **upstream):
        upstream["drain"] = [self.url(n) for n in upstream.get("drain", [])]
        with open(self.top.name + "/policy.json", "w") as file:
            json.dump({"version": 1, "preset": "compose-tests", "namespace": "r1",
                       "upstream": {"url": [self.url(n) for n in names], "wait": "1s",
                                    **upstream},
                       "listen": {"path": self.socket},
                       "metrics": {"listen": self.path("metrics")},
                       "audit": {"to": self.top.name + "/audit"}}, file)

    def start(self, *more, binary=BERTH, **how):
        self.berth = subprocess.Popen(
            [binary, "serve", *more, "--policy", self.top.name + "/policy.json"],
            stdout=subprocess.DEVNULL, stderr=self.log, **how)

    def not_as_root(self, *engines):
        """For start(): root hands nothing over."""
        if os.geteuid() != 0:
            return {}
        binary = shutil.copy(BERTH, self.top.name)
        os.chown(self.top.name, 65534, 65534)
        for engine in engines:
            os.chmod(engine.server_address, 0o777)
        return {"binary": binary, "user": 65534, "group": 65534, "extra_groups": []}

    def stop(self):
        self.berth.send_signal(signal.SIGTERM)
        self.assertEqual(self.berth.wait(PATIENCE), 0, self.said())

    def said(self):
        with open(self.top.name + "/log") as file:
            return file.read()

    def until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end or self.berth.poll() is not None:
                self.fail(f"in vain: {what}\n{self.said()}")
            time.sleep(0.02)

    def ask(self, path="/v1.45/containers/json?size=1", where=None):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)

        def connects():
            try:
                s.connect(where or self.socket)
                return True
            except OSError:
                return False

        self.until("a listener", connects)
        with s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n".encode())
            got = b""
            while part := s.recv(65536):
                got += part
        return int(got.split()[1]), got.decode()

    def good(self):
        status, text = self.ask()
        self.assertEqual(status, 200, text + self.said())

    def test_it_is_where_it_has_something_though_others_are_idle(self):
        first, second, third = (self.engine("a"), self.engine("b", running=900, has=["r1"]),
                                self.engine("c"))
        self.policy("a", "b", "c")
        self.start()
        self.good()
        self.assertTrue(second.serves())
        self.assertFalse(first.serves() or third.serves())
        text = self.ask("/metrics", self.path("metrics"))[1]
        self.assertRegex(text, r'berth_host\{namespace="r1",.*upstream="%s"\} 1' % self.url("b"))
        self.stop()

    def test_one_that_has_nothing_goes_to_the_less_loaded(self):
        busy, idle = self.engine("a", running=50), self.engine("b", running=3)
        self.policy("a", "b")
        self.start()
        self.good()
        self.assertTrue(idle.serves() and not busy.serves())
        self.stop()

    def test_a_drained_host_is_given_nothing_new(self):
        old, busy = self.engine("a"), self.engine("b", running=50)
        self.policy("a", "b", drain=["a"])
        self.start()
        self.good()
        self.assertTrue(busy.serves() and not old.serves())
        self.stop()
        old.has.append("r1")
        self.start()
        self.good()
        self.assertTrue(old.serves())
        self.stop()

    def test_a_lost_host_is_named_and_nothing_moves(self):
        home, other = self.engine("a", has=["r1"]), self.engine("b")
        self.policy("a", "b")
        self.start()
        self.good()
        home.end()
        self.until("the loss", lambda: self.ask()[0] != 200)
        status, text = self.ask()
        self.assertEqual(status, 503, text)
        self.assertIn(self.url("a"), text)
        self.stop()
        # nor when it starts anew: it may have something there
        self.start()
        status, text = self.ask()
        self.assertEqual(status, 503, text)
        self.assertIn(f"whether r1 has something on {self.url('a')}", text)
        self.assertEqual(self.ask("/readyz", self.path("metrics"))[0], 503)
        self.assertFalse(other.serves())
        home = self.engine("a", has=["r1"])
        self.until("its return", lambda: self.ask()[0] == 200)
        self.assertTrue(home.serves())
        self.stop()

    def test_a_missing_host_may_be_skipped(self):
        there = self.engine("b")
        self.policy("a", "b", missing="skip")
        self.start()
        self.good()
        self.assertTrue(there.serves())
        self.stop()

    def test_two_names_of_one_engine_are_refused(self):
        one, two = self.engine("a", id="X"), self.engine("b", id="X")
        self.policy("a", "b")
        self.start()
        status, text = self.ask()
        self.assertEqual(status, 503, text)
        self.assertIn("lead to the same engine (X)", text)
        self.assertFalse(one.serves() or two.serves())
        self.stop()

    def test_on_two_hosts_it_is_refused(self):
        one, two = self.engine("a", has=["r1"]), self.engine("b", has=["r1"])
        self.policy("a", "b")
        self.start()
        status, text = self.ask()
        self.assertEqual(status, 503, text)
        self.assertIn("lives on one host only", text)
        self.assertFalse(one.serves() or two.serves())
        self.stop()

    def test_only_engines_that_are_named_are_used(self):
        good, wrong = self.engine("a", running=90), self.engine("b")
        self.policy("a", "b", engine=["A", "C"], missing="skip")
        self.start()
        self.good()
        self.assertTrue(good.serves() and not wrong.serves())
        self.assertIn("none of those that upstream.engine names", self.said())
        self.stop()

    def test_a_reload_leaves_it_where_it_is(self):
        home, other = self.engine("a", running=3), self.engine("b", running=50)
        self.policy("a", "b")
        self.start()
        self.good()
        self.policy("b")
        self.berth.send_signal(signal.SIGHUP)
        self.until("a refusal", lambda: "which upstream.url does not name any more" in self.said())
        self.policy("b", "a", drain=["a"])
        self.berth.send_signal(signal.SIGHUP)
        self.until("a reload", lambda: "reload: done" in self.said())
        home.asked.clear()
        self.good()
        self.assertTrue(home.serves() and not other.serves())
        self.stop()

    def test_another_berth_takes_over_where_it_is(self):
        home, other = self.engine("a", running=3), self.engine("b", running=50)
        self.policy("a", "b")
        somebody = self.not_as_root(home, other)
        self.start(**somebody)
        self.good()
        home.has.append("r1")
        home.asked.clear()
        before = self.berth
        self.addCleanup(before.kill)
        self.start("--take-over", **somebody)
        self.assertEqual(before.wait(PATIENCE), 0, self.said())
        self.good()
        self.assertTrue(home.serves() and not other.serves())
        self.stop()

    def test_clean_goes_to_all_hosts(self):
        self.engine("a", has=["r1"]), self.engine("b", has=["r1", "r2"])
        self.policy("a", "b", "c")
        done = subprocess.run(
            [BERTH, "clean", "--dry-run", "--policy", self.top.name + "/policy.json"],
            capture_output=True, text=True, timeout=PATIENCE)
        # what one host does not tell is not taken for all done
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("would remove volume"), 2, done.stdout)
        self.assertIn(self.url("c") + ": ", done.stderr)

    def test_check_goes_to_all_hosts(self):
        self.engine("a"), self.engine("b"), self.engine("c", id="A")
        self.policy("a", "b")
        check = [BERTH, "check", "--connect", self.top.name + "/policy.json"]
        done = subprocess.run(check, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.count("for upstream.engine"), 2)
        self.policy("a", "c", "d")
        done = subprocess.run(check, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the engine of a host before", done.stdout)
        self.assertIn("FAIL  socket", done.stdout)


unittest.main(verbosity=2)
