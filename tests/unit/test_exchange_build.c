/* A runner's BuildKit client and an engine's BuildKit, with a whole exchange
 * between them. */

#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/exchange/request.h"
#include "tests/support/exchange_driver.h"
#include "tests/support/h2_peer.h"

#define POLICY                                                                 \
    "\"isolation\": \"namespace\", "                                           \
    "\"operations\": {\"allow\": [\"build\"]}"
#define HEAD " HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
#define SWITCHES                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"              \
    "Upgrade: h2c\r\n\r\n"
#define CONTROL "/moby.buildkit.v1.Control/"
#define UUID    "X-Docker-Expose-Session-Uuid: "
#define METHOD  "X-Docker-Expose-Session-Grpc-Method: "

static struct exchange_driver driver;
static struct h2_peer *peers[2];

static void open_peers(bool session)
{
    for (int side = CLIENT; side <= ENGINE; side++) {
        h2_peer_free(peers[side]);
        peers[side] = h2_peer_new((side == ENGINE) != session);
    }
}

static int setup(void **state)
{
    (void)state;
    driver_init(&driver, driver_policy(POLICY));
    driver_see_builds(&driver, "Docker/26.1.5+dfsg1 (linux)");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    driver_fini(&driver);
    for (int side = CLIENT; side <= ENGINE; side++) {
        h2_peer_free(peers[side]);
        peers[side] = NULL;
    }
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

/* Carry what the peers and the exchange have to say to each other. */
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

/* Open the tunnel that REQUEST asks for. */
static void open_tunnel(const char *request, bool session)
{
    driver_send(&driver, CLIENT, str_from(request));
    assert_true(driver_open_stream(&driver));
    strbuf_clear(&driver.sides[ENGINE].out);
    driver_send(&driver, ENGINE, S(SWITCHES));
    assert_true(
        str_has_prefix(strbuf_str(&driver.sides[CLIENT].out), S(SWITCHES)));
    strbuf_consume(&driver.sides[CLIENT].out, strlen(SWITCHES));
    open_peers(session);
    run();
}

static void open_grpc(void)
{
    open_tunnel("POST /grpc" HEAD "\r\n", false);
}

/* The request line and heads that the engine gets, or the client's answer. */
static bool was_told(enum side side, const char *part)
{
    return holds(strbuf_str(&driver.sides[side].out), part);
}

static struct peer_stream *ask(const char *method, struct str message)
{
    char path[128];
    int32_t id;

    snprintf(path, sizeof(path), CONTROL "%s", method);
    id = h2_peer_call(peers[CLIENT], path, NULL);
    h2_peer_message(peers[CLIENT], id, message, true);
    run();
    return h2_peer_stream(peers[CLIENT], id);
}

/* The engine ends its last call with MESSAGE. */
static void answer(struct str message)
{
    int32_t id = h2_peer_nth(peers[ENGINE], peers[ENGINE]->count - 1)->id;

    h2_peer_respond(peers[ENGINE], id, NULL);
    h2_peer_message(peers[ENGINE], id, message, false);
    h2_peer_finish(peers[ENGINE], id, "grpc-status: 0\n");
    run();
}

static void a_call_goes_through_the_tunnel(void **state)
{
    struct peer_stream *call;

    (void)state;
    open_grpc();
    call = ask("Info", S(""));
    assert_int_equal(peers[ENGINE]->count, 1);
    answer(S(""));
    assert_true(holds(strbuf_str(&call->trailers), "grpc-status: 0\n"));
}

static void what_nobody_knows_is_refused_and_on_record(void **state)
{
    struct peer_stream *call;

    (void)state;
    open_grpc();
    call = ask("Sing", S(""));
    assert_true(holds(strbuf_str(&call->head), "grpc-status: 12\n"));
    call = ask("Info", S("\x0a\1x"));
    assert_true(holds(strbuf_str(&call->head), "grpc-status: 3\n"));
    assert_int_equal(peers[ENGINE]->count, 0);
    assert_true(record_has("\"event\":\"call\""));
    assert_true(record_has("\"verdict\":\"deny\""));
    assert_true(record_has("\"call\":\"" CONTROL "Sing\""));
    assert_true(record_has("\"rule\":\"request.protobuf\""));
}

static void the_cache_of_all_is_shown_to_nobody(void **state)
{
    struct peer_stream *call;

    (void)state;
    open_grpc();
    call = ask("DiskUsage", S(""));
    assert_true(holds(strbuf_str(&call->trailers), "grpc-status: 0\n"));
    assert_int_equal(peers[ENGINE]->count, 0);
}

/* Ref "b1", exporter moby with name=app. */
#define SOLVE                                                                  \
    "\x0a\2b1"                                                                 \
    "\x6a\x13\x0a\4moby\x12\x0b\x0a\4name\x12\3app"

static void answer_question(const char *text)
{
    json_t *reply = json_loads(text, 0, NULL);

    assert_non_null(reply);
    assert_true(driver_answer(&driver, 200, reply));
    json_decref(reply);
    run();
}

static void assert_asks(const char *target)
{
    size_t index;
    const struct lookup *lookup = driver_lookup(&driver, &index);

    assert_non_null(lookup);
    assert_string_equal(lookup->target, target);
}

static void a_build_is_judged_by_what_images_there_are(void **state)
{
    struct peer_stream *call, *there;

    (void)state;
    open_grpc();
    call = ask("Solve", S(SOLVE));
    assert_int_equal(peers[ENGINE]->count, 0);
    assert_asks("/info");
    answer_question("{\"DriverStatus\": [[\"Backing Filesystem\", \"x\"]]}");
    assert_asks("/images/json");
    answer_question("[{\"Id\": \"sha256:1\", \"RepoTags\": "
                    "[\"r1.berth.invalid/base:latest\"]}]");
    there = h2_peer_nth(peers[ENGINE], 0);
    assert_non_null(there);
    assert_true(holds(strbuf_str(&there->data), "r1.b1"));
    assert_true(holds(strbuf_str(&there->data), "r1.berth.invalid/app:latest"));
    assert_true(
        holds(strbuf_str(&there->data), "r1.berth.invalid/base:latest"));
    assert_true(record_has("\"call\":\"" CONTROL "Solve\""));
    assert_true(record_has("\"ref\":\"b1\""));
    assert_false(call->ended);

    /* another one on the same engine asks for the images alone */
    ask("Solve", S(SOLVE));
    assert_asks("/images/json");
    assert_true(driver_answer(&driver, 500, NULL));
    run();
    assert_true(holds(strbuf_str(&h2_peer_nth(peers[CLIENT], 1)->head),
                      "grpc-status: 14\n"));
}

static void a_push_of_somebody_is_waited_for(void **state)
{
    (void)state;
    open_grpc();
    ask("Solve", S(SOLVE));
    answer_question("{}");
    answer_question("[{\"Id\": \"sha256:1\", \"RepoTags\": "
                    "[\"push.berth.invalid/docker.io/acme/app:1\"]}]");
    assert_asks("/images/json");
    assert_int_equal(peers[ENGINE]->count, 0);
    answer_question("[]");
    assert_int_equal(peers[ENGINE]->count, 1);
}

#define ONE_IMAGE                                                              \
    "[{\"Id\": \"sha256:1\", \"RepoTags\": "                                   \
    "[\"r1.berth.invalid/base:latest\"]}]"

static void builds_have_the_places_that_there_are(void **state)
{
    struct peer_stream *call;

    (void)state;
    driver_fini(&driver);
    driver_init(&driver,
                driver_policy("\"namespace\": {\"name\": \"r1\", \"limits\": "
                              "{\"images\": 2}}, " POLICY));
    driver_see_builds(&driver, "Docker/26.1.5+dfsg1 (linux)");
    open_grpc();
    ask("Solve", S(SOLVE));
    answer_question("{}");
    answer_question(ONE_IMAGE);
    assert_int_equal(peers[ENGINE]->count, 1);

    /* the last place is taken, although the engine does not show it yet */
    call = ask("Solve", S(SOLVE));
    answer_question(ONE_IMAGE);
    assert_int_equal(peers[ENGINE]->count, 1);
    assert_true(holds(strbuf_str(&call->head), "grpc-status: 7\n"));
    assert_true(record_has("\"rule\":\"namespace.limits.images\""));
    assert_true(record_has("2 of the 2 images"));

    /* until the build has failed */
    h2_peer_refuse(peers[ENGINE], h2_peer_nth(peers[ENGINE], 0)->id,
                   "grpc-status: 2\n");
    run();
    ask("Solve", S(SOLVE));
    answer_question(ONE_IMAGE);
    assert_int_equal(peers[ENGINE]->count, 2);
}

#define STATUS "\x0a\2b1" /* of that build */

static bool engine_has(size_t n, const char *method)
{
    const struct peer_stream *call = h2_peer_nth(peers[ENGINE], n);

    return call && holds(strbuf_str(&call->head), method);
}

/* The engine waits some seconds only for the build that a Status is of. */
static void a_status_is_not_ahead_of_its_build(void **state)
{
    (void)state;
    open_grpc();
    ask("Solve", S(SOLVE));
    ask("Status", S(STATUS));
    answer_question("{}");
    assert_int_equal(peers[ENGINE]->count, 0);
    answer_question(ONE_IMAGE);
    assert_int_equal(peers[ENGINE]->count, 2);

    /* with what is known of the engine by now, one list is for both */
    ask("Solve", S(SOLVE));
    ask("Status", S(STATUS));
    assert_int_equal(peers[ENGINE]->count, 2);
    answer_question(ONE_IMAGE);
    assert_true(engine_has(2, CONTROL "Solve"));
    assert_true(engine_has(3, CONTROL "Status"));
}

static void a_build_that_comes_after_its_status_is_not_late(void **state)
{
    (void)state;
    open_grpc();
    ask("Status", S(STATUS));
    assert_int_equal(peers[ENGINE]->count, 0);
    ask("Solve", S(SOLVE));
    answer_question("{}");
    answer_question(ONE_IMAGE);
    assert_true(engine_has(0, CONTROL "Status"));
    assert_true(engine_has(1, CONTROL "Solve"));
}

static void a_session_is_the_namespaces_own(void **state)
{
    (void)state;
    driver_send(&driver, CLIENT,
                S("POST /session" HEAD UUID "s1\r\n" METHOD
                  "/grpc.health.v1.Health/Check\r\n" METHOD
                  "/moby.exporter.v1.Exporter/FindExporters\r\n\r\n"));
    assert_true(driver_open_stream(&driver));
    assert_true(was_told(ENGINE, "x-docker-expose-session-uuid: r1.s1\r\n"));
    assert_true(was_told(ENGINE, "Health/Check\r\n"));
    assert_false(was_told(ENGINE, "Exporter"));
}

static void a_session_cannot_be_taken_over(void **state)
{
    static const char *const request = "POST /session" HEAD UUID "s1\r\n\r\n";

    (void)state;
    assert_true(tunnel_share_open(driver.builds, S("s1")));
    driver_send(&driver, CLIENT, str_from(request));
    assert_true(was_told(CLIENT, "HTTP/1.1 409"));
    assert_false(driver_wants_stream(&driver));
    tunnel_share_close(driver.builds, S("s1"));

    driver_reconnect(&driver);
    open_tunnel(request, true);
    assert_false(tunnel_share_open(driver.builds, S("s1")));
    driver_client_gone(&driver);
    driver_eof(&driver, ENGINE);
    assert_true(tunnel_share_open(driver.builds, S("s1")));
}

static void a_session_has_one_id(void **state)
{
    static const char *const wrong[] = {
        "POST /session" HEAD "\r\n",
        "POST /session" HEAD UUID "a:b\r\n\r\n",
        "POST /session" HEAD UUID "a\r\n" UUID "b\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        driver_send(&driver, CLIENT, str_from(wrong[i]));
        assert_true(was_told(CLIENT, "HTTP/1.1 400"));
        driver_reconnect(&driver);
    }
}

static void the_engine_calls_the_session(void **state)
{
    int32_t id;

    (void)state;
    open_tunnel("POST /session" HEAD UUID "s1\r\n\r\n", true);
    id = h2_peer_call(peers[ENGINE], "/grpc.health.v1.Health/Check", NULL);
    h2_peer_message(peers[ENGINE], id, S(""), true);
    run();
    assert_int_equal(peers[CLIENT]->count, 1);
}

static void an_engine_that_is_too_old_is_named(void **state)
{
    (void)state;
    driver_see_builds(&driver, "Docker/20.10.24+dfsg1 (linux)");
    driver_send(&driver, CLIENT, S("POST /grpc" HEAD "\r\n"));
    assert_true(was_told(CLIENT, "HTTP/1.1 403"));
    assert_true(was_told(CLIENT, "needs Docker Engine 25, and this one is "
                                 "20.10.24+dfsg1"));
    assert_true(was_told(CLIENT, "DOCKER_BUILDKIT=0"));
    assert_true(record_has("\"rule\":\"build.engine\""));

    driver_reconnect(&driver);
    driver_see_builds(&driver, "Podman");
    driver_send(&driver, CLIENT, S("POST /grpc" HEAD "\r\n"));
    assert_true(was_told(CLIENT, "HTTP/1.1 503"));
}

static void who_builds_the_old_way_is_led_to_the_classic_builder(void **state)
{
    (void)state;
    driver_send(&driver, CLIENT,
                S("POST /build?version=2&session=s1&buildid=b1&t=app"
                  " HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"));
    assert_true(was_told(CLIENT, "HTTP/1.1 403"));
    assert_true(was_told(CLIENT, "DOCKER_BUILDKIT=0"));

    driver_reconnect(&driver);
    driver.facts.known = false;
    driver_send(&driver, CLIENT, S("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"));
    assert_true(driver_open_stream(&driver));
    driver_send(&driver, ENGINE,
                S("HTTP/1.1 200 OK\r\nBuilder-Version: 2\r\nApi-Version: "
                  "1.45\r\nContent-Length: 2\r\n\r\nOK"));
    assert_true(was_told(CLIENT, "\r\nBuilder-Version: 1\r\n"));
    assert_false(was_told(CLIENT, "Builder-Version: 2"));
}

static void the_end_of_either_side_is_the_others(void **state)
{
    struct peer_stream *call;

    (void)state;
    open_grpc();
    call = ask("Info", S(""));
    driver_eof(&driver, ENGINE);
    run();
    assert_true(holds(strbuf_str(&call->head), "grpc-status: 14\n"));
    driver_eof(&driver, CLIENT);
    run();
    assert_true(driver.closed);

    driver_reconnect(&driver);
    open_grpc();
    ask("Info", S(""));
    driver_client_gone(&driver);
    run();
    assert_true(h2_peer_nth(peers[ENGINE], 0)->closed);
    assert_int_equal(h2_peer_nth(peers[ENGINE], 0)->code, NGHTTP2_CANCEL);
    assert_int_equal(driver.fate, STREAM_SPENT);
    assert_true(driver.closed);
}

static void a_lost_link_ends_calls_with_a_reason(void **state)
{
    struct peer_stream *call;

    (void)state;
    open_grpc();
    call = ask("Info", S(""));
    driver_fail_stream(&driver, "the link is down", false);
    run();
    assert_true(holds(strbuf_str(&call->head), "lost"));
    assert_true(record_has("\"close\":\"link-lost\""));
}

static void without_a_namespace_calls_are_judged_for_any_engine(void **state)
{
    struct peer_stream *call;

    (void)state;
    driver_fini(&driver);
    driver_init(&driver, driver_policy("\"operations\": {\"allow\": "
                                       "[\"build\"]}"));
    driver_see_builds(&driver, "Docker/20.10.24 (linux)");
    open_grpc();
    call = ask("Sing", S(""));
    assert_true(holds(strbuf_str(&call->head), "grpc-status: 12\n"));
    assert_int_equal(peers[ENGINE]->count, 0);
    assert_true(record_has("\"verdict\":\"deny\""));
    call = ask("DiskUsage", S("")); /* all of the engine's */
    assert_int_equal(peers[ENGINE]->count, 1);
    answer(S(""));
    assert_true(holds(strbuf_str(&call->trailers), "grpc-status: 0\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_goes_through_the_tunnel),
        TEST(what_nobody_knows_is_refused_and_on_record),
        TEST(the_cache_of_all_is_shown_to_nobody),
        TEST(a_build_is_judged_by_what_images_there_are),
        TEST(a_push_of_somebody_is_waited_for),
        TEST(builds_have_the_places_that_there_are),
        TEST(a_status_is_not_ahead_of_its_build),
        TEST(a_build_that_comes_after_its_status_is_not_late),
        TEST(a_session_is_the_namespaces_own),
        TEST(a_session_cannot_be_taken_over),
        TEST(a_session_has_one_id),
        TEST(the_engine_calls_the_session),
        TEST(an_engine_that_is_too_old_is_named),
        TEST(who_builds_the_old_way_is_led_to_the_classic_builder),
        TEST(the_end_of_either_side_is_the_others),
        TEST(a_lost_link_ends_calls_with_a_reason),
        TEST(without_a_namespace_calls_are_judged_for_any_engine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
