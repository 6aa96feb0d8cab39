#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "tests/support/grpc_stage.h"

/* What a peer may make grow, and what it may not do at all. */

static struct grpc_stage stage;

static int set_up(void **state)
{
    (void)state;
    grpc_stage_init(&stage, GRPC_CONTROL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    grpc_stage_fini(&stage);
    return 0;
}

/* A frame of TYPE on STREAM, as the caller (or the server) writes it itself. */
static void feed_frame(bool server, unsigned type, unsigned flags,
                       unsigned stream, struct str payload)
{
    char head[9] = {(char)(payload.len >> 16),
                    (char)(payload.len >> 8),
                    (char)payload.len,
                    (char)type,
                    (char)flags,
                    (char)(stream >> 24),
                    (char)(stream >> 16),
                    (char)(stream >> 8),
                    (char)stream};
    enum grpc_side side = grpc_stage_side(&stage, server);

    grpc_tunnel_feed(stage.tunnel, side, str_of(head, sizeof(head)));
    grpc_tunnel_feed(stage.tunnel, side, payload);
}

/* The caller's connection is over, the server's is told, no call is left. */
static void assert_cut_off(void)
{
    grpc_stage_run(&stage);
    assert_true(
        grpc_tunnel_is_over(stage.tunnel, grpc_stage_side(&stage, false)));
    assert_true(stage.caller->goaway);
    assert_int_equal(stage.begun, stage.ended);
}

static void calls_at_a_time_are_limited(void **state)
{
    (void)state;
    grpc_stage_run(&stage);
    /* one that does not heed SETTINGS */
    for (int i = 0; i < LIMIT_GRPC_STREAMS + 20; i++)
        h2_peer_call(stage.caller, "/t/Bytes", NULL);
    grpc_stage_run(&stage);
    assert_int_equal(stage.begun, LIMIT_GRPC_STREAMS);
    assert_int_equal(stage.server->count, LIMIT_GRPC_STREAMS);
}

static void a_head_is_limited(void **state)
{
    static char value[40 * KIB];
    nghttp2_nv nv[64] = {
        h2_peer_field(S(":method"), S("POST")),
        h2_peer_field(S(":scheme"), S("http")),
        h2_peer_field(S(":path"), S("/t/Bytes")),
        h2_peer_field(S(":authority"), S("localhost")),
        h2_peer_field(S("content-type"), S("application/grpc")),
    };
    int32_t id;

    (void)state;
    memset(value, 'x', sizeof(value));
    for (size_t i = 5; i < 64; i++) {
        nv[i] = h2_peer_field(S("m-long"), str_of(value, sizeof(value)));
        nv[i].flags = NGHTTP2_NV_FLAG_NO_INDEX;
    }
    /* 800 KiB pass ('x' takes 7 bits: in 700) */
    id = nghttp2_submit_request(stage.caller->ng, NULL, nv, 25, NULL, NULL);
    grpc_stage_run(&stage);
    assert_int_equal(stage.server->count, 1);
    assert_true(h2_peer_nth(stage.server, 0)->head.len > 20 * sizeof(value));
    /* 1120 KiB, in a block of 980, do not, and say so */
    id = nghttp2_submit_request(stage.caller->ng, NULL, nv, 33, NULL, NULL);
    grpc_stage_run(&stage);
    assert_int_equal(stage.server->count, 1);
    assert_non_null(h2_peer_stream(stage.caller, id));
    assert_non_null(strstr(strbuf_cstr(&h2_peer_stream(stage.caller, id)->head),
                           "grpc-status: 8\n"));
    assert_false(stage.caller->goaway);
}

/* HPACK makes a head of 300 bytes one of 850 KiB. */
static void heads_of_calls_that_wait_are_counted(void **state)
{
    enum { FIELDS = 300, CALLS = 100 };
    static char value[2900];
    nghttp2_nv nv[5 + FIELDS] = {
        h2_peer_field(S(":method"), S("POST")),
        h2_peer_field(S(":scheme"), S("http")),
        h2_peer_field(S(":path"), S("/t/One")),
        h2_peer_field(S(":authority"), S("localhost")),
        h2_peer_field(S("content-type"), S("application/grpc")),
    };

    (void)state;
    memset(value, 'x', sizeof(value));
    for (size_t i = 5; i < 5 + FIELDS; i++)
        nv[i] = h2_peer_field(S("m-long"), str_of(value, sizeof(value)));
    grpc_stage_run(&stage);
    stage.room = 16 * MIB;
    for (size_t i = 0; i < CALLS; i++) {
        assert_true(nghttp2_submit_headers(stage.caller->ng, NGHTTP2_FLAG_NONE,
                                           -1, NULL, nv, 5 + FIELDS, NULL) > 0);
        grpc_stage_run(&stage);
    }
    assert_int_equal(stage.begun + stage.refused, CALLS);
    assert_in_range(stage.begun, 8, 16);
    assert_int_equal(stage.last_refusal.code, GRPC_RESOURCE_EXHAUSTED);
    assert_true(grpc_tunnel_memory(stage.tunnel) <= stage.room);
    assert_true(grpc_tunnel_memory(stage.tunnel) >= stage.room / 2);
}

static void a_head_without_an_end_is_cut_off(void **state)
{
    static char block[16 * KIB];

    (void)state;
    grpc_stage_run(&stage);
    memset(block, '\x82', sizeof(block)); /* indexed: ":method: GET" */
    feed_frame(false, NGHTTP2_HEADERS, 0, 1, str_of(block, 1));
    for (size_t i = 0; i < LIMIT_GRPC_CONTINUATIONS + 1; i++)
        feed_frame(false, NGHTTP2_CONTINUATION, 0, 1, str_of(block, 1));
    assert_cut_off();
}

static void resets_are_limited(void **state)
{
    int resets = 0;

    (void)state;
    /* a burst passes, and a few a second more */
    while (resets < 2 * LIMIT_GRPC_RESETS && !stage.caller->goaway) {
        int32_t ids[100];

        for (int i = 0; i < 100; i++)
            ids[i] = h2_peer_call(stage.caller, "/t/One", NULL);
        grpc_stage_run(&stage);
        for (int i = 0; i < 100; i++)
            h2_peer_reset(stage.caller, ids[i], NGHTTP2_CANCEL);
        grpc_stage_run(&stage);
        h2_peer_forget(stage.caller);
        resets += 100;
    }
    assert_true(resets > LIMIT_GRPC_RESETS);
    assert_true(resets < 2 * LIMIT_GRPC_RESETS);
    assert_cut_off();
}

static void pings_are_answered(void **state)
{
    static const uint8_t data[8] = "12345678";

    (void)state;
    for (int i = 0; i < 3; i++) {
        nghttp2_submit_ping(stage.caller->ng, NGHTTP2_FLAG_NONE, data);
        nghttp2_submit_ping(stage.server->ng, NGHTTP2_FLAG_NONE, data);
        grpc_stage_run(&stage);
    }
    assert_int_equal(stage.caller->pings, 3);
    assert_int_equal(stage.server->pings, 3);
}

/* A flood that nobody reads the answers of. */
static void answers_that_are_not_read_are_limited(void **state)
{
    static const unsigned types[] = {NGHTTP2_PING, NGHTTP2_SETTINGS};

    (void)state;
    for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
        struct str payload = types[t] == NGHTTP2_PING ? S("12345678") : S("");

        grpc_stage_run(&stage);
        for (int i = 0; i <= LIMIT_GRPC_QUEUE; i++)
            feed_frame(false, types[t], 0, 0, payload);
        assert_false(
            grpc_tunnel_reads(stage.tunnel, grpc_stage_side(&stage, false)));
        assert_false(
            grpc_tunnel_is_over(stage.tunnel, grpc_stage_side(&stage, false)));
        for (int i = 0; i <= LIMIT_GRPC_ACKS; i++)
            feed_frame(false, types[t], 0, 0, payload);
        assert_cut_off();
        tear_down(NULL);
        set_up(NULL);
    }
}

/* Each end of calls that a server announces was one for its caller. */
static void ends_that_are_announced_are_told_once(void **state)
{
    static const char frames[] = "\0\0\x8\7\0\0\0\0\0"
                                 "\x7f\xff\xff\xff\0\0\0\0";
    AUTO(strbuf_fini) struct strbuf out = STRBUF(2 * MIB);

    (void)state;
    h2_peer_call(stage.caller, "/t/Bytes", NULL);
    grpc_stage_run(&stage);
    for (int i = 0; i < 20000; i++)
        grpc_tunnel_feed(stage.tunnel, grpc_stage_side(&stage, true),
                         str_of(frames, sizeof(frames) - 1));
    assert_true(grpc_tunnel_reads(stage.tunnel, grpc_stage_side(&stage, true)));
    grpc_tunnel_pull(stage.tunnel, grpc_stage_side(&stage, false), &out, MIB);
    assert_int_equal(out.len, sizeof(frames) - 1);
}

static void messages_that_never_end_are_limited(void **state)
{
    static char block[MIB];
    char head[5] = {0, 1, 0, 0, 0}; /* of 16 MiB, which is the most */
    size_t refused = 0;

    (void)state;
    /* five of 15 MiB each are more than LIMIT_GRPC_GATHERED */
    for (int i = 0; i < 5; i++) {
        int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

        h2_peer_write(stage.caller, id, str_of(head, sizeof(head)), false);
        for (int n = 0; n < 15; n++)
            h2_peer_write(stage.caller, id, str_of(block, sizeof(block)),
                          false);
        grpc_stage_run(&stage);
        refused += h2_peer_stream(stage.caller, id)->closed;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(stage.last_refusal.code, GRPC_RESOURCE_EXHAUSTED);
    /* when they have gone, others can come */
    for (int i = 0; i < 4; i++)
        h2_peer_reset(stage.caller, 2 * i + 1, NGHTTP2_CANCEL);
    grpc_stage_run(&stage);
    for (int i = 0; i < 4; i++) {
        int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

        h2_peer_write(stage.caller, id, str_of(head, sizeof(head)), false);
        for (int n = 0; n < 15; n++)
            h2_peer_write(stage.caller, id, str_of(block, sizeof(block)),
                          false);
        grpc_stage_run(&stage);
        assert_false(h2_peer_stream(stage.caller, id)->closed);
    }
}

static void what_is_against_the_rules_ends_the_connection(void **state)
{
    static const struct {
        unsigned type, flags, stream;
        struct str payload;
    } frames[] = {
        {NGHTTP2_DATA,          0, 1, STR("x")                       },
        {NGHTTP2_DATA,          0, 0, STR("x")                       },
        {NGHTTP2_CONTINUATION,  4, 1, STR("\x82")                    },
        {NGHTTP2_PUSH_PROMISE,  4, 1, STR("\0\0\0\2\x82")            },
        {NGHTTP2_PING,          0, 0, STR("short")                   },
        {NGHTTP2_WINDOW_UPDATE, 0, 0, STR("\0\0\0\0")                },
        {NGHTTP2_WINDOW_UPDATE, 0, 0, STR("\x7f\xff\xff\xff")        },
        {NGHTTP2_SETTINGS,      0, 0, STR("\0\4\xff\xff\xff\xff")    },
        {NGHTTP2_SETTINGS,      1, 0, STR("\0\4\0\0\0\0")            },
        {NGHTTP2_RST_STREAM,    0, 9, STR("\0\0\0\0")                },
        {NGHTTP2_HEADERS,       4, 2, STR("\x82")                    },
        {NGHTTP2_HEADERS,       4, 1, STR("\xff\xff\xff\xff\xff\xff")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
        grpc_stage_run(&stage);
        feed_frame(false, frames[i].type, frames[i].flags, frames[i].stream,
                   frames[i].payload);
        assert_cut_off();
        tear_down(NULL);
        set_up(NULL);
    }
}

static void a_server_may_not_push(void **state)
{
    (void)state;
    h2_peer_call(stage.caller, "/t/Bytes", NULL);
    grpc_stage_run(&stage);
    feed_frame(true, NGHTTP2_PUSH_PROMISE, 4, 1, S("\0\0\0\2\x82"));
    grpc_stage_run(&stage);
    assert_true(
        grpc_tunnel_is_over(stage.tunnel, grpc_stage_side(&stage, true)));
    assert_int_equal(stage.ended, 1);
}

static void what_is_no_http2_is_no_connection(void **state)
{
    (void)state;
    grpc_tunnel_feed(stage.tunnel, GRPC_RUNNER, S("GET / HTTP/1.1\r\n\r\n"));
    assert_true(grpc_tunnel_is_over(stage.tunnel, GRPC_RUNNER));
    assert_non_null(grpc_tunnel_fault(stage.tunnel));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_at_a_time_are_limited),
        TEST(a_head_is_limited),
        TEST(heads_of_calls_that_wait_are_counted),
        TEST(a_head_without_an_end_is_cut_off),
        TEST(resets_are_limited),
        TEST(pings_are_answered),
        TEST(answers_that_are_not_read_are_limited),
        TEST(ends_that_are_announced_are_told_once),
        TEST(messages_that_never_end_are_limited),
        TEST(what_is_against_the_rules_ends_the_connection),
        TEST(a_server_may_not_push),
        TEST(what_is_no_http2_is_no_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
