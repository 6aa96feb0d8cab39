"""Archives that clients compress, and clients that go away in the middle."""
import bz2
import gzip
import json
import lzma
import os
import socket
import subprocess
import time

from harness import Connection, Scenario, api, noise, wait_for
from tarball import tar_of

PACKED = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: subprocess.run(["zstd", "-c"], input=data, check=True,
                                        stdout=subprocess.PIPE).stdout,
}
BIG = noise(3 << 20) + bytes(3 << 20)


class Archives(Scenario):
    cli = "docker-26.1"

    def send(self, method, target, body, **headers):
        c = Connection(self.berth.socket)
        try:
            c.request(method, target, body, {
                "Content-Type": "application/x-tar",
                **{k.replace("_", "-"): v for k, v in headers.items()}})
            reply = c.getresponse()
            return reply.status, reply.read().decode()
        finally:
            c.close()

    def test_a_container_gets_what_was_in_it(self):
        self.docker("run", "-d", "--name", "box", "busybox", "sleep", "600")
        for how, packed in PACKED.items():
            with self.subTest(how):
                got = self.send("PUT", "/containers/box/archive?path=/tmp",
                                packed(tar_of(name=how, big=BIG)))
                self.assertEqual(got, (200, ""))
                self.assertEqual(
                    self.docker("exec", "box", "cat", "/tmp/name"), how)
                self.assertEqual(
                    self.docker("exec", "box", "wc", "-c", "/tmp/big").split()[0],
                    str(len(BIG)))

    def test_a_build_gets_its_context(self):
        for how, packed in PACKED.items():
            with self.subTest(how):
                context = packed(tar_of(
                    Dockerfile="FROM busybox\nCOPY name big /\n", name=how, big=BIG))
                more = {"Content_Encoding": how} if how != "plain" else {}
                for headers in {}, more:
                    status, text = self.send(
                        "POST", f"/build?t=acme/packed:{how}", context, **headers)
                    self.assertEqual(status, 200, text)
                    self.assertIn("Successfully tagged", text)
                self.assertEqual(
                    self.docker("run", "--rm", f"acme/packed:{how}", "cat", "/name"),
                    how)

    def test_an_image_is_loaded(self):
        self.docker("tag", "busybox", "acme/saved:v1")
        with open(self.dir / "image.tar", "wb") as f:
            self.docker("save", "acme/saved:v1", stdout=f)
        self.docker("rmi", "acme/saved:v1")
        saved = (self.dir / "image.tar").read_bytes()
        for how, packed in PACKED.items():
            with self.subTest(how):
                status, text = self.send("POST", "/images/load?quiet=1",
                                         packed(saved))
                self.assertEqual(status, 200, text)
                self.assertIn("Loaded image: acme/saved:v1", text)
                self.docker("rmi", "acme/saved:v1")

    def test_one_that_is_cut_short_is_an_error(self):
        self.docker("create", "--name", "box", "busybox", "true")
        whole = tar_of(name="x" * 10000, big=BIG)
        for how in ("gzip", "bzip2", "xz", "zstd"):
            with self.subTest(how):
                packed = PACKED[how](whole)
                status, text = self.send(
                    "PUT", "/containers/box/archive?path=/tmp", packed[:-20])
                self.assertEqual(status, 400, text)
                self.assertIn(how, json.loads(text)["message"])

    def test_docker_py_builds_what_it_compresses(self):
        (self.dir / "Dockerfile").write_text("FROM busybox\nCOPY name /name\n")
        (self.dir / "name").write_text("gzip")
        for python in ("python3-7.1", "python3-5.0"):
            self.ok(python, "-c",
                    "import docker; docker.from_env().images.build("
                    "path='.', tag='acme/py:v1', gzip=True)")
            self.assertEqual(
                self.docker("run", "--rm", "acme/py:v1", "cat", "/name"), "gzip")

    def running(self):
        return [c for c in api(self.bed_env["BED_SOCKET"], "GET",
                               "/containers/json")[1] if "sleep 97" in c["Command"]]

    def test_a_build_ends_with_its_client(self):
        context = tar_of(Dockerfile=f"FROM busybox\nRUN : {time.time()}; sleep 97\n")
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.connect(os.fspath(self.berth.socket))
        s.sendall(b"POST /build HTTP/1.1\r\nHost: docker\r\n"
                  b"Content-Type: application/x-tar\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(context) + context)
        wait_for("the step", self.running)
        s.close()
        # were it let through, it would be there for 97 seconds more
        wait_for("its end", lambda: not self.running())
