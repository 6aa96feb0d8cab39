"""What the link tests share: an sshd, a peer in place of the engine, and
the driver, each with everything it needs in one temporary directory."""

import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = float(os.environ.get("BERTH_TEST_PATIENCE", "60"))
HERE = os.path.dirname(os.path.abspath(__file__))
LSAN_OPTIONS = f"suppressions={HERE}/lsan.supp:print_suppressions=0"


class Failure(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def keygen(path, *args, passphrase=""):
    subprocess.run(
        ["ssh-keygen", "-q", "-N", passphrase, "-C", "test", "-f", path, *args],
        check=True,
    )
    return path


def read(path):
    with open(path) as f:
        return f.read()


class Sshd:
    """One sshd on a port of its own; options are lines of its configuration."""

    def __init__(self, bed, options=(), port=None, address="127.0.0.1"):
        self.bed = bed
        self.address = address
        self.port = port or free_port()
        self.dir = tempfile.mkdtemp(dir=bed.dir)
        self.options = list(options)
        self.process = None
        self.start()

    def start(self):
        config = os.path.join(self.dir, "sshd_config")
        with open(config, "w") as f:
            lines = self.options + [
                f"Port {self.port}",
                f"ListenAddress {self.address}",
                f"HostKey {self.bed.host_key}",
                f"AuthorizedKeysFile {self.bed.authorized}",
                f"PidFile {self.dir}/pid",
                "UsePAM no",
                "StrictModes no",
                "PermitRootLogin yes",
            ]
            if not any(line.startswith("MaxStartups") for line in lines):
                lines.append("MaxStartups 100")  # the last one counts
            f.write("\n".join(lines) + "\n")
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            start_new_session=True,
        )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                socket.create_connection((self.address, self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure("sshd does not start: " + read(self.dir + "/log"))

    def children(self):
        """The processes that serve connections."""
        found, parents = [], {self.process.pid}
        ps = subprocess.run(
            ["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True
        ).stdout
        rows = [line.split(None, 2) for line in ps.splitlines()]
        grew = True
        while grew:
            grew = False
            for pid, ppid, comm in rows:
                if int(ppid) in parents and int(pid) not in parents:
                    parents.add(int(pid))
                    if comm.startswith("sshd"):
                        found.append(int(pid))
                    grew = True
        return found

    def signal_children(self, number):
        for pid in self.children():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop(self):
        if not self.process:
            return
        pids = self.children()
        self.process.terminate()
        self.process.wait()
        self.process = None
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.log.close()


class Driver:
    """The driver program, and the lines it says."""

    def __init__(self, bed, args, env=None, hosts_file=None):
        before = []
        if hosts_file:
            script = f"mount --bind {hosts_file} /etc/hosts && exec \"$@\""
            before = ["unshare", "--mount", "sh", "-c", script, "sh"]
        self.process = subprocess.Popen(
            [*before, bed.driver, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(os.path.join(bed.dir, "driver.log"), "ab"),
            text=True,
            env=dict(os.environ, LSAN_OPTIONS=LSAN_OPTIONS, **(env or {})),
        )
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, pattern, patience=None, count=1):
        """Wait for COUNT lines that match; others in between are kept."""
        got = []
        for line in list(self.seen):
            match = re.search(pattern, line)
            if match and len(got) < count:
                self.seen.remove(line)
                got.append(match)
        end = time.monotonic() + (patience or PATIENCE)
        while len(got) < count:
            try:
                line = self.lines.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise Failure(f"no line like {pattern!r}; saw {self.seen[-20:]}")
            if line is None:
                raise Failure(f"driver ended before {pattern!r}; saw {self.seen[-20:]}")
            match = re.search(pattern, line)
            if match:
                got.append(match)
            else:
                self.seen.append(line)
        return got[0] if count == 1 else got

    def stat(self):
        self.say("stat")
        match = self.expect(r"^stat used=(\d+) rss=(\d+) cpu=([\d.]+)")
        return int(match[1]), int(match[2]), float(match[3])

    def up(self, generation=None):
        return self.expect(
            f"^status up generation={generation if generation else ''}"
        )

    def quit(self):
        if self.process.poll() is None:
            try:
                self.say("quit")
            except BrokenPipeError:
                pass
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("driver does not quit")
        if code != 0:
            raise Failure(f"driver exit code {code}")


class Bed:
    def __init__(self, build):
        self.driver = os.path.join(build, "driver")
        with open(self.driver, "rb") as f:
            self.sanitized = b"__asan_init" in f.read()
        self.dir = tempfile.mkdtemp(prefix="berth-link-")
        os.chmod(self.dir, 0o755)
        self.host_key = keygen(self.path("host_ed25519"), "-t", "ed25519")
        self.identity = keygen(self.path("id_ed25519"), "-t", "ed25519")
        self.authorized = self.path("authorized_keys")
        self.authorize(self.identity)
        self.socket = self.path("engine.sock")
        self.build = build
        self.start_peer()
        self.sshds = []
        self.drivers = []

    def start_peer(self):
        self.peer = subprocess.Popen(
            [os.path.join(self.build, "peer"), self.socket],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.peer.stdout.readline()

    def stop_peer(self):
        self.peer.kill()
        self.peer.wait()
        self.peer.stdout.close()
        os.unlink(self.socket)

    def path(self, name):
        return os.path.join(self.dir, name)

    def authorize(self, *identities, options=""):
        with open(self.authorized, "w") as f:
            for identity in identities:
                f.write((options + " " if options else "") + read(identity + ".pub"))

    def known_hosts(self, port, key=None, name="known_hosts"):
        with open(self.path(name), "w") as f:
            kind, text = read((key or self.host_key) + ".pub").split()[:2]
            f.write(f"[127.0.0.1]:{port} {kind} {text}\n")
        return self.path(name)

    def fake_docker(self, script=None):
        """A docker command that does what dial-stdio does."""
        os.makedirs(self.path("bin"), exist_ok=True)
        with open(self.path("bin/docker"), "w") as f:
            here = f"exec {sys.executable} {HERE}/dial_stdio.py {self.socket}"
            f.write(f"#!/bin/sh\n{script or here}\n")
        os.chmod(self.path("bin/docker"), 0o755)

    def path_option(self):
        return f"SetEnv PATH={self.path('bin')}:/usr/bin:/bin"

    def wait_for_log(self, pattern, count=1, patience=PATIENCE):
        """Lines of the last driver's log."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            text = read(self.path("driver.log"))[self.log_from :]
            if len(re.findall(pattern, text)) >= count:
                return
            time.sleep(0.02)
        raise Failure(f"no {pattern!r} in the log")

    def sshd(self, *options, port=None):
        sshd = Sshd(self, options, port)
        self.sshds.append(sshd)
        return sshd

    def hop(self, sshd, **more):
        """The words about a jump host, for link(); a value of None goes."""
        name = f"known_hosts_{sshd.port}"
        kind, text = read(self.host_key + ".pub").split()[:2]
        with open(self.path(name), "w") as f:
            f.write(f"[{sshd.host}]:{sshd.port} {kind} {text}\n")
        args = {
            "user": "root",
            "host": sshd.host,
            "port": sshd.port,
            "identity": self.identity,
            "known_hosts": self.path(name),
        }
        args.update(more)
        return ["jump=1"] + [f"{k}={v}" for k, v in args.items() if v is not None]

    def link(self, sshd, env=None, identity=True, known_hosts=True, hops=(),
             hosts_file=None, **more):
        """HOPS are jump hosts, the nearest to the engine first; HOSTS_FILE is
        its /etc/hosts."""
        args = {
            "user": "root",
            "host": "127.0.0.1",
            "port": sshd.port,
            "path": self.socket,
        }
        if identity:
            args["identity"] = self.identity if identity is True else identity
        if known_hosts is True:
            known_hosts = self.known_hosts(sshd.port)
        if known_hosts:
            args["known_hosts"] = known_hosts
        args.update(more)
        self.log_from = os.path.exists(self.path("driver.log")) and os.path.getsize(
            self.path("driver.log")
        )
        words = []
        for key, value in args.items():
            values = value if isinstance(value, list) else [value]
            words += [f"{key}={v}" for v in values]
        for hop in hops:
            words += hop
        driver = Driver(self, words, env, hosts_file)
        self.drivers.append(driver)
        return driver

    def clean(self, kill=False):
        """After a test: nothing of it goes on."""
        trouble = None
        for driver in self.drivers:
            if kill:
                driver.process.kill()
                driver.process.wait()
                continue
            try:
                driver.quit()
            except Failure as failure:
                trouble = failure
        for sshd in self.sshds:
            sshd.stop()
        self.drivers, self.sshds = [], []
        self.authorize(self.identity)
        if trouble:
            raise trouble

    def close(self, keep=False):
        self.stop_peer()
        if keep:
            print("kept", self.dir, file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
