#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"

/* The program that relays datagrams, in a process of its own; services are
 * sockets of the test. */

#define NONCE   "0123456789abcdef0123456789abcdef"
#define SERVICE 0x7f050607 /* 127.5.6.7 */

/* ---- frames ---- */

static void what_a_relay_never_says_is_broken_at_once(void **state)
{
    static const struct {
        unsigned type, channel, length;
    } bad[] = {
        {WIRE_OPEN,         2, 1                     },
        {WIRE_DATA,         2, 1                     },
        {WIRE_MORE,         2, 4                     },
        {WIRE_EOF,          2, 0                     },
        {WIRE_BYE,          0, 0                     },
        {WIRE_FLOW,         1, 5                     },
        {WIRE_FLOW,         1, 7                     },
        {WIRE_FLOW,         0, 6                     },
        {WIRE_DATAGRAM,     0, 1                     },
        {WIRE_DATAGRAM,     1, WIRE_DATAGRAM_MOST + 1},
        {WIRE_DATAGRAM + 1, 1, 0                     },
    };
    unsigned char bytes[WIRE_HEADER];
    struct wire_frame frame;
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        wire_put_head(bytes, (enum wire_type)bad[i].type, bad[i].channel,
                      bad[i].length);
        assert_int_equal(wire_read_relayed(bytes, sizeof(bytes), &frame, &used),
                         WIRE_BROKEN);
    }
    wire_put_head(bytes, WIRE_DATAGRAM, 1, 0);
    assert_int_equal(wire_read_relayed(bytes, sizeof(bytes), &frame, &used),
                     WIRE_WHOLE);
    assert_int_equal(wire_read(bytes, sizeof(bytes), &frame, &used),
                     WIRE_BROKEN);
    wire_put_head(bytes, WIRE_DATAGRAM, 1, WIRE_DATAGRAM_MOST);
    assert_int_equal(wire_read_relayed(bytes, sizeof(bytes), &frame, &used),
                     WIRE_PART);
}

/* ---- the relay ---- */

static struct {
    pid_t pid;
    int in, out;
} relay;

static unsigned char payload[WIRE_DATAGRAM_MOST];

static void read_exactly(void *to, size_t length)
{
    unsigned char *at = to;

    while (length > 0) {
        ssize_t got = read(relay.out, at, length);

        assert_true(got > 0);
        at += got;
        length -= (size_t)got;
    }
}

/* The next frame, which has to be a TYPE. */
static struct wire_frame expect(enum wire_type type)
{
    unsigned char head[WIRE_HEADER];
    struct wire_frame frame;

    read_exactly(head, sizeof(head));
    assert_int_equal(head[0], type);
    frame = (struct wire_frame){type, wire_get(head + 4, 4), payload,
                                wire_get(head + 2, 2)};
    assert_true(frame.length <= sizeof(payload));
    read_exactly(payload, frame.length);
    return frame;
}

static void say(enum wire_type type, uint32_t channel, const void *bytes,
                size_t length)
{
    static unsigned char frame[WIRE_HEADER + WIRE_DATAGRAM_MOST];

    wire_put_head(frame, type, channel, length);
    if (length)
        memcpy(frame + WIRE_HEADER, bytes, length);
    for (size_t at = 0; at < WIRE_HEADER + length;) {
        ssize_t sent = write(relay.in, frame + at, WIRE_HEADER + length - at);

        assert_true(sent > 0);
        at += (size_t)sent;
    }
}

static void open_flow(uint32_t number, uint32_t address, unsigned port)
{
    unsigned char bytes[6];

    wire_put(bytes, 4, address);
    wire_put(bytes + 4, 2, port);
    say(WIRE_FLOW, number, bytes, sizeof(bytes));
}

static int begin(void **state)
{
    int in[2], out[2];
    struct wire_frame hello;

    (void)state;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    relay.pid = fork();
    if (relay.pid == 0) {
        close(in[1]);
        close(out[0]);
        _exit(companion_relay(in[0], out[1], NONCE));
    }
    close(in[0]);
    close(out[1]);
    relay.in = in[1];
    relay.out = out[0];
    hello = expect(WIRE_HELLO);
    assert_int_equal(wire_get(hello.payload, 2), WIRE_VERSION);
    assert_memory_equal(hello.payload + 2, NONCE, WIRE_NONCE);
    return 0;
}

/* How it ends, once nobody speaks with it any more. */
static int end(void)
{
    int status;

    if (relay.in >= 0)
        close(relay.in);
    relay.in = -1;
    assert_int_equal(waitpid(relay.pid, &status, 0), relay.pid);
    relay.pid = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int clean_up(void **state)
{
    (void)state;
    if (relay.pid) {
        kill(relay.pid, SIGKILL);
        waitpid(relay.pid, NULL, 0);
    }
    if (relay.in >= 0)
        close(relay.in);
    close(relay.out);
    return 0;
}

/* ---- services ---- */

/* A socket at SERVICE; at *PORT, which is filled in, unless it is not 0. */
static int serve(unsigned *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(SERVICE),
                             .sin_port = htons((uint16_t)*port)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* What comes to the service, and from where. */
static size_t receive(int fd, void *to, size_t most, struct sockaddr_in *from)
{
    socklen_t size = sizeof(*from);
    ssize_t got = recvfrom(fd, to, most, 0, (struct sockaddr *)from, &size);

    assert_true(got >= 0);
    return (size_t)got;
}

static void answer(int fd, const struct sockaddr_in *to, const void *bytes,
                   size_t length)
{
    assert_int_equal(
        sendto(fd, bytes, length, 0, (const struct sockaddr *)to, sizeof(*to)),
        length);
}

static void datagrams_go_both_ways_and_stay_apart(void **state)
{
    static char big[WIRE_DATAGRAM_MOST], got[WIRE_DATAGRAM_MOST + 1];
    struct sockaddr_in one, two;
    struct wire_frame frame;
    unsigned port = 0;
    int fd = serve(&port);

    (void)state;
    memset(big, 'x', sizeof(big));
    open_flow(1, SERVICE, port);
    open_flow(3, SERVICE, port);
    say(WIRE_DATAGRAM, 1, "one", 3);
    assert_int_equal(receive(fd, got, sizeof(got), &one), 3);
    assert_memory_equal(got, "one", 3);
    assert_int_equal(ntohl(one.sin_addr.s_addr), SERVICE);
    say(WIRE_DATAGRAM, 3, "", 0);
    assert_int_equal(receive(fd, got, sizeof(got), &two), 0);
    assert_int_not_equal(one.sin_port, two.sin_port);
    say(WIRE_DATAGRAM, 3, big, sizeof(big));
    assert_int_equal(receive(fd, got, sizeof(got), &two), sizeof(big));
    answer(fd, &two, "second", 6);
    frame = expect(WIRE_DATAGRAM);
    assert_int_equal(frame.channel, 3);
    assert_int_equal(frame.length, 6);
    answer(fd, &one, "", 0);
    frame = expect(WIRE_DATAGRAM);
    assert_int_equal(frame.channel, 1);
    assert_int_equal(frame.length, 0);
    answer(fd, &one, big, sizeof(big));
    frame = expect(WIRE_DATAGRAM);
    assert_int_equal(frame.length, sizeof(big));
    assert_memory_equal(frame.payload, big, sizeof(big));
    close(fd);
    assert_int_equal(end(), 0);
}

static void nobody_but_the_service_is_heard(void **state)
{
    struct sockaddr_in from;
    char got[16];
    unsigned port = 0, other_port = 0;
    int fd = serve(&port), other = serve(&other_port);

    (void)state;
    open_flow(1, SERVICE, port);
    say(WIRE_DATAGRAM, 1, "q", 1);
    receive(fd, got, sizeof(got), &from);
    answer(other, &from, "spoofed", 7);
    answer(fd, &from, "true", 4);
    assert_int_equal(expect(WIRE_DATAGRAM).length, 4);
    close(fd);
    close(other);
    assert_int_equal(end(), 0);
}

static void a_service_may_come_later(void **state)
{
    struct sockaddr_in from;
    char got[16];
    unsigned port = 0;
    int fd = serve(&port);

    (void)state;
    close(fd);
    open_flow(1, SERVICE, port);
    say(WIRE_DATAGRAM, 1, "lost", 4);
    say(WIRE_DATAGRAM, 1, "lost", 4);
    say(WIRE_CLOSE, 1, NULL, 0);
    say(WIRE_DATAGRAM, 1, "x", 1); /* it has been done with all that */
    assert_int_equal(expect(WIRE_CLOSE).channel, 1);
    open_flow(3, SERVICE, port);
    say(WIRE_DATAGRAM, 3, "lost", 4);
    fd = serve(&port);
    say(WIRE_DATAGRAM, 3, "found", 5);
    do { /* the first may have met it, too */
        assert_true(receive(fd, got, sizeof(got), &from) > 0);
    } while (memcmp(got, "found", 5) != 0);
    close(fd);
    assert_int_equal(end(), 0);
}

/* What is not of this network is never sent to. */
static void a_flow_leads_to_no_other_address(void **state)
{
    static const struct {
        uint32_t address;
        unsigned port;
    } bad[] = {
        {0xc0000201, 53}, /* 192.0.2.1 */
        {0xe0000001, 53}, /* all hosts of the network */
        {0xffffffff, 53},
        {0,          53},
        {SERVICE,    0 },
    };
    uint32_t number = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++, number += 2) {
        open_flow(number, bad[i].address, bad[i].port);
        assert_int_equal(expect(WIRE_CLOSE).channel, number);
        say(WIRE_DATAGRAM, number, "x", 1);
        assert_int_equal(expect(WIRE_CLOSE).channel, number);
    }
    assert_int_equal(end(), 0);
}

static void what_berth_must_not_say_ends_it(void **state)
{
    static const struct {
        enum wire_type type;
        uint32_t channel;
        size_t length;
    } bad[] = {
        {WIRE_DATAGRAM, 3, 1             },
        {WIRE_DATAGRAM, 2, 1             },
        {WIRE_CLOSE,    3, 0             },
        {WIRE_FLOW,     1, 6             }, /* again */
        {WIRE_FLOW,     4, 6             },
        {WIRE_HELLO,    0, 2 + WIRE_NONCE},
        {WIRE_DATA,     1, 1             },
    };
    static const unsigned char zeros[64];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (i)
            begin(state);
        open_flow(1, SERVICE, 53);
        say(bad[i].type, bad[i].channel, zeros, bad[i].length);
        assert_int_equal(end(), COMPANION_FAILED);
        close(relay.out);
    }
    begin(state);
}

static void there_are_so_many_flows_and_no_more(void **state)
{
    uint32_t number = 1;

    (void)state;
    for (unsigned i = 0; i < WIRE_FLOWS; i++, number += 2)
        open_flow(number, SERVICE, 53);
    open_flow(number, SERVICE, 53);
    assert_int_equal(expect(WIRE_CLOSE).channel, number);
    say(WIRE_CLOSE, 7, NULL, 0);
    open_flow(number + 2, SERVICE, 53);
    open_flow(number + 4, SERVICE, 53);
    assert_int_equal(expect(WIRE_CLOSE).channel, number + 4);
    assert_int_equal(end(), 0);
}

/* It goes on to read: what there is no room for is lost. */
static void a_berth_that_does_not_read_holds_up_nothing(void **state)
{
    static char big[WIRE_DATAGRAM_MOST], got[WIRE_DATAGRAM_MOST];
    struct sockaddr_in from;
    unsigned port = 0;
    size_t bytes = 0;
    int fd = serve(&port);

    (void)state;
    open_flow(1, SERVICE, port);
    for (unsigned i = 0; i < 200; i++) {
        say(WIRE_DATAGRAM, 1, "q", 1);
        receive(fd, got, sizeof(got), &from);
        answer(fd, &from, big, sizeof(big));
    }
    say(WIRE_CLOSE, 1, NULL, 0);
    close(relay.in);
    relay.in = -1;
    for (;;) { /* and only so much is held */
        ssize_t n = read(relay.out, payload, sizeof(payload));

        if (n <= 0)
            break;
        bytes += (size_t)n;
    }
    assert_in_range(bytes, sizeof(big), 16 * sizeof(big));
    close(fd);
    (void)end();
}

#define RELAYED(test) cmocka_unit_test_setup_teardown(test, begin, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_relay_never_says_is_broken_at_once),
        RELAYED(datagrams_go_both_ways_and_stay_apart),
        RELAYED(nobody_but_the_service_is_heard),
        RELAYED(a_service_may_come_later),
        RELAYED(a_flow_leads_to_no_other_address),
        RELAYED(what_berth_must_not_say_ends_it),
        RELAYED(there_are_so_many_flows_and_no_more),
        RELAYED(a_berth_that_does_not_read_holds_up_nothing),
    };
    struct rlimit limit;

    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < WIRE_FLOWS + 64) {
        limit.rlim_cur = WIRE_FLOWS + 64;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
