#include "tests/unit/unit.h"

#include "proxy/cli/assumed_engine.h"

#include <errno.h>
#include <stdlib.h>

static struct assumptions assumptions;

static json_t *ask(enum method method, const char *target, bool changes,
                   int wanted)
{
    const struct lookup lookup = {
        .method = method, .target = xstrdup(target), .changes = changes};
    json_t *reply;
    int status;

    assume(&assumptions, &lookup, "r1", &status, &reply);
    free(lookup.target);
    assert_int_equal(status, wanted);
    return reply;
}

static const char *last(const char *key)
{
    size_t count = json_array_size(assumptions.made);

    return json_string_value(
        json_object_get(json_array_get(assumptions.made, count - 1), key));
}

static void what_is_named_is_there_and_the_runners_own(void **state)
{
    json_auto_t *volume = NULL, *container = NULL, *image = NULL;

    (void)state;
    assumptions_init(&assumptions);
    volume = ask(METHOD_GET, "/volumes/r1.data", false, 200);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(volume, "Labels"),
                                          "berth.namespace")),
        "r1");
    assert_string_equal(last("question"), "GET /volumes/r1.data");
    assert_non_null(last("means"));
    container = ask(METHOD_GET, "/containers/r1.db/json", false, 200);
    assert_string_equal(json_string_value(json_object_get(container, "Name")),
                        "/r1.db");
    image = ask(METHOD_GET, "/images/ghcr.io%2Facme%2Fapp/json", false, 200);
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(image, "RepoTags"), 0)),
                        "ghcr.io/acme/app:latest");
    assumptions_fini(&assumptions);
}

static void there_are_no_containers_but_the_one_asked_for(void **state)
{
    json_auto_t *none = NULL, *one = NULL;

    (void)state;
    assumptions_init(&assumptions);
    none = ask(METHOD_GET, "/containers/json?all=1", false, 200);
    assert_int_equal(json_array_size(none), 0);
    one = ask(METHOD_GET,
              "/containers/json?all=1&filters=%7B%22id%22%3A%7B%22ab%22%3Atrue"
              "%7D%7D",
              false, 200);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(one, 0), "Id")), "ab");
    assumptions_fini(&assumptions);
}

static void a_change_succeeds_and_the_unknown_is_not_there(void **state)
{
    json_auto_t *made = NULL;

    (void)state;
    assumptions_init(&assumptions);
    made = ask(METHOD_POST, "/volumes/create", true, 201);
    assert_non_null(json_object_get(made, "Id"));
    assert_null(ask(METHOD_GET, "/nonsense", false, 404));
    assumptions_fini(&assumptions);
}

static void what_is_said_goes_first(void **state)
{
    json_auto_t *reply = NULL;

    (void)state;
    assumptions_init(&assumptions);
    assert_int_equal(assumptions_add(&assumptions, "GET /volumes/r1.a 404"), 0);
    assert_int_equal(
        assumptions_add(&assumptions, "GET /volumes/r1.b 200 {\"a\": [1]}"), 0);
    assert_null(ask(METHOD_GET, "/volumes/r1.a", false, 404));
    assert_null(last("means"));
    reply = ask(METHOD_GET, "/volumes/r1.b", false, 200);
    assert_int_equal(json_array_size(json_object_get(reply, "a")), 1);
    assumptions_fini(&assumptions);
}

static void what_is_no_answer_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",          "GET",          "GET /x",     "GET /x ok",
        "GET /x 99", "GET /x 200 {", "GET /x 600", "GET  /x 200"};

    (void)state;
    assumptions_init(&assumptions);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(assumptions_add(&assumptions, wrong[i]), -EINVAL);
    assumptions_fini(&assumptions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_is_there_and_the_runners_own),
        cmocka_unit_test(there_are_no_containers_but_the_one_asked_for),
        cmocka_unit_test(a_change_succeeds_and_the_unknown_is_not_there),
        cmocka_unit_test(what_is_said_goes_first),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
