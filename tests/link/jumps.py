"""The SSH link through jump hosts; run.py runs these, too."""

import json
import os
import re
import signal
import socket
import subprocess
import time

from bed import Failure, free_port, keygen, read

MIB = 1 << 20
tests = []


def test(function):
    tests.append(function)
    return function


class At:
    """Where a jump host is said to be."""

    def __init__(self, sshd=None, port=None, host="localhost"):
        self.port, self.host = port or sshd.port, host


def flow(link, count=4, size=8 * MIB):
    for i in range(count):
        link.say(f"stream {i} up={size + i} down={size + 7 * i}")
    link.expect("^stream . ok ", count=count)


@test
def a_jump_host_is_gone_through(bed):
    bastion = bed.sshd()
    link = bed.link(bed.sshd(), hops=[bed.hop(At(bastion))])
    link.up(1)
    flow(link)
    if not bastion.children():
        raise Failure("did not go through the bastion")


@test
def two_jump_hosts_are_gone_through(bed):
    first, second = bed.sshd(), bed.sshd()
    link = bed.link(bed.sshd(), hops=[bed.hop(At(second, host="127.0.0.1")), bed.hop(At(first))])
    link.up(1)
    flow(link)
    if not first.children() or not second.children():
        raise Failure("did not go through both bastions")


@test
def no_byte_is_lost_while_keys_change_on_all_hops(bed):
    for more in ((), ("MaxSessions 0",)):
        bastion = bed.sshd("RekeyLimit 1M", *more)
        link = bed.link(bed.sshd("RekeyLimit 2M"), hops=[bed.hop(At(bastion))])
        link.up(1)
        flow(link, 6, 12 * MIB)
        link.quit()


@test
def a_jump_host_that_only_forwards_suffices(bed):
    bastion = bed.sshd("MaxSessions 0", "PermitTTY no", "ForceCommand /bin/false")
    link = bed.link(bed.sshd(), hops=[bed.hop(At(bastion))], dead_after_ms=1500)
    link.up(1)
    flow(link)
    time.sleep(3)  # probes keep all of it up
    link.say("status")
    link.up(1)


@test
def each_hop_has_its_own_host_key(bed):
    sshd, bastion = bed.sshd(), bed.sshd()
    other = keygen(bed.path("other_ed25519"), "-t", "ed25519")
    wrong = bed.known_hosts(bastion.port, other, "changed")
    link = bed.link(sshd, hops=[bed.hop(At(bastion, host="127.0.0.1"), known_hosts=wrong)])
    link.expect("^status down .*why=jump host 127.0.0.1: the ssh-ed25519 host key of "
                "127.0.0.1 is .*changed:1 has another key")
    link.quit()
    link = bed.link(sshd, hops=[bed.hop(At(bastion), known_hosts=None)])
    link.expect("^status down .*why=jump host localhost: nothing says which host key")
    link.quit()
    # the engine's own is not what the bastion's is held against, nor the other way
    link = bed.link(sshd, hops=[bed.hop(At(bastion))],
                    known_hosts=bed.known_hosts(sshd.port, other, "changed"))
    link.expect("^status down .*why=the ssh-ed25519 host key of 127.0.0.1 .*changed:1")


@test
def each_hop_has_its_own_user_and_key(bed):
    wrong = keygen(bed.path("id_wrong"), "-t", "ed25519")
    bastion, sshd = bed.sshd(), bed.sshd()
    link = bed.link(sshd, hops=[bed.hop(At(bastion), identity=wrong)])
    link.expect("^status down .*why=jump host localhost: the SSH server did not let root in"
                ".*id_wrong: the server does not accept")
    link.quit()
    link = bed.link(sshd, identity=wrong, hops=[bed.hop(At(bastion))])
    link.expect("^status down .*why=the SSH server did not let root in.*id_wrong")


@test
def a_jump_host_that_does_not_forward_is_named(bed):
    sshd = bed.sshd()
    for option in ("AllowTcpForwarding no", "PermitOpen 127.0.0.1:1"):
        link = bed.link(sshd, hops=[bed.hop(At(bed.sshd(option)))])
        link.expect("^status down .*why=jump host localhost: could not connect to 127.0.0.1 "
                    f"port {sshd.port} .*prohibited.*AllowTcpForwarding")
        link.quit()


@test
def a_dead_hop_is_named(bed):
    sshd, bastion = bed.sshd(), bed.sshd()
    nobody = free_port()
    link = bed.link(sshd, hops=[bed.hop(At(port=nobody))])
    link.expect("^status down .*why=jump host localhost: cannot connect to localhost: "
                ".*Connection refused")
    link.quit()
    hops = [bed.hop(At(port=nobody, host="127.0.0.1")), bed.hop(At(bastion))]
    link = bed.link(sshd, hops=hops)
    link.expect("^status down .*why=jump host localhost: could not connect to 127.0.0.1 "
                f"port {nobody} .*does that listen there")
    link.quit()
    link = bed.link(At(port=nobody, host="x"), hops=[bed.hop(At(bastion))])
    link.expect("^status down .*why=jump host localhost: could not connect to 127.0.0.1 "
                f"port {nobody}")


@test
def one_time_limit_holds_for_all_hops(bed):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        bastion = bed.sshd()
        link = bed.link(bed.sshd(), connect_timeout_ms=1500, hops=[bed.hop(At(port=port))])
        link.expect("^status down .*why=jump host localhost: no SSH login at localhost within "
                    "1500 ms .login")
        link.quit()
        hops = [bed.hop(At(port=port, host="127.0.0.1")), bed.hop(At(bastion))]
        link = bed.link(bed.sshd(), connect_timeout_ms=1500, hops=hops)
        link.expect("^status down .*why=jump host 127.0.0.1: no SSH login at 127.0.0.1 within "
                    "1500 ms .login")
        # the first hop's time is part of it, by berth's own log
        log = read(bed.path("driver.log"))[bed.log_from :]
        up = re.search(r"time=\S+:(\d+\.\d+)Z .*up to jump host .* after (\d+) ms", log)
        down = re.search(r"time=\S+:(\d+\.\d+)Z .*not made to", log)
        took = (float(down[1]) - float(up[1])) % 60 + int(up[2]) / 1000
        if took > 1.5 + int(up[2]) / 2000 + 0.5:
            raise Failure(f"took {took} s")


def gone(sshd):
    end = time.monotonic() + 5
    while sshd.children():
        if time.monotonic() > end:
            raise Failure("a connection to the jump host is left open")
        time.sleep(0.05)


@test
def a_lost_hop_takes_all_behind_it_along(bed):
    bastion, sshd = bed.sshd(), bed.sshd()
    link = bed.link(sshd, hops=[bed.hop(At(bastion))])
    link.up(1)
    link.say("raw 1 hold")
    link.expect("^stream 1 open")
    bastion.signal_children(signal.SIGKILL)
    link.expect("^stream 1 closed .*why=jump host localhost: .*SSH")
    link.up(2)
    flow(link)
    # the engine's own host goes: the way to it is closed, too
    port = sshd.port
    link.say("raw 1 hold")
    link.expect("^stream 1 open")
    sshd.stop()
    link.expect("^stream 1 closed .*why=.*SSH")
    link.expect("^status down .*why=.*could not connect to")
    gone(bastion)
    bed.sshd(port=port)
    link.up(3)
    flow(link, 2, MIB)


@test
def a_frozen_jump_host_is_noticed(bed):
    bastion = bed.sshd()
    link = bed.link(bed.sshd(), dead_after_ms=1500, hops=[bed.hop(At(bastion))])
    link.up(1)
    link.say("raw 1 hold")
    link.expect("^stream 1 open")
    frozen = bastion.children()
    bastion.signal_children(signal.SIGSTOP)
    link.expect("^stream 1 closed .*why=.*has not answered", patience=10)
    link.up(2)
    for pid in frozen:
        os.kill(pid, signal.SIGKILL)
    flow(link, 1, MIB)


@test
def a_link_may_be_freed_at_any_time(bed):
    first, second, sshd = bed.sshd(), bed.sshd(), bed.sshd()
    hops = [bed.hop(At(second, host="127.0.0.1")), bed.hop(At(first))]
    for pause in (0, 0.01, 0.03, 0.06, 0.1, 0.2):
        link = bed.link(sshd, hops=hops)
        link.say("raw 1 hold")
        time.sleep(pause)
        link.quit()
    gone(first)
    link = bed.link(sshd, hops=hops)
    link.up(1)
    link.say("lazy 9 down=100000")
    link.say("suicide 4")
    link.expect("^stream 9 .*why=.*shut")
    link.quit()


def walk(bed, config, name="dockerhost", upstream=None, env=None):
    """What "berth check --connect" says of a Host of CONFIG."""
    with open(bed.path("ssh_config"), "w") as f:
        f.write(config)
    with open(bed.path("policy.json"), "w") as f:
        json.dump({"version": 1, "namespace": "r1", "upstream": {
            "url": f"ssh://{name}{bed.socket}", "ssh_config": bed.path("ssh_config"),
            "channel": "forward", "connect_timeout": "5s", **(upstream or {})}}, f)
    done = subprocess.run(
        [bed.build + "/../../proxy/berth", "check", "--connect", bed.path("policy.json")],
        capture_output=True, text=True, check=False, env=dict(os.environ, **(env or {})))
    return done.stdout + done.stderr


@test
def an_alias_of_ssh_config_is_walked_hop_by_hop(bed):
    first, second, sshd = bed.sshd(), bed.sshd(), bed.sshd()
    ports = {"first": first.port, "second": second.port, "dockerhost": sshd.port}
    with open(bed.path("known"), "w") as f:
        for name in ports:
            f.write(name + " " + read(bed.host_key + ".pub"))
    config = "".join(f"Host {name}\n Port {port}\n" for name, port in ports.items())
    config += (f"Host *\n HostName 127.0.0.1\n User root\n"
               f" IdentityFile {bed.identity}\n UserKnownHostsFile {bed.path('known')}\n")
    blocks = "".join(f"Host {name}\n HostKeyAlias {name}\n" for name in ports)
    whole = "Host dockerhost\n ProxyJump first,second\n" + blocks + config
    said = walk(bed, whole)
    for line in ("ok    name      jump host 127.0.0.1",
                 f"ok    TCP       jump host 127.0.0.1: port {first.port}",
                 f"ok    TCP       jump host 127.0.0.1: port {second.port}",
                 "ok    login     jump host 127.0.0.1: as root",
                 f"ok    TCP       port {sshd.port}",
                 "ok    host key  is the one that is trusted",
                 f"ok    channel   to {bed.socket}"):
        if line not in said:
            raise Failure(f"no {line!r} in:\n{said}")
    second.stop()
    said = walk(bed, whole)
    if ("ok    login     jump host 127.0.0.1: as root" not in said
            or "FAIL  TCP       jump host 127.0.0.1: could not connect to 127.0.0.1 port "
            f"{second.port}" not in said):
        raise Failure(said)


@test
def the_right_key_of_an_agent_comes_first(bed):
    sshd = bed.sshd("MaxAuthTries 2")
    env = {"SSH_AUTH_SOCK": bed.path("agent2.sock")}
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", env["SSH_AUTH_SOCK"]],
                             stdout=subprocess.DEVNULL)
    try:
        while not os.path.exists(env["SSH_AUTH_SOCK"]):
            time.sleep(0.01)
        keys = [keygen(bed.path(f"id_many{i}"), "-t", "ed25519") for i in range(5)]
        right = keygen(bed.path("id_right"), "-t", "ed25519")
        bed.authorize(right)
        for key in [*keys, right]:
            subprocess.run(["ssh-add", "-q", key], env=dict(os.environ, **env), check=True,
                           capture_output=True)
        public = bed.path("right.pub")
        with open(public, "w") as f:
            f.write(read(right + ".pub"))
        link = bed.link(sshd, identity=public, agent=1, env=env)
        link.up(1)
        link.quit()
        # and of an agent elsewhere, no other key than those that are named
        link = bed.link(sshd, identity=keys[0] + ".pub", agent=1, identities_only=1,
                        agent_socket=env["SSH_AUTH_SOCK"])
        link.expect("^status down .*why=.*tried ssh-agent's key [^;]*; the server accepts")
    finally:
        agent.terminate()
        agent.wait()
