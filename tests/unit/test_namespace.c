#include "tests/unit/unit.h"

#include "policy/docker/namespace.h"

#include <stdio.h>

static const struct str r1 = STR("r1");

static void assert_engine_name(struct str ns, struct str name,
                               const char *expected)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1024);

    assert_int_equal(namespace_put(&out, ns, name), 0);
    assert_string_equal(strbuf_cstr(&out), expected);
    assert_true(namespace_has(ns, strbuf_str(&out)));
    assert_true(str_eq(namespace_strip(ns, strbuf_str(&out)), name));
}

static void a_name_goes_out_prefixed_and_comes_back(void **state)
{
    (void)state;
    assert_engine_name(r1, S("db"), "r1.db");
    assert_engine_name(r1, S("r1.db"), "r1.r1.db");
    assert_engine_name(r1, S("r2.db"), "r1.r2.db");
    assert_engine_name(r1, S("my net"), "r1.my net");
}

static void a_name_of_another_stays_as_it_is(void **state)
{
    (void)state;
    assert_false(namespace_has(r1, S("r10.db")));
    assert_false(namespace_has(r1, S("r1")));
    assert_false(namespace_has(r1, S("r1-x.db")));
    assert_true(str_eq(namespace_strip(r1, S("r10.db")), S("r10.db")));
}

/* Namespaces that look alike, and names that look like namespaces. */
static void no_two_namespaces_make_the_same_name(void **state)
{
    static const char *const spaces[] = {"a",  "a-a", "aa", "a-b", "b",
                                         "r1", "r10", "r",  "1",   "r-1"};
    static const char *const parts[] = {"a",  "a-", "aa", ".", "-",  "_",
                                        "r1", "1",  "0",  "b", ".a", "r"};
    enum { SPACES = 10, PARTS = 12 };
    char name[64];

    (void)state;
    for (size_t n = 0; n < PARTS * PARTS * PARTS; n++) {
        snprintf(name, sizeof(name), "%s%s%s", parts[n % PARTS],
                 parts[n / PARTS % PARTS], parts[n / PARTS / PARTS]);
        for (size_t i = 0; i < SPACES; i++) {
            AUTO(strbuf_fini) struct strbuf out = STRBUF(256);

            namespace_put(&out, str_from(spaces[i]), str_from(name));
            for (size_t j = 0; j < SPACES; j++)
                assert_int_equal(
                    namespace_has(str_from(spaces[j]), strbuf_str(&out)),
                    i == j);
        }
    }
}

static void assert_bad(enum ref_kind kind, struct str name, int status,
                       const char *text)
{
    struct verdict why = {0};

    assert_int_equal(name_check(kind, r1, name, &why), NAME_E_BAD);
    assert_int_equal(why.status, status);
    assert_string_equal(why.reason, text);
}

static void a_bad_name_is_refused_in_the_engines_words(void **state)
{
    static const char grammar[] = "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed";
    char text[256];

    (void)state;
    snprintf(text, sizeof(text), "Invalid container name (-a), %s", grammar);
    assert_bad(REF_CONTAINER, S("-a"), 400, text);
    snprintf(text, sizeof(text), "Invalid container name (a), %s", grammar);
    assert_bad(REF_CONTAINER, S("a"), 400, text);
    assert_bad(REF_VOLUME, S("a"), 400,
               "create a: volume name is too short, names should be at least "
               "two alphanumeric characters");
    assert_bad(REF_VOLUME, S("x y"), 400,
               "create x y: \"x y\" includes invalid characters for a local "
               "volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. "
               "If you intended to pass a host directory, use absolute path");
    assert_bad(REF_NETWORK, S("bridge"), 403,
               "operation is not permitted on predefined bridge network ");
    assert_bad(REF_NETWORK, S("default"), 403,
               "operation is not permitted on predefined default network ");
    assert_bad(REF_NETWORK, S(""), 400, "invalid name: ");
}

static void a_good_name_is_taken(void **state)
{
    struct verdict why;

    (void)state;
    assert_int_equal(name_check(REF_CONTAINER, r1, S("a_b.c-d"), &why), 0);
    assert_int_equal(name_check(REF_VOLUME, r1, S("0a"), &why), 0);
    assert_int_equal(name_check(REF_NETWORK, r1, S("my net"), &why), 0);
    assert_int_equal(name_check(REF_NETWORK, r1, S("Bridge"), &why), 0);
}

static void a_name_may_fill_the_limit_and_no_more(void **state)
{
    static const enum ref_kind kinds[] = {REF_CONTAINER, REF_NETWORK,
                                          REF_VOLUME};
    char name[LIMIT_NAME];
    struct verdict why = {0};

    (void)state;
    memset(name, 'n', sizeof(name));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            name_check(kinds[i], r1, str_of(name, LIMIT_NAME - 3), &why), 0);
        assert_int_equal(
            name_check(kinds[i], r1, str_of(name, LIMIT_NAME - 2), &why),
            NAME_E_BAD);
        assert_int_equal(why.status, 400);
    }
}

static void assert_text(const char *text, const char *expected)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1024);

    assert_int_equal(namespace_strip_text(&out, r1, str_from(text)), 0);
    assert_string_equal(strbuf_cstr(&out), expected);
}

static void the_namespace_is_taken_out_of_sentences(void **state)
{
    (void)state;
    assert_text("No such container: r1.db", "No such container: db");
    assert_text("The container name \"/r1.db\" is in use",
                "The container name \"/db\" is in use");
    assert_text("r1.a AS /r1.b/r1.c, (r1.d) [r1.e]", "a AS /b/c, (d) [e]");
    assert_text("r1.r1.db", "r1.db");
    assert_text("bar1.db r2.db -r1.db .r1.x", "bar1.db r2.db -r1.db .r1.x");
    assert_text("this is r1.", "this is r1.");
    assert_text("", "");
}

static void labels_of_ours_are_known_in_any_case(void **state)
{
    (void)state;
    assert_true(label_is_ours(S("berth.namespace")));
    assert_true(label_is_ours(S("berth.x")));
    assert_true(label_is_ours(S("BERTH.namespace")));
    assert_true(label_is_ours(S("berth")));
    assert_false(label_is_ours(S("berths")));
    assert_false(label_is_ours(S("com.berth.x")));
    assert_false(label_is_ours(S("")));
}

static void an_invented_name_is_a_good_one(void **state)
{
    struct verdict why;

    (void)state;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(64);

        assert_int_equal(name_invent(&out, seed * 0x9e3779b97f4a7c15u), 0);
        assert_int_equal(name_check(REF_CONTAINER, r1, strbuf_str(&out), &why),
                         0);
        assert_false(is_hex_word(strbuf_str(&out)));
    }
}

static void hex_words_may_be_ids(void **state)
{
    char id[65];

    (void)state;
    memset(id, 'a', sizeof(id));
    assert_true(is_hex_word(S("a")));
    assert_true(is_hex_word(S("deadbeef01")));
    assert_false(is_hex_word(S("")));
    assert_false(is_hex_word(S("dEad")));
    assert_false(is_hex_word(S("db1x")));
    assert_true(is_full_id(str_of(id, 64)));
    assert_false(is_full_id(str_of(id, 63)));
    assert_false(is_hex_word(str_of(id, 65)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_goes_out_prefixed_and_comes_back),
        cmocka_unit_test(a_name_of_another_stays_as_it_is),
        cmocka_unit_test(no_two_namespaces_make_the_same_name),
        cmocka_unit_test(a_bad_name_is_refused_in_the_engines_words),
        cmocka_unit_test(a_good_name_is_taken),
        cmocka_unit_test(a_name_may_fill_the_limit_and_no_more),
        cmocka_unit_test(the_namespace_is_taken_out_of_sentences),
        cmocka_unit_test(labels_of_ours_are_known_in_any_case),
        cmocka_unit_test(an_invented_name_is_a_good_one),
        cmocka_unit_test(hex_words_may_be_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
