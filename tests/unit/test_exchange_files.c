#include "tests/unit/unit.h"

#include "policy/docker/companion_name.h"
#include "policy/isolation/own_ids.h"
#include "tests/support/exchange_driver.h"

/*
 * What is copied ("by": "copy") is in step before a request is sent, and before
 * its client hears of an end.
 */

#define ID   "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"
#define HEAD " HTTP/1.1\r\nHost: docker\r\n"

static struct exchange_driver d;

static int setup(void **state)
{
    (void)state;
    driver_init(&d, driver_policy(
                        "\"isolation\": \"namespace\", "
                        "\"operations\": {\"allow\": [\"container\", "
                        "\"exec\", \"SystemEvents\"]}, "
                        "\"container\": {\"mounts\": [{\"source\": \"/work\", "
                        "\"by\": \"copy\", \"mode\": \"rw\"}]}"));
    driver_know_engine(&d);
    d.owned = own_ids_new(8);
    owned_add(d.owned, REF_CONTAINER, S(ID));
    owned_add(d.owned, REF_EXEC, S(ID));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    driver_fini(&d);
    own_ids_free(d.owned);
    return 0;
}

/* Files are asked for, for TURN, with no limit in time; this is what came of
 * it. */
static void answer(const char *turn, int status, json_t *reply)
{
    const struct lookup *lookup;
    size_t index;

    lookup = driver_lookup(&d, &index);
    assert_non_null(lookup);
    assert_string_equal(lookup->target, LOOKUP_FILES);
    assert_string_equal(
        json_string_value(json_object_get(lookup->body, "turn")), turn);
    assert_int_equal(connection_wish(d.connection).timer, TIMER_NONE);
    assert_true(driver_answer(&d, status, reply));
    json_decref(reply);
}

static void bring(const char *turn)
{
    answer(turn, 200, json_object());
}

/* They are not, and nothing of it is there. */
static void miss(const char *turn)
{
    answer(turn, 403, json_pack("{s:s}", "message", "more than 20 files"));
}

static bool client_has(const char *text)
{
    struct str out = strbuf_str(&d.sides[CLIENT].out);

    return out.len && memmem(out.ptr, out.len, text, strlen(text));
}

static void attach(void)
{
    driver_send(&d, CLIENT,
                S("POST /v1.45/containers/" ID "/attach?stream=1&stdout=1" HEAD
                  "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, ENGINE,
                S("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
                  "Upgrade: tcp\r\n\r\nlast words"));
}

static void an_exec_starts_when_the_files_are_there(void **state)
{
    (void)state;
    driver_send(&d, CLIENT,
                S("POST /v1.45/exec/" ID "/start" HEAD
                  "Content-Type: application/json\r\nContent-Length: 2\r\n"
                  "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}"));
    assert_false(driver_wants_stream(&d));
    bring("in");
    assert_true(driver_open_stream(&d));
}

static void who_is_attached_hears_of_the_end_behind_the_files(void **state)
{
    (void)state;
    attach();
    driver_eof(&d, ENGINE);
    assert_true(client_has("last words"));
    assert_false(d.sides[CLIENT].shut);
    assert_false(d.closed);
    bring("out");
    assert_true(d.sides[CLIENT].shut);
    driver_eof(&d, CLIENT);
    assert_true(d.closed);
}

static void what_is_typed_meanwhile_is_no_fault(void **state)
{
    (void)state;
    attach();
    driver_eof(&d, ENGINE);
    driver_send(&d, CLIENT, S("typed"));
    driver_eof(&d, CLIENT);
    assert_false(d.closed);
    bring("out");
    assert_true(d.closed);
}

static void a_link_that_is_lost_meanwhile_is_the_end(void **state)
{
    (void)state;
    attach();
    driver_eof(&d, ENGINE);
    driver_fail_stream(&d, "the link was lost", false);
    bring("out");
    driver_eof(&d, CLIENT);
    assert_true(d.closed);
}

static void who_leaves_meanwhile_holds_up_nothing(void **state)
{
    (void)state;
    attach();
    driver_eof(&d, ENGINE);
    driver_client_gone(&d);
    driver_settle(&d);
    if (!d.closed)
        bring("out");
    assert_true(d.closed || connection_is_idle(d.connection));
}

static void a_wait_is_over_when_the_files_are_back(void **state)
{
    (void)state;
    driver_send(&d, CLIENT,
                S("POST /v1.45/containers/" ID "/wait" HEAD "\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, ENGINE,
                S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Content-Length: 16\r\n\r\n"));
    assert_true(client_has("200 OK"));
    driver_send(&d, ENGINE, S("{\"StatusCode\":0}"));
    assert_false(client_has("StatusCode"));
    bring("out");
    assert_true(client_has("StatusCode"));
}

static void a_wait_tells_what_is_not_back(void **state)
{
    (void)state;
    driver_send(&d, CLIENT,
                S("POST /v1.45/containers/" ID "/wait" HEAD "\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, ENGINE,
                S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Content-Length: 16\r\n\r\n{\"StatusCode\":0}"));
    miss("out");
    assert_true(client_has("\"Error\":{\"Message\":\"more than 20 files\"}"));
}

static void who_is_attached_reads_what_is_not_back(void **state)
{
    (void)state;
    driver_send(&d, CLIENT,
                S("POST /v1.45/containers/" ID "/attach?stream=1&stdout=1" HEAD
                  "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, ENGINE,
                S("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
                  "Upgrade: tcp\r\nContent-Type: application/"
                  "vnd.docker.multiplexed-stream\r\n\r\n"
                  "\1\0\0\0\0\0\0\4last"));
    driver_eof(&d, ENGINE);
    assert_false(client_has("berth:"));
    miss("out");
    assert_true(client_has("berth: more than 20 files\n"));
    assert_true(d.sides[CLIENT].shut);
}

static void an_exec_that_is_not_back_has_failed(void **state)
{
    (void)state;
    driver_send(&d, CLIENT, S("GET /v1.45/exec/" ID "/json" HEAD "\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, ENGINE,
                S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Content-Length: 30\r\n\r\n"
                  "{\"Running\":false,\"ExitCode\":0}"));
    assert_false(client_has("ExitCode"));
    miss("last");
    assert_true(client_has("\"ExitCode\":125"));
}

static void inspect(const char *status, const char *running)
{
    AUTO(strbuf_fini)
    struct strbuf body = STRBUF(4 * KIB), text = STRBUF(8 * KIB);

    driver_send(&d, CLIENT, S("GET /v1.45/containers/" ID "/json" HEAD "\r\n"));
    assert_true(driver_open_stream(&d));
    strbuf_addf(&body,
                "{\"Id\":\"" ID "\",\"Name\":\"/r1.job\",\"State\":{\"Status\":"
                "\"%s\",\"Running\":%s},\"Config\":{\"Labels\":{"
                "\"berth.namespace\":\"r1\",\"" LABEL_FILES "\":\"[]\"}}}",
                status, running);
    strbuf_addf(&text,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                "Content-Length: %zu\r\n\r\n%s",
                body.len, strbuf_cstr(&body));
    driver_send(&d, ENGINE, strbuf_str(&text));
}

static void an_inspect_tells_of_an_end_behind_the_files(void **state)
{
    (void)state;
    inspect("running", "true");
    assert_true(client_has("running"));
    inspect("exited", "false");
    assert_false(client_has("exited"));
    bring("out");
    assert_true(client_has("exited"));
}

static void a_stop_is_answered_when_they_are(void **state)
{
    (void)state;
    driver_send(&d, CLIENT,
                S("POST /v1.45/containers/" ID "/stop" HEAD "\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, ENGINE, S("HTTP/1.1 204 No Content\r\n\r\n"));
    assert_int_equal(d.sides[CLIENT].out.len, 0);
    bring("out");
    assert_true(client_has("204"));
}

/* An event of ACTION; its container copies files. */
static void send_event(const char *action)
{
    AUTO(strbuf_fini)
    struct strbuf line = STRBUF(4 * KIB), chunk = STRBUF(4 * KIB);

    strbuf_addf(&line,
                "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":"
                "\"" ID "\",\"Attributes\":{\"name\":\"r1.job\","
                "\"berth.namespace\":\"r1\",\"" LABEL_FILES "\":\"[]\"}}}\n",
                action);
    strbuf_addf(&chunk, "%zx\r\n%.*s\r\n", line.len,
                STR_FMT(strbuf_str(&line)));
    driver_send(&d, ENGINE, strbuf_str(&chunk));
}

static void an_event_tells_of_an_end_behind_the_files(void **state)
{
    (void)state;
    driver_send(&d, CLIENT, S("GET /v1.45/events" HEAD "\r\n"));
    assert_true(driver_open_stream(&d));
    driver_send(&d, ENGINE,
                S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"));
    send_event("start");
    assert_true(client_has("start"));
    for (int i = 0; i < 300; i++) { /* more than one request looks up */
        strbuf_clear(&d.sides[CLIENT].out);
        send_event("die");
        send_event("destroy");
        assert_false(client_has("die"));
        bring("out");
        assert_true(client_has("\"die\""));
        assert_true(client_has("destroy"));
        assert_false(client_has("berth"));
    }
}

static void an_end_that_cannot_be_brought_is_an_end(void **state)
{
    (void)state;
    attach();
    driver_eof(&d, ENGINE);
    assert_true(driver_answer(&d, 0, NULL));
    assert_true(d.sides[CLIENT].shut);
}

#define DRIVEN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVEN(an_exec_starts_when_the_files_are_there),
        DRIVEN(who_is_attached_hears_of_the_end_behind_the_files),
        DRIVEN(what_is_typed_meanwhile_is_no_fault),
        DRIVEN(a_link_that_is_lost_meanwhile_is_the_end),
        DRIVEN(who_leaves_meanwhile_holds_up_nothing),
        DRIVEN(a_wait_is_over_when_the_files_are_back),
        DRIVEN(a_wait_tells_what_is_not_back),
        DRIVEN(who_is_attached_reads_what_is_not_back),
        DRIVEN(an_exec_that_is_not_back_has_failed),
        DRIVEN(an_inspect_tells_of_an_end_behind_the_files),
        DRIVEN(a_stop_is_answered_when_they_are),
        DRIVEN(an_event_tells_of_an_end_behind_the_files),
        DRIVEN(an_end_that_cannot_be_brought_is_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
