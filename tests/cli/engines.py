"""An engine is known by its ID, and another in its place is not used.

usage: engines.py PATH-OF-BERTH

Engines are stand-ins: one after the other on a Unix socket, and two behind one
name of two addresses.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from stand_in import TcpEngine, UnixEngine

BERTH = os.path.abspath(sys.argv[1])
# a name of two addresses, where only the berth in it sees it
HOSTS = "127.0.0.1 localhost\n127.0.0.2 engines\n127.0.0.3 engines\n"
WITH_HOSTS = ["unshare", "--mount", "sh", "-c",
              'mount --bind "$0" /etc/hosts && exec "$@"']
FAULTS = []


def check(what, good, detail=""):
    if not good:
        FAULTS.append(what)
        print("not as it should be: %s %s" % (what, detail))


class Berth:
    def __init__(self, top, url, before=(), **upstream):
        self.socket = top + "/berth.sock"
        with open(top + "/policy.json", "w") as file:
            json.dump({"version": 1, "preset": "compose-tests", "namespace": "r1",
                       "upstream": {"url": url, "wait": "1s", **upstream},
                       "listen": {"path": self.socket},
                       "audit": {"to": top + "/audit"}}, file)
        self.process = subprocess.Popen(
            [*before, BERTH, "serve", "--policy", top + "/policy.json"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def ask(self):
        """Status and body of the answer to a list of all containers."""
        s = socket.socket(socket.AF_UNIX)
        while self.process.poll() is None:
            try:
                s.connect(self.socket)
                break
            except OSError:  # not there, or not listened on, yet
                time.sleep(0.02)
        with s:
            s.settimeout(60)
            s.sendall(b"GET /v1.45/containers/json HTTP/1.1\r\nHost: d\r\n"
                      b"Connection: close\r\n\r\n")
            got = b""
            while part := s.recv(65536):
                got += part
        return int(got.split()[1]), got.decode()

    def until(self, wanted):
        """Ask until the answer is WANTED, for a while: the last one."""
        for _ in range(60):
            answer = self.ask()
            if answer[0] == wanted and (wanted == 200 or "another engine" in answer[1]):
                return answer
            time.sleep(0.1)
        return answer


def served(engine):
    return any("/containers/json" in path for path in engine.asked)


def another_in_its_place():
    with tempfile.TemporaryDirectory(prefix="engines") as top:
        path = top + "/engine.sock"
        first = UnixEngine(path, "A:1")
        with Berth(top, "unix://" + path) as berth:
            check("the first one is used", berth.until(200)[0] == 200)
            while "/info" not in first.asked:
                time.sleep(0.02)
            time.sleep(0.2)
            first.end()
            os.unlink(path)
            check("none is told", berth.ask()[0] == 503)
            second = UnixEngine(path, "B:2")
            status, text = berth.until(503)
            check("another is not", status == 503 and "B:2" in text and "A:1" in text, text)
            second.asked.clear()
            berth.ask()
            check("nor asked for anything", not served(second), second.asked)
            second.end()
            os.unlink(path)
            third = UnixEngine(path, "A:1")
            check("the same one is, again", berth.until(200)[0] == 200)
            third.end()


def another_at_once():
    """Swapped between two requests: no failure tells."""
    with tempfile.TemporaryDirectory(prefix="engines") as top:
        path = top + "/engine.sock"
        first = UnixEngine(path, "A:1")
        with Berth(top, "unix://" + path) as berth:
            check("the first one is used", berth.until(200)[0] == 200)
            while "/info" not in first.asked or "/version" not in first.asked:
                time.sleep(0.02)
            time.sleep(0.2)
            second = UnixEngine(top + "/next.sock", "B:2")
            os.rename(top + "/next.sock", path)
            first.end()
            status, text = berth.ask()
            check("the very first request is refused", status == 503, text)
            check("another is not asked", not served(second), second.asked)
            check("and it is told", "B:2" in berth.until(503)[1])
            second.end()


def by_its_id():
    with tempfile.TemporaryDirectory(prefix="engines") as top:
        path = top + "/engine.sock"
        engine = UnixEngine(path, "B:2")
        with Berth(top, "unix://" + path, engine="A:1") as berth:
            status, text = berth.until(503)
            check("only that of the policy is used", status == 503 and "A:1" in text, text)
            check("the other is never asked", not served(engine), engine.asked)
        engine.end()
        os.unlink(path)
        engine = UnixEngine(path, "A:1")
        with Berth(top, "unix://" + path, engine="A:1") as berth:
            check("that one is", berth.until(200)[0] == 200)
        engine.end()


def one_name_of_two_addresses():
    with tempfile.TemporaryDirectory(prefix="engines") as top:
        hosts = top + "/hosts"
        with open(hosts, "w") as file:
            file.write(HOSTS)
        found = subprocess.run([*WITH_HOSTS, hosts, "getent", "ahosts", "engines"],
                               capture_output=True, text=True)
        if "127.0.0.2" not in found.stdout or "127.0.0.3" not in found.stdout:
            print("skipped: this user cannot give a name two addresses")
            return
        two = TcpEngine(("127.0.0.2", 0), "A:1")
        port = two.server_address[1]
        three = TcpEngine(("127.0.0.3", port), "B:2")
        with Berth(top, "tcp://engines:%d" % port, [*WITH_HOSTS, hosts],
                   plain_tcp=True) as berth:
            check("one of them is used", berth.until(200)[0] == 200)
            used, other = (two, three) if served(two) else (three, two)
            time.sleep(0.3)
            used.end()
            berth.ask()
            status, text = berth.until(503)
            check("when it is gone, the other is not", status == 503, text)
            check("nor asked for anything", not served(other), other.asked)
            again = TcpEngine((used.server_address[0], port), used.id)
            check("it is found again", berth.until(200)[0] == 200)
            check("and no other", served(again) and not served(other))
            again.end()
        other.end()
        two = TcpEngine(("127.0.0.2", port), "A:1")
        three = TcpEngine(("127.0.0.3", port), "B:2")
        for wanted, not_wanted in ((two, three), (three, two)):
            two.asked.clear()
            three.asked.clear()
            with Berth(top, "tcp://engines:%d" % port, [*WITH_HOSTS, hosts],
                       plain_tcp=True, engine=wanted.id) as berth:
                check("the one that the policy names is found", berth.until(200)[0] == 200)
                check("and no other", served(wanted) and not served(not_wanted))
        two.end()
        three.end()


for scenario in (another_in_its_place, another_at_once, by_its_id, one_name_of_two_addresses):
    scenario()
print("%d faults" % len(FAULTS))
sys.exit(bool(FAULTS))
