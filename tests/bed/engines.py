"""The engines that a bed can have, and where each of them lies."""
import re
from dataclasses import dataclass, field
from pathlib import Path

from furnish import Trouble

SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
GRAPH = {"storage-driver": "overlay2"}
CONTAINERD = {"storage-driver": "overlayfs",
              "features": {"containerd-snapshotter": True}}
NO_CONTAINERD = {**GRAPH, "features": {"containerd-snapshotter": False}}
# do not shut out an address for what a test does wrong
NO_PENALTIES = "PerSourcePenalties no\n"


@dataclass
class Engine:
    """NAME is what `bed up` is told, VERSION the major.minor that is there.
    ROOT is the bed's root file system; TREE, within it, has the engine's
    programs if they are not the root's own. CONFIG goes into daemon.json."""
    name: str
    version: str
    root: Path
    cli: str
    config: dict
    store: str = "graph"
    tree: Path = Path("/")
    sshd_words: str = ""  # what only this root's sshd understands
    program: str = "usr/sbin/dockerd"
    path: str = field(init=False)
    dockerd: Path = field(init=False)  # or what takes its place

    def __post_init__(self):
        self.path = SYSTEM
        self.dockerd = self.root / self.program
        if self.tree != Path("/"):
            self.path = f"{self.tree}/usr/sbin:{self.tree}/usr/bin:{SYSTEM}"
            self.dockerd = self.tree / self.program


def find(cache, name):
    """The engine called NAME, whose files lie in CACHE."""
    known = engines(cache)
    if name not in known:
        raise Trouble(f"the engine is one of: {', '.join(known)}, and not"
                      f" \"{name}\"")
    return known[name]


def engines(cache):
    """All of them by name. The next release's have two names each: that of
    its version is there only as long as this is what was unpacked."""
    tree = (cache / "next").resolve()
    version = next_version(tree)
    known = {
        "20.10": Engine("20.10", "20.10", Path("/"), "docker-20.10", GRAPH),
        "26.1": Engine(
            "26.1", "26.1", (cache / "trixie").resolve(), "docker-26.1", GRAPH,
            sshd_words=NO_PENALTIES),
        "next": Engine("next", version, Path("/"), "docker-next", CONTAINERD,
                       store="containerd", tree=tree),
        "next-graph": Engine("next-graph", version, Path("/"), "docker-next",
                             NO_CONTAINERD, tree=tree),
        "podman": Engine("podman", podman_version(cache / "podman"),
                         (cache / "podman").resolve(), "docker-26.1", {},
                         store="podman", sshd_words=NO_PENALTIES,
                         program="usr/bin/podman"),
    }
    if version:
        known[version] = known["next"]
        known[version + "-graph"] = known["next-graph"]
    return known


def next_version(tree):
    """The major.minor of the docker.io in TREE, or "" if there is none."""
    try:
        lines = (tree / "versions").read_text().splitlines()
    except FileNotFoundError:
        return ""
    packages = dict(line.split(" ", 1) for line in lines)
    version = packages["docker.io"].rpartition(":")[2]
    return ".".join(version.split(".")[:2])


def podman_version(tree):
    """The major.minor of the podman that is installed in TREE, or ""."""
    try:
        status = (tree / "var/lib/dpkg/status").read_text()
    except FileNotFoundError:
        return ""
    found = re.search(r"^Package: podman\n(?:.+\n)*?Version: (\d+\.\d+)",
                      status, re.M)
    return found[1] if found else ""
