"""How the cost of lists and events grows with what the engine has, and with what
is the runner's own; and what more listeners in one process cost. The engine is a
stand-in that makes up as many containers and images as it is told to."""
import http.client
import json
import socket
import time

from peers import Berth, Direct, PlainBerth, rss_kib
from sections import REQUESTS, Column, Row, load

OWN = (30, 300)
OTHERS = (0, 1000, 5000)  # containers, or events, of another namespace
IMAGES = (100, 1000, 10000)
LISTENERS = (1, 64)
LISTS = [Column("ms", "ms", 1), Column("cpu", "CPU ms", 1),
         Column("kib", "KiB that came", 0), Column("rss", "RSS MiB", 1)]
GROWN = [*REQUESTS, Column("rss", "RSS MiB", 1)]


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def fetch(peer, target):
    before, began = peer.cpu(), time.monotonic()
    c = Connection(peer.socket)
    c.request("GET", target)
    reply = c.getresponse()
    body = reply.read()
    c.close()
    if reply.status != 200:
        raise RuntimeError(f"{peer.name}: {reply.status} {body[:200]}")
    return {"ms": (time.monotonic() - began) * 1e3,
            "cpu": (peer.cpu() - before) * 1e3, "kib": len(body) / 1024,
            **({"rss": rss_kib(peer.pid) / 1024} if peer.pid else {})}


class Listeners(PlainBerth):
    """A namespace each for COUNT listeners of one process."""

    def __init__(self, ground, target, count):
        self.count = count
        super().__init__(ground, target, True)
        self.name = f"berth, {count} listeners"

    def argv(self, target):
        argv = super().argv(target)
        for n in range(1, self.count):
            policy = self.policy(target)
            policy["namespace"] += f"n{n}"
            policy["listen"]["path"] = str(self.where / f"s{n}")
            (self.where / f"policy{n}").write_text(json.dumps(policy))
            argv += ["--policy", self.where / f"policy{n}"]
        return argv


def stand_in(ground, own, others, images):
    """An engine that has so many; returns the name of its socket."""
    target = f"scale-{own}-{others}-{images}.sock"
    ground.start_reader("stand_in", ground.run_dir / target, own, others, images)
    return target


def engine(ground, *amounts):
    """Who asks an engine that has so many."""
    target = stand_in(ground, *amounts)
    berths = [PlainBerth(ground, target, True)] if Berth.binary else []
    return [Direct(ground, target), *berths]


def filtered(peer, target, namespace):
    """As berth asks for the runner's own."""
    if isinstance(peer, Berth):
        return target
    return (f"{target}&filters=%7B%22label%22%3A%5B%22berth.namespace%3D"
            f"{namespace}%22%5D%7D")


def scale(peers, size):
    ground = peers.ground
    for own in OWN:
        for others in OTHERS:
            ways = engine(ground, own, others, 0)
            yield Row("GET /containers/json?all=1, stand-in engine",
                      f"{own} own, {others} of others", LISTS, ways,
                      lambda p: fetch(p, filtered(p, "/containers/json?all=1",
                                                  "bench")), "unix socket")
    for images in IMAGES:
        yield Row("GET /images/json, stand-in engine", f"{images} shared", LISTS,
                  engine(ground, 0, 0, images),
                  lambda p: fetch(p, "/images/json"), "unix socket")
    for others in OTHERS[1:]:
        yield Row("GET /events, all of another namespace, stand-in engine",
                  f"{others} events", LISTS, engine(ground, 0, others, 0),
                  lambda p: fetch(p, "/events?since=1&until=2"), "unix socket")
    if not Berth.binary:
        return

    def grown(peer):
        return {**load(peer, size, "/version", 10, "keep"),
                "rss": rss_kib(peer.pid) / 1024}

    target = stand_in(ground, 0, 0, 0)
    many = [Listeners(ground, target, n) for n in LISTENERS]
    yield Row("GET /version through one of many listeners", "kept x 10", GROWN,
              many, grown, many[0].name)
