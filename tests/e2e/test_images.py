"""Images and builds with the docker command, in both versions; BuildKit, too."""
import json
import tarfile

from harness import BIG, NEXT, OLDER, Scenario, noise_file, sha256

FIVE = 5 << 20


class Images:
    def test_save_and_load_carry_big_content(self):
        digest = noise_file(self.dir / "big", BIG)
        (self.dir / "Dockerfile").write_text("FROM busybox\nCOPY big /big\n")
        self.docker("build", "-q", "-t", "acme/big:v1", ".", DOCKER_BUILDKIT="0")
        with open(self.dir / "image.tar", "wb") as f:
            self.docker("save", "acme/big:v1", stdout=f)
        self.docker("rmi", "acme/big:v1")
        with open(self.dir / "image.tar", "rb") as f:
            out = self.docker("load", stdin=f)
        self.assertEqual(out.splitlines()[-1], "Loaded image: acme/big:v1")
        out = self.docker("run", "--rm", "acme/big:v1", "sha256sum", "/big")
        self.assertEqual(out.split()[0], digest)

    def test_export_and_import_carry_big_content(self):
        digest = noise_file(self.dir / "big", BIG)
        self.docker("create", "--name", "box", "busybox")
        self.docker("cp", "big", "box:/big")
        self.docker("export", "-o", "root.tar", "box")
        with tarfile.open(self.dir / "root.tar") as tar:
            self.assertEqual(sha256(tar.extractfile("big")), digest)
        self.docker("import", "-c", "CMD [\"sha256sum\", \"/big\"]", "root.tar",
                    "acme/flat:v1")
        out = self.docker("run", "--rm", "acme/flat:v1")
        self.assertEqual(out.split()[0], digest)

    def test_commit_tag_history_and_inspect(self):
        run = self.docker
        run("run", "--name", "box", "busybox", "sh", "-c", "echo hi >/hello")
        made = run("commit", "-m", "says hi", "-c", "CMD [\"cat\", \"/hello\"]",
                   "box", "acme/hi:v1")
        self.assertEqual(run("run", "--rm", "acme/hi:v1"), "hi")
        run("tag", "acme/hi:v1", "acme/hi:v2")
        self.assertIn("says hi", run("history", "acme/hi:v1"))
        got = json.loads(run("inspect", "acme/hi:v2"))[0]
        self.assertEqual((got["Id"], sorted(got["RepoTags"])),
                         (made, ["acme/hi:v1", "acme/hi:v2"]))
        out = run("images", "--format", "{{.Repository}}:{{.Tag}}", "acme/hi")
        self.assertEqual(sorted(out.split()), ["acme/hi:v1", "acme/hi:v2"])
        self.assertEqual(run("rmi", "acme/hi:v1"), "Untagged: acme/hi:v1")
        self.assertIn("Deleted: " + made, run("rmi", "acme/hi:v2"))
        r = self.docker_result("inspect", "--type", "image", "acme/hi:v2")
        self.assertEqual(r.rc, 1)
        self.assertIn(b"acme/hi:v2", r.err)

    def test_push_and_pull(self):
        name = self.bed_env["BED_REGISTRY"] + "/acme/hi:v1"
        self.build(name, "FROM busybox\nRUN echo hi >/hello\n")
        before = json.loads(self.docker("inspect", name))[0]["Id"]
        self.assertRegex(self.docker("push", name), r"v1: digest: sha256:\w+ size")
        self.docker("rmi", name)
        self.assertIn("Downloaded newer image for " + name,
                      self.docker("pull", name))
        got = json.loads(self.docker("inspect", name))[0]
        self.assertEqual(got["Id"], before)
        self.assertEqual(self.docker("run", "--rm", got["RepoDigests"][0], "cat",
                                     "/hello"), "hi")

    def test_run_pulls_what_is_missing(self):
        # what somebody has pulled is there for all: a name of this class's own
        name = (self.bed_env["BED_REGISTRY"] + "/acme/"
                + type(self).__name__.lower() + ":v1")
        self.build(name, "FROM busybox\nCMD echo pulled\n")
        self.docker("push", name)
        self.docker("rmi", name)
        r = self.docker_result("run", "--rm", name)
        self.assertEqual((r.rc, r.out), (0, b"pulled\n"))
        self.assertIn(b"Unable to find image", r.err)

    def test_a_pull_that_cannot_be(self):
        name = self.bed_env["BED_REGISTRY"] + "/acme/nothing:v1"
        r = self.docker_result("pull", name)
        self.assertEqual(r.rc, 1)
        self.assertRegex(r.err, b"manifest unknown|nothing:v1: not found")

    def test_image_filters_and_prune(self):
        self.build("acme/a:v1", "FROM busybox\nLABEL k=a\n")
        self.build("acme/b:v1", "FROM busybox\nLABEL k=b\n")
        for words, tags in ((["label=k=a"], "acme/a:v1"),
                            (["label=k"], "acme/a:v1 acme/b:v1"),
                            (["reference=acme/b"], "acme/b:v1"),
                            (["reference=none/*"], "")):
            filters = [x for w in words for x in ("--filter", w)]
            out = self.docker("images", *filters, "--format",
                              "{{.Repository}}:{{.Tag}}")
            self.assertEqual(" ".join(sorted(out.split())), tags)
        self.build("acme/a:v1", "FROM busybox\nLABEL k=new\n")
        self.docker("image", "prune", "-f")
        self.assertEqual(self.docker("images", "-q", "--filter",
                                     "dangling=true"), "")

    def build(self, name, dockerfile):
        self.docker("build", "-q", "-t", name, "-", input=dockerfile.encode(),
                    DOCKER_BUILDKIT="0")


class Builds:
    """What the classic builder and BuildKit promise alike."""

    def test_a_context_with_arguments_stages_and_an_ignore_file(self):
        digest = noise_file(self.dir / "data", FIVE)
        (self.dir / "secret").write_text("not for the image")
        (self.dir / ".dockerignore").write_text("secret\n")
        (self.dir / "Dockerfile").write_text(
            "FROM busybox AS first\nARG WHAT=none\nCOPY . /src\n"
            "RUN echo $WHAT >/what && ls -A /src >/list\n"
            "FROM alpine:3.17\nCOPY --from=first /src/data /what /list /\n"
            "ENV A=b\nLABEL l=m\nUSER nobody\nWORKDIR /tmp\n"
            "CMD sha256sum </data; cat /what /list; echo $A $(id -un) $PWD\n")
        self.build("-t", "acme/app:v1", "--build-arg", "WHAT=it", ".")
        self.assertEqual(self.docker("run", "--rm", "acme/app:v1").split(), [
            digest, "-", "it", ".dockerignore", "Dockerfile", "data",
            "b", "nobody", "/tmp"])
        got = json.loads(self.docker("inspect", "acme/app:v1"))[0]
        self.assertEqual(got["Config"]["Labels"]["l"], "m")

    def test_a_step_that_fails_fails_the_build(self):
        (self.dir / "Dockerfile").write_text(
            "FROM busybox\nRUN echo going to fail; exit 3\n")
        r = self.try_build("-t", "acme/bad:v1", ".")
        self.assertEqual(r.rc, self.failure)
        self.assertIn(b"going to fail", r.out + r.err)
        self.assertEqual(self.docker("images", "-q", "acme/bad:v1"), "")

    def test_target_labels_and_several_names(self):
        (self.dir / "Dockerfile").write_text(
            "FROM busybox AS one\nCMD echo one\nFROM one AS two\nCMD echo two\n")
        self.build("--target", "one", "--label", "x=y", "-t", "acme/t:v1",
                   "-t", "acme/t:v2", ".")
        for tag in "v1", "v2":
            self.assertEqual(self.docker("run", "--rm", "acme/t:" + tag), "one")

    def test_a_build_uses_what_was_built_before(self):
        (self.dir / "Dockerfile").write_text("FROM busybox\nRUN echo 1 >/one\n")
        self.build("-t", "acme/base:v1", ".")
        (self.dir / "Dockerfile").write_text(
            "FROM acme/base:v1\nRUN echo 2 >>/one\nCMD cat /one\n")
        self.build("-t", "acme/next:v1", ".")
        self.assertEqual(self.docker("run", "--rm", "acme/next:v1"), "1\n2")

    def test_a_second_build_takes_the_cache(self):
        (self.dir / "Dockerfile").write_text(
            "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/id\n"
            "CMD cat /id\n")
        ids = set()
        for tag in "v1", "v2":
            self.build("-t", "acme/c:" + tag, ".")
            ids.add(self.docker("run", "--rm", "acme/c:" + tag))
        self.assertEqual(len(ids), 1)
        self.build("--no-cache", "-t", "acme/c:v3", ".")
        self.assertNotIn(self.docker("run", "--rm", "acme/c:v3"), ids)

    def build(self, *words):
        r = self.try_build(*words)
        self.assertEqual(r.rc, 0, r)
        return r

    def try_build(self, *words):
        return self.docker_result(*self.command, *words)


class ClassicBuilds(Builds):
    command = ["build"]
    extra = {"DOCKER_BUILDKIT": "0"}
    failure = 3

    def test_a_context_from_stdin(self):
        digest = noise_file(self.dir / "data", FIVE)
        (self.dir / "Dockerfile").write_text(
            "FROM busybox\nADD data /\nCMD sha256sum /data\n")
        with tarfile.open(self.dir / "context.tar.gz", "w:gz") as tar:
            for name in "Dockerfile", "data":
                tar.add(self.dir / name, name)
        with open(self.dir / "context.tar.gz", "rb") as f:
            self.docker("build", "-t", "acme/in:v1", "-", stdin=f)
        out = self.docker("run", "--rm", "acme/in:v1")
        self.assertEqual(out.split()[0], digest)


class BuildKitBuilds(Builds):
    command = ["build", "--progress", "plain"]
    extra = {"DOCKER_BUILDKIT": "1"}
    failure = 1

    def setUp(self):
        super().setUp()
        if self.bed_env["BED_ENGINE"] == "20.10":
            self.skipTest("BuildKit in a namespace needs Engine 25")

    def test_secrets_and_cache_mounts(self):
        (self.dir / "token").write_text("s3cret")
        (self.dir / "Dockerfile").write_text(
            "FROM busybox\n"
            "RUN --mount=type=secret,id=token sha256sum "
            "</run/secrets/token >/sum\n"
            "RUN --mount=type=cache,target=/c echo x >>/c/f\n"
            "CMD cat /sum; ls /run/secrets /c\n")
        self.build("--secret", "id=token,src=token", "-t", "acme/s:v1", ".")
        r = self.docker_result("run", "--rm", "acme/s:v1")
        self.assertEqual(r.out.split()[0].decode(), sha256(b"s3cret"))

    def test_a_build_that_writes_files_here(self):
        digest = noise_file(self.dir / "data", FIVE)
        (self.dir / "Dockerfile").write_text("FROM scratch\nCOPY data /out/\n")
        self.build("-o", "result", ".")
        with open(self.dir / "result/out/data", "rb") as f:
            self.assertEqual(sha256(f), digest)


class Images2010(Images, Scenario):
    cli = "docker-20.10"
    engines = ("26.1",)  # an old engine has new clients


class Images261(Images, Scenario):
    cli = "docker-26.1"
    engines = OLDER


class ImagesNext(Images, Scenario):
    cli = "docker-next"
    engines = NEXT


class ClassicBuilds2010(ClassicBuilds, Scenario):
    cli = "docker-20.10"
    engines = ("26.1",)  # an old engine has new clients


class ClassicBuilds261(ClassicBuilds, Scenario):
    cli = "docker-26.1"
    engines = OLDER


class ClassicBuildsNext(ClassicBuilds, Scenario):
    cli = "docker-next"
    engines = NEXT


class BuildKitOfOld(Scenario):
    """Docker 20.10's own BuildKit is not for a namespace, and says so."""
    cli = "docker-20.10"
    engines = OLDER

    def setUp(self):
        super().setUp()
        (self.dir / "Dockerfile").write_text("FROM busybox\nCMD echo made\n")

    def test_it_takes_the_classic_builder(self):
        self.assertIn("Step 1/2", self.docker("build", "-t", "acme/o:v1", "."))
        self.assertEqual(self.docker("run", "--rm", "acme/o:v1"), "made")

    def test_it_is_told_why_it_cannot_use_buildkit(self):
        # on a busy machine this client was seen to wait without an end
        r = self.docker_result("build", "-t", "acme/o:v1", ".", timeout=60,
                               DOCKER_BUILDKIT="1")
        self.assertNotEqual(r.rc, 0)
        self.assertEqual(self.docker("images", "-q", "acme/o"), "")


class BuildxBuilds(BuildKitBuilds, Scenario):
    cli = "docker-26.1"
    engines = OLDER
    command = ["buildx", "build", "--progress", "plain"]

    def test_buildx_looks_about(self):
        self.assertIn("docker", self.docker("buildx", "ls"))
        self.assertIn("running", self.docker("buildx", "inspect"))

    def test_a_build_that_pushes(self):
        name = self.bed_env["BED_REGISTRY"] + "/acme/pushed:v1"
        (self.dir / "Dockerfile").write_text("FROM busybox\nCMD echo pushed\n")
        self.build("--push", "-t", name, ".")
        self.docker("rmi", "-f", name)
        self.assertEqual(self.docker("run", "--rm", name), "pushed")


class BuildxBuildsNext(BuildxBuilds):
    cli = "docker-next"
    engines = NEXT
