"""A berth that has locked itself in: still all that it has to be."""
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import PATIENCE, STAND_IN, answers, api, wait_for
from test_faults import Faulty

NOBODY = 65534


def is_sanitized():
    return b"__asan_init" in Path(os.environ["BERTH_BINARY"]).read_bytes()


def process_facts(pid):
    return dict(re.findall(r"^(\w+):\s+(.*)$",
                           Path(f"/proc/{pid}/status").read_text(), re.M))


@unittest.skipIf(STAND_IN, "about berth itself")
class Sandbox(Faulty):
    def setUp(self):
        if is_sanitized():
            self.skipTest("sanitizers cannot be locked in")
        super().setUp()

    def assert_confined(self, pid):
        facts = process_facts(pid)
        self.assertEqual(facts["NoNewPrivs"], "1")
        self.assertEqual(facts["Seccomp"], "2")
        # CAP_CHOWN and CAP_NET_BIND_SERVICE
        self.assertEqual(int(facts["CapPrm"], 16) & ~0x401, 0)

    def test_a_berth_is_confined_and_says_how(self):
        place = self.dir / "metrics.sock"
        berth = self.another(metrics={"listen": str(place)})
        wait_for("ready", lambda: api(place, "GET", "/readyz")[0] == 200)
        self.assert_confined(berth.process.pid)
        said = json.loads(self.ok(os.environ["BERTH_BINARY"], "status",
                                  "--json", "--socket", place))
        defences = " ".join(said["process"]["defences"])
        for word in ("no new privileges", "no capabilities", "no core dumps",
                     "Landlock", "seccomp"):
            self.assertIn(word, defences)
            self.assertIn(word, berth.log())
        self.assertNotIn("missing", defences)

    def test_what_is_replaced_in_its_directories_is_read_anew(self):
        env = self.bed.env
        for name in ("BED_IDENTITY", "BED_KNOWN_HOSTS"):
            shutil.copy2(env[name], self.dir / name)
        berth = self.another(upstream={
            "identity": str(self.dir / "BED_IDENTITY"),
            "known_hosts": str(self.dir / "BED_KNOWN_HOSTS")})
        for name in ("BED_IDENTITY", "BED_KNOWN_HOSTS"):
            shutil.copy2(env[name], self.dir / "new")
            (self.dir / "new").rename(self.dir / name)
        self.kill_ssh_sessions()
        for path in (berth.socket, self.berth.socket):
            wait_for("the link", lambda: api(path, "GET", "/containers/json")[
                0] == 200)
        policy = self.policy_of(berth)
        policy["operations"] = {"deny": ["SystemInfo"]}
        (berth.dir / "new").write_text(json.dumps(policy))
        (berth.dir / "new").rename(berth.dir / "policy.json")
        self.reload(berth, policy)
        self.assertEqual(api(berth.socket, "GET", "/info")[0], 403)

    def test_a_reload_stays_in_the_directories_of_the_start(self):
        berth = self.another()
        policy = self.policy_of(berth)
        reason = f"{self.dir}: no policy named that directory"
        elsewhere = [{"listen": {"path": str(self.dir / "d.sock")}},
                     {"metrics": {"listen": str(self.dir / "m.sock")}},
                     {"audit": {"to": str(self.dir / "audit")}}]
        for n, changes in enumerate(elsewhere, 1):
            self.reload(berth, {**policy, **changes},
                        "the policies stay as they were")
            wait_for("the reason", lambda: berth.log().count(reason) == n)
            self.assertTrue(answers(berth.socket))
            self.assertEqual(os.listdir(self.dir), [])

    def test_it_says_when_it_may_not_open_enough_files(self):
        berth = self.another()
        policy = self.policy_of(berth)
        policy["listen"] = {"path": str(self.dir / "few.sock"), "clients": 999}
        policy["namespace"] = "few"
        (self.dir / "policy.json").write_text(json.dumps(policy))
        p = subprocess.Popen(
            [os.environ["BERTH_BINARY"], "serve", "--policy",
             self.dir / "policy.json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (300, 300)))
        self.addCleanup(self.end, p)
        while b"may open 300 files" not in (line := p.stderr.readline()):
            self.assertTrue(line)
        wait_for("it all the same", lambda: answers(self.dir / "few.sock"))

    def test_no_root_is_needed(self):
        env = self.bed.env
        # others cannot even look into the directory of the tests
        home = Path(tempfile.mkdtemp(prefix="berth-e2e-nobody.", dir="/tmp"))
        self.addCleanup(shutil.rmtree, home)
        os.chown(home, NOBODY, NOBODY)
        shutil.copy(env["BED_IDENTITY"], home / "key")
        shutil.copy(env["BED_KNOWN_HOSTS"], home / "known_hosts")
        (home / "key").chmod(0o600)
        place = home / "metrics.sock"
        (home / "policy.json").write_text(json.dumps({
            **self.berth.policy,
            "listen": {"path": str(home / "docker.sock")},
            "metrics": {"listen": str(place)},
            "audit": {"to": str(home / "audit.jsonl")},
            "upstream": {**self.berth.policy["upstream"],
                         "identity": str(home / "key"),
                         "known_hosts": str(home / "known_hosts")}}))
        for name in ("key", "known_hosts", "policy.json"):
            os.chown(home / name, NOBODY, NOBODY)
        # its own copy: the build directory need not be everybody's
        shutil.copy(os.environ["BERTH_BINARY"], home / "berth")
        p = subprocess.Popen(
            [home / "berth", "serve", "--policy",
             home / "policy.json"], user=NOBODY, group=NOBODY,
            extra_groups=[], cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.end, p)
        wait_for("an unprivileged berth",
                 lambda: answers(home / "docker.sock") and
                 api(place, "GET", "/readyz")[0] == 200)
        self.assert_confined(p.pid)
        self.assertEqual(int(process_facts(p.pid)["CapPrm"], 16), 0)
        said = json.loads(self.ok(os.environ["BERTH_BINARY"], "status",
                                  "--json", "--socket", place))
        self.assertGreater(said["process"]["descriptors"], 5)
        self.assertGreater(said["process"]["memory"], 1 << 20)
        self.assertEqual(len(said["process"]["defences"]), 5)
        p.terminate()
        self.assertEqual(p.wait(PATIENCE), 0)
        self.assertFalse((home / "docker.sock").exists())
