#include "tests/unit/unit.h"

#include "policy/docker/lookup.h"

#include "policy/base/limits.h"

static struct lookups set;

static int setup(void **state)
{
    (void)state;
    set = (struct lookups){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lookups_fini(&set);
    return 0;
}

static void what_is_asked_twice_is_one_lookup(void **state)
{
    (void)state;
    assert_int_equal(lookups_get(&set, S("/images/a/json")), 0);
    assert_int_equal(lookups_get(&set, S("/images/b/json")), 1);
    assert_int_equal(lookups_get(&set, S("/images/a/json")), 0);
    assert_int_equal(set.count, 2);
}

static void a_body_makes_another_lookup(void **state)
{
    json_auto_t *body = json_pack("{s:s}", "Name", "v");
    json_auto_t *same = json_pack("{s:s}", "Name", "v");

    (void)state;
    lookups_add(&set, METHOD_POST, S("/volumes/create"))->body =
        json_incref(body);
    assert_int_equal(
        lookups_find(&set, METHOD_POST, S("/volumes/create"), same), 0);
    assert_int_equal(
        lookups_find(&set, METHOD_POST, S("/volumes/create"), NULL), 1);
}

static void all_that_are_open_may_go_at_once(void **state)
{
    (void)state;
    lookups_get(&set, S("/a"));
    lookups_get(&set, S("/b"));
    assert_int_equal(lookups_next(&set), 0);
    set.items[0].state = LOOKUP_SENT;
    assert_int_equal(lookups_next(&set), 1);
    set.items[1].state = LOOKUP_SENT;
    assert_int_equal(lookups_next(&set), 2);
    assert_true(lookups_are_pending(&set));
    lookups_answer(&set, 1, 200, NULL);
    lookups_answer(&set, 0, 404, NULL);
    assert_false(lookups_are_pending(&set));
}

static void one_that_waits_goes_when_all_before_it_are_answered(void **state)
{
    (void)state;
    lookups_get(&set, S("/a"));
    lookups_add(&set, METHOD_POST, S("/b"))->waits = true;
    set.items[0].state = LOOKUP_SENT;
    assert_int_equal(lookups_next(&set), set.count);
    lookups_answer(&set, 0, 200, NULL);
    assert_int_equal(lookups_next(&set), 1);
}

static void a_change_counts_until_it_is_answered(void **state)
{
    (void)state;
    lookups_get(&set, S("/a"));
    assert_false(lookups_change(&set));
    lookups_add(&set, METHOD_DELETE, S("/b"))->changes = true;
    assert_true(lookups_change(&set));
    lookups_answer(&set, 1, 204, NULL);
    assert_false(lookups_change(&set));
}

static void what_is_open_can_be_dropped_and_what_was_sent_not(void **state)
{
    (void)state;
    lookups_get(&set, S("/a"));
    lookups_get(&set, S("/b"));
    set.items[0].state = LOOKUP_SENT;
    lookups_drop_open(&set);
    assert_int_equal(set.items[1].state, LOOKUP_ANSWERED);
    assert_int_equal(set.items[1].status, 0);
    assert_true(lookups_are_pending(&set));
}

static void there_are_at_most_so_many(void **state)
{
    char target[32];

    (void)state;
    for (int i = 0; i < LIMIT_LOOKUPS; i++) {
        snprintf(target, sizeof(target), "/%d", i);
        assert_int_equal(lookups_get(&set, str_from(target)), (size_t)i);
    }
    assert_null(lookups_add(&set, METHOD_GET, S("/more")));
    assert_int_equal(lookups_get(&set, S("/more")), set.count);
    assert_int_equal(lookups_get(&set, S("/0")), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_asked_twice_is_one_lookup),
        TEST(a_body_makes_another_lookup),
        TEST(all_that_are_open_may_go_at_once),
        TEST(one_that_waits_goes_when_all_before_it_are_answered),
        TEST(a_change_counts_until_it_is_answered),
        TEST(what_is_open_can_be_dropped_and_what_was_sent_not),
        TEST(there_are_at_most_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
