"""What the end-to-end scenarios share: a bed (the Docker host), a berth in
front of it, and the real clients.

A scenario is a method of a Scenario: it runs clients against the berth's
socket and compares what came back. $BERTH_E2E_BED names the bed, $BERTH_BINARY
the program. With BERTH_STAND_IN=ssh an `ssh -L` takes berth's place, which
shows that a scenario itself is right.
"""
import atexit
import fcntl
import hashlib
import http.client
import json
import os
import pty
import random
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest
from pathlib import Path
from urllib.parse import quote, urlencode

HERE = Path(__file__).resolve().parent
BED = HERE.parent / "bed" / "bed"
PATIENCE = 60  # seconds; only a fault makes anybody wait so long
MORE_PATIENCE = 600  # the same, for big contents and whole scenarios
BIG = int(os.environ.get("BERTH_E2E_MIB", "64")) << 20
STAND_IN = os.environ.get("BERTH_STAND_IN", "")
BED_IMAGES = {"busybox:latest", "alpine:3.17", "alpine:latest"}
# beds, for a Scenario's `engines`
OLDER = ("20.10", "26.1")
NEXT = ("next", "next-graph")
# for scenarios that choose addresses, which no preset allows
ADDRESSES = {"network": {"subnets": ["10.99.0.0/16"],
                         "static_addresses": True}}


def wait_for(what, question):
    end = time.monotonic() + PATIENCE
    while not (answer := question()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE} seconds")
        time.sleep(0.02)
    return answer


def noise(size, seed=1):
    """Bytes that no compression shrinks, the same for the same SEED."""
    return random.Random(seed).randbytes(size)


def noise_file(path, size):
    """Fill PATH with SIZE bytes of noise; returns their digest."""
    digest = hashlib.sha256()
    with open(path, "wb") as f:
        for seed in range(0, size, 1 << 20):
            block = noise(min(1 << 20, size - seed), seed)
            digest.update(block)
            f.write(block)
    return digest.hexdigest()


def sha256(data):
    """The digest of bytes, or of all that a binary file still has."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    while block := data.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


class Bed:
    """A Docker host made by tests/bed/bed, which see."""

    def __init__(self, where):
        self.dir = Path(where)

    @property
    def env(self):
        lines = (self.dir / "env").read_text().splitlines()
        return dict(shlex.split(x)[0].split("=", 1) for x in lines)

    def up(self, version, **env):
        self.do("up", version, **env)
        return self

    def down(self):
        self.do("down")

    def do(self, *words, **env):
        subprocess.run([BED, *words, self.dir], check=True,
                       env={**os.environ, **env})


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=PATIENCE):
        super().__init__("docker", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def api(path, method, target, body=None, **query):
    """One plain request; returns the status and the reply, JSON decoded."""
    c = Connection(path)
    try:
        headers = {}
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if query:
            target += "?" + urlencode(query)
        c.request(method, target, body, headers)
        reply = c.getresponse()
        text = reply.read()
    finally:
        c.close()
    is_json = "json" in reply.headers.get("Content-Type", "")
    return reply.status, json.loads(text) if text and is_json else text


def empty(path):
    """Remove, as a client would, all that PATH's engine shows, but for what
    the bed came up with."""
    def ask(method, target, **query):
        status, reply = api(path, method, target, **query)
        if status >= 400 and status != 404:  # some go by themselves
            raise AssertionError(f"{method} {target}: {status} {reply}")
        return reply

    for c in ask("GET", "/containers/json", all=1):
        target = f"/containers/{c['Id']}"
        api(path, "DELETE", target, force=1, v=1)  # it may be about to go
        wait_for("a container to go",
                 lambda: api(path, "GET", target + "/json")[0] == 404)
    for n in ask("GET", "/networks"):
        if n["Name"] not in ("bridge", "host", "none"):
            ask("DELETE", f"/networks/{n['Id']}")
    for v in ask("GET", "/volumes")["Volumes"] or []:
        ask("DELETE", f"/volumes/{v['Name']}")
    for image in ask("GET", "/images/json"):
        for tag in image["RepoTags"] or []:
            if tag not in BED_IMAGES and tag != "<none>:<none>":
                ask("DELETE", f"/images/{quote(tag)}", force=1)


def answers(path):
    try:
        return api(path, "GET", "/_ping")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def within(srv, netns=None):
    """What goes before a command that is to have the directory SRV for its
    /srv, and the network NETNS: runners that share this machine then have each
    their own files at one path, and their own localhost."""
    network = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
    return [*network, "unshare", "--mount", "sh", "-c",
            'mount --bind "$0" /srv && exec "$@"', str(srv)]


class Berth:
    """A running berth with one listener; CHANGES go into its policy, and
    LIMITS into its namespace. PREFIX goes before its command."""

    def __init__(self, bed, namespace="t1", limits=None, prefix=(), **changes):
        self.dir = Path(tempfile.mkdtemp(prefix="berth-e2e."))
        self.socket = self.dir / "docker.sock"
        self.audit_path = self.dir / "audit.jsonl"
        env = bed.env
        self.policy = {
            "version": 1,
            "preset": "compose-tests",
            "namespace": {"name": namespace, "limits": limits}
                         if limits else namespace,
            "listen": {"path": str(self.socket), "mode": "0660"},
            "upstream": {
                "url": env["BED_SSH_URL"],
                "identity": env["BED_IDENTITY"],
                "known_hosts": env["BED_KNOWN_HOSTS"],
            },
            "audit": {"to": str(self.audit_path)},
            **changes,
        }
        # "*" stands for no registry of the engine's own host; there is none on
        # port 1, and so an engine says
        self.policy["images"] = {
            "registries": ["*", env["BED_REGISTRY"], "127.0.0.1:1"],
            "push": ["*", env["BED_REGISTRY"]],
            **self.policy.get("images", {})}
        # several beds' runners share this machine's localhost
        self.policy["ports"] = {"publish": "host",
                                **self.policy.get("ports", {})}
        self.namespace = namespace
        (self.dir / "policy.json").write_text(json.dumps(self.policy))
        if STAND_IN == "ssh":
            self.argv = [env["BED_BIN"] + "/ssh", "-N", "-L",
                         f"{self.socket}:/run/docker.sock", env["BED_SSH_HOST"]]
        elif STAND_IN:
            raise ValueError("BERTH_STAND_IN is ssh or nothing")
        else:
            # scenarios have several berths look at one runner's objects
            self.argv = [*prefix, os.environ["BERTH_BINARY"], "serve",
                         "--share-namespace", "--policy", self.dir / "policy.json"]
        self.begin()

    def begin(self, waits=True):
        with (self.dir / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        # Whatever ends the scenarios, this process does not outlive them.
        atexit.register(self.process.kill)
        if not waits:
            return
        try:
            wait_for("berth", self.is_up)
        except BaseException:
            self.stop()
            raise

    def restart(self):
        """Kill it, and begin anew."""
        self.process.kill()
        self.process.wait()
        self.begin()

    def is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"berth ended with {self.process.returncode}: {self.log()}")
        return answers(self.socket)

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def audit(self):
        whole, _, _ = self.audit_path.read_text().rpartition("\n")
        return [json.loads(x) for x in whole.splitlines()]

    def stop(self):
        """End it and throw away what it wrote; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            shutil.rmtree(self.dir)


class Result:
    def __init__(self, rc, out, err):
        self.rc, self.out, self.err = rc, out, err

    @property
    def text(self):
        return self.out.decode().replace("\r\n", "\n").strip()

    def __repr__(self):
        return (f"exit code {self.rc}\n"
                f"stdout: {self.out[-2000:]!r}\nstderr: {self.err[-2000:]!r}")


class Terminal:
    """A client that has a terminal, and somebody who types."""

    def __init__(self, argv, env, rows=24, columns=80):
        self.master, slave = pty.openpty()
        self.out = b""
        self.read_to = 0
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            argv, env=env, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def more(self, end, meanwhile):
        """Read some; False once the terminal is closed."""
        while not select.select([self.master], [], [], 0.2)[0]:
            if time.monotonic() > end:
                raise TimeoutError(f"the terminal shows only {self.out!r}")
            meanwhile()
        try:
            got = os.read(self.master, 65536)
        except OSError:
            return False
        self.out += got
        return bool(got)

    def expect(self, text, meanwhile=lambda: None):
        """Wait until TEXT appears behind what was expected before, and do
        MEANWHILE now and then until it does."""
        end = time.monotonic() + PATIENCE
        while (at := self.out.find(text.encode(), self.read_to)) < 0:
            if not self.more(end, meanwhile):
                raise EOFError(f"the terminal closed after {self.out!r}")
        self.read_to = at + len(text)

    def finish(self):
        """Read to the end; returns the exit code and all that was shown."""
        end = time.monotonic() + PATIENCE
        try:
            while self.more(end, lambda: None):
                pass
            return Result(self.process.wait(PATIENCE), self.out, b"")
        finally:
            self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


def too_long(*_):
    raise TimeoutError(f"the scenario took over {MORE_PATIENCE} seconds")


class Scenario(unittest.TestCase):
    """A berth for the class, an empty engine and a directory for each test.

    `cli` is the docker client that docker() runs; `extra` goes into every
    client's environment; `policy` changes the berth's policy. `engines` names
    the only beds that it is for.
    """

    cli = "docker-26.1"
    extra = {}
    policy = {}
    engines = ()

    @classmethod
    def setUpClass(cls):
        cls.bed = Bed(os.environ["BERTH_E2E_BED"])
        cls.bed_env = cls.bed.env
        if cls.engines and cls.bed_env["BED_ENGINE"] not in cls.engines:
            raise unittest.SkipTest("it is for other engines")
        cls.engine = cls.bed_env["BED_ENGINE_VERSION"]
        cls.berth = Berth(cls.bed, **cls.policy)

    @classmethod
    def tearDownClass(cls):
        log = cls.berth.log()
        rc = cls.berth.stop()
        if not STAND_IN and (rc != 0 or "Sanitizer" in log):
            raise AssertionError(f"berth ended with {rc}:\n{log[-4000:]}")

    def setUp(self):
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(MORE_PATIENCE)
        self.addCleanup(signal.alarm, 0)
        self.dir = Path(tempfile.mkdtemp(prefix="berth-e2e-test."))
        self.addCleanup(shutil.rmtree, self.dir)
        self.addCleanup(self.clear)
        self.env = {
            "PATH": self.bed_env["BED_BIN"] + ":/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.dir),
            "DOCKER_HOST": f"unix://{self.berth.socket}",
            "TERM": "xterm",
            **self.extra,
        }

    def clear(self):
        empty(self.berth.socket)

    def api(self, method, target, body=None, **query):
        status, reply = api(self.berth.socket, method, target, body, **query)
        self.assertLess(status, 400, f"{method} {target}: {reply}")
        return reply

    def start(self, *argv, stdin=subprocess.DEVNULL, **env):
        """A client in the background, ended with the test at the latest."""
        p = subprocess.Popen(
            [str(a) for a in argv], env={**self.env, **env}, cwd=self.dir,
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            bufsize=0)
        self.addCleanup(self.put_away, p)
        return p

    def put_away(self, p):
        """End a client that the test is done with. Some of 28.5 (docker stats)
        do not end when they are asked to."""
        if p.poll() is None:
            p.terminate()
        try:
            p.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            p.kill()
            p.communicate(timeout=PATIENCE)

    def end(self, p, how=signal.SIGTERM):
        if p.poll() is None:
            p.send_signal(how)
        out, err = p.communicate(timeout=PATIENCE)
        return Result(p.returncode, out, err)

    def run_client(self, *argv, input=None, stdin=None, stdout=None,
                   timeout=MORE_PATIENCE, **env):
        """Run a client to its end. INPUT is bytes; STDIN, STDOUT are files."""
        source = {"input": input} if input is not None else \
            {"stdin": stdin or subprocess.DEVNULL}
        p = subprocess.run(
            [str(a) for a in argv], env={**self.env, **env}, cwd=self.dir,
            stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=timeout, **source)
        return Result(p.returncode, p.stdout or b"", p.stderr)

    def ok(self, *argv, **how):
        """Run a client that must succeed; returns what it printed."""
        result = self.run_client(*argv, **how)
        self.assertEqual(result.rc, 0, f"{shlex.join(map(str, argv))}: {result}")
        return result.text

    def docker(self, *words, **how):
        return self.ok(self.cli, *words, **how)

    def docker_result(self, *words, **how):
        return self.run_client(self.cli, *words, **how)

    def docker_start(self, *words, **how):
        return self.start(self.cli, *words, **how)

    def docker_terminal(self, *words, **how):
        path = shutil.which(self.cli, path=self.env["PATH"])
        t = Terminal([path, *words], self.env, **how)
        self.addCleanup(t.close)
        return t


@unittest.skipIf(STAND_IN, "ssh -L has no namespaces")
class TwoRunners(Scenario):
    """A second berth before the same engine, in a namespace of its own."""

    other_namespace = "t2"
    other_policy = None  # the same

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = Berth(cls.bed, cls.other_namespace,
                          **(cls.other_policy or cls.policy))

    @classmethod
    def tearDownClass(cls):
        rc = cls.other.stop()
        super().tearDownClass()
        if rc:
            raise AssertionError(f"the other berth ended with {rc}")
