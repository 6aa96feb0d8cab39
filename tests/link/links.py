"""Several SSH links to one host."""
import os
import signal
import socket
import subprocess
import time

from bed import PATIENCE, Failure, read
from jumps import At

MIB = 1 << 20
tests = []


def test(function):
    tests.append(function)
    return function


def connections(sshd):
    """The processes of each: an sshd of today has several for one."""
    ps = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True)
    below = {}
    for line in ps.stdout.splitlines():
        pid, parent = map(int, line.split())
        below.setdefault(parent, []).append(pid)
    return [[pid, *below.get(pid, [])] for pid in below.get(sshd.process.pid, [])]


def wait_for_links(link, count):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        link.stat()  # what was said before is old
        link.seen = [line for line in link.seen if not line.startswith("status")]
        link.say("status")
        status = link.expect(r"^status (up|down) generation=(\d+) links=(\d+)")
        if int(status[3]) == count:
            return int(status[2])
        time.sleep(0.05)
    raise Failure(f"there are {status[3]} links, not {count}")


def closed(link):
    """The streams that were told so by now."""
    link.stat()
    return [line for line in link.seen if " closed " in line]


@test
def streams_are_spread_over_links_and_keep_every_byte(bed):
    link = bed.link(bed.sshd("RekeyLimit 1M"), links=4)
    wait_for_links(link, 4)
    for i in range(12):
        link.say(f"stream {i} up={8 * MIB + i} down={8 * MIB + 7 * i}")
    link.expect("^stream [0-9]+ ok ", count=12)


@test
def a_lost_link_takes_its_own_streams_along_and_no_others(bed):
    sshd = bed.sshd()
    link = bed.link(sshd, links=3)
    wait_for_links(link, 3)
    for i in range(9):
        link.say(f"raw {i} hold")
    link.expect("^stream . open", count=9)
    served = connections(sshd)
    if len(served) != 3:
        raise Failure(f"{len(served)} connections for 3 links")
    for pid in served[1]:
        os.kill(pid, signal.SIGKILL)
    link.expect("^stream . closed .*why=.*SSH", count=3)
    # the others go on, nothing is asked anew, and it comes back
    if wait_for_links(link, 3) != 1:
        raise Failure("one lost link was taken for the loss of all")
    if closed(link):
        raise Failure(f"streams of other links were closed: {closed(link)}")
    link.say("stream 20 up=1000 down=1000")
    link.expect("^stream 20 ok ")


@test
def what_waits_on_a_dead_link_goes_to_another(bed):
    sshd = bed.sshd()
    link = bed.link(sshd, links=2, dead_after_ms=1500)
    wait_for_links(link, 2)
    frozen = sshd.children()[0]
    os.kill(frozen, signal.SIGSTOP)
    try:
        for i in range(8):
            link.say(f"stream {i} up=1000 down=1000")
        # half of them were to be opened on the frozen one
        link.expect("^stream . ok ", count=8)
    finally:
        os.kill(frozen, signal.SIGKILL)


@test
def all_links_come_back_after_all_were_lost(bed):
    sshd = bed.sshd()
    link = bed.link(sshd, links=3)
    wait_for_links(link, 3)
    sshd.stop()
    link.expect("^status down .*why=")
    link.say("stream 9 up=1000 down=1000")
    time.sleep(0.5)
    bed.sshd(port=sshd.port)
    link.expect("^stream 9 ok ")
    if wait_for_links(link, 3) != 2:
        raise Failure("a new connection was not told apart from the one before")


@test
def a_link_to_another_engine_is_not_used(bed):
    with open(bed.socket + ".ids", "w") as f:
        f.write("one\ntwo\n")
    link = bed.link(bed.sshd(), links=2)
    link.up(1)
    bed.wait_for_log("another engine answers .two. than on the other links .one.", 2)
    for i in range(4):
        link.say(f"stream {i} up=1000 down=1000")
    link.expect("^stream . ok ", count=4)
    wait_for_links(link, 1)


@test
def an_engine_that_tells_no_id_has_one_link(bed):
    with open(bed.socket + ".ids", "w") as f:
        f.write("\n")
    link = bed.link(bed.sshd(), links=3)
    link.up(1)
    for i in range(4):
        link.say(f"stream {i} up=1000 down=1000")
    link.expect("^stream . ok ", count=4)
    bed.wait_for_log("link: up to")
    log = read(bed.path("driver.log"))[bed.log_from :]
    if log.count("link: up to") != 1:
        raise Failure("more than one link, to who knows where")


@test
def one_alone_tries_while_none_is_up(bed):
    # nobody answers there: all streams wait on the one that tries
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        link = bed.link(At(port=s.getsockname()[1]), links=4, connect_timeout_ms=500)
        for i in range(4096):
            link.say(f"raw {i} hold")
        link.say("raw 4096 hold")
        link.expect("^stream 4096 full")
        s.settimeout(PATIENCE)
        first = s.accept()[0]
        link.expect("^status down .*links=0 .*no SSH login")
        second = s.accept()[0]
        s.settimeout(0.3)
        try:
            s.accept()
            raise Failure("a second link is tried while there is none")
        except TimeoutError:
            pass
        first.close()
        second.close()


@test
def links_may_be_freed_by_a_stream(bed):
    link = bed.link(bed.sshd(), links=3)
    wait_for_links(link, 3)
    for i in range(3):
        link.say(f"raw {i} hold")
    link.expect("^stream . open", count=3)
    link.say("suicide 4")
    link.expect("^stream [012] .*why=.*shut", count=3)
    link.quit()
