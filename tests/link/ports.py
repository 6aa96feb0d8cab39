"""Ports of the engine's host, over SSH connections of their own."""
import os
import re
import signal
import socket
import threading

from bed import Failure, read
from links import closed, connections, wait_for_links
from servers import deaf

KIB = 1 << 10
SILENT = "why=the port has not answered within 5000 ms"
tests = []


def test(function):
    tests.append(function)
    return function


class Echo:
    """A port that sends back what it gets, until EOF."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.server.settimeout(None)
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client = self.server.accept()[0]
            client.settimeout(None)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    @staticmethod
    def serve(client):
        with client:
            try:
                while data := client.recv(65536):
                    client.sendall(data)
            except OSError:
                pass


def silent(count=1):
    """Ports that nobody answers on, and what keeps them so."""
    held = [deaf("127.0.0.1", socket.AF_INET) for _ in range(count)]
    return [port for port, *_ in held], held


def open_port(link, stream, port, who=0):
    link.say(f"port {stream} {port} {who}")
    link.expect(f"^stream {stream} open")


def carries(link, stream, kib=200):
    """What is sent on an open one comes back, and both ends end cleanly."""
    link.say(f"send {stream} {kib * KIB}")
    link.say(f"shut {stream}")
    link.expect(f"^stream {stream} closed up={kib * KIB} down={kib * KIB} .*why=-")


def log_of(bed):
    return read(bed.path("driver.log"))[bed.log_from :]


def kill_all(connection):
    for pid in connection:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def others(sshd, known):
    """The connections that are not those in KNOWN."""
    pids = {connection[0] for connection in known}
    return [connection for connection in connections(sshd) if connection[0] not in pids]


@test
def a_silent_port_holds_up_neither_requests_nor_ports(bed):
    echo, ((port,), held) = Echo(), silent()
    for links in 1, 2:
        link = bed.link(bed.sshd(), links=links)
        wait_for_links(link, links)
        open_port(link, 1, echo.port)
        link.say(f"port 2 {port} 0")
        for i in range(3, 9):
            link.say(f"stream {i} up=100000 down=100000")
        link.expect("^stream . ok ", count=6)
        open_port(link, 10, echo.port)
        carries(link, 10)
        if closed(link):
            raise Failure(f"none of that was meanwhile: {closed(link)}")
        link.expect(f"^stream 2 closed up=0 down=0 pristine=1 {SILENT}")
        # what was open beside it goes on
        carries(link, 1)
        link.quit()
    del held


@test
def no_runner_holds_up_another(bed):
    echo, (ports, held) = Echo(), silent(9)
    link = bed.link(bed.sshd(), connect_timeout_ms=5000)
    link.up(1)
    # more of one runner than there may be links, and each port several times
    for i, port in enumerate(ports * 3):
        link.say(f"port {100 + i} {port} 1")
    open_port(link, 1, echo.port, who=2)
    for i in range(2, 9):
        open_port(link, i, echo.port, who=2)
    link.expect("^stream 1.. closed .*why=(the port has not answered|ports that do not)", count=27)
    for i in range(1, 9):
        carries(link, i)
    # half of the links for the one, and one more for the other
    if re.search("ports: a link for them to .*, [6-9] of at most 8", log_of(bed)):
        raise Failure("one runner has more than half of the links")
    del held


@test
def a_port_that_answers_late_is_used(bed):
    echo, (port, server, clients) = Echo(), deaf("127.0.0.1", socket.AF_INET)
    link = bed.link(bed.sshd())
    link.up(1)
    link.say(f"port 1 {port} 0")
    open_port(link, 2, echo.port)  # over another link, since that one waits
    accepted = []

    def accept():
        while True:
            accepted.append(server.accept()[0])

    server.settimeout(None)
    threading.Thread(target=accept, daemon=True).start()
    link.expect("^stream 1 open")
    link.say("close 1")
    open_port(link, 3, echo.port)
    for i in 2, 3:
        carries(link, i)
    del clients


@test
def a_lost_link_for_ports_is_made_again_and_no_request_notices(bed):
    echo, sshd = Echo(), bed.sshd()
    link = bed.link(sshd)
    link.up(1)
    link.say("raw 1 hold")
    link.expect("^stream 1 open")
    before = connections(sshd)
    open_port(link, 2, echo.port)
    for connection in others(sshd, before):
        kill_all(connection)
    link.expect("^stream 2 closed .*why=.*SSH")
    open_port(link, 3, echo.port)
    carries(link, 3)
    if wait_for_links(link, 1) != 1 or closed(link):
        raise Failure("the loss was taken for that of the link for requests")


@test
def ports_outlive_the_link_for_requests_and_are_compared_anew(bed):
    echo, sshd = Echo(), bed.sshd()
    link = bed.link(sshd)
    link.up(1)
    main = connections(sshd)
    open_port(link, 1, echo.port)
    its_own = others(sshd, main)
    for connection in main:
        kill_all(connection)
    link.up(2)
    open_port(link, 2, echo.port)
    if log_of(bed).count("link: up to") != 3:
        raise Failure("there is another link for ports, to the same engine")
    carries(link, 1)
    carries(link, 2)
    # now requests go to another one
    open_port(link, 3, echo.port)
    with open(bed.socket + ".ids", "w") as f:
        f.write("two\n")
    for connection in others(sshd, main + its_own):
        kill_all(connection)
    link.up(3)
    link.say(f"port 4 {echo.port} 0")
    link.expect("^stream 3 closed .*why=another engine answers .one. than .*two")
    link.expect("^stream 4 open")
    carries(link, 4)


@test
def ports_of_another_engine_are_not_reached(bed):
    echo = Echo()
    with open(bed.socket + ".ids", "w") as f:
        f.write("one\ntwo\n")
    link = bed.link(bed.sshd())
    link.up(1)
    # over the link for requests, which leads to the right one
    open_port(link, 1, echo.port)
    carries(link, 1)
    bed.wait_for_log("another engine answers .two. than the one that requests go to .one.", 2)
    bed.wait_for_log("ports: no connection of their own leads to the engine")
    open_port(link, 2, echo.port)
    carries(link, 2)
    if "a link for them" in log_of(bed):
        raise Failure("a link to another engine takes ports")


@test
def an_engine_that_tells_no_id_has_its_ports_with_requests(bed):
    echo = Echo()
    with open(bed.socket + ".ids", "w") as f:
        f.write("\n")
    link = bed.link(bed.sshd())
    link.up(1)
    open_port(link, 1, echo.port)
    carries(link, 1)
    if log_of(bed).count("link: up to") != 1:
        raise Failure("a link for ports to who knows where")


@test
def a_refused_port_says_so(bed):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        link = bed.link(bed.sshd())
        link.up(1)
        link.say(f"port 1 {s.getsockname()[1]} 0")
        link.expect("^stream 1 closed .*why=the SSH server opened no way to the port")


@test
def an_upstream_may_be_freed_while_ports_are_opened(bed):
    echo, ((port,), held) = Echo(), silent()
    link = bed.link(bed.sshd())
    link.up(1)
    open_port(link, 1, echo.port)
    link.say(f"port 2 {port} 0")
    link.say(f"port 3 {port} 0")
    link.say("suicide 4")
    link.expect("^stream [123] .*why=.*shut", count=3)
    link.quit()
    del held
