"""What people do with BuildKit, through berth: each flow with the outcome that
an engine of one's own has, and nothing of berth in what it prints."""
import io
import json
import os
import re
import signal
import tarfile
import time
import unittest

from harness import Berth, Scenario, api
from tarball import tar_of

# what the engine calls a runner's things
LEAK = rb"berth\.invalid|\bt1\."
APP = "FROM busybox\nCOPY file /file\nCMD cat /file\n"


def contents(archive):
    """The files of a tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {e.name.removeprefix("./"): tar.extractfile(e).read()
                for e in tar if e.isfile()}


def objects(text):
    """JSON objects one after the other, on a line each or on several."""
    found, at = [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        one, at = json.JSONDecoder().raw_decode(text, at)
        found.append(one)
    return found


class BuildFlows(Scenario):
    engines = ("26.1", "next", "next-graph")
    policy = {"build": {"remotes": ["**"]}}

    def setUp(self):
        super().setUp()
        # each engine with the Buildx and Compose of its time
        self.is_new = self.bed_env["BED_ENGINE"].startswith("next")
        self.cli = "docker-next" if self.is_new else "docker-26.1"
        self.has_containerd = self.bed_env["BED_ENGINE"] == "next"
        self.addCleanup(self.docker_result, "builder", "prune", "-af")

    def write(self, **files):
        for name, text in files.items():
            path = self.dir / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def buildx(self, *words, **how):
        r = self.run_client(self.cli, "buildx", *words, **how)
        self.assertEqual(r.rc, 0, (words, r))
        self.assertNotRegex(r.out + r.err, LEAK)
        return r

    def build(self, *words, **how):
        return self.buildx("build", *words, **how)

    def run_app(self, tag):
        return self.docker("run", "--rm", tag)

    def test_stages_arguments_and_ignored_files(self):
        self.write(file="of the context\n", hidden="no\n", Dockerfile="""\
ARG BASE=busybox
FROM $BASE AS one
COPY . /all/
RUN <<EOF
ls /all >/list
EOF
FROM one AS two
RUN exit 1
FROM alpine:3.17
COPY --from=one /list /list
COPY --from=busybox /bin/busybox /b
CMD cat /list
""")
        (self.dir / ".dockerignore").write_text(
            "hidden\n" + "".join(f"no-{n}/**/x*\n" for n in range(3000)))
        r = self.build("-t", "app:1", ".")
        self.assertIn(b"naming to docker.io/library/app:1", r.err)
        self.assertEqual(self.run_app("app:1").split(), ["Dockerfile", "file"])
        self.build("-t", "app:one", "--target", "one", "--build-arg",
                   "BASE=alpine:3.17", ".")
        self.assertEqual(self.docker("run", "--rm", "app:one", "cat", "/list"),
                         "Dockerfile\nfile")

    def test_identities_agree(self):
        self.write(file="a\n", Dockerfile=APP)
        out = self.build("-q", "--iidfile", "iid", "--metadata-file", "meta",
                         "-t", "app:1", ".").text
        image = (self.dir / "iid").read_text()
        self.assertEqual(out, image)
        meta = json.loads((self.dir / "meta").read_text())
        self.assertEqual(meta["image.name"], "docker.io/library/app:1")
        self.assertIn(image, (meta["containerimage.digest"],
                              meta.get("containerimage.config.digest")))
        self.assertEqual(self.docker("image", "inspect", "-f", "{{.Id}}",
                                     "app:1"), image)
        told = self.build("--progress", "rawjson", "-t", "app:2", ".").err
        names = {v["name"] for row in objects(told.decode())
                 for v in row.get("vertexes", ())}
        self.assertIn("[1/2] FROM docker.io/library/busybox", {
            re.sub("(:latest)?(@sha256:.*)?$", "", n) for n in names})

    def test_a_base_of_one_s_own(self):
        self.write(file="a\n", Dockerfile=APP,
                   Dockerfile_b="FROM app\nRUN echo more >>/file\n")
        self.build("-t", "app", ".")
        self.build("-t", "app:b", "-f", "Dockerfile.b", ".")
        self.assertEqual(self.run_app("app:b"), "a\nmore")

    def test_secrets_go_where_they_are_asked_for(self):
        self.write(key="zzsecret", Dockerfile="""\
FROM busybox
RUN --mount=type=secret,id=a,required=true --mount=type=secret,id=b \\
    wc -c </run/secrets/a >/n && wc -c </run/secrets/b >>/n
CMD cat /n
""")
        self.build("-t", "app:1", "--secret", "id=a,src=key", "--secret",
                   "id=b,env=KEY", ".", KEY="zzsecretsecret")
        self.assertEqual(self.run_app("app:1").split(), ["8", "14"])
        self.assertNotIn("zzsecret", json.dumps(self.berth.audit()))
        r = self.docker_result("buildx", "build", "--no-cache", ".")
        self.assertNotEqual(r.rc, 0)

    def test_ssh_is_the_client_s_agent(self):
        agent = self.start("ssh-agent", "-D", "-a", self.dir / "agent")
        while not (self.dir / "agent").exists():
            self.assertIsNone(agent.poll())
            time.sleep(0.01)
        self.ok("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "id")
        env = {"SSH_AUTH_SOCK": str(self.dir / "agent")}
        self.ok("ssh-add", "id", **env)
        self.write(Dockerfile="""\
FROM busybox
RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo there >/there
CMD cat /there
""")
        self.build("-t", "app:1", "--ssh", "default", ".", **env)
        self.assertEqual(self.run_app("app:1"), "there")

    def test_results_in_files(self):
        self.write(file="a\n", Dockerfile="FROM scratch\nCOPY file /d/file\n")
        self.build("-o", "out", ".")
        self.assertEqual((self.dir / "out/d/file").read_text(), "a\n")
        self.assertEqual(contents(self.build("-o", "-", ".").out)["d/file"],
                         b"a\n")
        self.build("-o", "type=tar,dest=out.tar", ".")
        self.assertEqual(
            contents((self.dir / "out.tar").read_bytes())["d/file"], b"a\n")
        if self.has_containerd:
            self.build("-t", "app:1", "-o", "type=docker,dest=image.tar", ".")
            image = contents((self.dir / "image.tar").read_bytes())
            self.assertIn("app:1", image["manifest.json"].decode())
            self.assertIn("Loaded image", self.docker("load", "-i", "image.tar"))
            self.build("-t", "app:1", "-o", "type=oci,dest=oci.tar", ".")
            self.assertIn("index.json",
                          contents((self.dir / "oci.tar").read_bytes()))

    def test_a_cache_in_the_image_and_in_a_registry(self):
        name = self.bed_env["BED_REGISTRY"] + "/flows/cached:1"
        self.write(file="a\n", Dockerfile="FROM busybox\nCOPY file /\n"
                   "RUN date +%N >/when\nCMD cat /when\n")
        self.build("-t", name, "--cache-to", "type=inline", "--push", ".")
        before = self.run_app(name)
        self.docker("rmi", name)
        self.docker("builder", "prune", "-af")
        self.build("-t", name, "--cache-from", f"type=registry,ref={name}", ".")
        self.assertEqual(self.run_app(name), before)
        if self.has_containerd:
            cache = self.bed_env["BED_REGISTRY"] + "/flows/cache:1"
            self.build("--cache-to", f"type=registry,ref={cache}", ".")
            self.build("--cache-to", "type=local,dest=kept", ".")
            self.assertTrue((self.dir / "kept/index.json").exists())
            self.build("--cache-from", "type=local,src=kept", "--cache-from",
                       f"type=registry,ref={cache}", ".")

    def test_a_push_is_what_was_built(self):
        name = self.bed_env["BED_REGISTRY"] + "/flows/pushed:1"
        self.write(file="pushed\n", Dockerfile=APP)
        self.build("-t", name, "--push", "--metadata-file", "meta", ".")
        self.docker("rmi", name)
        self.assertEqual(self.run_app(name), "pushed")
        if self.has_containerd:
            self.build("-t", name, "--push", "--annotation", "a=b", ".")

    def test_bake(self):
        self.write(file="a\n", Dockerfile=APP, sub__file="sub\n",
                   **{"docker-bake_hcl": """\
group "default" { targets = ["app", "many", "on"] }
variable "TAG" { default = "1" }
target "app" { tags = ["app:${TAG}"] }
target "many" {
  name = "many-${n}"
  matrix = { n = ["x", "y"] }
  args = { N = n }
  tags = ["many:${n}"]
}
target "on" {
  contexts = { base = "target:app", files = "sub" }
  dockerfile-inline = "FROM base\\nCOPY --from=files file /sub\\nCMD cat /sub"
  tags = ["on:${TAG}"]
}
"""})
        printed = json.loads(self.buildx("bake", "--print").out)
        self.assertEqual(sorted(printed["target"]),
                         ["app", "many-x", "many-y", "on"])
        self.buildx("bake", "--set", "app.args.X=1", TAG="7")
        self.assertEqual(self.run_app("on:7"), "sub")
        self.assertEqual(self.run_app("many:y"), "a")

    def test_contexts_that_are_no_directory(self):
        self.write(file="a\n", Dockerfile=APP, more__f="more\n")
        self.build("-t", "app:tar", "-", input=tar_of(Dockerfile=APP, file="a"))
        self.assertEqual(self.run_app("app:tar"), "a")
        self.build("-t", "app:stdin", "-", input=b"FROM busybox\nCMD echo in\n")
        self.assertEqual(self.run_app("app:stdin"), "in")
        self.build("-t", "app:f", "-f", "-", ".", input=APP.encode())
        self.build("-t", "app:named", "--build-context", "x=more",
                   "--build-context", "nothing=docker-image://alpine:3.17",
                   "-f", "-", ".", input=b"FROM nothing\nCOPY --from=x f /f\n"
                   b"CMD cat /f\n")
        self.assertEqual(self.run_app("app:named"), "more")

    def test_questions_to_the_frontend(self):
        self.write(file="a\n", Dockerfile="FROM busybox\nARG X=1\nCOPY file /\n")
        if not self.is_new:
            self.skipTest("Buildx 0.13 has none")
        told = json.loads(self.build("--call=outline,format=json", ".").out)
        self.assertIn("X", [a["name"] for a in told["args"]])
        self.assertIn(b"no warnings",
                      self.build("--check", ".").out.lower())

    def test_a_builder_in_a_container_is_refused_by_its_rule(self):
        # what it would be made of; no registry is asked for more
        self.docker("tag", "busybox", "moby/buildkit:buildx-stable-1")
        self.write(Dockerfile="FROM busybox\n")
        self.buildx("create", "--name", "apart", "--driver", "docker-container")
        self.addCleanup(self.run_client, self.cli, "buildx", "rm", "apart")
        r = self.run_client(self.cli, "buildx", "build", "--builder", "apart", ".")
        self.assertNotEqual(r.rc, 0)
        self.assertIn(b"set container.privileged to true in the policy", r.err)
        # asks registries itself, and the engine for nothing
        r = self.run_client(self.cli, "buildx", "imagetools", "inspect",
                            "127.0.0.1:9/app:1")
        self.assertIn(b"connection refused", r.err)

    def test_attestations(self):
        if not self.has_containerd:
            self.skipTest("graph drivers keep none")
        self.write(file="a\n", Dockerfile=APP)
        self.build("-t", "app:1", "--provenance=mode=max", "--metadata-file",
                   "meta", ".")
        text = (self.dir / "meta").read_text()
        self.assertIn("buildx.build.provenance", text)
        self.assertIn("pkg:docker/busybox@latest", text)

    def test_histories_and_disk_usage(self):
        self.write(file="a\n", Dockerfile=APP)
        self.build("-t", "app:1", "--metadata-file", "meta", ".")
        ref = json.loads((self.dir / "meta").read_text())["buildx.build.ref"]
        self.assertIn("default", self.buildx("ls").text)
        self.assertIn("Platforms", self.buildx("inspect", "--bootstrap").text)
        self.buildx("du")
        self.buildx("prune", "-f")
        if self.is_new:
            ref = ref.rpartition("/")[2]
            self.assertIn(ref, self.buildx("history", "ls", "--format",
                                           "{{json .}}").text)
            self.assertIn("Dockerfile",
                          self.buildx("history", "inspect", ref).text)
            r = self.buildx("history", "logs", ref)
            self.assertIn(b"COPY file", r.out + r.err)
            self.buildx("history", "rm", ref)
            # an engine's BuildKit before 0.29 crashes here, asked with a limit
            self.assertNotIn(ref, self.buildx("history", "ls", "--format",
                                              "{{json .}}").text)
            self.buildx("history", "ls", "--filter", "status=completed")

    def test_compose_builds_several_services_of_one_context(self):
        self.write(file="a\n", Dockerfile=APP, **{"compose_yaml": """\
services:
  one: {build: ., image: "svc:one"}
  two: {build: {context: ., args: {N: "2"}}, image: "svc:two"}
  on:
    image: "svc:on"
    build:
      context: .
      dockerfile_inline: "FROM base\\nRUN echo on >>/file\\n"
      additional_contexts: {base: "service:one"}
"""})
        services = ["one", "two"]
        if self.is_new:
            services.append("on")  # not known to Compose 2.26
        else:
            text = (self.dir / "compose.yaml").read_text()
            (self.dir / "compose.yaml").write_text(text.partition("  on:")[0])
        r = self.run_client(self.cli, "compose", "build", *services)
        self.assertEqual(r.rc, 0, r)
        self.assertNotRegex(r.out + r.err, LEAK)
        for service in services:
            self.assertTrue(self.run_app(f"svc:{service}").startswith("a"))

    def test_a_client_that_leaves_ends_its_build(self):
        self.write(Dockerfile="FROM busybox\nRUN echo begun && sleep 300\n")
        p = self.docker_start("buildx", "build", "--progress", "plain",
                              "--no-cache", ".")
        seen = b""
        while b"begun" not in seen.replace(b"echo begun", b""):
            piece = os.read(p.stderr.fileno(), 65536)
            self.assertTrue(piece, seen)
            seen += piece
        self.end(p, signal.SIGINT)
        for _ in range(600):
            if "sleep 300" not in self.ok("ps", "-eo", "args"):
                break
            time.sleep(0.05)
        self.assertNotIn("sleep 300", self.ok("ps", "-eo", "args"))
        self.build("-t", "app:after", "-", input=b"FROM busybox\n")


class DigestsOnly(Scenario):
    """images.digests_only, which BuildKit itself is given as a rule."""
    engines = ("26.1", "next", "next-graph")

    def test_a_build_takes_others_images_by_their_digest(self):
        registry = self.bed_env["BED_REGISTRY"]
        name, own = f"{registry}/pinned/base", f"{registry}/pinned/own:1"
        self.docker("tag", "busybox", f"{name}:1")
        self.docker("push", f"{name}:1")
        digest = self.docker("inspect", "--format", "{{index .RepoDigests 0}}",
                             f"{name}:1").rpartition("@")[2]
        self.docker("rmi", f"{name}:1")
        # so that nothing but the missing digest is in the way
        strict = Berth(self.bed, build={"frontends": ["*", registry]},
                       images={"registries": ["*", registry],
                               "digests_only": True})
        self.addCleanup(strict.stop)

        def build(*lines):
            (self.dir / "Dockerfile").write_text("".join(
                f"{line}\n" for line in lines))
            return self.docker_result("build", "-t", own, ".",
                                      DOCKER_HOST=f"unix://{strict.socket}")
        pinned = f"FROM {name}:1@{digest}"
        for lines in ([f"FROM {name}:1"], ["FROM busybox"],
                      [pinned, "COPY --from=busybox /bin/busybox /b"],
                      [f"# syntax={name}:1", "FROM scratch"]):
            r = build(*lines)
            self.assertNotEqual(r.rc, 0, lines)
            self.assertIn(b"denied by policy", r.err, lines)
        for lines in ([pinned, "RUN echo a >/a"],
                      [f"FROM {name}@{digest}", "RUN echo b >/b"],
                      [f"FROM {own}", "RUN test -e /b"]):
            r = build(*lines)
            self.assertEqual(r.rc, 0, (lines, r.err))


class Unisolated(Scenario):
    """Without namespaces, builds are judged all the same."""
    engines = ("20.10", "26.1", "next")
    policy = {"isolation": "none", "build": {"remotes": ["*"], "frontends": ["*"]},
              "operations": {"allow": ["system", "container", "image", "build",
                                       "network", "volume"]}}

    def setUp(self):
        super().setUp()
        engine = self.bed_env["BED_ENGINE"]
        self.cli = "docker-next" if engine == "next" else "docker-26.1"
        self.addCleanup(self.docker_result, "rmi", "-f", "plain:1")
        (self.dir / "file").write_text("a\n")
        (self.dir / "Dockerfile").write_text(APP)

    def buildx(self, *words):
        return self.run_client(self.cli, "buildx", *words)

    def test_builds_are_the_engine_s_own(self):
        r = self.buildx("build", "-t", "plain:1", ".")
        self.assertEqual(r.rc, 0, r)
        self.assertEqual(self.docker("run", "--rm", "plain:1"), "a")
        self.assertEqual(self.buildx("du").rc, 0)
        r = self.buildx("build", "--output", "type=tar,dest=out.tar", ".")
        self.assertEqual(r.rc, 0, r)
        self.assertIn("file", contents((self.dir / "out.tar").read_bytes()))

    def test_a_classic_build_takes_what_the_policy_names(self):
        berth = Berth(self.bed, **{
            **self.policy, "build": {},
            "images": {"registries": ["docker.io/library/busybox"]}})
        self.addCleanup(berth.stop)

        def build(dockerfile, **env):
            (self.dir / "Dockerfile").write_text(dockerfile)
            return self.docker_result(
                "build", "-t", "plain:1", ".",
                **{"DOCKER_HOST": f"unix://{berth.socket}",
                   "DOCKER_BUILDKIT": "0", **env})
        r = build("ARG B=busybox\nFROM $B AS a\nCOPY file /x\n"
                  "FROM busybox\nCOPY --from=a /x /x\nCMD cat /x\n")
        self.assertEqual(r.rc, 0, r)
        self.assertIn(b": FROM $B AS a", r.out)
        self.assertEqual(self.docker("run", "--rm", "plain:1"), "a")
        for dockerfile, rule in (
                ("FROM evil.example/a\n", b"images.registries"),
                ("FROM busybox\nCOPY --from=evil.example/a / /\n",
                 b"images.registries"),
                ("FROM busybox\nADD http://127.0.0.1/x /\n",
                 b"build.remotes")):
            r = build(dockerfile)
            self.assertNotEqual(r.rc, 0)
            self.assertIn(rule, r.err)
        status, reply = api(berth.socket, "POST", "/build", version=2)
        self.assertEqual(status, 403, reply)

    def test_what_a_build_asks_for_is_judged(self):
        r = self.buildx("build", "--network", "host", ".")
        self.assertNotEqual(r.rc, 0)
        self.assertIn(b"build.host_network", r.err)
        r = self.buildx("build", "-t", "x.berth.invalid/plain:1", ".")
        self.assertNotEqual(r.rc, 0)
        self.assertIn(b"berth's own", r.err)


if __name__ == "__main__":
    unittest.main()
