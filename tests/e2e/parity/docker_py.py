"""What docker-py does and gets: each part into a file that is named after it."""
import contextlib
import fcntl
import io
import json
import os
import sys
import time
from pathlib import Path

import docker

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tarball import tar_of  # noqa: E402

client = docker.from_env()
FOREVER = ["sleep", "999"]
NUMBER, REPO = os.environ["NUMBER"], os.environ["REPO"]


def show(*things):
    for thing in things:
        if isinstance(thing, bytes):
            thing = thing.decode()
        print(json.dumps(thing, indent=1, default=str))


def fails(call, *args, **kw):
    """The error, with its class and its text."""
    try:
        show(call(*args, **kw))
    except docker.errors.DockerException as why:
        show([type(why).__name__, str(why)])


def run():
    show(client.containers.run("busybox", "echo hi", remove=True, name="py-run"))
    fails(client.containers.run, "busybox", "sh -c 'echo bad >&2; exit 3'",
          remove=True)


def life():
    c = client.containers.create("busybox", FOREVER, name="box",
                                 labels={"a": "b"}, stop_signal="KILL")
    show(c.name, c.status, c.labels)
    c.start()
    c.pause()
    c.reload()
    show(c.status)
    c.unpause()
    c.rename("crate")
    c.reload()
    show(c.name, client.containers.get("crate").id == c.id,
         client.containers.get(c.short_id).name)
    show(c.update(mem_limit="64m", memswap_limit="64m"))
    c.stop()
    show(c.wait())
    c.start()
    c.kill()
    show(c.wait(), c.attrs["State"]["Status"])
    c.remove()
    fails(client.containers.get, "crate")


def lists():
    for name, label in (("web", "1"), ("web2", "1"), ("db", "2")):
        client.containers.create("busybox", name=name, labels={"t": label})

    def names(**how):
        return [c.name for c in client.containers.list(all=True, **how)]

    show(names(), names(filters={"name": "web"}), names(filters={"label": "t=2"}),
         names(filters={"label": ["t", "t=1"]}), names(filters={"name": "^db$"}),
         names(filters={"status": "created"}), names(limit=1),
         names(before="db"), names(since="web"), names(filters={"name": "no"}))
    show(client.containers.list(), client.api.containers(quiet=True, all=True))
    for c in client.containers.list(all=True):
        c.remove()


def attributes():
    c = client.containers.create(
        "busybox", FOREVER, name="attrs", volumes=["/anon"],
        network_mode="none", environment={"A": "b"},
        host_config=None, tmpfs={"/t": ""}, mem_limit="64m")
    show(c.attrs["Config"], c.attrs["HostConfig"], c.attrs["Mounts"],
         c.attrs["NetworkSettings"]["Networks"])
    c.remove(v=True)


def errors():
    fails(client.containers.get, "nobody")
    fails(client.images.get, "nothing:v1")
    fails(client.networks.get, "nothing")
    fails(client.volumes.get, "nothing")
    c = client.containers.create("busybox", name="taken")
    fails(client.containers.create, "busybox", name="taken")
    fails(client.containers.create, "busybox", name="_bad")
    fails(client.containers.create, "nothing:v1")
    fails(client.containers.create, "busybox", mem_limit=1)
    fails(client.containers.create, "busybox", volumes={"rel": {"bind": "rel"}})
    fails(c.kill)
    fails(c.pause)
    fails(c.exec_run, "true")
    fails(c.rename, "a b")
    fails(c.get_archive, "/no/such")
    fails(client.containers.list, filters={"nope": "1"})
    c.remove()
    fails(c.remove)


def networks():
    n = client.networks.create("front", labels={"a": "b"}, check_duplicate=True)
    fails(client.networks.create, "front", check_duplicate=True)
    c = client.containers.run("busybox", FOREVER, detach=True, name="box",
                              network="front")
    n.reload()
    show(n.name, [x.name for x in n.containers], n.attrs)
    other = client.networks.create("other", ipam=docker.types.IPAMConfig(
        pool_configs=[docker.types.IPAMPool(subnet=f"10.99.{NUMBER}.0/24")]))
    other.connect(c, aliases=["boxy"], ipv4_address=f"10.99.{NUMBER}.9")
    c.reload()
    show(sorted(c.attrs["NetworkSettings"]["Networks"]),
         c.attrs["NetworkSettings"]["Networks"]["other"]["Aliases"])
    fails(n.remove)
    other.disconnect(c)
    fails(other.disconnect, c)
    c.remove(force=True)
    show(sorted(x.name for x in client.networks.list(
        names=["front", "other"])))
    show([x.name for x in client.networks.list(filters={"label": "a"})],
         sorted(x.name for x in client.networks.list()))
    n.remove()
    other.remove()
    fails(n.reload)


def volumes():
    v = client.volumes.create("data", labels={"a": "b"})
    show(v.name, v.attrs, client.volumes.create("data").attrs)
    client.volumes.create("data2")
    show([x.name for x in client.volumes.list(filters={"label": "a=b"})],
         sorted(x.name for x in client.volumes.list()))
    show(client.containers.run(
        "busybox", "sh -c 'echo kept >/d/f; cat /d/f'", remove=True,
        volumes={"data": {"bind": "/d", "mode": "rw"}}))
    c = client.containers.create("busybox", mounts=[
        docker.types.Mount("/d", "data", labels={"x": "y"}),
        docker.types.Mount("/e", None, type="volume")])
    show(c.attrs["HostConfig"].get("Mounts"))
    fails(v.remove)
    c.remove(v=True)
    for other in client.volumes.list():
        other.remove()
    fails(v.reload)


def execs():
    c = client.containers.run("busybox", FOREVER, detach=True, name="box",
                              environment={"A": "b"})
    # It drops what comes in one piece with the reply's head, from any engine.
    later = lambda what: ["sh", "-c", "usleep 300000; " + what]
    show(tuple(c.exec_run(later("echo hi"))))
    show(c.exec_run(later("echo o; echo e >&2; exit 4"), demux=True))
    made = client.api.exec_create("box", later("exit 2"), environment=["B=c"])
    show(client.api.exec_inspect(made["Id"])["Running"])
    client.api.exec_start(made["Id"])
    show(client.api.exec_inspect(made["Id"]))
    show(c.top(ps_args="-eo comm"), c.diff())
    c.remove(force=True)


def logs():
    c = client.containers.run(
        "busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; done; echo e >&2"],
        detach=True, name="talk")
    show(b"".join(c.logs(stream=True, follow=True, stderr=False)))
    show(c.logs(stdout=False), len(c.logs(tail=1)), c.logs(since=4102444800))
    c.remove()


def archives():
    c = client.containers.create("busybox", name="box")
    show(c.put_archive("/tmp", tar_of(data=b"x" * 70000)))
    stream, stat = c.get_archive("/tmp/data")
    show({k: stat[k] for k in ("name", "size", "mode", "linkTarget")},
         len(b"".join(stream)) // 512)
    fails(c.put_archive, "/no/such", tar_of(data=b""))
    c.remove()


def build():
    image, output = client.images.build(
        fileobj=io.BytesIO(tar_of(
            Dockerfile=b"FROM busybox\nCOPY data /\nRUN echo step\n",
            data=os.urandom(16))),
        custom_context=True, tag=f"{REPO}/py:v1", rm=True, labels={"a": "b"})
    show([x.get("stream", "") for x in output])
    show(image.tags, image.labels)
    fails(client.images.build, rm=True, forcerm=True,
          fileobj=io.BytesIO(b"FROM busybox\nRUN exit 7\n"))


def images():
    box = client.containers.create("busybox", name="box")
    image = box.commit(f"{REPO}/other", "v1")
    box.remove()
    show(image.tags, image.tag(f"{REPO}/other", "v2"))
    show(sorted(t for i in client.images.list(f"{REPO}/other") for t in i.tags))
    client.images.remove(f"{REPO}/other:v2")
    saved = b"".join(client.images.get(f"{REPO}/other:v1").save(named=True))
    show([x for x in client.api.remove_image(f"{REPO}/other:v1")])
    fails(client.images.get, f"{REPO}/other:v1")
    show([i.tags for i in client.images.load(saved)])
    show(client.images.get(f"{REPO}/other:v1").history()[0]["Comment"])
    client.images.remove(f"{REPO}/other:v1")
    client.images.remove(f"{REPO}/py:v1")


def events():
    since = time.time()
    client.containers.run("busybox", "true", name="box", remove=True)
    client.volumes.create("seen").remove()
    until = time.time()
    for event in client.events(since=f"{since:.9f}", until=f"{until:.9f}",
                               decode=True, filters={"type": "container"}):
        show([event["Action"], event["Actor"], event["status"], event["from"],
              event["id"]])
    show([(e["Type"], e["Action"]) for e in client.events(
        since=f"{since:.9f}", until=f"{until:.9f}", decode=True,
        filters={"volume": "seen"})])


def prunes():
    client.containers.create("busybox", name="old")
    client.networks.create("old")
    client.volumes.create("old")
    # An engine prunes one thing at a time, whoever asks.
    with open(os.environ["ALONE"], "w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        show(client.containers.prune(), client.networks.prune(),
             client.volumes.prune(filters={"label": "none"}),
             client.images.prune(filters={"label": "none"}))
    client.volumes.get("old").remove()


def system():
    show(client.ping(), sorted(client.version()), sorted(client.df()))
    info = client.info()
    show([info[k] for k in ("Containers", "Driver", "Swarm", "Labels",
                            "Name", "ServerVersion")])


for part in (run, life, lists, attributes, errors, networks, volumes, execs,
             logs, archives, build, images, events, prunes, system):
    with open(part.__name__, "w") as out, contextlib.redirect_stdout(out):
        try:
            part()
        except Exception as why:
            show(["broke off", type(why).__name__, str(why)])
