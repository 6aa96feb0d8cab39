"""Plays a chapter to one socket, and says what could be observed."""
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from parity.normal import Normal

HERE = Path(__file__).resolve().parent
PATIENCE = 300  # seconds for a chapter

# Each step runs in the one shell, so that variables live on.
SHELL = """\
quiet() { "$@" >/dev/null 2>&1; }
alone() { flock "$ALONE" "$@"; }  # of all that share the engine
for step in "$STEPS"/*.sh; do
    eval "$(<"$step")" >"${step%.sh}.out" 2>"${step%.sh}.err" </dev/null
    echo $? >"${step%.sh}.rc"
done
"""
# What the older docker says of its own haste, or does not.
NOISE = re.compile(r"time=.*error waiting for container: context canceled.*\n?")
CLIENTS = {  # of each engine's own generation
    "20.10": {"docker": "docker-20.10", "compose": "docker-compose-1.29",
              "python": "python3-5.0", "node": "node"},
    "26.1": {"docker": "docker-26.1", "compose": "docker-compose-2.26",
             "python": "python3-7.1", "node": "node"},
}


class Player:
    """Runs steps with clients of ENGINE's generation against SOCKET. NUMBER
    tells it from all others that share the engine."""

    def __init__(self, bed_env, socket, number):
        self.engine = bed_env["BED_ENGINE_VERSION"]
        self.socket, self.number = str(socket), number
        self.dir = Path(tempfile.mkdtemp(prefix="p."))
        programs = self.dir / "bin"
        programs.mkdir()
        for name, client in CLIENTS[self.engine].items():
            (programs / name).symlink_to(Path(bed_env["BED_BIN"]) / client)
        (programs / "api").symlink_to(HERE / "api")
        self.env = {
            "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin",
            "DOCKER_HOST": "unix://" + self.socket,
            "DOCKER_BUILDKIT": "0",
            "NUMBER": str(number),
            "REPO": f"acme{number}",
            "SUBNET": f"10.99.{number}",
            "CLIENTS": str(HERE),
            "ALONE": str(self.dir.parent / "alone"),
            "BED_ADDRESS": bed_env["BED_ADDRESS"],
            "LC_ALL": "C",
        }

    def close(self):
        shutil.rmtree(self.dir)

    def play(self, scenarios):
        """What each of SCENARIOS showed, by its title."""
        where = Path(tempfile.mkdtemp(prefix="c.", dir=self.dir))
        steps, home = where / "steps", where / "home"
        steps.mkdir()
        home.mkdir()
        lines = [(s, line) for s in scenarios for line in s.steps]
        for n, (_, line) in enumerate(lines):
            (steps / f"{n:04}.sh").write_text(line)
        subprocess.run(["bash", "-c", SHELL], cwd=home, timeout=PATIENCE,
                       stdin=subprocess.DEVNULL,
                       env={**self.env, "HOME": str(home),
                            "STEPS": str(steps)})
        normal = Normal([(re.escape(str(home)), "<dir>"),
                         (re.escape(str(where)), "<dir>"),
                         (re.escape(self.socket), "<socket>"),
                         (rf"\bacme{self.number}\b", "acme")])
        shown = {}
        for n, (scenario, line) in enumerate(lines):
            if scenario.title not in shown:
                normal.forget()
            shown.setdefault(scenario.title, []).append(
                told(steps / f"{n:04}", line, normal))
        shutil.rmtree(where)
        return {title: "".join(parts) for title, parts in shown.items()}


def told(step, line, normal):
    """A step as a terminal would show it, and its exit code."""
    def text(kind):
        return step.with_suffix(kind).read_text(errors="replace")

    try:
        rc = text(".rc").strip()
    except FileNotFoundError:
        return f"$ {line}\n(was not reached)\n"
    out = normal(text(".out"))
    err = normal(NOISE.sub("", text(".err")))
    told = f"$ {line}\n{out}"
    if out and not out.endswith("\n"):
        told += "(no end of line)\n"
    told += "".join(f"! {x}\n" for x in err.splitlines())
    return told if rc == "0" else told + f"= {rc}\n"
