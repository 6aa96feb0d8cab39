"""The SSH link to servers as people have them; run.py runs these, too."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from bed import PATIENCE, Failure, Sshd, free_port, keygen, read
from jumps import MIB, At, flow, walk

tests = []


def test(function):
    tests.append(function)
    return function


class Dropbear:
    """Debian's, in the foreground, with sshd's place in a Bed."""

    @staticmethod
    def forwards_to_sockets():
        """Since 2024.84; Debian 12 has an older one."""
        with open(shutil.which("dropbear"), "rb") as f:
            return b"direct-streamlocal@openssh.com" in f.read()

    def __init__(self, bed, *options):
        self.port = free_port()
        self.dir = bed.path("dropbear")
        os.makedirs(self.dir, exist_ok=True)
        self.key = self.dir + "/host"
        if not os.path.exists(self.key):
            subprocess.run(["dropbearkey", "-t", "ed25519", "-f", self.key], check=True,
                           capture_output=True)
        said = subprocess.run(["dropbearkey", "-y", "-f", self.key], check=True,
                              capture_output=True, text=True).stdout
        with open(self.key + ".pub", "w") as f:
            f.write(next(line for line in said.splitlines() if line.startswith("ssh-")))
        # it knows one place for keys only: that of a home of our own
        home = self.dir + "/home"
        os.makedirs(home + "/.ssh", mode=0o700, exist_ok=True)
        with open(home + "/.ssh/authorized_keys", "w") as f:
            f.write(read(bed.identity + ".pub"))
        os.chmod(home + "/.ssh/authorized_keys", 0o600)
        with open(self.dir + "/passwd", "w") as f:
            f.write(f"root:x:0:0:root:{home}:/bin/sh\n")
        os.chmod(bed.dir, 0o755)
        self.log = open(self.dir + "/log", "ab")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c",
             f"mount --bind {self.dir}/passwd /etc/passwd && exec dropbear -F -E "
             f"-r {self.key} -p 127.0.0.1:{self.port} -P {self.dir}/pid " + " ".join(options)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failure("dropbear does not start: " + read(self.dir + "/log"))

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


def alias(bed, sshd):
    """An ssh_config in which "dockerhost" is SSHD."""
    known = bed.path("known")
    with open(known, "w") as f:
        f.write("* " + read(bed.host_key + ".pub"))
    return (f"Host dockerhost\n HostName 127.0.0.1\n Port {sshd.port}\n User root\n"
            f" IdentityFile {bed.identity}\n UserKnownHostsFile {known}\n")


@test
def dropbear_is_a_server_like_others(bed):
    bed.fake_docker()
    server = Dropbear(bed)
    bed.sshds.append(server)
    known = bed.known_hosts(server.port, server.key, "known_dropbear")
    link = bed.link(server, known_hosts=known)
    link.up(1)
    link.say(f"stream 1 up={MIB} down=0")
    link.say(f"stream 2 up=0 down={MIB}")
    link.expect("^stream . ok ", count=2)
    link.quit()
    link = bed.link(server, known_hosts=known, channel="forward")
    link.up(1)
    if Dropbear.forwards_to_sockets():
        link.say(f"stream 1 up={MIB} down=0")
        link.say(f"stream 2 up=0 down={MIB}")
        link.expect("^stream . ok ", count=2)
    else:
        link.say("raw 1 echo")
        link.expect("^stream 1 closed .*why=the SSH server cannot forward to sockets .*auto")
    link.quit()
    # as a jump host it is as good as any
    sshd = bed.sshd()
    link = bed.link(sshd, hops=[bed.hop(At(server, host="127.0.0.1"), known_hosts=bed.known_hosts(
        server.port, server.key, "known_dropbear"))])
    link.up(1)
    flow(link, 1, MIB)


@test
def one_session_is_enough_to_forward(bed):
    link = bed.link(bed.sshd("MaxSessions 1"), dead_after_ms=1500)
    link.up(1)
    flow(link)


@test
def one_session_is_too_few_for_commands(bed):
    bed.fake_docker()
    link = bed.link(bed.sshd("MaxSessions 1", bed.path_option()), channel="dial-stdio")
    link.up(1)
    link.say("raw 1 echo")
    link.expect("^stream 1 closed .*why=.*no session for .*MaxSessions")


@test
def a_server_with_too_many_logins_is_tried_again(bed):
    sshd = bed.sshd("MaxStartups 1:100:1")
    other = socket.create_connection(("127.0.0.1", sshd.port))
    while other.recv(4) != b"SSH-":  # whoever looked if it is up still counts
        other.close()
        time.sleep(0.05)
        other = socket.create_connection(("127.0.0.1", sshd.port))
    with other:  # the only one that may be logging in
        link = bed.link(sshd)
        link.expect("^status down .*why=.*(Exceeded MaxStartups|Not allowed at this time|"
                    "closed the connection)")
    link.up(1)


@test
def an_account_that_may_not_forward_is_explained(bed):
    bed.fake_docker("exec cat")
    for options in (("AllowTcpForwarding no", "AllowStreamLocalForwarding no"),
                    ("DisableForwarding yes",)):
        link = bed.link(bed.sshd(*options), channel="forward")
        link.up(1)
        link.say("raw 1 echo")
        link.expect("^stream 1 closed .*why=the SSH server could not open .*engine.sock "
                    ".*AllowStreamLocalForwarding")
        link.quit()


@test
def a_forced_command_is_explained(bed):
    forced = "ForceCommand echo This account is for backups; exit 3"
    link = bed.link(bed.sshd(forced, "DisableForwarding yes"))
    link.up(1)
    link.say("raw 1 echo")
    link.expect("^stream 1 closed up=0 down=28 ")  # what it says is the reply
    link.quit()
    link = bed.link(bed.sshd("ForceCommand exit 3", "DisableForwarding yes"))
    link.up(1)
    link.say("raw 1 echo")
    link.expect("^stream 1 closed .*why=.*exit code 3 without a word .*ForceCommand")
    link.quit()
    # which does not matter where the key may forward
    link = bed.link(bed.sshd(forced))
    link.up(1)
    flow(link, 2, MIB)


@test
def an_account_for_sftp_only_is_explained(bed):
    link = bed.link(bed.sshd("ForceCommand /usr/lib/openssh/sftp-server", "DisableForwarding yes"))
    link.up(1)
    link.say("raw 1 GET /_ping HTTP/1.1")
    link.expect("^stream 1 closed .*why=.*exit code .* SFTP only")
    link.quit()
    said = walk(bed, alias(bed, bed.sshd("ForceCommand internal-sftp", "DisableForwarding yes")),
                upstream={"channel": "auto"})
    if "FAIL  engine " not in said:
        raise Failure(said)


@test
def banners_are_passed_over(bed):
    with open(bed.path("banner"), "w") as f:
        f.write("Authorised use only!\n" * 400)
    link = bed.link(bed.sshd(f"Banner {bed.path('banner')}"))
    link.up(1)
    flow(link, 2, MIB)
    link.quit()
    sshd = bed.sshd()
    with socket.create_server(("127.0.0.1", 0)) as relay:
        # RFC 4253, 4.2: other lines may come before the version
        link = bed.link(At(port=relay.getsockname()[1]), known_hosts=bed.known_hosts(relay.getsockname()[1]))
        client, _ = relay.accept()
        client.sendall(b"Welcome to the jungle\r\n" * 3)
        server = socket.create_connection(("127.0.0.1", sshd.port))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()
        link.up(1)
        flow(link, 2, MIB)
        link.quit()


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@test
def a_server_that_wants_no_keys_is_explained(bed):
    for options, pattern in (
            (("PubkeyAuthentication no", "PasswordAuthentication yes"),
             "it takes no keys for this account .*AuthenticationMethods.*accepts password"),
            (("AuthenticationMethods publickey,password", "PasswordAuthentication yes"),
             "id_ed25519: the server accepts this key, but wants more .*accepts password"),
            (("AuthenticationMethods keyboard-interactive:pam", "UsePAM yes"),
             "it takes no keys for this account .*accepts keyboard-interactive"),
    ):
        link = bed.link(bed.sshd(*options))
        link.expect("^status down .*why=the SSH server did not let root in; .*" + pattern)
        link.quit()
    # where two keys are asked for, two keys are shown
    second = keygen(bed.path("id_second"), "-t", "ed25519")
    bed.authorize(bed.identity, second)
    link = bed.link(bed.sshd("AuthenticationMethods publickey,publickey"),
                    identity=[bed.identity, second])
    link.up(1)


@test
def a_server_that_counts_keys_is_not_asked_at_once_again(bed):
    keys = [keygen(bed.path(f"id_many{i}"), "-t", "ed25519") for i in range(3)]
    link = bed.link(bed.sshd("MaxAuthTries 2"), identity=[*keys, bed.identity])
    wait = link.expect("^status down .*retry=([0-9]+) why=.*Too many authentication failures.*"
                       "name the right one in upstream.identity")
    if int(wait[1]) < 3000:
        raise Failure("would be shut out")


@test
def a_server_of_ipv6_alone_is_reached(bed):
    sshd = Sshd(bed, address="::1")
    bed.sshds.append(sshd)
    hosts = bed.path("hosts")
    with open(hosts, "w") as f:
        f.write("::1 six.test\n")
    for host in "::1", "six.test":
        known = bed.path("six")
        with open(known, "w") as f:
            f.write(f"[{host}]:{sshd.port} " + read(bed.host_key + ".pub"))
        link = bed.link(sshd, host=host, known_hosts=known, hosts_file=hosts)
        link.up(1)
        link.say("stream 1 up=1000 down=1000")
        link.expect("^stream 1 ok ")
        link.quit()


def deaf(address, family):
    """A listener whose queue is full: who connects hears nothing at all."""
    listener = socket.socket(family)
    listener.bind((address, 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    clients = []
    for _ in range(4):
        client = socket.socket(family)
        client.setblocking(False)
        client.connect_ex((address, port))
        clients.append(client)
    return port, listener, clients


@test
def a_dead_address_of_a_name_costs_little(bed):
    port, *held = deaf("::1", socket.AF_INET6)
    sshd = bed.sshd(port=port)
    hosts = bed.path("hosts")
    with open(hosts, "w") as f:
        f.write("::1 two.test\n127.0.0.1 two.test\n")
    known = bed.path("two")
    with open(known, "w") as f:
        f.write(f"[two.test]:{port} " + read(bed.host_key + ".pub"))
    # it is not waited for, however much time there is
    link = bed.link(sshd, host="two.test", known_hosts=known, hosts_file=hosts,
                    connect_timeout_ms=3600000)
    link.up(1)
    link.quit()
    sshd.stop()
    link = bed.link(sshd, host="two.test", known_hosts=known, hosts_file=hosts,
                    connect_timeout_ms=700)
    link.expect("^status down .*why=cannot connect to two.test: 127.0.0.1 port [0-9]+: "
                "Connection refused; ::1 port [0-9]+: no answer in time")
    del held


@test
def a_machine_that_slept_keeps_its_link(bed):
    link = bed.link(bed.sshd(), dead_after_ms=1000)
    link.up(1)
    link.say("raw 1 hold")
    link.expect("^stream 1 open")
    for awake in 0.7, 0.8, 0.9, 1.0:  # wherever it is between two probes
        time.sleep(awake)
        link.process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)
        link.process.send_signal(signal.SIGCONT)
    link.say("stream 2 up=100000 down=100000")
    link.expect("^stream 2 ok ")
    link.say("status")
    link.expect("^status up generation=1 ")


@test
def a_link_that_died_in_its_sleep_comes_back(bed):
    sshd = bed.sshd()
    link = bed.link(sshd, dead_after_ms=1500)
    link.up(1)
    link.process.send_signal(signal.SIGSTOP)
    frozen = sshd.children()
    sshd.signal_children(signal.SIGSTOP)
    time.sleep(2)
    link.process.send_signal(signal.SIGCONT)
    link.up(2)
    for pid in frozen:
        os.kill(pid, signal.SIGKILL)
