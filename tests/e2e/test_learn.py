"""berth learn: what a runner did under a policy that only reports, it may do
again under the policy learnt from that, all of it, and no more."""
import json
import os
import subprocess
import unittest

from harness import PATIENCE, Berth, Scenario, api

COMPOSE = """\
services:
  db:
    image: busybox
    command: sleep 600
    stop_grace_period: 0s
    volumes: ["data:/data"]
  web:
    image: busybox
    command: sh -c "ping -c 1 db && sleep 600"
    depends_on: [db]
    stop_grace_period: 0s
    sysctls: {net.core.somaxconn: 1024}
volumes:
  data:
"""


class Learn(Scenario):
    policy = {"mode": "report-only", "network": {}}

    def work(self):
        """What needs the defaults, and what needs more than them."""
        (self.dir / "Dockerfile").write_text(
            "FROM alpine\nCOPY file /file\nRUN cat /file\n")
        (self.dir / "file").write_text("content\n")
        (self.dir / "compose.yml").write_text(COMPOSE)
        d = self.docker
        d("version")
        d("run", "--rm", "busybox", "echo", "hello")
        web = d("run", "-d", "--name", "web", "-p", "18099:80", "-v", "data:/data",
                "busybox", "sleep", "600")
        self.assertEqual(d("exec", "-i", "web", "cat", input=b"in"), "in")
        d("cp", "file", "web:/tmp/file")
        d("logs", "web")
        d("ps", "-a")
        # made, but not run: not every machine could
        d("create", "--privileged", "busybox", "true")
        d("create", "--cap-add", "SYS_PTRACE", "--pid", "host",
          "--sysctl", "kernel.msgmax=65536",
          "--security-opt", "seccomp=unconfined", "--ulimit", "stack=4194304",
          "-v", "/usr/share:/in:ro",
          "--mount", "type=bind,source=/srv,target=/out",
          "--device", "/dev/zero:/dev/other:r", "--cpuset-cpus", "0",
          "-p", "127.0.0.1:81:81", "--log-opt", "cache-disabled=true",
          "busybox", "true")
        made = api(self.socket(), "POST", f"/containers/{web}/exec",
                   {"Cmd": ["true"], "Privileged": True})
        self.assertEqual(made[0], 201, made)
        d("rm", "-f", "web")
        d("network", "create", "--subnet", "10.98.0.0/24", "n")
        d("run", "--rm", "--network", "n", "--ip", "10.98.0.9", "busybox", "true")
        d("network", "rm", "n")
        d("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "vol")
        d("volume", "rm", "vol")
        d("build", "--network", "host", "-t", "made", ".", DOCKER_BUILDKIT="0")
        d("run", "--rm", "made", "cat", "/file")
        self.ok("docker-compose-2.26", "-p", "c", "up", "-d")
        self.ok("docker-compose-2.26", "-p", "c", "ps")
        self.ok("docker-compose-2.26", "-p", "c", "down", "-v")

    def socket(self):
        """Of the berth that clients talk to."""
        return self.env["DOCKER_HOST"].removeprefix("unix://")

    def learn(self, berth, *options):
        p = subprocess.run(
            [os.environ["BERTH_BINARY"], "learn", *options, "--policy",
             berth.dir / "policy.json", berth.audit_path],
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(p.returncode, 0, p.stderr)
        return json.loads(p.stdout), p.stderr

    def under(self, learnt):
        """From now on, clients talk to a berth that has learnt."""
        own = {k: v for k, v in learnt.items()
               if k not in ("version", "listen", "audit")}
        berth = Berth(self.bed, **{"network": {}, **own})
        self.addCleanup(berth.stop)
        self.env["DOCKER_HOST"] = f"unix://{berth.socket}"
        return berth

    def test_what_was_done_may_be_done_again(self):
        self.work()
        self.clear()
        reported = {r["rule"] for r in self.berth.audit()
                    if r.get("verdict") == "would-deny"}
        self.assertIn("container.privileged", reported)
        self.assertIn("network.subnets", reported)
        learnt, said = self.learn(self.berth)
        for words in ("container.privileged: ", "/srv may be written to",
                      '"SYS_PTRACE"', "build.host_network: "):
            self.assertIn(words, said)
        self.assertIn("device=tmpfs", learnt["volume"]["options"])
        self.assertNotIn("stay refused", said)
        self.assertEqual(learnt["ports"]["lowest"], 81)
        berth = self.under(learnt)
        self.work()
        for record in berth.audit():
            self.assertEqual(record.get("verdict", "allow"), "allow", record)
        # and nothing else
        for refused in (["run", "--rm", "--cap-add", "SYS_ADMIN", "busybox"],
                        ["run", "--rm", "-v", "/etc:/etc", "busybox"],
                        ["run", "--rm", "127.0.0.1:5000/x"],
                        ["export", "-o", "x", "web"], ["events", "--until", "1s"],
                        ["swarm", "init"]):
            result = self.docker_result(*refused)
            self.assertNotEqual(result.rc, 0, refused)
            self.assertIn(b"berth: ", result.err)

    def test_what_no_policy_allows_is_told(self):
        berth = self.under({"mode": "report-only"})
        self.docker("create", "-v", "/run/podman/podman.sock:/s",
                    "busybox", "true")
        self.assertIn("stay refused", self.learn(berth)[1])

    def test_a_socket_that_leads_back_is_no_directory(self):
        berth = self.under({"mode": "report-only"})
        self.docker("create", "-v", "/run/docker.sock:/run/docker.sock",
                    "busybox", "true")
        learnt, said = self.learn(berth)
        self.assertNotIn("mounts", said)
        self.assertEqual(learnt["container"]["engine_socket"], "berth")

    def test_refusals_are_learnt_from_when_asked(self):
        berth = self.under({"operations": {"allow": ["container:read"]}})
        self.docker("ps")
        self.docker_result("images")
        for options, has in (([], False), (["--refused"], True)):
            p = subprocess.run(
                [os.environ["BERTH_BINARY"], "learn", *options,
                 berth.audit_path], capture_output=True, text=True)
            allow = json.loads(p.stdout)["operations"]["allow"]
            self.assertIn("ContainerList", allow)
            self.assertEqual("ImageList" in allow, has)

    def test_a_record_without_a_call(self):
        empty = self.dir / "empty"
        empty.write_text("")
        p = subprocess.run([os.environ["BERTH_BINARY"], "learn", empty],
                           capture_output=True, text=True)
        self.assertEqual(p.returncode, 2)
        self.assertIn("no call to learn from", p.stderr)


if __name__ == "__main__":
    unittest.main()
