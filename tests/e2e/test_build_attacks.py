"""Attacks through BuildKit's tunnels, on a real engine: calls made by hand, each
refused before the engine sees it, or answered without a word of another's; and
their benign twins, which reach the engine."""
import json
import re
import subprocess
import unittest
from pathlib import Path

from harness import MORE_PATIENCE, TwoRunners

HERE = Path(__file__).resolve().parent
CONTROL = "/moby.buildkit.v1.Control/"
BRIDGE = "/moby.buildkit.v1.frontend.LLBBridge/"
CONTENT = "/containerd.services.content.v1.Content/"
INVALID, NOT_FOUND, DENIED, UNIMPLEMENTED = "3", "5", "7", "12"


# ---- protobuf, by hand ----

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """Field NUMBER with VALUE: a number, text or bytes, or a message's bytes."""
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def pairs(number, **values):
    return b"".join(field(number, field(1, k.replace("__", ":").replace("_", "-"))
                          + field(2, v)) for k, v in values.items())


def frame(message, flag=0):
    return (bytes([flag]) + len(message).to_bytes(4, "big") + message).hex()


def solve(*more, ref="ref0", frontend="dockerfile.v0"):
    return field(1, ref) + field(6, frontend) + b"".join(more)


def exporter(kind, **attrs):
    return field(13, field(1, kind) + pairs(2, **attrs))


def entry(key, value):
    """One of a map: FrontendAttrs."""
    return field(7, field(1, key) + field(2, value))


def exec_op(number, value):
    """A definition of one ExecOp, field NUMBER of which has VALUE."""
    meta = field(1, field(1, "true"))
    return field(1, field(2, meta + field(number, value)))


class BuildAttacks(TwoRunners):
    engines = ("26.1", "next", "next-graph")

    def calls(self, *calls, target="/grpc", headers=None, berth=None):
        """What came of CALLS, (path, frames) each, in one tunnel."""
        told = {"headers": headers or {}, "calls": [
            {"path": path, "frames": frames, **(more[0] if more else {})}
            for path, frames, *more in calls]}
        p = subprocess.run(
            ["node", HERE / "clients/grpc.js", (berth or self.berth).socket,
             target], input=json.dumps(told).encode(), capture_output=True,
            timeout=MORE_PATIENCE, env=self.env)
        self.assertEqual(p.returncode, 0, p.stderr)
        return json.loads(p.stdout)

    def call(self, path, *messages, **how):
        return self.calls((path, [frame(m) for m in messages]), **how)[0]

    def refused(self, path, *messages, by=(DENIED,), word="", **how):
        got = self.call(path, *messages, **how)
        self.assertIn(got["grpc"], by, (messages, got))
        self.assertIn(word, got["message"])
        return got

    def passes(self, path, *messages, **how):
        """It reaches the engine, whatever that makes of it."""
        got = self.call(path, *messages, **how)
        self.assertNotIn("berth", got["message"])
        return got

    def secret_build(self):
        """A build of the neighbour's; returns what nobody else may read."""
        (self.dir / "Dockerfile").write_text(
            "FROM busybox\nARG WORD=none\nRUN echo zzqword >/zzqword\n")
        self.docker("buildx", "build", "--build-arg", "WORD=zzqword", "-t",
                    "zzqword:1", "--metadata-file", self.dir / "meta", ".",
                    DOCKER_HOST=f"unix://{self.other.socket}")
        meta = json.loads((self.dir / "meta").read_text())
        ref = meta["buildx.build.ref"].rpartition("/")[2]
        return ["zzqword", ref,
                meta["containerimage.digest"].partition(":")[2]]

    def test_what_a_solve_may_not_ask_for(self):
        image = exporter("moby", name="docker.io/library/app:1")
        twin = solve(image, entry("filename", "Dockerfile"))
        self.passes(CONTROL + "Solve", twin)
        for more, word in (
                (field(9, "network.host"), "build.host_network"),
                (field(9, "security.insecure"), "build.insecure"),
                (field(9, "device"), "build.devices"),
                (field(9, "something.new"), ""),
                (entry("force-network-mode", "host"), "build.host_network"),
                (entry("cgroup-parent", "/"), "cgroup"),
                (entry("context", "http://169.254.169.254/latest"),
                 "build.remotes"),
                (entry("context", "http://127.0.0.1:2375/x.git"),
                 "build.remotes"),
                (entry("build-arg:BUILDKIT_SYNTAX", "attacker/frontend"),
                 "build.frontends"),
                (entry("unknown-option", "x"), ""),
                (exporter("image", push="true", name="evil.example/x:1"),
                 ""),
                (field(10, field(1, "x") + field(2, exec_op(2, 1))), ""),
                (field(14, True) + field(5, "no runner's"), "")):
            with self.subTest(more=more):
                self.refused(CONTROL + "Solve", solve(image, more),
                             by=(DENIED, INVALID, UNIMPLEMENTED), word=word)
        # what old engines read, in its place
        self.refused(CONTROL + "Solve", solve(
            field(3, "moby") + pairs(4, name="t2.berth.invalid/x:1")))
        for frontend, source in (("gateway.v0", "attacker/frontend"),
                                 ("something.else", "x")):
            self.refused(CONTROL + "Solve",
                         solve(image, entry("source", source),
                               frontend=frontend))

    def test_steps_of_one_s_own_making(self):
        for more in (exec_op(2, 1), exec_op(2, 2), exec_op(3, 1),
                     exec_op(3, 2), exec_op(7, 9)):
            self.refused(CONTROL + "Solve", field(1, "llb") + field(2, more),
                         by=(DENIED, INVALID, UNIMPLEMENTED))

    def test_names_that_are_not_the_runner_s(self):
        for name in ("t2.berth.invalid/victim:1", "*",
                     "t2.anchor.berth.invalid/image:1", "push.berth.invalid/x",
                     "a:1,t2.berth.invalid/victim:1"):
            with self.subTest(name=name):
                self.refused(CONTROL + "Solve",
                             solve(exporter("moby", name=name)),
                             by=(DENIED, INVALID))
        # a policy of the client's that turns a name into another's
        convert = field(12, field(2, field(1, 2) + field(
            2, field(1, "docker-image://docker.io/library/busybox:latest"))
            + field(3, field(1, "docker-image://t2.berth.invalid/app"))))
        got = self.call(CONTROL + "Solve", solve(
            exporter("moby", name="a:1"), convert))
        self.assertNotEqual(got["grpc"], "0")

    def test_what_another_built_is_not_there(self):
        secrets = self.secret_build()
        ref = secrets[1]
        asked = [
            (CONTROL + "Status", field(1, ref)),
            (CONTROL + "Status", field(1, "t2." + ref)),
            (CONTROL + "Status", field(1, "")),
            (CONTROL + "ListenBuildHistory", field(3, True)),
            (CONTROL + "ListenBuildHistory", field(2, ref) + field(3, True)),
            (CONTROL + "ListenBuildHistory",
             field(3, True) + field(4, "ref~=.*")),
            (CONTROL + "ListenBuildHistory",
             field(3, True) + field(4, 'ref~=".*",status==x')),
            (CONTROL + "ListenBuildHistory", field(3, True) + field(5, 1)),
            (CONTROL + "DiskUsage", b""),
            (CONTROL + "ListWorkers", b""),
            (CONTENT + "Info", field(1, "sha256:" + secrets[2])),
            (CONTENT + "Read", field(1, "sha256:" + secrets[2])),
            (CONTENT + "List", b""),
            (BRIDGE + "Ping", b""),
        ]
        for got, (path, message) in zip(self.calls(
                *((path, [frame(m)], {"wait": 4000}) for path, m in asked)),
                asked):
            told = bytes.fromhex(got["data"]) + got["message"].encode()
            for secret in secrets:
                if secret.encode() not in message:
                    self.assertNotIn(secret.encode(), told, path)
        # nor does it go
        for path, message in (
                (CONTROL + "UpdateBuildHistory", field(1, ref) + field(3, True)),
                (CONTROL + "UpdateBuildHistory", field(3, True)),
                (CONTROL + "Prune", field(2, True))):
            self.call(path, message)
        theirs = self.calls(
            (CONTROL + "ListenBuildHistory", [frame(field(3, True))]),
            berth=self.other)[0]
        self.assertIn(ref.encode(), bytes.fromhex(theirs["data"]))

    def test_calls_with_a_build_of_another_s(self):
        for headers in ({}, {"buildkit-controlapi-buildid": "t2.ref0"},
                        {"buildkit-controlapi-buildid": "../ref0"}):
            for path in (BRIDGE + "Solve", BRIDGE + "Return",
                         BRIDGE + "ReadFile"):
                got = self.calls((path, [frame(b"")], {"headers": headers}))[0]
                self.assertNotEqual(got["grpc"], "0", (path, headers))

    def test_what_no_service_has(self):
        for path in ("/moby.buildkit.v1.Control/Evil", "/Evil/Solve", "/",
                     "//moby.buildkit.v1.Control/Solve",
                     "/moby.buildkit.v1.Control/../Control/Solve",
                     "/grpc.reflection.v1alpha.ServerReflection/"
                     "ServerReflectionInfo", CONTENT + "Write",
                     CONTENT + "Delete"):
            self.refused(path, b"", by=(UNIMPLEMENTED, DENIED))

    def test_messages_that_are_none(self):
        good = solve(exporter("moby", name="a:1"))
        for name, frames in {
                "compressed": [frame(good, 1)],
                "an unknown field": [frame(good + field(99, "x"))],
                "a field twice": [frame(good + field(1, "other"))],
                "a group": [frame(good + b"\x0b\x0c")],
                "a long varint": [frame(b"\x58" + b"\xff" * 11)],
                "no UTF-8": [frame(field(1, b"\xff\xfe"))],
                "cut": [frame(good)[:-8]],
                "two": [frame(good), frame(good)],
                "too long": ["00" + (17 << 20).to_bytes(4, "big").hex()],
                "a length that lies": [frame(field(1, "x") + b"\x32\x7fab")],
                }.items():
            with self.subTest(name):
                got, after = self.calls((CONTROL + "Solve", frames),
                                        (CONTROL + "Info", [frame(b"")]))
                self.assertNotEqual(got["grpc"], "0")
                self.assertEqual(after["grpc"], "0", "the tunnel lives")

    def test_http2_without_an_upgrade_is_judged_alike(self):
        asked = [(CONTROL + "Info", [frame(b"")]),
                 (CONTROL + "Solve", [frame(solve(field(9, "network.host")))]),
                 ("/Evil/Solve", [frame(b"")])]
        info, bad, none = self.calls(*asked, target="-")
        self.assertEqual(info["grpc"], "0", info)
        self.assertEqual(bad["grpc"], DENIED, bad)
        self.assertIn("build.host_network", bad["message"])
        self.assertEqual(none["grpc"], UNIMPLEMENTED, none)

    def test_a_session_is_its_opener_s_alone(self):
        for headers in ({}, {"X-Docker-Expose-Session-Uuid": ""},
                        {"X-Docker-Expose-Session-Uuid": "../x"},
                        {"X-Docker-Expose-Session-Uuid": "a b"}):
            got = self.calls((CONTROL + "Info", [frame(b"")]),
                             target="/session", headers=headers)
            self.assertIn("refused", got, headers)

    def test_a_thousand_resets_harm_one_tunnel_at_most(self):
        self.calls(*[(CONTROL + "ListenBuildHistory", [frame(b"")],
                      {"wait": 1, "open": True}) for _ in range(1200)])
        self.assertEqual(self.call(CONTROL + "Info", b"")["grpc"], "0")

    def test_every_refusal_is_on_record(self):
        self.refused(CONTROL + "Solve", solve(field(9, "network.host")),
                     word="build.host_network")
        calls = [r for r in self.berth.audit()
                 if r.get("call", "").endswith("Control/Solve")]
        self.assertTrue(any(r.get("verdict") == "deny" and "build.host_network"
                            in json.dumps(r) for r in calls), calls[-2:])
        self.assertFalse(re.search("network.host.*allow", json.dumps(calls)))


if __name__ == "__main__":
    unittest.main()
