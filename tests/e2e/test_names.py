"""What cannot be a name is refused as an engine refuses it, in the spelling of
whoever asked, and nothing half made stays."""
import json
import unittest
from urllib.parse import quote

from harness import STAND_IN, Scenario, api

LONG = "n" * 251
BAD = ["-x", "x", "x y", "a/b", "/", "//ab", ".ab", "_ab", "a:b", "a%b", ".."]
PREDEFINED = ["bridge", "host", "none", "default"]
IMAGE = {"Image": "busybox", "Cmd": ["true"]}


@unittest.skipIf(STAND_IN, "about berth itself")
class BadNames(Scenario):
    def setUp(self):
        super().setUp()
        self.engine_socket = self.bed_env["BED_SOCKET"]

    def look(self):
        """What is there on the engine, but for the runner's bridge."""
        kinds = {"/containers/json?all=1": "Names", "/networks": "Name"}
        there = {target: sorted(str(x[key]) for x in self.direct(target))
                 for target, key in kinds.items()}
        there["/volumes"] = sorted(
            v["Name"] for v in self.direct("/volumes")["Volumes"] or [])
        there["/networks"] = [n for n in there["/networks"]
                              if n != "t1.bridge"]
        return there

    def direct(self, target):
        return api(self.engine_socket, "GET", target)[1]

    def check_same(self, method, target, body=None):
        """Refused by berth just as by the engine itself."""
        before = self.look()
        should = api(self.engine_socket, method, target, body)
        got = api(self.berth.socket, method, target, body)
        with self.subTest(target=target, body=body):
            self.assertEqual(got, should)
            self.assertGreaterEqual(got[0], 400, got)
            self.assertEqual(self.look(), before)

    def check_refused(self, status, word, method, target, body=None):
        before = self.look()
        got = api(self.berth.socket, method, target, body)
        with self.subTest(target=target[:80], body=body):
            self.assertEqual(got[0], status, got)
            self.assertIn(word, got[1]["message"])
            self.assertNotIn("t1.", got[1]["message"])
            self.assertEqual(self.look(), before)

    def test_of_containers(self):
        self.docker("create", "--name", "there", "busybox")
        for name in BAD:
            word = quote(name, safe="")
            self.check_same("POST", f"/containers/create?name={word}", IMAGE)
        self.docker("rm", "there")

    def test_of_networks(self):
        for name in PREDEFINED:
            self.check_same("POST", "/networks/create", {"Name": name})
        # engines say it in more words than one
        self.check_refused(400, "invalid name", "POST", "/networks/create",
                           {"Name": ""})
        for name in ("bridge", "host", "none"):
            self.check_same("DELETE", f"/networks/{name}")

    def test_of_volumes(self):
        for name in set(BAD) - {"x"}:  # which the policy refuses by its rules
            self.check_refused(400, "a name has letters", "POST",
                               "/volumes/create", {"Name": name})
        self.check_same("POST", "/volumes/create", {"Name": "x"})

    def test_too_long_with_the_prefix(self):
        for target, body in (
                (f"/containers/create?name={LONG + 'nn'}", IMAGE),
                ("/networks/create", {"Name": LONG + "nn"}),
                ("/volumes/create", {"Name": LONG + "nn"}),
                ("/containers/create", {**IMAGE, "HostConfig": {
                    "Binds": [LONG + "nn:/x"]}})):
            self.check_refused(400, "too long", "POST", target, body)
        self.api("POST", "/volumes/create", {"Name": LONG})
        self.api("DELETE", f"/volumes/{LONG}")

    def test_new_names_that_cannot_be(self):
        self.docker("create", "--name", "one", "busybox")
        self.docker("create", "--name", "two", "busybox")
        self.check_refused(400, "(/-x)", "POST",
                           "/containers/one/rename?name=-x")
        self.check_refused(400, "too long", "POST",
                           f"/containers/one/rename?name={LONG + 'nn'}")
        self.check_refused(409, '"/two"', "POST",
                           "/containers/one/rename?name=two")

    def test_names_that_look_like_the_engine_s_are_plain(self):
        """A prefix in a client's name is part of that name."""
        for name in ("t1.web", "t2.web", "t1.t1.web"):
            made = self.docker("create", "--name", name, "busybox")
            self.assertEqual(self.docker("inspect", "-f", "{{.Name}}", name),
                             "/" + name)
            r = self.docker_result("inspect", name.partition(".")[2])
            self.assertNotEqual(r.rc, 0, r)
            self.docker("rm", made)

    def test_our_label_is_nobody_s_to_use(self):
        label = {"Labels": {"berth.namespace": "t1"}}
        for target, body in (("/containers/create?name=x1", {**IMAGE, **label}),
                             ("/networks/create", {"Name": "x1", **label}),
                             ("/volumes/create", {"Name": "x1", **label})):
            self.check_refused(403, "berth.namespace", "POST", target, body)
        filters = quote(json.dumps({"label": ["berth.namespace=t1"]}))
        for target in ("/containers/json", "/networks", "/volumes",
                       "/images/json", "/events"):
            self.check_refused(403, "berth.namespace", "GET",
                               f"{target}?filters={filters}")

    def test_what_was_prepared_goes_when_a_create_fails(self):
        binds = {"Binds": ["fresh:/a", "other:/b"]}
        for status, word, body in (
                (404, "No such image", {"Image": "nope", "HostConfig": binds}),
                (400, "", {**IMAGE, "HostConfig": {
                    **binds, "Mounts": [{"Type": "volume", "Source": "third",
                                         "Target": "/a"}]}}),
                (400, "", {**IMAGE, "HostConfig": {**binds, "Links": ["no:x"]}}),
                (400, "", {**IMAGE, "HostConfig": {
                    **binds, "RestartPolicy": {"Name": "no",
                                               "MaximumRetryCount": 3}}}),
                (409, "/taken", {**IMAGE, "HostConfig": binds})):
            target = "/containers/create?name=taken"
            if status == 409:
                self.docker("create", "--name", "taken", "busybox")
            self.check_refused(status, word, "POST", target, body)
