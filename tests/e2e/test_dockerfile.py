"""Classic builds: what berth makes of a Dockerfile is what the engine would
have read itself, and takes nothing of another runner's."""
import io
import json
import re
import tarfile
import unittest
from urllib.parse import urlencode

from harness import STAND_IN, Connection, TwoRunners, api

FROM = "FROM busybox\n"
# What is built straight on the engine and through berth, and has to come to
# the same: a name, the files of the context, the query.
CORPUS = [
    ("plain", {"Dockerfile": FROM + "RUN echo hi\n"}, {}),
    ("the files of a context", {
        "Dockerfile": FROM + "COPY . /x\nRUN cd /x && find . | sort &&"
        " cat Dockerfile f\n",
        ".dockerignore": "*.md", "f": "text\n", "d/e": ""}, {}),
    ("no .dockerignore", {
        "Dockerfile": FROM + "COPY . /x\nRUN find /x | sort\n"}, {}),
    ("an ignored Dockerfile", {
        "Dockerfile": FROM + "COPY . /x\nRUN find /x | sort\n",
        ".dockerignore": "Docker*\n.docker*"}, {}),
    ("all ignored but one", {
        "File": FROM + "COPY . /x\nRUN find /x | sort\n",
        ".dockerignore": "**\n!f\n!.dockerignore", "f": ""},
     {"dockerfile": "./File"}),
    ("a name in small letters", {"dockerfile": FROM + "RUN echo low\n"}, {}),
    ("both names", {"dockerfile": "FROM no", "Dockerfile": FROM}, {}),
    ("an escape", {"Dockerfile": "# escape=`\nFROM `\n  busybox\n"
                   "RUN echo a`\n  b && echo C:\\\nRUN echo d\n"}, {}),
    ("continuations", {"Dockerfile": "FROM busybox\nRUN echo a \\\n# c\n  b"
                       " \\\n   && echo 'c \\\\'\nRUN echo \\ \t\n e\\\\\n"}, {}),
    ("bytes of Windows", {"Dockerfile": "\ufeff# c\r\nFROM busybox\r\n"
                          "RUN echo a \\\r\n  b\r\n"}, {}),
    ("stages", {"Dockerfile": "FROM busybox AS Base\nRUN echo 1 >/one\n"
                "FROM BASE as two\nRUN echo 2 >/two\nFROM scratch\n"
                "COPY --from=base /one /\nCOPY --from=1 /two /\n"
                "COPY --from=alpine:3.17 /etc/passwd /\n"}, {}),
    ("a target", {"Dockerfile": "FROM busybox AS a\nRUN echo a\n"
                  "FROM alpine AS b\nRUN echo b\nFROM nowhere/such\n"},
     {"target": "B"}),
    ("arguments", {"Dockerfile": "ARG I=busybox\nARG T\nARG J=${I}\n"
                   "FROM ${J}:${T:-latest}\nARG X=1\nRUN echo $I$X\n"
                   "FROM \"$I\"\nFROM al\\pine${V:+x}\n"},
     {"buildargs": '{"T": null, "X": "2"}'}),
    ("arguments given", {"Dockerfile": "ARG I\nFROM $I AS x\nARG I\n"
                         "RUN echo $I\n"},
     {"buildargs": '{"I": "alpine:3.17"}'}),
    ("a proxy", {"Dockerfile": "FROM ${HTTP_PROXY:-no}\n"},
     {"buildargs": '{"HTTP_PROXY": "busybox"}'}),
    ("a platform", {"Dockerfile": "ARG P=linux/amd64\n"
                    "FROM --platform=$P busybox\nRUN echo p\n"}, {}),
    ("small letters", {"Dockerfile": "from busybox as x\nrun echo a\n"
                       "from scratch\ncopy --from=X /bin/busybox /y\n"}, {}),
    ("triggers", {"Dockerfile": "FROM busybox AS a\nONBUILD RUN echo went off\n"
                  "ONBUILD ADD f /\nFROM a\nFROM a\nRUN ls /f\n",
                  "f": ""}, {}),
    ("ADD", {"Dockerfile": "FROM busybox\nENV P=d\nARG F=f\n"
             "ADD $P/$F [abc] /x/\nADD [\"d/f\", \"/y\"]\nRUN ls /x /y\n",
             "d/f": "", "a": ""}, {}),
    ("labels of the query", {"Dockerfile": FROM},
     {"labels": '{"a": "b", "c": "$d"}'}),
    # faults
    ("no Dockerfile", {"f": ""}, {}),
    ("another Dockerfile", {"Dockerfile": FROM}, {"dockerfile": "x/y"}),
    ("an empty one", {"Dockerfile": ""}, {}),
    ("one of comments", {"Dockerfile": "# FROM busybox\n"}, {}),
    ("what is no instruction", {"Dockerfile": "\n\n" + FROM + "FROBNICATE x\n"},
     {}),
    ("no image", {"Dockerfile": "FROM\n"}, {}),
    ("two images", {"Dockerfile": "FROM busybox alpine\n"}, {}),
    ("a name of a stage", {"Dockerfile": "FROM busybox AS 1x\n"}, {}),
    ("nothing in a variable", {"Dockerfile": "FROM $NO\n"}, {}),
    ("a run before", {"Dockerfile": "RUN x\nFROM busybox\n"}, {}),
    ("a stage twice", {"Dockerfile": "FROM busybox AS a\nFROM alpine AS A\n"},
     {}),
    ("a stage of its own", {"Dockerfile": "FROM busybox\nCOPY --from=0 /a /\n"},
     {}),
    ("a variable", {"Dockerfile": "FROM busybox\nARG x=0\nFROM busybox\n"
                    "COPY --from=$x /bin /b\n"}, {}),
    ("a step that fails", {"Dockerfile": FROM + "RUN false\n"}, {}),
    ("a file that is not there", {"Dockerfile": FROM + "COPY a b\n"}, {}),
    ("a target that is not there", {"Dockerfile": FROM}, {"target": "x"}),
    ("an escape that is none", {"Dockerfile": "# escape=x\n" + FROM}, {}),
]


def context(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(data, tarfile.TarInfo):
                member = data
                data = ""
            member.size = len(data.encode())
            tar.addfile(member, io.BytesIO(data.encode()))
    return out.getvalue()


def link(name, to, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def build(sock, files, **query):
    """Build FILES; returns the status and all that was said."""
    c = Connection(sock, 300)
    body = files if isinstance(files, bytes) else context(files)
    c.request("POST", "/v1.41/build?" + urlencode(query), body,
              {"Content-Type": "application/x-tar"})
    reply = c.getresponse()
    text = reply.read().decode()
    c.close()
    if reply.status != 200:
        return reply.status, json.loads(text)["message"] + "\n"
    said = ""
    for line in text.splitlines():
        line = json.loads(line)
        said += line.get("stream", "") + line.get("error", "")
    return 200, said


def essence(status, said):
    """What does not hang on IDs, and on who was first: a step that is in the
    cache runs nothing."""
    said = re.sub(r"(?m)^ ---> (Using cache|Running in \w+|\w{12}|Removed .*)\n",
                  "", said)
    said = said.replace("failed to parse Dockerfile: ", "")
    said = said.replace("parse error on line", "parse error line")  # since 23
    said = re.sub(r"Successfully built \w+\n", "Successfully built\n", said)
    said = re.sub(r"(?m)^Removing intermediate container \w+\n", "", said)
    return said.strip().replace("\r", "")


@unittest.skipIf(STAND_IN, "ssh -L has no namespaces")
class Dockerfiles(TwoRunners):
    policy = {"build": {"arguments": ["*"]},
              "images": {"registries": ["docker.io", "127.0.0.1:5000"]}}
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.straight = self.bed_env["BED_SOCKET"]
        self.mine, self.theirs = self.berth.socket, self.other.socket

    def test_a_corpus_is_read_as_by_the_engine(self):
        for name, files, query in CORPUS:
            with self.subTest(name):
                want = essence(*build(self.straight, files, nocache=1, rm=1,
                                      forcerm=1, **query))
                got = essence(*build(self.mine, files, nocache=1, rm=1,
                                     **query))
                if "Successfully" not in want:
                    # berth looks at all of it before the first step
                    got, want = (x.splitlines()[-1] for x in (got, want))
                self.assertEqual(got, want)

    def refused(self, files, words, **query):
        status, said = build(self.mine, files, **query)
        self.assertRegex(said, words)
        self.assertNotIn("Successfully", said)
        return status

    def test_another_runner_s_image_is_not_there(self):
        status, said = build(
            self.theirs, {"Dockerfile": FROM + "RUN echo secret >/s\n"},
            t="their/app:1", nocache=1)
        self.assertIn("Successfully tagged their/app:1", said)
        full = api(self.theirs, "GET", "/images/their/app:1/json")[1]["Id"]
        for ref in (full, full[7:], full[7:19], full[7:13], full[:20],
                    "their/app:1", "docker.io/their/app:1",
                    "t2.berth.invalid/docker.io/their/app:1"):
            for text in (f"FROM {ref}\nRUN cat /s\n",
                         f"ARG x={ref}\nFROM $x\nRUN cat /s\n",
                         f"FROM \\\n{ref}\nRUN cat /s\n",
                         f"FROM busybox\nCOPY --from={ref} /s /\nRUN cat /s\n",
                         f"FROM busybox AS a\nONBUILD COPY --from={ref} /s /\n"
                         "FROM a\nRUN cat /s\n"):
                with self.subTest(text):
                    status, said = build(self.mine, {"Dockerfile": text})
                    self.assertNotIn("secret", said)
                    self.assertNotIn("Successfully", said)
        # its own runner may
        self.assertIn("secret", build(
            self.theirs, {"Dockerfile": f"FROM {full[7:19]}\nRUN cat /s\n"})[1])

    def test_triggers_of_an_image_do_not_reach_further(self):
        build(self.theirs, {"Dockerfile": FROM + "RUN echo secret >/s\n"},
              t="their/app:2", nocache=1)
        full = api(self.theirs, "GET", "/images/their/app:2/json")[1]["Id"]
        build(self.mine, {"Dockerfile": FROM + f"ONBUILD COPY --from={full}"
                          " /s /\nONBUILD RUN cat /s\n"}, t="mine/trap:1")
        self.refused({"Dockerfile": "FROM mine/trap:1\n"}, "ONBUILD")
        build(self.mine, {"Dockerfile": FROM + "ONBUILD RUN echo went off\n"},
              t="mine/benign:1")
        self.assertIn("went off", build(
            self.mine, {"Dockerfile": "FROM mine/benign:1\n"}, nocache=1)[1])

    def test_a_dockerfile_that_could_be_two_is_refused(self):
        evil = "FROM alpine:3.17\nRUN echo evil\n"
        good = {"Dockerfile": FROM}
        twice = context(good)[:1024] + context({"Dockerfile": evil})
        dotted = context(good)[:1024] + context({"./x/../Dockerfile": evil})
        for name, files, words in (
                ("twice", twice, "is there twice"),
                ("twice, in disguise", dotted, "is there twice"),
                ("a link", {"Dockerfile": link("Dockerfile", "f"), "f": evil},
                 "is a link"),
                ("a hard link", {"f": evil, "Dockerfile":
                                 link("Dockerfile", "f", tarfile.LNKTYPE)},
                 "is a link"),
                ("outside", {**good, "../f": ""}, "outside"),
                ("berth's own", {**good, ".berth.dockerfile": evil},
                 "berth's own"),
                ("heredocs", {"Dockerfile": FROM + "RUN <<E\nFROM alpine\nE\n"},
                 "no heredocs"),
                ("not a tar", b"x" * 2000, "cannot be read")):
            with self.subTest(name):
                self.refused(files, words)
        # written through a link it is another file, and not what is built
        status, said = build(self.mine, {
            **good, "x": link("x", "."), "x/Dockerfile": evil,
            "x/.berth.dockerfile": evil})
        self.assertNotIn("evil", said)

    def test_images_and_addresses_are_judged(self):
        self.refused({"Dockerfile": FROM + "ADD http://127.0.0.1:1/x /\n"},
                     "build.remotes")
        self.refused({"Dockerfile": FROM + "ENV a=ht\nADD ${a}tp://[::1]/x /\n"},
                     "build.remotes")
        self.refused({"Dockerfile": "FROM elsewhere.example/x\n"},
                     "images.registries")
        self.refused({}, "may not fetch", remote="http://127.0.0.1:1/x")

    def test_an_image_is_pulled_for_a_build(self):
        registry = self.bed_env["BED_REGISTRY"]
        name = registry + "/acme/base:1"
        for path in ("/images/busybox/tag?repo=" + registry + "/acme/base&tag=1",
                     "/images/" + name + "/push"):
            c = Connection(self.straight)
            c.request("POST", path, headers={"X-Registry-Auth": "e30="})
            c.getresponse().read()
            c.close()
        api(self.straight, "DELETE", "/images/" + name)
        status, said = build(self.mine, {"Dockerfile": f"FROM {name}\n"
                                         "RUN echo from afar\n"}, nocache=1)
        self.assertIn("from afar", said)
        self.assertIn(f"Step 1/2 : FROM {name}\n", said)
        status, said = build(self.mine, {"Dockerfile": f"FROM {name}\n"
                                         "RUN echo again\n"}, pull=1, nocache=1)
        self.assertIn("again", said)
        self.refused({"Dockerfile": f"FROM {registry}/acme/nothing:1\n"},
                     "could not pull|pull access denied")
        api(self.straight, "DELETE", "/images/" + name)
