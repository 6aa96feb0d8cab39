"""What connections to published ports cost, beside an `ssh -L` to the port that
the engine published on its own host: how long until the first byte comes, and
how fast bytes go. The services are containers, alike for both."""
import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from peers import ENGINE, FAR, NEAR, Berth, Ssh
from sections import GIB, MIB, STREAM, WHERE, Column, Row

SETUP = [Column("ms", "first byte after ms", 2), Column("p90", "p90 ms", 2)]
CONNECTIONS = 20  # one after the other, for a median
BLOCK = 1 << 20
# by name: its port, and what serves it. nc accepts too slowly for more than one
# connection at a time; /w/zeros takes no space.
SERVICES = {"greet": (7001, "nc -ll -p 7001 -e echo x"),
            "down": (7002, "httpd -f -p 7002 -h /w"),
            "up": (7003, "nc -ll -p 7003 -e sh -c 'cat >/dev/null'")}
SCRIPT = ("mkdir /w; dd if=/dev/zero of=/w/zeros bs=1 count=0 seek=16G; "
          + "".join(f"{run} & " for _, run in SERVICES.values()) + "wait")


def serve(peer, publish):
    """Run the services by PEER's docker, each port published as PUBLISH has
    it; where the engine, as the peer shows it, says that they are."""
    name = f"ports-{peer.name.replace(' ', '')}-{peer.place}"
    words = [x for port, _ in SERVICES.values()
             for x in ("-p", publish.format(port))]
    with contextlib.suppress(RuntimeError):  # of a run before, on the same bed
        peer.docker("rm", "-f", name)
    peer.docker("run", "-d", "--rm", "--name", name, *words, "busybox", "sh", "-c",
                SCRIPT)
    shown = peer.docker("inspect", "--format",
                        "{{json .NetworkSettings.Ports}}", name, stdout=-1)
    ports = json.loads(shown.stdout)
    return {what: int(ports[f"{port}/tcp"][0]["HostPort"])
            for what, (port, _) in SERVICES.items()}


class SshToPorts(Ssh):
    """An ssh -L for each port; what it leads to is published on the loopback
    of the engine's host."""

    def __init__(self, ground, place, direct):
        direct.place = place
        self.there = serve(direct, "127.0.0.1::{}")
        self.port = {what: ground.free_port() for what in self.there}
        super().__init__(ground, place, ENGINE)

    def argv(self, target):
        *options, host = super().argv(target)
        for what, port in self.there.items():
            options += ["-L", f"127.0.0.1:{self.port[what]}:127.0.0.1:{port}"]
        return [*options, host]


class BerthWithPorts(Berth):
    def __init__(self, ground, place):
        super().__init__(ground, place, ENGINE)
        self.port = serve(self, "{}")

    def policy(self, target):
        return {**super().policy(target),
                "ports": {"publish": "runner", "listen": ["127.0.0.1"]}}


def first_byte(peer):
    took = []
    for _ in range(CONNECTIONS):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", peer.port["greet"]), 60) as s:
            if s.recv(1) != b"x":
                raise RuntimeError(f"{peer.name}: the greeting did not come")
            took.append((time.monotonic() - began) * 1e3)
    took.sort()
    return {"ms": took[len(took) // 2], "p90": took[len(took) * 9 // 10]}


def move(port, size, is_up):
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        if not is_up:
            s.sendall(b"GET /zeros HTTP/1.0\r\n\r\n")
            block = bytearray(BLOCK)
            while size > 0 and (n := s.recv_into(block)):
                size -= n
            if size > 0:
                raise RuntimeError("the stream broke off")
            return
        block = bytes(BLOCK)
        for _ in range(0, size, BLOCK):
            s.sendall(block)
        s.shutdown(socket.SHUT_WR)
        s.recv(1)  # it ends when all has been read over there


def stream(peer, what, count, size):
    cpu, sshd, began = peer.cpu(), peer.sshd_cpu(), time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(move, peer.port[what], size // count, what == "up")
                     for _ in range(count)]:
            done.result()
    scale = GIB / size
    return {"rate": size / (time.monotonic() - began) / MIB,
            "cpu": (peer.cpu() - cpu) * scale,
            "sshd": (peer.sshd_cpu() - sshd) * scale}


def ports(peers, size):
    ground = peers.ground
    for place in NEAR, FAR:
        everyone = [SshToPorts(ground, place, peers.direct[ENGINE])]
        everyone += [BerthWithPorts(ground, place)] if Berth.binary else []
        yield Row(f"Connections to a published port, {WHERE[place]}", "set-up",
                  SETUP, everyone, first_byte)
        for what, count in (("down", 1), ("up", 1), ("down", 8)):
            yield Row(f"Bytes through a published port, {WHERE[place]}",
                      f"{what} x {count}", STREAM, everyone,
                      lambda p, w=what, n=count:
                          stream(p, w, n, size.stream_bytes))
