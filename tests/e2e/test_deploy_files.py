"""What of deploy/ needs no image: its files, and berth as systemd and a health
check call it."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import PATIENCE, STAND_IN, Bed, Result, api, wait_for
from test_deploy import CACHE, TOP, kubernetes, pod_template


@unittest.skipIf(STAND_IN, "about berth itself")
class Files(unittest.TestCase):
    """What can be said of a file without using it."""

    @classmethod
    def setUpClass(cls):
        cls.env = Bed(os.environ["BERTH_E2E_BED"]).env

    def good(self, *argv, **env):
        p = subprocess.run([str(a) for a in argv], env={
            "PATH": "/usr/bin:/bin", **env}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual(p.returncode, 0, p.stdout.decode())
        return p.stdout

    def test_the_dockerfile_has_good_manners(self):
        self.good(self.env["BED_BIN"] + "/node",
                  CACHE / "node/node_modules/.bin/dockerfilelint",
                  TOP / "deploy/Dockerfile")

    def test_the_compose_files_make_sense(self):
        compose = [self.env["BED_BIN"] + "/docker-compose-2.26", "--file",
                   TOP / "deploy/compose/compose.yaml"]
        more = ["--file", TOP / "deploy/compose/compose.network.yaml"]
        for files in compose, compose + more:
            self.good(*files, "config", "--quiet",
                      BERTH_UPSTREAM="ssh://berth@docker-host")

    def test_two_lines_put_berth_in_place_of_the_hosts_socket(self):
        readme = (TOP / "README.md").read_text()
        lines = re.search(r"^    include: .*\n(?:    .*\n)+", readme, re.M)[0]
        with tempfile.TemporaryDirectory(prefix="berth-e2e-test.") as tmp:
            shutil.copytree(TOP / "deploy/compose", Path(tmp, "berth/deploy/compose"))
            Path(tmp, "compose.yaml").write_text(
                lines.replace("\n    ", "\n").strip() + "\n    image: docker:cli\n")
            for compose in "docker-compose-2.26", "docker-compose-next":
                self.good(self.env["BED_BIN"] + "/" + compose,
                          "--project-directory", tmp, "config", "--quiet")

    def test_a_runner_of_githubs_goes_beside_it(self):
        for compose in "docker-compose-2.26", "docker-compose-next":
            said = json.loads(self.good(
                self.env["BED_BIN"] + "/" + compose, "--file",
                TOP / "deploy/runners/github/compose.yaml", "--project-name", "r2",
                "config", "--format", "json", RUNNER_NAME="r2",
                GITHUB_URL="https://github.com/acme/project"))
            berth, runner = (said["services"][s] for s in ("berth", "runner"))
            self.assertEqual(berth["environment"]["RUNNER_CONTAINER"], "r2-runner-1")
            self.assertEqual(berth["environment"]["RUNNER_NAME"], "r2")
            self.assertEqual(runner["environment"]["RUNNER_NAME"], "r2")
            self.assertIn(runner["environment"]["DOCKER_HOST"].partition("//")[2]
                          .rpartition("/")[0],
                          [v["target"] for v in runner["volumes"]])
            self.assertNotIn("docker.sock", json.dumps(runner["volumes"]))

    def test_the_quick_start_makes_what_compose_reads_before_it_does(self):
        readme = (TOP / "README.md").read_text()
        block = re.search(r"^## Quick start: Docker Compose$[^#]*?\n\n((?:    .*\n)+)",
                          readme, re.M)[1]
        with tempfile.TemporaryDirectory(prefix="berth-e2e-test.") as tmp:
            app = Path(tmp, "deploy/compose")
            shutil.copytree(TOP / "deploy/compose", app)
            for line in block.splitlines():
                if made := re.search(r"(?:echo (.*)|ssh-keyscan .*) >(\S+)$", line):
                    (app / made[2]).write_text(made[1] or "")
                elif "docker compose " in line:
                    self.good(self.env["BED_BIN"] + "/docker-compose-2.26",
                              "--project-directory", app, "config", "--quiet")

    def test_the_pods_mount_what_kubectl_makes(self):
        """What `kubectl apply --kustomize .` sends is what the runner's pod and
        berth-clean refer to."""
        with tempfile.TemporaryDirectory(prefix="berth-e2e-test.") as tmp:
            shutil.copytree(TOP / "deploy", Path(tmp, "deploy"))
            for name, more in ("kubernetes", set()), (
                    "kubernetes/hosts", {("Service", "docker-hosts"),
                                         ("EndpointSlice", "docker-hosts")}):
                here = Path(tmp, "deploy", name)
                for made in "id_ed25519", "known_hosts":
                    (here / made).write_text("made by ssh-keygen and ssh-keyscan\n")
                (here / "all.yaml").write_bytes(self.good("kubectl", "kustomize", here))
                made = {(o["kind"], o["metadata"]["name"]): o
                        for o in kubernetes(self.env, here / "all.yaml")}
                self.assertEqual(made.keys(), more | {
                    ("ConfigMap", "berth-policy"), ("Secret", "berth-ssh")})
                self.assertEqual(
                    made["ConfigMap", "berth-policy"]["data"]["policy.json"],
                    (here / "policy.json").read_text())
                for pod in self.pods():
                    self.assertEqual(self.projected(pod), {
                        ("configMap", "berth-policy"), ("secret", "berth-ssh")})

    def pods(self):
        clean, = kubernetes(self.env, TOP / "deploy/kubernetes/clean.yaml")
        return [pod_template(self.env)["spec"],
                clean["spec"]["jobTemplate"]["spec"]["template"]["spec"]]

    def projected(self, pod):
        """What berth's own volume is made of; nothing but berth mounts it."""
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            names = [m["name"] for m in container["volumeMounts"]]
            self.assertEqual("berth" in names, container["name"] == "berth")
        volume, = (v for v in pod["volumes"] if v["name"] == "berth")
        return {(kind, ref["name"]) for source in volume["projected"]["sources"]
                for kind, ref in source.items()}


def listens(path):
    """Does somebody listen on the socket? As the kernel has it: who connected
    to find out would be the first client."""
    sockets = Path("/proc/net/unix").read_text().splitlines()
    return any(line.endswith(f" {path}") and line.split()[3] == "00010000"
               for line in sockets)


@unittest.skipIf(STAND_IN, "about berth itself")
class Activated(unittest.TestCase):
    """As systemd starts it: by the first who comes to its socket."""

    def test_the_first_client_starts_it(self):
        env = Bed(os.environ["BERTH_E2E_BED"]).env
        policy = (TOP / "deploy/systemd/policy.json").read_text()
        for said, meant in (
                ("ssh://berth@docker-host", env["BED_SSH_URL"]),
                ("/etc/berth/known_hosts", env["BED_KNOWN_HOSTS"])):
            self.assertIn(said, policy)
            policy = policy.replace(said, meant)
        with tempfile.TemporaryDirectory(prefix="berth-e2e-test.") as tmp:
            sock, audit = Path(tmp, "docker.sock"), Path(tmp, "audit.jsonl")
            Path(tmp, "policy.json").write_text(policy)
            shutil.copy(env["BED_IDENTITY"], tmp)
            server = subprocess.Popen(
                ["systemd-socket-activate", "--listen", sock,
                 "--setenv=RUNNER_NAME=r1", f"--setenv=STATE_DIRECTORY={tmp}",
                 f"--setenv=LOGS_DIRECTORY={tmp}",
                 os.environ["BERTH_BINARY"], "serve", "--policy",
                 Path(tmp, "policy.json")], stderr=subprocess.PIPE)
            try:
                wait_for("the socket", lambda: listens(sock))
                self.assertFalse(audit.exists())
                self.assertEqual(api(sock, "GET", "/containers/json"), (200, []))
                self.assertTrue(audit.exists())
            finally:
                server.terminate()
                log = server.communicate(timeout=PATIENCE)[1].decode()
            self.assertEqual(server.returncode, 0, log)


class Ping(unittest.TestCase):
    """`berth ping` by itself: what the image's health check runs."""

    def ping(self, *words):
        p = subprocess.run([os.environ["BERTH_BINARY"], "ping", *words],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=PATIENCE)
        return Result(p.returncode, p.stdout, p.stderr)

    def test_where_nobody_listens(self):
        result = self.ping("unix:/nonexistent/docker.sock")
        self.assertEqual(result.rc, 1)
        self.assertIn(b"nobody serves /nonexistent/docker.sock", result.err)

    def test_an_engine_answers(self):
        bed = Bed(os.environ["BERTH_E2E_BED"])
        result = self.ping("unix://" + bed.env["BED_SOCKET"])
        self.assertEqual(result.rc, 0, result)
