"""What "berth serve" does when it is told to stop or to read its policies anew,
when there are more clients than it serves, and when its record is not read.

usage: serving.py PATH-OF-BERTH [TEST]...

The engine is a stand-in on a Unix socket. It holds what is asked about a
container called "held" until the test lets it go; everything else it answers
at once.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BERTH = os.path.abspath(sys.argv.pop(1))
PATIENCE = 60
CLIENTS_OVER = 64  # of listen.clients, that are still told so
RECORD_QUEUE = 1 << 20


class Engine:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.asked = []  # request lines
        self.connections = []
        self.by_connection = []  # the same, for each of them
        self.held = 0
        self.go = threading.Event()
        self.open()

    def open(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(256)
        threading.Thread(target=self.accept, args=(self.socket,), daemon=True).start()

    def accept(self, listening):
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with self.lock:
                self.connections.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def close(self):
        """Like an engine that stops: all connections end."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        os.unlink(self.path)
        self.drop()

    def drop(self):
        with self.lock:
            for one in self.connections:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # berth has closed it
            self.connections.clear()

    def serve(self, client):
        file = client.makefile("rb")
        asked = []
        self.by_connection.append(asked)
        try:
            while line := file.readline():
                while file.readline() not in (b"\r\n", b""):
                    pass
                asked.append(line.decode().rpartition(" ")[0])
                self.answer(client, asked[-1])
        except OSError:
            pass  # berth has given it up

    def answer(self, client, line):
        with self.lock:
            self.asked.append(line)
            self.held += "/held/" in line
        if "/held/" in line:
            self.go.wait()
        status = b"204 No Content" if line.startswith("POST") else b"200 OK"
        body = b"" if line.startswith("POST") else b"[]"
        client.sendall(b"HTTP/1.1 " + status + b"\r\nApi-Version: 1.45\r\n" +
                       (b"Content-Length: 2\r\n" if body else b"") +
                       b"\r\n" + body)

    def count(self, what):
        with self.lock:
            return sum(what in line for line in self.asked)


def until(what, holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("in vain: " + what)
        time.sleep(0.005)


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, method, path):
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: d\r\n\r\n".encode())

    def reply(self):
        """The status, or None: the connection was closed."""
        try:
            line = self.file.readline()
            length = 0
            while (header := self.file.readline()) not in (b"\r\n", b""):
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.text = self.file.read(length).decode()
        except ConnectionResetError:
            return None
        return int(line.split()[1]) if line else None

    def ask(self, method, path):
        self.send(method, path)
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


class Serving(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.TemporaryDirectory(prefix="serving")
        self.addCleanup(self.top.cleanup)
        self.dir = self.top.name + "/policies"
        os.mkdir(self.dir)
        self.engine = Engine(self.top.name + "/engine.sock")
        self.addCleanup(self.engine.go.set)
        self.berth = None
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()
        if self.berth and self.berth.poll() is None:
            self.berth.kill()
        if self.berth:
            self.berth.wait()
        self.log.close()

    def path(self, name):
        return f"{self.top.name}/{name}.sock"

    def policy(self, name, text=None, **keys):
        policy = {"version": 1, "namespace": name, "isolation": "none",
                  "operations": {"allow": ["container"]},
                  "upstream": {"url": "unix://" + self.engine.path, "wait": "10s"},
                  "audit": {"to": self.top.name + "/audit"}, **keys}
        policy["listen"] = {"path": self.path(name), **keys.get("listen", {})}
        with open(f"{self.dir}/{name}.json", "w") as file:
            file.write(text or json.dumps(policy))

    def start(self, **more):
        self.log = open(self.top.name + "/log", "w+")
        self.berth = subprocess.Popen([BERTH, "serve", "--policy", self.dir],
                                      stderr=self.log, **more)
        until("a listener", lambda: "serving " in self.said() or
              self.berth.poll() is not None)

    def said(self):
        with open(self.top.name + "/log") as file:
            return file.read()

    def reload(self):
        words = ("reload: done", "reload: the policies stay")
        before = sum(map(self.said().count, words))
        self.berth.send_signal(signal.SIGHUP)
        until("a reload", lambda: sum(map(self.said().count, words)) > before)

    def client(self, name):
        client = Client(self.path(name))
        self.clients.append(client)
        return client

    def metrics(self):
        client = self.client("metrics")
        self.assertEqual(client.ask("GET", "/metrics"), 200)
        return client.text

    def held(self, name):
        """A client whose request is at the engine, without an answer."""
        client, before = self.client(name), self.engine.held
        client.send("GET", "/containers/held/json")
        until("a request at the engine", lambda: self.engine.held > before)
        return client

    def ends(self):
        self.assertEqual(self.berth.wait(PATIENCE), 0, self.said())

    # ---- the end ----

    def test_a_stop_lets_what_runs_go_on_to_its_end(self):
        self.policy("r1", timeouts={"drain": "10m"})
        self.start()
        idle, client = self.client("r1"), self.held("r1")
        self.berth.send_signal(signal.SIGTERM)
        self.assertIsNone(idle.reply())  # at once: nothing runs there
        self.assertFalse(os.path.exists(self.path("r1")))
        self.assertIsNone(self.berth.poll())
        self.engine.go.set()
        self.assertEqual(client.reply(), 200)
        self.assertIsNone(client.reply())
        self.ends()

    def test_a_stop_waits_no_longer_than_the_drain_time(self):
        self.policy("r1", timeouts={"drain": "1s"})
        self.start()
        client = self.held("r1")
        self.berth.send_signal(signal.SIGTERM)
        self.ends()
        self.assertIsNone(client.reply())
        self.assertIn("the time for open exchanges is over", self.said())

    def test_a_second_signal_stops_at_once(self):
        self.policy("r1", timeouts={"drain": "10m"})
        self.start()
        client = self.held("r1")
        self.berth.send_signal(signal.SIGTERM)
        until("the first", lambda: "stopping once" in self.said())
        self.berth.send_signal(signal.SIGTERM)
        self.ends()
        self.assertIsNone(client.reply())

    def test_a_reload_while_it_stops_changes_nothing(self):
        self.policy("r1", timeouts={"drain": "10m"})
        self.start()
        client = self.held("r1")
        self.berth.send_signal(signal.SIGTERM)
        until("the first", lambda: "stopping once" in self.said())
        self.policy("r2")
        self.berth.send_signal(signal.SIGHUP)
        self.engine.go.set()
        self.assertEqual(client.reply(), 200)
        self.ends()
        self.assertNotIn("reload", self.said())

    # ---- reloads ----

    def test_a_reload_brings_listeners_and_takes_them(self):
        self.policy("r1")
        self.start()
        client = self.held("r1")
        os.unlink(self.dir + "/r1.json")
        self.policy("r2")
        self.reload()
        self.assertFalse(os.path.exists(self.path("r1")))
        self.assertEqual(self.client("r2").ask("GET", "/containers/json"), 200)
        self.engine.go.set()
        self.assertEqual(client.reply(), 200)  # it had begun
        self.assertIsNone(client.reply())      # and is the last one
        self.assertIn("no longer serving r1", self.said())

    def test_a_reload_judges_the_next_request_of_old_clients(self):
        self.policy("r1")
        self.start()
        client = self.client("r1")
        self.assertEqual(client.ask("GET", "/containers/json"), 200)
        self.policy("r1", operations={})
        self.reload()
        self.assertEqual(client.ask("GET", "/containers/json"), 403)

    def test_another_namespace_takes_over_the_path(self):
        self.policy("r1")
        self.start()
        client = self.held("r1")
        self.policy("r1", namespace="other")
        self.reload()
        self.assertEqual(self.client("r1").ask("GET", "/containers/json"), 200)
        self.engine.go.set()
        self.assertEqual(client.reply(), 200)
        self.assertIsNone(client.reply())

    def test_a_reload_of_which_a_part_is_wrong_changes_nothing(self):
        self.policy("r1")
        self.policy("r2")
        self.start()
        client = self.client("r1")
        self.policy("r1", operations={})
        self.policy("r2", text="{")
        self.reload()
        self.assertEqual(client.ask("GET", "/containers/json"), 200)
        self.assertEqual(self.client("r2").ask("GET", "/containers/json"), 200)
        # nor does what was ready come to life with the next one
        os.unlink(self.dir + "/r1.json")
        self.policy("r2", operations={})
        self.reload()
        self.assertFalse(os.path.exists(self.path("r1")))
        self.assertEqual(self.client("r2").ask("GET", "/containers/json"), 403)

    def test_a_listener_that_cannot_be_opened_spoils_the_reload(self):
        self.policy("r1")
        self.start()
        client = self.client("r1")
        self.policy("r1", operations={})
        with open(self.path("r2"), "w"):
            pass
        self.policy("r2")
        self.reload()
        self.assertIn("is no socket", self.said())
        self.assertEqual(client.ask("GET", "/containers/json"), 200)
        os.unlink(self.dir + "/r1.json")
        os.unlink(self.path("r2"))
        self.reload()
        self.assertFalse(os.path.exists(self.path("r1")))

    def test_a_log_that_was_rotated_is_written_anew(self):
        self.policy("r1")
        self.start()
        os.rename(self.top.name + "/audit", self.top.name + "/audit.1")
        self.policy("r2", text="{")  # whatever becomes of the policies
        self.reload()
        self.client("r1").ask("POST", "/containers/a/start")
        with open(self.top.name + "/audit") as file:
            self.assertIn("ContainerStart", file.read())

    def test_a_namespace_that_another_process_serves_is_not_taken_by_a_reload(self):
        self.policy("r1", isolation="namespace")
        self.start()
        other, self.dir = self.dir, self.top.name + "/others"
        os.mkdir(self.dir)
        self.policy("r2", isolation="namespace")
        log = self.top.name + "/other-log"
        with open(log, "w") as file:
            second = subprocess.Popen([BERTH, "serve", "--policy", self.dir],
                                      stderr=file)
        said = lambda: open(log).read()  # noqa: E731
        try:
            until("a second one", lambda: "serving r2" in said())
            self.policy("r2", isolation="namespace", namespace="r1")
            second.send_signal(signal.SIGHUP)
            until("a reload", lambda: "reload: the policies stay" in said())
            self.assertIn("another berth", said())
        finally:
            second.terminate()
            second.wait()
            self.dir = other

    def test_a_reload_may_bring_another_record(self):
        self.policy("r1")
        self.start()
        client = self.client("r1")
        self.policy("r1", audit={"to": self.top.name + "/other"})
        self.reload()
        client.ask("POST", "/containers/a/start")
        with open(self.top.name + "/other") as file:
            self.assertIn("ContainerStart", file.read())

    def test_each_request_is_on_record(self):
        self.policy("r1")
        self.start()
        client = self.client("r1")
        for path in "/containers/json", "/containers/a/json":
            self.assertEqual(client.ask("GET", path), 200)
        with open(self.top.name + "/audit") as file:
            records = [json.loads(line) for line in file]
        self.assertEqual([(r["event"], r["operation"]) for r in records],
                         [("end", "ContainerList"), ("end", "ContainerInspect")])

    # ---- the engine ----

    def test_an_engine_that_closes_idle_connections_is_not_noticed(self):
        self.policy("r1")
        self.start()
        client = self.client("r1")
        for _ in range(20):
            self.assertEqual(client.ask("GET", "/containers/json"), 200)
            self.engine.drop()

    def test_policies_with_one_upstream_share_its_connections(self):
        self.policy("r1")
        self.policy("r2")
        self.start()
        for name in ("r1", "r2") * 10:  # one after the other, so over few
            self.assertEqual(
                self.client(name).ask("GET", f"/containers/{name}/json"), 200)
        self.assertTrue([asked for asked in self.engine.by_connection
                         if "/r1/" in str(asked) and "/r2/" in str(asked)])

    def test_an_engine_that_starts_again_serves_the_same_clients(self):
        self.policy("r1", upstream={"url": "unix://" + self.engine.path,
                                    "wait": "100ms"})
        self.start()
        client = self.client("r1")
        self.assertEqual(client.ask("GET", "/containers/json"), 200)
        self.engine.close()
        self.assertEqual(client.ask("GET", "/containers/json"), 503)
        self.engine.open()
        until("an engine", lambda: client.ask("GET", "/containers/json") == 200)

    def test_a_change_is_never_sent_twice(self):
        self.policy("r1")
        self.start()
        client = self.client("r1")
        client.send("POST", "/containers/held/start")
        until("a request at the engine", lambda: self.engine.held)
        self.engine.drop()
        self.assertEqual(client.reply(), 502)
        self.assertEqual(self.engine.count("/held/start"), 1)

    # ---- too much ----

    def test_clients_over_the_limit_are_told_and_those_over_that_are_closed(self):
        self.policy("r1", listen={"clients": 1})
        self.start()
        first = self.client("r1")
        self.assertEqual(first.ask("GET", "/containers/json"), 200)
        for _ in range(CLIENTS_OVER):
            told = self.client("r1")
            self.assertEqual(told.ask("GET", "/containers/json"), 503)
            self.assertIn("listen.clients", told.text)
        last = self.client("r1")
        self.assertIsNone(last.reply())
        self.assertEqual(first.ask("GET", "/containers/json"), 200)
        told.close()
        # of what the one that left was told, nobody else is
        until("room", lambda: self.client("r1").ask("GET", "/containers/json") == 503)

    def test_a_low_limit_of_files_is_raised_for_all_clients_of_a_policy(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.policy("r1", listen={"clients": 100})
        self.start(preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (64, hard)))
        for _ in range(100):
            self.assertEqual(self.client("r1").ask("GET", "/containers/json"), 200)

    def test_a_record_that_nobody_reads_stops_changes_only(self):
        reader, writer = os.pipe()
        self.policy("r1", audit={"to": "stdout", "required": True},
                    metrics={"listen": self.path("metrics")})
        self.start(stdout=writer)
        os.close(writer)
        client = self.client("r1")
        until("a full record",
              lambda: client.ask("POST", "/containers/a/start") == 503)
        self.assertIn("audit record", client.text)
        self.assertRegex(self.metrics(), r"audit_failures_total.* [1-9]")
        changes = self.engine.count("/a/start")
        self.assertEqual(client.ask("POST", "/containers/a/start"), 503)
        self.assertEqual(self.engine.count("/a/start"), changes)
        self.assertEqual(client.ask("GET", "/containers/json"), 200)
        # its reader is back
        os.set_blocking(reader, False)

        def works():
            try:
                while os.read(reader, RECORD_QUEUE):
                    pass
            except BlockingIOError:
                pass
            return client.ask("POST", "/containers/a/start") == 204

        until("changes again", works)
        # and a stop does not wait for it
        until("a full record",
              lambda: client.ask("POST", "/containers/a/start") == 503)
        self.berth.send_signal(signal.SIGTERM)
        self.ends()
        os.close(reader)


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # of sockets that nobody closes
