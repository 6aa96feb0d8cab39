#include "tests/unit/unit.h"

#include "policy/isolation/lease_rivals.h"

enum { OWN = 0x10, NOW = 1000000000 };

static struct lease_rivals rivals;

static int setup(void **state)
{
    (void)state;
    rivals = (struct lease_rivals){.count = 0};
    return 0;
}

/* One look at leases: "RANDOM-NUMBER" and SECONDS after 2001-09-09T01:46:40Z
 * each, of r1. */
struct seen {
    const char *what;
    unsigned seconds;
};

static enum lease_rival look(size_t count, const struct seen *seen)
{
    json_t *list = json_array();
    json_auto_t *reply = json_pack("{s:o}", "Volumes", list);
    char name[80], made[80];

    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "berth_lease.r1.%s", seen[i].what);
        snprintf(made, sizeof(made), "2001-09-09T01:46:%02uZ",
                 40 + seen[i].seconds);
        json_array_append_new(list, json_pack("{s:s, s:s, s:{s:s, s:s}}",
                                              "Name", name, "CreatedAt", made,
                                              "Labels", "berth.lease", "r1",
                                              "berth.lease.term", "900"));
    }
    return lease_rivals_look(&rivals, reply, S("r1"), OWN, NOW);
}

#define LOOK(...)                                                              \
    look(sizeof((struct seen[]){__VA_ARGS__}) / sizeof(struct seen),           \
         (struct seen[]){__VA_ARGS__})

static void one_s_own_are_none(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 9; i++) {
        char own[] = "0000000000000010-0";

        own[17] = (char)('0' + i);
        assert_int_equal(LOOK({own, i}), LEASE_ALONE);
    }
}

static void one_that_was_killed_is_none(void **state)
{
    (void)state;
    assert_int_equal(LOOK({"0000000000000020-7", 0}), LEASE_ALONE);
    for (unsigned i = 0; i < 9; i++) /* one was on its way */
        assert_int_equal(LOOK({"0000000000000020-8", 9}), LEASE_ALONE);
}

static void who_was_there_first_and_goes_on_is(void **state)
{
    (void)state;
    assert_int_equal(LOOK({"0000000000000020-7", 0}), LEASE_ALONE);
    assert_int_equal(LOOK({"0000000000000020-7", 0}, {"0000000000000020-8", 9}),
                     LEASE_ALONE);
    assert_int_equal(LOOK({"0000000000000020-8", 9}, {"0000000000000020-9", 9}),
                     LEASE_RIVAL_FIRST);
    assert_int_equal(LOOK({"0000000000000020-9", 9}), LEASE_RIVAL_FIRST);
    assert_int_equal(look(0, NULL), LEASE_ALONE); /* it has stopped */
}

static void and_is_not_any_more_when_it_makes_none(void **state)
{
    (void)state;
    LOOK({"0000000000000020-6", 0});
    assert_int_equal(LOOK({"0000000000000020-8", 9}), LEASE_RIVAL_FIRST);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(LOOK({"0000000000000020-8", 9}), LEASE_RIVAL_FIRST);
    assert_int_equal(LOOK({"0000000000000020-8", 9}), LEASE_ALONE);
    assert_int_equal(LOOK({"0000000000000020-10", 9}), LEASE_RIVAL_FIRST);
}

static void who_comes_later_is_another(void **state)
{
    (void)state;
    look(0, NULL);
    assert_int_equal(LOOK({"0000000000000020-1", 5}), LEASE_ALONE);
    assert_int_equal(LOOK({"0000000000000020-3", 9}), LEASE_RIVAL_LATER);
}

/* It was made before the first look, but after one's own. */
static void also_when_the_first_look_saw_it(void **state)
{
    (void)state;
    assert_int_equal(LOOK({"0000000000000020-1", 1}), LEASE_ALONE);
    assert_int_equal(LOOK({"0000000000000020-3", 9}), LEASE_RIVAL_LATER);
}

static void of_many_one_that_was_first_counts(void **state)
{
    (void)state;
    LOOK({"0000000000000020-1", 0}, {"0000000000000030-1", 1});
    assert_int_equal(LOOK({"0000000000000020-3", 9}, {"0000000000000030-3", 9}),
                     LEASE_RIVAL_FIRST);
}

static void what_is_called_otherwise_is_none(void **state)
{
    static const char *const names[] = {"",
                                        "-1",
                                        "20-",
                                        "20",
                                        "2g-1",
                                        "x",
                                        "20-1x",
                                        "00000000000000020-1",
                                        "20-99999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        assert_int_equal(LOOK({names[i], 0}), LEASE_ALONE);
        assert_int_equal(rivals.count, 0);
    }
}

static void there_are_only_so_many(void **state)
{
    char names[20][32];
    struct seen seen[20];

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        snprintf(names[i], sizeof(names[i]), "%u-1", 20 + i);
        seen[i] = (struct seen){names[i], 0};
    }
    look(20, seen);
    assert_int_equal(rivals.count, LEASE_RIVALS);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_s_own_are_none),
        TEST(one_that_was_killed_is_none),
        TEST(who_was_there_first_and_goes_on_is),
        TEST(and_is_not_any_more_when_it_makes_none),
        TEST(who_comes_later_is_another),
        TEST(also_when_the_first_look_saw_it),
        TEST(of_many_one_that_was_first_counts),
        TEST(what_is_called_otherwise_is_none),
        TEST(there_are_only_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
