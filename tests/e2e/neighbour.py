"""A neighbour with one of everything, and all that gives it away.

Whatever it names has MARK in it; the rest (IDs, addresses, digests) is read
from the engine itself.
"""
import json
import re

from crawl import ordered
from harness import Connection, api
from tarball import tar_of

MARK = "zzq"
NAMESPACE = MARK + "b"
OWN_TAGS = NAMESPACE + ".berth.invalid/"
ANCHORS = NAMESPACE + ".anchor.berth.invalid/"
SUBNET = "10.99.77.0/24"
ADDRESS = "10.99.77.7"
LABELS = {f"{MARK}.label": f"{MARK}-value"}

# What looks like an ID or an address, wherever it is.
TELLING = re.compile(
    r"\b[0-9a-f]{64}\b|\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"
    r"|\b\d{1,3}\.\d{1,3}\.\d{1,3}\.[1-9]\d{0,2}\b")


def send(path, method, target, body, kind="application/x-tar"):
    """A request with bytes for a body; its status and all of the reply."""
    c = Connection(path)
    try:
        c.request(method, target, body, {"Content-Type": kind})
        reply = c.getresponse()
        return reply.status, reply.read()
    finally:
        c.close()


class Neighbour:
    """Furnishes its namespace through BERTH; ENGINE is the engine's socket."""

    def __init__(self, berth, engine):
        self.socket, self.engine = berth.socket, engine
        self.containers, self.execs = [], []
        self.shared = self.look_all()  # was there before
        self.make()
        self.refs = self.all_refs()
        self.few = self.few_refs()

    def call(self, method, target, body=None, **query):
        status, reply = api(self.socket, method, target, body, **query)
        assert status < 300, f"{method} {target}: {status} {reply}"
        return reply

    def make(self):
        self.call("POST", "/networks/create", {
            "Name": MARK + "-net", "Labels": LABELS,
            "IPAM": {"Config": [{"Subnet": SUBNET}]}})
        self.call("POST", "/volumes/create", {
            "Name": MARK + "-vol", "Labels": LABELS})
        self.make_containers()
        self.make_execs()
        self.make_images()

    def container(self, name, network=None, **body):
        labels = {"Labels": LABELS, "Env": [f"ZZQ_ENV={MARK}-secret"]}
        host = {"NetworkMode": network} if network else {}
        made = self.call(
            "POST", "/containers/create" + (f"?name={name}" if name else ""), {
                "Image": "busybox", "Hostname": MARK + "-host", **labels,
                **body, "HostConfig": {**host, **body.get("HostConfig", {})}})
        self.containers.append(made["Id"])
        return made["Id"]

    def make_containers(self):
        net = MARK + "-net"
        say = f"echo {MARK}-said; exec sleep 86400"
        for name, network, command in (
                ("run", net, say), ("alone", None, say), ("stop", None, "exit 3"),
                ("made", None, say), (None, None, say)):
            made = self.container(
                name and f"{MARK}-{name}", network, Cmd=["sh", "-c", command],
                Volumes={f"/{MARK}-anonymous": {}},
                HostConfig={"Binds": [f"{MARK}-vol:/{MARK}"]},
                NetworkingConfig={"EndpointsConfig": {net: {
                    "Aliases": [MARK + "-alias"],
                    "IPAMConfig": {"IPv4Address": ADDRESS}}}}
                if network else {})
            if name != "made":
                self.call("POST", f"/containers/{made}/start")
        stopped = self.containers[2]
        self.call("POST", f"/containers/{stopped}/wait")

    def make_execs(self):
        for _ in range(2):
            made = self.call(
                "POST", f"/containers/{self.containers[0]}/exec",
                {"Cmd": ["sleep", "86400"], "Env": [f"ZZQ_X={MARK}-exec"]})
            self.execs.append(made["Id"])
        self.call("POST", f"/exec/{self.execs[0]}/start", {"Detach": True})

    def make_images(self):
        build = tar_of(Dockerfile="FROM busybox\nENV ZZQ_BUILT=zzq-built\n"
                       f"LABEL {MARK}.label={MARK}-value\n"
                       f"RUN echo {MARK}-layer >/{MARK}\n")
        for target in ("t=zzq-built:1", f"t={MARK}.example.com/built:1"):
            status, reply = send(self.socket, "POST", f"/build?{target}", build)
            assert status == 200 and b"Successfully built" in reply, reply
        self.call("POST", "/commit", {"Labels": LABELS},
                  container=MARK + "-stop", repo=MARK + "-commit", tag="1",
                  comment=MARK + "-comment", author=MARK + "-author")
        self.call("POST", f"/images/{MARK}-commit:1/tag",
                  repo=MARK + "-tagged", tag="2")
        status, reply = send(
            self.socket, "POST",
            f"/images/create?fromSrc=-&repo={MARK}-import&tag=1",
            tar_of(zzq="imported"))
        assert status == 200 and b"error" not in reply, reply

    # ---- what is there, past every berth ----

    def get(self, target):
        status, reply = api(self.engine, "GET", target)
        assert status == 200, f"{target}: {reply}"
        return ordered(reply)

    def look_all(self):
        """Everything on the engine, object by object, by kind and ID."""
        return {
            "container": {c["Id"]: self.get(f"/containers/{c['Id']}/json")
                          for c in self.get("/containers/json?all=1")},
            "network": {n["Id"]: self.get(f"/networks/{n['Id']}")
                        for n in self.get("/networks")},
            "volume": {v["Name"]: v
                       for v in self.get("/volumes")["Volumes"] or []},
            "image": {i["Id"]: self.get(f"/images/{i['Id']}/json")
                      for i in self.get("/images/json")},
        }

    @staticmethod
    def is_own(kind, thing):
        if kind == "image":  # by its names
            return any(t.startswith((OWN_TAGS, ANCHORS))
                       for t in thing["RepoTags"] or [])
        labels = (thing.get("Config") or thing).get("Labels") or {}
        return labels.get("berth.namespace") == NAMESPACE

    def look(self):
        """What is the neighbour's."""
        there = self.look_all()
        mine = {kind: {i: x for i, x in there[kind].items()
                       if self.is_own(kind, x)}
                for kind in there}
        for c in self.containers:
            execs = mine["container"].get(c, {}).get("ExecIDs")
            mine["exec " + c] = {e: self.get(f"/exec/{e}/json")
                                 for e in execs or []}
            mine["changes " + c] = self.get(f"/containers/{c}/changes")
        return mine

    def all_refs(self):
        """Every way to name something of the neighbour's."""
        refs = []
        for kind, things in self.look_all().items():
            for i, thing in things.items():
                if self.is_own(kind, thing):
                    refs += self.refs_of(kind, i, thing)
        for e in self.execs:
            refs += [e, e[:12]]
        refs += [MARK + "-alias", f"{MARK}-run.{MARK}-net", NAMESPACE,
                 f"{NAMESPACE}.", f"{NAMESPACE}.{MARK}-run/{MARK}-alias"]
        return [r for r in dict.fromkeys(refs) if r != "bridge"]

    def few_refs(self):
        """One of each kind and shape, where each costs much."""
        look = self.look()
        named = [next(x for x in look[kind].values()
                      if x["Name"].endswith(f"{MARK}-{name}"))
                 for kind, name in (("container", "run"), ("network", "net"),
                                    ("volume", "vol"))]
        ids = [self.containers[1], named[1]["Id"], self.execs[0],
               next(iter(look["image"])).partition(":")[2]]
        return [*(x["Name"].lstrip("/") for x in named), f"{MARK}-run",
                f"{MARK}-built:1", *ids, *(i[:12] for i in ids[:2]),
                NAMESPACE + "."]

    @staticmethod
    def refs_of(kind, i, thing):
        if kind == "image":
            digest = i.partition(":")[2]
            tags = [t for t in thing["RepoTags"] or [] if MARK in t]
            tags += [t.removeprefix(OWN_TAGS) for t in tags]
            return [i, digest, digest[:12], digest[:7], *tags,
                    *(t.rpartition(":")[0] for t in tags)]
        name = thing["Name"].lstrip("/")
        names = [name, name.partition(".")[2] or name, "/" + name]
        return [*names, *([] if kind == "volume" else [i, i[:12], i[:7]])]

    def secrets(self):
        """Words that nobody else may read."""
        everything = json.dumps(self.look())
        known = json.dumps(self.shared)
        found = set(TELLING.findall(everything))
        found = {s for s in found if s not in known}
        return {MARK, MARK.upper(), *found, *self.execs,
                *(s[:12] for s in found if len(s) == 64)}
