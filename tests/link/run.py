#!/usr/bin/env python3
"""The SSH link against a real sshd. Usage: run.py BUILD-DIR [NAME...]"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import aliases  # noqa: E402
import jumps  # noqa: E402
import keys  # noqa: E402
import links  # noqa: E402
import ports  # noqa: E402
import proxies  # noqa: E402
import servers  # noqa: E402
from bed import PATIENCE, Bed, Failure, free_port, keygen, read  # noqa: E402

MIB = 1 << 20
tests = []


def test(function):
    tests.append(function)
    return function


@test
def a_stream_goes_both_ways(bed):
    link = bed.link(bed.sshd())
    link.up(1)
    link.say("stream 1 up=1000000 down=2000000")
    link.expect("^stream 1 ok ")


@test
def rekeying_loses_no_byte(bed):
    link = bed.link(bed.sshd("RekeyLimit 1M"))
    link.up(1)
    for i in range(8):
        link.say(f"stream {i} up={12 * MIB + i} down={12 * MIB + 7 * i}")
    link.expect("^stream . ok ", count=8)


@test
def no_cipher_loses_a_byte(bed):
    """Of those that go other ways than libcrypto's through the library, and one
    that does not."""
    for cipher in ("aes128-ctr", "aes256-ctr", "aes128-gcm@openssh.com",
                   "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"):
        link = bed.link(bed.sshd("RekeyLimit 1M", f"Ciphers {cipher}"))
        if is_old(link) and not cipher.endswith("-ctr"):
            link.expect("^status down ")
            link.quit()
            continue
        link.up(1)
        bed.wait_for_log(f"cipher {cipher}")
        for i in range(3):
            link.say(f"stream {i} up={6 * MIB + i} down={6 * MIB + 7 * i}")
        link.expect("^stream . ok ", count=3)
        link.quit()


@test
def streams_come_and_go_while_keys_change(bed):
    link = bed.link(bed.sshd("RekeyLimit 100K"), spare_channels=4)
    link.up(1)
    for i in range(4):
        link.say(f"stream {i} up={8 * MIB} down={8 * MIB}")
    for i in range(100, 400):
        link.say(f"stream {i} up={i * 31} down={i * 47}")
        if i % 3 == 0:
            link.say(f"close {i}")
        if i % 10 == 0:
            link.expect("^stream [0-9]{3} open")
    link.expect("^stream [0-9] ok ", count=4)
    link.expect("^stream [0-9]{3} ok ", count=200)


@test
def each_half_closes_by_itself(bed):
    link = bed.link(bed.sshd())
    link.up(1)
    # all of ours ends first: what comes down goes on
    link.say(f"stream 1 up=0 down={4 * MIB}")
    # all of theirs ends first: what goes up goes on, and is counted there
    link.say(f"stream 2 up={4 * MIB} down=0")
    link.expect("^stream . ok ", count=2)


@test
def an_engine_that_closes_ends_the_stream(bed):
    link = bed.link(bed.sshd())
    link.up(1)
    link.say("raw 1 close 0")
    link.expect("^stream 1 eof")
    link.say("shut 1")
    link.expect("^stream 1 closed .* why=-")
    # with our bytes on their way it is no clean end
    link.say("raw 2 close 10")
    link.expect("^stream 2 open")
    link.say("send 2 8000000")
    link.expect("^stream 2 closed .*pristine=0 why=.*engine closed")


@test
def hundreds_of_idle_streams_cost_next_to_nothing(bed):
    link = bed.link(bed.sshd("RekeyLimit 4M"))
    link.up(1)
    before = link.stat()[0]
    for i in range(500):
        link.say(f"raw {i} hold")
    link.expect("^stream [0-9]+ open", count=500)
    time.sleep(0.2)
    used = (link.stat()[0] - before) / 500
    if used > 16384 and not bed.sanitized:
        raise Failure(f"an idle stream takes {used:.0f} bytes")
    for i in range(4):
        link.say(f"stream {1000 + i} up={8 * MIB} down={8 * MIB}")
    link.expect("^stream 100. ok ", count=4)
    before = link.stat()[2]
    time.sleep(1)
    spent = link.stat()[2] - before
    if spent > 0.05:
        raise Failure(f"idle streams took {spent} s of CPU time in a second")


@test
def a_slow_reader_stalls_nobody(bed):
    link = bed.link(bed.sshd())
    link.up(1)
    for i in range(10):
        link.say(f"lazy {i} down={24 * MIB}")
    link.expect("^stream . open", count=10)
    time.sleep(1)
    used = link.stat()[0]
    link.say(f"stream 100 up={32 * MIB} down={32 * MIB}")
    link.expect("^stream 100 ok ")
    # each stalled one holds its window, and no more than that
    if link.stat()[0] > used + 4 * MIB or used > 10 * 5 * MIB:
        raise Failure(f"stalled readers hold {used} bytes")
    for i in range(10):
        link.say(f"read {i}")
    link.expect("^stream . ok ", count=10)


@test
def who_keeps_up_is_never_waited_for(bed):
    link = bed.link(bed.sshd(), debug=1)
    link.up(1)
    link.say(f"lazy 1 down={8 * MIB}")
    link.expect("^stream 1 open")
    link.say(f"stream 2 up=0 down={64 * MIB}")
    link.expect("^stream 2 ok ")
    # for the one alone that reads
    bed.wait_for_log("window of 2359296")
    log = read(bed.path("driver.log"))[bed.log_from :]
    grown = set(re.findall("(0x[0-9a-f]+): window of", log))
    if len(grown) != 1:
        raise Failure(f"windows of {grown} grew")
    link.say("read 1")
    link.expect("^stream 1 ok ")


@test
def a_peer_that_reads_nothing_stalls_nobody(bed):
    link = bed.link(bed.sshd())
    link.up(1)
    for i in range(10):
        link.say(f"raw {i} hold")
        link.say(f"send {i} {64 * MIB}")
    link.say(f"stream 100 up={32 * MIB} down={32 * MIB}")
    link.expect("^stream 100 ok ")
    if link.stat()[0] > 16 * MIB and not bed.sanitized:
        raise Failure(f"output that nobody reads holds {link.stat()[0]} bytes")


@test
def a_stream_that_is_given_up_goes(bed):
    link = bed.link(bed.sshd())
    link.up(1)
    for i in range(50):
        link.say(f"lazy {i} down={16 * MIB}")
    for i in range(25):
        link.say(f"close {i}")
    link.expect("^stream [0-9]+ open", count=25)
    for i in range(25, 50):
        link.say(f"close {i}")
    link.say(f"stream 100 up={8 * MIB} down={8 * MIB}")
    link.expect("^stream 100 ok ")
    time.sleep(0.5)
    if link.stat()[0] > 8 * MIB and not bed.sanitized:
        raise Failure(f"{link.stat()[0]} bytes are held for nobody")


@test
def spare_channels_are_ready_for_the_next(bed):
    sshd = bed.sshd()
    link = bed.link(sshd, spare_channels=8, dead_after_ms=3000, debug=1)
    link.up(1)
    bed.wait_for_log("opening -> spare", 2)
    for i in range(20):
        link.say(f"stream {i} up=100000 down=100000")
    link.expect("^stream [0-9]+ ok ", count=20)
    bed.wait_for_log("spare -> open", 2)
    # the more were wanted, the more there are; later fewer again
    bed.wait_for_log("opening -> spare", 10)
    bed.wait_for_log("spare -> closing", 6, patience=20)
    # those that a restarted engine has dropped are not given to anybody
    bed.stop_peer()
    bed.start_peer()
    time.sleep(0.2)
    link.say("stream 1 up=1000 down=1000")
    link.expect("^stream 1 ok ")
    # and a lost link takes none along
    sshd.signal_children(signal.SIGKILL)
    link.up(2)
    link.say("stream 1 up=1000 down=1000")
    link.expect("^stream 1 ok ")


@test
def a_long_way_gets_longer_windows(bed):
    sshd = bed.sshd("RekeyLimit 4M")
    relay = subprocess.Popen(
        [bed.build + "/../bench/bench_delay", "127.0.0.1", str(sshd.port), "20000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(relay.stdout.readline())
        link = bed.link(Named(port=port), debug=1)
        link.up(1)
        # who reads nothing gets no more than the first window
        link.say(f"lazy 1 down={12 * MIB}")
        link.expect("^stream 1 open")
        link.say(f"stream 2 up={MIB} down={12 * MIB}")
        link.expect("^stream 2 ok ")
        bed.wait_for_log("window of 16777216")
        log = read(bed.path("driver.log"))[bed.log_from :]
        grown = set(re.findall("(0x[0-9a-f]+): window of", log))
        if len(grown) != 1:
            raise Failure(f"windows of {grown} grew")
        link.say("read 1")
        link.expect("^stream 1 ok ")
        link.quit()
    finally:
        relay.kill()
        relay.wait()
        relay.stdout.close()


@test
def more_streams_than_there_may_be_are_refused(bed):
    # nobody answers there: they all wait, and count
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        link = bed.link(Named(port=s.getsockname()[1]))
        for i in range(4096):
            link.say(f"raw {i} hold")
        link.say("raw 4096 hold")
        link.expect("^stream 4096 full")
        link.say("close 5")
        link.say("raw 4096 hold")
        link.say("raw 4097 hold")
        link.expect("^stream 4097 full")


@test
def an_upstream_may_be_freed_by_a_stream(bed):
    for end in ({}, {"kind": "unix", "identity": False, "known_hosts": False}):
        link = bed.link(bed.sshd(), **end)
        if not end:
            link.up(1)
        for i in range(3):
            link.say(f"raw {i} hold")
        link.expect("^stream . open", count=3)
        link.say("lazy 9 down=100000")
        link.say("suicide 4")
        link.expect("^stream [0129] .*why=.*shut", count=4)
        link.quit()


@test
def a_lost_link_closes_streams_and_comes_back(bed):
    sshd = bed.sshd()
    link = bed.link(sshd)
    link.up(1)
    for i in range(3):
        link.say(f"stream {i} up={4096 * MIB} down={4096 * MIB}")
    link.expect("^stream . open", count=3)
    time.sleep(0.3)
    sshd.stop()
    link.expect(r"^stream . broken .*pristine=0 why=.*\bSSH", count=3)
    link.expect("^status down .*why=")
    # a waiting stream gets the next link
    link.say("stream 9 up=1000 down=1000")
    time.sleep(0.5)
    again = bed.sshd(port=sshd.port)
    link.up(2)
    link.expect("^stream 9 ok ")
    # a stream that never wrote says so
    link.say("raw 10 hold")
    link.expect("^stream 10 open")
    link.say("lazy 11 down=100")
    link.expect("^stream 11 open")
    again.signal_children(signal.SIGKILL)
    link.expect("^stream 10 closed .*why=.*SSH")
    link.up(3)


@test
def a_frozen_link_goes_on_when_it_thaws(bed):
    sshd = bed.sshd()
    link = bed.link(sshd)
    link.up(1)
    link.say(f"stream 1 up={128 * MIB} down={128 * MIB}")
    link.expect("^stream 1 open")
    time.sleep(0.2)
    sshd.signal_children(signal.SIGSTOP)
    time.sleep(1)
    sshd.signal_children(signal.SIGCONT)
    link.expect("^stream 1 ok ")


@test
def a_link_that_stays_frozen_is_dead(bed):
    sshd = bed.sshd()
    link = bed.link(sshd, dead_after_ms=1500)
    link.up(1)
    link.say("raw 1 hold")
    link.expect("^stream 1 open")
    # probes keep an idle link up
    time.sleep(4)
    link.say("status")
    link.up(1)
    frozen = sshd.children()
    sshd.signal_children(signal.SIGSTOP)
    link.expect("^stream 1 closed .*why=.*has not answered", patience=10)
    link.up(2)
    for pid in frozen:
        os.kill(pid, signal.SIGKILL)


@test
def a_forbidden_socket_is_reached_by_a_command(bed):
    bed.fake_docker()
    sshd = bed.sshd("AllowStreamLocalForwarding no", bed.path_option())
    link = bed.link(sshd, debug=1)
    link.up(1)
    for i in range(4):
        link.say(f"stream {i} up={4 * MIB} down={4 * MIB}")
    link.expect("^stream . ok ", count=4)
    # once the command was seen to work, the socket is not tried again
    bed.wait_for_log("does not forward to .*slower")
    tried = len(re.findall("opening -> queued", read(bed.path("driver.log"))))
    link.say("stream 5 up=1000 down=1000")
    link.expect("^stream 5 ok ")
    if len(re.findall("opening -> queued", read(bed.path("driver.log")))) != tried:
        raise Failure("tries the forbidden socket each time")


@test
def commands_wait_for_a_free_session(bed):
    bed.fake_docker()
    sshd = bed.sshd("MaxSessions 4", bed.path_option())
    link = bed.link(sshd, channel="dial-stdio")
    link.up(1)
    for i in range(12):
        link.say(f"stream {i} up=100000 down=100000")
    link.expect("^stream [0-9]+ ok ", count=12)


@test
def a_command_that_fails_says_why(bed):
    bed.fake_docker("echo 'Cannot connect to the Docker daemon.' >&2; exit 1")
    sshd = bed.sshd("AllowStreamLocalForwarding no", bed.path_option())
    link = bed.link(sshd)
    link.up(1)
    link.say("raw 1 echo")
    link.expect(
        "^stream 1 closed .*why=.*exit code 1: Cannot connect to the Docker daemon."
        "; and it does not open .*engine.sock"
    )


@test
def a_socket_that_is_not_there_is_explained(bed):
    link = bed.link(bed.sshd(), path="/nowhere/docker.sock", channel="forward")
    link.up(1)
    link.say("raw 1 echo")
    link.expect(
        "^stream 1 closed .*pristine=1 why=.*could not open /nowhere/docker.sock"
        ".*group docker"
    )


@test
def forwarding_alone_suffices(bed):
    link = bed.link(bed.sshd("MaxSessions 0"), dead_after_ms=1500)
    link.up(1)
    for i in range(4):
        link.say(f"stream {i} up={8 * MIB} down={8 * MIB}")
    link.expect("^stream . ok ", count=4)


@test
def an_unknown_or_changed_host_key_refuses(bed):
    sshd = bed.sshd()
    other = keygen(bed.path("other_ed25519"), "-t", "ed25519")
    for known_hosts, why in (
        (bed.known_hosts(sshd.port, other, "changed"), "changed:1 has another key"),
        (bed.known_hosts(sshd.port + 1, None, "else"), "has no line for .*ssh-keyscan"),
        ("/nowhere", "/nowhere: No such file"),
    ):
        link = bed.link(sshd, known_hosts=known_hosts)
        link.expect("^status down .*why=.*" + why)
        link.quit()
    link = bed.link(sshd, known_hosts=False)
    link.expect("^status down .*why=nothing says which host key")
    with open(bed.path("revoked"), "w") as f:
        key = " ".join(read(bed.host_key + ".pub").split()[:2])
        f.write(f"[127.0.0.1]:{sshd.port} {key}\n@revoked * {key}\n")
    link = bed.link(sshd, known_hosts=bed.path("revoked"))
    link.expect("^status down .*why=.*is revoked by .*:2")


@test
def a_pinned_host_key_is_enough(bed):
    sshd = bed.sshd()
    text = subprocess.run(
        ["ssh-keygen", "-lf", bed.host_key + ".pub"], capture_output=True, text=True
    ).stdout
    pin = text.split()[1]
    bed.link(sshd, known_hosts=False, host_key=pin).up(1)
    wrong = pin[:-1] + ("A" if pin[-1] != "A" else "B")
    link = bed.link(sshd, known_hosts=False, host_key=wrong)
    link.expect("^status down .*why=.*pins " + re.escape(wrong))


@test
def the_type_of_key_follows_known_hosts(bed):
    ecdsa = keygen(bed.path("host_ecdsa"), "-t", "ecdsa")
    sshd = bed.sshd(f"HostKey {ecdsa}")
    bed.link(sshd, known_hosts=bed.known_hosts(sshd.port, ecdsa, "ecdsa")).up(1)


@test
def hashed_known_hosts_are_understood(bed):
    sshd = bed.sshd()
    path = bed.known_hosts(sshd.port, None, "hashed")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], capture_output=True)
    if "127.0.0.1" in read(path):
        raise Failure("not hashed")
    bed.link(sshd, known_hosts=path).up(1)


@test
def identities_are_tried_in_turn(bed):
    sshd = bed.sshd()
    wrong = keygen(bed.path("id_wrong"), "-t", "ed25519")
    link = bed.link(sshd, identity=wrong)
    link.expect("^status down .*why=.*id_wrong: the server does not accept.*publickey")
    open_to_all = keygen(bed.path("id_open"), "-t", "ed25519")
    os.chmod(open_to_all, 0o644)
    link = bed.link(sshd, identity=open_to_all)
    link.expect("^status down .*why=.*id_open: others may read .*chmod 600")
    link = bed.link(sshd, identity="/nowhere")
    link.expect("^status down .*why=.*/nowhere: No such file")
    bed.link(sshd, identity=[wrong, "/nowhere", open_to_all, bed.identity]).up(1)


@test
def keys_come_in_many_forms(bed):
    sshd = bed.sshd()
    phrase = bed.path("phrase")
    with open(phrase, "w") as f:
        f.write("open sesame\n")
    os.chmod(phrase, 0o600)
    forms = {
        "encrypted": (["-t", "ed25519"], "open sesame"),
        "ecdsa": (["-t", "ecdsa", "-b", "384"], ""),
        "ecdsa_pem": (["-t", "ecdsa", "-m", "PEM"], ""),
        "ecdsa_pem_encrypted": (["-t", "ecdsa", "-m", "PEM"], "open sesame"),
        "ecdsa_pkcs8": (["-t", "ecdsa", "-m", "PKCS8"], ""),
    }
    for name, (args, word) in forms.items():
        key = keygen(bed.path("id_" + name), *args, passphrase=word)
        bed.authorize(key)
        more = {"passphrase_file": phrase} if word else {}
        link = bed.link(sshd, identity=key, **more)
        try:
            link.up(1)
        except Failure as failure:
            raise Failure(f"{name}: {failure}")
        link.quit()
        if word:
            link = bed.link(sshd, identity=key)
            link.expect("^status down .*why=.*id_" + name + ": ")
            link.quit()


def is_old(link):
    """libssh2 1.10 knows less than later ones."""
    link.say("version")
    return link.expect("^version (.*)")[1].startswith("1.10")


@test
def rsa_keys_work_or_are_explained(bed):
    sshd = bed.sshd()
    for name, args in (("rsa", []), ("rsa_pem", ["-m", "PEM"])):
        key = keygen(bed.path("id_" + name), "-t", "rsa", "-b", "2048", *args)
        bed.authorize(key)
        link = bed.link(sshd, identity=key)
        if is_old(link):
            link.expect("^status down .*why=.*signs with RSA keys only by SHA-1")
        else:
            link.up(1)
        link.quit()


@test
def rsa_host_keys_work_with_a_new_library(bed):
    key = keygen(bed.path("host_rsa"), "-t", "rsa", "-b", "2048")
    sshd = bed.sshd(f"HostKey {key}")
    link = bed.link(sshd, known_hosts=bed.known_hosts(sshd.port, key, "rsa"))
    if is_old(link):
        link.expect("^status down .*why=.*ssh-ed25519 host key .*rsa:1 has another")
    else:
        link.up(1)


@test
def a_certificate_beside_the_key_is_shown(bed):
    authority = keygen(bed.path("ca"), "-t", "ed25519")
    sshd = bed.sshd(f"TrustedUserCAKeys {authority}.pub")
    for kind in ("ed25519", "ecdsa"):
        key = keygen(bed.path("id_signed_" + kind), "-t", kind)
        link = bed.link(sshd, identity=key)
        link.expect("^status down .*does not accept")
        link.quit()
        subprocess.run(
            ["ssh-keygen", "-q", "-s", authority, "-I", "test", "-n", "root", key],
            check=True,
        )
        link = bed.link(sshd, identity=key)
        if is_old(link):
            link.expect("^status down .*does not accept")
        else:
            link.up(1)
        link.quit()


@test
def the_agent_is_asked_last(bed):
    sshd = bed.sshd()
    wrong = keygen(bed.path("id_wrong"), "-t", "ed25519")
    env = {"SSH_AUTH_SOCK": bed.path("agent.sock")}
    link = bed.link(sshd, env, identity=wrong, agent=1)
    link.expect("^status down .*why=.*id_wrong: .*ssh-agent: none answers")
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", env["SSH_AUTH_SOCK"]], stdout=subprocess.DEVNULL
    )
    try:
        while not os.path.exists(env["SSH_AUTH_SOCK"]):
            time.sleep(0.01)
        link = bed.link(sshd, env, identity=False, agent=1)
        link.expect("^status down .*why=.*ssh-agent: it has no keys")
        for key in (wrong, bed.identity):
            subprocess.run(
                ["ssh-add", "-q", key], env=dict(os.environ, **env), check=True
            )
        bed.link(sshd, env, identity=wrong, agent=1).up(1)
    finally:
        agent.terminate()
        agent.wait()


@test
def an_agent_that_does_not_answer_holds_up_nothing(bed):
    sshd = bed.sshd()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(bed.path("agent.sock"))
        s.listen()
        env = {"SSH_AUTH_SOCK": bed.path("agent.sock")}
        link = bed.link(sshd, env, identity=False, agent=1, connect_timeout_ms=500)
        client = s.accept()[0]
        client.recv(1)
        link.say("status")  # answers, so the loop is free
        link.expect("^status down", patience=0.4)
        link.expect("^status down .*why=no SSH login .*within 500 ms")
        client.close()


@test
def a_server_that_says_no_is_quoted(bed):
    port = free_port()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        link = bed.link(Named(port=port))
        client, _ = s.accept()
        client.sendall(b"Not allowed at this time\r\n")
        client.close()
        wait = link.expect("^status down .*retry=([0-9]+) why=.*Not allowed at this t")
        if int(wait[1]) < 3000:
            raise Failure("does not wait out the penalty")


@test
def a_silent_server_is_given_up(bed):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        link = bed.link(Named(port=s.getsockname()[1]), connect_timeout_ms=500)
        link.expect("^status down .*why=no SSH login .* within 500 ms")
        link = bed.link(Named(port=1))
        link.expect("^status down .*why=cannot connect .*refused")
        link = bed.link(Named(port=1), host="no.such.host.invalid")
        link.expect("^status down .*why=.*no.such.host.invalid: ")


@test
def plain_sockets_do_the_same(bed):
    link = bed.link(Named(port=0), kind="unix", identity=False, known_hosts=False)
    for i in range(8):
        link.say(f"stream {i} up={12 * MIB + i} down={12 * MIB + 7 * i}")
    link.expect("^stream . ok ", count=8)
    link.say("raw 20 close 0")
    link.expect("^stream 20 eof")
    link.say("raw 21 close 10")
    link.expect("^stream 21 open")
    link.say("send 21 8000000")
    link.expect("^stream 21 closed .*pristine=0 why=.*broke")
    link.say(f"lazy 30 down={8 * MIB}")
    link.expect("^stream 30 open")
    link.say("stream 31 up=100 down=100")
    link.expect("^stream 31 ok ")
    link.say("read 30")
    link.expect("^stream 30 ok ")
    nobody = bed.link(
        Named(port=0), kind="unix", path="/nowhere", identity=False, known_hosts=False
    )
    nobody.say("raw 1 echo")
    nobody.expect("^stream 1 closed .*pristine=1 why=cannot connect to /nowhere")


class Named:
    def __init__(self, **values):
        self.__dict__.update(values)


def run(bed, function):
    """The verdict: "ok", or what went wrong and the end of the log."""
    try:
        function(bed)
        bed.clean()
        return "ok"
    except Failure as failure:
        reason = str(failure)
    except Exception:
        reason = traceback.format_exc()
    log = bed.path("driver.log")
    return f"FAILED: {reason}\n" + (read(log)[-4000:] if os.path.exists(log) else "")


def main():
    tests.extend(aliases.tests + jumps.tests + keys.tests + links.tests
                 + ports.tests + proxies.tests + servers.tests)
    if os.geteuid() != 0 or not os.path.exists("/usr/sbin/sshd"):
        print("needs root and /usr/sbin/sshd")
        return 77
    build, names = sys.argv[1], sys.argv[2:]
    # told to stop, or stuck: still clean up what was started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    socket.setdefaulttimeout(PATIENCE)
    failed = []
    for function in tests:
        if names and function.__name__ not in names:
            continue
        bed = Bed(build)
        began = time.monotonic()
        verdict = "cut short"
        try:
            verdict = run(bed, function)
        finally:
            bed.clean(kill=verdict != "ok")
            bed.close(keep=verdict != "ok" and "KEEP" in os.environ)
        if verdict != "ok":
            failed.append(function.__name__)
        print(f"{function.__name__}: {verdict} ({time.monotonic() - began:.1f} s)")
        sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
