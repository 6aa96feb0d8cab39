"""Configurations of ssh as people have them: each makes "dockerhost" an engine's
host behind two bastions, all of which are in network namespaces of their own, so
that there is no other way. run.py runs these, too."""

import concurrent.futures
import json
import os
import subprocess
import time

from bed import PATIENCE, Failure, read

tests = []

# A, B and C are the addresses of the outer bastion, the inner one, and the
# engine's host, DIR is a home with ".ssh"; all let root in, at 22 and 2222.
CHAIN = "Host inner\n HostName {B}\n ProxyJump outer\nHost outer\n HostName {A}\n"
CONFIGURATIONS = {
    "each host names the one before": "Host dockerhost\n HostName {C}\n ProxyJump inner\n" + CHAIN,
    "a list": "Host dockerhost\n HostName {C}\n ProxyJump {A},{B}\n",
    "a list with users and ports":
        "Host dockerhost\n HostName {C}\n ProxyJump root@{A}:2222,ssh://root@{B}:22\n",
    "aliases in a list": "Host dockerhost\n HostName {C}\n ProxyJump outer,in\n"
                         "Host outer\n HostName {A}\nHost in\n HostName {B}\n ProxyJump none\n",
    "all but the bastion go through it":
        "Host * !outer !inner\n ProxyJump inner\nHost dockerhost\n HostName {C}\n" + CHAIN,
    "a bastion that stops the circle":
        "Host outer\n HostName {A}\n ProxyJump none\nHost inner\n HostName {B}\n ProxyJump outer\n"
        "Host dockerhost\n HostName {C}\nHost *\n ProxyJump inner\n",
    "patterns": "Host docker*\n ProxyJump inner\nHost *host\n HostName {C}\n" + CHAIN,
    "several names": "Host dh dockerhost docker\n HostName {C}\n ProxyJump inner\n" + CHAIN,
    "Match host": "Host dockerhost\n HostName {C}\nMatch host {C}\n ProxyJump inner\n" + CHAIN,
    "Match originalhost": "Match originalhost dockerhost\n HostName {C}\n ProxyJump inner\n" + CHAIN,
    "Match final": "Host dockerhost\n HostName {C}\n ProxyJump inner\n" + CHAIN
                   + "Match final host {C}\n Port 2222\n",
    "Match user and all": "Match user root originalhost dockerhost\n HostName {C}\n"
                          " ProxyJump inner\n" + CHAIN + "Match all\n Compression yes\n",
    "another port": "Host dockerhost\n HostName {C}\n Port 2222\n ProxyJump inner\n" + CHAIN,
    "the first value wins": "Host dockerhost\n Port 22\n Port 9\n HostName {C}\n HostName nowhere\n"
                            " ProxyJump inner\n ProxyJump nowhere\n" + CHAIN,
    "included files": "Include {DIR}/.ssh/conf.d/*\n",
    "an included file in a block": "Host dockerhost\n Include {DIR}/.ssh/dockerhost\n" + CHAIN,
    "equals signs and quotes": 'Host="dockerhost"\nHostName="{C}"\nProxyJump = inner\n' + CHAIN,
    "capitals, tabs, comments": "# mine\nHOST dockerhost # here\n\thostname\t{C}\n\tPROXYJUMP inner\n"
                                "\n   # and\n" + CHAIN,
    "keys by token": "Host *\n IdentityFile %d/.ssh/keys/%r\nHost dockerhost\n HostName {C}\n"
                     " ProxyJump inner\n" + CHAIN,
    "keys by host": "Host dockerhost\n HostName {C}\n ProxyJump inner\n"
                    " IdentityFile {DIR}/.ssh/keys/%n\n" + CHAIN,
    "keys by variable": "Host *\n IdentityFile ${{KEYS}}/root\nHost dockerhost\n HostName {C}\n"
                        " ProxyJump inner\n" + CHAIN,
    "several keys, some of them missing":
        "Host dockerhost\n HostName {C}\n ProxyJump inner\n IdentityFile {DIR}/.ssh/none\n" + CHAIN,
    "no agent": "Host *\n IdentityAgent none\n IdentitiesOnly yes\nHost dockerhost\n HostName {C}\n"
                " ProxyJump inner\n" + CHAIN,
    "a host key under another name": "Host dockerhost\n HostName {C}\n HostKeyAlias the-engine\n"
                                     " ProxyJump inner\n" + CHAIN,
    "algorithms": "Host *\n Ciphers aes256-ctr,aes128-ctr\n MACs hmac-sha2-512,hmac-sha2-256\n"
                  " KexAlgorithms +diffie-hellman-group14-sha1\n HostKeyAlgorithms ssh-ed25519\n"
                  "Host dockerhost\n HostName {C}\n ProxyJump inner\n" + CHAIN,
    "times and addresses": "Host *\n AddressFamily inet\n ConnectTimeout 20\n TCPKeepAlive yes\n"
                           " ServerAliveInterval 60\n ServerAliveCountMax 3\n"
                           "Host dockerhost\n HostName {C}\n ProxyJump inner\n" + CHAIN,
    "connections that are shared": "Host *\n ControlMaster auto\n ControlPath ~/.ssh/cm-%r@%h:%p\n"
                                   " ControlPersist 10m\nHost dockerhost\n HostName {C}\n"
                                   " ProxyJump inner\n" + CHAIN,
    "what a Mac writes": "IgnoreUnknown UseKeychain,AddKeysToAgent\nHost *\n UseKeychain yes\n"
                         " AddKeysToAgent yes\nHost dockerhost\n HostName {C}\n ProxyJump inner\n"
                         + CHAIN,
    "what a cloud writes": "Host i-* mi-*\n ProxyCommand sh -c \"aws ssm start-session --target %h\"\n"
                           "Host dockerhost\n HostName {C}\n ProxyJump inner\n" + CHAIN,
    "what Vagrant writes": "Host dockerhost\n HostName {C}\n User root\n Port 22\n"
                           " StrictHostKeyChecking yes\n PasswordAuthentication no\n"
                           " IdentitiesOnly yes\n LogLevel FATAL\n ForwardAgent yes\n"
                           " ProxyJump inner\n" + CHAIN,
    "forwardings and environment": "Host dockerhost\n HostName {C}\n LocalForward 8080 localhost:80\n"
                                   " RemoteForward 2000 localhost:2000\n SendEnv LANG LC_*\n"
                                   " RequestTTY no\n ExitOnForwardFailure yes\n ProxyJump inner\n"
                                   + CHAIN,
}
USUAL = "Host *\n User root\n UserKnownHostsFile {DIR}/.ssh/known_hosts\n IdentityFile {DIR}/.ssh/id\n"


def test(function):
    tests.append(function)
    return function


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Row:
    """Three network namespaces, each next to the one before."""

    def __init__(self, bed):
        self.bed = bed
        self.names, self.addresses, self.processes = [], [], []
        number = os.getpid() % 8192  # 198.18.0.0/15 is for tests: RFC 2544
        base = f"198.{18 + number // 4096}.{number // 16 % 256}."
        first = number % 16 * 16
        before = None
        for i in range(3):
            name = f"berth-{os.getpid()}-{i}"
            ip("netns", "add", name)
            self.names.append(name)
            ours, theirs = f"b{os.getpid()}o{i}", f"b{os.getpid()}i{i}"
            ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
            where = [] if before is None else ["-n", before]
            if before:
                ip("link", "set", ours, "netns", before)
            ip(*where, "addr", "add", f"{base}{first + 4 * i + 1}/30", "dev", ours)
            ip(*where, "link", "set", ours, "up")
            self.addresses.append(f"{base}{first + 4 * i + 2}")
            ip("-n", name, "addr", "add", f"{self.addresses[i]}/30", "dev", theirs)
            ip("-n", name, "link", "set", theirs, "up")
            ip("-n", name, "link", "set", "lo", "up")
            self.start_sshd(i)
            before = name

    def start_sshd(self, i):
        log = self.bed.path(f"sshd{i}.log")
        config = self.bed.path(f"sshd{i}")
        with open(config, "w") as f:
            f.write("Port 22\nPort 2222\n"
                    f"HostKey {self.bed.host_key}\nAuthorizedKeysFile {self.bed.authorized}\n"
                    "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n"
                    "MaxStartups 100\n")
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        with open(log, "w") as f:
            self.processes.append(subprocess.Popen(
                ["ip", "netns", "exec", self.names[i], "/usr/sbin/sshd", "-D", "-e", "-f", config],
                stdin=subprocess.DEVNULL, stdout=f, stderr=f))
        end = time.monotonic() + PATIENCE
        while read(log).count("Server listening") < 4 and time.monotonic() < end:
            time.sleep(0.02)

    def close(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def furnish(bed, row):
    """A home with what the configurations name."""
    ssh = bed.path(".ssh")
    os.makedirs(ssh + "/keys")
    os.makedirs(ssh + "/conf.d")
    words = dict(zip("ABC", row.addresses), DIR=bed.dir)
    key = read(bed.host_key + ".pub")
    files = {"known_hosts": "".join(f"{name},[{name}]:2222 {key}" for name in row.addresses)
                            + "the-engine " + key,
             "conf.d/one": "Host dockerhost\n HostName {C}\n ProxyJump inner\n".format(**words),
             "conf.d/two": CHAIN.format(**words),
             "dockerhost": "HostName {C}\nProxyJump inner\n".format(**words)}
    for name in "id", "keys/root", "keys/dockerhost":
        files[name] = read(bed.identity)
    for name, text in files.items():
        with open(os.open(f"{ssh}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(text)
    return words


def connect(bed, number, text, words):
    config, policy = bed.path(f"config{number}"), bed.path(f"policy{number}.json")
    with open(config, "w") as f:
        f.write((text + USUAL).format(**words))
    with open(policy, "w") as f:
        json.dump({"version": 1, "namespace": "r1", "upstream": {
            "url": f"ssh://dockerhost{bed.socket}", "ssh_config": config, "channel": "forward",
            "agent": False, "connect_timeout": "60s"}}, f)
    # %d and ~ are the account's own home
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         f"mount --bind {bed.path('passwd')} /etc/passwd && exec \"$@\"", "sh",
         bed.build + "/../../proxy/berth", "check", "--connect", policy],
        capture_output=True, text=True, check=False,
        env=dict(os.environ, KEYS=bed.path(".ssh/keys"), USER="root", HOME=bed.dir))
    return done.stdout + done.stderr


@test
def configurations_of_real_life_lead_to_the_engine(bed):
    if not os.path.exists("/usr/sbin/ip") and not os.path.exists("/sbin/ip"):
        raise Failure("needs ip (iproute2)")
    with open(bed.path("passwd"), "w") as f:
        f.write(f"root:x:0:0:root:{bed.dir}:/bin/sh\nsshd:x:65533:65534::/run/sshd:/bin/false\n")
    row = Row(bed)
    try:
        words = furnish(bed, row)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            said = pool.map(lambda item: connect(bed, item[0], item[1], words),
                            enumerate(CONFIGURATIONS.values()))
        for name, text in zip(CONFIGURATIONS, said):
            for line in (f"ok    TCP       jump host {words['A']}: port ",
                         f"ok    login     jump host {words['B']}: as root",
                         "ok    host key  is the one that is trusted",
                         f"ok    channel   to {bed.socket}"):
                if line not in text:
                    raise Failure(f"{name}: no {line!r} in:\n{text}")
    finally:
        row.close()
