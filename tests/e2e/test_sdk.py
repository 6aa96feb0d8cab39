"""Programs that use the engine through a library; clients/ has them."""
import re
import subprocess
import unittest

from harness import HERE, Scenario


def scenarios(file, pattern):
    """One test for each scenario that the program FILE has."""

    def fill(cls):
        for name in re.findall(pattern, (HERE / "clients" / file).read_text(),
                               re.M):
            def test(self, name=name):
                self.ok(self.program, HERE / "clients" / file, name)
            setattr(cls, "test_" + name, test)
        return cls
    return fill


PYTHON = scenarios("docker_py.py", r"^def (\w+)\(\):")
JAVASCRIPT = r"^  async (\w+)\(\) {"


@PYTHON
class DockerPy50(Scenario):
    program = "python3-5.0"


@PYTHON
class DockerPy71(Scenario):
    program = "python3-7.1"


@scenarios("dockerode.js", JAVASCRIPT)
class Dockerode(Scenario):
    program = "node"


@scenarios("testcontainers.js", JAVASCRIPT)
class Testcontainers(Scenario):
    program = "node"
    # in a container (/.dockerenv) it takes the gateway of "bridge"
    extra = {"TESTCONTAINERS_RYUK_DISABLED": "true"}
    policy = {"preset": "testcontainers", "ports": {"publish": "runner"}}

    @classmethod
    def setUpClass(cls):
        version = subprocess.check_output(["node", "--version"], text=True)
        if int(re.search(r"\d+", version).group()) < 20:
            raise unittest.SkipTest(f"it wants Node 20; this is {version}")
        super().setUpClass()
