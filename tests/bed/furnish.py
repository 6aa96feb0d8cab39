"""What lies in a bed's directory before anything runs in it: the host's /etc
with its services' settings, keys, and clients to call it with."""
import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile

SSH_PORT = 2222
REGISTRY = "127.0.0.1:5000"
BUSYBOX = "/bin/busybox"
PASSPHRASE = "open sesame"


class Trouble(Exception):
    """What went wrong, and what to do about it; for the user."""


def run(*argv):
    p = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True)
    if p.returncode != 0:
        raise Trouble(f"{shlex.join(map(str, argv))}: {p.stderr.strip()}")
    return p.stdout


def furnish(d, engine, cache, name, address):
    """Fill D for the bed NAME at ADDRESS, in which ENGINE is to run."""
    for part in ("bin", "keys", "log", "run/sshd", "run/lock", "srv/home", "sys"):
        (d / part).mkdir(parents=True, exist_ok=True)
    run("cp", "-a", engine.root / "etc", d / "etc")
    (d / "etc/resolv.conf").unlink(missing_ok=True)
    (d / "etc/resolv.conf").write_text("# nobody to ask\n")
    if engine.name == "podman":
        furnish_podman(d / "etc")
    else:
        (d / "etc/docker").mkdir(exist_ok=True)
        (d / "etc/docker/daemon.json").write_text(
            json.dumps(engine_config(engine, name)))
    (d / "etc/bed_registry.yml").write_text(json.dumps(REGISTRY_CONFIG))
    make_user(d / "etc")
    make_keys(d / "keys", d / "etc/ssh", address)
    (d / "etc/ssh/sshd_config").write_text(
        SSHD_CONFIG.format(port=SSH_PORT, address=address, path=engine.path)
        + engine.sshd_words)
    make_clients(d, cache)


# The host


def engine_config(engine, name):
    return {
        **engine.config,
        "cgroup-parent": "/" + name,
        "bip": "172.30.0.1/24",
        "default-address-pools": [{"base": "10.230.0.0/16", "size": 24}],
        "shutdown-timeout": 1,
    }


def furnish_podman(etc):
    """Its settings; Debian's package knows of no group for its socket. Without
    control groups, which a bed shares with the machine."""
    with (etc / "group").open("a") as f:
        f.write("docker:x:1998:\n")
    (etc / "containers").mkdir(exist_ok=True)
    for name, text in PODMAN_CONFIG.items():
        (etc / "containers" / name).write_text(text)


PODMAN_CONFIG = {
    "storage.conf": """\
[storage]
driver = "overlay"
graphroot = "/srv/containers"
runroot = "/run/containers"
""",
    "containers.conf": """\
[containers]
cgroups = "disabled"
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
default_subnet = "172.30.0.0/24"
default_subnet_pools = [{"base" = "10.230.0.0/16", "size" = 24}]
""",
    "registries.conf": """\
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1:5000"
insecure = true
""",
    "policy.json": json.dumps({"default": [{"type": "insecureAcceptAnything"}]}),
}

REGISTRY_CONFIG = {
    "version": 0.1,
    "log": {"level": "warn"},
    "storage": {"filesystem": {"rootdirectory": "/srv/registry"},
                "delete": {"enabled": True}},
    "http": {"addr": REGISTRY},
}

SSHD_CONFIG = """\
# What a test needs otherwise goes before all this; the first word counts.
Include /etc/ssh/bed.d/*.conf
Port {port}
ListenAddress {address}
HostKey /etc/ssh/bed_ed25519
HostKey /etc/ssh/bed_ecdsa
PidFile /run/sshd.pid
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile /etc/ssh/bed_authorized_keys
StrictModes no
AllowStreamLocalForwarding yes
AllowTcpForwarding yes
MaxStartups 200:30:400
LogLevel VERBOSE
UseDNS no
# "docker -H ssh://" runs this engine's own client over there
SetEnv PATH={path}
"""


def make_user(etc):
    """An account in the bed that may use the engine, and log in with a key
    (a "!" where the password belongs would lock it)."""
    gid = re.search(r"^docker:x:(\d+):", (etc / "group").read_text(), re.M)
    if not gid:
        raise Trouble("no group \"docker\" exists: run tests/install.sh")
    for name, line in (
            ("passwd", f"berth:x:1999:{gid[1]}::/srv/home:/bin/sh\n"),
            ("shadow", "berth:*:19000:0:99999:7:::\n")):
        with (etc / name).open("a") as f:
            f.write(line)


KEYS = {  # file name: what ssh-keygen is to make it of
    "id_ed25519": ["-t", "ed25519", "-N", ""],
    "id_ecdsa_pem": ["-t", "ecdsa", "-m", "PEM", "-N", ""],
    "id_encrypted": ["-t", "ed25519", "-a", "4", "-N", PASSPHRASE],
}


def make_keys(keys, etc, address):
    (etc / "bed.d").mkdir(parents=True)
    for kind in "ed25519", "ecdsa":
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "bed",
            "-f", etc / f"bed_{kind}")
    for name, how in KEYS.items():
        run("ssh-keygen", "-q", *how, "-C", name, "-f", keys / name)
    (keys / "passphrase").write_text(PASSPHRASE + "\n")

    def gather(paths, prefix=""):
        return "".join(prefix + p.read_text() for p in sorted(paths))

    (keys / "known_hosts").write_text(
        gather(etc.glob("bed_*.pub"), f"[{address}]:{SSH_PORT} "))
    (etc / "bed_authorized_keys").write_text(gather(keys.glob("*.pub")))
    (keys / "ssh_config").write_text(
        f"Host {address}\n  User berth\n  Port {SSH_PORT}\n"
        f"  IdentityFile {keys}/id_ed25519\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {keys}/known_hosts\n  BatchMode yes\n")


def image_tar():
    """A root file system with nothing but busybox in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:

        def add(name, type_=tarfile.DIRTYPE, mode=0o755, data=b"", link=""):
            member = tarfile.TarInfo(name)
            member.type, member.mode = type_, mode
            member.size, member.linkname = len(data), link
            tar.addfile(member, io.BytesIO(data))

        for name in "bin dev etc home proc root sys usr var".split():
            add(name)
        add("tmp", mode=0o1777)
        add("etc/passwd", tarfile.REGTYPE, 0o644,
            b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
        add("etc/group", tarfile.REGTYPE, 0o644, b"root:x:0:\nnobody:x:65534:\n")
        with open(BUSYBOX, "rb") as f:
            add("bin/busybox", tarfile.REGTYPE, data=f.read())
        for applet in run(BUSYBOX, "--list").split():
            if applet != "busybox":
                add("bin/" + applet, tarfile.SYMTYPE, link="busybox")
    return out.getvalue()


# Clients of every generation, as programs in DIR/bin


def make_clients(d, cache):
    """The newer docker and its plugins run as they are; the newer Python
    brings its own loader and C library. A client that is not installed is
    there all the same, and fails when it is called."""
    tree = (cache / "trixie").resolve()
    newest = (cache / "next").resolve()
    newer = cache / "nodejs/node_modules/.bin/node"  # than Debian's
    plugins = "usr/libexec/docker/cli-plugins"
    (d / "client-20.10/cli-plugins").mkdir(parents=True)
    for version, root in ("26.1", tree), ("next", newest):
        (d / f"client-{version}/cli-plugins").mkdir(parents=True)
        for plugin in "docker-buildx", "docker-compose":
            (d / f"client-{version}/cli-plugins" / plugin).symlink_to(
                root / plugins / plugin)
    scripts = {
        "docker-20.10": f"DOCKER_CONFIG=${{DOCKER_CONFIG:-{d}/client-20.10}}"
                        " exec /usr/bin/docker",
        "docker-26.1": f"DOCKER_CONFIG=${{DOCKER_CONFIG:-{d}/client-26.1}}"
                       f" exec {tree}/usr/bin/docker",
        "docker-next": f"DOCKER_CONFIG=${{DOCKER_CONFIG:-{d}/client-next}}"
                       f" exec {newest}/usr/bin/docker",
        "docker-compose-1.29": "exec /usr/bin/python3 /usr/bin/docker-compose",
        "docker-compose-2.26": f"exec {tree / plugins}/docker-compose",
        "docker-compose-next": f"exec {newest / plugins}/docker-compose",
        "python3-5.0": "exec /usr/bin/python3",
        "python3-7.1": f"PYTHONHOME={tree}/usr"
                       f" exec {tree}/lib64/ld-linux-x86-64.so.2 --library-path"
                       f" {tree}/usr/lib/x86_64-linux-gnu {tree}/usr/bin/python3",
        "node": f"NODE_PATH={cache}/node/node_modules"
                f" exec {newer if newer.exists() else shutil.which('node')}",
        "ssh": f"exec /usr/bin/ssh -F {d}/keys/ssh_config",
    }
    for name, command in scripts.items():
        path = d / "bin" / name
        path.write_text(f"#!/bin/sh\n{command} \"$@\"\n")
        path.chmod(0o755)
