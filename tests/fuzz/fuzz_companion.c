/*
 * The protocol between berth and its companion, read by either side: the first
 * byte says by which. Property: whatever comes, nothing but the session ends,
 * and berth has no more connections than it may have.
 */

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/companion/companion.h"
#include "proxy/companion_link/link_private.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_upstream.h"
#include "tests/unit/listener_place.h"

#define NONCE "0123456789abcdef0123456789abcdef"

enum { MOST = 60 * 1024, CLIENTS = 3 };

/* ---- the companion's side ---- */

static void hand_over(int session, unsigned number, int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    unsigned char text[2] = {0, (unsigned char)number};
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    sendmsg(session, &message, 0);
}

/* With some connections that have something to say, and INPUT behind. */
static void play_session(const uint8_t *bytes, size_t len)
{
    int in[2], holder[2], clients[CLIENTS];
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int r = pipe(in) | socketpair(AF_UNIX, SOCK_SEQPACKET, 0, holder);

    assert(r == 0 && out >= 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        int pair[2];

        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
        assert(r == 0);
        clients[i] = pair[0];
        hand_over(holder[0], i, pair[1]);
        close(pair[1]);
        if (i)
            send(clients[i], "GET /", 5, MSG_NOSIGNAL);
        if (i == 2)
            shutdown(clients[i], SHUT_WR);
    }
    r = write(in[1], bytes, len) == (ssize_t)len ? 0 : -1;
    assert(r == 0);
    close(in[1]);
    companion_session(in[0], out, holder[1], NONCE);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    close(in[0]);
    close(out);
    close(holder[0]);
    close(holder[1]);
}

/* ---- berth's side ---- */

static struct {
    struct link_session *session;
    int clients[WIRE_CHANNELS + 1];
    size_t count;
    bool over;
} side;

static void on_ready(void *arg)
{
    (void)arg;
}

static void on_open(uint32_t channel, unsigned number, void *arg)
{
    int far;

    (void)arg;
    assert(number < WIRE_SOCKETS);
    if (side.count > WIRE_CHANNELS ||
        !link_conn_new(side.session, channel, &far)) {
        link_refuse(side.session, channel);
        return;
    }
    assert(link_connections(side.session) <= WIRE_CHANNELS);
    if (number % 3 == 0)
        send(far, "GET /", 5, MSG_NOSIGNAL);
    if (number % 3 == 1)
        shutdown(far, SHUT_WR);
    side.clients[side.count++] = far;
}

static void on_end(const char *why, bool replaced, void *arg)
{
    (void)arg;
    (void)replaced;
    assert(why);
    side.over = true;
    side.session = link_session_free(side.session);
}

static void play_link(const uint8_t *bytes, size_t len)
{
    static const char head[] = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade"
                               "\r\nUpgrade: tcp\r\n\r\n";
    const struct link_events events = {on_ready, on_open, on_end, NULL};
    struct event_base *base = event_base_new();
    struct listener_place place;
    struct companion_config config = {
        .base = base, .turns = &place.group, .memory = &place.share};
    struct fake_upstream fake;
    struct pool *pool;

    fake_upstream_init(&fake);
    listener_place_init(&place, base);
    pool = config.pool = pool_new(base, &fake.upstream);
    side.over = false;
    side.count = 0;
    side.session = link_session_new(&config, "e1", NONCE, LINK_BEAT_S, &events);
    event_base_loop(base, EVLOOP_NONBLOCK);
    fake_open(&fake, 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    fake_feed(&fake, 0, head);
    for (size_t at = 0; at < len && !side.over;) {
        size_t part = len - at < 1000 ? len - at : 1000;
        struct fake_stream *stream = &fake.streams[0];

        strbuf_add(&stream->in, str_of((const char *)bytes + at, part));
        stream->stream.on_change(&stream->stream, stream->stream.arg);
        event_base_loop(base, EVLOOP_NONBLOCK);
        strbuf_clear(&stream->out);
        at += part;
    }
    side.session = link_session_free(side.session);
    for (size_t i = 0; i < side.count; i++)
        close(side.clients[i]);
    event_base_loop(base, EVLOOP_NONBLOCK);
    pool_free(pool);
    listener_place_fini(&place);
    fake_upstream_fini(&fake);
    event_base_free(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0 || len > MOST)
        return 0;
    if (bytes[0] % 2)
        play_link(bytes + 1, len - 1);
    else
        play_session(bytes + 1, len - 1);
    return 0;
}
