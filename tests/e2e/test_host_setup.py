"""The Docker host as deploy/host-setup.sh leaves it: a key gets to the engine
and nowhere else, and nothing is left when it goes."""
import json
import os
import re
import subprocess
import unittest
from pathlib import Path

from harness import PATIENCE, api, wait_for
from host import USER, HostScenario, keygen


class HostSetup(HostScenario):
    def test_a_key_gets_to_the_engine(self):
        said = self.install()
        self.assertIn(f"ssh://{USER}@", said)
        for line in Path(self.env["BED_KNOWN_HOSTS"]).read_text().splitlines():
            self.assertIn(line.split()[2], said, "the host's keys to trust")
        berth = self.berth()
        cli = f"{self.env['BED_BIN']}/docker-26.1"
        done = subprocess.run(
            [cli, "-H", f"unix://{berth.socket}", "run", "--rm", "busybox",
             "echo", "hello"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done)
        self.assertNotIn("slower", berth.log())  # it is forwarded to

    def test_a_key_is_made_when_berth_starts(self):
        self.key = self.dir / "own"
        policy = self.dir / "policy.json"
        policy.write_text(json.dumps({
            "version": 1, "namespace": "t3",
            "listen": {"path": str(self.dir / "docker.sock")},
            "upstream": {
                "url": f"ssh://{USER}@{self.env['BED_ADDRESS']}:1",
                "identity": str(self.key), "generate_identity": True,
                "known_hosts": self.env["BED_KNOWN_HOSTS"]}}))

        def serve():
            p = subprocess.Popen(
                [os.environ["BERTH_BINARY"], "serve", "--policy", policy],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True)
            said = ""
            while "serving" not in said:
                said += p.stderr.readline()
            p.terminate()
            p.communicate(timeout=PATIENCE)
            return said

        line = re.search(r"--key '(.*)'", serve())[1]
        self.assertTrue(line.endswith(" berth-t3"))
        made = self.key.read_bytes()
        self.assertNotIn("--key", serve())
        self.assertEqual(self.key.read_bytes(), made)
        self.assertEqual(self.host.setup("--key", line).returncode, 0)
        self.berth()

    def test_a_key_gets_nowhere_else(self):
        self.install()
        host = self.env["BED_SSH_HOST"]
        for what in ([host, "id"], [host, "docker", "system", "dial-stdio"],
                     ["-s", host, "sftp"], ["-tt", host], [host]):
            rc, said = self.ssh_says(*what)
            self.assertNotEqual(rc, 0, what)
            self.assertNotIn("uid=", said)
        # other sockets, any port, and the way back
        for what in (["-W", "127.0.0.1:5000"], ["-W", "[::1]:22"]):
            rc, said = self.ssh_says(*what, host)
            self.assertIn("open failed", said, what)
        for what in (["-R", "127.0.0.1:0:127.0.0.1:1"],
                     ["-R", f"/run/evil.sock:{self.dir}/none"]):
            rc, said = self.ssh_says("-N", *what, host)
            self.assertIn("remote port forwarding failed", said, what)
        self.assert_forwards("/run/docker.sock", True)
        self.assert_forwards("/run/docker/containerd/containerd.sock", False)

    def test_published_ports_of_one_address(self):
        self.install("--ports", "127.83.12.7")
        host = self.env["BED_SSH_HOST"]
        for where, words in (("127.83.12.7:1", "Connection refused"),
                             ("127.83.12.8:1", "prohibited"),
                             ("127.0.0.1:5000", "prohibited")):
            rc, said = self.ssh_says("-W", where, host)
            self.assertIn(words, said, where)
        # another key has others, and this one keeps its own
        other = keygen(self.dir / "other")
        done = self.host.setup(
            "--key", Path(f"{other}.pub").read_text().strip(),
            "--ports", "127.83.12.8")
        self.assertEqual(done.returncode, 0, done.stderr)
        for key, where, words in (
                (None, "127.83.12.7:1", "Connection refused"),
                (None, "127.83.12.8:1", "prohibited"),
                (other, "127.83.12.8:1", "Connection refused"),
                (other, "127.83.12.7:1", "prohibited")):
            how = {"key": key} if key else {}
            rc, said = self.ssh_says("-W", where, host, **how)
            self.assertIn(words, said, (key, where))
        for bad in "10.0.0.1", "127.0.0.1.1", "127.0.0.*", "localhost":
            done = self.host.setup("--key", "x", "--ports", bad)
            self.assertIn("no loopback address", done.stderr)

    def assert_forwards(self, path, works):
        here = self.dir / "forwarded.sock"
        p = self.ssh("-N", "-L", f"{here}:{path}", self.env["BED_SSH_HOST"])
        wait_for("ssh", here.exists)
        try:
            self.assertEqual(api(here, "GET", "/_ping")[0], 200)
            reached = True
        except OSError:
            reached = False
        p.kill()  # a SIGTERM may wait for the next keepalive
        said = p.communicate()[0]
        here.unlink()
        self.assertEqual(reached, works, said)

    def test_no_other_key_is_let_in(self):
        self.install()
        other = keygen(self.dir / "other")
        rc, said = self.ssh_says(self.env["BED_SSH_HOST"], key=other)
        self.assertIn("Permission denied", said)
        # nor one that the account of another is let in with
        rc, said = self.ssh_says(self.env["BED_SSH_HOST"],
                                 key=self.env["BED_IDENTITY"])
        self.assertIn("Permission denied", said)
        said = self.host.run("/usr/sbin/sshd", "-T", "-C",
                             f"user={USER},host=h,addr=127.0.0.1").stdout
        for word in ("allowagentforwarding no", "permittty no",
                     "x11forwarding no", "permittunnel no", "permituserrc no",
                     "permitlisten none", "authenticationmethods publickey"):
            self.assertIn(word + "\n", said)

    def test_a_second_key_comes_to_the_first(self):
        self.install()
        second = keygen(self.dir / "second")
        done = self.host.setup("--key", Path(f"{second}.pub").read_text().strip())
        self.assertEqual(done.returncode, 0, done.stderr)
        again = self.install()
        self.assertIn("is there already", again)
        keys = (self.bed.dir / f"etc/ssh/berth/{USER}.keys").read_text()
        self.assertEqual(keys.count("ssh-ed25519"), 2, keys)
        self.berth()

    def test_blanks_in_a_key_cost_nobody_else_theirs(self):
        self.install()
        kind, blob, *_ = Path(f"{keygen(self.dir / 'odd')}.pub").read_text().split()
        for key in (f"{kind}  {blob}   a  b", f"  {kind}\t{blob} a b\r",
                    f"{kind} {blob} a b"):
            done = self.host.setup("--key", key)
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = (self.bed.dir / f"etc/ssh/berth/{USER}.keys"
                     ).read_text().splitlines()
            self.assertEqual(len(lines), 2, lines)
            self.assertTrue(lines[-1].endswith(f" {kind} {blob} a_b"), lines)
        self.assertNotEqual(self.host.setup("--key", f"{kind}  ").returncode, 0)
        self.berth()

    def test_a_dry_run_does_nothing(self):
        said = self.install("--dry-run")
        self.assertIn(f"Match User {USER}", said)
        self.assertIn("nothing was done", said)
        self.assertEqual(self.host.state(), self.before)

    def test_nothing_is_left(self):
        self.install()
        berth = self.berth()
        self.assertIn("goes", self.host.setup("--uninstall", "--dry-run").stdout)
        done = self.host.setup("--uninstall")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.host.state(), self.before)
        # who was in is out, and does not come back
        wait_for("the link to end",
                 lambda: "link: lost" in berth.log()
                 and "did not let ci in" in berth.log())
        done = self.host.setup("--uninstall")
        self.assertIn("there is nothing of the account", done.stderr)

    def test_without_a_directory_of_configurations(self):
        config = self.bed.dir / "etc/ssh/sshd_config"
        whole = config.read_text()
        self.addCleanup(config.write_text, whole)
        config.write_text(whole.replace("Include", "# Include"))
        self.before = self.host.state()
        self.install()
        self.assertIn(f"Match User {USER}", config.read_text())
        self.berth()
        self.assertEqual(self.host.setup("--uninstall").returncode, 0)
        self.assertEqual(self.host.state(), self.before)

    def test_it_stops_before_it_began(self):
        key = ("--key-file", "/srv/key.pub")
        public = self.public.read_text().strip()
        for words, argv in (
                ("which key?", []),
                ("wants a value", ["--key"]),
                ("cannot be read", ["--key-file", "/srv/none"]),
                ("has no options", ["--key", f'command="id" {public}']),
                ("makes no sense", ["--key", "ssh-ed25519 AAAA"]),
                ("more than one line", ["--key", f"{public}\n{public}"]),
                ("no name for an account", [*key, "--user", "a b"]),
                ("of its own", [*key, "--user", "root"]),
                ("did not make", [*key, "--user", "berth"]),
                ("is no socket", [*key, "--socket", "/run/none.sock"]),
                ("absolute path", [*key, "--socket", "docker.sock"]),
                ("only letters", [*key, "--socket", "/run/a b"]),
                ("there is no option", [*key, "--frob", "x"]),
                ("does not exist", [*key, "--sshd-config", "/srv/none"])):
            with self.subTest(words):
                self.refused(words, *argv)

    def test_what_sshd_says_otherwise_stops_it(self):
        key = ("--key-file", "/srv/key.pub")
        conf = self.bed.dir / "etc/ssh/bed.d/00-other.conf"
        self.addCleanup(conf.unlink)
        for words, text in (
                ("wrong before anything", "NoSuchWord yes\n"),
                ("leaves out", "AllowUsers somebody root\n"),
                ("leaves out", "AllowGroups wheel\n"),
                ("shuts out", "DenyGroups docker\n"),
                ("goes before ours",
                 f"Match User {USER}\n    ForceCommand /bin/sh\n")):
            with self.subTest(text):
                conf.write_text(text)
                self.before = self.host.state()
                self.refused(words, *key)


if __name__ == "__main__":
    unittest.main()
