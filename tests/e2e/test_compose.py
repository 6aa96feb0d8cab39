"""Docker Compose, in both generations: a small application's whole life."""
import json

from harness import NEXT, OLDER, Scenario

FILE = """\
version: "3.8"
services:
  web:
    build: {context: ., args: {WHO: compose}}
    image: acme/web:v1
    depends_on: [db]
    networks: [front, default]
    environment: {GREETING: hello}
    volumes: ["data:/data"]
    ports: ["18081:80"]
  db:
    image: busybox
    command: ["sh", "-c", "echo page >/tmp/p; exec httpd -f -h /tmp"]
    labels: {tier: back}
    stop_grace_period: 0s
    healthcheck: {test: "true", interval: 1s}
networks:
  front: {}
volumes:
  data: {}
"""
DOCKERFILE = """\
FROM busybox
ARG WHO
RUN echo $WHO >/who
STOPSIGNAL SIGKILL
CMD echo web says $GREETING; sleep 999
"""


class Compose:
    compose = []

    def setUp(self):
        super().setUp()
        (self.dir / "docker-compose.yml").write_text(FILE)
        (self.dir / "Dockerfile").write_text(DOCKERFILE)
        if self.bed_env["BED_ENGINE"] == "20.10":
            # BuildKit in a namespace needs Engine 25
            self.env["DOCKER_BUILDKIT"] = "0"

    def run_compose(self, *words, **how):
        return self.ok(*self.compose, "-p", "app", *words, **how)

    def services(self):
        """The running ones, as the label says that Compose itself reads."""
        out = self.docker("ps", "--filter", "label=com.docker.compose.project=app",
                          "--format", "{{.Label \"com.docker.compose.service\"}}")
        return sorted(out.split())

    def test_an_application_from_up_to_down(self):
        run = self.run_compose
        run("up", "-d")
        self.assertEqual(self.services(), ["db", "web"])
        self.assertIn("web", run("ps"))
        self.assertEqual(len(run("ps", "-q").split()), 2)
        self.assertEqual(run("exec", "-T", "web", "cat", "/who"), "compose")
        # By the name of the service, across the application's network.
        self.assertEqual(run("exec", "-T", "web", "wget", "-qO-", "http://db/p"),
                         "page")
        self.assertIn("web says hello", run("logs", "web"))
        self.assertIn("18081", run("port", "web", "80"))
        networks = self.docker("network", "ls", "--format", "{{.Name}}").split()
        self.assertLessEqual({"app_default", "app_front"}, set(networks))
        self.assertEqual(self.docker("volume", "ls", "-q"), "app_data")
        run("down", "-v")
        self.assertEqual(self.docker("ps", "-aq"), "")
        self.assertEqual(self.docker("volume", "ls", "-q"), "")
        networks = self.docker("network", "ls", "--format", "{{.Name}}").split()
        self.assertEqual([n for n in networks if n.startswith("app_")], [])

    def test_up_again_changes_only_what_changed(self):
        self.run_compose("up", "-d")
        before = self.ids()
        self.run_compose("up", "-d")
        self.assertEqual(self.ids(), before)
        text = FILE.replace("GREETING: hello", "GREETING: goodbye")
        (self.dir / "docker-compose.yml").write_text(text)
        self.run_compose("up", "-d")
        after = self.ids()
        self.assertEqual(after["db"], before["db"])
        self.assertNotEqual(after["web"], before["web"])
        self.assertIn("goodbye", self.run_compose("logs", "web"))

    def test_scale_and_stop_and_start(self):
        run = self.run_compose
        run("up", "-d", "--scale", "db=3", "db")
        self.assertEqual(self.services(), ["db"] * 3)
        run("stop", "-t", "0")
        self.assertEqual(self.services(), [])
        run("start", "db")
        self.assertEqual(self.services(), ["db"] * 3)
        run("up", "-d", "--scale", "db=1", "db")
        self.assertEqual(self.services(), ["db"])

    def test_run_once_with_a_dependency(self):
        self.run_compose("build")
        r = self.run_client(*self.compose, "-p", "app", "run", "--rm", "-T",
                            "web", "sh", "-c",
                            "cat; wget -qO- http://db/p; exit 3",
                            input=b"to stdin\n")
        self.assertEqual((r.rc, r.out), (3, b"to stdin\npage\n"))
        self.assertEqual(self.services(), ["db"])

    def test_up_in_the_foreground_ends_with_the_container(self):
        (self.dir / "docker-compose.yml").write_text(
            "version: \"3\"\nservices:\n  job:\n    image: busybox\n"
            "    command: sh -c 'echo working; exit 5'\n")
        r = self.run_client(*self.compose, "-p", "app", "up",
                            "--exit-code-from", "job")
        self.assertEqual(r.rc, 5)
        self.assertIn(b"working", r.out)

    def ids(self):
        return {c["Labels"]["com.docker.compose.service"]: c["Id"]
                for c in self.api("GET", "/containers/json")}


class Compose129(Compose, Scenario):
    compose = ["docker-compose-1.29"]
    cli = "docker-20.10"
    engines = OLDER

    def test_up_again_changes_only_what_changed(self):
        if self.engine != "20.10":
            self.skipTest("it wants image fields that this engine has not")
        super().test_up_again_changes_only_what_changed()


class Compose226(Compose, Scenario):
    compose = ["docker-26.1", "compose"]
    engines = OLDER

    def test_the_classic_builder_serves_too(self):
        self.run_compose("build", DOCKER_BUILDKIT="0")
        self.assertEqual(self.docker("run", "--rm", "acme/web:v1", "cat", "/who"),
                         "compose")

    def test_ps_as_json(self):
        self.run_compose("up", "-d", "--wait", "db")
        got = [json.loads(x) for x in
               self.run_compose("ps", "--format", "json").splitlines()]
        self.assertEqual([(s["Service"], s["Health"]) for s in got],
                         [("db", "healthy")])
        self.assertEqual(json.loads(self.run_compose(
            "ls", "--format", "json"))[0]["Name"], "app")


class ComposeNext(Compose226):
    compose = ["docker-next", "compose"]
    cli = "docker-next"
    engines = NEXT
