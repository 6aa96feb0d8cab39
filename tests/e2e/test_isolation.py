"""What one runner can learn of another's things, or do to them: nothing.

Namespace `zzqb` is filled; another runner then calls everything there is with
every word that it could have heard of."""
import json
import re
import time

from urllib.parse import quote

import crawl
from harness import ADDRESSES, TwoRunners
from neighbour import MARK, NAMESPACE, Neighbour
from tarball import tar_of

MUCH = 1000  # requests; so many at least make a crawl

# What an operation with a name in its path is to do there.
QUERIES = {"ContainerRename": {"name": "evil"}, "ImageTag": {"repo": "evil"}}
BODIES = {
    "ContainerExec": {"Cmd": ["touch", "/evil"]},
    "ContainerUpdate": {"CpuShares": 7},
    "ContainerCopy": {"Resource": "/etc/hostname"},
    "ExecStart": {"Detach": True},
    "NetworkConnect": {"Container": "box"},
    "NetworkDisconnect": {"Container": "box", "Force": True},
    "PutContainerArchive": tar_of(evil="x"),
}


def naming(ref):
    """Requests with REF in the query or the body: what, target, body."""
    for host in ({"NetworkMode": ref}, {"NetworkMode": "container:" + ref},
                 {"PidMode": "container:" + ref}, {"VolumesFrom": [ref]},
                 {"IpcMode": "container:" + ref}, {"Links": [ref + ":x"]},
                 {"Binds": [ref + ":/x"]},
                 {"Mounts": [{"Type": "volume", "Source": ref,
                              "Target": "/x"}]}):
        yield f"ContainerCreate {host}", "/containers/create", {
            "Image": "busybox", "Cmd": ["true"], "HostConfig": host}
    yield "ContainerCreate on a network", "/containers/create", {
        "Image": "busybox", "Cmd": ["true"],
        "NetworkingConfig": {"EndpointsConfig": {ref: {}}}}
    yield "ContainerCreate of an image", "/containers/create", {"Image": ref}
    for how in "connect", "disconnect":
        yield how, f"/networks/mine/{how}", {"Container": ref, "Force": True}
    word = quote(ref, safe="")
    yield "ImageCommit", f"/commit?repo=evil&container={word}", None
    yield "ContainerCreate by that name", f"/containers/create?name={word}", {
        "Image": "busybox"}
    yield "NetworkCreate by that name", "/networks/create", {"Name": ref}
    yield "VolumeCreate by that name", "/volumes/create", {"Name": ref}


def forging(key):
    """Requests that set our label: target, body."""
    labels = {key: NAMESPACE}
    yield "/containers/create", {"Image": "busybox", "Labels": labels}
    yield "/containers/create", {"Image": "busybox", "HostConfig": {"Mounts": [
        {"Type": "volume", "Source": "vol", "Target": "/v",
         "VolumeOptions": {"Labels": labels}}]}}
    yield "/networks/create", {"Name": "evil", "Labels": labels}
    yield "/volumes/create", {"Name": "evil", "Labels": labels}
    yield "/commit?container=done", {"Labels": labels}
    yield "/build?labels=" + quote(json.dumps(labels)), None


def twin(ref, there):
    """A word like REF that names nothing, and is as long."""
    head, digits = re.fullmatch("(/|sha256:|)(.*)", ref).groups()
    if not re.fullmatch("[0-9a-f]{4,64}", digits):
        other = ref.replace(MARK, "yyp")
        return other if other != ref else "yyp" + ref[3:]
    for by in range(1, 16):
        other = "".join(f"{(int(d, 16) + by) % 16:x}" for d in digits)
        if other not in there:
            return head + other
    raise AssertionError(f"something is called like {ref} in all ways")


class Isolation(TwoRunners):
    # bodies are tried that make a network each
    policy = {**ADDRESSES, "limits": {"networks": 500}}
    other_namespace = NAMESPACE

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.since = int(time.time()) - 1
        cls.neighbour = Neighbour(cls.other, cls.bed_env["BED_SOCKET"])
        cls.then = {"since": str(cls.since), "until": str(int(time.time()) + 1)}

    def setUp(self):
        super().setUp()
        self.crawler = crawl.Crawler(self.berth.socket)
        self.addCleanup(self.crawler.close)
        self.secrets = sorted(self.neighbour.secrets())
        self.there = json.dumps(self.neighbour.look_all())
        self.wrong = []

    def note(self, what):
        self.wrong.append(what)
        if len(self.wrong) > 8:
            self.report()

    def report(self):
        if self.wrong:
            self.fail("\n" + "\n".join(self.wrong))

    def check_silent(self, asked, reply):
        """REPLY has no word of the neighbour's but what was ASKED."""
        text = reply.text
        if "\0" in text:  # an archive: a compressed layer may hold any word
            text = "\n".join(re.findall(r"[ -~]{8,}", text))
        for secret in self.secrets:
            at = text.find(secret)
            if at >= 0 and secret not in asked:
                self.note(f"{asked}: shows {secret}: "
                          f"{text[max(0, at - 200):at + 80]!r}")
                return

    def check_alike(self, asked, ref, ask):
        """ASK(REF) is answered as it is for a word that names nothing."""
        other = twin(ref, self.there)
        mine, theirs = ask(ref), ask(other)
        if mine.status == theirs.status == 201:
            return  # something of one's own was made, twice
        self.check_silent(f"{asked} {ref}", mine)
        a, b = mine.about(ref), theirs.about(other)
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y),
                      min(len(a), len(b)))
            at = max(0, at - 40)
            self.note(f"{asked} {ref} ({mine.status}, {theirs.status}): "
                      f"{a[at:at + 120]!r} but {b[at:at + 120]!r}")

    def furnish(self):
        """Things of one's own; returns what they are called."""
        self.docker("network", "create", "mine")
        self.docker("build", "-q", "-t", "mine:1", "-", DOCKER_BUILDKIT="0",
                    input=b"FROM busybox\nRUN touch /mine\n")
        box = self.docker("run", "-d", "--name", "box", "--network", "mine",
                          "-v", "mine:/m", "mine:1", "sleep", "86400")
        self.docker("run", "--name", "done", "busybox", "true")
        made = self.api("POST", f"/containers/{box}/exec", {"Cmd": ["true"]})
        return ["box", box, box[:12], "done", made["Id"], "mine", "bridge",
                "host", "none", "mine:1", "busybox"]

    def test_nothing_of_a_neighbour_is_shown(self):
        own = self.furnish()
        for op in crawl.operations():
            if op.mutates or op.name == "ContainerWait":
                continue
            fixed = self.then if op.name == "SystemEvents" else {}
            for ref in own if op.takes_ref else [""]:
                self.check_silent(op.name, self.crawler.ask(
                    op.method, op.target(ref, **fixed)))
        self.report()

    def test_there_is_something_to_be_shown(self):
        """Past berth, the same crawl finds it; else this would prove little."""
        direct = crawl.Crawler(self.bed_env["BED_SOCKET"])
        self.addCleanup(direct.close)
        shown = set()
        for target in ("/containers/json?all=1", "/networks", "/volumes",
                       "/images/json", "/system/df"):
            self.wrong = []
            self.check_silent(target, direct.ask("GET", target))
            shown.update([target] if self.wrong else [])
        self.assertEqual(len(shown), 5, shown)

    def test_what_is_another_s_is_answered_like_what_is_not_there(self):
        for op in crawl.operations():
            if op.mutates or not op.takes_ref or op.asks_registry:
                continue
            for ref in self.neighbour.refs:
                self.check_alike(op.name, ref, lambda r: self.crawler.ask(
                    op.method, op.target(r)))
        self.assertGreater(self.crawler.count, MUCH)
        self.report()

    def test_no_filter_finds_another_s(self):
        self.furnish()
        every = {"ContainerList": {"all": "1"}, "ImageList": {"all": "1"},
                 "SystemEvents": self.then}
        for op in crawl.operations():
            fixed = every.get(op.name, {})
            for key in crawl.FILTERS.get(op.name, []):
                for ref in [*self.neighbour.refs, MARK + ".label",
                            f"{MARK}.label={MARK}-value"]:
                    self.try_filter(op, key, ref, fixed)
            for key in set(op.query) & crawl.NAMING - set(fixed):
                for ref in self.neighbour.refs:
                    self.check_alike(
                        f"{op.name} {key}", ref, lambda r: self.crawler.ask(
                            op.method, op.target("", **fixed, **{key: r})))
        self.assertGreater(self.crawler.count, MUCH)
        self.report()

    def try_filter(self, op, key, ref, fixed):
        n = len(ref) % 2  # of both encodings, one each
        self.check_alike(f"{op.name} {key}", ref, lambda r: self.crawler.ask(
            op.method, op.target("", **fixed, filters=list(
                crawl.filters(key, r))[n])))


    # ---- changing ----

    def check_unchanged(self, before):
        after = self.neighbour.look()
        for kind in sorted(before.keys() | after.keys()):
            self.assertEqual(before.get(kind), after.get(kind), kind)

    def test_no_path_reaches_another_s(self):
        self.furnish()
        before = self.neighbour.look()
        for op in crawl.operations():
            for ref in self.neighbour.refs if op.mutates and op.takes_ref \
                    else ():
                self.check_alike(op.name, ref, lambda r: self.crawler.ask(
                    op.method, op.target(r, **QUERIES.get(op.name, {})),
                    BODIES.get(op.name)))
        self.assertGreater(self.crawler.count, MUCH)
        self.report()
        self.check_unchanged(before)

    def test_no_body_reaches_another_s(self):
        self.furnish()
        before = self.neighbour.look()
        for ref in self.neighbour.few:
            for what, target, body in naming(ref):
                self.check_alike(what, ref, lambda r: self.crawler.ask(
                    "POST", target.replace(quote(ref, safe=""),
                                           quote(r, safe="")),
                    json.dumps(body).replace(ref, r).encode()))
        self.report()
        self.check_unchanged(before)

    def test_no_forged_label_is_taken(self):
        self.furnish()
        before = self.neighbour.look()
        for key in ("berth.namespace", "Berth.Namespace", "berth.added"):
            for target, body in forging(key):
                reply = self.crawler.ask("POST", target, body)
                if reply.status != 403:
                    self.note(f"{key} {target}: {reply.text[:300]!r}")
        self.report()
        for text in ("FROM busybox\nLABEL berth.namespace=zzqb\n",
                     "FROM busybox\nLABEL berth.namespace zzqb\n"
                     "ONBUILD LABEL berth.namespace=zzqb\n"):
            reply = self.crawler.ask(
                "POST", "/build?t=evil:1", tar_of(Dockerfile=text),
                {"Content-Type": "application/x-tar"})
            self.assertIn("Successfully built", reply.text)
        for change in ("LABEL berth.namespace=zzqb", "ENV a=b\nLABEL "
                       "berth.namespace=zzqb"):
            self.crawler.ask("POST", "/commit?container=done&repo=evil2&"
                             "changes=" + quote(change))
            self.crawler.ask("POST", "/images/create?fromSrc=-&repo=evil3&"
                             "changes=" + quote(change), tar_of(evil="x"),
                             {"Content-Type": "application/x-tar"})
        self.check_unchanged(before)

    def test_a_tag_of_another_s_stays_where_it_is(self):
        self.furnish()
        before = self.neighbour.look()
        tags = [r for r in self.neighbour.refs
                if re.search(":[12]$", r) and not r.startswith(NAMESPACE)]
        self.assertGreater(len(tags), 3)
        for ref in tags:
            repo, _, tag = ref.rpartition(":")
            name = f"repo={repo}&tag={tag}"
            self.crawler.ask("POST", f"/images/create?fromImage={repo}"
                             f"&tag={tag}")
            for target in (f"/images/mine:1/tag?{name}",
                           f"/images/busybox/tag?{name}",
                           f"/commit?container=done&{name}"):
                reply = self.crawler.ask("POST", target)
                self.assertEqual(reply.status, 201, f"{target} {reply.text}")
            for target in (f"/build?t={ref}", f"/build?t=mine:2&t={ref}",
                           f"/images/create?fromSrc=-&{name}"):
                reply = self.crawler.ask(
                    "POST", target, tar_of(Dockerfile="FROM busybox\n"
                                           f"ENV a={target}\n"),
                    {"Content-Type": "application/x-tar"})
                self.assertEqual(reply.status, 200, f"{target} {reply.text}")
                self.assertNotIn("errorDetail", reply.text)
            # and it is one's own that is gone
            self.assertEqual(self.crawler.ask(
                "DELETE", f"/images/{ref}?force=1").status, 200)
        self.check_unchanged(before)

    def test_no_prune_goes_too_far(self):
        before = self.neighbour.look()
        everywhere = [{}, {"label": [f"{MARK}.label"]},
                      {"label!": ["berth.namespace=t1"]},
                      {"label!": ["x=y"]}, {"all": ["1"]},
                      {"dangling": ["false"]}]
        for what in ("containers", "networks", "volumes", "images"):
            for each in everywhere:
                self.crawler.ask("POST", f"/{what}/prune?filters="
                                 + quote(json.dumps(each)))
        self.crawler.ask("POST", "/build/prune?all=1")
        self.check_unchanged(before)
