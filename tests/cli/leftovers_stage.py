"""What leftovers.py and leases.py share: a berth's policy in a directory, and a
stand-in for an engine.

That keeps containers, networks, volumes and images under an engine's rules: a
volume that a container refers to stays, a network goes only at the second try,
and a removal that runs already is a conflict.
"""

import http.server
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

BERTH = os.path.abspath(sys.argv[1])
NOW = 1_700_000_000  # of the engine, whatever this machine thinks


class Engine:
    """The objects of three namespaces and of nobody."""

    def __init__(self):
        self.lock = threading.Lock()
        self.log = []
        self.lists = []
        self.tried = set()
        self.going = set()
        self.most_at_once = self.at_once = 0
        self.slow = 0.0
        self.objects = {kind: {} for kind in ("containers", "networks", "volumes")}
        self.tags = []
        self.now = NOW
        self.forbids = set()  # kinds
        self.companion = None  # its state
        self.looks = 0  # at all leases

    def fill(self, ns, containers=20, made=NOW - 100_000):
        label = {"berth.namespace": ns}
        for i in range(containers):
            key = "%s%062d" % (ns[:2].encode().hex()[:2], i)
            self.objects["containers"][ns + key] = {
                "Id": ns + key, "Names": ["/%s.c%d" % (ns, i)], "Labels": label,
                "Created": made, "State": "running",
            }
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made))
        for name in ("bridge", "net"):
            self.objects["networks"][ns + name] = {
                "Id": ns + name, "Name": ns + "." + name, "Labels": label,
                "Created": stamp,
            }
        for name in ("v1", "v2"):
            self.objects["volumes"][ns + "." + name] = {
                "Name": ns + "." + name, "Labels": label, "CreatedAt": stamp,
            }
        self.tags.append(ns + ".berth.invalid/app:1")

    def break_off(self, ns):
        """What a build and a push of NS leave when the engine is killed."""
        self.objects["containers"]["step"] = {
            "Id": "step", "Names": ["/busy_hopper"], "Labels": {}, "State": "exited",
            "Image": "sha256:" + "0" * 64, "Created": NOW, "network": ns + ".bridge"}
        self.objects["containers"]["lock"] = {
            "Id": "lock", "Names": ["/berth.push.12"], "State": "created", "Created": NOW,
            "Image": "sha256:1", "Labels": {
                "berth.push": "docker.io/library/app:1", "berth.push.by": ns,
                "berth.push.of": "sha256:" + "1" * 64, "berth.push.from": ""}}
        self.tags += ["push.berth.invalid/app:1", "docker.io/library/app:1"]

    def left(self, ns):
        """The names of all that is NS's."""
        rows = [r for kind in self.objects.values() for r in kind.values()]
        names = [r.get("Name") or r["Names"][0] for r in rows
                 if r["Labels"].get("berth.namespace") == ns]
        return names + [t for t in self.tags if t.startswith(ns + ".")]

    def leases(self, ns):
        return [n for n, v in self.objects["volumes"].items()
                if v["Labels"].get("berth.lease") == ns]

    def add_lease(self, ns, made, term=900, kind="lease"):
        name = "berth_%s.%s.%016x-1" % (kind, ns, len(self.objects["volumes"]))
        self.make({"Name": name, "Labels": {
            "berth.lease": ns, **({"berth.lease.term": str(term)} if term else {})}}, made)
        return name

    def make(self, volume, made=None):
        """As volumes/create does."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(
            self.now if made is None else made))
        return self.objects["volumes"].setdefault(
            volume["Name"], {"Name": volume["Name"], "CreatedAt": stamp,
                             "Labels": volume.get("Labels") or {}})

    def list(self, kind, query):
        self.lists.append(kind)
        filters = json.loads(query.get("filters", ["{}"])[0])
        if kind == "images":
            return [{"Id": "sha256:1", "RepoTags": list(self.tags), "Size": 1234}]
        if on := filters.get("network"):
            return [r for r in self.objects[kind].values() if r.get("network") in on]
        want = filters["label"]
        self.looks += want == ["berth.lease"]
        rows = [r for r in self.objects[kind].values()
                if all(w in r["Labels"] or w in ["%s=%s" % x for x in r["Labels"].items()]
                       for w in want)]
        return {"Volumes": rows} if kind == "volumes" else rows

    def remove(self, kind, ref, query):
        self.log.append((kind, ref, query))
        if kind == "images":
            self.tags = [t for t in self.tags if t != ref]
            return 200, []
        if ref not in self.objects[kind]:
            return 404, {"message": "no such thing"}
        row = self.objects[kind][ref]
        ns = row["Labels"].get("berth.namespace", "")
        if kind == "volumes" and any(
                c["Labels"].get("berth.namespace") == ns
                for c in self.objects["containers"].values()):
            return 409, {"message": "volume is in use"}
        if kind == "networks" and ref not in self.tried:
            self.tried.add(ref)
            return 403, {"message": "has active endpoints"}
        if kind == "containers" and "force=1" not in query:
            return 409, {"message": "is running"}
        del self.objects[kind][ref]
        return 204, None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.45")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def parts(self):
        path, _, query = self.path.partition("?")
        words = [urllib.parse.unquote(w) for w in path.strip("/").split("/")]
        return words, query

    def do_GET(self):
        engine = self.server.engine
        words, query = self.parts()
        with engine.lock:
            if words[0] in engine.forbids:
                self.answer(403, {"message": "authorization denied by plugin"})
            elif words == ["info"]:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime(engine.now))
                self.answer(200, {"SystemTime": stamp})
            elif words[0] == "containers" and words[-1] == "json" and len(words) == 3:
                self.answer(*((200, {"State": engine.companion}) if engine.companion
                              else (404, {"message": "No such container"})))
            elif words[0] == "images" and len(words) > 2:
                name = "/".join(words[1:-1])
                self.answer(*((200, {"Id": "sha256:" + "1" * 64}) if name in engine.tags
                              else (404, {"message": "No such image"})))
            elif words == ["_ping"]:
                self.answer(200, "OK")
            else:
                self.answer(200, engine.list(words[0], urllib.parse.parse_qs(query)))

    def do_HEAD(self):
        self.answer(200, None)

    def do_POST(self):
        engine = self.server.engine
        words, _ = self.parts()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with engine.lock:
            if words[0] in engine.forbids:
                self.answer(403, {"message": "authorization denied by plugin"})
            else:
                self.answer(201, engine.make(json.loads(body)))

    def do_DELETE(self):
        engine = self.server.engine
        words, query = self.parts()
        ref = "/".join(words[1:])
        with engine.lock:
            if ref in engine.going:
                self.answer(409, {"message": "removal is already in progress"})
                return
            engine.going.add(ref)
            engine.at_once += 1
            engine.most_at_once = max(engine.most_at_once, engine.at_once)
        time.sleep(engine.slow)
        with engine.lock:
            status, value = engine.remove(words[0], ref, query)
            engine.going.discard(ref)
            engine.at_once -= 1
        self.answer(status, value)

    def log_message(self, *args):
        pass

    def address_string(self):
        return "client"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that is gone, as some here are."""

    request_queue_size = 64


FAULTS = []


def check(what, good, detail=""):
    if not good:
        FAULTS.append(what)
        print("not as it should be: %s %s" % (what, detail))


class Stage:
    def __init__(self, upstream_wait="30s", **policy):
        self.dir = tempfile.TemporaryDirectory(prefix="leftovers")
        top = self.dir.name
        self.engine = Engine()
        self.server = Server(top + "/engine.sock", Handler)
        self.server.engine = self.engine
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.socket = top + "/berth.sock"
        self.audit = top + "/audit"
        self.policy = top + "/policy.json"
        with open(self.policy, "w") as file:
            json.dump({"version": 1, "preset": "compose-tests", "namespace": "r1",
                       "upstream": {"url": "unix://" + top + "/engine.sock",
                                    "wait": upstream_wait},
                       "listen": {"path": self.socket},
                       "audit": {"to": self.audit}, **policy}, file)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()
        self.dir.cleanup()

    def use_engine_of(self, other):
        with open(self.policy) as file:
            policy = json.load(file)
        policy["upstream"]["url"] = "unix://" + other.dir.name + "/engine.sock"
        with open(self.policy, "w") as file:
            json.dump(policy, file)

    def ask(self, method, target):
        """A request to berth: its status, and its body as text."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            s.sendall(("%s %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
                       % (method, target)).encode())
            text = b""
            while part := s.recv(65536):
                text += part
        head, _, body = text.decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def clean(self, *args):
        return subprocess.run([BERTH, "clean", "--policy", self.policy, *args],
                              capture_output=True, text=True, timeout=120)

    def records(self):
        with open(self.audit) as file:
            return [json.loads(line) for line in file]

    def serve(self, *words):
        process = subprocess.Popen([BERTH, "serve", "--policy", self.policy, *words],
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        with socket.socket(socket.AF_UNIX) as s:
            while process.poll() is None:
                try:
                    s.connect(self.socket)
                    break
                except OSError:  # not there, or not listened on, yet
                    time.sleep(0.02)
            # the second is answered by what berth knows of the engine
            for word in (b"keep-alive", b"close"):
                s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: %s\r\n\r\n"
                          % word)
                s.recv(4096)
            while s.recv(4096):
                pass
        return process


def stop(process):
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=120)[1]
    check("berth stops well", process.returncode == 0, err)
    return err
