#!/usr/bin/env python3
"""What berth makes of ssh_config files is held against "ssh -G".

Usage: against_ssh.py RESOLVE [COUNT [SEED]]

Makes COUNT configurations, asks both about a host in each, and compares all
options that berth follows. What ssh refuses berth has to refuse; what berth
refuses and ssh does not has to be one of BERTH_REFUSES.
"""

import collections
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

FOLLOWED = """hostname user port identityfile certificatefile identitiesonly
identityagent userknownhostsfile globalknownhostsfile hostkeyalias
hostkeyalgorithms ciphers macs kexalgorithms connecttimeout
serveraliveinterval serveralivecountmax addressfamily bindaddress
tcpkeepalive stricthostkeychecking rekeylimit proxyjump""".split()
BERTH_REFUSES = (
    "ProxyCommand would run",
    "KnownHostsCommand would run",
    "Match exec would run",
    "RevokedHostKeys is not supported",
    "CanonicalizeHostname is not supported",
)
HOSTS = ["dockerhost", "db1.example.com", "DB1.example.com", "10.1.2.3", "bastion", "::1"]
PATTERNS = """* dockerhost docker* d?ckerhost db1.example.com *.example.com
DB1.* !dockerhost !bastion !*.com 10.1.2.* 10.1.?.3 ?? bastion other nothing*
real-* *::* ::1 *host ***t""".split()
LISTS = PATTERNS + ["docker*,bastion", "*,!dockerhost", "!*.com,*", "a,b,c", "*,", "REAL-*"]
VALUES = {
    "HostName": ["%h.example.com", "real-%h", "10.0.0.7", "Upper.Example.COM", "2001:db8::5"],
    "User": ["deploy", "root", "Ops", '"a b"'],
    "Port": ["22", "2222", "65535"],
    "IdentityFile": ["~/.ssh/id_one", "~/.ssh/id_%h_%r", "/keys/two", '"/keys/with blank"',
                     "none", "${HOME}/k", "'/keys/q'", r"/keys/b\ c", r"/keys/b\\c"],
    "CertificateFile": ["~/.ssh/one-cert.pub", "/keys/%n-cert.pub"],
    "IdentitiesOnly": ["yes", "no", "YES", "true", "False"],
    "IdentityAgent": ["none", "SSH_AUTH_SOCK", "$FOO_SOCK", "~/agent-%n.sock",
                      "/run/%u/%i/agent", "${HOME}/a", "/a/%d/%%/%p"],
    "UserKnownHostsFile": ["~/.ssh/kh", "none", "/kh/%h-%n-%p /kh/%r-%u-%i", "~/a ~/b",
                           '"/kh/a b" /kh/c', "/kh/%L-%l-%k", "/kh/${HOME}/x", "/kh/%%"],
    "GlobalKnownHostsFile": ["/etc/kh", "none", "/etc/a /etc/b"],
    "HostKeyAlias": ["Alias", "other.example"],
    "HostKeyAlgorithms": ["ssh-ed25519", "ssh-ed25519,rsa-sha2-512"],
    "Ciphers": ["aes128-ctr", "aes256-ctr,aes128-ctr"],
    "MACs": ["hmac-sha2-256", "hmac-sha2-512,hmac-sha2-256"],
    "KexAlgorithms": ["curve25519-sha256"],
    "ConnectTimeout": ["5", "1m30s", "none", "2H", "10S"],
    "ServerAliveInterval": ["15", "1m", "0"],
    "ServerAliveCountMax": ["2", "7"],
    "AddressFamily": ["any", "inet", "inet6", "INET"],
    "BindAddress": ["127.0.0.1", "10.9.9.9"],
    "TCPKeepAlive": ["yes", "no"],
    "StrictHostKeyChecking": ["yes", "no", "ask", "accept-new", "off"],
    "RekeyLimit": ["1G", "64K 1h", "default none", "512M", "default 30m", "100000"],
    "ProxyJump": ["hop", "ops@hop:2200", "a,b", "u@a:1,v@b:2,c", "none", "ssh://x@y:33", "NONE"],
}
# not BatchMode: Debian's ssh changes ServerAliveInterval with it
OTHERS = ["Compression yes", "ForwardAgent no", "LogLevel ERROR", "SendEnv LANG LC_*",
          "ControlMaster auto", "ControlPath ~/.ssh/cm-%C", "HashKnownHosts yes",
          "SetEnv A=b", "LocalForward 8080 localhost:80", "RequestTTY no",
          "CheckHostIP no", "GSSAPIAuthentication yes", "UpdateHostKeys yes"]
RARE = ["ProxyCommand none", "ProxyCommand nc %h %p", "KnownHostsCommand none",
        "KnownHostsCommand /bin/true %H", "RevokedHostKeys none", "CanonicalizeHostname no"]
BROKEN = ["Port 0", "Port 70000", "Port x", "Prot 22", "ConnectTimeout 3x", "User",
          'User "open', "Host", "Match", "Match host", "Match all user x", "AddressFamily 7",
          "StrictHostKeyChecking maybe", "ProxyJump a:b:c:d", "ProxyJump ,", "Match os linux",
          "IdentitiesOnly maybe", "User a b", "RekeyLimit 3", "Port", "Host a ''",
          "UserKnownHostsFile none /x", "ServerAliveCountMax many", "IdentityFile ''",
          "Ciphers", "ProxyJump a@", "IdentityAgent ${open"]


def dressed(rnd, keyword, value):
    """One option as people write them."""
    keyword = rnd.choice([keyword, keyword, keyword.lower(), keyword.upper()])
    gap = rnd.choice([" ", " ", "  ", "\t", "=", " = ", " =", "= "])
    end = rnd.choice(["", "", "", " ", "\t", "\r"])
    if rnd.random() < 0.05 and keyword.lower() != "proxyjump":
        end = " # why"
    return rnd.choice(["", "    ", "\t"]) + keyword + gap + value + end


def condition(rnd):
    words = []
    for _ in range(rnd.choice([1, 1, 2, 3])):
        kind = rnd.choice(["host", "originalhost", "user", "localuser", "final", "canonical"])
        no = rnd.choice(["", "", "!"])
        if kind == "final":
            words.append(kind)  # "!final" wants a second pass in old versions only
        elif kind == "canonical":
            words.append(no + kind)
        elif kind in ("user", "localuser"):
            words.append(f"{no}{kind} {rnd.choice(['deploy', 'root', '*', 'O*,!root', 'nobody'])}")
        else:
            words.append(f"{no}{kind}{rnd.choice([' ', ' ', '='])}{rnd.choice(LISTS)}")
    if rnd.random() < 0.2:
        words = [rnd.choice(["all", "!all"])]
    return "Match " + " ".join(words)


def block(rnd, folder, depth):
    lines = []
    what = rnd.random()
    if what < 0.55:
        lines.append("Host " + " ".join(rnd.sample(PATTERNS, rnd.choice([1, 1, 2, 3]))))
    elif what < 0.85:
        lines.append(condition(rnd))
    for _ in range(rnd.randint(0, 5)):
        keyword = rnd.choice(list(VALUES))
        lines.append(dressed(rnd, keyword, rnd.choice(VALUES[keyword])))
    if rnd.random() < 0.3:
        lines.append(rnd.choice(OTHERS))
    if rnd.random() < 0.1:
        lines.append(rnd.choice(RARE))
    if rnd.random() < 0.2:
        lines.append(rnd.choice(["", "# comment", "  \t", "#Host x"]))
    if depth < 3 and rnd.random() < 0.2:
        name = f"inc{depth}_{rnd.randrange(10**6)}"
        for i in range(rnd.choice([1, 1, 2])):
            write(os.path.join(folder, f"{name}.{i}"), text(rnd, folder, depth + 1))
        lines.append(f"Include {folder}/{name}.{rnd.choice(['*', '0', '[01]', 'no'])}")
    return lines


def text(rnd, folder, depth=0):
    lines = []
    for _ in range(rnd.randint(1, 4)):
        lines += block(rnd, folder, depth)
    return "\n".join(lines) + rnd.choice(["\n", "\n", ""])


def write(path, content):
    with open(path, "w") as f:
        f.write(content)
    os.chmod(path, 0o600)


def ask(*command):
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env=dict(os.environ, FOO_SOCK="/run/foo"), check=False)
    options = collections.defaultdict(list)
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        if key in FOLLOWED:
            options[key].append(value)
    return done.returncode, options, done.stderr.strip()


def tidy(options):
    """ssh writes numbers in brackets, and URLs without their scheme."""
    hops = options.get("proxyjump")
    if hops:
        options["proxyjump"] = [re.sub(r"[\[\]]|ssh://", "", hops[0])]
    return options


def compare(resolve, path, host, baseline):
    """What is wrong, or ""; and whether berth refused."""
    code, theirs, complaint = ask("ssh", "-G", "-F", path, host)
    ours_code, ours, why = ask(resolve, path, host)
    if code != 0:
        return ("" if ours_code else f"ssh refuses ({complaint}), berth does not"), "both"
    if ours_code:
        fine = why.startswith(path.rsplit("/", 1)[0]) and any(r in why for r in BERTH_REFUSES)
        return ("" if fine else f"berth refuses: {why}"), "berth"
    ours, theirs = tidy(ours), tidy(theirs)
    wrong = []
    for key in FOLLOWED:
        mine = ours.get(key, baseline.get(key, []))
        if mine != theirs.get(key, []):
            wrong.append(f"{key}: ssh {theirs.get(key)}, berth {mine}")
    return "; ".join(wrong), "none"


def one(resolve, root, seed, baseline):
    rnd = random.Random(seed)
    folder = os.path.join(root, str(seed))
    os.mkdir(folder)
    path = os.path.join(folder, "config")
    content = text(rnd, folder)
    if seed % 10 == 0:
        lines = content.splitlines()
        lines.insert(rnd.randint(0, len(lines)), rnd.choice(BROKEN))
        content = "\n".join(lines) + "\n"
    write(path, content)
    wrong, refused = compare(resolve, path, rnd.choice(HOSTS), baseline)
    return (f"seed {seed}: {wrong}\n{content}" if wrong else ""), refused


def main():
    resolve, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 340
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    if not shutil.which("ssh"):
        print("no ssh to hold it against")
        return 77
    root = tempfile.mkdtemp(prefix="berth-ssh-config-")
    try:
        empty = os.path.join(root, "empty")
        write(empty, "")
        baseline = ask("ssh", "-G", "-F", empty, "x")[1]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(
                lambda seed: one(resolve, root, seed, baseline), range(first, first + count)))
        for i, line in enumerate(BROKEN):
            path = os.path.join(root, f"broken{i}")
            write(path, f"User x\n{line}\n")
            wrong, refused = compare(resolve, path, "dockerhost", baseline)
            results.append((f"{line!r}: {wrong}" if wrong else "", refused))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    wrong = [text for text, _ in results if text]
    for text in wrong[:10]:
        print(text)
    tally = collections.Counter(refused for _, refused in results)
    print(f"{len(results)} configurations, {len(wrong)} differ; "
          f"{tally['both']} refused by both, {tally['berth']} by berth alone")
    enough = tally["none"] >= count / 2
    return 1 if wrong or not enough else 0


sys.exit(main())
