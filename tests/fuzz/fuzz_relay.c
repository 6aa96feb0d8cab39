/*
 * The frames that berth and a relay of datagrams exchange, read by either side:
 * the first byte says by which. Property: whatever comes, nothing but the relay
 * ends, and it sends to no other address than its own network's.
 */

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"
#include "proxy/companion_link/relay.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_upstream.h"
#include "tests/unit/listener_place.h"

#define NONCE "0123456789abcdef0123456789abcdef"
#define ID    "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"

enum { MOST = 60 * 1024, FLOWS = 4 };

/* ---- the program's side ---- */

static void play_program(const uint8_t *bytes, size_t len)
{
    int in[2], out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int r = pipe(in);

    assert(r == 0 && out >= 0);
    r = write(in[1], bytes, len) == (ssize_t)len ? 0 : -1;
    assert(r == 0);
    close(in[1]);
    companion_relay(in[0], out, NONCE);
    close(in[0]);
    close(out);
}

/* ---- berth's side ---- */

static struct {
    struct relay *relay;
    bool ready, over;
} side;

static void on_ready(void *arg)
{
    (void)arg;
    side.ready = true;
    for (unsigned i = 0; i < FLOWS; i++) {
        uint32_t flow = relay_open(side.relay, 0x7f050607, 53);

        assert(flow == 2 * i + 1);
        assert(relay_send(side.relay, flow, S("hello")));
    }
}

static void on_datagram(uint32_t flow, struct str bytes, void *arg)
{
    (void)arg;
    assert(side.ready && flow % 2 == 1 && flow < 2 * FLOWS);
    assert(bytes.len <= WIRE_DATAGRAM_MOST);
}

static void on_closed(uint32_t flow, void *arg)
{
    (void)arg;
    assert(side.ready && flow % 2 == 1 && flow < 2 * FLOWS);
    relay_close(side.relay, flow);
}

static void on_end(const char *why, void *arg)
{
    (void)arg;
    assert(why);
    side.over = true;
    side.relay = relay_free(side.relay);
}

static void answer(struct fake_upstream *fake, struct event_base *base,
                   const char *question, int status, const char *body)
{
    fake_answer(fake, base, question, status, body);
}

/* The nonce is fresh each time: what comes begins behind a good hello. */
static void greet(struct fake_upstream *fake, struct event_base *base)
{
    unsigned char hello[8 + WIRE_HEADER + 2 + WIRE_NONCE] = {1};
    const char *text, *nonce;
    size_t at;

    answer(fake, base, "GET /containers/", 200,
           "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{"
           "\"berth.companion\":\"r1\"}}}");
    at = fake_asked(fake, "\"relay\"");
    assert(at != FAKE_STREAMS);
    text = strbuf_cstr(&fake->streams[at].out);
    nonce = strstr(text, "\"relay\",\"");
    assert(nonce);
    wire_put(hello + 4, 4, sizeof(hello) - 8);
    wire_put_head(hello + 8, WIRE_HELLO, 0, 2 + WIRE_NONCE);
    wire_put(hello + 8 + WIRE_HEADER, 2, WIRE_VERSION);
    memcpy(hello + 8 + WIRE_HEADER + 2, nonce + 9, WIRE_NONCE);
    answer(fake, base, "/exec", 201, "{\"Id\":\"" ID "\"}");
    at = fake_asked(fake, "POST /exec/");
    assert(at != FAKE_STREAMS);
    fake_feed(fake, at,
              "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
              "Upgrade: tcp\r\n\r\n");
    strbuf_add(&fake->streams[at].in, str_of((char *)hello, sizeof(hello)));
    fake_feed(fake, at, "");
    fake_run(fake, base);
    assert(side.ready);
}

static void play_link(const uint8_t *bytes, size_t len)
{
    struct event_base *base = event_base_new();
    struct listener_place place;
    struct fake_upstream fake;
    struct relay_config config = {
        .base = base,
        .turns = &place.group,
        .memory = &place.share,
        .ns = S("r1"),
        .target = S(ID),
        .started = S("T1"),
        .on_ready = on_ready,
        .on_datagram = on_datagram,
        .on_closed = on_closed,
        .on_end = on_end,
    };
    size_t at;

    fake_upstream_init(&fake);
    listener_place_init(&place, base);
    config.pool = pool_new(base, &fake.upstream);
    side.ready = side.over = false;
    side.relay = relay_new(&config);
    greet(&fake, base);
    at = fake_asked(&fake, "POST /exec/");
    for (size_t done = 0; done < len && !side.over;) {
        size_t part = len - done < 1000 ? len - done : 1000;
        struct fake_stream *stream = &fake.streams[at];

        strbuf_add(&stream->in, str_of((const char *)bytes + done, part));
        stream->stream.on_change(&stream->stream, stream->stream.arg);
        event_base_loop(base, EVLOOP_NONBLOCK);
        done += part;
    }
    side.relay = relay_free(side.relay);
    event_base_loop(base, EVLOOP_NONBLOCK);
    pool_free(config.pool);
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
        play_program(bytes + 1, len - 1);
    return 0;
}
