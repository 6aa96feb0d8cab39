#!/usr/bin/python3
"""What deploy/ ships is good: `berth check` accepts every policy, and the
runners' files are well-formed and name the socket that berth@r1 serves.

usage: check_deploy.py TOP BERTH
"""
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ENVIRONMENT = {
    "RUNNER_NAME": "r1",
    "BERTH_UPSTREAM": "ssh://berth@docker-host",
    "STATE_DIRECTORY": "/var/lib/berth/r1",
    "LOGS_DIRECTORY": "/var/log/berth/r1",
    "CREDENTIALS_DIRECTORY": "/run/credentials/berth",
    "RUNNER_CONTAINER": "runner",
}
SOCKET = "unix:///run/berth/r1/docker.sock"
# where each runner says it; Forgejo's comes from its environment
RUNNERS = ["gitlab/config.toml", "jenkins/casc.yaml", "buildkite/environment",
           "forgejo/config.yaml", "woodpecker/agent.env", "buildbot/master.cfg"]


def faults(top, berth):
    policies = [path for path in sorted((top / "deploy").rglob("*.json"))
                if "version" in json.loads(path.read_text())
                and "grafana" not in path.parts]
    if len(policies) < 8:
        yield f"there are only {len(policies)} policies"
    for path in policies:
        found = subprocess.run([berth, "check", path], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env={**os.environ, **ENVIRONMENT})
        if found.returncode:
            yield f"{path}: {found.stdout}"
    for name in RUNNERS:
        path = top / "deploy/runners" / name
        if SOCKET not in path.read_text():
            yield f"{path} does not name {SOCKET}"
        if not (path.parent / "policy.json").exists():
            yield f"{path} has no policy beside it"
    gitlab = tomllib.loads((top / "deploy/runners" / RUNNERS[0]).read_text())
    if gitlab["runners"][0]["docker"]["host"] != SOCKET:
        yield "GitLab's docker executor goes elsewhere"


def main():
    found = list(faults(Path(sys.argv[1]), sys.argv[2]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
