"""An engine that drops two questions of one request at once.

usage: lost_answers.py PATH-OF-BERTH

The first failure ends the request; nothing waits for the second any more, and berth
serves on.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BERTH = os.path.abspath(sys.argv[1])
ROUNDS = 20
PATIENCE = 30
OK = (b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 2\r\n\r\n"
      b"{}")


class Engine:
    """Answers all but questions about images: a pair of them is dropped."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.held = []
        self.dropped = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            self.answer(client)
        except OSError:
            client.close()  # berth has given it up

    def answer(self, client):
        head = b""
        while True:
            while b"\r\n\r\n" not in head:
                more = client.recv(4096)
                if not more:
                    client.close()
                    return
                head += more
            first, _, head = head.partition(b"\r\n\r\n")
            if b"/images/" in first:
                self.hold(client)
                return
            client.sendall(OK)

    def hold(self, client):
        with self.lock:
            self.held.append(client)
            if len(self.held) < 2:
                return
            for one in self.held:
                one.close()
            self.held.clear()
            self.dropped += 1


def listens(path):
    """A socket is there before anybody listens on it."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


def ask(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(path)
        s.sendall(b"GET /v1.45/images/a/json HTTP/1.1\r\nHost: d\r\n"
                  b"Connection: close\r\n\r\n")
        reply = b""
        while True:
            more = s.recv(4096)
            if not more:
                return reply.split(b"\r\n")[0]
            reply += more


def main():
    with tempfile.TemporaryDirectory(prefix="lost-answers") as top:
        engine = Engine(top + "/engine.sock")
        policy = top + "/policy.json"
        with open(policy, "w") as file:
            json.dump({"version": 1, "preset": "compose-tests", "namespace": "r1",
                       "upstream": {"url": "unix://" + top + "/engine.sock"},
                       "listen": {"path": top + "/berth.sock"},
                       "audit": {"to": top + "/audit"}}, file)
        berth = subprocess.Popen([BERTH, "serve", "--policy", policy],
                                 stderr=subprocess.PIPE, text=True)
        answers = []
        while not listens(top + "/berth.sock") and berth.poll() is None:
            time.sleep(0.02)
        try:
            for _ in range(ROUNDS):
                answers.append(ask(top + "/berth.sock"))
        except OSError as why:
            answers.append(why)
        if berth.poll() is None:
            berth.send_signal(signal.SIGTERM)
        err = berth.communicate(timeout=PATIENCE)[1]
    good = (berth.returncode == 0 and engine.dropped >= ROUNDS and
            answers == [b"HTTP/1.1 503 Service Unavailable"] * ROUNDS)
    if not good:
        print(berth.returncode, engine.dropped, answers[-1], err)
    return not good


sys.exit(main())
