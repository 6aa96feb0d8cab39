"""Tools that run what a repository says in containers: the devcontainers CLI and
gitlab-ci-local, as npm has them."""
import json
import shutil
import unittest
from pathlib import Path

from harness import STAND_IN, Scenario
from tarball import tar_of, tar_of_programs
from test_copied_files import Work
from test_deploy import CACHE
from test_sdk import need_node

MODULES = CACHE / "node/node_modules"


class Tool(Scenario):
    """A program of npm's, which calls `docker`."""

    engines = ("26.1",)
    node = 20

    @classmethod
    def setUpClass(cls):
        need_node(cls.node)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        (self.dir / "bin").mkdir()
        (self.dir / "bin/docker").symlink_to(
            Path(self.bed_env["BED_BIN"], self.cli))
        self.env["PATH"] = f"{self.dir}/bin:{self.env['PATH']}"

    def tool(self, program, *words):
        return self.ok("node", MODULES / program, *words)


@unittest.skipIf(STAND_IN, "ssh -L copies nothing")
class Devcontainers(Tool):
    @classmethod
    def setUpClass(cls):
        cls.work = Work()
        cls.policy = {"preset": "github-actions", "container": cls.work.policy}
        try:
            super().setUpClass()
        except BaseException:
            shutil.rmtree(cls.work.path)
            raise

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.work.path)

    def setUp(self):
        super().setUp()
        self.where = f"--workspace-folder={self.work.path}"
        # It asks a web site for a list of what is not allowed, unless it has one
        # that is no older than five minutes.
        self.env["TMPDIR"] = str(self.dir)
        cache = self.dir / "devcontainercli-root"
        cache.mkdir()
        (cache / "control-manifest.json").write_text(json.dumps(
            {"disallowedFeatures": [], "featureAdvisories": []}))

    def devcontainer(self, command, *words):
        return self.tool("@devcontainers/cli/devcontainer.js", command,
                         self.where, *words)

    def up(self, **config):
        self.work.put(".devcontainer/devcontainer.json", json.dumps(config))
        said = json.loads(self.devcontainer("up").splitlines()[-1])
        self.assertEqual(said["outcome"], "success", said)
        return said["containerId"]

    def test_an_image_and_the_checkout(self):
        self.work.put("source", "of the runner")
        container = self.up(
            image="busybox", containerEnv={"WORD": "said"},
            postCreateCommand="cp source made && echo $WORD >>made")
        self.assertEqual((self.work.path / "made").read_text(),
                         "of the runnersaid\n")
        self.work.put("source", "changed")
        self.assertEqual(self.devcontainer(
            "exec", "sh", "-c", "cat source; mv made renamed"), "changed")
        self.assertTrue((self.work.path / "renamed").exists())
        # up again finds it by its labels
        self.assertEqual(self.up(image="busybox"), container)

    def test_a_build_in_a_project_of_compose(self):
        self.work.put("Dockerfile",
                      "FROM busybox\nRUN echo built >/built\n")
        self.work.put("compose.yaml", json.dumps({"services": {
            "dev": {"build": ".", "volumes": [".:/work"],
                    "command": ["sleep", "1000"], "depends_on": ["web"]},
            "web": {"image": "busybox",
                    "command": ["httpd", "-f", "-h", "/etc"]}}}))
        self.up(dockerComposeFile="../compose.yaml", service="dev",
                workspaceFolder="/work")
        self.assertEqual(self.devcontainer(
            "exec", "sh", "-c",
            "cat /built; wget -qO- http://web/group >groups"), "built")
        self.assertIn("root", (self.work.path / "groups").read_text())


class GitlabCiLocal(Tool):
    policy = {"preset": "gitlab"}
    node = 22

    def test_a_pipeline_with_a_service_and_artifacts(self):
        self.docker("build", "-q", "-t", "helper", "-", input=tar_of(
            Dockerfile="FROM busybox\nADD helper.tar /\n", **{
                "helper.tar": tar_of_programs(
                    "/", "usr/bin/bash", "usr/bin/rsync")}))
        project = self.dir / "project"
        project.mkdir()
        (project / "source").write_text("source\n")
        (project / ".gitlab-ci.yml").write_text(json.dumps({
            "stages": ["build", "test"],
            "make": {
                "stage": "build", "image": "busybox",
                "script": ["echo made of $(cat source) >product"],
                "artifacts": {"paths": ["product"]}},
            "check": {
                "stage": "test", "image": "alpine:3.17",
                "services": [{"name": "busybox", "alias": "web", "command": [
                    "httpd", "-f", "-h", "/etc"]}],
                "script": ["until wget -qO group http://web/group; do sleep 1; done",
                           "cat product group >result"],
                "artifacts": {"paths": ["result"]}}}))
        for words in ("init", "-q"), ("add", "."), (
                "-c", "user.name=r", "-c", "user.email=r@example.com",
                "commit", "-q", "-m", "all"):
            self.ok("git", "-C", project, *words)
        said = self.tool("gitlab-ci-local/dist/index.js", "--cwd", "project",
                         "--helper-image", "helper")
        self.assertIn("PASS", said)
        self.assertRegex((project / "result").read_text(),
                         r"^made of source\nroot")
        # it leaves nothing
        self.assertEqual(self.docker("ps", "-aq"), "")
        self.assertEqual(self.docker("volume", "ls", "-q"), "")

