"""The Compose projects in projects/, and how a runner plays one.

A file there is a project: what it shows, then its files, each behind a line
`-- NAME --` (`-- NAME MODE --`, or `-- NAME -> TARGET --` for a link). Two of
these are for the scenario: `up` has the words that bring it up if these are not
UP, and `check` has lines `COMMAND => what it prints`, blanks and line ends
alike. Commands are a shell's, in the project's directory; FUNCTIONS are there,
too.
"""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import HERE, PATIENCE, within

WHERE = HERE / "projects"
UP = "up -d --wait"
FUNCTIONS = """
retry() {
    n=0
    until curl --silent --max-time 5 "$@"; do
        [ $((n += 1)) -lt 100 ] || return 1
        sleep 0.3
    done
}
get() { # PORT PATH [HOST]: the page, as soon as there is one
    retry --fail "http://${3:-127.0.0.1}:$1$2" || echo "$1 does not have $2"
}
answers() { # PORT [HOST]
    retry --output /dev/null "http://${2:-127.0.0.1}:$1/" && echo yes || echo no
}
"""
SECTION = re.compile(r"^-- (.+) --\n", re.M)


def names():
    return sorted(p.stem for p in WHERE.glob("*.txt"))


class Project:
    def __init__(self, name):
        self.name = name
        _, *parts = SECTION.split((WHERE / f"{name}.txt").read_text())
        self.files = dict(zip(parts[::2], parts[1::2]))
        self.up = self.files.pop("up", UP).split()
        self.checks = [line.rpartition(" =>")[::2] for line in
                       self.files.pop("check").splitlines()]

    def unpack(self, where):
        for name, text in self.files.items():
            name, _, target = name.partition(" -> ")
            mode = re.search(r" ([0-7]{3})$", name)
            path = where / (name[:mode.start()] if mode else name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if target:
                path.symlink_to(target)
            else:
                path.write_text(text)
                path.chmod(int(mode[1], 8) if mode else 0o644)


def flat(text):
    return " ".join(text.split())


class Place:
    """Where somebody works: the directory SRV is its /srv, the network NETNS
    has its localhost, and its docker speaks to SOCKET."""

    def __init__(self, name, srv, netns, socket, env):
        self.name, self.srv, self.netns = name, srv, netns
        self.prefix = within(srv, netns)
        self.env = {**env, "DOCKER_HOST": f"unix://{socket}",
                    "HOME": str(srv)}

    def sh(self, script, project):
        p = subprocess.run(
            [*self.prefix, "sh", "-c",
             f"cd /srv/projects/{project} || exit\n{FUNCTIONS}\n{script}"],
            env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=10 * PATIENCE)
        return p.returncode, p.stdout, p.stderr

    def play(self, name):
        """Bring the project up, look at it, and take it down; all that was
        wrong, in words."""
        project = Project(name)
        where = Path(self.srv, "projects", name)
        shutil.rmtree(where, ignore_errors=True)
        project.unpack(where)
        wrong = []
        try:
            rc, _, err = self.sh(
                f"docker compose {' '.join(project.up)}", name)
            if rc:
                wrong.append(f"up: {rc}: {err[-1500:]}")
            else:
                wrong += self.check(project) + self.ports(name)
        except subprocess.TimeoutExpired as e:
            wrong.append(str(e)[-300:])
        finally:
            rc, _, err = self.sh("docker compose --profile '*' down -v -t 0 "
                                 "--remove-orphans", name)
        if rc:
            wrong.append(f"down: {rc}: {err[-1500:]}")
        return [f"{self.name}, {name}: {text}" for text in wrong]

    def ports(self, name):
        """Each published port has to answer."""
        _, out, _ = self.sh("docker compose ps --format json", name)
        ports = {(p["PublishedPort"], p["URL"])
                 for line in out.splitlines() for p in json.loads(line)["Publishers"] or []
                 if p["PublishedPort"]}
        if not ports:
            return [f"no port is published: {out}"]
        ports = sorted((port, "[::1]" if ":" in url else "127.0.0.1")
                       for port, url in ports if url != "::")
        _, out, _ = self.sh("".join(f"answers {port} {address}\n"
                                    for port, address in ports), name)
        return [f"nobody answers at {address}:{port}" for (port, address), said
                in zip(ports, out.split()) if said != "yes"]

    def check(self, project):
        _, out, err = self.sh("".join(f"( {command}\n)\necho @@\n"
                                      for command, _ in project.checks),
                              project.name)
        said = out.split("@@\n")[:-1]
        if len(said) != len(project.checks):
            return [f"the checks broke off: {out} {err}"]
        return [f"{command}: {flat(got)!r}, not {flat(wanted)!r}; {err[-800:]}"
                for (command, wanted), got in zip(project.checks, said)
                if flat(got) != flat(wanted)]


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


class Network:
    """A network of a runner's own with a wire to the bed, NUMBER of them."""

    def __init__(self, bed_env, number):
        bed, self.name = bed_env["BED_NETNS"], f"{bed_env['BED_NETNS']}r{number}"
        there, here = f"10.232.{number}.1", f"10.232.{number}.2"
        ip("netns", "add", self.name)
        try:
            ip("-n", bed, "link", "add", f"runner{number}", "type", "veth",
               "peer", "name", "eth0", "netns", self.name)
            ip("-n", bed, "addr", "add", there + "/30", "dev", f"runner{number}")
            ip("-n", bed, "link", "set", f"runner{number}", "up")
            ip("-n", self.name, "link", "set", "lo", "up")
            ip("-n", self.name, "addr", "add", here + "/30", "dev", "eth0")
            ip("-n", self.name, "link", "set", "eth0", "up")
            ip("-n", self.name, "route", "add", bed_env["BED_ADDRESS"], "via",
               there)
        except BaseException:
            self.remove()
            raise

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def commands(where, bed_env, cli):
    """An environment in which `docker` is CLI."""
    where.mkdir()
    (where / "docker").write_text(f'#!/bin/sh\nexec {cli} "$@"\n')
    (where / "docker").chmod(0o755)
    return {"PATH": f"{where}:{bed_env['BED_BIN']}:{os.environ['PATH']}",
            "LANG": "C.UTF-8"}
