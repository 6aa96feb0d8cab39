"""What jump hosts cost: the same engine behind one and two of them, beside
`ssh -J ... -L`. The hosts of the way are one sshd of this machine, which is
logged in to once for each; before each host there may be a delay."""
import subprocess
import time
from pathlib import Path

from peers import (ENGINE, NEAR, STAND_IN, Berth, Ssh, cpu_seconds,
                   descendants)
from sections import BOX, MIB, SECONDS, STREAM, GIB, Row

ONE_WAY_US = 5000  # to each host
CONFIG = """
ListenAddress 127.0.0.1
HostKey {dir}/bastion_key
AuthorizedKeysFile {dir}/bastion_authorized
PidFile {dir}/bastion.pid
UsePAM no
StrictModes no
PermitRootLogin yes
"""


class Way:
    """Through COUNT jump hosts, with a delay before each host if FAR; NAME is
    the alias of the engine's host in ssh_config."""

    def __init__(self, ground, port, count, far):
        self.name = f"behind-{count}-{'far' if far else 'near'}"
        hosts = [("127.0.0.1", port)] * count + [ground.address[NEAR]]
        if far:
            hosts = [self.delayed(ground, *host) for host in hosts]
        keys = [(ground.dir / "bastion_key.pub").read_text().split()[:2]] * count
        known = [line.split()[1:3] for line in
                 Path(ground.env["BED_KNOWN_HOSTS"]).read_text().splitlines()]
        names = [f"{self.name}-{n}" for n in range(count)] + [self.name]
        jumps = ",".join(names[:-1])
        self.config = ground.dir / f"ssh_config.{self.name}"
        lines = [f"Host {self.name}\n  ProxyJump {jumps}\n"
                 f"  User {ground.env['BED_SSH_USER']}\n"]
        with (ground.dir / "known_ways").open("a") as f:
            for name, (host, at), key in zip(names, hosts, [*keys, None]):
                lines.append(f"Host {name}\n  HostName {host}\n  Port {at}\n"
                             f"  HostKeyAlias {name}\n")
                for one in [key] if key else known:
                    f.write(f"{name} {' '.join(one)}\n")
        self.config.write_text(
            "".join(lines)
            + f"Host *\n  User root\n  IdentityFile {ground.env['BED_IDENTITY']}\n"
            "  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {ground.dir}/known_ways\n")

    @staticmethod
    def delayed(ground, host, port):
        _, at = ground.start_reader("delay", host, port, ONE_WAY_US)
        return "127.0.0.1", int(at)


class SshBehind(Ssh):
    def __init__(self, ground, way, target, cipher=None):
        self.way = way
        super().__init__(ground, NEAR, target, cipher)

    def argv(self, target):
        return ["/usr/bin/ssh", "-F", self.way.config, "-N", *self.cipher,
                "-L", f"{self.socket}:/run/{target}", self.way.name]

    def cpu(self):
        """That of its `ssh -W` for each jump host, too."""
        return cpu_seconds({self.pid} | descendants(self.pid))


class BerthBehind(Berth):
    def __init__(self, ground, way, target):
        self.way = way
        super().__init__(ground, NEAR, target)

    def upstream(self, target):
        return {"url": f"ssh://{self.way.name}/run/{target}",
                "ssh_config": str(self.way.config)}


def start_bastion(ground):
    key = ground.dir / "bastion_key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", key],
                   check=True)
    public = Path(ground.env["BED_IDENTITY"] + ".pub").read_text()
    (ground.dir / "bastion_authorized").write_text(public)
    config = ground.dir / "bastion_config"
    config.write_text(CONFIG.format(dir=ground.dir))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = ground.free_port()
    ground.start(["/usr/sbin/sshd", "-D", "-e", "-f", config, "-p", port],
                 "bastion.log")
    ground.wait_for_port(port)
    return port


def commands(title, everyone):
    each = {"docker ps": (3, ["ps"]), "docker exec": (1, ["exec", BOX, "true"])}

    def run(peer, times, words):
        took = []
        for _ in range(times):
            began = time.monotonic()
            peer.docker(*words)
            took.append((time.monotonic() - began) * 1e3)
        return {"ms": sorted(took)[len(took) // 2]}

    for name, (times, words) in each.items():
        yield Row(f"docker's command, {title}", name, SECONDS, everyone,
                  lambda p, t=times, w=words: run(p, t, w))


def streams(title, everyone, size):
    def run(peer, what, name):
        cpu = peer.cpu()
        r = peer.tool("flow", what, name, 1, size.stream_bytes)
        return {"rate": r["bytes"] / r["seconds"] / MIB,
                "cpu": (peer.cpu() - cpu) * GIB / r["bytes"]}

    for what, name, say in (("get", "source", "archive down"),
                            ("put", "sink", "archive up")):
        yield Row(f"Streams to a stand-in engine, {title}", f"{say} x 1",
                  STREAM[:2], everyone,
                  lambda p, a=(what, name): run(p, *a))


def bastions(peers, size):
    ground = peers.ground
    port = start_bastion(ground)
    for count, say in (1, "one bastion"), (2, "two bastions"):
        far, near = (Way(ground, port, count, f) for f in (True, False))
        kinds = [SshBehind] + ([BerthBehind] if Berth.binary else [])
        everyone = [peers.direct[ENGINE]] + [kind(ground, far, ENGINE)
                                             for kind in kinds]
        peers.prepare(everyone)
        yield from commands(f"{say}, 10 ms to each host", everyone)
        everyone = [kind(ground, near, STAND_IN) for kind in kinds]
        yield from streams(
            f"{say}, no delay",
            everyone + [SshBehind(ground, near, STAND_IN, "aes128-ctr")], size)
