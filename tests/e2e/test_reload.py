"""Policies that change while clients are at work."""
import http.client
import json
import os
import signal
import subprocess
import threading
import unittest

from harness import (PATIENCE, STAND_IN, Connection, answers, api, noise,
                     wait_for)
from test_faults import MIB, Faulty

RELOADS = 60


@unittest.skipIf(STAND_IN, "about berth itself")
class Reload(Faulty):
    """A berth with a directory of policies: a and b stay, c comes and goes."""

    def setUp(self):
        super().setUp()
        self.policies = self.dir / "policies"
        self.policies.mkdir()
        self.write("a")
        self.write("b")
        self.log_path = self.dir / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [os.environ["BERTH_BINARY"], "serve", "--policy",
                 self.policies], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        self.addCleanup(self.stop_berth)
        for name in "ab":
            wait_for(name, lambda: answers(self.socket(name)))
            # its own bridge is made by the first who looks, before the crowd
            api(self.socket(name), "GET", "/networks")

    def stop_berth(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.assertEqual(self.process.wait(PATIENCE), 0)

    def socket(self, name):
        return self.dir / f"{name}.sock"

    def write(self, name, **changes):
        policy = {**self.berth.policy, "namespace": name,
                  "listen": {"path": str(self.socket(name))},
                  "audit": {"to": str(self.dir / f"{name}.jsonl")}, **changes}
        # as a whole, or not at all: a reload may come at any time
        (self.dir / "new").write_text(json.dumps(policy))
        (self.dir / "new").rename(self.policies / f"{name}.json")

    def said(self, words):
        return self.log_path.read_text().count(words)

    def reload(self, words="reload: done"):
        before = self.said(words)
        self.process.send_signal(signal.SIGHUP)
        wait_for(words, lambda: self.said(words) > before)

    def until(self, done, what, failures):
        """Run WHAT over and over in a thread of its own, until DONE."""
        def run():
            turns = 0
            while not done.is_set():
                try:
                    what()
                    turns += 1
                except (AssertionError, OSError,
                        http.client.HTTPException) as e:
                    failures.append(f"{what.__name__}, turn {turns}: {e!r}")
                    return
            counts.append(turns)
        counts = []
        thread = threading.Thread(target=run)
        thread.start()
        return thread, counts

    def start_box(self):
        """A container of a's; returns what makes a client a's, too."""
        host = {"DOCKER_HOST": f"unix://{self.socket('a')}"}
        self.docker("run", "-d", "--name", "box", "busybox", "sleep", "1000",
                    **host)
        self.addCleanup(self.remove_box)
        return host

    def remove_box(self):
        for name in "ab":  # whoever is namespace a by now
            api(self.socket(name), "DELETE", "/containers/box", force=1)

    def finish(self, cat):
        cat.stdin.close()
        cat.stdin = None
        self.assertEqual(cat.wait(PATIENCE), 0)

    # What clients do meanwhile; each raises when anything is lost.

    def list_and_look(self):
        for name in "ab":
            for target in ("/containers/json", "/info", "/networks"):
                status, reply = api(self.socket(name), "GET", target)
                assert status == 200, reply

    def make_and_remove(self):
        name = f"v{threading.get_ident()}"
        status, reply = api(self.socket("b"), "POST", "/volumes/create",
                            {"Name": name})
        assert status == 201 and reply["Name"] == name, reply
        status, reply = api(self.socket("b"), "DELETE", f"/volumes/{name}")
        assert status == 204, reply

    def keep_a_connection(self):
        c = Connection(self.socket("a"))
        for _ in range(50):
            c.request("GET", "/version")
            reply = c.getresponse()
            text = reply.read()
            assert reply.status == 200, text
        c.close()

    def fetch_a_stream(self):
        status, created = api(
            self.socket("a"), "POST", "/containers/box/exec",
            {"AttachStdout": True, "Tty": True,
             "Cmd": ["head", "-c", str(3 * MIB), "/dev/zero"]})
        assert status == 201, created
        c = Connection(self.socket("a"))
        c.request("POST", f"/exec/{created['Id']}/start",
                  b'{"Detach":false,"Tty":true}',
                  {"Content-Type": "application/json"})
        reply = c.getresponse()
        text = reply.read()
        c.close()
        assert text == bytes(3 * MIB), f"{reply.status}: {len(text)} bytes"

    def test_reloads_under_load_lose_nothing(self):
        host = self.start_box()
        # a stream that lives through all of it
        cat = self.docker_start("exec", "-i", "box", "cat",
                                stdin=subprocess.PIPE, **host)
        done, failures = threading.Event(), []
        threads = [self.until(done, work, failures) for work in (
            self.list_and_look, self.list_and_look, self.make_and_remove,
            self.make_and_remove, self.keep_a_connection, self.fetch_a_stream)]
        try:
            for i in range(RELOADS):
                deny = ["SwarmInspect"] if i % 2 else []
                self.write("a", operations={"deny": deny},
                           timeouts={"idle": f"{300 + i}s"})
                if i % 5 == 4:
                    self.write("b", operatoins={})
                    self.reload("the policies stay as they were")
                    self.write("b")
                if i % 2:
                    self.write("c")
                else:
                    (self.policies / "c.json").unlink(missing_ok=True)
                self.reload()
                self.assertEqual(answers(self.socket("c")), bool(i % 2))
                block = noise(100000, i)
                cat.stdin.write(block)
                got = b""
                while len(got) < len(block) and (part := cat.stdout.read(
                        len(block) - len(got))):
                    got += part
                self.assertEqual(got, block)
                if failures:
                    break
        finally:
            done.set()
            for thread, _ in threads:
                thread.join()
        self.assertEqual(failures, [])
        turns = [counts[0] for _, counts in threads]
        print(f"     {RELOADS} reloads under {sum(turns)} rounds of work")
        self.assertGreater(min(turns), 0)
        self.finish(cat)
        self.assertEqual(self.said("level=error"), RELOADS // 5)

    def test_a_stream_keeps_the_policy_that_it_was_judged_by(self):
        host = self.start_box()
        cat = self.docker_start("exec", "-i", "box", "cat",
                                stdin=subprocess.PIPE, **host)
        cat.stdin.write(b"before\n")
        self.assertEqual(cat.stdout.read(7), b"before\n")
        # the same path for another runner, who may not exec at all; this one
        # goes on elsewhere
        (self.policies / "b.json").unlink()
        self.write("a", namespace="other", operations={"allow": ["container"]})
        self.write("b", namespace="a")
        self.reload()
        cat.stdin.write(b"after\n")
        self.assertEqual(cat.stdout.read(6), b"after\n")
        refused = self.docker_result("exec", "box", "true", **host)
        self.assertIn(b"No such container: box", refused.err)
        self.assertEqual(api(self.socket("a"), "GET", "/info")[0], 403)
        self.assertEqual(self.docker("ps", "-q", **host), "")
        self.assertIn("box", self.docker(
            "ps", DOCKER_HOST=f"unix://{self.socket('b')}"))
        # (it then asks for its exit code, which the new policy does not tell)
        cat.stdin.close()
        cat.stdin = None
        self.assertEqual(cat.stdout.read(), b"")

    def test_a_reload_that_cannot_be_carried_out_changes_nothing(self):
        """Also when what is wrong is seen only after others were ready."""
        blocker = self.dir / "c.sock"
        blocker.write_text("a file, and no socket")
        self.write("a", operations={"allow": []})
        self.write("c")
        self.reload("the policies stay as they were")
        self.assertIn("is no socket", self.log_path.read_text())
        self.assertEqual(api(self.socket("a"), "GET", "/info")[0], 200)
        blocker.unlink()
        # nor when a runner of another name comes to the socket
        for name in "b", "d":
            self.write("b", namespace=name, listen={
                "path": str(self.socket("b")), "group": f"no-such-{name}"})
            self.reload("the policies stay as they were")
            self.assertIn(f"there is no group no-such-{name}",
                          self.log_path.read_text())
            self.assertEqual(api(self.socket("a"), "GET", "/info")[0], 200)
        self.assertFalse(self.socket("c").exists())
        self.write("b")
        self.reload()
        self.assertEqual(api(self.socket("a"), "GET", "/info")[0], 403)
        self.assertTrue(answers(self.socket("c")))

    def test_a_directory_without_policies_is_no_policy(self):
        for name in "ab":
            (self.policies / f"{name}.json").unlink()
        self.reload("the policies stay as they were")
        self.assertIn("there is no policy in this directory",
                      self.log_path.read_text())
        self.assertTrue(answers(self.socket("a")))
