"""docker.sock in a container leads back to its berth.

The client that runs there is a real one: the engine's own docker, in an image
with the libraries that it needs.
"""
import json
import os
import unittest
from pathlib import Path

from harness import (STAND_IN, Bed, Berth, Scenario, TwoRunners, api, empty,
                     noise, sha256, wait_for)
from tarball import tar_of_programs
from test_ports import HTTPD, fetch, free_port

SOCK = ("-v", "/var/run/docker.sock:/var/run/docker.sock")
INSIDE = "inside:1"


def client_image(wrapper):
    """A tar with the docker client that WRAPPER of the bed's runs, and what it
    is linked with."""
    program = Path(wrapper).read_text().split("exec ")[1].split()[0]
    return tar_of_programs(Path(program).parents[2], "usr/bin/docker")


@unittest.skipIf(STAND_IN, "ssh -L has no companion")
class Companion(TwoRunners):
    policy = {"container": {"engine_socket": "berth"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = client_image(cls.bed_env["BED_BIN"] + "/docker-26.1")

    def setUp(self):
        super().setUp()
        self.ok(self.cli, "import", "-", INSIDE, input=self.client)

    def clear(self):
        super().clear()
        empty(self.other.socket)

    def theirs(self, *words):
        return self.docker(*words, DOCKER_HOST=f"unix://{self.other.socket}")

    def inside(self, *words, **how):
        """Run docker WORDS in a container."""
        return self.docker("run", "--rm", *SOCK, INSIDE, "docker", *words,
                           **how)

    def ask_engine(self, method, target, **query):
        return api(self.bed_env["BED_SOCKET"], method, target, **query)

    def test_docker_in_a_container_is_docker(self):
        self.docker("run", "-d", "--name", "mine", "busybox", "sleep", "1000")
        self.theirs("run", "-d", "--name", "theirs", "busybox", "sleep", "1000")
        names = self.inside("ps", "-a", "--format", "{{.Names}}").split()
        self.assertIn("mine", names)
        self.assertNotIn("theirs", names)
        self.assertFalse([n for n in names if "companion" in n])
        # what is made there is the runner's
        self.inside("run", "-d", "--name", "made", "busybox", "sleep", "1000")
        self.assertEqual(
            self.docker("exec", "made", "echo", "here"), "here")
        # and one may be in the other
        self.assertEqual(
            self.inside("run", "--rm", *SOCK, INSIDE, "docker", "exec", "mine",
                        "echo", "nested"), "nested")
        data = noise(8 << 20)
        out = self.run_client(
            self.cli, "run", "--rm", "-i", "--log-driver", "none", *SOCK,
            INSIDE, "docker", "run", "--rm", "-i", "--log-driver", "none",
            "busybox", "cat", input=data).out
        self.assertEqual(sha256(out), sha256(data))

    def test_what_it_may_not_it_may_not_there_either(self):
        r = self.docker_result("run", "--rm", *SOCK, INSIDE, "docker", "run",
                               "--rm", "--privileged", "busybox", "true")
        self.assertNotEqual(r.rc, 0)
        self.assertIn(b"container.privileged", r.err)
        container = self.docker("create", *SOCK, INSIDE, "docker", "info")
        self.docker("start", "-a", container)
        calls = [json.loads(line) for line in
                 self.berth.audit_path.read_text().splitlines()]
        self.assertIn((container, "SystemInfo"),
                      {(c.get("container"), c["operation"]) for c in calls})

    def test_it_looks_as_it_was_asked_for(self):
        self.docker("create", "--name", "job", "-v",
                    "/var/run/docker.sock:/run/d.sock:ro", "--mount",
                    "type=bind,source=/run/docker.sock,target=/e.sock",
                    "busybox", "true")
        shown = self.api("GET", "/containers/job/json")
        self.assertEqual(shown["HostConfig"]["Binds"],
                         ["/var/run/docker.sock:/run/d.sock:ro"])
        self.assertEqual(
            [(m["Source"], m["Target"]) for m in shown["HostConfig"]["Mounts"]],
            [("/run/docker.sock", "/e.sock")])
        self.assertEqual(
            {(m["Type"], m["Source"], m["Destination"], m["RW"])
             for m in shown["Mounts"]},
            {("bind", "/var/run/docker.sock", "/run/d.sock", False),
             ("bind", "/run/docker.sock", "/e.sock", True)})
        self.assertNotIn("berth", json.dumps(shown))

    def test_the_companion_is_out_of_reach(self):
        self.docker("run", "-d", "--name", "job", *SOCK, "busybox", "sleep",
                    "1000")
        name = f"berth_companion.{self.berth.namespace}"
        theirs = f"berth_companion.{self.other_namespace}"
        status, container = self.ask_engine("GET", f"/containers/{name}/json")
        self.assertEqual(status, 200)
        for word in (name, container["Id"], container["Id"][:12], theirs):
            for words in (["inspect", word], ["rm", word], ["kill", word],
                          ["exec", word, "true"], ["logs", word],
                          ["cp", f"{word}:/sockets", "-"],
                          ["run", "--rm", "--volumes-from", word, "busybox"],
                          ["run", "--rm", "--network", f"container:{word}",
                           "busybox"]):
                r = self.docker_result(*words)
                self.assertNotEqual(r.rc, 0, words)
        image = container["Config"]["Image"]
        for words in (["run", "--rm", image], ["rmi", image],
                      ["rmi", container["Image"]],
                      ["image", "inspect", container["Image"]]):
            self.assertNotEqual(self.docker_result(*words).rc, 0, words)
        self.assertIn(b"no such volume", self.docker_result(
            "volume", "inspect", name).err.lower())
        # a volume of that name is the runner's own
        self.assertEqual(self.docker("run", "--rm", "-v", f"{name}:/v",
                                     "busybox", "ls", "/v"), "")
        for words in (["ps", "-a"], ["ps", "-a", "--no-trunc"], ["images", "-a"],
                      ["system", "df", "-v"], ["info"]):
            shown = self.docker(*words)
            self.assertNotIn("companion.berth", shown, words)
            self.assertNotIn("berth-companion", shown, words)
        self.assertEqual(self.docker("info", "-f", "{{.Containers}}"), "1")
        for what in "container", "image", "volume", "system":
            self.docker(what, "prune", "-f")
        self.assertTrue(self.ask_engine("GET", f"/containers/{name}/json")[1][
            "State"]["Running"])
        self.assertEqual(self.inside("ps", "-q", "--filter", "name=job"),
                         self.docker("ps", "-q", "--filter", "name=job"))

    def test_it_is_held_in(self):
        self.docker("create", *SOCK, "busybox", "true")
        name = f"berth_companion.{self.berth.namespace}"
        _, companion = self.ask_engine("GET", f"/containers/{name}/json")
        host = companion["HostConfig"]
        self.assertEqual(host["NetworkMode"], "none")
        self.assertEqual(host["CapDrop"], ["ALL"])
        self.assertTrue(host["ReadonlyRootfs"])
        self.assertEqual(host["SecurityOpt"], ["no-new-privileges"])
        self.assertTrue(0 < host["PidsLimit"] <= 64)
        self.assertTrue(0 < host["Memory"] <= 256 << 20)
        self.assertFalse(host["Privileged"])
        self.assertEqual([m["Type"] for m in companion["Mounts"]], ["volume"])

    def test_over_a_restart_of_berth(self):
        self.docker("create", "--name", "later", *SOCK, INSIDE, "docker",
                    "ps", "-a", "--format", "{{.Names}}")
        self.docker("run", "-d", "--name", "running", *SOCK, INSIDE, "docker",
                    "events", "--format", "{{.Action}}")

        def tells():
            self.docker("create", "busybox", "true")
            return "create" in self.docker("logs", "running")

        wait_for("an event", tells)
        self.berth.restart()
        self.assertIn("later", self.docker("start", "-a", "later").split())
        wait_for("its end", lambda: "Exited" in self.docker(
            "ps", "-a", "--filter", "name=running", "--format", "{{.Status}}"))
        before = len(self.docker("logs", "running").split())
        self.docker("start", "running")
        wait_for("more events", lambda: tells() and len(
            self.docker("logs", "running").split()) > before)

    def test_over_the_companions_end(self):
        self.docker("create", "--name", "job", *SOCK, INSIDE, "docker", "ps",
                    "-a", "--format", "{{.Names}}")
        self.assertIn("job", self.docker("start", "-a", "job").split())
        name = f"berth_companion.{self.berth.namespace}"
        self.ask_engine("POST", f"/containers/{name}/kill")
        wait_for("it to run again", lambda: self.ask_engine(
            "GET", f"/containers/{name}/json")[1]["State"]["Running"])
        wait_for("its sockets", lambda: self.docker_result(
            "start", "-a", "job").text.startswith("job"))
        self.ask_engine("DELETE", f"/containers/{name}", force=1)
        # a new one is made for the next container
        self.assertTrue(self.inside("ps", "-a", "-q"))

    def test_nothing_of_it_is_left(self):
        name = "berth_companion.t3"
        berth = Berth(self.bed, "t3", leftovers="remove", **self.policy)
        try:
            self.docker("create", *SOCK, "busybox", "true",
                        DOCKER_HOST=f"unix://{berth.socket}")
            self.assertEqual(
                self.ask_engine("GET", f"/containers/{name}/json")[0], 200)
        finally:
            berth.stop()
        self.assertEqual(self.ask_engine("GET", f"/containers/{name}/json")[0], 404)
        self.assertEqual(self.ask_engine("GET", f"/volumes/{name}")[0], 404)


@unittest.skipIf(STAND_IN, "ssh -L carries no ports")
class Gateway(Scenario):
    """Who takes the gateway of "bridge" for the Docker host finds ports there."""

    @classmethod
    def setUpClass(cls):
        cls.host = Bed(os.environ["BERTH_E2E_BED"]).env["BED_HOST_ADDRESS"]
        cls.policy = {"container": {"engine_socket": "berth"}, "ports": {
            "publish": "runner", "listen": ["127.0.0.1", cls.host]}}
        super().setUpClass()
        cls.client = client_image(cls.bed_env["BED_BIN"] + "/docker-26.1")

    def test_here_and_in_a_container(self):
        self.ok(self.cli, "import", "-", INSIDE, input=self.client)
        ask = ("network", "inspect", "bridge", "--format",
               "{{(index .IPAM.Config 0).Gateway}}")
        there = ("run", "--rm", *SOCK, INSIDE, "docker", *ask)
        # before the namespace has a bridge of its own, and with one
        self.assertEqual(self.docker(*ask), "127.0.0.1")
        self.assertEqual(self.docker(*there), self.host)
        port = free_port()
        self.docker("run", "-d", "-h", "web", "-p", f"{port}:80", "busybox",
                    *HTTPD)
        wait_for("web", lambda: fetch(self.docker(*ask), port) == "web")
        self.assertEqual(self.docker(
            "run", "--rm", "busybox", "wget", "-qO-",
            f"http://{self.docker(*there)}:{port}/"), "web")
