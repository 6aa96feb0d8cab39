"""Buildbot, with the configuration that deploy/ ships: two masters that know
nothing of each other, and have the same names for everything, on one engine."""
import os
import sqlite3
from pathlib import Path

from harness import TwoRunners, api, wait_for, within
from test_ports import free_port

SHIPPED = Path(__file__).resolve().parents[2] / "deploy/runners/buildbot/master.cfg"
# The image of the shipped file has a worker in it; here it is the machine's own.
SHARED = ["/usr", "/lib", "/lib64"]
WORKER = ("buildbot-worker create-worker /tmp/w $BUILDMASTER:$BUILDMASTER_PORT "
          "$WORKERNAME $WORKERPASS && exec twistd3 --pidfile= -noy /tmp/w/buildbot.tac")
REST = """
from buildbot.plugins import schedulers, steps, util
c["builders"] = [util.BuilderConfig(
    "test", workernames=["docker"], factory=util.BuildFactory([
        steps.ShellCommand(command=["sh", "-c", "echo $WORKERNAME builds"])]))]
c["schedulers"] = [schedulers.Periodic("once", builderNames=["test"],
                                       periodicBuildTimer=3600)]
c["db"] = {"db_url": "sqlite:///state.sqlite"}
c["logCompressionMethod"] = "raw"
c["buildbotNetUsageData"] = None
"""


class Buildbot(TwoRunners):
    policy = {"container": {"mounts": [{"source": s} for s in SHARED]}}
    engines = ("20.10",)  # which runs on the machine's own /usr

    def master(self, berth, name):
        """A master of the shipped configuration, at /srv of its own."""
        here = self.dir / name
        here.mkdir()
        text = SHIPPED.read_text()
        address = self.bed_env["BED_HOST_ADDRESS"]
        port = free_port()
        for said, meant in (
                ("unix:///run/berth/r1/docker.sock", f"unix://{berth.socket}"),
                ("buildbot/buildbot-worker:latest", "busybox:latest"),
                ("autopull=True", f"command=['sh', '-c', {WORKER!r}], volumes="
                 f"{[f'{s}:{s}:ro' for s in SHARED]}"),
                ("buildbot.example.com:9989", f"{address}:{port}"),
                ('"port": 9989', f'"port": "tcp:{port}:interface={address}"')):
            self.assertIn(said, text)
            text = text.replace(said, meant)
        (here / "master.cfg").write_text(text + REST)
        env = {**self.env, "PATH": os.environ["PATH"]}
        self.ok(*within(here), "sh", "-c", "cd /srv && exec buildbot create-master "
                "--relocatable .", **env)
        process = self.start(*within(here), "sh", "-c", "cd /srv && exec twistd3 "
                             "--pidfile= -noy buildbot.tac", **env)
        return here, process

    def built(self, here, process):
        """What the build printed, once it is over."""
        def over():
            self.assertIsNone(process.poll(), process)
            with sqlite3.connect(here / "state.sqlite") as db:
                return db.execute("select results from builds where complete_at "
                                  "is not null").fetchone()
        result, = wait_for("the build", over)
        with sqlite3.connect(here / "state.sqlite") as db:
            rows = db.execute("select l.name, c.content from logs l join logchunks c "
                              "on c.logid = l.id order by l.id, c.first_line")
            text = "\n".join(f"{name}: {content.decode()}" for name, content in rows)
        self.assertEqual(result, 0, text)
        return text

    def test_two_masters_have_the_same_names(self):
        masters = [self.master(self.berth, "one"), self.master(self.other, "two")]
        for here, process in masters:
            self.assertIn("docker builds", self.built(here, process))
        made = []
        for berth in self.berth, self.other:
            # the worker is gone as soon as its build is over
            wait_for("the worker to go", lambda b=berth: api(
                b.socket, "GET", "/containers/json", all=1) == (200, []))
            made += [r["query"]["name"].partition(".")[2] for r in berth.audit()
                     if r["event"] == "decision" and r["verdict"] == "allow"
                     and r["operation"] == "ContainerCreate"]
        self.assertEqual(len(made), 2, made)
        self.assertEqual(*made)
