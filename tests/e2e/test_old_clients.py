"""Clients whose API version the engine gave up. The bed of the next release has
an engine that speaks nothing older than 1.44."""
import json
import unittest

from harness import NEXT, Scenario

FLOOR = "DOCKER_MIN_API_VERSION=1.44"


class OldClients(Scenario):
    engines = NEXT
    cli = "docker-20.10"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if FLOOR not in cls.bed_env["BED_ENGINE_ENV"]:
            cls.tearDownClass()
            raise unittest.SkipTest("its engine speaks all versions")

    def test_a_docker_command_of_20_10(self):
        # the engine itself would have none of it
        r = self.run_client("docker-20.10", "-H",
                            "unix://" + self.bed_env["BED_SOCKET"], "ps")
        self.assertIn(b"client version 1.41 is too old", r.err)
        self.docker("run", "-d", "--name", "db", "-v", "data:/d", "busybox",
                    "sleep", "99")
        self.assertEqual(self.docker("exec", "db", "echo", "hi"), "hi")
        self.docker("rm", "-f", "db")
        self.assertIn("data", self.docker("volume", "prune", "-f"))
        ends = [x for x in self.berth.audit()
                if x["event"] == "end" and x["operation"] == "VolumePrune"]
        self.assertEqual(ends[-1]["api"], "1.41")
        self.assertIn("/v1.44/", ends[-1]["sent"])

    def test_the_versions_that_libraries_had_as_their_default(self):
        for version in "1.24", "1.32", "1.40":
            with self.subTest(version):
                self.docker("run", "-d", "--name", "db", "busybox", "sleep",
                            "99", DOCKER_API_VERSION=version)
                db = json.loads(self.docker("inspect", "db",
                                            DOCKER_API_VERSION=version))[0]
                self.assertEqual(db["HostConfig"]["IpcMode"],
                                 "private" if version == "1.40" else "shareable")
                self.docker("rm", "-f", "db", DOCKER_API_VERSION=version)

    def test_docker_py_of_the_same_age(self):
        out = self.ok("python3-5.0", "-c", """
import docker
c = docker.from_env(version="1.32")
print(c.containers.run("busybox", "echo hi", remove=True))
x = c.containers.run("busybox", "sleep 99", detach=True)
n = c.networks.create("n")
n.connect(x)
x.reload()
print(x.attrs["NetworkSettings"]["Networks"]["n"]["Aliases"] == [x.id[:12]])
image = c.images.get("busybox").attrs
print(image["VirtualSize"] == image["Size"])
""")
        self.assertEqual(out.split("\n"), ["b'hi\\n'", "True", "True"])
