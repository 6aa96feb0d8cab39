#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "tests/support/grpc_stage.h"

static struct grpc_stage stage;
static struct strbuf text = STRBUF((size_t)1 << 20);

static int set_up(void **state)
{
    (void)state;
    grpc_stage_init(&stage, GRPC_CONTROL);
    return 0;
}

static int set_up_session(void **state)
{
    (void)state;
    grpc_stage_init(&stage, GRPC_SESSION);
    return 0;
}

static int set_up_bytewise(void **state)
{
    (void)state;
    grpc_stage_init(&stage, GRPC_CONTROL);
    stage.most = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    grpc_stage_fini(&stage);
    strbuf_fini(&text);
    return 0;
}

static bool holds(const struct strbuf *all, const char *part)
{
    return memmem(all->ptr, all->len, part, strlen(part)) != NULL;
}

static void assert_trailers(int32_t id, const char *trailers)
{
    struct peer_stream *stream = h2_peer_stream(stage.caller, id);

    assert_true(stream->closed);
    assert_true(stream->ended);
    assert_string_equal(strbuf_cstr(&stream->trailers), trailers);
}

/* One whole call with one message each way. */
static void call_one(void)
{
    int32_t id = h2_peer_call(stage.caller, "/t/One", "m-key: value\nx: y\n");
    struct peer_stream *there;

    h2_peer_message(stage.caller, id, S("ask"), true);
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, stage.server->count - 1);
    assert_non_null(there);
    assert_string_equal(strbuf_cstr(&there->head),
                        ":method: POST\n:scheme: http\n:path: /t/One\n"
                        ":authority: localhost\n"
                        "content-type: application/grpc\nte: trailers\n"
                        "m-key: value\n");
    assert_true(there->ended);
    assert_string_equal(grpc_messages(strbuf_str(&there->data), &text),
                        "<ask>|");
    h2_peer_respond(stage.server, there->id, "m-now: 1\nserver: go\n");
    h2_peer_message(stage.server, there->id, S("answer"), false);
    h2_peer_finish(stage.server, there->id, "grpc-status: 0\nx: y\n");
    grpc_stage_run(&stage);
    assert_string_equal(strbuf_cstr(&h2_peer_stream(stage.caller, id)->head),
                        ":status: 200\ncontent-type: application/grpc\n"
                        "m-now: 1\n");
    assert_string_equal(
        grpc_messages(strbuf_str(&h2_peer_stream(stage.caller, id)->data),
                      &text),
        "<answer>|");
    assert_trailers(id, "grpc-status: 0\n");
    assert_int_equal(h2_peer_stream(stage.caller, id)->code, 0);
    assert_true(there->closed);
}

static void a_call_goes_through_written_anew(void **state)
{
    (void)state;
    call_one();
    call_one();
    assert_int_equal(stage.begun, 2);
    assert_int_equal(stage.ended, 2);
    assert_int_equal(stage.refused, 0);
}

/* What a caller whose request was refused sees. */
static void assert_refused(int32_t id, const char *code, const char *part)
{
    struct peer_stream *stream = h2_peer_stream(stage.caller, id);

    assert_true(stream->closed);
    assert_true(holds(&stream->head, code));
    if (!holds(&stream->head, part))
        fail_msg("%s", strbuf_cstr(&stream->head));
}

static void what_is_refused_never_reaches_the_server(void **state)
{
    int32_t message = h2_peer_call(stage.caller, "/t/One", NULL);
    int32_t head = h2_peer_call(stage.caller, "/t/Bytes", "refuse: me\n");
    int32_t path = h2_peer_call(stage.caller, "/t/Other", NULL);

    (void)state;
    h2_peer_message(stage.caller, message, S("no 100% \xc3\xa4"), true);
    grpc_stage_run(&stage);
    assert_refused(message, "grpc-status: 7\n",
                   "grpc-message: I do not want no 100%25 %C3%A4\n");
    assert_refused(head, "grpc-status: 7\n", "refused by its head");
    assert_refused(path, "grpc-status: 12\n", "berth knows no method /t/Other");
    assert_int_equal(stage.server->count, 0);
    assert_int_equal(stage.refused, 3);
    call_one();
}

static void what_is_no_grpc_is_refused(void **state)
{
    static const struct {
        const char *extra, *code;
    } cases[] = {
        {"grpc-encoding: gzip\n",                "grpc-status: 12\n"},
        {"grpc-timeout: soon\n",                 "grpc-status: 12\n"},
        {"grpc-timeout: 1S\ngrpc-timeout: 2S\n", "grpc-status: 12\n"},
        {"content-type: text/plain\n",           "grpc-status: 12\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int32_t id = h2_peer_call(stage.caller, "/t/One", cases[i].extra);

        h2_peer_message(stage.caller, id, S("ask"), true);
        grpc_stage_run(&stage);
        assert_refused(id, cases[i].code, "grpc-message");
    }
    assert_int_equal(stage.server->count, 0);
    call_one();
}

static void broken_messages_end_their_call_alone(void **state)
{
    static const struct {
        struct str bytes;
        const char *code;
    } cases[] = {
        {STR("\1\0\0\0\3abc"),          "grpc-status: 12\n"}, /* compressed */
        {STR("\0\1\0\0\1"),             "grpc-status: 8\n" }, /* 16 MiB + 1 */
        {STR("\0\0\0\0\4abc"),          "grpc-status: 3\n" }, /* cut */
        {STR("\0\0"),                   "grpc-status: 3\n" },
        {STR(""),                       "grpc-status: 3\n" },
        {STR("\0\0\0\0\1a\0\0\0\0\1b"), "grpc-status: 13\n"}, /* two */
        {STR("\0\0\0\0\1a\0"),          "grpc-status: 13\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

        h2_peer_write(stage.caller, id, cases[i].bytes, true);
        grpc_stage_run(&stage);
        assert_refused(id, cases[i].code, "grpc-message");
    }
    assert_int_equal(stage.server->count, 0);
    call_one();
}

static void a_request_is_answered_here(void **state)
{
    int32_t here = h2_peer_call(stage.caller, "/t/One", NULL);
    int32_t empty = h2_peer_call(stage.caller, "/t/Each", NULL);

    (void)state;
    h2_peer_message(stage.caller, here, S("here"), true);
    h2_peer_message(stage.caller, empty, S("empty"), true);
    grpc_stage_run(&stage);
    assert_trailers(here, "grpc-status: 0\n");
    assert_trailers(empty, "grpc-status: 0\n");
    assert_string_equal(
        grpc_messages(strbuf_str(&h2_peer_stream(stage.caller, here)->data),
                      &text),
        "done|");
    assert_int_equal(h2_peer_stream(stage.caller, empty)->data_len, 0);
    assert_int_equal(stage.server->count, 0);
}

static void
one_that_the_server_has_begun_to_answer_is_answered_here(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Both", NULL);

    (void)state;
    grpc_stage_run(&stage);
    h2_peer_respond(stage.server, h2_peer_nth(stage.server, 0)->id, NULL);
    grpc_stage_run(&stage);
    h2_peer_message(stage.caller, id, S("here"), false);
    grpc_stage_run(&stage);
    assert_trailers(id, "grpc-status: 0\n");
    assert_string_equal(
        grpc_messages(strbuf_str(&h2_peer_stream(stage.caller, id)->data),
                      &text),
        "done|");
    assert_true(h2_peer_nth(stage.server, 0)->closed);
}

static void messages_of_a_stream_are_judged_one_by_one(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Each", NULL);
    struct peer_stream *here = h2_peer_stream(stage.caller, id), *there;

    (void)state;
    h2_peer_message(stage.caller, id, S("ask"), true);
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    h2_peer_respond(stage.server, there->id, NULL);
    h2_peer_message(stage.server, there->id, S("a"), false);
    h2_peer_message(stage.server, there->id, S("drop"), false);
    h2_peer_message(stage.server, there->id, S(""), false);
    grpc_stage_run(&stage);
    assert_string_equal(grpc_messages(strbuf_str(&here->data), &text),
                        "<a>|<>|");
    assert_false(here->ended);
    h2_peer_message(stage.server, there->id, S("no more"), false);
    grpc_stage_run(&stage);
    assert_trailers(id,
                    "grpc-status: 7\ngrpc-message: I do not want no more\n");
    assert_true(there->closed);
    assert_int_equal(there->code, NGHTTP2_CANCEL);
}

static void one_that_waits_holds_up_nobody(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

    (void)state;
    h2_peer_message(stage.caller, id, S("wait"), true);
    grpc_stage_run(&stage);
    assert_non_null(stage.waiting);
    assert_int_equal(stage.server->count, 0);
    call_one();
    grpc_stage_resume(&stage);
    grpc_stage_run(&stage);
    assert_int_equal(stage.server->count, 2);
    assert_string_equal(
        grpc_messages(strbuf_str(&h2_peer_nth(stage.server, 1)->data), &text),
        "<wait>|");
}

static void one_that_waits_may_be_given_up(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

    (void)state;
    h2_peer_message(stage.caller, id, S("wait"), true);
    grpc_stage_run(&stage);
    h2_peer_reset(stage.caller, id, NGHTTP2_CANCEL);
    grpc_stage_run(&stage);
    assert_null(stage.waiting);
    assert_int_equal(stage.ended, 1);
    assert_int_equal(stage.last_code, GRPC_CANCELLED);
    call_one();
}

static void an_error_comes_in_the_callers_words(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

    (void)state;
    h2_peer_message(stage.caller, id, S("ask"), true);
    grpc_stage_run(&stage);
    h2_peer_refuse(stage.server, h2_peer_nth(stage.server, 0)->id,
                   "grpc-status: 5\ngrpc-message: not%20h%C3%A4re\n"
                   "grpc-status-details-bin: CAU\nx: y\n");
    grpc_stage_run(&stage);
    assert_true(h2_peer_stream(stage.caller, id)->closed);
    assert_string_equal(strbuf_cstr(&h2_peer_stream(stage.caller, id)->head),
                        ":status: 200\ncontent-type: application/grpc\n"
                        "grpc-status: 5\ngrpc-message: <not h%C3%A4re>\n"
                        "grpc-status-details-bin: CAU=\n");
    assert_int_equal(stage.last_code, 5);
}

static void a_reset_goes_on_with_its_code(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    struct peer_stream *there;

    (void)state;
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    h2_peer_reset(stage.caller, id, NGHTTP2_CANCEL);
    grpc_stage_run(&stage);
    assert_true(there->closed);
    assert_int_equal(there->code, NGHTTP2_CANCEL);

    id = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    grpc_stage_run(&stage);
    h2_peer_reset(stage.server, h2_peer_nth(stage.server, 1)->id,
                  NGHTTP2_ENHANCE_YOUR_CALM);
    grpc_stage_run(&stage);
    assert_true(h2_peer_stream(stage.caller, id)->closed);
    assert_int_equal(h2_peer_stream(stage.caller, id)->code,
                     NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(stage.ended, 2);
}

static void a_half_close_goes_on_alone(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    struct peer_stream *here = h2_peer_stream(stage.caller, id), *there;

    (void)state;
    h2_peer_write(stage.caller, id, S("up"), true);
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    assert_true(there->ended);
    assert_false(here->ended);
    assert_string_equal(strbuf_cstr(&there->data), "up");
    h2_peer_respond(stage.server, there->id, NULL);
    h2_peer_write(stage.server, there->id, S("down"), false);
    grpc_stage_run(&stage);
    assert_string_equal(strbuf_cstr(&here->data), "down");
    h2_peer_finish(stage.server, there->id, "grpc-status: 0\n");
    grpc_stage_run(&stage);
    assert_trailers(id, "grpc-status: 0\n");
}

/* The server answers before it has all of the request. */
static void an_early_answer_ends_both_halves(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);

    (void)state;
    h2_peer_write(stage.caller, id, S("some"), false);
    grpc_stage_run(&stage);
    h2_peer_respond(stage.server, h2_peer_nth(stage.server, 0)->id, NULL);
    h2_peer_finish(stage.server, h2_peer_nth(stage.server, 0)->id,
                   "grpc-status: 0\n");
    grpc_stage_run(&stage);
    assert_trailers(id, "grpc-status: 0\n");
    assert_int_equal(h2_peer_stream(stage.caller, id)->code, NGHTTP2_NO_ERROR);
    assert_true(h2_peer_nth(stage.server, 0)->closed);
    assert_int_equal(stage.ended, 1);
}

/* ---- back-pressure ---- */

#define BULK (8 * MIB)

static void write_bulk(struct h2_peer *peer, int32_t id, bool end)
{
    static char block[64 * KIB];

    for (size_t sent = 0; sent < BULK; sent += sizeof(block)) {
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = (char)((sent + i) * 131 >> 7);
        h2_peer_write(peer, id, str_of(block, sizeof(block)), false);
    }
    if (end)
        h2_peer_write(peer, id, S(""), true);
}

static size_t left_to_write(const struct peer_stream *stream)
{
    return stream->out.len - stream->out_at;
}

static void a_stalled_reader_stops_its_writer_and_nobody_else(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    struct peer_stream *there;

    (void)state;
    stage.server->stalled = true;
    write_bulk(stage.caller, id, true);
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    /* the server's window, and what berth offers to the runner */
    assert_true(BULK - left_to_write(h2_peer_stream(stage.caller, id)) <=
                65535 + MIB);
    assert_true(there->data_len <= 65535);
    h2_peer_unstall(stage.server);
    grpc_stage_run(&stage);
    assert_int_equal(there->data_len, BULK);
    assert_true(there->ended);
    assert_memory_equal(there->data.ptr,
                        h2_peer_stream(stage.caller, id)->out.ptr,
                        there->data.len);
    assert_true(stage.pulled <= 128 * KIB);
}

static void a_slow_stream_leaves_the_others_their_window(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    struct peer_stream *here = h2_peer_stream(stage.caller, id), *there;

    (void)state;
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    h2_peer_respond(stage.server, there->id, NULL);
    stage.caller->stalled = true;
    write_bulk(stage.server, there->id, false);
    grpc_stage_run(&stage);
    assert_true(here->data_len <= 65535);
    assert_true(BULK - left_to_write(there) <= 65535 + 4 * MIB);
    nghttp2_session_set_local_window_size(stage.caller->ng, NGHTTP2_FLAG_NONE,
                                          0, 1 << 20);
    call_one();
    h2_peer_unstall(stage.caller);
    grpc_stage_run(&stage);
    assert_int_equal(here->data_len, BULK);
}

static void judged_streams_have_back_pressure_too(void **state)
{
    AUTO(strbuf_fini) struct strbuf block = STRBUF(MIB);
    int32_t id = h2_peer_call(stage.caller, "/t/Each", NULL);
    struct peer_stream *here = h2_peer_stream(stage.caller, id), *there;

    (void)state;
    h2_peer_message(stage.caller, id, S("ask"), true);
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    h2_peer_respond(stage.server, there->id, NULL);
    memset(strbuf_reserve(&block, 64 * KIB), 'x', 64 * KIB);
    strbuf_commit(&block, 64 * KIB);
    stage.caller->stalled = true;
    for (size_t i = 0; i < 320; i++)
        h2_peer_message(stage.server, there->id, strbuf_str(&block), false);
    h2_peer_finish(stage.server, there->id, "grpc-status: 0\n");
    grpc_stage_run(&stage);
    assert_true(there->out_at <=
                65535 + LIMIT_GRPC_PENDING + 4 * MIB + 2 * 64 * KIB);
    h2_peer_unstall(stage.caller);
    grpc_stage_run(&stage);
    assert_int_equal(here->data_len, 320 * (64 * KIB + 7));
    assert_trailers(id, "grpc-status: 0\n");
}

static void a_message_of_the_largest_size_fits(void **state)
{
    AUTO(strbuf_fini) struct strbuf block = STRBUF(LIMIT_GRPC_MESSAGE);
    int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

    (void)state;
    memset(strbuf_reserve(&block, LIMIT_GRPC_MESSAGE), 'x', LIMIT_GRPC_MESSAGE);
    strbuf_commit(&block, LIMIT_GRPC_MESSAGE);
    h2_peer_message(stage.caller, id, strbuf_str(&block), true);
    grpc_stage_run(&stage);
    assert_int_equal(h2_peer_nth(stage.server, 0)->data_len,
                     LIMIT_GRPC_MESSAGE + 5);
}

/* ---- ends of connections ---- */

static void calls_end_with_the_servers_connection(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    int32_t late;

    (void)state;
    grpc_stage_run(&stage);
    grpc_tunnel_eof(stage.tunnel, grpc_stage_side(&stage, true));
    grpc_stage_run(&stage);
    assert_refused(id, "grpc-status: 14\n", "lost");
    assert_true(stage.caller->goaway);
    assert_true(
        grpc_tunnel_is_over(stage.tunnel, grpc_stage_side(&stage, true)));
    late = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    grpc_stage_run(&stage);
    assert_int_equal(h2_peer_stream(stage.caller, late)->data_len, 0);
    assert_true(
        grpc_tunnel_is_over(stage.tunnel, grpc_stage_side(&stage, false)));
    assert_int_equal(stage.ended, 1);
}

static void calls_end_with_the_callers_connection(void **state)
{
    (void)state;
    h2_peer_call(stage.caller, "/t/Bytes", NULL);
    grpc_stage_run(&stage);
    grpc_tunnel_eof(stage.tunnel, grpc_stage_side(&stage, false));
    grpc_stage_run(&stage);
    assert_true(h2_peer_nth(stage.server, 0)->closed);
    assert_int_equal(h2_peer_nth(stage.server, 0)->code, NGHTTP2_CANCEL);
    assert_true(
        grpc_tunnel_is_over(stage.tunnel, grpc_stage_side(&stage, true)));
    assert_int_equal(stage.ended, 1);
}

static void a_server_that_goes_away_lets_calls_end(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);
    struct peer_stream *there;

    (void)state;
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    nghttp2_submit_goaway(stage.server->ng, NGHTTP2_FLAG_NONE, there->id, 0,
                          NULL, 0);
    grpc_stage_run(&stage);
    assert_true(stage.caller->goaway);
    h2_peer_respond(stage.server, there->id, NULL);
    h2_peer_write(stage.server, there->id, S("all"), false);
    h2_peer_finish(stage.server, there->id, "grpc-status: 0\n");
    grpc_stage_run(&stage);
    assert_string_equal(strbuf_cstr(&h2_peer_stream(stage.caller, id)->data),
                        "all");
    assert_trailers(id, "grpc-status: 0\n");
    assert_true(
        grpc_tunnel_is_over(stage.tunnel, grpc_stage_side(&stage, false)));
}

static void
a_server_that_speaks_nonsense_ends_the_tunnel_with_a_reason(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);

    (void)state;
    grpc_stage_run(&stage);
    /* a DATA frame on a stream that nobody opened */
    grpc_tunnel_feed(stage.tunnel, grpc_stage_side(&stage, true),
                     S("\0\0\1\0\0\0\0\0\x63x"));
    grpc_stage_run(&stage);
    grpc_tunnel_eof(stage.tunnel, grpc_stage_side(&stage, true));
    grpc_stage_run(&stage);
    assert_refused(id, "grpc-status: 14\n", "lost");
    assert_true(stage.server->goaway);
}

static void a_reply_that_is_no_grpc_is_an_error(void **state)
{
    nghttp2_nv nv[] = {h2_peer_field(S(":status"), S("404"))};
    int32_t id = h2_peer_call(stage.caller, "/t/Bytes", NULL);

    (void)state;
    grpc_stage_run(&stage);
    nghttp2_submit_response(stage.server->ng, h2_peer_nth(stage.server, 0)->id,
                            nv, 1, NULL);
    grpc_stage_run(&stage);
    assert_refused(id, "grpc-status: 14\n", "HTTP status");
}

/* Without a status nobody knows whether it was done. */
static void an_end_without_a_status_is_no_success(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);
    struct peer_stream *there;

    (void)state;
    h2_peer_message(stage.caller, id, S("ask"), true);
    grpc_stage_run(&stage);
    there = h2_peer_nth(stage.server, 0);
    h2_peer_respond(stage.server, there->id, NULL);
    h2_peer_message(stage.server, there->id, S("answer"), true);
    grpc_stage_run(&stage);
    assert_trailers(id, "grpc-status: 2\ngrpc-message: the other side ended "
                        "the call without a status\n");
    assert_int_equal(stage.last_code, GRPC_UNKNOWN);
}

static void a_reset_of_the_servers_is_no_success(void **state)
{
    int32_t id = h2_peer_call(stage.caller, "/t/One", NULL);

    (void)state;
    h2_peer_message(stage.caller, id, S("ask"), true);
    grpc_stage_run(&stage);
    h2_peer_reset(stage.server, h2_peer_nth(stage.server, 0)->id,
                  NGHTTP2_INTERNAL_ERROR);
    grpc_stage_run(&stage);
    assert_true(h2_peer_stream(stage.caller, id)->closed);
    assert_int_equal(stage.ended, 1);
    assert_int_equal(stage.last_code, GRPC_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TESTS(name)                                                            \
    TEST(name), cmocka_unit_test_setup_teardown(name, set_up_session, tear_down)
#define TEST_CUT(name)                                                         \
    cmocka_unit_test_setup_teardown(name, set_up_bytewise, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TESTS(a_call_goes_through_written_anew),
        TEST_CUT(a_call_goes_through_written_anew),
        TESTS(what_is_refused_never_reaches_the_server),
        TEST(what_is_no_grpc_is_refused),
        TESTS(broken_messages_end_their_call_alone),
        TEST_CUT(broken_messages_end_their_call_alone),
        TESTS(a_request_is_answered_here),
        TESTS(one_that_the_server_has_begun_to_answer_is_answered_here),
        TESTS(messages_of_a_stream_are_judged_one_by_one),
        TEST_CUT(messages_of_a_stream_are_judged_one_by_one),
        TESTS(one_that_waits_holds_up_nobody),
        TEST(one_that_waits_may_be_given_up),
        TESTS(an_error_comes_in_the_callers_words),
        TESTS(a_reset_goes_on_with_its_code),
        TESTS(a_half_close_goes_on_alone),
        TEST_CUT(a_half_close_goes_on_alone),
        TESTS(an_early_answer_ends_both_halves),
        TEST(a_stalled_reader_stops_its_writer_and_nobody_else),
        TEST(a_slow_stream_leaves_the_others_their_window),
        TEST(judged_streams_have_back_pressure_too),
        TESTS(a_message_of_the_largest_size_fits),
        TESTS(calls_end_with_the_servers_connection),
        TESTS(calls_end_with_the_callers_connection),
        TESTS(a_server_that_goes_away_lets_calls_end),
        TESTS(a_server_that_speaks_nonsense_ends_the_tunnel_with_a_reason),
        TESTS(a_reply_that_is_no_grpc_is_an_error),
        TESTS(an_end_without_a_status_is_no_success),
        TESTS(a_reset_of_the_servers_is_no_success),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
