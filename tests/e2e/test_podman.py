"""Podman's service of Docker's API in place of an engine: what docs/versions.md
says of it, for two runners."""
import time

from harness import TwoRunners, empty

WAITS = ["busybox", "sh", "-c", "trap exit TERM; echo up; sleep 999 & wait"]


class Podman(TwoRunners):
    engines = ("podman",)
    extra = {"DOCKER_BUILDKIT": "0"}

    def setUp(self):
        super().setUp()
        self.addCleanup(empty, self.other.socket)

    def theirs(self, *words, **how):
        """The same command by the other runner."""
        return self.docker("--host", f"unix://{self.other.socket}", *words, **how)

    def test_run_keeps_output_error_input_and_exit_code(self):
        r = self.docker_result("run", "-i", "--rm", "busybox", "sh", "-c",
                               "cat; echo err >&2; exit 7", input=b"in\n")
        self.assertEqual((r.rc, r.out, r.err), (7, b"in\n", b"err\n"))

    def test_two_runners_have_the_same_names(self):
        for docker in self.docker, self.theirs:
            docker("run", "-d", "--name", "db", *WAITS)
        mine, other = (d("inspect", "--format", "{{.Id}} {{.Name}}", "db").split()
                       for d in (self.docker, self.theirs))
        self.assertEqual((mine[1], other[1]), ("/db", "/db"))
        self.assertNotEqual(mine[0], other[0])
        for docker, id_ in (self.docker, mine[0]), (self.theirs, other[0]):
            self.assertEqual(docker("ps", "--no-trunc", "--format",
                                    "{{.ID}} {{.Names}}"), f"{id_} db")
        r = self.docker_result("container", "inspect", other[0])
        self.assertIn(b"no such container", r.err)
        self.assertIn("up", self.docker("logs", "db"))
        self.theirs("rm", "-f", "db")
        self.assertEqual(self.docker("exec", "db", "echo", "here"), "here")

    def test_files_go_in_and_out(self):
        self.docker("run", "-d", "--name", "box", *WAITS)
        (self.dir / "in").write_text("content\n")
        self.docker("cp", "in", "box:/tmp/in")
        self.docker("cp", "box:/tmp/in", "out")
        self.assertEqual((self.dir / "out").read_text(), "content\n")

    def test_networks_and_volumes_are_each_ones_own(self):
        for docker in self.docker, self.theirs:
            docker("network", "create", "app")
            docker("volume", "create", "data")
            self.assertIn("app", docker("network", "ls", "--format", "{{.Name}}"))
        self.docker("run", "-d", "--name", "db", "--network", "app", "-v",
                    "data:/data", *WAITS)
        self.docker("run", "--rm", "--network", "app", "-v", "data:/data",
                    "busybox", "sh", "-c", "nslookup db && touch /data/x")
        self.assertEqual(self.theirs("run", "--rm", "-v", "data:/data", "busybox",
                                     "ls", "/data"), "")

    def test_images_are_each_ones_own(self):
        for docker, word in (self.docker, "mine"), (self.theirs, "theirs"):
            (self.dir / "word").write_text(word)
            (self.dir / "Dockerfile").write_text("FROM busybox\nCOPY word /\n")
            docker("build", "-t", "app:1", ".")
        for docker, word in (self.docker, "mine"), (self.theirs, "theirs"):
            self.assertEqual(docker("run", "--rm", "app:1", "cat", "/word"), word)
            self.assertIn("app:1", docker("images", "--format",
                                          "{{.Repository}}:{{.Tag}}"))
        self.docker("rmi", "app:1")
        self.assertEqual(self.theirs("run", "--rm", "app:1", "cat", "/word"),
                         "theirs")

    def test_events_tell_of_ones_own(self):
        events = self.docker_start(
            "events", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
        time.sleep(1)  # no record says that it listens
        self.theirs("run", "--rm", "--name", "other", "busybox", "true")
        self.docker("run", "--rm", "--name", "box", "busybox", "true")
        seen = [events.stdout.readline().decode().split() for _ in range(2)]
        self.assertEqual({name for _, name in seen}, {"box"})
        self.end(events)

    def test_a_published_port_is_told(self):
        self.docker("run", "-d", "--name", "web", "-p", "80", *WAITS)
        port = self.docker("port", "web", "80").splitlines()[0]
        self.assertRegex(port, r":\d+$")

    def test_prune_takes_ones_own(self):
        for docker in self.docker, self.theirs:
            docker("create", "--name", "old", "busybox", "true")
        self.docker("container", "prune", "--force")
        self.assertEqual(self.docker("ps", "-aq"), "")
        self.assertNotEqual(self.theirs("ps", "-aq"), "")

    def test_compose(self):
        (self.dir / "compose.yaml").write_text(
            "services:\n  db:\n    image: busybox\n"
            "    command: sh -c 'trap exit TERM; sleep 999 & wait'\n"
            "  app:\n    image: busybox\n    command: nslookup db\n"
            "    depends_on: [db]\n")
        compose = ["docker-compose-2.26", "--project-name", "p"]
        self.ok(*compose, "up", "--detach", "db")
        self.ok(*compose, "run", "--rm", "app")
        self.ok(*compose, "down")
        self.assertEqual(self.docker("ps", "-aq"), "")
