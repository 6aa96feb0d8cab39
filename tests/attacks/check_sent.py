#!/usr/bin/python3
"""What `berth explain` shows as sent is what an engine receives.

usage: check_sent.py BERTH

Sends the twins of the corpus, and the attacks that go through without what
made them one, through a running berth to an engine that writes down what it
gets, and answers berth's own questions as explain has assumed.
"""
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import unquote

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import attack_requests  # noqa: E402

PATIENCE = 30
DOCKERFILE = b"FROM scratch\n"


def reply(status, body):
    return (f"HTTP/1.1 {status} .\r\nApi-Version: 1.45\r\nOstype: linux\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n").encode()


class Engine:
    """Keeps all that it is asked, and answers {} where there are no ANSWERS."""

    def __init__(self, path):
        self.got = []
        # explain assumes Docker's own log driver
        self.answers = {"GET /info": (200, '{"LoggingDriver": "json-file"}')}
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(peer,),
                             daemon=True).start()

    def serve(self, peer):
        with peer:
            data = b""
            while not self.is_whole(data):
                part = peer.recv(65536)
                if not part:
                    return
                data += part
            self.got.append(data)
            line = " ".join(data.decode(errors="replace").split(" ", 2)[:2])
            status, body = self.answers.get(line, (200, "{}"))
            head = data.startswith(b"HEAD")
            peer.sendall(reply(status, body) + (b"" if head else body.encode()))

    @staticmethod
    def is_whole(data):
        head, end, body = data.partition(b"\r\n\r\n")
        if b"Transfer-Encoding: chunked" in head:
            return data.endswith(b"0\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        return bool(end) and len(body) >= int(length[1] if length else 0)


def exchange(path, data):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(path)
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass


def explained(berth, policy, data):
    p = subprocess.run([berth, "explain", "--policy", policy, "--json"],
                       input=data, stdout=subprocess.PIPE, check=False)
    return json.loads(p.stdout)


def with_context(data):
    """DATA, if it is a classic build, with a context that can be built: what
    has none ends before the engine has got all of it."""
    head, _, _ = data.partition(b"\r\n\r\n")
    line = head.split(b"\r\n")[0]
    if not re.match(rb"POST (/v[0-9.]+)?/build[? ]", line) or \
            b"version=2" in line:
        return data
    name = re.search(rb"[?&]dockerfile=([^& ]*)", line)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(
            unquote(name[1].decode()) if name else "Dockerfile")
        member.size = len(DOCKERFILE)
        tar.addfile(member, io.BytesIO(DOCKERFILE))
    lines = [x for x in head.split(b"\r\n") if not re.match(
        rb"(?i)(content-length|content-encoding|transfer-encoding):", x)]
    lines.append(b"Content-Length: %d" % len(out.getvalue()))
    return b"\r\n".join(lines) + b"\r\n\r\n" + out.getvalue()


def samples():
    """Requests that reach the engine alone, as they are."""
    seen = set()
    for name in attack_requests.names():
        for case in attack_requests.load(name):
            which = [case["twin"]]
            if case.get("reaches") and "rule" not in case:
                which.append(case["attack"])
            for request in which:
                data = with_context(attack_requests.compose(request))
                one = len(re.findall(rb"HTTP/1\.[01]\r\n", data)) == 1
                plain = b"Upgrade" not in data or b"h2c" in data
                if "policy" not in case and one and plain and \
                        b"/session" not in data and b"/grpc" not in data and \
                        b"exec/" not in data and b"attach" not in data and \
                        len(data) < 100000 and data not in seen:
                    seen.add(data)
                    yield f"{name}: {case['name']}", data


def main(berth):
    with tempfile.TemporaryDirectory(prefix="berth-sent.") as tmp:
        engine = Engine(f"{tmp}/engine.sock")
        policy = f"{tmp}/policy.json"
        Path(policy).write_text(json.dumps({
            "version": 1, "preset": "compose-tests", "namespace": "t1",
            "listen": {"path": f"{tmp}/docker.sock"},
            "upstream": {"url": f"unix://{tmp}/engine.sock"},
            "audit": {"to": f"{tmp}/audit"},
        }))
        with open(f"{tmp}/log", "wb") as log:
            p = subprocess.Popen([berth, "serve", "--policy", policy],
                                 stdout=log, stderr=log)
        try:
            end = time.monotonic() + PATIENCE
            while not os.path.exists(f"{tmp}/docker.sock") or not any(
                    x.startswith(b"GET /info ") for x in engine.got):
                if p.poll() is not None or time.monotonic() > end:
                    sys.exit(Path(f"{tmp}/log").read_text())
                time.sleep(0.01)
            return compare(berth, policy, f"{tmp}/docker.sock", engine)
        finally:
            p.send_signal(signal.SIGTERM)
            p.wait(PATIENCE)


def alike(sent):
    """Without names that are invented, for what a client gave none."""
    sent = re.sub(rb"(name=t1\.)[a-z]+_[a-z0-9_]+", rb"\1invented", sent)
    return re.sub(rb"(anchor\.berth\.invalid%2Fnew&tag=)[0-9a-f]{16}",
                  rb"\1invented", sent)


def compare(berth, policy, path, engine):
    count = asked = wrong = 0
    for name, data in samples():
        said = explained(berth, policy, data)
        sent = alike(said.get("sent", "").encode())
        if not sent:
            continue  # it is refused, or answered without the engine
        engine.got.clear()
        engine.answers = {a["question"]: (a["status"], json.dumps(a.get("reply")))
                          for a in said["assumed"]}
        exchange(path, data)
        # without what berth itself wants to know
        got = [alike(x) for x in engine.got
               if b"\nUser-Agent: berth\r" not in x and b" /_ping " not in x]
        head, _, body = sent.partition(b"\r\n\r\n")
        # what streams is not shown
        whole = body or not re.search(rb"chunked|Content-Length: [1-9]", head)
        count += 1
        asked += bool(said["assumed"])
        if len(got) != 1 or not (
                got[0] == sent if whole else got[0].startswith(head)):
            wrong += 1
            print(f"{name}: explain says {sent!r}, the engine got {got!r}")
    print(f"{count} requests, {asked} with questions to the engine, {wrong} "
          "sent otherwise than explained")
    return 1 if wrong or asked < 50 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
