"""What is measured: rows, each for some peers, in sections. A row runs once a
round for each of its peers and gives numbers by name."""
import itertools
import json
import subprocess
import tempfile
import time
from pathlib import Path

from peers import (FAR, NEAR, STAND_IN, ENGINE, BareLoop, Berth, Direct,
                   DockerOverSsh, HaProxy, LinkedBerth, PlainBerth, Relay, Ssh, api,
                   rss_kib)
from harness import Connection

MIB = 1 << 20
GIB = 1 << 30
CONNECTIONS = (1, 10, 100)
SAME_CIPHER = "aes128-ctr"  # as berth takes with libssh2 1.10
BOX = "box"
CREATE = Path(__file__).resolve().parent / "create.json"
HELD = 500
CREATES = 9  # one after the other, of which the middle one counts


class Row:
    """NAME under TITLE, for PEERS, to be held AGAINST one of them; run(peer)
    gives a dict of COLUMNS."""

    def __init__(self, title, name, columns, peers, run, against="ssh -L"):
        self.against = against
        self.title, self.name, self.columns = title, name, columns
        self.peers, self.run = peers, run
        self.samples = {p.name: [] for p in peers}


class Column:
    def __init__(self, key, head, digits, more_is_better=False):
        self.key, self.head, self.digits = key, head, digits
        self.more_is_better = more_is_better


SECONDS = [Column("ms", "ms", 1)]
REQUESTS = [Column("rate", "requests/s", 0, True), Column("p50", "p50 ms", 3),
            Column("p99", "p99 ms", 3), Column("cpu", "CPU us/request", 1)]
TRIPS = [Column("ms", "ms", 1), Column("trips", "round trips", 2)]
BURST = [Column("longest", "all after ms", 1), Column("p50", "p50 ms", 1)]
STREAM = [Column("rate", "MiB/s", 0, True), Column("cpu", "CPU s/GiB", 2),
          Column("sshd", "sshd's s/GiB", 2)]
CLI_STREAM = [Column("rate", "MiB/s", 0, True)]

WHERE = {NEAR: "no delay", FAR: "20 ms round trip"}


def commands(peers, size):
    """docker's own command, from start to exit."""
    each = {
        "docker ps": (3, ["ps"]),
        "docker exec": (1, ["exec", BOX, "true"]),
        "docker run --rm": (1, ["run", "--rm", "busybox", "true"]),
    }

    def run(peer, times, words):
        took = []
        for _ in range(times):
            began = time.monotonic()
            peer.docker(*words)
            took.append((time.monotonic() - began) * 1e3)
        return {"ms": sorted(took)[len(took) // 2]}

    for place in NEAR, FAR:
        for name, (times, words) in each.items():
            yield Row(f"docker's command, {WHERE[place]}", name, SECONDS,
                      peers.commands(place),
                      lambda p, t=times, w=words: run(p, t, w))


def load(peer, size, *args):
    """Requests in a closed loop, ARGS being what bench_load is told of them."""
    before = peer.cpu()
    target, connections, how, *body = args
    r = peer.tool("load", target, connections, size.load_ms, how, *body)
    if r["errors"] or not r["requests"]:
        raise RuntimeError(f"{peer.name}: {r['errors']} bad answers, "
                           f"{r['requests']} good ones: {r['said']}")
    return {"rate": r["requests"] / r["seconds"], "p50": r["p50"],
            "p99": r["p99"],
            "cpu": (peer.cpu() - before) * 1e6 / r["requests"]}


def requests(peers, size):
    """One kind of request over and over, from a closed loop of connections."""

    def rows(title, place, target_of, target, hows, counts):
        for how in hows:
            for n in counts:
                word = {"keep": "kept", "fresh": "new"}[how]
                yield Row(f"GET {target}, {title}, {WHERE[place]}",
                          f"{word} x {n}", REQUESTS, target_of(place),
                          lambda p, n=n, how=how: load(p, size, target, n, how))

    both = ("keep", "fresh")
    inspect = f"/containers/{BOX}/json"
    for place in NEAR, FAR:
        yield from rows("stand-in engine", place, peers.stand_in, "/version",
                        both, CONNECTIONS)
        yield from rows("stand-in engine", place, peers.stand_in, inspect,
                        both if size.full else ["keep"], CONNECTIONS)
        yield from rows("real engine", place, peers.engine, inspect,
                        both if size.full else ["keep"],
                        CONNECTIONS if size.full else (1,))


def creates(peers, size):
    """POST /containers/create with 6 KiB, which berth reads, judges, records
    and writes anew; HAProxy looks at its path. On plain sockets, since HAProxy
    knows no other way; and to an engine over SSH, where `ssh -L` takes HAProxy
    there."""
    target = "/v1.45/containers/create"

    def create(peer, n, body):
        result = load(peer, size, target, n, "keep", body)
        api(peers.ground.env["BED_SOCKET"], "POST", "/containers/prune",
            filters=json.dumps({"label": ["com.docker.compose.label-0"]}))
        return result

    real = peers.ground.dir / "create.json"
    real.write_text(json.dumps({**json.loads(CREATE.read_text()),
                                "Image": "busybox"}))
    for what, engine, body, counts in (
            ("stand-in engine", STAND_IN, CREATE, CONNECTIONS),
            ("real engine", ENGINE, real, (1, 10))):
        everyone = peers.creates(engine)
        for n in counts:
            yield Row(f"Creates of 6 KiB, {what}, plain sockets", f"x {n}",
                      REQUESTS, everyone,
                      lambda p, n=n, body=body: create(p, n, body), "HAProxy")
    for place in NEAR, FAR:
        everyone = peers.creates_over_ssh(place)
        for n in CONNECTIONS:
            yield Row(f"Creates of 6 KiB, stand-in engine over SSH, "
                      f"{WHERE[place]}", f"x {n}", REQUESTS, everyone,
                      lambda p, n=n: create(p, n, CREATE), "HAProxy")
    yield from single_creates(peers)
    yield from run_requests(peers)


def single_creates(peers):
    """One create at a time, in round trips of the relay, which are measured
    beside it: what berth has to ask the engine for, or to make, before."""
    relay, numbers = peers.relay, itertools.count()

    def one(connection, volumes):
        body = {"Image": "busybox", "HostConfig": {
            "Binds": [f"{name}:/mnt/{i}" for i, name in enumerate(volumes)]}}
        began = time.monotonic()
        connection.request(
            "POST", f"/v1.45/containers/create?name=c{next(numbers)}",
            json.dumps(body), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 201:
            raise RuntimeError(f"a create: {reply.status} {text}")
        return (time.monotonic() - began) * 1e3

    def run(peer, volumes):
        trip = relay.round_trip(CREATES)
        if peer is relay:
            return {"ms": trip, "trips": 1}
        connection = Connection(peer.socket)
        one(connection, volumes())
        took = sorted(one(connection, volumes()) for _ in range(CREATES))
        connection.close()
        return {"ms": took[CREATES // 2], "trips": took[CREATES // 2] / trip}

    berths = [p for p in peers.by[FAR, STAND_IN] if isinstance(p, Berth)]
    for name, volumes in (
            ("two new volumes",
             lambda: [f"new-{next(numbers)}" for _ in range(2)]),
            ("nothing new", lambda: ["cache", "data"])):
        yield Row(f"Creates one at a time, stand-in engine over SSH, "
                  f"{WHERE[FAR]}", name, TRIPS, [relay, *berths],
                  lambda p, v=volumes: run(p, v), relay.name)


def run_requests(peers):
    """What `docker run` asks, one after the other and over as many
    connections, in round trips: the container's own time is not in it."""
    relay = peers.relay

    def ask(connection, method, target, body=None, **headers):
        connection.request(method, target, body, headers)
        reply = connection.getresponse()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {target}: {reply.status}")
        return reply

    def once(peer):
        began = time.monotonic()
        first, attached, waiting = (Connection(peer.socket) for _ in range(3))
        ask(first, "HEAD", "/_ping").read()
        made = ask(first, "POST", "/v1.45/containers/create", json.dumps(
            {"Image": "busybox", "HostConfig": {"AutoRemove": True}}),
            **{"Content-Type": "application/json"})
        path = f"/v1.45/containers/{json.loads(made.read())['Id']}"
        ask(attached, "POST", f"{path}/attach?stream=1&stdout=1", None,
            Connection="Upgrade", Upgrade="tcp")
        ask(waiting, "POST", f"{path}/wait?condition=removed")
        ask(first, "POST", f"{path}/start").read()
        took = (time.monotonic() - began) * 1e3
        for connection in first, attached, waiting:
            connection.close()
        return took

    def run(peer):
        trip = relay.round_trip(CREATES)
        if peer is relay:
            return {"ms": trip, "trips": 1}
        once(peer)
        took = sorted(once(peer) for _ in range(CREATES))[CREATES // 2]
        return {"ms": took, "trips": took / trip}

    yield Row(f"docker run's requests, stand-in engine, {WHERE[FAR]}",
              "until it runs", TRIPS, [relay, *peers.by[FAR, STAND_IN]], run,
              relay.name)


def starts(peers, size):
    """From the start of the process to its first answer."""
    for name, everyone in (("on plain sockets", peers.plain()),
                           ("over SSH", peers.own(NEAR))):
        yield Row("From start to the first answer", name, SECONDS, everyone,
                  lambda p: {"ms": p.relaunch() * 1e3})


def bursts(peers, size):
    """100 connections at once, one request on each."""
    for place in NEAR, FAR:
        yield Row(f"100 connections at once, {WHERE[place]}", "GET /version",
                  BURST, peers.stand_in(place),
                  lambda p: p.tool("load", "/version", 100, 0, "fresh"))


def stream(peer, what, name, n, bytes_):
    """Bytes through the peer to the stand-in, which makes and drops them."""
    if isinstance(peer, BareLoop):
        r = peer.stream({"get": "down", "put": "up"}[what], n, bytes_)
        return {"rate": r["bytes"] / r["seconds"] / MIB,
                "cpu": r["cpu"] * GIB / r["bytes"]}
    cpu, sshd = peer.cpu(), peer.sshd_cpu()
    r = peer.tool("flow", what, name, n, bytes_)
    scale = GIB / r["bytes"]
    return {"rate": r["bytes"] / r["seconds"] / MIB,
            "cpu": (peer.cpu() - cpu) * scale,
            "sshd": (peer.sshd_cpu() - sshd) * scale}


def streams(peers, size):
    """One stream, and eight at once."""
    kinds = [("get", "source", "archive down"), ("put", "sink", "archive up"),
             ("pull", "source", "attached down"), ("push", "sink", "attached up")]
    for what, name, say in kinds if size.full else kinds[:2]:
        for n in 1, 8:
            bare = [peers.bare] if what in ("get", "put") else []
            yield Row("Streams to a stand-in engine, no delay",
                      f"{say} x {n}", STREAM,
                      peers.stand_in(NEAR) + peers.same_cipher + bare,
                      lambda p, a=(what, name, n):
                          stream(p, *a, size.stream_bytes))
    for what, name, say in kinds[:2] if size.full else ():
        yield Row("Streams to a stand-in engine, 20 ms round trip",
                  f"{say} x 1", STREAM, peers.stand_in(FAR),
                  lambda p, a=(what, name, 1):
                      stream(p, *a, size.stream_bytes))


def links(peers, size):
    """Eight streams over one link, and over several."""
    for place in NEAR, FAR:
        everyone = peers.with_links(place, 2, 4)
        for what, name, say in (("get", "source", "archive down"),
                                ("put", "sink", "archive up")):
            yield Row(f"Eight streams over several links, {WHERE[place]}",
                      f"{say} x 8", STREAM, everyone,
                      lambda p, a=(what, name, 8):
                          stream(p, *a, size.stream_bytes), "berth")


def engine_streams(peers, size):
    """docker exec to the real engine: docker's own way of moving bytes."""
    bytes_ = size.exec_bytes

    def down(peer):
        peer.docker("exec", BOX, "head", "-c", str(bytes_), "/dev/zero")

    def up(peer):
        with tempfile.TemporaryFile() as f:
            f.truncate(bytes_)
            peer.docker("exec", "-i", BOX, "sh", "-c", "cat >/dev/null", stdin=f)

    def run(peer, move):
        began = time.monotonic()
        move(peer)
        return {"rate": bytes_ / (time.monotonic() - began) / MIB}

    for name, move in ("docker exec, down", down), ("docker exec, up", up):
        yield Row("Streams of docker's command, no delay", name, CLI_STREAM,
                  peers.commands(NEAR), lambda p, m=move: run(p, m))


def memory(ground, kinds):
    """RSS of fresh peers: idle, and with HELD streams that are silent."""
    found = []
    for make in kinds:
        line = {}
        for what in "logs", "attach":
            peer = make()
            peer.tool("load", "/version", 1, 0, "fresh")
            line.update({"peer": peer.name, "idle": rss_kib(peer.pid)})
            line[what], line[f"{what} cpu"] = hold(ground, peer, what)
            line["after"] = rss_kib(peer.pid)
            peer.stop()
        found.append(line)
    return found


def hold(ground, peer, what):
    """HELD streams, and nothing happens: how many KiB does each cost, and how
    many milliseconds of CPU a second do all."""
    idle = rss_kib(peer.pid)
    p = ground.start(
        ground.tool("flow", peer.socket, what, BOX, HELD), "hold.log",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if p.stdout.readline() != "ready\n":
        raise RuntimeError(f"{HELD} x {what} on {peer.name}: "
                           + (ground.dir / "hold.log").read_text())
    cpu, began = peer.cpu(), time.monotonic()
    time.sleep(2)
    cpu = (peer.cpu() - cpu) / (time.monotonic() - began) * 1e3
    each = (rss_kib(peer.pid) - idle) / HELD
    p.stdin.close()
    ground.end(p)
    time.sleep(1)
    return each, cpu


class Peers:
    """All of them, running, by what they can be asked."""

    def __init__(self, ground, with_berth):
        self.ground = ground
        kinds = [Ssh] + ([Berth] if with_berth else [])
        self.by = {(place, target): [kind(ground, place, target)
                                     for kind in kinds]
                   for place in (NEAR, FAR) for target in (ENGINE, STAND_IN)}
        self.direct = {t: Direct(ground, t) for t in (ENGINE, STAND_IN)}
        self.over_ssh = {p: DockerOverSsh(ground, p) for p in (NEAR, FAR)}
        self.same_cipher = [Ssh(ground, NEAR, STAND_IN, SAME_CIPHER)]
        self.bare = BareLoop(ground)
        self.relay = Relay(ground)

    def creates_over_ssh(self, place):
        tunnel, *berths = self.by[place, STAND_IN]
        return [tunnel, HaProxy(self.ground, STAND_IN, tunnel), *berths]

    def own(self, place):
        """Some that may be stopped."""
        berths = [Berth(self.ground, place, STAND_IN)] if Berth.binary else []
        return [Ssh(self.ground, place, STAND_IN), *berths]

    def with_links(self, place, *counts):
        linked = [LinkedBerth(self.ground, place, STAND_IN, n)
                  for n in counts if Berth.binary]
        return self.by[place, STAND_IN] + linked

    def plain(self):
        return [PlainBerth(self.ground, STAND_IN, False)] if Berth.binary else []

    def creates(self, target):
        berths = [PlainBerth(self.ground, target, namespaced)
                  for namespaced in (False, True) if Berth.binary]
        return [self.direct[target], HaProxy(self.ground, target), *berths]

    def behind(self, place, target):
        direct = [self.direct[target]] if place == NEAR else []
        return direct + self.by[place, target]

    def stand_in(self, place):
        return self.behind(place, STAND_IN)

    def engine(self, place):
        return self.behind(place, ENGINE)

    def commands(self, place):
        return self.behind(place, ENGINE) + [self.over_ssh[place]]

    def prepare(self, everyone=None):
        """A container BOX that each of them can see."""
        for peer in everyone or self.engine(NEAR) + self.engine(FAR):
            try:
                peer.docker("inspect", BOX)
            except RuntimeError:
                peer.docker("run", "-d", "--name", BOX, "busybox", "sleep",
                            "99999")
