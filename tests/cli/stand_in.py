"""Engines that are none: each has an ID, a number of containers that run, and a
list of the namespaces that have a volume there. They note what they are asked."""

import http.server
import json
import socket
import socketserver
import threading
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urllib.parse.urlparse(self.path).path
        self.server.asked.append(self.path)
        body = json.dumps(self.server.answer(path)).encode()
        self.send_response(200)
        self.send_header("Api-Version", "1.45")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

    def address_string(self):
        return "client"


class StandIn(socketserver.ThreadingMixIn):
    """One that serves from the start, on a thread of its own."""
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(self, where, name, running=0, has=()):
        self.id, self.running, self.has = name, running, list(has)
        self.asked, self.clients = [], []
        super().__init__(where, Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path):
        if path.endswith("/info"):
            return {"ID": self.id, "LoggingDriver": "local", "NCPU": 4,
                    "SystemTime": "2024-06-01T00:00:00Z",
                    "ContainersRunning": self.running}
        if path.endswith("/volumes"):
            return {"Volumes": [
                {"Name": f"{ns}.data", "CreatedAt": "2024-01-01T00:00:00Z",
                 "Labels": {"berth.namespace": ns}} for ns in self.has]}
        if path.endswith("/version"):
            return {"Version": "26.1.5", "ApiVersion": "1.45", "MinAPIVersion": "1.24",
                    "Os": "linux", "Arch": "amd64", "KernelVersion": "6", "Components": []}
        return []

    def handle_error(self, request, client_address):
        """A client that is gone."""

    def process_request(self, request, client_address):
        self.clients.append(request)
        super().process_request(request, client_address)

    def end(self):
        """Listen no more, and hang up on everybody; a socket's file stays."""
        self.shutdown()
        self.server_close()
        for client in self.clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class UnixEngine(StandIn, socketserver.UnixStreamServer):
    pass


class TcpEngine(StandIn, socketserver.TCPServer):
    pass
