"""The keys that people hold, and the agents that hold them; run.py runs these,
too."""

import base64
import hashlib
import os
import socket
import struct
import subprocess
import threading
import time

from bed import Failure, keygen, read

tests = []


def test(function):
    tests.append(function)
    return function


def string(data):
    return struct.pack(">I", len(data)) + data


class Agent:
    """An agent (draft-ietf-sshm-ssh-agent) with one key of a FIDO token, which
    is a file here (openssh PROTOCOL.u2f); it answers after DELAY seconds, once
    GO is set, or says no if REFUSES."""

    KIND = b"sk-ssh-ed25519@openssh.com"

    def __init__(self, bed, delay=0, refuses=False):
        self.path = bed.path("token.sock")
        self.pem = bed.path("token.pem")
        self.delay, self.refuses = delay, refuses
        self.go = threading.Event()
        self.go.set()
        self.asked = 0
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.pem],
                       check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.pem, "-pubout", "-outform", "DER"],
                             check=True, capture_output=True).stdout
        self.blob = string(self.KIND) + string(der[-32:]) + string(b"ssh:")
        self.public = bed.path("id_token.pub")
        with open(self.public, "w") as f:
            f.write(f"{self.KIND.decode()} {base64.b64encode(self.blob).decode()} token\n")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        stream = client.makefile("rb")
        try:
            while head := stream.read(4):
                body = stream.read(struct.unpack(">I", head)[0])
                client.sendall(string(self.answer(body)))
        except OSError:
            pass  # nobody waits for it any more

    def answer(self, body):
        if body[0] == 11:
            return b"\x0c" + struct.pack(">I", 1) + string(self.blob) + string(b"a token")
        self.asked += 1
        self.go.wait()
        time.sleep(self.delay)
        if self.refuses:
            return b"\x05"
        length = struct.unpack(">I", body[1:5])[0]
        rest = body[5 + length:]
        data = rest[4:4 + struct.unpack(">I", rest[:4])[0]]
        tail = b"\x01" + struct.pack(">I", self.asked)  # somebody touched it
        signed = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(data).digest()
        with open(self.pem + ".data", "wb") as f:
            f.write(signed)
        signature = subprocess.run(
            ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.pem, "-in", self.pem + ".data"],
            check=True, capture_output=True).stdout
        return b"\x0e" + string(string(self.KIND) + string(signature) + tail)


def is_old(link):
    link.say("version")
    return link.expect("^version (.*)")[1].startswith("1.10")


def authorize(bed, public):
    with open(bed.authorized, "w") as f:
        f.write(read(public))


@test
def a_key_of_a_token_logs_in_through_an_agent(bed):
    sshd = bed.sshd()
    agent = Agent(bed, delay=0.5)
    authorize(bed, agent.public)
    link = bed.link(sshd, identity=agent.public, agent=1, agent_socket=agent.path)
    if is_old(link):
        link.expect("^status down .*why=.*tried ssh-agent's key a token: is of a FIDO token, "
                    "which libssh2 before 1.11 cannot")
        if agent.asked:
            raise Failure("somebody was asked in vain")
        return
    link.up(1)
    link.say("stream 1 up=1000 down=1000")
    link.expect("^stream 1 ok ")
    link.quit()
    agent.refuses = True
    link = bed.link(sshd, identity=agent.public, agent=1, agent_socket=agent.path)
    link.expect("^status down .*why=.*a token: the agent did not sign with it")
    link.quit()
    agent.refuses = False
    agent.go.clear()
    link = bed.link(sshd, identity=agent.public, agent=1, agent_socket=agent.path,
                    connect_timeout_ms=1500)
    wait = link.expect("^status down .*retry=([0-9]+) why=no SSH login .*the agent was asked to "
                       "sign; .*connect_timeout")
    agent.go.set()
    if int(wait[1]) < 3000:
        raise Failure("asks again at once")


@test
def an_agent_that_asks_somebody_is_waited_for(bed):
    """ssh-add -c: a question for each signature, by SSH_ASKPASS."""
    sshd = bed.sshd()
    ask = bed.path("ask")
    env = {"SSH_AUTH_SOCK": bed.path("asking.sock"), "SSH_ASKPASS": ask,
           "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", env["SSH_AUTH_SOCK"]],
                             stdout=subprocess.DEVNULL, env=dict(os.environ, **env))
    try:
        while not os.path.exists(env["SSH_AUTH_SOCK"]):
            time.sleep(0.01)
        subprocess.run(["ssh-add", "-q", "-c", bed.identity], env=dict(os.environ, **env),
                       check=True, capture_output=True)
        for answer, pattern in (("0", "^status up"),
                                ("1", "^status down .*why=.*did not sign with it")):
            with open(ask, "w") as f:
                f.write(f"#!/bin/sh\nsleep 0.7\nexit {answer}\n")
            os.chmod(ask, 0o755)
            link = bed.link(sshd, env, identity=False, agent=1)
            link.say("status")  # the loop is free meanwhile
            link.expect("^status down", patience=0.6)
            link.expect(pattern)
            link.quit()
    finally:
        agent.terminate()
        agent.wait()


@test
def keys_that_cannot_be_read_are_named(bed):
    sshd = bed.sshd()
    none = string(b"none")
    token = (b"openssh-key-v1\0" + none + none + string(b"") + struct.pack(">I", 1)
             + string(Agent(bed).blob) + string(bytes(64)))
    texts = {
        "putty": ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "puttygen"),
        "public": (read(bed.identity + ".pub"), "it is a public key; name the private one"),
        "token": ("-----BEGIN OPENSSH PRIVATE KEY-----\n"
                  + base64.encodebytes(token).decode() + "-----END OPENSSH PRIVATE KEY-----\n",
                  "FIDO token, which berth reaches through an agent only"),
        "dsa": ("-----BEGIN DSA PRIVATE KEY-----\nMIIB\n-----END DSA PRIVATE KEY-----\n",
                "do not accept DSA keys"),
        "nothing": ("hello\n", "cannot be read: not a key"),
    }
    for name, (text, pattern) in texts.items():
        path = bed.path("id_" + name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)
        link = bed.link(sshd, identity=path)
        link.expect(f"^status down .*why=.*id_{name}: .*{pattern}")
        link.quit()


@test
def encrypted_keys_come_in_many_forms(bed):
    sshd = bed.sshd()
    phrase = bed.path("phrase")
    with open(phrase, "w") as f:
        f.write("open sesame\n")
    os.chmod(phrase, 0o600)
    wrong = bed.path("wrong")
    with open(wrong, "w") as f:
        f.write("close sesame\n")
    os.chmod(wrong, 0o600)
    forms = [("ed25519", "-Z", "aes128-cbc"), ("ecdsa", "-m", "PKCS8")]
    for kind, *args in [*forms, ("rsa", "-m", "PEM"), ("rsa", "-m", "PKCS8")]:
        key = keygen(bed.path("id_" + "_".join([kind, *args])), "-t", kind, *args,
                     passphrase="open sesame")
        bed.authorize(key)
        link = bed.link(sshd, identity=key, passphrase_file=phrase)
        if kind == "rsa" and is_old(link):
            link.expect("^status down .*why=.*(signs with RSA|does not accept this key)")
        else:
            link.up(1)
        link.quit()
        link = bed.link(sshd, identity=key, passphrase_file=wrong)
        link.expect("^status down .*why=.*(cannot be read: not a key, or another passphrase|PEM)")
        link.quit()
    # libssh2 1.10 has none of the ciphers that authenticate themselves
    sealed = keygen(bed.path("id_sealed"), "-t", "ed25519", "-Z", "aes256-gcm@openssh.com",
                    passphrase="open sesame")
    bed.authorize(sealed)
    link = bed.link(sshd, identity=sealed, passphrase_file=phrase)
    line = link.expect("^status (up|down .*id_sealed: it is encrypted with a cipher that libssh2 "
                       "does not have; .*aes256-ctr)")[0]
    if is_old(link) == line.startswith("status up"):
        raise Failure(line)
