"""berth stdio as the forced command of a key: the policy is the Docker host's,
and whoever has the key obeys it."""
import json
import os
import shlex
import subprocess
import unittest
from pathlib import Path

from harness import PATIENCE, api, noise, wait_for
from host import USER, HostScenario, keygen

POLICY = {
    "version": 1,
    "preset": "compose-tests",
    "namespace": "h1",
    "upstream": {"url": "unix:///var/run/docker.sock"},
    "audit": {"to": "/srv/audit/h1.jsonl", "required": True},
}


class Stdio(HostScenario):
    def setUp(self):
        super().setUp()
        self.program = self.host.put_berth()
        audit = self.bed.dir / "srv/audit"
        audit.mkdir(exist_ok=True)
        audit.chmod(0o1777)
        self.audit_path = audit / "h1.jsonl"
        self.addCleanup(self.audit_path.unlink, missing_ok=True)
        self.policy()
        self.way = ("--policy", "/srv/h1.json", "--berth", self.program)

    def policy(self, **changes):
        path = self.host.write("srv/h1.json", json.dumps({**POLICY, **changes}))
        path.chmod(0o644)

    def audit(self):
        return [json.loads(x)
                for x in self.audit_path.read_text().splitlines()]

    def clear(self, *names):
        for name in names:
            api(self.env["BED_SOCKET"], "DELETE", f"/containers/{name}",
                force=1)

    def docker(self, *argv, host=None, cli="docker-26.1", **how):
        """docker -H ssh://, straight from here with the key."""
        ssh = self.dir / "bin/ssh"
        if not ssh.exists():
            ssh.parent.mkdir()
            ssh.write_text(
                f"#!/bin/sh\nexec /usr/bin/ssh -F {self.env['BED_SSH_CONFIG']}"
                f" -i {self.key} \"$@\"\n")
            ssh.chmod(0o755)
        return subprocess.run(
            [f"{self.env['BED_BIN']}/{cli}", "-H", host or self.url(), *argv],
            capture_output=True, timeout=PATIENCE,
            env={"PATH": f"{ssh.parent}:/usr/bin:/bin", "HOME": str(self.dir)},
            **how)

    def ok(self, *argv, **how):
        done = self.docker(*argv, **how)
        self.assertEqual(done.returncode, 0,
                         f"{shlex.join(argv)}: {done.stderr}")
        return done.stdout

    def serving(self):
        """The berths that serve somebody over there, and in no other bed."""
        return [p for p in Path("/proc").glob("[0-9]*/cmdline")
                if b"/srv/berth/berth.bin\0stdio" in self.read(p)
                and self.lives_with(p.parent)]

    def lives_with(self, process):
        try:
            return (process / "ns/net").readlink() == Path(
                f"/proc/{self.env['BED_INIT_PID']}/ns/net").readlink()
        except OSError:
            return False  # it has just ended

    @staticmethod
    def read(path):
        try:
            return path.read_bytes()
        except OSError:
            return b""

    def work(self, host=None, **how):
        """What runners do, by way of HOST."""
        self.addCleanup(self.clear, "h1.web")
        self.assertEqual(self.ok("run", "--rm", "busybox", "echo", "hello",
                                 host=host, **how), b"hello\n")
        self.ok("run", "-d", "--name", "web", "busybox", "sleep", "600",
                host=host, **how)
        # the engine knows it as another's
        self.assertEqual(api(self.env["BED_SOCKET"], "GET",
                             "/containers/h1.web/json")[0], 200)
        self.assertEqual(self.ok("ps", "--format", "{{.Names}}", host=host,
                                 **how), b"web\n")
        # both ways, and the end of input comes through
        data = noise(3 << 20)
        self.assertEqual(self.ok("exec", "-i", "web", "cat", host=host,
                                 input=data, **how), data)
        refused = self.docker("run", "--privileged", "busybox", "true",
                              host=host, **how)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b"berth: Privileged is not allowed here", refused.stderr)
        self.assertNotEqual(self.docker("inspect", "h1.web", host=host,
                                        **how).returncode, 0)

    def test_docker_by_ssh_obeys(self):
        said = self.install(*self.way)
        self.assertIn("isolation", said)
        self.work(cli="docker-" + self.env["BED_ENGINE_VERSION"])
        denied = [r for r in self.audit() if r["verdict"] == "deny"]
        self.assertIn("ContainerCreate", [r["operation"] for r in denied])
        self.assertRegex(denied[0]["listener"], r"^ssh from [\d.]+ port \d+$")
        wait_for("all to be over", lambda: not self.serving())

    def test_a_berth_in_front(self):
        self.install(*self.way)
        # its own policy allows what the host's does not
        front = self.berth(isolation="none",
                           container={"privileged": True})
        self.work(f"unix://{front.socket}")
        self.assertIn("dial-stdio", front.log())
        data = noise(8 << 20)
        (self.dir / "big").write_bytes(data)
        self.ok("cp", str(self.dir / "big"), "web:/tmp/big",
                host=f"unix://{front.socket}")
        self.ok("cp", "web:/tmp/big", str(self.dir / "back"),
                host=f"unix://{front.socket}")
        self.assertEqual((self.dir / "back").read_bytes(), data)

    def test_many_at_once_by_way_of_a_berth(self):
        self.install(*self.way)
        front = self.berth(isolation="none")
        clients = [subprocess.Popen(
            [f"{self.env['BED_BIN']}/docker-26.1", "-H",
             f"unix://{front.socket}", "run", "--rm", "busybox", "echo", str(i)],
            stdout=subprocess.PIPE, env={"HOME": str(self.dir),
                                         "PATH": "/usr/bin:/bin"})
            for i in range(8)]
        for i, p in enumerate(clients):
            self.assertEqual(p.communicate(timeout=PATIENCE)[0].strip(),
                             str(i).encode())

    def test_who_leaves_takes_his_berth_along(self):
        self.install(*self.way)
        self.addCleanup(self.clear, "h1.web")
        self.ok("run", "-d", "--name", "web", "busybox", "sh", "-c",
                "echo up; sleep 600")
        client = subprocess.Popen(
            ["ssh", "-F", self.env["BED_SSH_CONFIG"], "-l", USER, "-i",
             self.key, self.env["BED_SSH_HOST"], "docker", "system",
             "dial-stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        client.stdin.write(b"GET /v1.41/containers/web/logs?follow=1&stdout=1 "
                           b"HTTP/1.1\r\nHost: x\r\n\r\n")
        client.stdin.flush()
        self.assertTrue(client.stdout.readline().startswith(b"HTTP/1.1 200"))
        wait_for("the other one's end", lambda: len(self.serving()) == 1)
        client.kill()
        client.communicate()
        wait_for("it to be over", lambda: not self.serving())

    def test_nothing_else_is_run(self):
        self.install(*self.way)
        host = self.env["BED_SSH_HOST"]
        for command in (["id"], [], ["touch", "/srv/audit/evil;", "docker",
                                     "version"]):
            rc, said = self.ssh_says(host, *command)
            self.assertNotEqual(rc, 0)
            self.assertIn("only speaks the Docker API", said)
        # even where the words end as they should
        p = subprocess.run(
            ["ssh", "-F", self.env["BED_SSH_CONFIG"], "-l", USER, "-i",
             self.key, host, "touch /srv/audit/evil; docker system dial-stdio"],
            input=b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
            capture_output=True, timeout=PATIENCE)
        self.assertTrue(p.stdout.startswith(b"HTTP/1.1 200 OK"), p)
        self.assertFalse((self.bed.dir / "srv/audit/evil").exists())
        rc, said = self.ssh_says("-W", "127.0.0.1:5000", host)
        self.assertIn("open failed", said)
        here = self.dir / "f.sock"
        forward = self.ssh("-N", "-L", f"{here}:/run/docker.sock", host)
        wait_for("ssh", here.exists)
        with self.assertRaises(OSError):
            api(here, "GET", "/_ping")
        forward.kill()  # a SIGTERM may wait for the next keepalive
        forward.communicate()
        rc, said = self.ssh_says(host, "docker", "system", "dial-stdio",
                                 key=keygen(self.dir / "other"))
        self.assertIn("Permission denied", said)

    def test_a_policy_is_in_effect_from_the_next_connection_on(self):
        self.install(*self.way)
        self.ok("version")
        self.assertEqual(self.docker("images").returncode, 0)
        self.policy(operations={"allow": ["container"]})
        self.assertIn(b"operations.allow", self.docker("images").stderr)
        self.policy(operations={"allow": ["nonsense"]})
        self.assertIn(b"nonsense", self.docker("images").stderr)

    def test_the_script_looks_at_the_policy_first(self):
        key = ("--key-file", "/srv/key.pub")
        path = self.bed.dir / "srv/h1.json"
        for words, change in (
                ("is wrong", lambda: self.policy(frob=1)),
                ("written to by nobody else", lambda: path.chmod(0o666)),
                ("read by all", lambda: path.chmod(0o600)),
                ("must belong to root", lambda: os.chown(path, 1, 0)),
                ("standard output is the client's",
                 lambda: self.policy(audit={"to": "stdout"})),
                ("cannot open the audit file",
                 lambda: self.policy(audit={"to": "/root/x.jsonl"})),
                ("FAIL  socket", lambda: self.policy(
                    upstream={"url": "unix:///run/none.sock"}))):
            with self.subTest(words):
                self.policy()
                change()
                self.refused(words, *key, *self.way)
                os.chown(path, 0, 0)
        self.policy()
        self.refused("does not exist", *key, "--policy", "/srv/none.json",
                     "--berth", self.program)
        self.refused("does not exist", *key, "--policy", "/srv/h1.json",
                     "--berth", "/srv/none")
        self.install(*self.way)
        done = self.host.setup(*key)
        self.assertIn("in the other way", done.stderr)


if __name__ == "__main__":
    unittest.main()
