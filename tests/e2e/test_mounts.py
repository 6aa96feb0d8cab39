"""Directories of the Docker host that a policy shares: what is below them, and
nothing else, whatever a container puts there."""
import json
import shutil
import unittest

from harness import STAND_IN, Scenario, api

SHARED = "/srv/shared"


@unittest.skipIf(STAND_IN, "about berth itself")
class Mounts(Scenario):
    policy = {"container": {"mounts": [
        {"source": "/w", "host": SHARED + "/w", "mode": "rw"},
        {"source": "/w/tools", "host": SHARED + "/w/tools"},
        {"source": "/r", "host": SHARED + "/r"}]}}

    def setUp(self):
        super().setUp()
        self.top = self.bed.dir / SHARED[1:]
        (self.top / "w/repo").mkdir(parents=True)
        (self.top / "w/tools").mkdir()
        (self.top / "r").mkdir()
        (self.top / "secret").write_text("not yours")
        (self.top / "w/repo/a").write_text("hello\n")
        self.addCleanup(shutil.rmtree, self.top)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        sock = cls.bed_env["BED_SOCKET"]
        for volume in api(sock, "GET", "/volumes")[1]["Volumes"] or []:
            if volume["Name"].startswith("berth-binds-"):
                api(sock, "DELETE", f"/volumes/{volume['Name']}")

    def run_it(self, *words, **how):
        return self.docker("run", "--rm", *words, **how)

    def test_what_is_below_is_shared(self):
        self.assertEqual(self.run_it(
            "-v", "/w/repo:/src", "-v", "/w/repo/a:/one:ro", "--mount",
            "type=bind,src=/w/repo,dst=/src/again,readonly", "busybox", "sh", "-c",
            "cat /one; echo made >/src/b; cat /src/again/b;"
            "echo x 2>/dev/null >/src/again/c || echo read-only"),
            "hello\nmade\nread-only")
        self.assertEqual((self.top / "w/repo/b").read_text(), "made\n")
        self.assertFalse((self.top / "w/repo/c").exists())
        # all of it, and as a client sees it
        self.docker("run", "-d", "--name", "all", "-v", "/w:/w", "-v",
                    "/w/repo:/src:ro", "busybox", "sleep", "99")
        shown = json.loads(self.docker("inspect", "all"))[0]
        self.assertEqual(sorted(shown["HostConfig"]["Binds"]),
                         ["/w/repo:/src:ro", "/w:/w"])
        self.assertEqual({(m["Type"], m["Source"], m["RW"])
                          for m in shown["Mounts"]},
                         {("bind", "/w", True), ("bind", "/w/repo", False)})
        self.assertEqual(self.docker("volume", "ls", "--quiet"), "")

    def test_no_link_leads_out_of_it(self):
        self.run_it("-v", "/w/repo:/src", "busybox", "sh", "-c",
                    "cd /src; ln -s /srv/shared abs; ln -s ../.. rel; "
                    "ln -s / root; ln -s a inside; mkdir d; ln -s ../../../secret d/f")
        for path in "abs", "rel", "root", "root/etc", "d/f", "rel/secret":
            for form in (["-v", f"/w/repo/{path}:/x"],
                         ["-v", f"/w/repo/{path}:/x:ro"],
                         ["--mount", f"type=bind,src=/w/repo/{path},dst=/x"]):
                result = self.docker_result("run", "--rm", *form, "busybox", "sh",
                                         "-c", "ls /x; cat /x/secret /x")
                self.assertNotIn(b"secret", result.out)
                self.assertNotIn(b"not yours", result.out)
                self.assertIn(b"bind source path does not exist", result.err)
                self.assertNotIn(b"/srv/", result.err)
        self.assertEqual(self.run_it("-v", "/w/repo/inside:/x", "busybox", "cat",
                                     "/x"), "hello")
        # in what is only read, which lies in what is written to, the same
        self.run_it("-v", "/w:/w", "busybox", "ln", "-s", "/srv/shared/secret",
                    "/w/tools/s")
        result = self.docker_result("run", "--rm", "-v", "/w/tools/s:/x", "busybox",
                                 "cat", "/x")
        self.assertNotIn(b"not yours", result.out)
        # nor where others than containers make links
        (self.top / "r/out").symlink_to("/srv/shared/secret")
        (self.top / "r/in").write_text("hello\n")
        result = self.docker_result("run", "--rm", "-v", "/r/out:/x", "busybox",
                                 "cat", "/x")
        self.assertNotIn(b"not yours", result.out)
        self.assertIn(b"bind source path does not exist", result.err)
        self.assertEqual(self.run_it(
            "-v", "/r/in:/x", "-v", "/r:/all:ro", "busybox", "sh", "-c",
            "cat /x; echo y 2>/dev/null >/x || echo y 2>/dev/null >/all/y || "
            "echo read-only"), "hello\nread-only")
        # what a link is put in place of while a container waits to start
        self.docker("create", "--name", "later", "-v", "/w/repo/d:/x", "busybox",
                    "cat", "/x/secret")
        self.run_it("-v", "/w/repo:/src", "busybox", "sh", "-c",
                    "rm -r /src/d; ln -s /srv/shared /src/d")
        result = self.docker_result("start", "--attach", "later")
        self.assertNotIn(b"not yours", result.out)
        # nothing is made
        self.docker_result("run", "--rm", "-v", "/w/new/dir:/x", "busybox", "true")
        self.assertFalse((self.top / "w/new").exists())
