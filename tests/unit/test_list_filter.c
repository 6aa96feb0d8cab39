#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "policy/base/limits.h"
#include "policy/isolation/list_filter.h"

#define OURS   "\"Labels\":{\"berth.namespace\":\"r1\"}"
#define THEIRS "\"Labels\":{\"berth.namespace\":\"r2\",\"x\":\"]}\\\",[\"}"

/* What TEXT becomes, fed in pieces of STEP. */
static char *filtered_for(struct str ns, struct str text, size_t step)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(64 * MIB);
    struct list_filter *filter = list_filter_new(ns, ns.len == 0);
    char *copy;

    while (text.len) {
        struct str piece = str_head(text, step);

        assert_int_equal(list_filter_feed(filter, piece, &out), 0);
        text = str_from_index(text, piece.len);
    }
    copy = xstr_dup(strbuf_str(&out));
    list_filter_free(filter);
    return copy;
}

static char *filtered(struct str text, size_t step)
{
    return filtered_for(S("r1"), text, step);
}

static void assert_filtered(const char *text, const char *expected)
{
    for (size_t step = 1; step < 12; step++) {
        char *got = filtered(str_from(text), step);

        assert_string_equal(got, expected);
        free(got);
    }
}

static void another_s_elements_go(void **state)
{
    (void)state;
    assert_filtered("[]", "[]");
    assert_filtered("[ ]\n", "[]\n");
    assert_filtered("[{\"Id\":\"a\"," OURS "},{\"Id\":\"b\"," THEIRS "}]",
                    "[{\"Id\":\"a\"," OURS "}]");
    assert_filtered("[{\"Id\":\"b\"," THEIRS "},{\"Id\":\"c\"," THEIRS
                    "},{\"Id\":\"a\"," OURS "},{\"Id\":\"d\"}]",
                    "[{\"Id\":\"a\"," OURS "},{\"Id\":\"d\"}]");
    assert_filtered("[{" THEIRS "}]", "[]");
}

/* One that writes the other's label elsewhere, or its key as a value. */
static void a_label_is_where_labels_are(void **state)
{
    (void)state;
    assert_filtered("[{" THEIRS ",\"Opts\":{\"berth.namespace\":\"r1\"}}]",
                    "[]");
    assert_filtered("[{\"Opts\":{\"berth.namespace\":\"r1\"}," THEIRS "}]",
                    "[]");
    assert_filtered("[{\"Opts\":{\"berth.namespace\":\"r2\"}," OURS "}]",
                    "[{\"Opts\":{\"berth.namespace\":\"r2\"}," OURS "}]");
    assert_filtered(
        "[{\"Command\":\"\\\"berth.namespace\\\":\\\"r1\\\"\"," THEIRS "}]",
        "[]");
    assert_filtered("[{\"RepoTags\":[\"r2.berth.invalid/a:1\"]," OURS "}]",
                    "[]");
}

static void in_the_members_of_an_object_too(void **state)
{
    (void)state;
    assert_filtered("{\"Volumes\":[{" THEIRS "},{" OURS
                    "}],\"Warnings\":null,\"Images\":[{" THEIRS "}]}",
                    "{\"Volumes\":[{" OURS
                    "}],\"Warnings\":null,\"Images\":[]}");
    /* deeper ones are no lists */
    assert_filtered("{\"a\":{\"b\":[{" THEIRS "}]}}",
                    "{\"a\":{\"b\":[{" THEIRS "}]}}");
}

static void images_go_by_their_names(void **state)
{
    (void)state;
    assert_filtered("[{\"RepoTags\":[\"r2.berth.invalid/a:1\"]},"
                    "{\"RepoTags\":[\"r2.berth.invalid/a:1\",\"b:1\"]},"
                    "{\"RepoTags\":[\"r1.anchor.berth.invalid/image:1\"]},"
                    "{\"RepoTags\":[\"<none>:<none>\"],\"RepoDigests\":["
                    "\"r2.berth.invalid/a@sha256:1\"]},"
                    "{\"RepoTags\":[]," THEIRS "},"
                    "{\"RepoTags\":[\"r1.berth.invalid/a:1\"]," THEIRS "}]",
                    "[{\"RepoTags\":[\"r2.berth.invalid/a:1\",\"b:1\"]},"
                    "{\"RepoTags\":[\"r1.anchor.berth.invalid/image:1\"]},"
                    "{\"RepoTags\":[]," THEIRS "},"
                    "{\"RepoTags\":[\"r1.berth.invalid/a:1\"]," THEIRS "}]");
}

/* An element with a label of LEN bytes. */
static char *long_one(const char *start, size_t len)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(64 * MIB);

    strbuf_addf(&out, "[{%s,\"Labels\":{\"l\":\"", start);
    while (len--)
        strbuf_add_char(&out, 'x');
    strbuf_add(&out, S("\"}},{\"Id\":\"last\"}]"));
    return xstr_dup(strbuf_str(&out));
}

static void what_is_too_long_goes(void **state)
{
    size_t rest = strlen("{\"Id\":\"a\",\"Labels\":{\"l\":\"\"}}");

    (void)state;
    for (size_t over = 0; over < 2; over++) {
        char *text = long_one("\"Id\":\"a\"", LIMIT_LIST_ELEMENT - rest + over);
        char *got = filtered(str_from(text), MIB);

        assert_string_equal(got, over ? "[{\"Id\":\"last\"}]" : text);
        free(got);
        free(text);
    }
}

static void an_image_without_a_name_has_no_long_labels(void **state)
{
    char *text =
        long_one("\"RepoTags\":null,\"ParentId\":\"p\"", LIMIT_LIST_LABELS);
    char *got = filtered(str_from(text), MIB);

    (void)state;
    assert_string_equal(got,
                        "[{\"RepoTags\":null,\"ParentId\":\"p\","
                        "\"Labels\":{\"berth.cut\":\"\"}},{\"Id\":\"last\"}]");
    free(got);
    free(text);
    text = long_one("\"RepoTags\":[\"a:1\"]", LIMIT_LIST_LABELS);
    got = filtered(str_from(text), MIB);
    assert_string_equal(got, text);
    free(got);
    free(text);
}

static void who_looks_for_leftovers_sees_all_of_them(void **state)
{
    char *text =
        long_one("\"RepoTags\":[\"r2.berth.invalid/a:1\"]", LIMIT_LIST_LABELS);
    char *got = filtered_for(S(""), str_from(text), 7);

    (void)state;
    assert_string_equal(got,
                        "[{\"RepoTags\":[\"r2.berth.invalid/a:1\"],"
                        "\"Labels\":{\"berth.cut\":\"\"}},{\"Id\":\"last\"}]");
    free(got);
    free(text);
    got = filtered_for(S(""), S("[{" THEIRS "},{" OURS "}]"), 3);
    assert_string_equal(got, "[{" THEIRS "},{" OURS "}]");
    free(got);
}

static void what_is_no_json_is_for_a_parser_to_find(void **state)
{
    (void)state;
    assert_filtered("oops", "oops");
    assert_filtered("]]}\"", "]]}\"");
    assert_filtered("[{", "[");
    assert_filtered("{\"message\":\"[{no}]\"}", "{\"message\":\"[{no}]\"}");
}

static void lists_are_known_by_their_paths(void **state)
{
    (void)state;
    assert_true(list_filter_fits(S("/images/json")));
    assert_true(list_filter_fits(S("/images/json?all=1")));
    assert_true(list_filter_fits(S("/networks?filters=x")));
    assert_false(list_filter_fits(S("/networks/r1.bridge")));
    assert_false(list_filter_fits(S("/images/a/json")));
    assert_false(list_filter_fits(S("/info")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_s_elements_go),
        cmocka_unit_test(a_label_is_where_labels_are),
        cmocka_unit_test(in_the_members_of_an_object_too),
        cmocka_unit_test(images_go_by_their_names),
        cmocka_unit_test(what_is_too_long_goes),
        cmocka_unit_test(an_image_without_a_name_has_no_long_labels),
        cmocka_unit_test(who_looks_for_leftovers_sees_all_of_them),
        cmocka_unit_test(what_is_no_json_is_for_a_parser_to_find),
        cmocka_unit_test(lists_are_known_by_their_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
