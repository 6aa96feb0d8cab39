"""What goes wrong between a client and its engine, and what each then sees."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import unittest
from pathlib import Path

from harness import (PATIENCE, STAND_IN, Berth, Connection, Scenario, answers,
                     api, noise_file, wait_for)

MIB = 1 << 20


def descendants(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)],
                         stdout=subprocess.PIPE, check=False).stdout
    for child in out.split():
        yield int(child)
        yield from descendants(int(child))


def resident(pid):
    """The resident memory of PID in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def raw(path, data, eof=False, timeout=PATIENCE):
    """Send bytes, return all that comes until the connection closes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(str(path))
        s.sendall(data)
        if eof:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while part := s.recv(65536):
            got += part
        return got


@unittest.skipIf(STAND_IN, "about berth itself")
class Faulty(Scenario):
    """A berth whose patience is short, so that tests need not wait long."""

    upstream = {"dead_after": "3s", "wait": "10s"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.berth.stop()
        cls.berth = cls.make(**cls.policy)

    @classmethod
    def make(cls, **changes):
        env = cls.bed_env
        changes = {**changes}
        upstream = {"url": env["BED_SSH_URL"], "identity": env["BED_IDENTITY"],
                    "known_hosts": env["BED_KNOWN_HOSTS"], **cls.upstream,
                    **changes.pop("upstream", {})}
        return Berth(cls.bed, upstream=upstream, **changes)

    def another(self, clients=None, **changes):
        """One more berth, for this test alone."""
        berth = self.make(**changes)  # of the same namespace
        self.addCleanup(lambda: berth.process.poll() is None and berth.stop())
        if clients:
            policy = self.policy_of(berth)
            policy["listen"]["clients"] = clients
            self.reload(berth, policy)
        return berth

    def policy_of(self, berth):
        return json.loads((berth.dir / "policy.json").read_text())

    def reload(self, berth, policy, word="reload: done"):
        (berth.dir / "policy.json").write_text(json.dumps(policy))
        before = berth.log().count(word)
        berth.process.send_signal(signal.SIGHUP)
        wait_for(word, lambda: berth.log().count(word) > before)

    def kill_ssh_sessions(self, *words):
        """Every connection there is to the bed's sshd breaks, behind the
        bed's command WORDS."""
        # the one that holds the connection is a child of one that does not
        pids = list(descendants(self.bed.env["BED_SSHD_PID"]))
        if words:
            self.bed.do(*words)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def box(self, name="box", *command):
        self.docker("run", "-d", "--name", name, "busybox",
                    *(command or ("sleep", "1000")))

    def big_box(self, size):
        """A container with SIZE bytes of noise in /big; returns their digest."""
        digest = noise_file(self.dir / "big", size)
        self.box()
        self.docker("cp", self.dir / "big", "box:/big")
        return digest


class Link(Faulty):
    def test_a_link_that_breaks_in_mid_transfer_is_an_error_and_comes_back(self):
        self.big_box(32 * MIB)
        with (self.dir / "out").open("wb") as out:
            p = subprocess.Popen(
                [self.cli, "export", "box"], env=self.env, cwd=self.dir,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(p.stderr.close)
            self.addCleanup(p.stdout.close)
            out.write(p.stdout.read(MIB))  # then the pipe is full
            self.kill_ssh_sessions()
            p.stdout.read()
        self.assertNotEqual(p.wait(PATIENCE), 0)
        self.assertIn("box", self.docker("ps", "--format", "{{.Names}}"))

    def test_an_upload_that_breaks_is_an_error_and_is_not_sent_again(self):
        self.box()
        before = self.docker("diff", "box")
        c = Connection(self.berth.socket)
        self.addCleanup(c.close)
        c.putrequest("PUT", "/containers/box/archive?path=/")
        c.putheader("Content-Type", "application/x-tar")
        c.putheader("Transfer-Encoding", "chunked")
        c.endheaders()
        c.send(b"200\r\n" + b"\0" * 512 + b"\r\n")
        self.wait_for_record("PutContainerArchive", "decision")
        self.kill_ssh_sessions()
        reply = c.getresponse()
        self.assertEqual(reply.status, 502)
        self.assertIn("may have been carried out", reply.read().decode())
        self.assertEqual(self.docker("diff", "box"), before)

    def wait_for_record(self, operation, event, berth=None, **more):
        berth = berth or self.berth

        def there():
            for r in berth.audit():
                if r["operation"] == operation and r["event"] == event and \
                        all(r.get(k) == v for k, v in more.items()):
                    return r
            return None
        return wait_for(f"{event} of {operation}", there)

    def test_a_request_waits_for_the_link_to_come_back(self):
        self.docker("ps")
        self.kill_ssh_sessions()
        for _ in range(5):
            self.docker("ps")

    def test_while_sshd_is_away_clients_learn_it_and_afterwards_all_is_well(self):
        berth = self.another(upstream={"wait": "100ms"})
        self.kill_ssh_sessions("sshd-stop")
        try:
            wait_for("503", lambda: api(berth.socket, "GET", "/info")[0] == 503)
            c = Connection(berth.socket)
            c.request("GET", "/_ping")
            reply = c.getresponse()
            text = reply.read().decode()
            c.close()
            self.assertEqual(reply.status, 503, text)
            self.assertGreater(int(reply.headers["Retry-After"]), 0)
            self.assertIn("berth: ", json.loads(text)["message"])
        finally:
            self.bed.do("sshd-start")
        wait_for("the link", lambda: answers(berth.socket))
        self.assertEqual(berth.stop(), 0)

    def test_a_frozen_link_is_found_dead(self):
        berth = self.another(upstream={"wait": "100ms"})
        self.assertTrue(answers(berth.socket))
        self.bed.do("link-freeze")
        try:
            wait_for("503", lambda: api(berth.socket, "GET", "/_ping")[0] == 503)
        finally:
            self.bed.do("link-thaw")
        wait_for("the link", lambda: answers(berth.socket))
        self.assertEqual(berth.stop(), 0)
        # The link of the berth beside it was frozen as well, and may be found
        # dead at any moment until it has carried something.
        wait_for("the other link", lambda: api(
            self.berth.socket, "GET", "/containers/json")[0] == 200)

    def test_an_engine_that_dies_and_comes_back(self):
        self.docker("ps")
        os.kill(int(self.bed.env["BED_DOCKERD_PID"]), signal.SIGKILL)
        try:
            def refused():
                status, reply = api(self.berth.socket, "GET", "/info")
                return status == 503 and "docker.sock" in reply["message"]
            wait_for("503 that names the engine's socket", refused)
        finally:
            self.bed.do("engine-start")
        wait_for("the engine", lambda: answers(self.berth.socket))
        for _ in range(20):  # no stale stream is handed out
            self.docker("ps")


class Clients(Faulty):
    policy = {"timeouts": {"head": "1s"}}

    def follow(self, path, name):
        c = Connection(path)
        c.request("GET", f"/containers/{name}/logs?follow=1&stdout=1")
        return c, c.getresponse()

    def test_a_client_that_does_not_read_costs_little_and_harms_nobody(self):
        size = 256 * MIB
        self.box("src", "sleep", "1000")
        c = Connection(self.berth.socket, timeout=600)
        self.addCleanup(c.close)
        created = self.api("POST", "/containers/src/exec", {
            "AttachStdout": True, "Tty": True,
            "Cmd": ["sh", "-c", f"head -c {size} /dev/zero | tr '\\0' x"]})
        c.request("POST", f"/exec/{created['Id']}/start",
                  b'{"Detach":false,"Tty":true}',
                  {"Content-Type": "application/json"})
        stream = c.getresponse()
        before = resident(self.berth.process.pid)
        for _ in range(20):
            self.docker("ps")
        grown = resident(self.berth.process.pid) - before
        print(f"     a client that does not read: {grown >> 10} KiB more")
        self.assertLess(grown, 16 * MIB)
        got = 0
        while part := stream.read1(MIB):
            self.assertEqual(part.count(b"x"), len(part))
            got += len(part)
        self.assertEqual(got, size)

    def test_a_client_that_vanishes_takes_its_stream_along(self):
        p = self.docker_start("events")
        wait_for("events", lambda: [
            r for r in self.berth.audit()
            if r["operation"] == "SystemEvents" and r["event"] == "decision"])
        p.kill()
        wait_for("its end", lambda: [
            r for r in self.berth.audit()
            if r["operation"] == "SystemEvents" and r["event"] == "end"
            and r["close"] == "client-gone"])

    def test_an_exec_ends_when_its_client_vanishes(self):
        self.box()
        p = self.docker_start("exec", "-i", "box", "cat",
                              stdin=subprocess.PIPE)
        wait_for("exec", lambda: b"cat" in self.docker(
            "top", "box").encode())
        p.kill()
        wait_for("its end", lambda: b"cat" not in self.docker(
            "top", "box").encode())

    def test_many_followed_logs_at_once(self):
        berth = self.another(clients=600)
        self.box("talker", "sh", "-c",
                 "echo first; while [ ! -e /go ]; do sleep 0.1; done; "
                 "seq 1 200; sleep 1000")
        before = resident(berth.process.pid)
        streams = [self.follow(berth.socket, "talker") for _ in range(500)]
        for _, s in streams:
            self.assertEqual(s.status, 200)
        each = (resident(berth.process.pid) - before) // 500
        print(f"     500 followed logs: {each >> 10} KiB each")
        # a sanitizer keeps shadows of its own
        if b"__asan_init" not in Path(os.environ["BERTH_BINARY"]).read_bytes():
            self.assertLess(each, 64 << 10)
        self.docker("exec", "talker", "touch", "/go")
        want = b"first\n" + b"".join(b"%d\n" % i for i in range(1, 201))
        for c, s in streams:
            got, log = b"", b""
            while len(log) < len(want):
                got += s.read1(65536)
                while len(got) >= 8 and \
                        len(got) >= 8 + int.from_bytes(got[4:8], "big"):
                    end = 8 + int.from_bytes(got[4:8], "big")
                    log, got = log + got[8:end], got[end:]
            self.assertEqual(log, want)
            c.close()

    def test_a_head_that_does_not_come_is_given_up(self):
        got = raw(self.berth.socket, b"GET /_ping HTTP/1.1\r\nHost: d\r\nX: ")
        self.assertTrue(got.startswith(b"HTTP/1.1 408 "), got)

    def test_malformed_heads_are_answered_and_the_connection_closed(self):
        for head, status in [
            (b"nonsense\r\n\r\n", 400),
            (b"GET /_ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            (b"GET /_ping HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
            (b"POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n", 400),
            (b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n", 414),
            (b"GET /_ping HTTP/1.1\r\nHost: a\r\n" +
             b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n", 431),
        ]:
            with self.subTest(head=head[:60]):
                got = raw(self.berth.socket, head)
                self.assertTrue(got.startswith(b"HTTP/1.1 %d " % status), got)
                body = got.split(b"\r\n\r\n", 1)[1]
                self.assertIn("message", json.loads(body))

    def test_too_many_clients_are_told_so(self):
        berth = self.another(clients=2)
        held = [Connection(berth.socket) for _ in range(2)]
        for c in held:
            c.request("GET", "/_ping")
            self.assertEqual(c.getresponse().read(), b"OK")
        status, reply = api(berth.socket, "GET", "/_ping")
        self.assertEqual(status, 503)
        self.assertIn("listen.clients", reply["message"])
        for c in held:
            c.close()
        wait_for("room", lambda: answers(berth.socket))

    def test_nothing_is_left_open(self):
        for _ in range(3):
            self.docker("run", "--rm", "busybox", "true")
        before = descriptors(self.berth.process.pid)
        for _ in range(10):
            self.docker("run", "--rm", "busybox", "true")
        wait_for("descriptors", lambda: descriptors(
            self.berth.process.pid) <= before)


class Process(Faulty):
    def test_a_stopped_berth_lets_exchanges_finish(self):
        berth = self.another()
        self.box()
        p = self.start(self.cli, "exec", "box", "sh", "-c",
                       "echo begun; sleep 1; echo done",
                       DOCKER_HOST=f"unix://{berth.socket}")
        self.assertEqual(p.stdout.read(6), b"begun\n")
        berth.process.terminate()
        self.assertEqual(p.stdout.read(), b"done\n")
        self.assertEqual(berth.process.wait(PATIENCE), 0)
        self.assertFalse(berth.socket.exists())

    def test_a_second_signal_stops_at_once(self):
        berth = self.another(timeouts={"drain": "10m"})
        p = self.start(self.cli, "events", DOCKER_HOST=f"unix://{berth.socket}")
        wait_for("events", lambda: [
            r for r in berth.audit() if r["operation"] == "SystemEvents"])
        berth.process.terminate()
        wait_for("the socket to go", lambda: not berth.socket.exists())
        self.assertIsNone(berth.process.poll())
        berth.process.terminate()
        self.assertEqual(berth.process.wait(PATIENCE), 0)
        self.assertNotEqual(p.wait(PATIENCE), -1)

    def test_one_that_is_killed_finds_all_again(self):
        """What it knew is known to the engine, and made IDs stay good."""
        berth = self.another()
        self.docker("run", "-d", "--name", "box", "-v", "data:/d", "busybox",
                    "sleep", "1000", DOCKER_HOST=f"unix://{berth.socket}")
        made = api(berth.socket, "POST", "/containers/box/exec",
                   {"AttachStdout": True, "Cmd": ["echo", "still"]})[1]

        def look():
            return [api(berth.socket, "GET", target)[1] for target in (
                "/containers/box/json", "/networks/bridge", "/volumes",
                f"/exec/{made['Id']}/json")]
        before = look()
        berth.process.kill()
        berth.process.wait()
        self.assertTrue(berth.socket.exists())
        berth.process = self.start(os.environ["BERTH_BINARY"], "serve",
                                   "--share-namespace",
                                   "--policy", berth.dir / "policy.json")
        wait_for("the next one", lambda: answers(berth.socket))
        # first what it could only know from before
        status, said = api(berth.socket, "POST", f"/exec/{made['Id']}/start",
                           {"Detach": False, "Tty": False})
        self.assertEqual((status, said[8:]), (200, b"still\n"))
        after = look()
        for objects in before, after:  # it has run in between
            objects[0].pop("ExecIDs")
            for key in "Running", "ExitCode", "Pid":
                objects[3].pop(key)
        self.assertEqual(before, after)

    def serve(self, berth, *words):
        """Another program with BERTH's policy; returns (rc, stderr)."""
        p = subprocess.run(
            [os.environ["BERTH_BINARY"], "serve", "--share-namespace",
             "--policy", berth.dir / "policy.json", *words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        return p.returncode, p.stderr.decode()

    def test_a_live_socket_is_not_taken_and_a_stale_one_is_replaced(self):
        berth = self.another()
        rc, err = self.serve(berth)
        self.assertEqual(rc, 2)
        self.assertIn("another berth listens on", err)
        other = self.dir / "other.sock"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(other))
            s.listen()
            rc, err = self.serve(berth, "--listen", f"unix:{other}")
            self.assertEqual(rc, 2)
            self.assertIn("a process listens on", err)
        # closed, but the file is there
        p = self.start(os.environ["BERTH_BINARY"], "serve", "--share-namespace",
                       "--policy", berth.dir / "policy.json",
                       "--listen", f"unix:{other}")
        wait_for("the stale one", lambda: answers(other))
        p.terminate()
        self.assertEqual(p.wait(PATIENCE), 0)
        self.assertFalse(other.exists())
        other.write_text("precious")
        rc, err = self.serve(berth, "--listen", f"unix:{other}")
        self.assertEqual(rc, 2)
        self.assertIn("is no socket", err)
        self.assertEqual(other.read_text(), "precious")

    def test_one_process_serves_a_namespace(self):
        policy = self.policy_of(self.another())
        policy["namespace"] = "claimed"
        policy["listen"]["path"] = str(self.dir / "one.sock")
        (self.dir / "one.json").write_text(json.dumps(policy))
        one = self.start(os.environ["BERTH_BINARY"], "serve", "--policy",
                         self.dir / "one.json")
        wait_for("the first", lambda: answers(self.dir / "one.sock"))
        # whatever else differs
        policy["upstream"]["wait"] = "7s"
        policy["listen"]["path"] = str(self.dir / "two.sock")
        (self.dir / "two.json").write_text(json.dumps(policy))
        two = subprocess.run(
            [os.environ["BERTH_BINARY"], "serve", "--policy",
             self.dir / "two.json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(two.returncode, 2)
        self.assertIn(f"another berth (process {one.pid}) serves the namespace "
                      "claimed on the same engine", two.stderr.decode())
        self.assertFalse((self.dir / "two.sock").exists())
        one.terminate()
        self.assertEqual(one.wait(PATIENCE), 0)

    def test_mode_and_group_of_the_socket(self):
        berth = self.another()
        for mode, group in (("0600", 4242), ("0666", "daemon")):
            policy = self.policy_of(berth)
            policy["listen"].update(mode=mode, group=group)
            self.reload(berth, policy)
            self.assertEqual(berth.socket.stat().st_mode & 0o777,
                             int(mode, 8))
            self.assertEqual(berth.socket.stat().st_gid,
                             4242 if group == 4242 else 1)

    def test_socket_activation(self):
        berth = self.another()
        path = self.dir / "activated.sock"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
            s.listen()
            p = subprocess.Popen(
                ["sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0",
                 "sh", os.environ["BERTH_BINARY"], "serve", "--policy",
                 berth.dir / "policy.json", "--namespace", "activated",
                 "--listen", self.dir / "not-used.sock"],
                stdin=s, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.end, p)
        wait_for("the handed socket", lambda: answers(path))
        self.assertFalse((self.dir / "not-used.sock").exists())
        p.terminate()
        self.assertEqual(p.wait(PATIENCE), 0)
        self.assertTrue(path.exists())  # systemd's, not ours

    def test_a_reload_changes_what_is_allowed_and_a_bad_one_nothing(self):
        berth = self.another()
        policy = self.policy_of(berth)
        c = Connection(berth.socket)
        self.addCleanup(c.close)
        c.request("GET", "/events")
        events = c.getresponse()
        policy["operations"] = {"deny": ["SystemInfo", "SystemEvents"]}
        self.reload(berth, policy)
        status, reply = api(berth.socket, "GET", "/info")
        self.assertEqual(status, 403)
        self.assertIn("operations.deny", reply["message"])
        self.docker("run", "--rm", "busybox", "true")
        line = events.readline()  # goes on under the old
        if b'"network"' in line:  # the runner's own bridge, on its first use
            line = events.readline()
        self.assertIn(b"busybox", line)
        policy["operations"] = {"denny": []}
        self.reload(berth, policy, "the policies stay as they were")
        self.assertEqual(api(berth.socket, "GET", "/info")[0], 403)

    def test_no_record_no_change_when_the_record_is_required(self):
        disk = self.dir / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        berth = self.another(audit={"to": str(disk / "audit"),
                                    "required": True})
        (disk / "filler").write_bytes(b"")
        with (disk / "filler").open("wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass
        # the last page of the record may still have room
        status, reply = wait_for("refusal", lambda: [
            r for r in [api(berth.socket, "POST", "/volumes/create",
                            {"Name": "v" * 200})] if r[0] == 503])[0]
        self.assertIn("audit.required", reply["message"])
        before = len(self.api("GET", "/volumes")["Volumes"] or [])
        self.assertEqual(api(berth.socket, "POST", "/volumes/create",
                             {"Name": "never"})[0], 503)
        self.assertEqual(len(self.api("GET", "/volumes")["Volumes"] or []),
                         before)
        self.assertEqual(api(berth.socket, "GET", "/info")[0], 200)
        (disk / "filler").unlink()
        self.assertEqual(api(berth.socket, "POST", "/volumes/create",
                             {"Name": "again"})[0], 201)
        for line in (disk / "audit").read_text().splitlines()[-2:]:
            json.loads(line)

    def test_the_audit_file_is_opened_anew(self):
        berth = self.another()
        moved = berth.audit_path.with_suffix(".1")
        berth.audit_path.rename(moved)
        berth.process.send_signal(signal.SIGHUP)
        wait_for("a new file", berth.audit_path.exists)
        api(berth.socket, "GET", "/info")
        wait_for("a record", lambda: [r for r in berth.audit()
                                      if r["operation"] == "SystemInfo"])
