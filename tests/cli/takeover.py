"""A berth takes another's listener over: no client notices.

usage: takeover.py PATH-OF-BERTH

The engine is a stand-in whose events never end.
"""

import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

# Root hands nothing over.
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} \
    if os.geteuid() == 0 else {}
BERTH = os.path.abspath(sys.argv[1])
EVENTS = b"".join(json.dumps(
    {"Type": "container", "Action": "start", "Actor": {"ID": "a" * 64, "Attributes": {
        "name": name + ".web", "berth.namespace": name}}}).encode() + b"\n"
    for name in ("r1", "r2"))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.45")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.gate.wait(timeout=60)
        if "/events" not in self.path:
            self.answer(self.server.containers if "/containers/json" in self.path else
                        {"Volumes": list(self.server.volumes.values())}
                        if "/volumes" in self.path else
                        [] if "/json" in self.path else "OK")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(EVENTS), EVENTS))
            self.wfile.flush()
            time.sleep(0.02)

    def do_HEAD(self):
        self.answer(None)

    def do_POST(self):  # a lease
        volume = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        volume["CreatedAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.server.volumes[volume["Name"]] = volume
        self.answer(volume, 201)

    def do_DELETE(self):
        name = self.path.rpartition("/")[2]
        if name in self.server.volumes:
            del self.server.volumes[name]
            self.answer(None)
            return
        self.server.removals.append(self.path)
        self.server.containers = []
        self.answer(None)

    def log_message(self, *args):
        pass

    def address_string(self):
        return "client"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A client that is gone, as all are in the end."""


FAULTS = []


def check(what, good, detail=""):
    if not good:
        FAULTS.append(what)
        print("not as it should be: %s %s" % (what, detail))


def engine_at(path):
    server = Server(path, Handler)
    server.removals = []
    server.volumes = {}
    server.containers = [{"Id": "a" * 64, "Names": ["/r1.web"],
                          "Labels": {"berth.namespace": "r1"},
                          "Created": 1, "State": "running"}]
    server.gate = threading.Event()  # what comes before waits for an answer
    server.gate.set()
    os.chmod(path, 0o777)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Stage:
    def __init__(self, **policy):
        # not in $TMPDIR, into which NOBODY may not be let
        self.dir = tempfile.TemporaryDirectory(prefix="takeover", dir="/tmp")
        top = self.dir.name
        self.server = engine_at(top + "/engine.sock")
        # the same for one that starts later
        self.late = engine_at(top + "/late.sock")
        self.late_url = {"url": "unix://" + top + "/late.sock"}
        self.berth = BERTH
        if NOBODY:  # who may not be let into the directory that BERTH is in
            self.berth = shutil.copy(BERTH, top)
            os.chown(top, 65534, 65534)
            os.chmod(top, 0o755)
        self.socket = top + "/berth.sock"
        self.metrics = top + "/metrics.sock"
        self.audit = top + "/audit"
        self.policy = {
            "version": 1, "preset": "compose-tests", "namespace": "r1",
            "upstream": {"url": "unix://" + top + "/engine.sock"},
            "listen": {"path": self.socket}, "metrics": {"listen": self.metrics},
            "leftovers": "remove", "timeouts": {"drain": "1h"},
            "audit": {"to": self.audit, "chain": True}, **policy}
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for server in self.server, self.late:
            server.shutdown()
            server.server_close()
        self.dir.cleanup()

    def serve(self, *args, user=None, **policy):
        name = "%s/policy%d.json" % (self.dir.name, len(self.running))
        with open(name, "w") as file:
            json.dump({**self.policy, **policy}, file)
        process = subprocess.Popen([self.berth, "serve", "--policy", name, *args],
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True,
                                   **(NOBODY if user is None else user))
        self.running.append(process)
        return process

    def waits(self, *args):
        """One that takes over once self.late's gate is open."""
        self.late.gate.clear()
        process = self.serve("--take-over", *args, upstream=self.late_url)
        check("it begins", until_said(process, "metrics on"))
        return process

    def first(self):
        process = self.serve()
        self.until_served(process)
        return process

    def until_served(self, process):
        while process.poll() is None:
            try:
                check("berth serves", self.ask().startswith(b"HTTP/1.1 200"))
                return
            except OSError:  # not there, or not listened on, yet
                time.sleep(0.02)
        check("berth serves", False)

    def ask(self, path=None, what=b"/_ping"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(path or self.socket)
            s.sendall(b"GET " + what + b" HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
            got = b""
            while part := s.recv(4096):
                got += part
        return got

    def events(self, path=None):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(path or self.socket)
        s.sendall(b"GET /v1.45/events HTTP/1.1\r\nHost: d\r\n\r\n")
        more(s)
        return s


def more(stream):
    """Does the next event come?"""
    got = b""
    while b'"web"' not in got:
        part = stream.recv(65536)
        if not part:
            return False
        got += part
    return True


def until_said(process, what):
    """Is WHAT in a line of PROCESS's log, from here on?"""
    return any(what in line for line in process.stderr)


def until_taken(process):
    return until_said(process, "was taken over from another berth")


class Asker(threading.Thread):
    """Asks again and again, and counts what goes wrong."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.ended = stage, threading.Event()
        self.good, self.bad = 0, []

    def run(self):
        while not self.ended.is_set():
            try:
                answer = self.stage.ask()
                assert answer.startswith(b"HTTP/1.1 200"), answer
                self.good += 1
            except (OSError, AssertionError) as e:
                self.bad.append(repr(e))


def clients_do_not_notice():
    with Stage() as s:
        old = s.first()
        stream = s.events()
        askers = [Asker(s) for _ in range(4)]
        for asker in askers:
            asker.start()
        new = s.serve("--take-over")
        check("the new one takes over", until_taken(new))
        for _ in range(20):
            s.ask()
        for asker in askers:
            asker.ended.set()
            asker.join()
        check("nobody was refused", not [b for a in askers for b in a.bad],
              [a.bad for a in askers])
        check("somebody asked", sum(a.good for a in askers) > 0)
        check("the old one goes on with its stream", more(stream) and old.poll() is None)
        check("the metrics are there", s.ask(s.metrics).startswith(b"HTTP/1.1 404"))
        third = s.serve("--take-over")
        check("and again", until_taken(third))
        check("who has no clients ends", new.wait(timeout=60) == 0)
        old.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        check("a signal does not hurry it", more(stream))
        stream.close()
        check("it ends with its last client", old.wait(timeout=60) == 0)
        check("nothing of the namespace was touched", not s.server.removals)
        check("it is served on", s.ask().startswith(b"HTTP/1.1 200"))
        check("the socket is still there", os.path.exists(s.socket))
        third.send_signal(signal.SIGTERM)
        check("the last one stops", third.wait(timeout=60) == 0)
        check("and takes the socket away", not os.path.exists(s.socket))
        verified = subprocess.run([BERTH, "audit", "--verify", s.audit],
                                  capture_output=True, text=True)
        check("the record is whole", verified.returncode == 0,
              verified.stdout + verified.stderr)


def who_cannot_serve_takes_nothing():
    with Stage() as s:
        old = s.first()
        new = s.serve("--take-over", audit={"to": "/nowhere/audit"})
        check("a bad audit is told", "cannot open" in new.communicate(timeout=60)[1])
        check("and is the end", new.returncode == 2)
        new = s.serve("--take-over", upstream={"url": "unix:///nowhere/engine.sock"})
        check("it begins", any("serving r1" in line for line in new.stderr))
        time.sleep(0.2)
        check("one without an engine waits for it", new.poll() is None)
        new.send_signal(signal.SIGTERM)
        check("and ends when told to", new.wait(timeout=60) == 0)
        check("the old one serves on", s.ask().startswith(b"HTTP/1.1 200") and old.poll() is None)
        check("nothing of the namespace was touched", not s.server.removals)


def another_user_gets_nothing():
    if not NOBODY:
        return
    with Stage() as s:
        old = s.first()
        for user in {}, {**NOBODY, "user": 65533}:
            new = s.serve("--take-over", user=user)
            new.communicate(timeout=60)
            check("it is refused", new.returncode == 2, new.returncode)
        check("the old one serves on", s.ask().startswith(b"HTTP/1.1 200") and old.poll() is None)


def without_another_it_just_serves():
    with Stage() as s:
        process = s.serve("--take-over")
        s.until_served(process)
        other = s.serve()
        check("without being told to, none takes over",
              "another berth" in other.communicate(timeout=60)[1])


def a_restart_removes_nothing():
    with Stage() as s:
        process = s.first()
        process.send_signal(signal.SIGUSR1)
        check("it stops", process.wait(timeout=60) == 0)
        check("nothing of the namespace was touched", not s.server.removals)
        process = s.first()
        while not s.ask(s.metrics, b"/readyz").startswith(b"HTTP/1.1 200"):
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        check("it stops", process.wait(timeout=60) == 0)
        check("the other signal is the end of it", len(s.server.removals) == 1)


def one_that_waits_may_be_stopped():
    with Stage() as s:
        old = s.first()
        other = {**s.policy, "namespace": "r2", "listen": {"path": s.socket + "2"}}
        with open(s.dir.name + "/other.json", "w") as file:
            json.dump(other, file)
        new = s.waits("--policy", s.dir.name + "/other.json")
        stream = s.events(s.socket + "2")
        new.send_signal(signal.SIGHUP)
        check("a reload is for later", until_said(new, "being taken over: reload later"))
        new.send_signal(signal.SIGTERM)
        check("it stops", until_said(new, "stopping once"))
        s.late.gate.set()
        check("and takes nothing over", all(more(stream) for _ in range(20)))
        stream.close()
        check("it ends with its last client", new.wait(timeout=60) == 0, new.returncode)
        check("the old one serves on", s.ask().startswith(b"HTTP/1.1 200") and old.poll() is None)


def the_old_one_may_end_meanwhile():
    with Stage() as s:
        old = s.first()
        new = s.waits()
        old.send_signal(signal.SIGTERM)
        check("the old one ends", old.wait(timeout=60) == 0)
        check("and leaves the socket", os.path.exists(s.socket))
        s.late.gate.set()
        check("the new one takes over", until_taken(new))
        check("and serves", s.ask().startswith(b"HTTP/1.1 200"))
        check("nothing of the namespace was touched", not s.server.removals)
    with Stage() as s:
        old = s.first()
        new = s.waits()
        old.kill()
        old.wait()
        os.unlink(s.socket)
        s.late.gate.set()
        check("the new one takes over", until_taken(new))
        check("with a socket of its own", s.ask().startswith(b"HTTP/1.1 200"))
        new.send_signal(signal.SIGTERM)
        check("it stops", new.wait(timeout=60) == 0)
        check("and takes the socket away", not os.path.exists(s.socket))


def anybody_may_have_the_address():
    if not NOBODY:
        return
    with Stage() as s, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as squatter:
        name = "berth-handover:" + hashlib.sha256(s.socket.encode()).hexdigest()
        squatter.bind(("\0" + name).encode().ljust(108, b"\0"))
        squatter.listen()
        process = s.serve("--take-over")
        check("it is said", until_said(process, "is not taken over"))
        s.until_served(process)


for scenario in (clients_do_not_notice, who_cannot_serve_takes_nothing,
                 another_user_gets_nothing, without_another_it_just_serves,
                 a_restart_removes_nothing, one_that_waits_may_be_stopped,
                 the_old_one_may_end_meanwhile, anybody_may_have_the_address):
    scenario()
sys.exit(1 if FAULTS else 0)
