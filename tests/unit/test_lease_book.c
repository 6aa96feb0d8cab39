#include "tests/unit/unit.h"

#include <time.h>

#include "policy/base/limits.h"
#include "policy/isolation/lease_book.h"

/* Leases of 900 s, looked at four times in that. */
enum {
    TERM = 900,
    SURE_MS = TERM * 1000,
    STEP_MS = SURE_MS / 4,
    PERIOD_MS = 60 * 1000, /* in which one is made anew */
};

static struct lease_book *book;
static int64_t engine; /* its clock */
static uint64_t own;   /* ours, in ms */

static int setup(void **state)
{
    (void)state;
    book = lease_book_new();
    engine = 100000;
    own = 5000000;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lease_book_free(book);
    return 0;
}

static json_t *stamp(int64_t seconds)
{
    char text[64];
    time_t time = (time_t)seconds;
    struct tm tm;

    gmtime_r(&time, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static void add(json_t *list, const char *name, const char *ns,
                const char *term, int64_t made)
{
    json_t *labels = json_pack("{s:s}", "berth.lease", ns);

    if (term)
        json_object_set_new(labels, "berth.lease.term", json_string(term));
    json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "Name", name,
                                          "CreatedAt", stamp(made), "Labels",
                                          labels));
}

/* A look that is over at once; LIST is taken. */
static void look(json_t *list)
{
    json_auto_t *reply = json_pack("{s:o}", "Volumes", list);

    assert_true(lease_book_look(book, engine, own, reply, own));
}

static void look_at(const char *name, int64_t made)
{
    json_t *list = json_array();

    add(list, name, "r1", "900", made);
    look(list);
}

static void pass(unsigned ms)
{
    own += ms;
    engine += ms / 1000;
}

static enum lease_state state_of(const char *ns)
{
    return lease_book_find(book, str_from(ns)).state;
}

#define LEASE "berth_lease.r1.00-1"
#define MARK  "berth_sweep.r1.00-1"

static void one_within_its_term_is_held(void **state)
{
    (void)state;
    look_at(LEASE, engine);
    assert_int_equal(state_of("r1"), LEASE_HELD);
    assert_int_equal(lease_book_find(book, S("r1")).ends, engine + TERM);
    assert_int_equal(lease_book_again_ms(book), 0);
    assert_int_equal(state_of("r2"), LEASE_UNKNOWN);
}

static void one_that_is_over_is_doubted_until_it_was_long_the_same(void **state)
{
    (void)state;
    look_at(LEASE, engine - TERM - 1);
    assert_int_equal(state_of("r1"), LEASE_HELD); /* to the second */
    look_at(LEASE, engine - TERM - 2);
    for (unsigned ms = 0; ms < SURE_MS; ms += STEP_MS) {
        assert_int_equal(state_of("r1"), LEASE_DOUBTED);
        assert_int_equal(lease_book_again_ms(book), PERIOD_MS);
        pass(STEP_MS);
        look_at(LEASE, engine - 2 * TERM);
    }
    assert_int_equal(state_of("r1"), LEASE_OVER);
    assert_int_equal(lease_book_again_ms(book), 0);
}

static void settle(const char *name)
{
    for (unsigned ms = 0; ms <= SURE_MS; ms += STEP_MS) {
        pass(STEP_MS);
        look_at(name, engine - 2 * TERM);
    }
}

static uint64_t print_of(const char *name)
{
    json_auto_t *list = json_pack("{s:[]}", "Volumes");
    bool over;

    add(json_object_get(list, "Volumes"), name, "r1", "900", engine);
    return lease_print(list, S("r1"), engine, &over);
}

/* A look at LEASE, long over, and a record of SEEN_MS, made AGO s ago. */
static void look_with_record(const char *name, uint64_t print, uint64_t seen_ms,
                             int64_t ago)
{
    struct str record = S("berth_watch.r1.00-1");
    json_auto_t *body = lease_watch_body(record, S("r1"), print, seen_ms);
    json_t *list = json_array();

    add(list, name, "r1", "900", engine - 2 * TERM);
    json_object_set_new(body, "CreatedAt", stamp(engine - ago));
    json_array_append(list, body);
    look(list);
}

static void what_others_have_watched_counts(void **state)
{
    (void)state;
    look_with_record(LEASE, print_of(LEASE), SURE_MS - 5000, 10);
    assert_int_equal(state_of("r1"), LEASE_DOUBTED);
    assert_int_equal(lease_book_again_ms(book), 5000);
    assert_int_equal(lease_book_find(book, S("r1")).news_ms, 0);
    pass(4000);
    look_with_record(LEASE, print_of(LEASE), SURE_MS - 5000, 14);
    assert_int_equal(state_of("r1"), LEASE_DOUBTED);
    assert_int_equal(lease_book_find(book, S("r1")).seen_ms, SURE_MS - 1000);
    assert_int_equal(lease_book_find(book, S("r1")).news_ms, 4000);
    pass(1000);
    look_at(LEASE, engine - 2 * TERM); /* also when the record has gone */
    assert_int_equal(state_of("r1"), LEASE_OVER);
}

static void but_not_of_other_leases(void **state)
{
    (void)state;
    look_with_record(LEASE, print_of(LEASE) + 1, SURE_MS, 10);
    assert_int_equal(lease_book_find(book, S("r1")).seen_ms, 0);
    look_with_record(LEASE, 0, SURE_MS, 10);
    assert_int_equal(lease_book_find(book, S("r1")).seen_ms, 0);
}

/* An engine that stood still gives its clients time to come back. */
static void and_after_a_gap_one_watches_a_while(void **state)
{
    static const int64_t ago[] = {SURE_MS / 2000 + 1, -10, TERM * 100};

    (void)state;
    for (size_t i = 0; i < sizeof(ago) / sizeof(*ago); i++) {
        look(json_array());
        look_with_record(LEASE, print_of(LEASE), SURE_MS * 1000, ago[i]);
        assert_int_equal(state_of("r1"), LEASE_DOUBTED);
        assert_int_equal(lease_book_again_ms(book), PERIOD_MS);
    }
    look(json_array());
    look_with_record(LEASE, print_of(LEASE), SURE_MS * 1000, 10);
    assert_int_equal(state_of("r1"), LEASE_OVER);
}

static void a_record_alone_is_no_lease(void **state)
{
    json_auto_t *body =
        lease_watch_body(S("berth_watch.r1.00-1"), S("r1"), 1, SURE_MS);

    (void)state;
    look(json_pack("[O]", body));
    assert_int_equal(state_of("r1"), LEASE_UNKNOWN);
}

static void a_clock_that_is_set_takes_no_lease_of_the_living(void **state)
{
    char name[64];

    (void)state;
    for (unsigned i = 0; i < 20; i++) { /* a berth makes one in two looks */
        snprintf(name, sizeof(name), "berth_lease.r1.00-%u", i / 2);
        look_at(name, engine - 2 * TERM);
        assert_int_equal(state_of("r1"), LEASE_DOUBTED);
        pass(STEP_MS);
    }
}

static void after_a_gap_it_begins_anew(void **state)
{
    (void)state;
    settle(LEASE);
    assert_int_equal(state_of("r1"), LEASE_OVER);
    pass(SURE_MS / 2 + 1000);
    look_at(LEASE, engine - 2 * TERM);
    assert_int_equal(state_of("r1"), LEASE_DOUBTED);
}

/* The engine, or the way to it, stood still: for whoever lives, too. */
static void and_after_an_answer_that_took_long(void **state)
{
    json_auto_t *reply = json_pack("{s:[]}", "Volumes");

    (void)state;
    add(json_object_get(reply, "Volumes"), LEASE, "r1", "900",
        engine - 2 * TERM);
    lease_book_look(book, engine, own, reply, own);
    lease_book_look(book, engine, own + STEP_MS, reply, own + 10 * SURE_MS);
    assert_int_equal(state_of("r1"), LEASE_DOUBTED);
    lease_book_look(book, engine, own + 10 * SURE_MS + 1, reply,
                    own + 10 * SURE_MS + 2);
    assert_int_equal(state_of("r1"), LEASE_DOUBTED);
}

static void one_of_several_holds_it(void **state)
{
    json_t *list = json_array();

    (void)state;
    add(list, LEASE, "r1", "900", engine - 2 * TERM);
    add(list, "berth_lease.r1.01-1", "r1", "2000", engine - 2 * TERM);
    look(list);
    assert_int_equal(state_of("r1"), LEASE_HELD);
}

static void what_says_nothing_of_its_end_is_never_over(void **state)
{
    static const char *const terms[] = {NULL, "",    "x",
                                        "-1", "1e3", "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof(terms) / sizeof(*terms); i++) {
        json_t *list = json_array();

        add(list, LEASE, "r1", terms[i], 1);
        look(list);
        assert_int_equal(state_of("r1"), LEASE_HELD);
    }
    look(json_pack("[{s:s, s:{s:s, s:s}}]", "Name", LEASE, "Labels",
                   "berth.lease", "r1", "berth.lease.term", "900"));
    assert_int_equal(state_of("r1"), LEASE_HELD);
}

static void who_is_at_it_is_left_to_it(void **state)
{
    json_t *list = json_array();

    (void)state;
    settle(LEASE);
    add(list, LEASE, "r1", "900", engine - 2 * TERM);
    add(list, MARK, "r1", NULL, engine - 10);
    look(list);
    assert_int_equal(state_of("r1"), LEASE_SWEPT);
    list = json_array();
    add(list, LEASE, "r1", "900", engine - 2 * TERM);
    add(list, MARK, "r1", NULL, engine - LEASE_ALONE_S - 2);
    look(list); /* who made that was killed */
    assert_int_equal(state_of("r1"), LEASE_OVER);
}

static void a_mark_alone_is_no_lease(void **state)
{
    json_t *list = json_array();

    (void)state;
    add(list, MARK, "r1", NULL, engine - LEASE_MARK_S - 2);
    look(list);
    assert_int_equal(state_of("r1"), LEASE_UNKNOWN);
}

/* Labels and name have to agree. */
static void what_only_looks_like_one_is_none(void **state)
{
    static const char *const names[] = {
        "berth_lease.r2.00-1",    "berth_lease.r1",      "berth_lease.r11.00-1",
        "r1.berth_lease.r1.00-1", "berth_sweep.r2.00-1", ""};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        json_t *list = json_array();

        add(list, names[i], "r1", "900", 1);
        look(list);
        assert_int_equal(state_of("r1"), LEASE_UNKNOWN);
    }
}

static void there_are_only_so_many(void **state)
{
    json_t *list = json_array();
    struct lease_known known;
    char name[64], ns[16];

    (void)state;
    for (unsigned i = 0; i < LIMIT_OWNERS + 1; i++) {
        snprintf(ns, sizeof(ns), "r%u", i);
        snprintf(name, sizeof(name), "berth_lease.%s.00-1", ns);
        add(list, name, ns, "900", engine);
    }
    look(list);
    assert_true(lease_book_at(book, LIMIT_OWNERS - 1, &known));
    assert_false(lease_book_at(book, LIMIT_OWNERS, &known));
    look(json_array());
    assert_false(lease_book_at(book, 0, &known));
}

static void what_is_no_list_changes_nothing(void **state)
{
    json_auto_t *text = json_string("x");

    (void)state;
    look_at(LEASE, engine);
    assert_false(lease_book_look(book, engine, own, text, own));
    assert_false(lease_book_look(book, engine, own, NULL, own));
    assert_int_equal(state_of("r1"), LEASE_HELD);
}

static void a_print_tells_leases_apart(void **state)
{
    json_auto_t *one = json_pack("{s:[]}", "Volumes");
    json_auto_t *two = json_pack("{s:[]}", "Volumes");
    json_auto_t *none = json_pack("{s:[]}", "Volumes");
    bool over;

    (void)state;
    add(json_object_get(one, "Volumes"), LEASE, "r1", "900", engine - 1000);
    add(json_object_get(two, "Volumes"), LEASE, "r1", "900", engine - 1000);
    add(json_object_get(two, "Volumes"), "berth_lease.r1.00-2", "r1", "900",
        engine);
    assert_int_not_equal(lease_print(one, S("r1"), engine, &over), 0);
    assert_true(over);
    assert_int_not_equal(lease_print(two, S("r1"), engine, &over),
                         lease_print(one, S("r1"), engine, &over));
    lease_print(two, S("r1"), engine, &over);
    assert_false(over);
    assert_int_equal(lease_print(none, S("r1"), engine, &over), 0);
    lease_print(NULL, S("r1"), engine, &over);
    assert_false(over);
}

static void it_is_made_anew_often_enough(void **state)
{
    (void)state;
    assert_int_equal(lease_period_ms(900 * 1000), 60 * 1000);
    assert_int_equal(lease_period_ms(10 * 1000), 10 * 1000 / 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_within_its_term_is_held),
        TEST(one_that_is_over_is_doubted_until_it_was_long_the_same),
        TEST(what_others_have_watched_counts),
        TEST(but_not_of_other_leases),
        TEST(and_after_a_gap_one_watches_a_while),
        TEST(a_record_alone_is_no_lease),
        TEST(a_clock_that_is_set_takes_no_lease_of_the_living),
        TEST(after_a_gap_it_begins_anew),
        TEST(and_after_an_answer_that_took_long),
        TEST(one_of_several_holds_it),
        TEST(what_says_nothing_of_its_end_is_never_over),
        TEST(who_is_at_it_is_left_to_it),
        TEST(a_mark_alone_is_no_lease),
        TEST(what_only_looks_like_one_is_none),
        TEST(there_are_only_so_many),
        TEST(what_is_no_list_changes_nothing),
        TEST(a_print_tells_leases_apart),
        TEST(it_is_made_anew_often_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
