"""What docker-py does, in every version of it: NAME of a scenario as argument."""
import io
import socket
import sys
import tarfile
import threading
from pathlib import Path

import docker

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tarball import tar_of  # noqa: E402

client = docker.from_env()
NOISE = bytes(range(256)) * 4096
FOREVER = ["sleep", "999"]


def equal(got, want):
    if got != want:
        sys.exit(f"got {got!r:.2000}, not {want!r:.2000}")


def raises(kind, call, *args, **kw):
    try:
        call(*args, **kw)
    except kind as why:
        return str(why)
    sys.exit(f"no {kind.__name__} was raised")


def run():
    equal(client.containers.run("busybox", "echo hi", remove=True), b"hi\n")
    why = raises(docker.errors.ContainerError, client.containers.run,
                 "busybox", "sh -c 'echo bad >&2; exit 3'", remove=True)
    equal("exit status 3" in why, True)


def life():
    c = client.containers.create("busybox", FOREVER, name="box",
                                 labels={"a": "b"}, stop_signal="KILL")
    c.start()
    c.reload()
    equal((c.name, c.status, c.labels), ("box", "running", {"a": "b"}))
    equal([x.name for x in client.containers.list(filters={"label": "a=b"})],
          ["box"])
    equal(client.containers.get("box").id, c.id)
    c.pause()
    c.unpause()
    c.rename("crate")
    c.stop()
    equal(c.wait()["StatusCode"], 137)
    c.remove()
    raises(docker.errors.NotFound, client.containers.get, "crate")


def logs():
    c = client.containers.run(
        "busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; done; echo e >&2"],
        detach=True)
    equal(b"".join(c.logs(stream=True, follow=True, stderr=False)), b"1\n2\n3\n")
    equal(c.logs(stdout=False), b"e\n")
    equal(len(c.logs(tail=1)), 2)


def execs():
    # It drops what comes in one piece with the reply's head, from any engine:
    # so everything is said a moment later.
    c = client.containers.run("busybox", FOREVER, detach=True)
    later = lambda what: ["sh", "-c", "usleep 300000; " + what]
    equal(tuple(c.exec_run(later("echo hi"))), (0, b"hi\n"))
    code, (out, err) = c.exec_run(later("echo o; echo e >&2; exit 4"),
                                  demux=True)
    equal((code, out, err), (4, b"o\n", b"e\n"))
    parts = c.exec_run(later("echo 1; echo 2"), stream=True).output
    equal(b"".join(parts), b"1\n2\n")
    # A raw socket: what goes in comes out, and our end of it ends the other's.
    made = client.api.exec_create(c.id, "cat", stdin=True, tty=False)
    sock = client.api.exec_start(made["Id"], socket=True)._sock
    threading.Thread(target=feed, args=(sock, NOISE)).start()
    equal(payload(sock), NOISE)
    equal(client.api.exec_inspect(made["Id"])["ExitCode"], 0)


def feed(sock, data):
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def payload(sock):
    """The content of a multiplexed stream, until its end."""
    with sock.makefile("rb") as f:
        out = b""
        while head := f.read(8):
            out += f.read(int.from_bytes(head[4:], "big"))
    return out


def attach():
    c = client.containers.create("busybox", "cat", stdin_open=True)
    sock = c.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})._sock
    c.start()
    threading.Thread(target=feed, args=(sock, NOISE)).start()
    equal(payload(sock), NOISE)


def archives():
    c = client.containers.create("busybox")
    equal(c.put_archive("/tmp", tar_of(data=NOISE)), True)
    stream, stat = c.get_archive("/tmp/data")
    equal((stat["name"], stat["size"]), ("data", len(NOISE)))
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        equal(tar.extractfile("data").read(), NOISE)
    raises(docker.errors.NotFound, c.get_archive, "/no/such")


def build():
    image, output = client.images.build(
        fileobj=io.BytesIO(tar_of(Dockerfile=b"FROM busybox\nCOPY data /\n"
                                  b"RUN echo step\n", data=NOISE)),
        custom_context=True, tag="acme/py:v1", rm=True)
    equal(any("step" in line.get("stream", "") for line in output), True)
    equal(client.images.get("acme/py:v1").id, image.id)
    why = raises(docker.errors.BuildError, client.images.build,
                 fileobj=io.BytesIO(b"FROM busybox\nRUN exit 7\n"), rm=True)
    equal("7" in why, True)


def images():
    # one of its own: a tag on a shared image is not the runner's to remove
    box = client.containers.create("busybox")
    image = box.commit("acme/other", "v1")
    box.remove()
    equal(image.tag("acme/other", "v2"), True)
    client.images.remove("acme/other:v2")
    saved = b"".join(client.images.get("acme/other:v1").save(named=True))
    client.images.remove("acme/other:v1")
    raises(docker.errors.ImageNotFound, client.images.get, "acme/other:v1")
    equal([i.id for i in client.images.load(saved)], [image.id])
    equal("acme/other:v1" in client.images.get(image.id).tags, True)


def networks_and_volumes():
    n = client.networks.create("front", labels={"a": "b"})
    v = client.volumes.create("data", labels={"a": "b"})
    equal([x.name for x in client.networks.list(names=["front"])], ["front"])
    equal([x.name for x in client.volumes.list(filters={"label": "a=b"})],
          ["data"])
    run = client.containers.run
    run("busybox", "sh -c 'echo kept >/d/f'", remove=True,
        volumes={"data": {"bind": "/d", "mode": "rw"}})
    equal(run("busybox", "cat /d/f", remove=True, network="front",
              mounts=[docker.types.Mount("/d", "data")]), b"kept\n")
    c = run("busybox", FOREVER, detach=True, name="box")
    n.connect(c, aliases=["boxy"])
    n.reload()
    equal([x.name for x in n.containers], ["box"])
    n.disconnect(c)
    c.remove(force=True)
    n.remove()
    v.remove()
    raises(docker.errors.NotFound, client.networks.get, "front")
    raises(docker.errors.NotFound, client.volumes.get, "data")


def events():
    since = client.info()["SystemTime"]
    client.containers.run("busybox", "true", name="box", remove=True)
    until = client.info()["SystemTime"]
    got = client.events(since=stamp(since), until=stamp(until), decode=True,
                        filters={"type": "container"})
    equal([(e["Action"], e["Actor"]["Attributes"]["name"]) for e in got],
          [(a, "box") for a in "create start die destroy".split()])


def stamp(text):
    """Seconds, with the second's nine digits that strptime has no word for."""
    from datetime import datetime, timezone
    whole, _, rest = text.rstrip("Z").partition(".")
    when = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S")
    return f"{int(when.replace(tzinfo=timezone.utc).timestamp())}.{rest:0<9}"


def system():
    equal(client.ping(), True)
    equal("ApiVersion" in client.version(), True)
    equal(sorted(client.df())[:1], ["BuildCache"])
    c = client.containers.run("busybox", FOREVER, detach=True)
    equal("memory_stats" in c.stats(stream=False), True)
    equal(c.top()["Processes"][0][-1], "sleep 999")
    equal(c.diff() or [], [])


globals()[sys.argv[1]]()
