"""What namespaces cost: 30 containers of one's own among 300 of others, who
share the engine. What berth shows is asked of the others' ways with a filter
for the label, so that all carry the same answer; and a small Go proxy, which
decodes, filters and encodes, does by itself what berth does."""
import json
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from peers import ENGINE, NEAR, Berth, Process, api
from sections import REQUESTS, SECONDS, Row, load

OWN, FOREIGN = 30, 300
GO = "Go proxy"
TITLE = f"{OWN} containers among {OWN + FOREIGN}"
SOURCE = Path(__file__).resolve().parent / "filter_proxy.go"


class GoProxy(Process):
    """Behind an `ssh -L`, as berth is its own."""

    def __init__(self, ground, ssh, namespace):
        self.namespace = namespace
        self.program = ground.dir / "filter_proxy"
        self.engine = ssh.socket
        subprocess.run(["go", "build", "-o", self.program, SOURCE], check=True,
                       env={"PATH": "/usr/bin:/bin", "GO111MODULE": "off",
                            "HOME": str(ground.dir),
                            "GOCACHE": str(ground.dir / "go")})
        super().__init__(ground, GO, NEAR, ENGINE)

    def argv(self, target):
        return [self.program, self.socket, self.engine, self.namespace]


def create(socket, name, labels):
    status, reply = api(socket, "POST", f"/containers/create?name={name}", {
        "Image": "busybox", "Cmd": ["sleep", "99999"], "Env": ["A=b", "C=d"],
        "Labels": {"com.docker.compose.project": "app",
                   "com.docker.compose.service": name, **labels}})
    if status != 201:
        raise RuntimeError(f"{name}: {status} {reply}")
    return reply["Id"]


def furnish(engine, berth):
    """The events of the last that are made are those an engine remembers."""
    for n in range(FOREIGN):
        create(engine, f"other.own-{n}", {"berth.namespace": "other"})
    _, there = api(berth, "GET", "/containers/json?all=1")
    for n in range(OWN - len(there)):  # other sections have a container, too
        create(berth, f"own-{n}", {})


def targets(peer, namespace, since, until):
    """What to ask PEER for: each the same answer."""
    label = [] if isinstance(peer, Berth) else [f"berth.namespace={namespace}"]
    name = "own-7" if isinstance(peer, Berth) else f"{namespace}.own-7"

    def filtered(target, **filters):
        if label:
            filters["label"] = label
        text = quote(json.dumps(filters))
        return f"{target}&filters={text}" if filters else target

    listed = "/containers/json?all=1"
    return {
        "list": listed if peer.name == GO else filtered(listed),
        "inspect": f"/containers/{name}/json",
        "events": filtered(f"/events?since={since}&until={until}",
                           type=["container"]),
    }


def words(peer, namespace, since, until):
    """The same as commands."""
    is_berth = isinstance(peer, Berth)
    label = [] if is_berth else ["--filter", f"label=berth.namespace={namespace}"]
    return {
        "ps": ["ps", "-a", *label],
        "inspect": ["inspect", "own-7" if is_berth else f"{namespace}.own-7"],
        "events": ["events", "--since", str(since), "--until", str(until),
                   "--filter", "type=container", *label],
    }


def check_answer(peer, target):
    """All that is compared has the same containers in it."""
    status, reply = api(peer.socket, "GET", target)
    if status != 200 or len(reply) != OWN:
        raise RuntimeError(f"{peer.name}: {status}, {len(reply)} containers")


def namespaces(peers, size):
    ground = peers.ground
    ways = peers.engine(NEAR)
    ssh = next(p for p in ways if p.name == "ssh -L")
    berth = next((p for p in ways if isinstance(p, Berth)), None)
    if not berth:
        return
    since = int(time.time())
    furnish(ground.run_dir / ENGINE, berth.socket)
    until = int(time.time()) + 1
    time.sleep(1.1)  # until then, events would wait for more
    asked = {p.name: targets(p, berth.namespace, since, until) for p in ways}
    for peer in ways:
        check_answer(peer, asked[peer.name]["list"])

    def command(peer, what):
        began = time.monotonic()
        peer.docker(*words(peer, berth.namespace, since, until)[what])
        return {"ms": (time.monotonic() - began) * 1e3}

    for what in "ps", "inspect", "events":
        yield Row(f"docker's command, {TITLE}", f"docker {what}", SECONDS,
                  ways, lambda p, what=what: command(p, what))
    for what in "list", "inspect", "events":
        for n in (1, 10):
            yield Row(f"Requests, {TITLE}", f"{what} x {n}", REQUESTS, ways,
                      lambda p, what=what, n=n:
                          load(p, size, asked[p.name][what], n, "keep"))
    if not shutil.which("go"):
        print("without Go (golang-go) there is no proxy to compare with")
        return
    go = GoProxy(ground, ssh, berth.namespace)
    asked[GO] = targets(go, berth.namespace, since, until)
    check_answer(go, asked[GO]["list"])
    for n in (1, 10):
        yield Row(f"Lists against a proxy that filters, {TITLE}",
                  f"list x {n}", REQUESTS, [go, berth],
                  lambda p, n=n: load(p, size, asked[p.name]["list"], n,
                                      "keep"), GO)
