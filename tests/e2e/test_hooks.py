"""A job of GitHub's runner, with the commands of its container hooks: a job
container and services, steps by exec, a container action that is built, one
that is pulled.

https://github.com/actions/runner-container-hooks, packages/docker (in June 2026)
says which commands these are. It is one job, three times: the engine gets the
runner's directories by copy, from the runner's own container, or from its host.
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import uuid
from pathlib import Path

from harness import NEXT, STAND_IN, Scenario, api, wait_for, within
from test_ports import fetch, free_port

LABEL = "runner-1".encode().hex()
RUNNER = "/srv/runner"  # by its own words
WORK = {  # of the job container, in the runner's order
    "_work": "/__w", "externals": "/__e:ro", "_work/_temp": "/__w/_temp",
    "_work/_actions": "/__w/_actions", "_work/_tool": "/__w/_tool",
    "_work/_temp/_github_home": "/github/home",
    "_work/_temp/_github_workflow": "/github/workflow"}
ACTION = "_work/_actions/acme/greet/v1"
DOCKERFILE = """\
FROM busybox
COPY entrypoint.sh /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
"""
ENTRYPOINT = """\
#!/bin/sh -e
cat src/main.c > built
echo "hello $1 in $INPUT_PLACE" >> built
echo "said=hello" >> /__w/_temp/_runner_file_commands/set_output
wget -qO- http://redis:8080/
"""
NODE = "#!/bin/sh\n# stands for node, which runs what it is given\nexec sh \"$@\"\n"
CHECKOUT = """\
mkdir -p src
echo 'int main;' > src/main.c
printf '#!/bin/sh\\necho built by $0 for $1\\n' > build.sh
chmod +x build.sh
ln -s src/main.c main
"""


class Job:
    """The runner's part of a job, without a berth."""

    preset = {"preset": "github-actions", "ports": {"publish": "runner"}}
    engines = ("26.1", *NEXT)

    @classmethod
    def make_files(cls, here):
        """What a runner finds in its directory when a job comes."""
        cls.here = here
        for name in *WORK, "_work/repo/repo", "_work/_temp/_runner_file_commands":
            (here / name.partition(":")[0]).mkdir(parents=True, exist_ok=True)
        cls.put("externals/node20/bin/node", NODE, 0o755)
        cls.put("_work/_actions/actions/checkout/v4/index.js", CHECKOUT)
        cls.put(f"{ACTION}/Dockerfile", DOCKERFILE)
        cls.put(f"{ACTION}/entrypoint.sh", ENTRYPOINT, 0o755)

    @classmethod
    def put(cls, name, text, mode=0o644):
        path = cls.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def read(self, name):
        return (self.here / name).read_text()

    # ---- the hooks' commands ----

    def docker(self, *words, **env):
        """With the runner's view of its directory, which the client needs for
        what it builds."""
        return self.ok(*within(self.here.parent), self.cli, *words, **env)

    def docker_result(self, *words, **env):
        return self.run_client(*within(self.here.parent), self.cli, *words, **env)

    def prune(self):
        old = self.docker("ps", "--all", "--quiet", "--no-trunc", "--filter",
                          f"label={LABEL}").split()
        if old:
            self.docker("rm", "--force", *old)
        self.docker("network", "prune", "--force", "--filter", f"label={LABEL}")

    def create(self, image, options=(), words=(), **env):
        """A container of the job, started."""
        made = self.docker(
            "create", f"--label={LABEL}", f"--network={self.network}", *options,
            *(x for name in env for x in ("-e", name)), "-e",
            "GITHUB_ACTIONS=true", "-e", "CI=true", image, *words, **env)
        self.docker("start", made)
        return made

    def mounts(self):
        return ["-v=/var/run/docker.sock:/var/run/docker.sock",
                *(f"-v={RUNNER}/{name}:{target}" for name, target in WORK.items())]

    def prepare_job(self):
        self.prune()
        self.network = f"github_network_{uuid.uuid4()}"
        self.docker("network", "create", "--label", LABEL, self.network)
        self.web, self.redis = free_port(), free_port()
        self.docker("pull", self.image)
        self.job = self.create(
            self.image, ["--name", f"{uuid.uuid4().hex}_job", "-p",
                         f"{self.web}:8080", "--cpus", "1", *self.mounts(),
                         "--entrypoint", "tail"], ["-f", "/dev/null"],
            NODE_ENV="development")
        self.docker("pull", self.image)
        self.service = self.create(
            self.image, ["--network-alias=redis", "--name",
                         f"{uuid.uuid4().hex}_redis", "-p",
                         f"{self.redis}:8080", "--health-cmd",
                         "wget -qO- http://127.0.0.1:8080/",
                         "--health-interval", "300ms"],
            ["sh", "-c", "mkdir /w; echo redis > /w/index.html; "
             "exec httpd -f -p 8080 -h /w"])
        self.assertNotEqual(self.docker_result(  # is it Alpine?
            "exec", self.job, "sh", "-c", "[ $(cat /etc/*release* | grep -i -e "
            "\"^ID=*alpine*\" -c) != 0 ] || exit 1").rc, 0)
        for container, port in (self.job, self.web), (self.service, self.redis):
            said = [re.fullmatch(r"(\d+)(/\w+)? -> (.*):(\d+)", line)
                    for line in self.docker("port", container).split("\n")]
            self.assertEqual({(m[1], m[4]) for m in said},
                             {("8080", str(port))})
        wait_for("the service", lambda: self.docker(
            "inspect", "--format={{if .Config.Healthcheck}}"
            "{{print .State.Health.Status}}{{end}}", self.service) == "healthy")

    def step(self, entrypoint, *words, prefix=(), **env):
        """run_script_step: exec in the job container."""
        if prefix:
            path = self.docker(
                "inspect", "--format={{range $index, $value := .Config.Env}}"
                "{{if eq (index (split $value \"=\") 0) \"PATH\"}}"
                "{{index (split $value \"=\") 1}}{{end}}{{end}}", self.job)
            prefix = "-e", f"PATH={':'.join(prefix)}:{path}"
        return self.docker_result(
            "exec", "-i", "--workdir=/__w/repo/repo",
            *(x for name in env for x in ("-e", name)), *prefix, self.job,
            entrypoint, *words, **env)

    def script(self, text, **how):
        """A step `run:`, whose script the runner writes first."""
        name = f"_temp/{uuid.uuid4()}.sh"
        self.put(f"_work/{name}", text)
        result = self.step("sh", "-e", f"/__w/{name}", **how)
        self.assertEqual(result.rc, 0, result)
        return result.text

    def container_step(self, image, *words, **env):
        return self.docker(
            "run", "--rm", "--name", uuid.uuid4().hex[:6],
            "--workdir=/github/workspace", f"--label={LABEL}",
            f"--network={self.network}", *(x for n in env for x in ("-e", n)),
            "-e", "GITHUB_ACTIONS=true", "-e", "CI=true", *self.mounts()[1:],
            "-v", f"{RUNNER}/_work/repo/repo:/github/workspace", image, *words,
            **env)

    # ---- the job ----

    def test_a_job(self):
        self.image = self.push_image()
        self.prepare_job()
        self.run_steps()
        self.reach_services()
        self.run_actions()
        self.prune()
        self.assertEqual(self.docker("ps", "-aq"), "")
        self.assertNotIn("github_network", self.docker("network", "ls"))

    def push_image(self):
        name = self.bed_env["BED_REGISTRY"] + "/acme/job:20"
        self.docker("build", "-t", name, "-",
                    input=b"FROM busybox\nENV PATH=/usr/bin:/bin\n")
        self.docker("push", name)
        self.docker("rmi", name)
        return name

    def run_steps(self):
        # an action of JavaScript, with the runner's own node
        done = self.step("/__e/node20/bin/node",
                         "/__w/_actions/actions/checkout/v4/index.js")
        self.assertEqual(done.rc, 0, done)
        self.assertEqual(self.read("_work/repo/repo/src/main.c"), "int main;\n")
        # scripts, that read and write what the runner does
        self.put("_work/_temp/_github_workflow/event.json", '{"ref": "main"}')
        self.put("_work/_temp/_runner_file_commands/set_output", "")
        self.put("_work/_temp/bin/mytool", "#!/bin/sh\necho my tool\n", 0o755)
        said = self.script(
            "./build.sh \"$NAME\"; cat main /github/workflow/event.json\n"
            "echo cached > /github/home/.cache; mkdir -p out; cp main out/copy\n"
            "echo result=7 >> $GITHUB_OUTPUT; mytool\n"
            "mkdir /__w/_tool/tool-1; echo x > /__w/_tool/tool-1/complete\n"
            "test -S /var/run/docker.sock\n"
            "touch /__e/x 2>/dev/null || echo read-only\n",
            prefix=["/__w/_temp/bin"], NAME="a name",
            GITHUB_OUTPUT="/__w/_temp/_runner_file_commands/set_output")
        self.assertEqual(said, "built by ./build.sh for a name\nint main;\n"
                         '{"ref": "main"}my tool\nread-only')
        self.assertEqual(
            self.read("_work/_temp/_runner_file_commands/set_output"), "result=7\n")
        self.assertEqual(self.read("_work/repo/repo/out/copy"), "int main;\n")
        self.assertEqual(self.read("_work/_temp/_github_home/.cache"), "cached\n")
        self.assertTrue((self.here / "_work/_tool/tool-1/complete").exists())
        self.assertEqual(self.step("sh", "-c", "rm -r out; exit 3").rc, 3)
        self.assertFalse((self.here / "_work/repo/repo/out").exists())

    def reach_services(self):
        self.assertEqual(self.script("wget -qO- http://redis:8080/\n"), "redis")
        self.script("echo job > /tmp/index.html; httpd -p 8080 -h /tmp\n")
        for port, says in (self.redis, "redis"), (self.web, "job"):
            wait_for(says, lambda: fetch("127.0.0.1", port) == says)

    def run_actions(self):
        tag = f"{LABEL}:{uuid.uuid4().hex[:6]}"
        self.docker("build", "-t", tag, "-f", f"{RUNNER}/{ACTION}/Dockerfile",
                    f"{RUNNER}/{ACTION}")
        said = self.container_step(tag, "world", INPUT_PLACE="here")
        self.assertEqual(said, "redis")
        self.assertEqual(self.read("_work/repo/repo/built"),
                         "int main;\nhello world in here\n")
        self.assertEqual(
            self.read("_work/_temp/_runner_file_commands/set_output"),
            "result=7\nsaid=hello\n")
        self.docker("pull", self.image)
        self.assertEqual(self.container_step(
            self.image, "sh", "-c", "cat built; rm built; echo two > second"),
            "int main;\nhello world in here")
        # and the next step finds it
        self.assertEqual(self.script("ls; cat second\n"),
                         "build.sh\nmain\nsecond\nsrc\ntwo")


@unittest.skipIf(STAND_IN, "ssh -L copies nothing")
class ByCopy(Job, Scenario):
    @classmethod
    def setUpClass(cls):
        srv = Path(tempfile.mkdtemp(prefix="berth-e2e-work."))
        cls.addClassCleanup(shutil.rmtree, srv)
        cls.make_files(srv / "runner")
        cls.policy = {**cls.preset, "prefix": within(srv), "container": {
            "mounts": [{"source": f"{RUNNER}/_work", "by": "copy", "mode": "rw"},
                       {"source": f"{RUNNER}/externals", "by": "copy"}]}}
        super().setUpClass()


class OnTheHost(Job):
    """The runner's directory is in a directory of the engine's host."""

    there = "/srv/of-the-runner"

    @classmethod
    def make_policy(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        bed = Path(os.environ["BERTH_E2E_BED"])
        top = bed / cls.there[1:]
        top.mkdir()
        cls.addClassCleanup(shutil.rmtree, top)
        cls.make_files(top / "runner")
        cls.policy = {**cls.preset, "container": cls.make_policy()}
        super().setUpClass()
        cls.addClassCleanup(cls.remove_volumes)

    @classmethod
    def remove_volumes(cls):
        sock = cls.bed_env["BED_SOCKET"]
        for volume in api(sock, "GET", "/volumes")[1]["Volumes"] or []:
            if volume["Name"].startswith("berth-binds-"):
                api(sock, "DELETE", f"/volumes/{volume['Name']}")


@unittest.skipIf(STAND_IN, "the paths are another machine's")
class ByHost(OnTheHost, Scenario):
    @classmethod
    def make_policy(cls):
        return {"mounts": [
            {"source": f"{RUNNER}/{name}", "host": f"{cls.there}/runner/{name}",
             "mode": mode} for name, mode in (("_work", "rw"),
                                              ("externals", "ro"))]}


@unittest.skipIf(STAND_IN, "the paths are another machine's")
class ByContainer(OnTheHost, Scenario):
    @classmethod
    def make_policy(cls):
        return {"runner": "ci-runner", "mounts": [
            {"source": RUNNER, "by": "container", "mode": "rw"}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        env = cls.bed_env
        docker = [env["BED_CLI"], "-H", f"unix://{env['BED_SOCKET']}"]
        subprocess.run(
            [*docker, "run", "-d", "--name", "ci-runner", "-v",
             f"{cls.there}/runner:{RUNNER}", "busybox", "sleep", "99999"],
            check=True, stdout=subprocess.DEVNULL)
        cls.addClassCleanup(subprocess.run,
                            [*docker, "rm", "--force", "ci-runner"],
                            check=True, stdout=subprocess.DEVNULL)
