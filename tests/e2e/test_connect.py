"""berth check --connect: at which step the way to the engine ends, and why."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import PATIENCE, Bed, api

STEPS = ["name", "TCP", "SSH", "host key", "login", "channel", "engine", "API", "ID",
         "networks"]


class Answering:
    """A socket where something answers each request with the same BYTES."""

    def __init__(self, address, reply):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.bind(address)
        self.socket.listen()
        self.reply = reply
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.answer, args=[c], daemon=True).start()

    def answer(self, c):
        with c:
            try:
                while c.recv(4096):
                    c.sendall(self.reply)
            except OSError:
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def http(status, body):
    body = json.dumps(body).encode()
    return (f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


class Connect(unittest.TestCase):
    def setUp(self):
        self.bed = Bed(os.environ["BERTH_E2E_BED"])
        self.env = self.bed.env
        self.address, self.port = self.env["BED_ADDRESS"], self.env["BED_SSH_PORT"]
        self.dir = Path(tempfile.mkdtemp(prefix="berth-e2e-test."))
        self.addCleanup(shutil.rmtree, self.dir)

    policy = {}

    def engine(self, method, target, body=None):
        return api(self.env["BED_SOCKET"], method, target, body)

    def check(self, url=None, **upstream):
        """Returns the exit code, and what was said of each step."""
        policy = self.dir / "policy.json"
        policy.write_text(json.dumps({
            "version": 1, "namespace": "t1", **self.policy,
            "upstream": {
                "url": url or f"ssh://berth@{self.address}:{self.port}",
                "identity": self.env["BED_IDENTITY"], "agent": False,
                "known_hosts": self.env["BED_KNOWN_HOSTS"], **upstream}}))
        p = subprocess.run(
            [os.environ["BERTH_BINARY"], "check", "--connect", policy],
            capture_output=True, text=True, timeout=PATIENCE)
        self.assertNotIn("Sanitizer", p.stderr)
        return p.returncode, [(x[:4].strip(), x[6:14].strip(), x[16:])
                              for x in p.stdout.splitlines()]

    def ends_at(self, step, words, url=None, **upstream):
        """All steps before STEP are good, and it says WORDS."""
        rc, said = self.check(url, **upstream)
        self.assertEqual(rc, 1, said)
        self.assertEqual(said[-1][:2], ("FAIL", step), said)
        self.assertIn(words, said[-1][2])
        if url is None or url.startswith("ssh"):
            self.assertEqual([(how, name) for how, name, _ in said[:-1]],
                             [("ok", s) for s in STEPS[:STEPS.index(step)]])

    def ssh_url(self, host=None, port=None, path=""):
        return f"ssh://berth@{host or self.address}:{port or self.port}{path}"

    def sshd_says(self, *lines):
        """Other words for the bed's sshd, as long as the test runs."""
        conf = self.bed.dir / "etc/ssh/bed.d/00-connect.conf"
        conf.write_text("".join(f"{x}\n" for x in lines))

        def restart():
            self.bed.do("sshd-stop")
            self.bed.do("sshd-start")

        self.addCleanup(restart)
        self.addCleanup(conf.unlink, missing_ok=True)
        restart()

    def test_all_is_well(self):
        rc, said = self.check()
        self.assertEqual(rc, 0, said)
        self.assertEqual([name for how, name, _ in said if how == "ok"], STEPS)
        self.assertIn(self.address, said[0][2])
        self.assertIn(self.env["BED_ENGINE_VERSION"], said[6][2])
        # all of them are Debian's, which has fixed what their numbers have
        warned = " ".join(x for how, _, x in said if how == "warn")
        self.assertNotIn("CVE", warned)
        faults = " ".join(x for how, _, x in said if how == "note")
        self.assertIn("CVE-2025-54410", faults)
        self.assertEqual("CVE-2024-29018" in faults,
                         self.env["BED_ENGINE_VERSION"] == "20.10")

    def test_a_socket_on_this_machine(self):
        rc, said = self.check(f"unix://{self.env['BED_SOCKET']}")
        self.assertEqual(rc, 0, said)
        self.assertEqual([name for how, name, _ in said if how == "ok"],
                         ["socket", "engine", "API", "ID", "networks"])
        self.ends_at("socket", "No such file", f"unix://{self.dir}/none.sock")

    def test_an_engine_without_addresses_for_networks(self):
        self.engine("POST", "/containers/prune")
        self.engine("POST", "/networks/prune")
        daemon = json.loads((self.bed.dir / "etc/docker/daemon.json").read_text())
        for n, pool in enumerate(daemon["default-address-pools"]):
            self.addCleanup(self.engine, "DELETE", f"/networks/all-{n}")
            status, said = self.engine("POST", "/networks/create", {
                "Name": f"all-{n}",
                "IPAM": {"Config": [{"Subnet": pool["base"]}]}})
            self.assertEqual(status, 201, said)
        rc, said = self.check()
        self.assertEqual(rc, 1, said)
        self.assertEqual([x for how, x, _ in said if how == "FAIL"], ["networks"])
        self.assertIn("default-address-pools", str(said))

    def test_ports(self):
        self.policy = {"ports": {"publish": "runner"}}
        rc, said = self.check()
        self.assertEqual(rc, 0, said)
        self.assertEqual(said[-1][:2], ("ok", "ports"), said)
        self.sshd_says("PermitOpen [/var/run/docker.sock]:*")
        rc, said = self.check()
        self.assertEqual(rc, 0, said)
        self.assertEqual(said[-1][:2], ("warn", "ports"), said)
        self.assertIn("--ports 127.", said[-1][2])

    def test_a_name(self):
        self.ends_at("name", "see upstream.url",
                     self.ssh_url("no-such-host.invalid"))

    def test_tcp(self):
        self.ends_at("TCP", "Connection refused", self.ssh_url(port=1))
        self.ends_at("TCP", "Connection refused", "tcp://127.0.0.1:1")

    def test_ssh(self):
        web = Answering(("127.0.0.1", 0), b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.addCleanup(web.close)
        url = self.ssh_url("127.0.0.1", web.socket.getsockname()[1])
        self.ends_at("SSH", "is it an SSH server", url,
                     connect_timeout="2s")

    def test_a_host_key(self):
        self.ends_at("host key", "pins", known_hosts=None,
                     host_key="SHA256:" + "A" * 43)
        other = self.dir / "known_hosts"
        other.write_text("elsewhere ssh-ed25519 "
                         "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43 + "\n")
        self.ends_at("host key", "ssh-keyscan", known_hosts=str(other))

    def test_a_login(self):
        key = self.dir / "key"
        subprocess.run([os.environ["BERTH_BINARY"], "keygen", key], check=True,
                       stdout=subprocess.DEVNULL)
        self.ends_at("login", "host-setup.sh", identity=str(key))
        self.ends_at("login", "No such file", identity=str(self.dir / "none"))

    def test_a_channel(self):
        self.ends_at("channel", "could not open /run/none.sock",
                     self.ssh_url(path="/run/none.sock"), channel="forward")
        self.sshd_says("AllowStreamLocalForwarding no")
        self.ends_at("channel", "AllowStreamLocalForwarding",
                     channel="forward")

    def test_a_command_in_place_of_a_channel(self):
        self.sshd_says("AllowStreamLocalForwarding no")
        self.assertEqual(self.check()[0], 0)
        self.sshd_says("AllowStreamLocalForwarding no", "ForceCommand false")
        self.ends_at("engine", "docker system dial-stdio")

    def test_an_engine(self):
        path = str(self.dir / "engine.sock")
        for step, words, reply in (
                ("engine", "status 500", http(500, {"message": "broken"})),
                ("engine", "no version", http(200, {"hello": "there"})),
                ("engine", "no HTTP", b"SSH-2.0-OpenSSH_9.9\r\n"),
                ("API", "too old", http(200, {"Version": "1.11",
                                              "ApiVersion": "1.23"}))):
            with self.subTest(words):
                fake = Answering(path, reply)
                self.ends_at(step, words, f"unix://{path}")
                fake.close()
                os.unlink(path)

    def test_an_engine_that_writes_to_the_terminal(self):
        path = str(self.dir / "engine.sock")
        fake = Answering(path, http(200, {"Version": "26\x1b[2J\n",
                                          "ApiVersion": "1.45"}))
        self.addCleanup(fake.close)
        said = self.check(f"unix://{path}")[1]
        self.assertIn("26\\x1b[2J\\x0a on", said[1][2])

    def test_a_wrong_policy(self):
        rc, said = self.check(url="ftp://nowhere")
        self.assertEqual((rc, said), (2, []))


if __name__ == "__main__":
    unittest.main()
