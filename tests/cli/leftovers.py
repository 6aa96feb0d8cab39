"""What runners leave behind goes: by "berth clean", and when berth stops.

usage: leftovers.py PATH-OF-BERTH

The engine is a stand-in that keeps containers, networks, volumes and images
under its rules: a volume that a container refers to stays, a network goes only
at the second try, and a removal that runs already is a conflict.
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

    def left(self, ns):
        """The names of all that is NS's."""
        rows = [r for kind in self.objects.values() for r in kind.values()]
        names = [r.get("Name") or r["Names"][0] for r in rows
                 if r["Labels"].get("berth.namespace") == ns]
        return names + [t for t in self.tags if t.startswith(ns + ".")]

    def list(self, kind, query):
        self.lists.append(kind)
        filters = json.loads(query.get("filters", ["{}"])[0])
        if kind == "images":
            return [{"Id": "sha256:1", "RepoTags": list(self.tags), "Size": 1234}]
        want = filters["label"]
        rows = [r for r in self.objects[kind].values()
                if all(w == "berth.namespace" and w in r["Labels"]
                       or "%s=%s" % ("berth.namespace",
                                     r["Labels"].get("berth.namespace")) == w
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
        ns = row["Labels"]["berth.namespace"]
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
            if words == ["info"]:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime(NOW))
                self.answer(200, {"SystemTime": stamp})
            elif words == ["_ping"]:
                self.answer(200, "OK")
            else:
                self.answer(200, engine.list(words[0], urllib.parse.parse_qs(query)))

    def do_HEAD(self):
        self.answer(200, None)

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
    def __init__(self, **policy):
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
                       "upstream": {"url": "unix://" + top + "/engine.sock"},
                       "listen": {"path": self.socket},
                       "audit": {"to": self.audit}, **policy}, file)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()
        self.dir.cleanup()

    def clean(self, *args):
        return subprocess.run([BERTH, "clean", "--policy", self.policy, *args],
                              capture_output=True, text=True, timeout=120)

    def records(self):
        with open(self.audit) as file:
            return [json.loads(line) for line in file]

    def serve(self):
        process = subprocess.Popen([BERTH, "serve", "--policy", self.policy],
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        with socket.socket(socket.AF_UNIX) as s:
            while process.poll() is None:
                try:
                    s.connect(self.socket)
                    break
                except OSError:  # not there, or not listened on, yet
                    time.sleep(0.02)
            s.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
            while s.recv(4096):
                pass
        return process


def stop(process):
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=120)[1]
    check("berth stops well", process.returncode == 0, err)
    return err


def own_namespace():
    with Stage() as s:
        for ns in ("r1", "r2"):
            s.engine.fill(ns)
        # what only says that it is r1's, and what says nothing
        s.engine.objects["networks"]["x"] = {
            "Id": "x", "Name": "other", "Labels": {"berth.namespace": "r1"}}
        before = sorted(s.engine.left("r2"))
        run = s.clean("--dry-run")
        check("a dry run says what would go", run.stdout.count("would remove") == 25, run.stdout)
        check("and removes nothing", not s.engine.log)
        s.engine.slow = 0.01
        run = s.clean()
        check("clean succeeds", run.returncode == 0, run.stdout + run.stderr)
        check("all is gone", s.engine.left("r1") == ["other"], s.engine.left("r1"))
        check("nothing of another", sorted(s.engine.left("r2")) == before)
        kinds = [kind for kind, _, _ in s.engine.log]
        order = ["containers", "networks", "volumes", "images"]
        check("in order", kinds == sorted(kinds, key=order.index), kinds)
        check("eight at a time", 1 < s.engine.most_at_once <= 8, s.engine.most_at_once)
        check("with their volumes", all("v=1" in q for k, _, q in s.engine.log if k == "containers"))
        records = s.records()
        decided = [r["id"] for r in records if r["event"] == "decision"]
        ended = [r["id"] for r in records if r["event"] == "end"]
        check("each on record, before and after", len(decided) == len(s.engine.log)
              and sorted(decided) == sorted(ended) and len(set(ended)) == len(ended))
        check("by its rule", {r["rule"] for r in records} == {"leftovers"})
        check("again finds nothing", s.clean().stdout.startswith("0 removed"))


def patterns_and_ages():
    with Stage() as s:
        s.engine.fill("ci-1", 2)
        s.engine.fill("ci-2", 2, made=NOW - 60)
        s.engine.fill("prod", 2)
        s.engine.tags.append("ci-3.berth.invalid/app:1")  # of an age unknown
        run = s.clean("--namespace", "ci-*")
        check("old ones go", not s.engine.left("ci-1"), run.stdout)
        check("young ones stay", len(s.engine.left("ci-2")) == 7, run.stdout)
        check("and those of no age", len(s.engine.left("ci-3")) == 1, run.stdout)
        check("and others", len(s.engine.left("prod")) == 7)
        check("it says why", "ci-2 stays: it made something 60 s ago" in run.stdout, run.stdout)
        s.clean("--namespace", "ci-*", "--older-than", "1m")
        check("by an age of one's own", not s.engine.left("ci-2"))
        s.clean("--namespace", "ci-3")
        check("by name", not s.engine.left("ci-3"))


def two_at_once_and_one_killed():
    with Stage() as s:
        s.engine.fill("r1", 60)
        s.engine.slow = 0.03
        first = subprocess.Popen([BERTH, "clean", "--policy", s.policy, "--namespace", "r1"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while len(s.engine.log) < 10:
            time.sleep(0.01)
        first.kill()
        first.wait()
        first.stderr.close()
        runs = [threading.Thread(target=s.clean) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        check("two at once, after one that was killed", not s.engine.left("r1"), s.engine.left("r1"))


def when_berth_stops():
    with Stage(leftovers="remove") as s:
        s.engine.fill("r1")
        s.engine.fill("r2", 1)
        process = s.serve()
        run = s.clean()
        check("one that is served stays", "r1 stays: a berth serves it" in run.stdout, run.stdout)
        err = stop(process)
        check("all goes when berth stops", not s.engine.left("r1"), err)
        check("and nothing else", len(s.engine.left("r2")) == 6)
    with Stage() as s:
        s.engine.fill("r1", 1)
        stop(s.serve())
        check("what is kept stays, with the bridge that it uses", len(s.engine.left("r1")) == 6)
        s.engine.objects["containers"].clear()
        stop(s.serve())
        check("the bridge goes when it is empty", sorted(s.engine.left("r1")) ==
              ["r1.berth.invalid/app:1", "r1.net", "r1.v1", "r1.v2"], s.engine.left("r1"))
    with Stage(leftovers="remove", isolation="none") as s:
        s.engine.fill("r1", 1)
        stop(s.serve())
        check("without isolation nothing is touched", not s.engine.log)
        check("nor cleaned", s.clean().returncode == 2)


def who_has_what():
    with Stage() as s:
        place = s.dir.name + "/metrics.sock"
        with open(s.policy) as file:
            policy = json.load(file)
        policy["metrics"] = {"listen": place}
        with open(s.policy, "w") as file:
            json.dump(policy, file)
        s.engine.fill("r1", 5)
        s.engine.fill("r2", 7)
        for row in s.engine.objects["containers"].values():
            row["Ports"] = [{"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp", "IP": ip}
                            for ip in ("0.0.0.0", "::")] + [{"PrivatePort": 81, "Type": "tcp"}]
        process = s.serve()

        def has():
            status = subprocess.run([BERTH, "status", "--socket", place, "--json"],
                                    capture_output=True, text=True, timeout=60)
            return json.loads(status.stdout)["berths"][0]["objects"]

        check("nothing is known before the first count", has() is None)
        for _ in range(200):
            if has():
                break
            time.sleep(0.02)
        check("then it is counted", has() == {
            "containers": 5, "networks": 2, "volumes": 2, "images": 1, "ports": 5,
            "image_bytes": 1234}, has())
        shown = subprocess.run([BERTH, "status", "--socket", place],
                               capture_output=True, text=True, timeout=60)
        check("and shown", "has 5 containers, 2 networks, 2 volumes, 1 images" in shown.stdout,
              shown.stdout)
        asked = len(s.engine.lists)
        for _ in range(20):
            has()
        # but for a count now and then on a busy machine, of four lists each
        check("who looks often asks no more", len(s.engine.lists) < asked + 20,
              len(s.engine.lists) - asked)
        stop(process)


def a_reload_spares_what_is_served_on():
    with Stage(leftovers="remove") as s:
        s.engine.fill("r1", 3)
        process = s.serve()
        with open(s.policy) as file:
            policy = json.load(file)
        policy["listen"]["path"] = s.socket + "2"
        with open(s.policy, "w") as file:
            json.dump(policy, file)
        process.send_signal(signal.SIGHUP)
        while not os.path.exists(s.socket + "2"):
            time.sleep(0.02)
        time.sleep(0.3)
        check("the same namespace on another socket keeps all", not s.engine.log, s.engine.log)
        policy["namespace"] = "r9"
        with open(s.policy, "w") as file:
            json.dump(policy, file)
        process.send_signal(signal.SIGHUP)
        for _ in range(500):
            if not s.engine.left("r1"):
                break
            time.sleep(0.02)
        check("one that is served no more goes", not s.engine.left("r1"))
        stop(process)


own_namespace()
patterns_and_ages()
two_at_once_and_one_killed()
when_berth_stops()
who_has_what()
a_reload_spares_what_is_served_on()
print("%d faults" % len(FAULTS))
sys.exit(bool(FAULTS))
