"""The Docker host's own side: what runs inside the bed, as root."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import HERE, PATIENCE, Bed, Berth, wait_for

SCRIPT = HERE.parents[1] / "deploy/host-setup.sh"
USER = "ci"
ACCOUNTS = ("passwd", "shadow", "group", "gshadow")


def keygen(path):
    """A key made by berth itself; all else here shows that it is one."""
    said = subprocess.run([os.environ["BERTH_BINARY"], "keygen", path],
                          check=True, capture_output=True, text=True).stdout
    public = Path(f"{path}.pub").read_text().strip()
    assert f"host-setup.sh --key '{public}'" in said, said
    return path


class Host:
    """The bed's inside, and files of our own in its /srv."""

    def __init__(self, bed):
        self.bed, self.env = bed, bed.env

    def run(self, *argv, script=""):
        return subprocess.run(
            ["nsenter", "--all", "--target", self.env["BED_INIT_PID"], "--",
             *map(str, argv)], input=script, timeout=PATIENCE,
            capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})

    def setup(self, *argv):
        """As the README's quick starts have it: over a pipe."""
        before = self.sshd_sockets()
        done = self.run("sh", "-s", "--", "--user", USER, *argv,
                        script=SCRIPT.read_text())
        if "reloaded sshd" in done.stdout:
            # it starts anew, and between its old sockets and its new ones
            # nobody gets in
            wait_for("sshd to listen anew", lambda: self.sshd_is_new(before))
        return done

    def sshd_sockets(self):
        fds = Path(f"/proc/{self.bed.env['BED_SSHD_PID']}/fd")
        return {os.readlink(fd) for fd in fds.iterdir()
                if os.readlink(fd).startswith("socket:")}

    def sshd_is_new(self, before):
        try:
            if self.sshd_sockets() & before:
                return False
            socket.create_connection((self.env["BED_SSH_HOST"],
                                      int(self.env["BED_SSH_PORT"]))).close()
        except OSError:
            return False
        return True

    def state(self):
        """All that the script may change: file by file."""
        etc = self.bed.dir / "etc"
        files = [etc / name for name in ACCOUNTS]
        files += [p for p in (etc / "ssh").rglob("*") if p.is_file()]
        return {str(p.relative_to(etc)): p.read_bytes() for p in files}

    def write(self, name, text):
        path = self.bed.dir / name
        path.write_text(text)
        return path

    def put_berth(self):
        """The program, with the libraries it was built for, which the bed's
        own root may not have; returns where it is over there."""
        there = self.bed.dir / "srv/berth"
        program = os.environ["BERTH_BINARY"]
        libraries = subprocess.run(["ldd", program], check=True, text=True,
                                   capture_output=True).stdout
        there.mkdir(exist_ok=True)
        for path in [program, *re.findall(r"(/\S+) \(0x", libraries)]:
            shutil.copy(path, there / f"{Path(path).name}")
        (there / "berth").rename(there / "berth.bin")
        (there / "berth").write_text(
            "#!/bin/sh\nexec /srv/berth/ld-linux-x86-64.so.2 --library-path "
            "/srv/berth /srv/berth/berth.bin \"$@\"\n")
        (there / "berth").chmod(0o755)
        return "/srv/berth/berth"


class HostScenario(unittest.TestCase):
    """A bed, a key, and nothing left of the account afterwards."""

    def setUp(self):
        self.bed = Bed(os.environ["BERTH_E2E_BED"])
        self.host = Host(self.bed)
        self.env = self.bed.env
        self.dir = Path(tempfile.mkdtemp(prefix="berth-e2e-test."))
        self.addCleanup(shutil.rmtree, self.dir)
        self.key = keygen(self.dir / "key")
        self.public = self.host.write("srv/key.pub",
                                      Path(f"{self.key}.pub").read_text())
        self.before = self.host.state()
        self.addCleanup(lambda: self.host.setup("--uninstall"))

    def install(self, *more):
        done = self.host.setup("--key-file", "/srv/key.pub", *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refused(self, words, *argv):
        """The script says WORDS, and has changed nothing."""
        done = self.host.setup(*argv)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(words, done.stderr)
        self.assertEqual(self.host.state(), self.before)

    def url(self):
        return (f"ssh://{USER}@{self.env['BED_ADDRESS']}:"
                f"{self.env['BED_SSH_PORT']}")

    def berth(self, **policy):
        """A berth that has the key."""
        berth = Berth(self.bed, "t2", upstream={
            "url": self.url(), "identity": str(self.key), "agent": False,
            "known_hosts": self.env["BED_KNOWN_HOSTS"]}, **policy)
        self.addCleanup(berth.stop)
        return berth

    def ssh(self, *argv, key=None):
        key = key or self.key
        return subprocess.Popen(
            ["ssh", "-F", self.env["BED_SSH_CONFIG"], "-l", USER, "-i", key,
             "-o", f"IdentityFile={key}", "-o", "ExitOnForwardFailure=yes",
             "-o", "LogLevel=VERBOSE", *argv], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ssh_says(self, *argv, **how):
        p = self.ssh(*argv, **how)
        said = p.communicate(timeout=PATIENCE)[0]
        return p.returncode, said
