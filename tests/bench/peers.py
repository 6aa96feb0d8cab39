"""The ways to the engine that the bench compares, each a running process (or
none) with a Unix socket for every engine behind it."""
import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from harness import answers, api, wait_for  # noqa: E402, F401

ONE_WAY_US = 10000  # of the long way
ENGINE, STAND_IN = "docker.sock", "bench.sock"  # as the bed's /run knows them
NEAR, FAR = "near", "far"
# what create.json needs: its paths, and limits to fill in
# a log line for each request, and regular expressions on paths, as the images
# that put HAProxy before docker.sock have it; but with connections kept
HAPROXY_PATHS = ("_ping", "version", "events", "auth", "build", "containers",
                 "exec", "images", "networks", "volumes")
HAPROXY_CFG = r"""
global
    maxconn 4000
    log stdout format raw daemon info
defaults
    mode http
    log global
    option httplog
    timeout connect 10s
    timeout client 10m
    timeout server 10m
frontend runner
    bind unix@{socket} mode 666
{allowed}
    http-request deny
    default_backend engine
backend engine
    server engine {engine}
"""
CLI = "docker-26.1"


def cpu_seconds(pids):
    """What the processes used so far, to the nanosecond; the kernel numbers
    every process's CPU clock like this."""
    total = 0
    for pid in pids:
        try:
            total += time.clock_gettime(~pid << 3 | 2)
        except OSError:
            pass  # it has ended
    return total


def rss_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M).group(1))


def descendants(pid):
    children = {}
    for p in Path("/proc").glob("[0-9]*"):
        try:
            fields = (p / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(p.name))
    found, new = set(), [pid]
    while new:
        new = [c for p in new for c in children.get(p, [])]
        found.update(new)
    return found


class Ground:
    """The bed, a stand-in engine beside the real one, and two ways to its
    sshd: the near one is the bed's own address, the far one is delayed."""

    def __init__(self, bed, tools, where):
        self.bed, self.env = bed, bed.env
        self.tools, self.dir = Path(tools), Path(where)
        self.processes = []
        self.peers = []
        self.address = {NEAR: (self.env["BED_SSH_HOST"],
                               int(self.env["BED_SSH_PORT"]))}
        self.run_dir = Path(self.env["BED_SOCKET"]).parent
        # where runners have their work; the engine makes no directory for a bind
        (self.run_dir / "work/_temp").mkdir(parents=True, exist_ok=True)
        self.start_reader("stand_in", self.run_dir / STAND_IN)
        _, port = self.start_reader("delay", *self.address[NEAR], ONE_WAY_US)
        self.address[FAR] = ("127.0.0.1", int(port))
        self.write_ssh_files()

    def tool(self, name, *args):
        return [self.tools / f"bench_{name}", *args]

    def start(self, argv, log, **how):
        with (self.dir / log).open("ab") as out:
            p = subprocess.Popen(
                [str(a) for a in argv], stderr=out,
                **{"stdin": subprocess.DEVNULL, "stdout": out, **how})
        self.processes.append(p)
        return p

    def start_reader(self, name, *args):
        """Start a tool and wait for the first thing that it says."""
        p = self.start(self.tool(name, *args), f"{name}.log",
                       stdout=subprocess.PIPE, text=True)
        line = p.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"bench_{name}: "
                               + (self.dir / f"{name}.log").read_text())
        return p, line

    @staticmethod
    def free_port():
        with socket.create_server(("127.0.0.1", 0)) as s:
            return s.getsockname()[1]

    @staticmethod
    def wait_for_port(port):
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def write_ssh_files(self):
        """What ssh, docker and berth want, for both ways to one host key."""
        keys = [line.split()[1:3] for line in
                Path(self.env["BED_KNOWN_HOSTS"]).read_text().splitlines()]
        self.known_hosts = self.dir / "known_hosts"
        self.known_hosts.write_text("".join(
            f"[{host}]:{port} {' '.join(key)}\n"
            for host, port in self.address.values() for key in keys))
        self.ssh_config = self.dir / "ssh_config"
        self.ssh_config.write_text("".join(
            f"Host bench-{name}\n  HostName {host}\n  Port {port}\n"
            for name, (host, port) in self.address.items())
            + f"Host *\n  User {self.env['BED_SSH_USER']}\n"
            f"  IdentityFile {self.env['BED_IDENTITY']}\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {self.known_hosts}\n"
            "  BatchMode yes\n")
        (self.dir / "bin").mkdir()
        ssh = self.dir / "bin/ssh"
        ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.ssh_config} "$@"\n')
        ssh.chmod(0o755)
        self.client_env = {
            "PATH": f"{self.dir}/bin:{self.env['BED_BIN']}:/usr/bin:/bin",
            "HOME": str(self.dir)}

    def sshd_children(self):
        return descendants(int(self.env["BED_SSHD_PID"]))

    def end(self, p):
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(15)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if p in self.processes:
            self.processes.remove(p)

    def close(self):
        for p in reversed(self.processes.copy()):
            self.end(p)


class Peer:
    """A way to ENGINE or STAND_IN. What a peer cannot do, it does not have:
    no `socket`, no `docker_host`."""

    pid = None
    socket = None
    docker_host = None
    sshd = frozenset()  # the processes over there that serve this one

    def __init__(self, ground, name, place=NEAR):
        self.ground, self.name, self.place = ground, name, place

    def cpu(self):
        return cpu_seconds([self.pid] if self.pid else [])

    def sshd_cpu(self):
        return cpu_seconds(self.sshd)

    def tool(self, name, *args):
        """Run a tool on this peer's socket; returns what it printed."""
        p = subprocess.run(
            [str(a) for a in self.ground.tool(name, self.socket, *args)],
            capture_output=True, text=True, timeout=180)
        if p.returncode != 0:
            raise RuntimeError(f"bench_{name} {args} on {self.name}: {p.stderr}")
        return {**json.loads(p.stdout), "said": p.stderr.strip()}

    def docker(self, *words, **how):
        p = subprocess.run(
            [CLI, "-H", self.docker_host, *words], env=self.ground.client_env,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
               "stderr": subprocess.PIPE, "timeout": 180, **how})
        if p.returncode != 0:
            raise RuntimeError(
                f"docker {words} on {self.name}: {p.stderr.decode()}")
        return p

    def stop(self):
        pass


class Direct(Peer):
    """The engine's own socket: what the way there costs is nothing."""

    def __init__(self, ground, target):
        super().__init__(ground, "unix socket")
        self.socket = ground.run_dir / target
        self.docker_host = f"unix://{self.socket}"


class Relay(Peer):
    """The relay of the long way, and nothing behind it: one that sends back
    what comes."""

    def __init__(self, ground):
        super().__init__(ground, "the relay", FAR)
        server = socket.create_server(("127.0.0.1", 0))

        def echo():
            client, _ = server.accept()
            with client, contextlib.suppress(ConnectionError):
                while data := client.recv(64):
                    client.sendall(data)

        threading.Thread(target=echo, daemon=True).start()
        _, port = ground.start_reader(
            "delay", "127.0.0.1", server.getsockname()[1], ONE_WAY_US)
        self.way = socket.create_connection(("127.0.0.1", int(port)))
        self.way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.way.sendall(b"x")  # the first one opens the way behind it
        self.way.recv(1)
        server.close()

    def round_trip(self, times):
        """The median, in milliseconds."""
        took = []
        for _ in range(times):
            began = time.monotonic()
            self.way.sendall(b"x")
            self.way.recv(1)
            took.append((time.monotonic() - began) * 1e3)
        return sorted(took)[times // 2]


class DockerOverSsh(Peer):
    """docker -H ssh://: a login and a process over there for each command."""

    def __init__(self, ground, place):
        super().__init__(ground, "docker ssh://", place)
        self.docker_host = f"ssh://bench-{place}"


class Process(Peer):
    """A peer that is a process which listens on a socket of its own."""

    def __init__(self, ground, name, place, target):
        super().__init__(ground, name, place)
        self.where = ground.dir / f"peer-{len(ground.peers)}"
        ground.peers.append(self)
        self.where.mkdir(mode=0o700)
        self.socket = self.where / "s"
        self.docker_host = f"unix://{self.socket}"
        self.target = target
        before = ground.sshd_children()
        self.launch()
        time.sleep(0.2)  # a login that only asks something is over by then
        self.sshd = ground.sshd_children() - before

    def launch(self):
        """Start it; returns after how many seconds it answered."""
        log = f"{self.where.name}/log"
        began = time.monotonic()
        self.process = self.ground.start(self.argv(self.target), log)
        self.pid = self.process.pid
        while not (self.socket.exists() and answers(self.socket)):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with "
                                   f"{self.process.returncode}: "
                                   + (self.ground.dir / log).read_text())
            if time.monotonic() > began + 60:
                raise TimeoutError(f"{self.name} does not answer")
            time.sleep(0.001)
        return time.monotonic() - began

    def relaunch(self):
        self.stop()
        self.socket.unlink(missing_ok=True)
        return self.launch()

    def stop(self):
        self.ground.end(self.process)


class Ssh(Process):
    """ssh -L to the engine's socket, with its own choice of cipher or CIPHER."""

    def __init__(self, ground, place, target, cipher=None):
        self.cipher = ["-c", cipher, "-m", "hmac-sha2-256"] if cipher else []
        name = f"ssh -L {cipher}" if cipher else "ssh -L"
        super().__init__(ground, name, place, target)

    def argv(self, target):
        return ["/usr/bin/ssh", "-F", self.ground.ssh_config, "-N",
                *self.cipher, "-L", f"{self.socket}:/run/{target}",
                f"bench-{self.place}"]


class Berth(Process):
    binary = None

    def __init__(self, ground, place, target, name="berth"):
        # a second berth for a namespace of the same engine would be refused
        self.namespace = f"bench{len(ground.peers)}"
        super().__init__(ground, name, place, target)

    def argv(self, target):
        (self.where / "policy").write_text(json.dumps(self.policy(target)))
        return [self.binary, "serve", "--policy", self.where / "policy"]

    def policy(self, target):
        return {
            "version": 1,
            "preset": "compose-tests",
            "namespace": self.namespace,
            "listen": {"path": str(self.socket), "clients": 4096},
            "upstream": self.upstream(target),
            "audit": {"to": str(self.where / "audit")},
            "container": {
                "mounts": [{"source": "/home/runner/_work",
                            "host": "/run/work", "mode": "rw"}],
                "limits": {"memory": "4g", "cpus": 2, "pids": 1024}},
        }

    def upstream(self, target):
        host, port = self.ground.address[self.place]
        user = self.ground.env["BED_SSH_USER"]
        return {
            "url": f"ssh://{user}@{host}:{port}/run/{target}",
            "identity": self.ground.env["BED_IDENTITY"],
            "known_hosts": str(self.ground.known_hosts),
        }


class LinkedBerth(Berth):
    """berth with several SSH links."""

    def __init__(self, ground, place, target, links):
        self.links = links
        super().__init__(ground, place, target, f"berth, {links} links")

    def upstream(self, target):
        return {**super().upstream(target), "links": self.links}

    def launch(self):
        before = len(self.ground.sshd_children())
        took = super().launch()
        end = time.monotonic() + 60
        while len(self.ground.sshd_children()) < before + self.links:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} does not get its links")
            time.sleep(0.05)
        return took


class PlainBerth(Berth):
    """berth without a way: its upstream is a socket on this machine. With
    NAMESPACED, the runner's words are rewritten, too; without, requests are
    only judged."""

    def __init__(self, ground, target, namespaced):
        self.isolation = "namespace" if namespaced else "none"
        super().__init__(ground, NEAR, target,
                         "berth, namespaced" if namespaced else "berth")

    def upstream(self, target):
        return {"url": f"unix://{self.ground.run_dir / target}"}

    def policy(self, target):
        return {**super().policy(target), "isolation": self.isolation}


class HaProxy(Process):
    """The usual proxy before an engine's socket: a list of paths. With TUNNEL,
    an Ssh, the engine is at its other end."""

    def __init__(self, ground, target, tunnel=None):
        self.tunnel = tunnel
        super().__init__(ground, "HAProxy", tunnel.place if tunnel else NEAR,
                         target)
        if tunnel:
            self.sshd = tunnel.sshd

    def cpu(self):
        return super().cpu() + (self.tunnel.cpu() if self.tunnel else 0)

    def argv(self, target):
        allowed = "\n".join(
            "    http-request allow if { path,url_dec -m reg -i "
            rf"^(/v[\d\.]+)?/{path} }}" for path in HAPROXY_PATHS)
        (self.where / "cfg").write_text(HAPROXY_CFG.format(
            socket=self.socket, allowed=allowed,
            engine=self.tunnel.socket if self.tunnel
            else self.ground.run_dir / target))
        return ["/usr/sbin/haproxy", "-db", "-f", self.where / "cfg"]


class BareLoop(Peer):
    """libssh2 with nothing above it, and no client either: what it moves ends
    in its own memory. No socket; only streams to the stand-in."""

    def __init__(self, ground):
        super().__init__(ground, "bare libssh2")

    def stream(self, direction, streams, size):
        env = self.ground.env
        p = subprocess.run(
            [str(a) for a in self.ground.tool(
                "bare_loop", *self.ground.address[NEAR], env["BED_SSH_USER"],
                env["BED_IDENTITY"], f"/run/{STAND_IN}", direction, streams,
                size)], capture_output=True, text=True, timeout=180)
        if p.returncode != 0:
            raise RuntimeError(f"bench_bare_loop: {p.stderr}")
        return json.loads(p.stdout)
