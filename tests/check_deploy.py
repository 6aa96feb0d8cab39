#!/usr/bin/python3
"""What deploy/ ships is good: `berth check` accepts every policy, the runners'
files are well-formed and name the socket that berth@r1 serves, and the policy
beside each allows the container that this runner makes for a job.

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
# The containers of jobs, as the runners' sources of 2026 make them with what
# deploy/ configures: what only says a default is left out.
CREATES = {
    # executors/docker/docker.go
    "gitlab": ("runner-t1-project-4711-concurrent-0-8d2e-build", {
        "Image": "sha256:" + "5" * 64, "Hostname": "runner-t1-project-4711",
        "Cmd": ["sh", "-c", "exec sh"], "Env": ["CI=true"], "OpenStdin": True,
        "StdinOnce": True, "AttachStdin": True, "AttachStdout": True,
        "Labels": {"com.gitlab.gitlab-runner.job.id": "1"},
        "HostConfig": {
            "Binds": ["runner-t1-cache-3c3f:/cache", "runner-t1-cache-c33b:/builds"],
            "NetworkMode": "runner-net", "OomKillDisable": False, "Init": True,
            "RestartPolicy": {"Name": "no"}, "Privileged": False,
            "LogConfig": {"Type": "json-file"}}}),
    # DockerTemplateBase.java, DockerComputerAttachConnector.java
    "jenkins": ("", {
        "Image": "jenkins/agent:latest", "Cmd": ["/bin/sh"], "Tty": True,
        "AttachStdin": False, "WorkingDir": "/home/jenkins/agent",
        "Labels": {"com.nirima.jenkins.plugins.docker.JenkinsId": "9f2c",
                   "com.nirima.jenkins.plugins.docker.NodeName": "docker-1"},
        "HostConfig": {"PortBindings": {}, "PublishAllPorts": False,
                       "Privileged": False}}),
    # commands/run.sh; the docker command has more, which says defaults
    "buildkite": ("", {
        "Image": "node:22", "Cmd": ["/bin/sh", "-e", "-c", "make"], "Tty": True,
        "OpenStdin": True, "StdinOnce": True, "WorkingDir": "/workdir",
        "Labels": {"com.buildkite.job-id": "0190", "com.buildkite.step_key": ""},
        "HostConfig": {
            "Binds": ["/var/lib/buildkite-agent/builds/host-1/acme/app:/workdir"],
            "AutoRemove": True, "Init": True, "NetworkMode": "default"}}),
    # act/container/docker_run.go, act/runner/run_context.go
    "forgejo": ("FORGEJO-ACTIONS-TASK-8_WORKFLOW-ci_JOB-test", {
        "Image": "data.forgejo.org/oci/node:22-bookworm",
        "Entrypoint": ["tail", "-f", "/dev/null"], "WorkingDir": "/workspace/acme/app",
        "Env": ["RUNNER_TOOL_CACHE=/opt/hostedtoolcache"],
        "HostConfig": {
            "Mounts": [
                {"Type": "volume", "Source": "FORGEJO-ACTIONS-TASK-8", "Target": "/w"},
                {"Type": "volume", "Source": "FORGEJO-ACTIONS-TASK-8-env",
                 "Target": "/var/run/act"}],
            "NetworkMode": "FORGEJO-ACTIONS-TASK-8-network", "UsernsMode": "",
            "Privileged": False},
        "NetworkingConfig": {"EndpointsConfig": {
            "FORGEJO-ACTIONS-TASK-8-network": {"Aliases": ["test"]}}}}),
    # pipeline/backend/docker/convert.go
    "woodpecker": ("wp_01j9z3k7m6e8t0v5c2b4n6q8r0", {
        "Image": "golang:1.25", "WorkingDir": "/woodpecker",
        "Entrypoint": ["/bin/sh", "-c", "echo $CI_SCRIPT | base64 -d | /bin/sh -e"],
        "Labels": {"wp_uuid": "01j9z3k7m6e8t0v5c2b4n6q8r0", "wp_step": "test"},
        "AttachStdout": True, "AttachStderr": True, "Volumes": {"/woodpecker": {}},
        "HostConfig": {
            "Binds": ["wp_01j9z3_default:/woodpecker"], "ShmSize": 0, "Memory": 0,
            "CpuQuota": 0, "CpusetCpus": "", "LogConfig": {"Type": "json-file"},
            "Privileged": False}}),
}


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
    for name, (container, body) in CREATES.items():
        policy = top / "deploy/runners" / name / "policy.json"
        found = subprocess.run(
            [berth, "explain", "--policy", policy, "POST",
             f"/v1.44/containers/create?name={container}", "-"], text=True,
            input=json.dumps(body), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT})
        if found.returncode:
            yield f"{policy} does not allow its runner's jobs: {found.stdout}"
    gitlab = tomllib.loads((top / "deploy/runners" / RUNNERS[0]).read_text())
    if gitlab["runners"][0]["docker"]["host"] != SOCKET:
        yield "GitLab's docker executor goes elsewhere"


def main():
    found = list(faults(Path(sys.argv[1]), sys.argv[2]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
