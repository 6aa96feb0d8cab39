#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "tests/support/grpc_stage.h"

/*
 * Control.Session: an HTTP/2 connection inside a call, in which the engine
 * calls the runner. INSIDE_ENGINE speaks in the replies of the call,
 * INSIDE_RUNNER in its requests.
 */
static struct grpc_stage stage;
static struct h2_peer *inside_runner, *inside_engine;
static int32_t outer;
static size_t read_at[2]; /* of the outer stream's data: caller's, server's */

static size_t part; /* bytes a BytesMessage; 0: all at once */

static int set_up(void **state)
{
    (void)state;
    part = 0;
    grpc_stage_init(&stage, GRPC_CONTROL);
    inside_engine = h2_peer_new(false);
    inside_runner = h2_peer_new(true);
    read_at[0] = read_at[1] = 0;
    outer = h2_peer_call(stage.caller, "/t/Nested", "m-session: 1\n");
    grpc_stage_run(&stage);
    h2_peer_respond(stage.server, h2_peer_nth(stage.server, 0)->id, NULL);
    return 0;
}

static int set_up_cut(void **state)
{
    set_up(state);
    part = 3;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    grpc_stage_fini(&stage);
    h2_peer_free(inside_runner);
    h2_peer_free(inside_engine);
    return 0;
}

static void put_message(struct h2_peer *outside, int32_t id, struct str bytes)
{
    AUTO(strbuf_fini) struct strbuf message = STRBUF(MIB);
    size_t len = bytes.len;

    strbuf_add_char(&message, 0x0a);
    for (; len >= 0x80; len >>= 7)
        strbuf_add_char(&message, (char)(len | 0x80));
    strbuf_add_char(&message, (char)len);
    strbuf_add(&message, bytes);
    h2_peer_message(outside, id, strbuf_str(&message), false);
}

static bool put_inside(struct h2_peer *inside, struct h2_peer *outside,
                       int32_t id)
{
    AUTO(strbuf_fini) struct strbuf bytes = STRBUF(MIB);
    struct str rest;

    h2_peer_output(inside, &bytes);
    for (rest = strbuf_str(&bytes); rest.len;) {
        struct str piece = str_head(rest, part ? part : 32 * KIB);

        put_message(outside, id, piece);
        rest = str_from_index(rest, piece.len);
    }
    return bytes.len > 0;
}

/* What came in BytesMessages since the last time goes inside. */
static bool take_inside(struct h2_peer *inside, struct peer_stream *outside,
                        size_t *at)
{
    struct str data = str_from_index(strbuf_str(&outside->data), *at);
    bool moved = false;

    while (data.len >= 5) {
        const unsigned char *head = (const unsigned char *)data.ptr;
        size_t len = (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        size_t skip = len > 0x3fff + 4 ? 4 : len > 0x7f + 3 ? 3 : 2;

        assert_int_equal(head[0], 0);
        assert_true(data.len >= 5 + len);
        assert_int_equal(head[5], 0x0a);
        assert_true(
            h2_peer_input(inside, str_of(data.ptr + 5 + skip, len - skip)));
        data = str_from_index(data, 5 + len);
        *at += 5 + len;
        moved = true;
    }
    return moved;
}

static void run(void)
{
    struct peer_stream *there = h2_peer_nth(stage.server, 0);
    bool moved = true;

    while (moved) {
        grpc_stage_run(&stage);
        moved = put_inside(inside_engine, stage.server, there->id);
        moved |= put_inside(inside_runner, stage.caller, outer);
        grpc_stage_run(&stage);
        moved |= take_inside(inside_engine, there, &read_at[1]);
        moved |= take_inside(inside_runner, h2_peer_stream(stage.caller, outer),
                             &read_at[0]);
    }
}

static void the_engine_calls_the_runner_inside(void **state)
{
    int32_t id = h2_peer_call(inside_engine, "/t/One", "m-key: v\nx: y\n");
    struct peer_stream *there;

    (void)state;
    h2_peer_message(inside_engine, id, S("ask"), true);
    run();
    there = h2_peer_nth(inside_runner, 0);
    assert_non_null(there);
    assert_string_equal(strbuf_cstr(&there->head),
                        ":method: POST\n:scheme: http\n:path: /t/One\n"
                        ":authority: localhost\n"
                        "content-type: application/grpc\nte: trailers\n"
                        "m-key: v\n");
    assert_memory_equal(there->data.ptr, "\0\0\0\0\5<ask>", 10);
    h2_peer_respond(inside_runner, there->id, NULL);
    h2_peer_message(inside_runner, there->id, S("yes"), false);
    h2_peer_finish(inside_runner, there->id, "grpc-status: 0\n");
    run();
    assert_string_equal(
        strbuf_cstr(&h2_peer_stream(inside_engine, id)->trailers),
        "grpc-status: 0\n");
    assert_int_equal(stage.begun, 2);
    assert_int_equal(stage.ended, 1);
}

static void what_is_refused_inside_leaves_the_rest(void **state)
{
    int32_t no = h2_peer_call(inside_engine, "/t/Nested", NULL);
    int32_t wait = h2_peer_call(inside_engine, "/t/One", NULL);

    (void)state;
    h2_peer_message(inside_engine, wait, S("wait"), true);
    run();
    /* there is no session inside a session */
    assert_string_equal(strbuf_cstr(&h2_peer_stream(inside_engine, no)->head),
                        ":status: 200\ncontent-type: application/grpc\n"
                        "grpc-status: 12\n"
                        "grpc-message: berth knows no method /t/Nested\n");
    assert_int_equal(inside_runner->count, 0);
    grpc_stage_resume(&stage);
    run();
    assert_int_equal(inside_runner->count, 1);
}

static void bulk_goes_through_inside(void **state)
{
    static char block[64 * KIB];
    int32_t id = h2_peer_call(inside_engine, "/t/Bytes", NULL);
    struct peer_stream *there;

    (void)state;
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)(i * 131 >> 7);
    run();
    there = h2_peer_nth(inside_runner, 0);
    h2_peer_respond(inside_runner, there->id, NULL);
    for (int i = 0; i < 8; i++)
        h2_peer_write(inside_runner, there->id, str_of(block, sizeof(block)),
                      false);
    h2_peer_finish(inside_runner, there->id, "grpc-status: 0\n");
    run();
    assert_int_equal(h2_peer_stream(inside_engine, id)->data_len,
                     8 * sizeof(block));
    assert_memory_equal(h2_peer_stream(inside_engine, id)->data.ptr,
                        there->out.ptr, 8 * sizeof(block));
    assert_true(h2_peer_stream(inside_engine, id)->closed);
}

static void what_is_no_bytes_message_ends_the_call(void **state)
{
    static const struct str broken[] = {
        STR("\x12\1x"),  STR("\x0a\2x"),
        STR("\x0a\1xy"), STR("\x0a\1x\x0a\1y"),
        STR("\x0a"),     STR("\x0a\x81\x80\x80\x80\x80\0x"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        int32_t id = h2_peer_call(stage.caller, "/t/Nested", NULL);

        h2_peer_message(stage.caller, id, broken[i], false);
        grpc_stage_run(&stage);
        assert_true(h2_peer_stream(stage.caller, id)->closed);
        assert_int_equal(stage.refused, i + 1);
        assert_string_equal(stage.last_refusal.rule, "request.protobuf");
    }
}

static void a_broken_connection_inside_ends_its_call_alone(void **state)
{
    (void)state;
    run();
    h2_peer_message(stage.server, h2_peer_nth(stage.server, 0)->id,
                    S("\x0a\x13GET / HTTP/1.1\r\n\r\nx"), false);
    grpc_stage_run(&stage);
    assert_true(h2_peer_stream(stage.caller, outer)->closed);
    assert_int_equal(stage.refused, 1);
    assert_string_equal(stage.last_refusal.rule, "request.http2");
    assert_false(stage.caller->goaway);
    assert_false(stage.server->goaway);
}

static void the_end_of_the_call_ends_what_is_inside(void **state)
{
    int32_t id = h2_peer_call(inside_engine, "/t/Bytes", NULL);

    (void)state;
    run();
    h2_peer_write(stage.caller, outer, S(""), true);
    run();
    assert_true(h2_peer_stream(inside_engine, id)->closed);
    assert_int_equal(stage.ended, 1);
    h2_peer_finish(stage.server, h2_peer_nth(stage.server, 0)->id,
                   "grpc-status: 0\n");
    run();
    assert_string_equal(
        strbuf_cstr(&h2_peer_stream(stage.caller, outer)->trailers),
        "grpc-status: 0\n");
    assert_int_equal(stage.ended, 2);
}

/* The engine has not heard yet that the runner is through. */
static void what_comes_behind_the_runners_end_is_no_fault(void **state)
{
    (void)state;
    run();
    h2_peer_write(stage.caller, outer, S(""), true);
    grpc_stage_run(&stage);
    nghttp2_submit_ping(inside_engine->ng, NGHTTP2_FLAG_NONE, NULL);
    run();
    assert_int_equal(stage.refused, 0);
    h2_peer_finish(stage.server, h2_peer_nth(stage.server, 0)->id,
                   "grpc-status: 0\n");
    run();
    assert_string_equal(
        strbuf_cstr(&h2_peer_stream(stage.caller, outer)->trailers),
        "grpc-status: 0\n");
    assert_int_equal(stage.refused, 0);
}

enum { PINGS = 30000 };

/* Answers of which so many wait that no more questions are taken. */
static void what_was_not_taken_is_taken_once_answers_were_read(void **state)
{
    (void)state;
    run();
    stage.caller->stalled = true;
    for (int i = 0; i < PINGS; i += 10) {
        for (int n = 0; n < 10; n++)
            nghttp2_submit_ping(inside_runner->ng, NGHTTP2_FLAG_NONE, NULL);
        put_inside(inside_runner, stage.caller, outer);
    }
    grpc_stage_run(&stage);
    assert_true(inside_runner->pings < PINGS);
    h2_peer_unstall(stage.caller);
    run();
    assert_int_equal(inside_runner->pings, PINGS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_CUT(name)                                                         \
    cmocka_unit_test_setup_teardown(name, set_up_cut, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_engine_calls_the_runner_inside),
        TEST_CUT(the_engine_calls_the_runner_inside),
        TEST(what_is_refused_inside_leaves_the_rest),
        TEST_CUT(what_is_refused_inside_leaves_the_rest),
        TEST(bulk_goes_through_inside),
        TEST(what_is_no_bytes_message_ends_the_call),
        TEST(a_broken_connection_inside_ends_its_call_alone),
        TEST(the_end_of_the_call_ends_what_is_inside),
        TEST(what_comes_behind_the_runners_end_is_no_fault),
        TEST(what_was_not_taken_is_taken_once_answers_were_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
