"""Programs that use the engine through a library; clients/ has them."""
import os
import re
import subprocess
import unittest

from harness import HERE, STAND_IN, Bed, Scenario, wait_for
from tarball import tar_of, tar_of_programs
from test_deploy import CACHE


RYUK = "testcontainers/ryuk:0.14.0"  # both versions' own, unless told otherwise
RYUK_DOCKERFILE = """\
FROM busybox
ADD docker.tar /
COPY ryuk /
EXPOSE 8080
ENTRYPOINT ["sh", "/ryuk"]
"""
# One client tells the label of its session; when it is gone, so is all that has
# that label. Ryuk's own container, which has it too, is removed at its end.
RYUK_STAND_IN = r"""
if [ "$1" = session ]; then
    read -r filter
    filter=$(echo "$filter" | tr -d '\r')
    echo ACK
    cat >/dev/null
    exec >&2
    for id in $(docker ps -aq --filter "$filter"); do
        [ "$id" = "$(hostname)" ] || docker rm -fv "$id"
    done
    docker network rm $(docker network ls -q --filter "$filter")
    exit
fi
docker version || exit
nc -l -p 8080 -e sh /ryuk session &
until netstat -tln | grep -q :8080; do sleep 0.1; done
echo Started
wait
"""


def need_node(major):
    node = os.path.join(Bed(os.environ["BERTH_E2E_BED"]).env["BED_BIN"], "node")
    version = subprocess.check_output([node, "--version"], text=True)
    if int(re.search(r"\d+", version).group()) < major:
        raise unittest.SkipTest(f"it needs Node.js {major}; this is {version}")


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
    node = 20

    @classmethod
    def setUpClass(cls):
        need_node(cls.node)
        super().setUpClass()

    @unittest.skipIf(STAND_IN, "ssh -L has no docker.sock for containers")
    def test_ryuk_removes_what_a_program_leaves(self):
        del self.env["TESTCONTAINERS_RYUK_DISABLED"]
        self.docker("build", "-q", "-t", RYUK, "-", input=tar_of(
            Dockerfile=RYUK_DOCKERFILE, ryuk=RYUK_STAND_IN, **{
                "docker.tar": tar_of_programs(
                    CACHE / "trixie", "usr/bin/docker")}))
        left = self.ok(self.program, HERE / "clients/testcontainers.js",
                       "left_behind").split()
        self.assertEqual(len(left), 2)
        wait_for("Ryuk to remove that, and itself to go", lambda: not (
            self.docker("ps", "-aq")
            or set(left) & {n["Id"] for n in self.api("GET", "/networks")}))


class Testcontainers12(Testcontainers):
    engines = ("26.1",)
    extra = {**Testcontainers.extra, "TESTCONTAINERS": "testcontainers-12"}
    node = 22
