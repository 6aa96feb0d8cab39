#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"

#define NONCE "0123456789abcdef0123456789abcdef"

/* ---- frames ---- */

static void a_frame_is_read_when_it_is_whole(void **state)
{
    unsigned char bytes[WIRE_HEADER + WIRE_PAYLOAD] = {0};
    struct wire_frame frame;
    size_t used = 0;

    (void)state;
    wire_put_head(bytes, WIRE_DATA, 4, WIRE_PAYLOAD);
    for (size_t have = 0; have < sizeof(bytes); have += 4097)
        assert_int_equal(wire_read(bytes, have, &frame, &used), WIRE_PART);
    assert_int_equal(wire_read(bytes, sizeof(bytes), &frame, &used),
                     WIRE_WHOLE);
    assert_int_equal(used, sizeof(bytes));
    assert_int_equal(frame.type, WIRE_DATA);
    assert_int_equal(frame.channel, 4);
    assert_int_equal(frame.length, WIRE_PAYLOAD);
}

static void what_is_no_frame_is_broken_at_once(void **state)
{
    static const struct {
        unsigned type, channel, length;
    } bad[] = {
        {0,                 2, 0               },
        {WIRE_FLOW,         2, 6               },
        {WIRE_DATAGRAM,     2, 1               },
        {WIRE_DATAGRAM + 1, 0, 0               },
        {255,               0, 0               },
        {WIRE_DATA,         0, 1               }, /* of the session itself */
        {WIRE_DATA,         2, 0               },
        {WIRE_DATA,         2, WIRE_PAYLOAD + 1},
        {WIRE_HELLO,        2, 2 + WIRE_NONCE  },
        {WIRE_HELLO,        0, 2               },
        {WIRE_MORE,         2, 3               },
        {WIRE_EOF,          2, 1               },
        {WIRE_CLOSE,        2, 1               },
        {WIRE_BEAT,         2, 0               },
        {WIRE_OPEN,         2, 0               },
        {WIRE_OPEN,         2, 257             },
    };
    unsigned char bytes[WIRE_HEADER];
    struct wire_frame frame;
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        wire_put_head(bytes, (enum wire_type)bad[i].type, bad[i].channel,
                      bad[i].length);
        assert_int_equal(wire_read(bytes, sizeof(bytes), &frame, &used),
                         WIRE_BROKEN);
    }
    wire_put_head(bytes, WIRE_EOF, 2, 0);
    bytes[1] = 1;
    assert_int_equal(wire_read(bytes, sizeof(bytes), &frame, &used),
                     WIRE_BROKEN);
}

static void credit_ends_where_it_should(void **state)
{
    unsigned char more[4];
    struct wire_frame data = {.type = WIRE_DATA, .length = WIRE_PAYLOAD};
    struct wire_frame one = {.type = WIRE_DATA, .length = 1};
    struct wire_frame give = {
        .type = WIRE_MORE, .payload = more, .length = sizeof(more)};
    struct wire_frame eof = {.type = WIRE_EOF};
    struct wire_account account;

    (void)state;
    wire_account_open(&account);
    for (size_t i = 0; i < WIRE_CREDIT / WIRE_PAYLOAD; i++)
        assert_true(wire_account_take(&account, &data));
    assert_false(wire_account_take(&account, &one));
    assert_int_equal(wire_account_consumed(&account, WIRE_GIVE_BACK - 1), 0);
    assert_int_equal(wire_account_consumed(&account, 1), WIRE_GIVE_BACK);
    assert_true(wire_account_take(&account, &one));
    wire_put(more, 4, 1);
    assert_false(wire_account_take(&account, &give)); /* nothing was sent */
    account.may_send -= 10;
    wire_put(more, 4, 10);
    assert_true(wire_account_take(&account, &give));
    wire_put(more, 4, 0);
    assert_false(wire_account_take(&account, &give));
    assert_true(wire_account_take(&account, &eof));
    assert_false(wire_account_take(&account, &one));
    assert_false(wire_account_take(&account, &eof));
}

static void channels_are_numbered_upwards(void **state)
{
    (void)state;
    assert_true(wire_may_open(0, 2, false));
    assert_false(wire_may_open(2, 2, false));
    assert_false(wire_may_open(0, 3, false));
    assert_true(wire_may_open(0, 3, true));
    assert_false(wire_may_open(5, 3, true));
}

/* ---- a session, in a process of its own ---- */

static struct {
    pid_t pid;
    int in, out, holder;
    unsigned takes; /* connections that it asked for */
} session;

static int begin_session(void **state)
{
    int in[2], out[2], holder[2];

    (void)state;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, holder), 0);
    session.pid = fork();
    if (session.pid == 0) {
        close(in[1]);
        close(out[0]);
        close(holder[0]);
        _exit(companion_session(in[0], out[1], holder[1], NONCE));
    }
    close(in[0]);
    close(out[1]);
    close(holder[1]);
    session.in = in[1];
    session.out = out[0];
    session.holder = holder[0];
    session.takes = 0;
    return 0;
}

/* How it ends, once nobody speaks with it any more. */
static int end_session(void)
{
    int status;

    if (session.in >= 0)
        close(session.in);
    session.in = -1;
    assert_int_equal(waitpid(session.pid, &status, 0), session.pid);
    session.pid = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int clean_up(void **state)
{
    (void)state;
    if (session.pid) {
        kill(session.pid, SIGKILL);
        waitpid(session.pid, NULL, 0);
    }
    if (session.in >= 0)
        close(session.in);
    close(session.out);
    close(session.holder);
    return 0;
}

static void read_exactly(int fd, void *to, size_t length)
{
    unsigned char *at = to;

    while (length > 0) {
        ssize_t got = read(fd, at, length);

        assert_true(got > 0);
        at += got;
        length -= (size_t)got;
    }
}

static unsigned char payload[WIRE_PAYLOAD];

/* The next frame, which has to be a TYPE. */
static struct wire_frame expect(enum wire_type type)
{
    unsigned char head[WIRE_HEADER];
    struct wire_frame frame;

    read_exactly(session.out, head, sizeof(head));
    assert_int_equal(head[0], type);
    frame = (struct wire_frame){type, wire_get(head + 4, 4), payload,
                                wire_get(head + 2, 2)};
    assert_true(frame.length <= sizeof(payload));
    read_exactly(session.out, payload, frame.length);
    return frame;
}

static void say(enum wire_type type, uint32_t channel, const void *bytes,
                size_t length)
{
    static unsigned char frame[WIRE_HEADER + sizeof(payload)];

    /* in one piece: after a bad head nobody reads the rest */
    assert_true(length <= sizeof(payload));
    wire_put_head(frame, type, channel, length);
    if (length)
        memcpy(frame + WIRE_HEADER, bytes, length);
    for (size_t at = 0; at < WIRE_HEADER + length;) {
        ssize_t sent = write(session.in, frame + at, WIRE_HEADER + length - at);

        assert_true(sent > 0);
        at += (size_t)sent;
    }
}

/* A connection to socket NUMBER: the client's end. */
static int connect_to(unsigned number)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    unsigned char text[2];
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                     0);
    wire_put(text, 2, number);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &pair[1], sizeof(int));
    assert_int_equal(sendmsg(session.holder, &message, 0), sizeof(text));
    close(pair[1]);
    return pair[0];
}

/* Wait for FD to be readable, and read. */
static ssize_t read_some(int fd, void *to, size_t most)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&poll_fd, 1, 30000), 1);
    return read(fd, to, most);
}

static uint32_t expect_open(unsigned number)
{
    struct wire_frame frame = expect(WIRE_OPEN);

    assert_int_equal(frame.length, 3);
    assert_int_equal(frame.payload[0], WIRE_SOCKET);
    assert_int_equal(wire_get(frame.payload + 1, 2), number);
    return frame.channel;
}

static void expect_hello(void)
{
    struct wire_frame frame = expect(WIRE_HELLO);

    assert_int_equal(wire_get(frame.payload, 2), WIRE_VERSION);
    assert_memory_equal(frame.payload + 2, NONCE, WIRE_NONCE);
}

/* What the first process hears: COUNT messages, all of them WHAT. */
static void expect_messages(enum companion_message what, unsigned count)
{
    unsigned char message;

    for (; count > 0; count--) {
        assert_int_equal(recv(session.holder, &message, 1, 0), 1);
        assert_int_equal(message, what);
    }
}

static void bytes_go_both_ways_and_halves_close_apart(void **state)
{
    char got[16];
    struct wire_frame frame;
    uint32_t channel;
    int client;

    (void)state;
    expect_hello();
    expect_messages(COMPANION_TAKES, WIRE_CHANNELS);
    client = connect_to(7);
    channel = expect_open(7);
    assert_int_equal(write(client, "GET /", 5), 5);
    frame = expect(WIRE_DATA);
    assert_int_equal(frame.channel, channel);
    assert_int_equal(frame.length, 5);
    assert_memory_equal(frame.payload, "GET /", 5);
    shutdown(client, SHUT_WR);
    assert_int_equal(expect(WIRE_EOF).channel, channel);
    say(WIRE_DATA, channel, "200 OK", 6);
    assert_int_equal(read_some(client, got, sizeof(got)), 6);
    assert_memory_equal(got, "200 OK", 6);
    say(WIRE_EOF, channel, NULL, 0);
    assert_int_equal(read_some(client, got, sizeof(got)), 0);
    expect_messages(COMPANION_TAKES, 1); /* and there is room for another */
    say(WIRE_BEAT, 0, NULL, 0);
    expect_messages(COMPANION_BEAT, 1);
    close(client);
    assert_int_equal(end_session(), 0);
}

static void a_client_that_leaves_is_told_of_behind_what_it_sent(void **state)
{
    uint32_t channel;
    int client;

    (void)state;
    expect_hello();
    client = connect_to(0);
    channel = expect_open(0);
    assert_int_equal(write(client, "x", 1), 1);
    close(client);
    assert_int_equal(expect(WIRE_DATA).length, 1);
    assert_int_equal(expect(WIRE_CLOSE).channel, channel);
    say(WIRE_DATA, channel, "too late", 8); /* we did not know */
    say(WIRE_EOF, channel, NULL, 0);
    assert_int_equal(end_session(), 0);
}

static void one_that_leaves_after_its_half_is_told_of_too(void **state)
{
    uint32_t channel;
    int client;

    (void)state;
    expect_hello();
    client = connect_to(0);
    channel = expect_open(0);
    shutdown(client, SHUT_WR);
    assert_int_equal(expect(WIRE_EOF).channel, channel);
    close(client);
    assert_int_equal(expect(WIRE_CLOSE).channel, channel);
    assert_int_equal(end_session(), 0);
}

static void a_close_comes_behind_what_was_sent(void **state)
{
    static char sent[WIRE_PAYLOAD], got[WIRE_PAYLOAD];
    size_t total = 0;
    uint32_t channel;
    ssize_t n;
    int client;

    (void)state;
    memset(sent, 'x', sizeof(sent));
    expect_hello();
    client = connect_to(0);
    channel = expect_open(0);
    for (size_t i = 0; i < WIRE_CREDIT / WIRE_PAYLOAD; i++)
        say(WIRE_DATA, channel, sent, sizeof(sent));
    say(WIRE_CLOSE, channel, NULL, 0);
    while ((n = read_some(client, got, sizeof(got))) > 0)
        total += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(total, WIRE_CREDIT);
    close(client);
    assert_int_equal(end_session(), 0);
}

static void who_does_not_read_holds_only_its_own_channel(void **state)
{
    static char sent[WIRE_PAYLOAD];
    char got[16];
    uint32_t stuck, other;
    int slow, quick;

    (void)state;
    expect_hello();
    slow = connect_to(0);
    stuck = expect_open(0);
    quick = connect_to(1);
    other = expect_open(1);
    for (size_t i = 0; i < WIRE_CREDIT / WIRE_PAYLOAD; i++)
        say(WIRE_DATA, stuck, sent, sizeof(sent));
    say(WIRE_DATA, other, "hi", 2);
    assert_int_equal(read_some(quick, got, sizeof(got)), 2);
    close(slow);
    close(quick);
    assert_int_equal(end_session(), 0);
}

/* The next frame's type; its data counts to TOTAL, which stays within the
 * credit, and more is given when that is used up. */
static enum wire_type count_data(uint32_t channel, size_t *total)
{
    unsigned char head[WIRE_HEADER], more[4];

    read_exactly(session.out, head, sizeof(head));
    read_exactly(session.out, payload, wire_get(head + 2, 2));
    if (head[0] == WIRE_DATA)
        *total += wire_get(head + 2, 2);
    assert_true(*total <= WIRE_CREDIT);
    if (*total == WIRE_CREDIT) {
        wire_put(more, 4, WIRE_CREDIT);
        say(WIRE_MORE, channel, more, 4);
        *total = 0;
    }
    return head[0];
}

static void no_more_is_sent_than_there_is_credit_for(void **state)
{
    static char sent[3 * WIRE_CREDIT];
    size_t total = 0, at = 0;
    uint32_t channel;
    int client;

    (void)state;
    expect_hello();
    client = connect_to(0);
    channel = expect_open(0);
    while (at < sizeof(sent)) {
        ssize_t n = write(client, sent + at, sizeof(sent) - at);

        at += n > 0 ? (size_t)n : 0;
        assert_int_equal(count_data(channel, &total), WIRE_DATA);
    }
    close(client);
    while (count_data(channel, &total) == WIRE_DATA)
        continue;
    assert_int_equal(total, 0); /* all of it has come */
    assert_int_equal(end_session(), 0);
}

static void what_breaks_the_rules_ends_the_session(void **state)
{
    static const struct {
        enum wire_type type;
        uint32_t channel;
        size_t length;
    } bad[] = {
        {WIRE_DATA,  4, 1             }, /* a channel that never was */
        {WIRE_EOF,   3, 0             },
        {WIRE_OPEN,  2, 1             }, /* not berth's to open */
        {WIRE_HELLO, 0, 2 + WIRE_NONCE},
        {WIRE_MORE,  2, 4             }, /* nothing to give back */
        {WIRE_DATA,  0, 1             }, /* no frame at all */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        static const char bytes[64] = {1};
        int client;

        if (i)
            begin_session(state);
        expect_hello();
        client = connect_to(0);
        expect_open(0);
        say(bad[i].type, bad[i].channel, bytes, bad[i].length);
        read_some(client, payload, 1); /* it closes with its session */
        close(client);
        assert_int_equal(end_session(), COMPANION_FAILED);
        if (i + 1 < sizeof(bad) / sizeof(*bad))
            clean_up(state);
    }
}

static void a_kind_that_is_not_there_is_closed(void **state)
{
    static const char kind = 2;

    (void)state;
    expect_hello();
    say(WIRE_OPEN, 5, &kind, 1);
    assert_int_equal(expect(WIRE_CLOSE).channel, 5);
    say(WIRE_DATA, 5, "x", 1); /* we did not know */
    assert_int_equal(end_session(), 0);
}

static void it_ends_when_a_newer_one_has_come(void **state)
{
    const unsigned char newer = COMPANION_NEWER;

    (void)state;
    expect_hello(); /* what it told the first process is not read: a reset */
    assert_int_equal(send(session.holder, &newer, 1, 0), 1);
    close(session.holder);
    session.holder = dup(0);
    expect(WIRE_BYE);
    assert_int_equal(end_session(), COMPANION_REPLACED);
}

static void without_the_first_process_none_has_come(void **state)
{
    unsigned char byte;

    (void)state;
    expect_hello();
    close(session.holder);
    session.holder = dup(0);
    assert_int_equal(read(session.out, &byte, 1), 0); /* no bye */
    assert_int_equal(end_session(), COMPANION_FAILED);
}

/* ---- the first process ---- */

static struct {
    pid_t pid;
    char directory[64], address[64];
} holder;

/* What the kernel does to the holder, and what the holder does then; shared
 * with its process. */
static struct kernel {
    unsigned refuses; /* so many descriptors to be handed over */
    unsigned pauses;  /* that were made */
} * kernel;

int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
    if (count > 0 || holder.pid || !kernel)
        return __real_poll(fds, count, ms);
    kernel->pauses++;
    return 0;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (!kernel || kernel->refuses == 0)
        return __real_sendmsg(fd, message, flags);
    kernel->refuses--;
    errno = ETOOMANYREFS;
    return -1;
}

static void begin_holder(unsigned seconds)
{
    snprintf(holder.directory, sizeof(holder.directory),
             "/tmp/berth-companion.XXXXXX");
    assert_non_null(mkdtemp(holder.directory));
    memcpy(holder.address, holder.directory, sizeof(holder.address));
    holder.pid = fork();
    if (holder.pid == 0)
        _exit(companion_hold(holder.address, holder.directory, 0640, seconds));
}

static int end_holder(void)
{
    int status;

    assert_int_equal(waitpid(holder.pid, &status, 0), holder.pid);
    for (unsigned i = 0; i < WIRE_SOCKETS; i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s/%u", holder.directory, i);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(holder.directory), 0);
    return WEXITSTATUS(status);
}

static int join(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = companion_address(&address, holder.address);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    while (connect(fd, (const struct sockaddr *)&address, length) < 0)
        poll(NULL, 0, 10);
    return fd;
}

static int call(unsigned number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%u",
             holder.directory, number);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Which socket the next connection that FD is handed came to. */
static unsigned handed(int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    unsigned char text[2];
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    int connection;

    assert_int_equal(recvmsg(fd, &message, 0), sizeof(text));
    assert_non_null(CMSG_FIRSTHDR(&message));
    memcpy(&connection, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    close(connection);
    return wire_get(text, 2);
}

static void connections_wait_for_a_session_and_the_newest_has_them(void **state)
{
    const unsigned char takes = COMPANION_TAKES;
    char byte;
    struct stat st;
    char path[128];
    int first, second, clients[3];

    (void)state;
    begin_holder(0);
    first = join();
    snprintf(path, sizeof(path), "%s/127", holder.directory);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    clients[0] = call(0); /* nobody takes it yet */
    clients[1] = call(127);
    assert_int_equal(send(first, &takes, 1, 0), 1);
    assert_int_equal(handed(first), 0);
    second = join();
    assert_int_equal(recv(first, &byte, 1, 0), 1); /* it is over */
    assert_int_equal(byte, COMPANION_NEWER);
    assert_int_equal(recv(first, &byte, 1, 0), 0);
    assert_int_equal(send(second, &takes, 1, 0), 1);
    assert_int_equal(handed(second), 127);
    clients[2] = call(3);
    assert_int_equal(send(second, &takes, 1, 0), 1);
    assert_int_equal(handed(second), 3);
    for (size_t i = 0; i < 3; i++)
        close(clients[i]);
    close(first);
    close(second);
    kill(holder.pid, SIGTERM);
    assert_int_equal(end_holder(), COMPANION_ENDED);
}

static void what_cannot_be_handed_over_is_closed_and_a_pause_made(void **state)
{
    const unsigned char takes = COMPANION_TAKES;
    int session_fd, client;
    char byte;

    (void)state;
    kernel = mmap(NULL, sizeof(*kernel), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(kernel != MAP_FAILED);
    kernel->refuses = 2;
    begin_holder(0);
    session_fd = join();
    assert_int_equal(send(session_fd, &takes, 1, 0), 1);
    for (size_t i = 0; i < 2; i++) {
        client = call(0);
        assert_int_equal(recv(client, &byte, 1, 0), 0);
        close(client);
    }
    assert_int_equal(kernel->pauses, 2);
    client = call(1); /* the session takes one yet */
    assert_int_equal(handed(session_fd), 1);
    close(client);
    close(session_fd);
    kill(holder.pid, SIGTERM);
    assert_int_equal(end_holder(), COMPANION_ENDED);
    munmap(kernel, sizeof(*kernel));
    kernel = NULL;
}

static void it_ends_by_itself_when_berth_is_silent(void **state)
{
    (void)state;
    begin_holder(1);
    assert_int_equal(end_holder(), 0);
}

static void nothing_is_held_where_nothing_can_be(void **state)
{
    (void)state;
    assert_int_equal(
        companion_hold("berth-test-nowhere", "/nowhere/at/all", 0600, 0),
        COMPANION_FAILED);
}

int main(void)
{
#define IN_SESSION(test)                                                       \
    cmocka_unit_test_setup_teardown(test, begin_session, clean_up)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_read_when_it_is_whole),
        cmocka_unit_test(what_is_no_frame_is_broken_at_once),
        cmocka_unit_test(credit_ends_where_it_should),
        cmocka_unit_test(channels_are_numbered_upwards),
        IN_SESSION(bytes_go_both_ways_and_halves_close_apart),
        IN_SESSION(a_client_that_leaves_is_told_of_behind_what_it_sent),
        IN_SESSION(one_that_leaves_after_its_half_is_told_of_too),
        IN_SESSION(a_close_comes_behind_what_was_sent),
        IN_SESSION(who_does_not_read_holds_only_its_own_channel),
        IN_SESSION(no_more_is_sent_than_there_is_credit_for),
        IN_SESSION(what_breaks_the_rules_ends_the_session),
        IN_SESSION(a_kind_that_is_not_there_is_closed),
        IN_SESSION(it_ends_when_a_newer_one_has_come),
        IN_SESSION(without_the_first_process_none_has_come),
        cmocka_unit_test(
            connections_wait_for_a_session_and_the_newest_has_them),
        cmocka_unit_test(what_cannot_be_handed_over_is_closed_and_a_pause_made),
        cmocka_unit_test(it_ends_by_itself_when_berth_is_silent),
        cmocka_unit_test(nothing_is_held_where_nothing_can_be),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
