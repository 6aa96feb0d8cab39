/* What an exchange holds beside bodies and replies (decoders, archives, the
 * calls of a tunnel) is counted as its listener's, and ends where that does. */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/limits.h"
#include "tests/support/exchange_driver.h"
#include "tests/support/h2_peer.h"
#include "tests/support/packed.h"

static struct exchange_driver driver;

static int teardown(void **state)
{
    (void)state;
    driver_fini(&driver);
    return 0;
}

static bool holds(struct str all, const char *part)
{
    return memmem(all.ptr, all.len, part, strlen(part)) != NULL;
}

static bool record_has(const char *text)
{
    return holds(strbuf_str(&driver.audit), text);
}

/* ---- archives ---- */

static int open_container(void **state)
{
    (void)state;
    driver_init(&driver,
                driver_policy("\"operations\": {\"allow\": [\"container\"]}"));
    return 0;
}

/* An archive, packed in the way HOW, comes but for its last bytes; MORE bytes
 * may be held for it. Returns what was held before. */
static size_t put_archive(enum packing how, size_t more)
{
    AUTO(strbuf_fini) struct strbuf packed = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf chunk = STRBUF(MIB);
    char *zeros = xcalloc(1, 64 * KIB);
    size_t before;

    pack(how, str_of(zeros, 64 * KIB), &packed);
    free(zeros);
    driver_send(&driver, CLIENT,
                S("PUT /containers/c/archive?path=/ HTTP/1.1\r\nHost: d\r\n"
                  "Content-Type: application/x-tar\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"));
    assert_true(driver_open_stream(&driver));
    before = connection_memory(driver.connection);
    driver.memory = before + more;
    strbuf_addf(&chunk, "%zx\r\n", packed.len);
    strbuf_add(&chunk, str_head(strbuf_str(&packed), packed.len - 9));
    driver_send(&driver, CLIENT, strbuf_str(&chunk));
    return before;
}

/* What a decoder needs for the archive, beside what is around it. */
static const size_t needs[PACKINGS] = {
    [PACKED_GZIP] = 30 * KIB,
    [PACKED_BZIP2] = 3 * MIB,
    [PACKED_XZ] = 256 * KIB,
    [PACKED_ZSTD] = 256 * KIB,
};

static void a_decoder_is_part_of_what_is_held(void **state)
{
    for (int how = 0; how < PACKINGS; how++) {
        size_t before = put_archive((enum packing)how, 16 * MIB);

        assert_true(connection_memory(driver.connection) >=
                    before + needs[how]);
        assert_false(record_has("request.memory"));
        teardown(state);
        open_container(state);
    }
}

static void a_decoder_without_room_is_refused(void **state)
{
    for (int how = 0; how < PACKINGS; how++) {
        put_archive((enum packing)how, needs[how] / 2);
        assert_true(str_has_prefix(strbuf_str(&driver.sides[CLIENT].out),
                                   S("HTTP/1.1 503 ")));
        assert_true(
            holds(strbuf_str(&driver.sides[CLIENT].out), "Retry-After"));
        assert_true(record_has("\"rule\":\"request.memory\""));
        assert_true(connection_memory(driver.connection) <= driver.memory);
        teardown(state);
        open_container(state);
    }
}

/* ---- what the engine is asked ---- */

static int open_namespace(void **state)
{
    (void)state;
    driver_init(&driver,
                driver_policy("\"isolation\": \"namespace\", "
                              "\"operations\": {\"allow\": [\"container\"]}"));
    return 0;
}

static void answers_are_part_of_what_is_held(void **state)
{
    json_t *labels = json_object(), *reply;
    size_t before, index;

    (void)state;
    driver_send(&driver, CLIENT,
                S("POST /containers/create HTTP/1.1\r\nHost: d\r\n"
                  "Content-Type: application/json\r\nContent-Length: 46\r\n\r\n"
                  "{\"Image\":\"a\",\"HostConfig\":{\"Binds\":[\"vv:/v\"]}}"));
    assert_non_null(driver_lookup(&driver, &index));
    for (int i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "l%d", i);
        json_object_set_new(labels, name,
                            json_string("a value of some length"));
    }
    reply = json_pack("{s:s,s:{s:o}}", "Id", "sha256:1", "Config", "Labels",
                      labels);
    before = connection_memory(driver.connection);
    assert_true(driver_answer(&driver, 200, reply));
    json_decref(reply);
    assert_non_null(driver_lookup(&driver, &index)); /* there are more */
    assert_true(connection_memory(driver.connection) >= before + 50000);
}

/* ---- BuildKit's tunnels ---- */

static struct h2_peer *peers[2];

#define SWITCHES                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"              \
    "Upgrade: h2c\r\n\r\n"

static void run(void)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (int side = CLIENT; side <= ENGINE; side++) {
            AUTO(strbuf_fini) struct strbuf out = STRBUF(64 * MIB);
            struct strbuf *in = &driver.sides[side].out;

            moved |= in->len > 0;
            h2_peer_input(peers[side], strbuf_str(in));
            strbuf_clear(in);
            h2_peer_output(peers[side], &out);
            moved |= out.len > 0;
            if (!driver.closed)
                driver_send(&driver, (enum side)side, strbuf_str(&out));
        }
    }
}

static int open_tunnel(void **state)
{
    (void)state;
    driver_init(&driver,
                driver_policy("\"isolation\": \"namespace\", "
                              "\"operations\": {\"allow\": [\"build\"]}"));
    driver_see_builds(&driver, "Docker/26.1.5+dfsg1 (linux)");
    peers[CLIENT] = h2_peer_new(false);
    peers[ENGINE] = h2_peer_new(true);
    driver_send(&driver, CLIENT,
                S("POST /grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
                  "Upgrade: h2c\r\n\r\n"));
    assert_true(driver_open_stream(&driver));
    strbuf_clear(&driver.sides[ENGINE].out);
    driver_send(&driver, ENGINE, S(SWITCHES));
    strbuf_consume(&driver.sides[CLIENT].out, strlen(SWITCHES));
    run();
    return 0;
}

static int close_tunnel(void **state)
{
    h2_peer_free(peers[CLIENT]);
    h2_peer_free(peers[ENGINE]);
    return teardown(state);
}

/* A call whose message of LEN bytes does not end. */
static struct peer_stream *begin_message(size_t len)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(len + 16);
    char *zeros = xcalloc(1, len);
    int32_t id =
        h2_peer_call(peers[CLIENT], "/moby.buildkit.v1.Control/Solve", NULL);

    strbuf_add(&part, S("\0\0\xff\xff\xff"));
    strbuf_add(&part, str_of(zeros, len));
    free(zeros);
    h2_peer_write(peers[CLIENT], id, strbuf_str(&part), false);
    run();
    return h2_peer_stream(peers[CLIENT], id);
}

static void messages_that_come_are_part_of_what_is_held(void **state)
{
    size_t before = connection_memory(driver.connection);

    (void)state;
    begin_message(3 * MIB);
    assert_true(connection_memory(driver.connection) >= before + 3 * MIB);
}

static void a_call_without_room_is_refused_alone(void **state)
{
    struct peer_stream *first, *second;

    (void)state;
    driver.memory = connection_memory(driver.connection) + 4 * MIB;
    first = begin_message(3 * MIB);
    second = begin_message(3 * MIB);
    assert_false(first->has_head);
    assert_true(second->has_head);
    assert_true(holds(strbuf_str(&second->head), "grpc-status: 8\n"));
    assert_true(record_has("\"rule\":\"request.memory\""));
    assert_false(driver.closed);
    assert_true(connection_memory(driver.connection) <= driver.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ARCHIVE(name)                                                          \
    cmocka_unit_test_setup_teardown(name, open_container, teardown)
#define NAMESPACE(name)                                                        \
    cmocka_unit_test_setup_teardown(name, open_namespace, teardown)
#define TUNNEL(name)                                                           \
    cmocka_unit_test_setup_teardown(name, open_tunnel, close_tunnel)
        ARCHIVE(a_decoder_is_part_of_what_is_held),
        ARCHIVE(a_decoder_without_room_is_refused),
        NAMESPACE(answers_are_part_of_what_is_held),
        TUNNEL(messages_that_come_are_part_of_what_is_held),
        TUNNEL(a_call_without_room_is_refused_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
