"""Two runners on one engine: the same names in both, and neither sees nor
touches the other's."""
import json
import time

from harness import TwoRunners, api, empty


class Neighbours(TwoRunners):
    def setUp(self):
        super().setUp()
        self.addCleanup(empty, self.other.socket)

    def there(self, *words):
        return self.docker(*words, DOCKER_HOST=f"unix://{self.other.socket}")

    def there_result(self, *words):
        return self.docker_result(
            *words, DOCKER_HOST=f"unix://{self.other.socket}")

    def both(self, *words):
        return self.docker(*words), self.there(*words)

    def address(self, run, name, network):
        return run("inspect", "-f", "{{(index .NetworkSettings.Networks \"" +
                   network + "\").IPAddress}}", name)

    def test_the_same_names_in_both(self):
        for words in (["network", "create", "app"], ["volume", "create", "data"],
                      ["run", "-d", "--name", "web", "--network", "app", "-v",
                       "data:/d", "busybox", "sleep", "1000"]):
            self.both(*words)
        for run in (self.docker, self.there):
            self.assertEqual(run("ps", "--format", "{{.Names}}"), "web")
            self.assertEqual(run("volume", "ls", "-q"), "data")
            self.assertEqual(run("inspect", "-f", "{{.Name}}", "web"), "/web")
            self.assertNotIn("berth", run("inspect", "web"))
            networks = run("network", "ls", "--format", "{{.Name}}").split()
            self.assertEqual(networks.count("app"), 1)
            self.assertEqual(networks.count("bridge"), 1)
        self.docker("exec", "web", "touch", "/d/mine")
        self.assertEqual(self.there("exec", "web", "ls", "/d"), "")

    def test_what_is_another_s_is_not_there(self):
        theirs = self.there("run", "-d", "--name", "secret", "busybox", "sleep",
                            "1000")
        self.there("network", "create", "hidden")
        self.there("volume", "create", "hidden")
        for name in ("secret", theirs, theirs[:12], theirs[:4], "t2.secret"):
            for words in (["inspect", name], ["rm", "-f", name],
                          ["exec", name, "true"], ["logs", name],
                          ["kill", name], ["cp", f"{name}:/etc", "."],
                          ["run", "--rm", "--network", f"container:{name}",
                           "busybox", "true"],
                          ["run", "--rm", "--volumes-from", name, "busybox",
                           "true"]):
                with self.subTest(words=words):
                    r = self.docker_result(*words)
                    if words[0] != "rm":  # which is content when there is none
                        self.assertNotEqual(r.rc, 0, r)
                    self.assertNotIn(b"t2", r.out + r.err.replace(
                        b"t2.secret", b""))
        for words in (["network", "rm", "hidden"], ["volume", "rm", "hidden"],
                      ["network", "inspect", "t2.hidden"]):
            self.assertNotEqual(self.docker_result(*words).rc, 0)
        self.assertEqual(self.docker("ps", "-aq"), "")
        self.assertEqual(self.docker("ps", "-aq", "--filter", f"id={theirs}"), "")
        self.assertEqual(self.there("inspect", "-f", "{{.State.Running}}",
                                    "secret"), "true")
        self.assertEqual(self.there("volume", "ls", "-q"), "hidden")

    def test_cleaning_up_leaves_the_neighbour_alone(self):
        self.both("run", "-d", "--name", "db", "-v", "data:/d", "busybox",
                  "sleep", "1000")
        self.both("network", "create", "app")
        self.both("volume", "create", "loose")
        self.docker("rm", "-f", *self.docker("ps", "-aq").split())
        self.docker("system", "prune", "-af", "--volumes")
        self.docker("volume", "rm", "-f", "data", "loose")
        self.assertEqual(self.docker("ps", "-aq"), "")
        self.assertEqual(self.there("ps", "--format", "{{.Names}}"), "db")
        self.assertEqual(set(self.there("volume", "ls", "-q").split()),
                         {"data", "loose"})
        self.assertIn("app", self.there("network", "ls", "--format",
                                        "{{.Name}}").split())

    def test_no_traffic_between_them(self):
        for network in ("bridge", "app"):
            if network == "app":
                self.both("network", "create", "app")
            self.both("run", "-d", "--name", f"h-{network}", "--network",
                      network, "busybox", "sleep", "1000")
            mine = self.address(self.docker, f"h-{network}", network)
            theirs = self.address(self.there, f"h-{network}", network)
            self.assertTrue(mine and theirs and mine != theirs)
            ping = ["run", "--rm", "--network", network, "busybox", "ping", "-c",
                    "1", "-W", "2"]
            self.docker(*ping, mine)
            self.assertNotEqual(self.docker_result(*ping, theirs).rc, 0)
        self.there("run", "-d", "--name", "secret", "--network", "app",
                   "busybox", "sleep", "1000")
        self.there(*ping, "secret")
        for name in "secret", "t2.secret":
            self.assertNotEqual(self.docker_result(*ping, name).rc, 0)

    def test_events_and_counts_tell_of_one(self):
        began = f"{time.time():.6f}"
        self.there("run", "--rm", "--name", "noisy", "busybox", "true")
        self.docker("run", "--name", "quiet", "busybox", "true")
        status, info = api(self.berth.socket, "GET", "/info")
        self.assertEqual((status, info["Containers"]), (200, 1))
        now = int(time.time())
        since = self.docker("events", "--since", began, "--until", str(now + 1),
                            "--format", "{{json .}}")
        self.assertIn("quiet", since)
        self.assertNotIn("noisy", since)
        self.assertNotIn("t2.", since)
        self.assertNotIn("berth.", json.dumps(since))


class Neighbours2010(Neighbours):
    cli = "docker-20.10"
