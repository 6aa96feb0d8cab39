"""The docker command on containers, networks and volumes, in both versions."""
import json
import select
import signal
import tarfile

from harness import (ADDRESSES, BIG, NEXT, OLDER, Scenario, noise, noise_file,
                     sha256, wait_for)


class Containers:
    def test_run_keeps_output_error_and_exit_code_apart(self):
        r = self.docker_result("run", "--rm", "busybox", "sh", "-c",
                               "echo out; echo err >&2; exit 7")
        self.assertEqual((r.rc, r.out, r.err), (7, b"out\n", b"err\n"))

    def test_run_feeds_stdin_to_its_end(self):
        data = noise(3 << 20)
        r = self.docker_result("run", "-i", "--rm", "busybox", "cat", input=data)
        self.assertEqual((r.rc, sha256(r.out)), (0, sha256(data)))

    def test_run_answers_after_stdin_has_ended(self):
        out = self.docker("run", "-i", "--rm", "busybox", "sh", "-c",
                          "sha256sum; sleep 0.3; echo late", input=b"x" * 99999)
        self.assertEqual(out.split(), [sha256(b"x" * 99999), "-", "late"])

    def test_run_on_a_terminal(self):
        t = self.docker_terminal("run", "-it", "--rm", "busybox", "sh",
                                 rows=33, columns=101)
        t.expect("# ")
        # The client sets the size once the container runs.
        t.type("until stty size | grep 33; do usleep 9999; done\n")
        t.expect("33 101")
        t.resize(44, 120)
        t.type("until stty size | grep 44; do usleep 9999; done\n")
        # A client is deaf to the signal until it has set the first size.
        t.expect("44 120", lambda: t.process.send_signal(signal.SIGWINCH))
        t.type("exit 5\n")
        self.assertEqual(t.finish().rc, 5)

    def test_run_passes_signals_on(self):
        p = self.docker_start("run", "--rm", "--name", "trap", "busybox", "sh",
                              "-c", "trap 'exit 9' TERM; echo on; "
                              "while :; do usleep 9999; done")
        self.assertEqual(p.stdout.readline(), b"on\n")
        self.assertEqual(self.end(p).rc, 9)

    def test_big_output_arrives_whole(self):
        noise_file(self.dir / "big", BIG)
        self.docker("run", "-d", "--name", "holder", "busybox", "sleep", "999")
        self.docker("cp", "big", "holder:/big")
        with open(self.dir / "back", "w+b") as back:
            self.docker("exec", "holder", "cat", "/big", stdout=back)
            self.assertTrue(same(self.dir / "big", back))

    def test_big_input_arrives_whole(self):
        digest = noise_file(self.dir / "big", BIG)
        with open(self.dir / "big", "rb") as big:
            out = self.docker("run", "-i", "--rm", "busybox", "sha256sum",
                              stdin=big)
        self.assertEqual(out.split()[0], digest)

    def test_exec_in_its_forms(self):
        self.docker("run", "-d", "--name", "box", "busybox", "sleep", "999")
        run = self.docker_result
        r = run("exec", "box", "sh", "-c", "echo out; echo err >&2; exit 4")
        self.assertEqual((r.rc, r.out, r.err), (4, b"out\n", b"err\n"))
        data = noise(1 << 20)
        r = run("exec", "-i", "box", "cat", input=data)
        self.assertEqual((r.rc, r.out == data), (0, True))
        r = run("exec", "-e", "A=b", "-w", "/tmp", "-u", "nobody", "box",
                "sh", "-c", "echo $A $PWD $(id -un)")
        self.assertEqual(r.text, "b /tmp nobody")
        self.docker("exec", "-d", "box", "touch", "/tmp/done")
        wait_for("exec -d", lambda: run(
            "exec", "box", "test", "-e", "/tmp/done").rc == 0)
        self.assertEqual(run("exec", "box", "no-such-program").rc,
                         126 if self.engine in ("20.10", "26.1") else 127)

    def test_exec_on_a_terminal(self):
        self.docker("run", "-d", "--name", "box", "busybox", "sleep", "999")
        t = self.docker_terminal("exec", "-it", "box", "sh")
        t.expect("# ")
        t.type("tty && echo it-$((6 * 7))\n")
        t.expect("it-42")
        t.type("exit 3\n")
        self.assertEqual(t.finish().rc, 3)

    def test_attach_with_input_and_exit_code(self):
        self.docker("create", "-i", "--name", "box", "busybox", "sh")
        r = self.docker_result("start", "-a", "-i", "box",
                               input=b"echo attached; exit 6\n")
        self.assertEqual((r.rc, r.out), (6, b"attached\n"))

    def test_attach_and_detach_on_a_terminal(self):
        self.docker("run", "-dit", "--name", "box", "busybox", "sh")
        t = self.docker_terminal("attach", "box")
        t.type("echo it-$((6 * 7))\n")
        t.expect("it-42")
        t.type("\x10\x11")
        t.expect("read escape sequence")
        t.finish()
        self.assertEqual(self.state("box"), "running")
        # The container lives on, and so does its input.
        t = self.docker_terminal("attach", "box")
        t.type("exit 8\n")
        self.assertEqual(t.finish().rc, 8)

    def test_attach_sees_output_without_input(self):
        self.docker("run", "-d", "--name", "box", "busybox", "sh", "-c",
                    "until [ -e /go ]; do echo here; usleep 99999; done;"
                    "echo going")
        p = self.docker_start("attach", "--no-stdin", "box")
        self.assertEqual(p.stdout.readline(), b"here\n")
        # The box may end, and this with it, before it can be told of.
        self.docker_result("exec", "box", "touch", "/go")
        out, _ = p.communicate(timeout=60)
        self.assertEqual((p.returncode, out.replace(b"here\n", b"")),
                         (0, b"going\n"))

    def test_logs_follow_until_the_end(self):
        self.docker("run", "-d", "--name", "box", "busybox", "sh", "-c",
                    "for i in 1 2 3; do echo $i; echo e$i >&2; done;"
                    "until [ -e /go ]; do usleep 9999; done; echo end")
        p = self.docker_start("logs", "-f", "box")
        self.assertEqual(p.stdout.readline(), b"1\n")
        self.docker_result("exec", "box", "touch", "/go")
        out, err = p.communicate(timeout=60)
        self.assertEqual((out, err), (b"2\n3\nend\n", b"e1\ne2\ne3\n"))
        self.assertEqual(self.docker("logs", "--tail", "1", "box"), "end")
        self.assertRegex(self.docker("logs", "-t", "box"), r"^20\d\d-.*Z 1\n")

    def test_events_tell_of_the_container(self):
        p = self.docker_start("events", "--filter", "container=box",
                              "--format", "{{.Action}} {{.Actor.Attributes.name}}")
        # Nothing tells that the client listens but an event.
        wait_for("the first event", lambda: self.docker(
            "run", "--rm", "--name", "box", "busybox", "true") or ready(p))
        seen = iter(lambda: p.stdout.readline().decode().strip(), "destroy box")
        self.assertIn("die box", list(seen))

    def test_past_events_end_by_themselves(self):
        since = self.docker("info", "--format", "{{.SystemTime}}")
        self.docker("run", "--rm", "--name", "box", "busybox", "true")
        until = self.docker("info", "--format", "{{.SystemTime}}")
        out = self.docker("events", "--since", since, "--until", until,
                          "--filter", "type=container", "--format",
                          "{{.Action}} {{.Actor.Attributes.name}}")
        self.assertEqual(
            [w for w in out.splitlines() if "exec" not in w],
            [f"{w} box" for w in "create attach start die destroy".split()])

    def test_wait_gives_the_exit_code(self):
        self.docker("run", "-d", "--name", "box", "busybox", "sh", "-c",
                    "until [ -e /go ]; do usleep 9999; done; exit 33")
        p = self.docker_start("wait", "box")
        self.docker_result("exec", "box", "touch", "/go")
        self.assertEqual(p.communicate(timeout=60)[0], b"33\n")

    def test_cp_carries_files_both_ways(self):
        src = self.dir / "tree"
        (src / "sub").mkdir(parents=True)
        digest = noise_file(src / "sub/data", 5 << 20)
        (src / "name with space").write_text("text")
        self.docker("create", "--name", "box", "busybox", "true")
        self.docker("cp", "tree", "box:/tmp/")
        self.docker("cp", "box:/tmp/tree", "back")
        with open(self.dir / "back/sub/data", "rb") as f:
            self.assertEqual(sha256(f), digest)
        self.assertEqual((self.dir / "back/name with space").read_text(), "text")
        with open(self.dir / "out.tar", "wb") as f:
            self.docker("cp", "box:/tmp/tree/sub", "-", stdout=f)
        with tarfile.open(self.dir / "out.tar") as tar:
            self.assertEqual(sha256(tar.extractfile("sub/data")), digest)
        with open(self.dir / "out.tar", "rb") as f:
            self.docker("cp", "-", "box:/root", stdin=f)
        self.docker("cp", "box:/root/sub/data", "again")
        with open(self.dir / "again", "rb") as f:
            self.assertEqual(sha256(f), digest)
        r = self.docker_result("cp", "box:/no/such/file", ".")
        self.assertEqual(r.rc, 1)
        self.assertIn(b"/no/such/file", r.err)

    def test_a_life_from_create_to_rm(self):
        run = self.docker
        run("create", "--name", "box", "--label", "a=b", "busybox",
            "sh", "-c", "trap exit TERM; while :; do usleep 9999; done")
        for words, state in (
                (["start"], "running"), (["pause"], "paused"),
                (["unpause"], "running"), (["restart"], "running"),
                (["stop"], "exited"), (["start"], "running"),
                (["kill", "-s", "KILL"], "exited")):
            self.assertEqual(run(*words, "box"), "box")
            self.assertEqual(self.state("box"), state)
        run("rename", "box", "crate")
        self.assertEqual(run("ps", "-a", "--filter", "label=a=b", "--format",
                             "{{.Names}} {{.Image}}"), "crate busybox")
        run("update", "--memory", "64m", "--memory-swap", "64m", "crate")
        self.assertEqual(run("inspect", "-f", "{{.HostConfig.Memory}}",
                             "crate"), str(64 << 20))
        self.assertEqual(run("rm", "crate"), "crate")
        self.assertEqual(run("ps", "-aq"), "")

    def test_ps_filters(self):
        for name, label in (("web", "t=1"), ("web2", "t=1"), ("db", "t=2")):
            self.docker("create", "--name", name, "--label", label, "busybox")
        for words, names in (
                ([], "db web web2"), (["name=web"], "web web2"),
                (["name=^/web$"], "web"), (["label=t=2"], "db"),
                (["label=t=1", "name=2"], "web2"), (["status=running"], "")):
            filters = [x for w in words for x in ("--filter", w)]
            out = self.docker("ps", "-a", *filters, "--format", "{{.Names}}")
            self.assertEqual(" ".join(sorted(out.split())), names, words)

    def test_inspect_by_name_by_id_and_by_part_of_it(self):
        full = self.docker("run", "-d", "--name", "box", "busybox", "sleep", "999")
        for ref in "box", full, full[:12], full[:6]:
            got = json.loads(self.docker("inspect", ref))[0]
            self.assertEqual((got["Id"], got["Name"]), (full, "/box"))
        r = self.docker_result("inspect", "nobody")
        self.assertEqual((r.rc, r.out), (1, b"[]\n"))
        self.assertIn(b"o such object: nobody", r.err)

    def test_what_is_not_there_is_named_as_the_client_named_it(self):
        for words in ("start box", "rm box", "exec box true", "logs box",
                      "stop box", "cp box:/x y", "top box", "rename box b2"):
            r = self.docker_result(*words.split())
            self.assertNotEqual(r.rc, 0)
            self.assertRegex(r.err, b"No such container: box|container:path")

    def test_a_name_is_taken_once(self):
        first = self.docker("create", "--name", "box", "busybox")
        r = self.docker_result("create", "--name", "box", "busybox")
        self.assertEqual(r.rc, 1)
        self.assertIn(f'"/box" is already in use by container "{first}"',
                      r.err.decode())

    def test_a_process_list_and_statistics(self):
        self.docker("run", "-d", "--name", "box", "busybox", "sleep", "999")
        self.assertIn("sleep 999", self.docker("top", "box"))
        self.assertIn("sleep", self.docker("top", "box", "-eo", "pid,comm"))
        self.assertEqual(self.docker("stats", "--no-stream", "--format",
                                     "{{.Name}}"), "box")
        p = self.docker_start("stats", "--format", "{{.Name}} {{.MemUsage}}", "box")
        wait_for("statistics", lambda: b"MiB" in p.stdout.readline()
                 or b"KiB" in p.stdout.readline())
        self.docker("exec", "box", "touch", "/new")
        self.assertEqual(self.docker("diff", "box"), "A /new")

    def test_limits_reach_the_container(self):
        out = self.docker(
            "run", "--rm", "-m", "48m", "--cpus", "0.5", "--pids-limit", "99",
            "busybox", "sh", "-c", "cd /sys/fs/cgroup; cat memory.max"
            " memory/memory.limit_in_bytes 2>/dev/null; :")
        self.assertEqual(out, str(48 << 20))

    def test_health(self):
        self.docker("run", "-d", "--name", "box", "--health-cmd", "test -e /ok",
                    "--health-interval", "100ms", "busybox", "sh", "-c",
                    "touch /ok; sleep 999")
        wait_for("health", lambda: self.docker(
            "inspect", "-f", "{{.State.Health.Status}}", "box") == "healthy")
        self.assertEqual(self.docker("ps", "--filter", "health=healthy",
                                     "--format", "{{.Names}}"), "box")

    def test_prune_takes_only_what_has_ended(self):
        self.docker("run", "--name", "ended", "busybox", "true")
        self.docker("run", "-d", "--name", "lives", "busybox", "sleep", "999")
        self.docker("container", "prune", "-f")
        self.assertEqual(self.docker("ps", "-a", "--format", "{{.Names}}"), "lives")

    def test_version_and_info(self):
        got = json.loads(self.docker("version", "--format", "{{json .}}"))
        self.assertIn(self.engine, got["Server"]["Version"])
        self.docker("create", "--name", "box", "busybox")
        got = json.loads(self.docker("info", "--format", "{{json .}}"))
        driver = {"graph": "overlay2", "containerd": "overlayfs"}
        self.assertEqual((got["Containers"], got["Driver"]),
                         (1, driver[self.bed_env["BED_STORE"]]))
        self.assertIn("busybox", self.docker("system", "df", "-v"))

    def state(self, name):
        return self.docker("inspect", "-f", "{{.State.Status}}", name)


class Networks:
    policy = ADDRESSES

    def test_names_resolve_on_a_network(self):
        self.docker("network", "create", "front")
        self.docker("run", "-d", "--name", "web", "--network", "front",
                    "--network-alias", "site", "busybox", "sh", "-c",
                    "mkdir /w; echo page >/w/p; httpd -f -h /w")
        for host in "web", "site":
            self.docker("run", "--rm", "--network", "front", "busybox", "sh",
                        "-c", f"until wget -qO- http://{host}/p; "
                        "do usleep 99999; done")
        r = self.docker_result("run", "--rm", "busybox", "wget", "-T", "1",
                               "-qO-", "http://web/p")
        self.assertNotEqual(r.rc, 0)

    def test_a_network_from_create_to_rm(self):
        run = self.docker
        full = run("network", "create", "--label", "x=y", "--subnet",
                   "10.99.7.0/24", "back")
        run("run", "-d", "--name", "box", "busybox", "sleep", "999")
        run("network", "connect", "--alias", "boxy", "--ip", "10.99.7.9",
            "back", "box")
        got = json.loads(run("network", "inspect", "back"))[0]
        self.assertEqual((got["Name"], got["Id"]), ("back", full))
        self.assertEqual([c["Name"] for c in got["Containers"].values()], ["box"])
        networks = json.loads(run("inspect", "-f",
                                  "{{json .NetworkSettings.Networks}}", "box"))
        self.assertEqual(sorted(networks), ["back", "bridge"])
        self.assertIn("boxy", networks["back"]["Aliases"])
        self.assertEqual(run("network", "ls", "--filter", "label=x=y",
                             "--format", "{{.Name}}"), "back")
        self.assertNotEqual(self.docker_result("network", "rm", "back").rc, 0)
        run("network", "disconnect", "back", "box")
        self.assertEqual(run("network", "rm", "back"), "back")
        r = self.docker_result("network", "inspect", "back")
        self.assertIn(b"back", r.err)

    def test_the_networks_of_every_engine_are_there(self):
        out = self.docker("network", "ls", "--format", "{{.Name}}").split()
        self.assertIn("bridge", out)
        self.assertEqual(self.docker("network", "inspect", "bridge", "-f",
                                     "{{.Name}}"), "bridge")

    def test_a_container_joins_the_network_of_another(self):
        self.docker("run", "-d", "--name", "web", "busybox", "sh", "-c",
                    "mkdir /w; echo page >/w/p; httpd -f -h /w")
        self.docker("run", "--rm", "--network", "container:web", "busybox",
                    "sh", "-c", "until wget -qO- http://127.0.0.1/p; "
                    "do usleep 99999; done")

    def test_no_network_at_all(self):
        out = self.docker("run", "--rm", "--network", "none", "busybox",
                          "ls", "/sys/class/net")
        self.assertEqual([n for n in out.split() if n.startswith("eth")], [])

    def test_network_prune(self):
        self.docker("network", "create", "unused")
        self.assertIn("unused", self.docker("network", "prune", "-f"))
        self.assertNotIn("unused", self.docker("network", "ls"))

    def test_published_ports_are_told(self):
        self.docker("run", "-d", "--name", "web", "-p", "127.0.0.1:18080:80",
                    "-p", "53/udp", "busybox", "sleep", "999")
        self.assertEqual(self.docker("port", "web", "80"), "127.0.0.1:18080")
        self.assertIn("127.0.0.1:18080->80/tcp", self.docker("ps"))


class Volumes:
    def test_a_volume_outlives_its_container(self):
        self.docker("volume", "create", "--label", "x=y", "data")
        self.docker("run", "--rm", "-v", "data:/d", "busybox", "sh", "-c",
                    "echo kept >/d/f")
        self.assertEqual(self.docker("run", "--rm", "--mount",
                                     "type=volume,src=data,dst=/d,readonly",
                                     "busybox", "cat", "/d/f"), "kept")
        self.assertEqual(self.docker("volume", "ls", "--format", "{{.Name}}",
                                     "--filter", "label=x=y"), "data")
        got = json.loads(self.docker("volume", "inspect", "data"))[0]
        self.assertEqual((got["Name"], got["Labels"]), ("data", {"x": "y"}))
        self.assertEqual(self.docker("volume", "rm", "data"), "data")
        r = self.docker_result("volume", "inspect", "data")
        self.assertEqual(r.rc, 1)

    def test_a_volume_made_on_first_use(self):
        self.docker("run", "-d", "--name", "box", "-v", "fresh:/d", "busybox",
                    "sleep", "999")
        got = json.loads(self.docker("inspect", "box"))[0]["Mounts"]
        self.assertEqual([(m["Type"], m["Name"], m["Destination"]) for m in got],
                         [("volume", "fresh", "/d")])
        self.assertIn("volume is in use",
                      self.docker_result("volume", "rm", "fresh").err.decode())

    def test_an_anonymous_volume_goes_with_its_container(self):
        self.docker("run", "--name", "box", "-v", "/d", "busybox", "touch", "/d/f")
        self.assertEqual(len(self.docker("volume", "ls", "-q").split()), 1)
        self.assertEqual(self.docker("run", "--rm", "--volumes-from", "box",
                                     "busybox", "ls", "/d"), "f")
        self.docker("rm", "-v", "box")
        self.assertEqual(self.docker("volume", "ls", "-q"), "")

    def test_volume_prune_keeps_what_is_in_use(self):
        self.docker("create", "--name", "box", "-v", "/used", "busybox")
        self.docker("volume", "create")
        self.docker("volume", "prune", "-f")
        self.assertEqual(len(self.docker("volume", "ls", "-q").split()), 1)

    def test_memory_as_a_volume(self):
        out = self.docker("run", "--rm", "--tmpfs", "/t:size=1m", "busybox",
                          "sh", "-c", "grep -c ' /t tmpfs' /proc/mounts")
        self.assertEqual(out, "1")


def same(path, file):
    file.seek(0)
    with open(path, "rb") as f:
        return sha256(f) == sha256(file)


def ready(p):
    return bool(select.select([p.stdout], [], [], 0)[0])


class Containers2010(Containers, Scenario):
    cli = "docker-20.10"
    engines = ("26.1",)  # an old engine has new clients


class Containers261(Containers, Scenario):
    cli = "docker-26.1"
    engines = OLDER


class ContainersNext(Containers, Scenario):
    cli = "docker-next"
    engines = NEXT


class Networks2010(Networks, Scenario):
    cli = "docker-20.10"
    engines = ("26.1",)  # an old engine has new clients


class Networks261(Networks, Scenario):
    cli = "docker-26.1"
    engines = OLDER


class NetworksNext(Networks, Scenario):
    cli = "docker-next"
    engines = NEXT


class Volumes2010(Volumes, Scenario):
    cli = "docker-20.10"
    engines = ("26.1",)  # an old engine has new clients


class Volumes261(Volumes, Scenario):
    cli = "docker-26.1"
    engines = OLDER


class VolumesNext(Volumes, Scenario):
    cli = "docker-next"
    engines = NEXT
