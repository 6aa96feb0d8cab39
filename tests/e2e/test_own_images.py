"""Two runners with images of the same names: each has its own, and only that.

What they build, tag, save, load, push and prune is what an engine of their own
would have; what they run is never the other's.
"""
import concurrent.futures
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import unittest

from harness import Berth, TwoRunners, empty
from tarball import tar_of

RUNNERS, ROUNDS = 4, 3  # of the storm; more by BERTH_E2E_STORM=RUNNERS,ROUNDS


def names_in(archive):
    """All names in an archive of images, as each kind of engine reads them."""
    names = set()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        there = tar.getnames()
        if "manifest.json" in there:
            for image in json.load(tar.extractfile("manifest.json")):
                names.update(image["RepoTags"] or [])
        if "repositories" in there:
            for repo, tags in json.load(tar.extractfile("repositories")).items():
                names.update(f"{repo}:{tag}" for tag in tags)
        if "index.json" in there:
            for one in json.load(tar.extractfile("index.json"))["manifests"]:
                name = (one.get("annotations") or {}).get(
                    "io.containerd.image.name")
                names.update([name] if name else [])
    return {n.removeprefix("docker.io/library/") for n in names}


class OwnImages(TwoRunners):
    def setUp(self):
        super().setUp()
        self.addCleanup(empty, self.other.socket)
        self.theirs = {"DOCKER_HOST": f"unix://{self.other.socket}"}
        self.has_buildkit = self.bed_env["BED_ENGINE"] != "20.10"
        self.builders = ["0", "1"] if self.has_buildkit else ["0"]

    def build(self, tag, text, builder="0", **env):
        return self.docker("build", "-q", "-t", tag, "-", input=text.encode(),
                           DOCKER_BUILDKIT=builder, **env)

    def images(self, **env):
        return set(self.docker("images", "--format", "{{.Repository}}:{{.Tag}}",
                               **env).split())

    def test_one_name_and_two_images(self):
        for builder in self.builders:
            mine, theirs = (
                self.build("app:test", f"FROM busybox\nENV B={builder}\n"
                           f"CMD echo of {who}\n", builder, **env)
                for who, env in (("mine", {}), ("theirs", self.theirs)))
            self.assertNotEqual(mine, theirs)
            for who, image, env in (("mine", mine, {}),
                                    ("theirs", theirs, self.theirs)):
                self.assertEqual(self.docker("run", "--rm", "app:test", **env),
                                 f"of {who}")
                self.assertEqual(
                    self.docker("image", "inspect", "-f", "{{.Id}}", "app:test",
                                **env), image)
                self.assertEqual(self.docker(
                    "image", "inspect", "-f", "{{json .RepoTags}}", image,
                    **env), '["app:test"]')
            # the other's is not there, by no name of it
            for ref in theirs, theirs.partition(":")[2][:12]:
                r = self.docker_result("image", "inspect", ref)
                self.assertIn(b"No such image", r.err)
                r = self.docker_result("history", ref)
                self.assertIn(b"No such image", r.err)

    def test_a_base_is_replaced_for_its_runner_alone(self):
        self.build("busybox:latest", "FROM busybox\nRUN echo x >/mine\n")
        self.assertEqual(self.docker("run", "--rm", "busybox", "cat", "/mine"),
                         "x")
        self.assertEqual(self.docker_result(
            "run", "--rm", "busybox", "ls", "/mine", **self.theirs).rc, 1)
        for builder in self.builders:
            r = self.docker_result(
                "build", "--no-cache", "-t", "on:top", "-",
                input=b"FROM busybox\nRUN ls /mine\n", DOCKER_BUILDKIT=builder,
                **self.theirs)
            self.assertNotEqual(r.rc, 0, r)
            self.docker("build", "-t", "on:top", "-",
                        input=b"FROM busybox\nRUN ls /mine\n",
                        DOCKER_BUILDKIT=builder)

    def test_no_build_is_from_the_other_s(self):
        theirs = self.build("secret:1", "FROM busybox\nRUN echo s >/s\n",
                            **self.theirs)
        digits = theirs.partition(":")[2]
        for builder in self.builders:
            for ref in ("secret:1", "t2.berth.invalid/secret:1", theirs, digits,
                        digits[:12], f"secret@{theirs}",
                        "t2.berth.invalid/secret"):
                for text in (f"FROM {ref}\nRUN cat /s\n",
                             f"FROM busybox\nCOPY --from={ref} /s /s\n"):
                    r = self.docker_result("build", "-", input=text.encode(),
                                           DOCKER_BUILDKIT=builder)
                    self.assertNotEqual(r.rc, 0, text)
        self.assertEqual(self.images() & {"secret:1"}, set())

    def test_an_archive_has_the_runner_s_names(self):
        mine = self.build("app:test", "FROM busybox\nCMD echo of mine\n")
        self.docker("tag", "app:test", "ghcr.io/acme/app:v1")
        theirs = self.build("app:test", "FROM busybox\nCMD echo of theirs\n",
                            **self.theirs)
        saved = self.run_client(self.cli, "save", "app:test",
                                "ghcr.io/acme/app:v1").out
        self.assertEqual(names_in(saved), {"app:test", "ghcr.io/acme/app:v1"})
        self.assertNotIn(b"berth.invalid", saved)
        for packed in (saved, gzip.compress(saved)):
            out = self.docker("load", input=packed, **self.theirs)
            self.assertIn("Loaded image: app:test", out)
            self.assertIn("Loaded image: ghcr.io/acme/app:v1", out)
            self.assertNotIn("berth", out)
            self.assertEqual(self.docker("image", "inspect", "-f", "{{.Id}}",
                                         "app:test", **self.theirs), mine)
            self.assertEqual(self.docker("run", "--rm", "app:test",
                                         **self.theirs), "of mine")
        # what had the name before is there without one, as with Docker
        self.assertIn(theirs, self.docker(
            "images", "-q", "--no-trunc", "-f", "dangling=true",
            **self.theirs).split())
        self.assertEqual(self.docker("run", "--rm", "app:test"), "of mine")
        self.docker("rmi", "app:test", "ghcr.io/acme/app:v1")
        self.assertEqual(self.docker("run", "--rm", "ghcr.io/acme/app:v1",
                                     **self.theirs), "of mine")

    def test_an_archive_with_another_s_names_is_refused(self):
        mine = self.build("app:test", "FROM busybox\nCMD echo of mine\n")
        saved = self.run_client(self.cli, "save", "app:test").out
        for name in (b"t2.berth.invalid/app:test",
                     b"t2.anchor.berth.invalid/image:" + mine[7:].encode()):
            out = io.BytesIO()
            with tarfile.open(fileobj=io.BytesIO(saved)) as tar, \
                    tarfile.open(fileobj=out, mode="w") as new:
                for entry in tar:
                    data = tar.extractfile(entry).read() \
                        if entry.isfile() else b""
                    if entry.name in ("manifest.json", "index.json"):
                        data = data.replace(b"docker.io/library/app:test", name)
                        data = data.replace(b"app:test", name)
                    entry.size = len(data)
                    new.addfile(entry, io.BytesIO(data))
            r = self.docker_result("load", input=out.getvalue())
            self.assertNotEqual(r.rc, 0, r)
        r = self.docker_result("load", input=tar_of(x="not an image"))
        self.assertNotIn("Traceback", repr(r))

    def test_rmi_and_prune_are_of_one_s_own(self):
        for builder in self.builders:
            text = f"FROM busybox\nRUN echo {builder} >/same\n"
            mine = self.build("app:test", text, builder)
            theirs = self.build("app:test", text, builder, **self.theirs)
            out = self.docker("rmi", "app:test")
            self.assertIn("Untagged: app:test", out)
            self.assertIn(f"Deleted: {mine}", out)
            self.assertEqual(self.images() & {"app:test"}, set())
            self.docker("run", "--rm", "app:test", "true", **self.theirs)
            self.build("app:test", text + "RUN echo again\n", builder)
            self.build("app:test", text + "RUN echo twice\n", builder)
            self.docker("image", "prune", "-f")
            self.assertEqual(self.docker("images", "-q", "-f", "dangling=true"),
                             "")
            self.docker("image", "prune", "-af")
            self.assertEqual(self.images() & {"app:test"}, set())
            if self.has_buildkit:
                self.docker("builder", "prune", "-af")
            self.assertEqual(self.docker("image", "inspect", "-f", "{{.Id}}",
                                         "app:test", **self.theirs), theirs)
            self.docker("rmi", "-f", "app:test", **self.theirs)

    def test_a_push_of_all_tags_is_one_of_the_runner_s_own(self):
        name = self.bed_env["BED_REGISTRY"] + "/acme/all"
        for tag in ("v2", "v10", "v1"):
            self.build(f"{name}:{tag}", f"FROM busybox\nCMD echo {tag}\n")
        self.build(f"{name}:v3", "FROM busybox\nCMD echo v3\n", **self.theirs)
        out = self.docker("push", "--all-tags", name)
        self.assertEqual(re.findall(r"(?m)^(\w+): digest: sha256:", out),
                         ["v1", "v10", "v2"])
        self.assertEqual(out.count("The push refers to repository"), 1)
        for tag in ("v1", "v2", "v10"):
            self.docker("rmi", f"{name}:{tag}")
            self.assertEqual(
                self.docker("run", "--rm", f"{name}:{tag}"), tag)
        r = self.docker_result("pull", f"{name}:v3")
        self.assertNotEqual(r.rc, 0)
        calls = [x["call"] for x in self.berth.audit() if x["event"] == "call"]
        self.assertEqual([x for x in calls if x.startswith(name)],
                         [f"{name}:v1", f"{name}:v10", f"{name}:v2"])

    def test_pushes_of_one_name_each_push_their_own(self):
        name = self.bed_env["BED_REGISTRY"] + "/acme/both:v1"
        ids = [self.build(name, f"FROM busybox\nCMD echo {who}\n", **env)
               for who, env in (("mine", {}), ("theirs", self.theirs))]

        def push(env):
            return self.docker_result("push", name, **env)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            done = list(pool.map(push, ({}, self.theirs)))
        digests = []
        for r, image, env in zip(done, ids, ({}, self.theirs)):
            if r.rc:  # it was told
                self.assertIn(b"push", r.err)
                r = push(env)
                self.assertEqual(r.rc, 0, r)
            digests += re.findall(rb"digest: (sha256:\w+)", r.out)
        self.assertEqual(len(set(digests)), 2)
        for digest, who, env in zip(digests, ("mine", "theirs"),
                                    ({}, self.theirs)):
            self.docker("rmi", name, **env)
            by = name.rpartition(":")[0] + "@" + digest.decode()
            self.assertEqual(self.docker("run", "--rm", by, **env), who)

    def test_a_build_is_as_without_berth(self):
        if not self.has_buildkit:
            self.skipTest("BuildKit in a namespace needs Engine 25")
        straight = {"DOCKER_HOST": "unix://" + self.bed_env["BED_SOCKET"]}
        (self.dir / "file").write_text("content\n")
        (self.dir / "Dockerfile").write_text(
            "FROM busybox AS a\nCOPY file /\nRUN cat /file >/copy\n"
            "FROM alpine:3.17\nCOPY --from=a /copy /copy\nLABEL l=m\n")
        ids = []
        for n, env in enumerate((straight, {}, self.theirs)):
            self.docker("build", "--iidfile", self.dir / f"iid{n}", "-t",
                        "same:1", ".", DOCKER_BUILDKIT="1", **env)
            ids.append((self.dir / f"iid{n}").read_text())
            self.assertEqual(
                self.docker("image", "inspect", "-f", "{{.Id}}", "same:1", **env),
                ids[-1])
        self.docker("rmi", "same:1", **straight)
        if self.bed_env["BED_ENGINE"] != "next":
            # with attestations, which tell the time, no two are alike
            self.assertEqual(len(set(ids)), 1, ids)

    def test_long_labels_of_another_s_fill_no_list(self):
        for n in range(4):
            layer = tar_of(f=str(n))
            config = json.dumps({
                "architecture": "amd64", "os": "linux",
                "config": {"Labels": {"a": "x" * (9 << 20)}},
                "rootfs": {"type": "layers", "diff_ids": [
                    "sha256:" + hashlib.sha256(layer).hexdigest()]}})
            digest = hashlib.sha256(config.encode()).hexdigest()
            self.docker("load", input=tar_of(**{
                f"{digest}.json": config, "l.tar": layer,
                "manifest.json": json.dumps([{
                    "Config": f"{digest}.json", "RepoTags": [f"big:{n}"],
                    "Layers": ["l.tar"]}])}), **self.theirs)
            self.addCleanup(self.docker, "rmi", f"big:{n}", **self.theirs)
        for target in "/info", "/images/json", "/images/json?all=1", "/system/df":
            self.api("GET", target)
        self.docker("run", "--rm", "busybox", "true")

    def test_a_storm_of_one_name(self):
        runners, rounds = map(int, os.environ.get(
            "BERTH_E2E_STORM", f"{RUNNERS},{ROUNDS}").split(","))
        berths = [Berth(self.bed, f"storm{n}") for n in range(runners)]
        for berth in berths:
            self.addCleanup(berth.stop)
            self.addCleanup(empty, berth.socket)

        def work(n):
            env = {"DOCKER_HOST": f"unix://{berths[n].socket}"}
            wrong = []
            for i in range(rounds):
                words = f"{n} {i}"
                self.build("app:test", f"FROM busybox\nRUN echo {words} >/w\n"
                           "CMD cat /w\n",
                           self.builders[(n + i) % len(self.builders)], **env)
                got = self.docker("run", "--rm", "app:test", **env)
                if got != words:
                    wrong.append((words, got))
            return wrong
        with concurrent.futures.ThreadPoolExecutor(runners) as pool:
            wrong = sum(pool.map(work, range(runners)), [])
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
