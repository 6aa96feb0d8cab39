"""Builds by BuildKit: what goes in, what comes out, and one with nothing to
do. Through `ssh -L` the two tunnels of a build pass unread; berth reads each
call, gives names and cache a namespace, and judges."""
import itertools
import os
import threading
import time

from peers import FAR, NEAR
from sections import CLI_STREAM, MIB, SECONDS, WHERE, Row

STEPS = 20
AT_ONCE = 20
PIECE = 1 << 20


def build(peer, where, *words, **how):
    peer.docker("buildx", "build", "--progress", "quiet", *words, str(where),
                timeout=600, **how)


class Context:
    """A directory to build, with LINES for its Dockerfile."""

    def __init__(self, ground, name, *lines):
        self.path = ground.dir / f"context-{name}"
        self.path.mkdir()
        (self.path / "Dockerfile").write_text("\n".join(lines) + "\n")

    def fill(self, bytes_):
        """A file `big` that no build has seen."""
        with (self.path / "big").open("wb") as f:
            for _ in range(bytes_ // PIECE):
                f.write(os.urandom(PIECE))
        return self


def rate(bytes_, began):
    return {"rate": bytes_ / (time.monotonic() - began) / MIB}


def builds(peers, size):
    ground = peers.ground
    bytes_ = size.build_bytes
    steps = Context(ground, "steps", "FROM busybox",
                    *(f"COPY Dockerfile /{n}" for n in range(STEPS)))
    out = Context(ground, "out", "FROM scratch", "COPY big /").fill(bytes_)
    into = Context(ground, "in", "FROM scratch", "COPY big /")
    fresh = itertools.count()

    def upload(peer):
        into.fill(bytes_)  # anew, since BuildKit keeps what it has been sent
        began = time.monotonic()
        build(peer, into.path, "--output", "type=cacheonly", "--build-arg",
              f"N={next(fresh)}")
        return rate(bytes_, began)

    def download(peer):
        with open(os.devnull, "wb") as null:
            began = time.monotonic()
            build(peer, out.path, "--output", "type=tar,dest=-", stdout=null)
            return rate(bytes_, began)

    def cached(peer):
        began = time.monotonic()
        build(peer, steps.path)
        return {"ms": (time.monotonic() - began) * 1e3}

    def many(peer):
        failed = []

        def one():
            try:
                build(peer, steps.path)
            except RuntimeError as e:
                failed.append(e)

        threads = [threading.Thread(target=one) for _ in range(AT_ONCE)]
        began = time.monotonic()
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failed:
            raise failed[0]
        return {"ms": (time.monotonic() - began) * 1e3}

    everyone = peers.engine(NEAR)
    for peer in everyone + peers.engine(FAR):  # what each has in its cache
        cached(peer)
        if peer.place == NEAR:
            download(peer)
    for name, run in (("a new context", upload),
                      ("--output type=tar", download)):
        yield Row(f"Builds of {bytes_ // MIB} MiB, no delay", name, CLI_STREAM,
                  everyone, run)
    for place in NEAR, FAR:
        ways = peers.engine(place)
        yield Row(f"Cached builds, {WHERE[place]}", f"{STEPS} steps", SECONDS,
                  ways, cached)
        if place == NEAR:
            yield Row(f"Cached builds, {WHERE[place]}",
                      f"{AT_ONCE} builds at once", SECONDS, ways, many)
