#include "tests/unit/unit.h"

#include "proxy/server/census.h"
#include "tests/unit/fake_upstream.h"

#define OF(ns) "\"Labels\": {\"berth.namespace\": \"" ns "\"}"

static struct event_base *base;
static struct fake_upstream fake;
static struct pool *pool;
static struct census *census;

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    census = census_new(base, pool);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    census = census_free(census);
    pool_free(pool);
    fake_upstream_fini(&fake);
    event_base_free(base);
    return 0;
}

static void answer(const char *question, const char *body)
{
    fake_answer(&fake, base, question, 200, body);
}

static void answer_lists(void)
{
    answer(
        "GET /containers/json?all=1",
        "[{\"Id\": \"1\", \"Names\": [\"/r1.a\"], " OF(
            "r1") ", \"Ports\": ["
                  "  {\"IP\": \"0.0.0.0\", \"PrivatePort\": 80, "
                  "\"PublicPort\": 5,"
                  "   \"Type\": \"tcp\"},"
                  "  {\"IP\": \"::\", \"PrivatePort\": 80, \"PublicPort\": 5,"
                  "   \"Type\": \"tcp\"},"
                  "  {\"PrivatePort\": 81, \"Type\": \"tcp\"}]},"
                  " {\"Id\": \"2\", \"Names\": [\"/r1.b\"], " OF(
                      "r1") "},"
                            " {\"Id\": \"3\", \"Names\": [\"/r3.c\"], " OF(
                                "r3") "}]");
    answer("GET /networks?",
           "[{\"Id\": \"1\", \"Name\": \"r2.net\", " OF("r2") "}]");
    answer("GET /volumes?",
           "{\"Volumes\": [{\"Name\": \"r1.v\", " OF("r1") "}]}");
    answer("GET /images/json?",
           "[{\"Id\": \"sha256:1\", \"Size\": 7, \"RepoTags\": ["
           "  \"r1.berth.invalid/a:1\", \"r1.berth.invalid/a:2\","
           "  \"alpine:3\"]},"
           " {\"Id\": \"sha256:2\", \"Size\": 9, \"RepoTags\": ["
           "  \"r1.berth.invalid/b:1\", \"r2.berth.invalid/b:1\"]}]");
}

static void nothing_is_asked_before_somebody_looks(void **state)
{
    (void)state;
    fake_run(&fake, base);
    assert_int_equal(fake.count, 0);
}

static void what_each_namespace_has_is_counted_with_four_questions(void **state)
{
    struct objects_view seen;

    (void)state;
    assert_false(census_look(census, "r1").known);
    assert_false(census_look(census, "r2").known);
    answer_lists();
    assert_int_equal(fake_asked(&fake, "GET "), FAKE_STREAMS);
    seen = census_look(census, "r1");
    assert_true(seen.known);
    assert_int_equal(seen.containers, 2);
    assert_int_equal(seen.ports, 1); /* on two addresses */
    assert_int_equal(seen.networks, 0);
    assert_int_equal(seen.volumes, 1);
    assert_int_equal(seen.images, 2); /* one of them has two names */
    assert_int_equal(seen.image_bytes, 16);
    seen = census_look(census, "r2");
    assert_true(seen.known);
    assert_int_equal(seen.containers, 0);
    assert_int_equal(seen.networks, 1);
    assert_int_equal(seen.images, 1);
    assert_int_equal(seen.image_bytes, 9);
}

static void one_that_is_new_is_counted_at_once(void **state)
{
    (void)state;
    census_look(census, "r1");
    answer_lists();
    assert_false(census_look(census, "r3").known);
    answer_lists();
    assert_int_equal(census_look(census, "r3").containers, 1);
}

static void nothing_is_known_when_the_engine_does_not_answer(void **state)
{
    (void)state;
    census_look(census, "r1");
    answer_lists();
    assert_true(census_look(census, "r1").known);
    census_look(census, "r2");
    answer("GET /containers/json?all=1", "[]");
    fake_answer(&fake, base, "GET /networks?", 500, "{\"message\": \"no\"}");
    assert_false(census_look(census, "r1").known);
}

int main(void)
{
#define COUNTED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        COUNTED(nothing_is_asked_before_somebody_looks),
        COUNTED(what_each_namespace_has_is_counted_with_four_questions),
        COUNTED(one_that_is_new_is_counted_at_once),
        COUNTED(nothing_is_known_when_the_engine_does_not_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
