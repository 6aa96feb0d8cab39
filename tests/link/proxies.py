"""The SSH link through proxies; run.py runs these, too."""

import base64
import os
import socket
import struct
import threading

from bed import Failure, free_port
from jumps import MIB, At, flow, walk

tests = []


def test(function):
    tests.append(function)
    return function


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


class Proxy:
    """One that knows CONNECT or SOCKS5; NAMES is what it alone can look up.
    ANSWER, if given, is all that it says."""

    def __init__(self, kind, login=None, names=None, answer=None, family=socket.AF_INET):
        self.kind, self.login, self.names, self.answer = kind, login, names or {}, answer
        self.asked = []
        address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self.listener = socket.create_server((address, 0), family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        try:
            if self.answer is not None:
                client.recv(1024)
                client.sendall(self.answer)
                if self.answer:
                    client.recv(1024)
                client.close()
            elif self.kind == "http":
                self.connect_http(client)
            else:
                self.connect_socks(client)
        except (OSError, IndexError, ValueError):  # it was left in mid-sentence
            client.close()

    def connect(self, client, host, port, yes, no):
        self.asked.append((host, port))
        host = self.names.get(host, host)
        try:
            server = socket.create_connection((host, port), 5)
        except OSError:
            client.sendall(no)
            client.close()
            return
        server.settimeout(None)
        # the host's first words right behind the answer, in one piece
        client.sendall(yes + server.recv(1024))
        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)

    def connect_http(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        lines = head.decode().split("\r\n")
        if self.login:
            want = "Proxy-Authorization: Basic " + base64.b64encode(self.login.encode()).decode()
            if want not in lines:
                client.sendall(b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\n\r\n")
                client.close()
                return
        host, _, port = lines[0].split()[1].rpartition(":")
        self.connect(client, host.strip("[]"), int(port),
                     b"HTTP/1.1 200 Connected\r\nVia: test\r\n\r\n",
                     b"HTTP/1.1 502 Cannot get there\r\n\r\n")

    def connect_socks(self, client):
        stream = client.makefile("rb")
        _, count = stream.read(2)
        method = 2 if self.login else 0
        if method not in stream.read(count):
            client.sendall(b"\x05\xff")
            client.close()
            return
        client.sendall(bytes([5, method]))
        if self.login:
            _, n = stream.read(2)
            said = stream.read(n).decode() + ":" + stream.read(stream.read(1)[0]).decode()
            client.sendall(bytes([1, said != self.login]))
        kind = stream.read(4)[3]
        if kind == 3:
            host = stream.read(stream.read(1)[0]).decode()
        else:
            host = socket.inet_ntop(*((socket.AF_INET, stream.read(4)) if kind == 1
                                      else (socket.AF_INET6, stream.read(16))))
        port = struct.unpack(">H", stream.read(2))[0]
        self.connect(client, host, port, b"\x05\x00\x00\x01\0\0\0\0\0\0",
                     b"\x05\x05\x00\x01\0\0\0\0\0\0")


def words(proxy, host="127.0.0.1", credentials=None):
    more = {"proxy": proxy.kind, "proxy_host": host, "proxy_port": proxy.port}
    if credentials:
        more["proxy_credentials"] = credentials
    return more


def credentials(bed, text):
    path = bed.path("credentials")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    return path


def known_as(bed, sshd, name):
    path = bed.known_hosts(sshd.port, name="known_by_name")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace("127.0.0.1", name))
    return path


@test
def both_kinds_of_proxies_are_gone_through(bed):
    sshd = bed.sshd("RekeyLimit 2M")
    known = known_as(bed, sshd, "engine.nowhere")
    for kind in "http", "socks5":
        for login in None, "me:pass:word":
            proxy = Proxy(kind, login, {"engine.nowhere": "127.0.0.1"})
            link = bed.link(sshd, host="engine.nowhere", known_hosts=known,
                            **words(proxy, credentials=login and credentials(bed, login + "\n")))
            link.up(1)
            flow(link, 2, 4 * MIB)
            link.quit()
            # the name went there as it is: nobody looks it up here
            if proxy.asked != [("engine.nowhere", sshd.port)]:
                raise Failure(f"asked for {proxy.asked}")


@test
def addresses_go_to_a_proxy_as_they_are(bed):
    sshd = bed.sshd()
    for kind in "http", "socks5":
        proxy = Proxy(kind, names={"fd00::7": "127.0.0.1"}, family=socket.AF_INET6)
        link = bed.link(sshd, host="fd00::7", known_hosts=known_as(bed, sshd, "fd00::7"),
                        **words(proxy, "::1"))
        link.up(1)
        link.quit()


@test
def a_proxy_is_before_the_first_jump_host(bed):
    bastion, sshd = bed.sshd(), bed.sshd()
    proxy = Proxy("socks5")
    hop = bed.hop(At(bastion, host="127.0.0.1"))
    link = bed.link(sshd, hops=[hop + [f"{k}={v}" for k, v in words(proxy).items()]])
    link.up(1)
    flow(link, 2, MIB)
    if proxy.asked != [("127.0.0.1", bastion.port)]:
        raise Failure(f"asked for {proxy.asked}")


@test
def what_a_proxy_refuses_names_the_step(bed):
    sshd = bed.sshd()
    nobody = free_port()
    for kind in "http", "socks5":
        for proxy, credential, pattern in (
                (Proxy(kind, "me:pw"), None, "it wants a user name and a password; name a file"),
                (Proxy(kind, "me:pw"), "me:other", "it does not accept the user name"),
                (Proxy(kind), "nobody", "is not USER:PASSWORD"),
                (Proxy(kind, answer=b"SSH-2.0-x\r\n"), None, "is no (HTTP|SOCKS5); is it a proxy"),
                (Proxy(kind, answer=b""), None, "it closed the connection before"),
        ):
            link = bed.link(sshd, **words(proxy, credentials=credential
                                          and credentials(bed, credential)))
            link.expect(f"^status down .*why=proxy 127.0.0.1 port {proxy.port}: .*{pattern}")
            link.quit()
        proxy = Proxy(kind)
        link = bed.link(At(port=nobody, host="127.0.0.1"), **words(proxy))
        link.expect(f"^status down .*why=proxy .*did not connect to 127.0.0.1:{nobody}: ")
        link.quit()
        proxy.port = nobody
        link = bed.link(sshd, **words(proxy))
        link.expect("^status down .*why=proxy .*cannot connect to it: .*refused")
        link.quit()
        silent = socket.create_server(("127.0.0.1", 0))
        proxy.port = silent.getsockname()[1]
        link = bed.link(sshd, connect_timeout_ms=300, **words(proxy))
        link.expect("^status down .*why=no SSH login .*proxy")
        link.quit()
        silent.close()
    os.chmod(credentials(bed, "me:pw"), 0o644)
    link = bed.link(sshd, **words(Proxy("http"), credentials=bed.path("credentials")))
    link.expect("^status down .*others may read this file .*chmod 600")


@test
def a_link_behind_a_proxy_comes_back(bed):
    sshd = bed.sshd()
    proxy = Proxy("http")
    link = bed.link(sshd, **words(proxy))
    link.up(1)
    sshd.signal_children(9)
    link.up(2)
    flow(link, 1, MIB)


@test
def a_proxy_is_walked(bed):
    sshd, bastion = bed.sshd(), bed.sshd()
    known = bed.path("known")
    with open(bed.host_key + ".pub") as key, open(known, "w") as f:
        f.write("* " + key.read())
    config = (f"Host dockerhost\n HostName 127.0.0.1\n Port {sshd.port}\n ProxyCommand nc %h %p\n"
              f"Host behind\n HostName 127.0.0.1\n Port {sshd.port}\n ProxyJump bastion\n"
              f"Host bastion\n HostName 127.0.0.1\n Port {bastion.port}\n"
              f"Host *\n User root\n IdentityFile {bed.identity}\n UserKnownHostsFile {known}\n")
    proxy = Proxy("http")
    at = f"http://127.0.0.1:{proxy.port}"
    for name, env, upstream, first in (
            ("dockerhost", {}, {"proxy": at}, sshd), ("behind", {}, {"proxy": at}, bastion),
    ):
        said = walk(bed, config, name, upstream, env)
        for line in ("ok    name      proxy 127.0.0.1",
                     f"ok    proxy     port {proxy.port}, and it lets us in",
                     f"port {first.port}, as the proxy says",
                     f"ok    channel   to {bed.socket}"):
            if line not in said:
                raise Failure(f"no {line!r} in:\n{said}")
    bastion.stop()
    said = walk(bed, config, "behind", {"proxy": at})
    if "ok    proxy " not in said or "FAIL  TCP       jump host 127.0.0.1: proxy 127.0.0.1" not in said:
        raise Failure(said)
    denied = Proxy("http", "me:pw")
    said = walk(bed, config, "behind", {"proxy": f"http://127.0.0.1:{denied.port}"})
    if "FAIL  proxy     jump host 127.0.0.1: proxy 127.0.0.1" not in said \
            or "wants a user name" not in said:
        raise Failure(said)
    away = config.replace("HostName 127.0.0.1", "HostName engine.nowhere", 1)
    proxy.names = {"engine.nowhere": "127.0.0.1"}
    asked = {"proxy": {"environment": True}}
    away = away.replace(" ProxyCommand nc %h %p\n", "")
    for env, line in (({"ALL_PROXY": at}, f"ok    channel   to {bed.socket}"),
                      ({"all_proxy": at, "NO_PROXY": "a,nowhere"}, "FAIL  name      engine.nowhere"),
                      ({"ALL_PROXY": "squid:1"}, "$ALL_PROXY has no scheme")):
        said = walk(bed, away, "dockerhost", asked, env)
        if line not in said:
            raise Failure(f"{env}: {said}")
    said = walk(bed, config, "dockerhost", {})
    if "upstream.proxy for a proxy" not in said:
        raise Failure(said)
