"""Directories of the runner's machine that containers mount by copy.

The engine's host has none of them: what a container sees has travelled, and so
has what the runner finds afterwards.
"""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from harness import NEXT, STAND_IN, Berth, Scenario, api, noise, sha256, wait_for
from test_faults import descendants

RUNNER = 1234  # the user whose directory it is


def tree(root):
    """All that is below ROOT: {path: content, link or None}."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder) / name
            found[str(path.relative_to(root))] = (
                os.readlink(path) if path.is_symlink()
                else sha256(path.read_bytes()) if path.is_file() else None)
    return found


class Work:
    """A directory of the runner's, and the policy that has it copied."""

    def __init__(self, **rule):
        self.path = Path(tempfile.mkdtemp(prefix="berth-e2e-work."))
        os.chown(self.path, RUNNER, RUNNER)
        self.policy = {"mounts": [{"source": str(self.path), "by": "copy",
                                   "mode": "rw", **rule}]}

    def put(self, name, content="", mode=0o644):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
        path.chmod(mode)
        for one in (path, *path.parents):
            if one == self.path:
                break
            os.chown(one, RUNNER, RUNNER)
        return path

    def owners(self):
        return {(s.st_uid, s.st_gid)
                for s in (p.lstat() for p in self.path.rglob("*"))}


@unittest.skipIf(STAND_IN, "ssh -L copies nothing")
class Copied(Scenario):
    engines = ("26.1", *NEXT)

    @classmethod
    def setUpClass(cls):
        cls.work = Work()
        cls.policy = {"container": cls.work.policy}
        try:
            super().setUpClass()
        except BaseException:
            shutil.rmtree(cls.work.path)
            raise

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.work.path)

    def clear(self):
        super().clear()
        subprocess.run(["find", self.work.path, "-mindepth", "1", "-delete"],
                       check=True)

    def run_in(self, *words, source="", target="/src", options=""):
        path = f"{self.work.path}/{source}" if source else self.work.path
        return self.docker("run", "--rm", "-v", f"{path}:{target}{options}",
                           "-w", target, "busybox", *words)

    def ask_engine(self, method, target, **query):
        return api(self.bed_env["BED_SOCKET"], method, target, **query)

    def helper(self):
        return [c for c in self.ask_engine("GET", "/containers/json", all=1)[1]
                if c["Names"][0].startswith(f"/berth_files.{self.berth.namespace}.")]

    # ---- there and back ----

    def test_a_run_reads_and_writes_the_checkout(self):
        self.work.put("repo/src/main.c", "int main;")
        self.work.put("repo/run.sh", "#!/bin/sh\necho ran\n", 0o755)
        self.work.put("repo/a name with \u00fc", noise(3 << 20))
        os.symlink("src/main.c", self.work.path / "repo/link")
        (self.work.path / "repo/empty").mkdir()
        os.link(self.work.path / "repo/run.sh", self.work.path / "repo/hard")
        self.work.put("beside", "not mounted")
        out = self.run_in(
            "sh", "-c", "./run.sh; cat link; ls ..; sha256sum < 'a name with "
            "\u00fc'; stat -c %u:%a run.sh; mkdir -p out/deep; echo made > "
            "out/deep/file; rm link; chmod 700 run.sh; echo more >> src/main.c",
            source="repo")
        self.assertIn("ran\nint main;", out)
        self.assertNotIn("beside", out)
        self.assertIn(sha256(noise(3 << 20)), out)
        self.assertIn(f"{RUNNER}:755", out)
        root = self.work.path / "repo"
        self.assertEqual((root / "out/deep/file").read_text(), "made\n")
        self.assertFalse((root / "link").is_symlink())
        self.assertEqual((root / "run.sh").stat().st_mode & 0o777, 0o700)
        self.assertEqual((root / "run.sh").stat().st_ino,
                         (root / "hard").stat().st_ino)
        self.assertEqual((root / "src/main.c").read_text(), "int main;more\n")
        self.assertTrue((root / "empty").is_dir())
        self.assertEqual(self.work.owners() - {(0, 0)}, {(RUNNER, RUNNER)})
        self.assertEqual((root / "out/deep/file").stat().st_uid, RUNNER)

    def test_exec_finds_what_was_written_before_it(self):
        self.work.put("steps/first", "1")
        self.docker("run", "-d", "--name", "job", "-v",
                    f"{self.work.path}/steps:/w", "busybox", "sleep", "1000")
        for number in range(3):
            self.work.put(f"steps/step{number}.sh", f"echo step {number}; "
                          f"echo {number} > /w/out{number}")
            self.assertEqual(
                self.docker("exec", "job", "sh", f"/w/step{number}.sh"),
                f"step {number}")
            self.assertEqual(
                (self.work.path / f"steps/out{number}").read_text(), f"{number}\n")
        (self.work.path / "steps/out0").unlink()
        self.assertEqual(self.docker("exec", "job", "ls", "/w/").split(),
                         sorted(p.name for p in (self.work.path / "steps").iterdir()))
        self.work.put("steps/late", "for cp")
        self.docker("cp", "job:/w/late", self.dir / "late")
        self.assertEqual((self.dir / "late").read_text(), "for cp")
        self.docker("cp", self.dir / "late", "job:/w/copied")
        self.assertEqual((self.work.path / "steps/copied").read_text(), "for cp")

    def test_the_end_is_told_when_the_files_are_there(self):
        self.docker("run", "-d", "--name", "job", "-v", f"{self.work.path}:/w",
                    "busybox", "sh", "-c", "sleep 1; seq 200000 > /w/seq")
        self.assertEqual(self.docker("wait", "job"), "0")
        self.assertEqual(len((self.work.path / "seq").read_text()), 1288895)
        (self.work.path / "seq").unlink()
        p = self.docker_start("events", "--filter", "event=die", "--format",
                              "{{.Action}}")
        wait_for("the client to listen", lambda: any(
            r["operation"] == "SystemEvents" for r in self.berth.audit()))
        self.docker("start", "job")
        self.assertEqual(p.stdout.readline(), b"die\n")
        self.assertEqual(len((self.work.path / "seq").read_text()), 1288895)
        self.docker("run", "-d", "--name", "end", "-v", f"{self.work.path}:/w",
                    "busybox", "sh", "-c",
                    "trap 'echo end > /w/end; exit' TERM; while :; do sleep "
                    "0.1; done")
        self.docker("exec", "end", "true")
        self.docker("stop", "end")
        self.assertEqual((self.work.path / "end").read_text(), "end\n")

    def test_files_and_parts_are_mounted_by_themselves(self):
        self.work.put("a/conf", "one\n")
        self.work.put("a/b/x", "x")
        self.work.put("ro/only", "read")
        mounts = ("-v", f"{self.work.path}/a:/a", "-v",
                  f"{self.work.path}/a/conf:/etc/conf", "-v",
                  f"{self.work.path}/ro:/a/ro:ro", "--mount",
                  f"type=bind,source={self.work.path}/a/b,target=/b")
        self.docker("run", "-d", "--name", "job", *mounts, "busybox", "sleep",
                    "1000")
        self.assertEqual(self.docker("exec", "job", "cat", "/etc/conf",
                                     "/b/x", "/a/ro/only"), "one\nxread")
        self.work.put("a/conf", "two\n")
        self.assertEqual(self.docker("exec", "job", "cat", "/etc/conf"), "two")
        self.docker("exec", "job", "sh", "-c", "echo three > /etc/conf")
        self.assertEqual((self.work.path / "a/conf").read_text(), "three\n")
        self.assertNotEqual(self.docker_result(
            "exec", "job", "touch", "/a/ro/x").rc, 0)
        shown = self.api("GET", "/containers/job/json")
        self.assertEqual(set(shown["HostConfig"]["Binds"]), {
            f"{self.work.path}/a:/a", f"{self.work.path}/a/conf:/etc/conf",
            f"{self.work.path}/ro:/a/ro:ro"})
        self.assertEqual(
            {(m["Type"], m["Source"], m["Destination"], m["RW"])
             for m in shown["Mounts"]},
            {("bind", f"{self.work.path}/a", "/a", True),
             ("bind", f"{self.work.path}/a/conf", "/etc/conf", True),
             ("bind", f"{self.work.path}/ro", "/a/ro", False),
             ("bind", f"{self.work.path}/a/b", "/b", True)})
        self.assertNotIn("berth", json.dumps(
            {k: v for k, v in shown.items()
             if k not in ("HostConfig", "Mounts")}))

    def test_it_is_out_of_sight(self):
        self.work.put("x", "x")
        self.docker("run", "-d", "--name", "job", "-v", f"{self.work.path}:/w",
                    "busybox", "sleep", "1000")
        name = self.helper()[0]["Names"][0][1:]
        self.assertEqual(self.docker("volume", "ls", "-q"), "")
        self.assertEqual(self.docker("ps", "-a", "--format", "{{.Names}}"),
                         "job")
        for words in (["inspect", name], ["rm", name],
                      ["exec", name, "true"], ["volume", "inspect", name],
                      ["volume", "rm", name]):
            self.assertNotEqual(self.docker_result(*words).rc, 0, words)
        for what in "container", "volume", "system":
            self.docker(what, "prune", "-f")
        self.assertNotIn("berth_files", self.docker("system", "df", "-v"))
        self.assertEqual(len(self.helper()), 1)
        self.assertEqual(self.docker("exec", "job", "cat", "/w/x"), "x")

    def test_what_is_missing_is_made_or_refused(self):
        self.assertEqual(self.run_in("ls", "/src", source="new/deep"), "")
        made = self.work.path / "new/deep"
        self.assertEqual((made.stat().st_uid, made.parent.stat().st_uid),
                         (RUNNER, RUNNER))
        r = self.docker_result("run", "--rm", "--mount", "type=bind,source="
                               f"{self.work.path}/none,target=/x", "busybox",
                               "true")
        self.assertIn(b"bind source path does not exist", r.err)
        os.symlink("/etc", self.work.path / "out")
        r = self.docker_result("run", "--rm", "-v",
                               f"{self.work.path}/out/ssl:/x", "busybox", "ls")
        self.assertIn(b"symbolic link", r.err)
        self.assertEqual(self.docker(
            "run", "--rm", "-v", f"{self.work.path}:/w", "busybox", "readlink",
            "/w/out"), "/etc")

    # ---- rules ----

    def test_what_is_gone_stays_gone(self):
        self.work.put("repo/old", "old")
        self.work.put("repo/kept", "kept")
        self.work.put("other/x", "x")
        self.run_in("true", source="repo")
        self.run_in("true", source="other")
        (self.work.path / "repo/old").unlink()
        self.assertEqual(self.run_in("ls", source="repo"), "kept")
        self.berth.restart()
        (self.work.path / "repo/kept").unlink()
        self.work.put("repo/new", "new")
        self.assertEqual(self.run_in("ls", source="repo"), "new")
        self.assertEqual([p.name for p in (self.work.path / "repo").iterdir()],
                         ["new"])

    def test_the_last_word_is_the_one_whose_turn_it_is(self):
        self.work.put("f", "first")
        self.docker("run", "-d", "--name", "job", "-v", f"{self.work.path}:/w",
                    "busybox", "sh", "-c",
                    "while [ ! -e /w/go ]; do sleep 0.1; done; "
                    "echo container > /w/f; sleep 1000")
        self.work.put("go")
        self.docker("exec", "job", "sh", "-c",
                    "while ! grep -q container /w/f; do sleep 0.1; done")
        self.assertEqual((self.work.path / "f").read_text(), "container\n")
        p = self.docker_start("exec", "job", "sh", "-c",
                              "echo ready; sleep 2; echo theirs > /w/f")
        p.stdout.read(6)
        self.work.put("f", "ours")
        self.assertEqual(self.end(p, 0).rc, 0)
        self.assertEqual((self.work.path / "f").read_text(), "theirs\n")
        self.assertIn("was changed on both sides", self.berth.log())

    def test_compose_has_configs_and_secrets_from_files(self):
        self.work.put("p/conf.txt", "configured")
        self.work.put("p/secret.txt", "hush")
        self.work.put("p/compose.yaml", """
services:
  job:
    image: busybox
    command: sh -c "cat /conf /run/secrets/key; echo done > /out/result"
    configs: [{source: conf, target: /conf}]
    secrets: [key]
    volumes: [./out:/out]
    network_mode: none
configs: {conf: {file: ./conf.txt}}
secrets: {key: {file: ./secret.txt}}
""")
        compose = (self.cli, "compose", "--project-directory",
                   self.work.path / "p", "-f", self.work.path / "p/compose.yaml")
        out = self.ok(*compose, "run", "--rm", "job")
        self.assertIn("configuredhush", out)
        self.assertEqual((self.work.path / "p/out/result").read_text(), "done\n")
        (self.work.path / "p/out/result").unlink()
        out = self.ok(*compose, "up", "--abort-on-container-exit")
        self.assertIn("configuredhush", out)
        self.assertEqual((self.work.path / "p/out/result").read_text(), "done\n")
        self.ok(*compose, "down", "-v")

    # ---- faults ----

    def test_a_helper_that_is_killed_leaves_nothing_half_done(self):
        for number in range(40):
            self.work.put(f"big{number}", noise(1 << 20, number))
        p = self.docker_start("run", "--rm", "-v", f"{self.work.path}:/w",
                              "busybox", "sh", "-c",
                              "cd /w && sha256sum big* && ls -a")
        helper = wait_for("the helper", self.helper)[0]["Id"]
        for _ in range(2):
            self.ask_engine("POST", f"/containers/{helper}/kill")
        r = self.end(p, 0)
        if r.rc:  # it was killed too often, or the engine had it no more
            self.assertIn(b"try again", r.err + r.out)
            r = self.docker_result("run", "--rm", "-v", f"{self.work.path}:/w",
                                   "busybox", "sh", "-c",
                                   "cd /w && sha256sum big* && ls -a")
        self.assertEqual(r.rc, 0, r)
        sums = dict(reversed(line.split()) for line in r.text.splitlines()
                    if "  big" in line)
        self.assertEqual(sums, {f"big{n}": sha256(noise(1 << 20, n))
                                for n in range(40)})
        self.assertNotIn(".berth-sync", r.text)
        self.assertFalse([p for p in tree(self.work.path) if ".berth" in p])

    def test_a_link_that_is_lost_is_made_up_for(self):
        self.work.put("link/first", "1")
        self.docker("run", "-d", "--name", "job", "-v",
                    f"{self.work.path}/link:/w", "busybox", "sleep", "1000")
        for number in range(40):
            self.work.put(f"link/big{number}", noise(1 << 20, number))
        p = self.docker_start("exec", "job", "true")
        time.sleep(0.3)  # in the middle of it, or not: it is the same
        for pid in list(descendants(self.bed_env["BED_SSHD_PID"])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.end(p, 0)
        out = self.docker("exec", "job", "sh", "-c",
                          "cd /w && sha256sum big* && ls -a && echo 2 > second")
        self.assertEqual(dict(reversed(line.split()) for line in
                              out.splitlines() if "  big" in line),
                         {f"big{n}": sha256(noise(1 << 20, n))
                          for n in range(40)})
        self.assertNotIn(".berth-sync", out)
        self.assertEqual((self.work.path / "link/second").read_text(), "2\n")

    def test_a_berth_that_is_killed_goes_on_where_it_was(self):
        self.work.put("before", "b")
        self.docker("run", "-d", "--name", "job", "-v", f"{self.work.path}:/w",
                    "busybox", "sh", "-c", "sleep 1; echo late > /w/late; sleep "
                    "1000")
        self.berth.restart()
        self.work.put("meanwhile", "m")
        self.assertEqual(self.docker(
            "exec", "job", "sh", "-c", "while [ ! -s /w/late ]; do sleep 0.1; "
            "done; cat /w/before /w/meanwhile"), "bm")
        self.assertEqual((self.work.path / "late").read_text(), "late\n")


@unittest.skipIf(STAND_IN, "ssh -L copies nothing")
class Limits(Scenario):
    engines = ("26.1",)

    @classmethod
    def setUpClass(cls):
        cls.work = Work()
        cls.policy = {"container": {**cls.work.policy,
                                    "limits": {"copy_files": 20}}}
        super().setUpClass()
        cls.addClassCleanup(shutil.rmtree, cls.work.path)

    def test_more_than_may_be_copied_is_refused(self):
        for number in range(30):
            self.work.put(f"many/{number}")
        self.work.put("few/one", "1")
        r = self.docker_result("run", "--rm", "-v", f"{self.work.path}/many:/w",
                               "busybox", "true")
        self.assertIn(b"container.limits.copy_files", r.err)
        self.assertEqual(self.docker(
            "run", "--rm", "-v", f"{self.work.path}/few:/w", "busybox", "cat",
            "/w/one"), "1")


class Elsewhere(Berth):
    """A berth in whose file system something else is at WHERE."""

    def __init__(self, bed, namespace, what, where, **changes):
        self.what, self.where = what, where
        super().__init__(bed, namespace, **changes)

    def begin(self):
        if self.argv[0] != "unshare":
            self.argv = ["unshare", "--mount", "sh", "-c",
                         'mount --bind "$0" "$1"; shift; exec "$@"',
                         self.what, self.where, *map(str, self.argv)]
        super().begin()


@unittest.skipIf(STAND_IN, "ssh -L copies nothing")
class TwoMachines(Scenario):
    """Two runners with the same path at once."""

    engines = ("26.1",)

    @classmethod
    def setUpClass(cls):
        cls.work, cls.theirs = Work(), Work()
        cls.policy = {"container": cls.work.policy}
        super().setUpClass()
        cls.other = Elsewhere(cls.bed, "t2", cls.theirs.path, cls.work.path,
                              **cls.policy)
        for work in cls.work, cls.theirs:
            cls.addClassCleanup(shutil.rmtree, work.path)
        cls.addClassCleanup(cls.other.stop)

    def test_each_has_its_own(self):
        for who, work, berth in (("one", self.work, self.berth),
                                 ("two", self.theirs, self.other)):
            work.put("who", who)
        clients = [
            self.docker_start(
                "run", "--rm", "-v", f"{self.work.path}:/w", "busybox", "sh",
                "-c", "cat /w/who > /w/seen; ls /w",
                DOCKER_HOST=f"unix://{berth.socket}")
            for berth in (self.berth, self.other)]
        for p in clients:
            self.assertEqual(self.end(p, 0).text.split(), ["seen", "who"])
        self.assertEqual((self.work.path / "seen").read_text(), "one")
        self.assertEqual((self.theirs.path / "seen").read_text(), "two")


if __name__ == "__main__":
    unittest.main()
