"""What deploy/ ships, put to work: the image is built and used on the bed's own
engine, which stands for the runner's machine as well as for the Docker host."""
import functools
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import (HERE, PATIENCE, STAND_IN, Bed, Result, api, too_long,
                     wait_for)
from host import USER as ACCOUNT
from host import Host

TOP = HERE.parents[1]
CACHE = Path(os.environ.get("BERTH_TEST_CACHE", "/var/cache/berth-test"))
USER = 65532  # of the image
IMAGE_MAX = 6 << 20  # compressed, all of it, as the README has it
BUILD_LIMIT = 600  # seconds; a minute where nothing else runs
# What a runner has of Docker: its command and the libraries that this needs.
RUNNER_IMAGE = "docker:cli"
RUNNER_FILES = ["usr/bin/docker", "lib64/ld-linux-x86-64.so.2",
                "lib/x86_64-linux-gnu/libc.so.6"]


@functools.cache
def make_images():
    """Once for all of the classes here."""
    unittest.addModuleCleanup(remove_all)
    import_base()
    Deployed.docker("build", "--quiet", "--tag", "berth", "--file",
                    TOP / "deploy/Dockerfile", TOP)
    with tempfile.TemporaryDirectory(prefix="berth-runner.") as tmp:
        for name in RUNNER_FILES:
            path = Path(tmp, "files", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CACHE / "trixie" / name, path)
        Path(tmp, "Dockerfile").write_text("FROM busybox\nCOPY files /\n")
        Deployed.docker("build", "--quiet", "--tag", RUNNER_IMAGE, tmp)


def import_base():
    """Debian 13 with what the Dockerfile installs, so that its apt-get, which
    has nobody to ask, has nothing to do."""
    tar = subprocess.Popen(
        ["tar", "-c", "-C", CACHE / "trixie-build/", "--exclude=./usr/share/man",
         "--exclude=./usr/share/locale", "--exclude=./etc/apt/sources.list",
         "."], stdout=subprocess.PIPE)
    with tar.stdout:
        Deployed.docker("import", "-", "debian:trixie-slim", stdin=tar.stdout)
    if tar.wait(PATIENCE) != 0:
        raise RuntimeError("tar of the build tree failed")


def remove_all():
    """The engine is as empty as before."""
    sock = Deployed.bed_env["BED_SOCKET"]
    for c in api(sock, "GET", "/containers/json", all=1)[1]:
        api(sock, "DELETE", f"/containers/{c['Id']}", force=1, v=1)
    api(sock, "POST", "/volumes/prune", filters='{"all":["true"]}')
    api(sock, "POST", "/networks/prune")
    for image in "berth", RUNNER_IMAGE, "debian:trixie-slim":
        api(sock, "DELETE", f"/images/{image}", force=1)
    api(sock, "POST", "/images/prune", filters='{"dangling":["true"]}')
    api(sock, "POST", "/build/prune", all=1)


@unittest.skipIf(STAND_IN, "about berth itself")
class Deployed(unittest.TestCase):
    """Commands on the Docker host itself: `docker` is its administrator's."""

    @classmethod
    def setUpClass(cls):
        Deployed.bed = Bed(os.environ["BERTH_E2E_BED"])
        Deployed.bed_env = cls.bed.env
        if cls.bed_env["BED_ENGINE_VERSION"] != "26.1":
            raise unittest.SkipTest("one engine builds the image")
        if os.environ.get("BERTH_E2E_IMAGE") == "no":
            raise unittest.SkipTest("another run builds the image")
        make_images()

    @classmethod
    def run_docker(cls, *words, stdin=subprocess.DEVNULL):
        p = subprocess.run(
            [cls.bed_env["BED_CLI"], "--host",
             f"unix://{cls.bed_env['BED_SOCKET']}", *map(str, words)],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=BUILD_LIMIT)
        return Result(p.returncode, p.stdout, p.stderr)

    @classmethod
    def docker(cls, *words, **how):
        result = cls.run_docker(*words, **how)
        assert result.rc == 0, f"docker {words[0]}: {result}"
        return result.text

    def setUp(self):
        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(BUILD_LIMIT)
        self.addCleanup(signal.alarm, 0)

    def make_settings(self, **upstream):
        """A directory of the host's with policy, key and known_hosts in it;
        its name over there."""
        name = f"settings-{self._testMethodName}"
        here = self.bed.dir / "srv" / name
        here.mkdir()
        self.addCleanup(shutil.rmtree, here)
        shutil.copy(self.bed_env["BED_IDENTITY"], here / "id_ed25519")
        os.chown(here / "id_ed25519", USER, USER)
        shutil.copy(self.bed_env["BED_KNOWN_HOSTS"], here / "known_hosts")
        (here / "policy.json").write_text(json.dumps({
            "version": 1,
            "preset": "compose-tests",
            "namespace": "sidecar",
            "upstream": {
                "url": self.bed_env["BED_SSH_URL"],
                "identity": "/etc/berth/id_ed25519",
                "known_hosts": "/etc/berth/known_hosts",
                **upstream,
            },
        }))
        return f"/srv/{name}"

    def start_sidecar(self, settings):
        """Nothing is given to it that it can do without."""
        self.docker("run", "--detach", "--name", "berth", "--read-only",
                    "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
                    "--health-interval", "1s", "--health-retries", "1",
                    "--volume", f"{settings}:/etc/berth:ro",
                    "--volume", "socket:/run/berth", "berth")
        self.addCleanup(self.docker, "volume", "rm", "socket")
        self.addCleanup(self.docker, "rm", "--force", "berth")

    def await_health(self, status):
        """Wait until the engine thinks so of the sidecar; what the last check
        printed."""
        def health():
            found = json.loads(self.docker(
                "inspect", "--format", "{{json .State.Health}}", "berth"))
            return found if found["Status"] == status else None

        return wait_for(status, health)["Log"][-1]["Output"]


class Image(Deployed):
    def test_it_is_small(self):
        tar = subprocess.Popen(
            [self.bed_env["BED_CLI"], "--host",
             f"unix://{self.bed_env['BED_SOCKET']}", "save", "berth"],
            stdout=subprocess.PIPE)
        with tar.stdout:
            packed = gzip.compress(tar.stdout.read(), 6)
        self.assertEqual(tar.wait(PATIENCE), 0)
        self.assertLess(len(packed), IMAGE_MAX)

    def test_it_has_nothing_to_run_but_berth(self):
        self.assertRegex(self.docker("run", "--rm", "berth", "--version"),
                         r"^berth \d")
        for other in "/bin/sh", "sh", "/usr/bin/apt-get", "perl":
            result = self.run_docker("run", "--rm", "--entrypoint", other, "berth")
            self.assertEqual(result.rc, 127, result)

    def test_it_is_nobody_special(self):
        user = self.docker("inspect", "--format", "{{.Config.User}}", "berth")
        self.assertEqual(user, f"{USER}:123")

    def test_a_scanner_finds_what_is_in_it(self):
        """The libraries' packages and versions, as in Google's images."""
        self.docker("create", "--name", "still", "berth")
        self.addCleanup(self.docker, "rm", "still")
        for package in "libc6", "libssh2-1t64", "libjansson4":
            status = self.docker("cp", f"still:/var/lib/dpkg/status.d/{package}", "-")
            self.assertIn(f"Package: {package}", status)

    def test_a_runner_works_beside_it(self):
        self.start_sidecar(self.make_settings())
        self.await_health("healthy")
        runner = ["run", "--rm", "--volume", "socket:/run/berth", "--env",
                  "DOCKER_HOST=unix:///run/berth/docker.sock"]
        self.assertEqual(
            self.docker(*runner, RUNNER_IMAGE,
                        "docker", "run", "--rm", "alpine", "echo", "hello"),
            "hello")
        # for a user who is not root, it takes the group
        in_group = self.run_docker(*runner, "--user", "1001:1001", "--group-add",
                                   "123", RUNNER_IMAGE, "docker", "ps")
        self.assertEqual(in_group.rc, 0, in_group)
        outside = self.run_docker(*runner, "--user", "1001:1001", RUNNER_IMAGE,
                                  "docker", "ps")
        self.assertIn(b"permission denied", outside.err)
        # it is berth that answered: the policy holds, the key is not here
        denied = self.run_docker(*runner, RUNNER_IMAGE, "docker", "run",
                                 "--privileged", "alpine", "true")
        self.assertIn(b"berth: ", denied.err)

    def test_it_is_unhealthy_without_an_engine(self):
        self.start_sidecar(self.make_settings(
            url="ssh://berth@127.0.0.1:1", wait="100ms"))
        self.assertIn("Connection refused", self.await_health("unhealthy"))


class Compose(Deployed):
    """From a checkout to a first container, as the README has it."""

    def setUp(self):
        super().setUp()
        self.host = Host(self.bed)
        self.app = self.bed.dir / "srv/compose"
        shutil.copytree(TOP / "deploy/compose", self.app)
        self.addCleanup(shutil.rmtree, self.app)
        shutil.copy(self.bed_env["BED_KNOWN_HOSTS"], self.app / "known_hosts")
        address, port = self.bed_env["BED_ADDRESS"], self.bed_env["BED_SSH_PORT"]
        (self.app / ".env").write_text(
            f"BERTH_UPSTREAM=ssh://{ACCOUNT}@{address}:{port}\n")

    def compose(self, *words):
        done = self.host.run("docker", "compose", "--project-directory",
                             "/srv/compose", *words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout.strip()

    def works(self, *files):
        self.addCleanup(self.compose, "down", "--volumes", "--timeout", "0")
        said = self.compose("run", "--rm", "berth", "keygen",
                            "/var/lib/berth/id_ed25519")
        key = re.search(r"host-setup.sh --key '(.*)'", said)[1]
        self.addCleanup(self.host.setup, "--uninstall")
        done = self.host.setup("--key", key)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.compose(*files, "up", "--detach", "--wait")
        self.assertEqual(
            self.compose("exec", "-T", "runner", "docker", "run", "--rm",
                         "alpine", "echo", "hello"), "hello")

    def test_a_runner_and_its_berth_share_a_volume(self):
        self.works()

    def test_they_share_a_network_namespace_too(self):
        files = [f"--file=/srv/compose/{name}" for name in
                 ("compose.yaml", "compose.network.yaml")]
        self.works(*files)
        addresses = {self.compose("exec", "-T", "runner", "hostname", "-i"),
                     self.docker("inspect", "--format", "{{range "
                                 ".NetworkSettings.Networks}}{{.IPAddress}}"
                                 "{{end}}", "berth-berth-1")}
        self.assertEqual(len(addresses), 1, addresses)


class Beside(Deployed):
    """The runner is a container on the Docker host itself, and mounts what it
    has mounted: a volume, and a directory of the host."""
    FILE = """\
include: [berth/deploy/compose/docker-host.yaml]
services:
  runner:
    extends: { file: berth/deploy/compose/docker-host.runner.yaml, service: runner }
    image: docker:cli
    command: sleep infinity
    init: true
    volumes:
      - work:/work
      - /srv/ci/cache:/work/cache
      - /srv/ci/tools:/tools:ro
volumes:
  work:
"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host = Host(cls.bed)
        app = cls.bed.dir / "srv/ci"
        shutil.copytree(TOP / "deploy/compose", app / "berth/deploy/compose")
        cls.addClassCleanup(shutil.rmtree, app)
        for name in "cache/deep", "tools/bin":
            (app / name).mkdir(parents=True)
        (app / "tools/bin/tool").write_text("a tool")
        (app / "cache/deep/kept").touch()
        (app / "compose.yaml").write_text(cls.FILE)
        cls.addClassCleanup(cls.leave)
        cls.compose("up", "--detach", "--wait")
        cls.runs("mkdir -p repo/out && echo hello >repo/a.txt && "
                 "ln -s / repo/out/host && ln -s ../a.txt repo/out/a")

    @classmethod
    def compose(cls, *words, rc=0):
        done = cls.host.run("docker", "compose", "--project-directory",
                            "/srv/ci", *words)
        assert done.returncode == rc, f"{words}: {done.stderr}"
        return done.stdout.strip() if rc == 0 else done.stderr

    @classmethod
    def leave(cls):
        """What the jobs had goes with berth, but for the host's directories."""
        cls.compose("down", "--volumes")
        assert (cls.bed.dir / "srv/ci/cache/deep/kept").exists()
        left = cls.docker("volume", "ls", "--quiet", "--filter", "name=berth-binds")
        assert left == "", left

    @classmethod
    def runs(cls, script, **how):
        """What the runner's shell says, in its work directory."""
        return cls.compose("exec", "-T", "runner", "sh", "-euc",
                           "cd /work; " + script, **how)

    def test_a_job_mounts_what_the_runner_has(self):
        run = "docker run --rm "
        # a checkout: read, written to, one file of it, all forms
        self.assertEqual(self.runs(
            run + "-v $PWD/repo:/src -v $PWD/repo/a.txt:/one:ro --mount "
            "type=bind,src=$PWD/repo/out,dst=/src/nested,readonly busybox sh -c "
            "'cat /one /src/a.txt; echo made >/src/b; ls /src/nested; "
            "echo x 2>/dev/null >/src/nested/c || echo read-only'; cat repo/b"),
            "hello\nhello\na\nhost\nread-only\nmade")
        # a directory of the host, all of it and below, and what is read-only
        self.assertEqual(self.runs(
            run + "-v $PWD/cache:/all -v $PWD/cache/deep:/deep -v /tools/bin:/t "
            "busybox sh -c 'echo 1 >/all/x; echo 2 >/deep/y; cat /t/tool; "
            "echo x 2>/dev/null >/t/z || echo read-only'; "
            "cat cache/x cache/deep/y"), "a toolread-only\n1\n2")
        # inspect shows what was asked for
        self.runs("docker run -d --name up -v $PWD/repo:/src:ro busybox sleep 99")
        self.assertEqual(json.loads(self.runs(
            "docker inspect --format '{{json .HostConfig.Binds}}' up")),
            ["/work/repo:/src:ro"])
        mount, = json.loads(self.runs(
            "docker inspect --format '{{json .Mounts}}' up"))
        self.assertEqual([mount[k] for k in ("Type", "Source", "RW")],
                         ["bind", "/work/repo", False])
        self.assertEqual(self.runs("docker volume ls --quiet"), "")
        # and the operator can see that before
        self.assertIn("ok    runner    ci-runner-1 mounts ", self.compose(
            "exec", "-T", "berth", "/usr/bin/berth", "check", "--connect",
            "/etc/berth/policy.json"))

    def test_a_job_mounts_nothing_else(self):
        run = "docker run --rm "
        for path, words in (
                ("$PWD/repo/out/host", "a symbolic link leads out"),
                ("$PWD/repo/out/host/etc", "a symbolic link leads out"),
                ("$PWD/nothing", "does not exist"),
                ("/root", "is in the file system of the runner's own container"),
                ("/srv/ci", "is in the file system of the runner's own container"),
                ("/run/podman/podman.sock", "is never mounted")):
            said = self.runs(f"docker create --name web -v {path}:/x busybox ls /x "
                             "&& docker start web || true; "
                             "docker rm -f web || true; false", rc=1)
            self.assertIn(words, said)
        # a link put where a whole mount was is one of the volume's
        self.runs("ln -s /etc cache/etc")
        self.assertIn("a symbolic link leads out", self.runs(
            run + "-v $PWD/cache/etc:/x busybox ls /x", rc=125))
        # nothing was made on the host
        self.assertFalse((self.bed.dir / "srv/work").exists())
        self.assertEqual(self.host.run("ls", "-d", "/work").returncode, 2)


class Pod(Deployed):
    """The pod of deploy/kubernetes/values.yaml, played on a plain engine."""

    def setUp(self):
        super().setUp()
        self.pod = pod_template(self.bed_env)["spec"]
        self.sidecar, = self.pod["initContainers"]
        self.runner, = self.pod["containers"]
        self.dir = self.bed.dir / "srv/pod"
        self.addCleanup(shutil.rmtree, self.dir)
        self.make_volumes()

    def make_volumes(self):
        """Group and modes as Kubernetes makes them for such a fsGroup."""
        group = self.pod["securityContext"]["fsGroup"]
        (self.dir / "docker-socket").mkdir(parents=True)
        os.chown(self.dir / "docker-socket", 0, group)
        (self.dir / "docker-socket").chmod(0o2777)
        policy = json.loads((TOP / "deploy/kubernetes/policy.json").read_text())
        policy["upstream"]["url"] = self.bed_env["BED_SSH_URL"]
        settings = self.dir / "berth"
        settings.mkdir()
        (settings / "policy.json").write_text(json.dumps(policy))
        shutil.copy(self.bed_env["BED_IDENTITY"], settings / "id_ed25519")
        shutil.copy(self.bed_env["BED_KNOWN_HOSTS"], settings / "known_hosts")
        projected = next(v["projected"] for v in self.pod["volumes"]
                         if v["name"] == "berth")
        for path in settings.iterdir():
            os.chown(path, 0, group)
            path.chmod(projected["defaultMode"])

    def start(self, name, container, image, *words, **env):
        mounts = [w for m in container["volumeMounts"] for w in (
            "--volume", f"/srv/pod/{m['name']}:{m['mountPath']}"
            + (":ro" if m.get("readOnly") else ""))]
        variables = [w for k, v in env.items() for w in ("--env", f"{k}={v}")]
        self.docker("run", "--detach", "--name", name, "--network", "bridge",
                    *mounts, *variables, *words, image,
                    *container.get("args", ["sleep", "600"]))
        self.addCleanup(self.docker, "rm", "--force", name)

    def test_the_runner_has_an_engine(self):
        rights = self.sidecar["securityContext"]
        self.assertTrue(rights["readOnlyRootFilesystem"])
        self.start("sidecar", self.sidecar, "berth", "--read-only",
                   "--user", f"{rights['runAsUser']}:{rights['runAsGroup']}",
                   "--cap-drop", *rights["capabilities"]["drop"],
                   "--security-opt", "no-new-privileges",
                   RUNNER_NAME="berth-x7k2p-runner-9tq4w")
        probe = self.sidecar["startupProbe"]["exec"]["command"]
        wait_for("the pod's start", lambda: self.run_docker(
            "exec", "sidecar", *probe).rc == 0)
        # GitHub's image runs as this user, who is in the group docker
        self.start("runner", self.runner, RUNNER_IMAGE, "--user", "1001:1001",
                   "--group-add", "123",
                   **{e["name"]: e["value"] for e in self.runner["env"]})
        self.assertEqual(
            self.docker("exec", "runner", "docker", "run", "--rm", "alpine",
                        "echo", "hello"), "hello")


def kubernetes(env, *files):
    """All objects in files of deploy/kubernetes; Kubernetes must know all that
    they say."""
    p = subprocess.run(
        [env["BED_BIN"] + "/node", HERE / "clients/kubernetes.js", *files],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    assert p.returncode == 0, p.stderr.decode()
    return json.loads(p.stdout)


def pod_template(env):
    """What values.yaml makes of a runner's pod."""
    pod, = kubernetes(env, TOP / "deploy/kubernetes/values.yaml")
    return pod
