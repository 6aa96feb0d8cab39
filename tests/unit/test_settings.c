#include "tests/unit/unit.h"

#include "policy/config/settings.h"

#include <math.h>
#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/config/policy.h"
#include "policy/config/setting_types.h"

/* A shape with every type there is. */
enum colour { RED, GREEN };

struct part {
    char *name;
    unsigned count;
};

struct inner {
    bool flag;
    uint64_t size;
};

struct thing {
    bool flag;
    char *text;
    char *group;
    enum colour colour;
    unsigned count, delay, mode;
    double ratio;
    uint64_t size;
    struct strings names, files;
    struct inner inner;
    struct objects parts;
};

static const char *const colours[] = {"red", "green", NULL};

static bool starts_with_a(struct str text, struct strbuf *why)
{
    strbuf_addf(why, "does not start with a");
    return str_has_prefix(text, S("a"));
}

static bool flag_needs_size(const void *object, const char **key,
                            struct strbuf *why)
{
    const struct inner *inner = object;

    *key = "size";
    strbuf_addf(why, "is too small for the flag");
    return !inner->flag || inner->size > 10;
}

// clang-format off
static const struct setting part_rows[] = {
    {"name", STRING_AT(struct part, name), NULL, .help = "what it is called"},
    {"count", INTEGER_AT(struct part, count), "1", .help = "how many"},
};
static const struct shape part_shape = SHAPE(struct part, part_rows);

static const struct setting inner_rows[] = {
    {"flag", BOOL_AT(struct inner, flag), "false", .help = "a flag"},
    {"size", SIZE_AT(struct inner, size), "null", .min = 1, .help = "a size"},
};
static const struct shape inner_shape = {
    inner_rows, 2, sizeof(struct inner), flag_needs_size};

static const struct setting thing_rows[] = {
    {"flag", BOOL_AT(struct thing, flag), "true"},
    {"text", STRING_AT(struct thing, text), "null", .check = starts_with_a},
    {"group", WORD_OR_NUMBER_AT(struct thing, group), "null"},
    {"colour", ENUM_AT(struct thing, colour), "\"green\"", .words = colours},
    {"count", INTEGER_AT(struct thing, count), "null", .min = 1, .max = 20},
    {"delay", DURATION_AT(struct thing, delay), "\"15s\"", .max = 60000},
    {"mode", FILE_MODE_AT(struct thing, mode), "\"0640\""},
    {"ratio", NUMBER_AT(struct thing, ratio), "null", .min = 0.5, .max = 4},
    {"size", SIZE_AT(struct thing, size), "\"4g\""},
    {"names", STRINGS_AT(struct thing, names), "[\"ada\"]", .max = 3,
     .check = starts_with_a},
    {"files", STRINGS_OR_ONE_AT(struct thing, files), "[]"},
    {"inner", OBJECT_AT(struct thing, inner), .of = &inner_shape},
    {"parts", OBJECTS_AT(struct thing, parts), "[]", .max = 2,
     .of = &part_shape},
};
// clang-format on
static const struct shape thing_shape = SHAPE(struct thing, thing_rows);

static const struct environment no_environment = {0};

/* Read up to two layers; what is wrong goes to OUT. */
static struct thing read_layers(const char *first, const char *second,
                                struct strbuf *out)
{
    struct thing thing = {0};
    struct problems problems = {0};
    struct layer layers[2] = {
        {"first",  str_from(first),  json_loads(first,  0, NULL)},
        {"second", str_from(second), json_loads(second, 0, NULL)},
    };

    assert_non_null(layers[0].root);
    assert_non_null(layers[1].root);
    settings_read(&thing_shape, &thing, layers, 2, &no_environment, &problems);
    problems_sort(&problems);
    assert_int_equal(problems_put(&problems, out), 0);
    problems_fini(&problems);
    for (size_t i = 0; i < 2; i++) {
        union {
            const json_t *in;
            json_t *out;
        } root = {layers[i].root};

        json_decref(root.out);
    }
    return thing;
}

static struct thing read_good(const char *first, const char *second)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct thing thing = read_layers(first, second, &why);

    if (why.len > 0)
        fail_msg("%s", strbuf_cstr(&why));
    return thing;
}

static void assert_bad(const char *text, const char *message)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct thing thing = read_layers(text, "{}", &why);

    settings_fini(&thing_shape, &thing);
    assert_string_equal(strbuf_cstr(&why), message);
}

static void what_nobody_says_has_its_fallback(void **state)
{
    struct thing t = read_good("{}", "{}");

    (void)state;
    assert_true(t.flag);
    assert_null(t.text);
    assert_null(t.group);
    assert_int_equal(t.colour, GREEN);
    assert_true(t.count == UINT32_MAX);
    assert_int_equal(t.delay, 15000);
    assert_int_equal(t.mode, 0640);
    assert_true(isinf(t.ratio));
    assert_true(t.size == (uint64_t)4 << 30);
    assert_int_equal(t.names.count, 1);
    assert_string_equal(t.names.items[0], "ada");
    assert_int_equal(t.files.count, 0);
    assert_false(t.inner.flag);
    assert_true(t.inner.size == UINT64_MAX);
    assert_int_equal(t.parts.count, 0);
    settings_fini(&thing_shape, &t);
}

static void every_type_is_read(void **state)
{
    struct thing t = read_good(
        "{\"flag\": false, \"text\": \"abc\", \"group\": 12, "
        "\"colour\": \"red\", \"count\": 20, \"delay\": \"250ms\", "
        "\"mode\": \"777\", \"ratio\": 0.5, \"size\": \"64K\", "
        "\"names\": [], \"files\": \"one\", "
        "\"inner\": {\"flag\": true, \"size\": 11}, "
        "\"parts\": [{\"name\": \"x\"}, {\"name\": \"y\", \"count\": 3}]}",
        "{}");
    const struct part *parts = t.parts.items;

    (void)state;
    assert_false(t.flag);
    assert_string_equal(t.text, "abc");
    assert_string_equal(t.group, "12");
    assert_int_equal(t.colour, RED);
    assert_int_equal(t.count, 20);
    assert_int_equal(t.delay, 250);
    assert_int_equal(t.mode, 0777);
    assert_true(t.ratio > 0.49 && t.ratio < 0.51);
    assert_int_equal(t.size, 65536);
    assert_int_equal(t.names.count, 0);
    assert_int_equal(t.files.count, 1);
    assert_string_equal(t.files.items[0], "one");
    assert_int_equal(t.inner.size, 11);
    assert_int_equal(t.parts.count, 2);
    assert_int_equal(parts[0].count, 1);
    assert_string_equal(parts[1].name, "y");
    settings_fini(&thing_shape, &t);
}

static void objects_merge_and_lists_are_replaced(void **state)
{
    struct thing t =
        read_good("{\"inner\": {\"flag\": true}, \"names\": [\"ab\"], "
                  "\"count\": null}",
                  "{\"inner\": {\"size\": \"1m\", \"flag\": false}, "
                  "\"names\": [\"ac\", \"ad\"], \"count\": 3, "
                  "\"text\": \"a\"}");

    (void)state;
    assert_true(t.inner.flag);
    assert_int_equal(t.inner.size, MIB);
    assert_int_equal(t.names.count, 1);
    assert_string_equal(t.names.items[0], "ab");
    assert_true(t.count == UINT32_MAX);
    assert_string_equal(t.text, "a");
    settings_fini(&thing_shape, &t);
}

static void printing_and_reading_give_the_same(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"flag\": false, \"text\": \"a$${x}\", \"group\": \"g\", "
        "\"colour\": \"red\", \"count\": 2, \"delay\": \"60s\", "
        "\"mode\": \"0007\", \"ratio\": 3.25, \"size\": 1025, "
        "\"names\": [\"a$\", \"a\"], \"files\": [\"x\", \"y\"], "
        "\"inner\": {\"flag\": true, \"size\": \"3t\"}, "
        "\"parts\": [{\"name\": \"${N:-x}\"}]}",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct thing t = read_good(texts[i], "{}");
        json_auto_t *first = settings_to_json(&thing_shape, &t);
        char *text = json_dumps(first, 0);
        struct thing again = read_good(text, "{}");
        json_auto_t *second = settings_to_json(&thing_shape, &again);

        assert_int_equal(json_object_size(first), 13);
        assert_true(json_equal(first, second));
        free(text);
        settings_fini(&thing_shape, &t);
        settings_fini(&thing_shape, &again);
    }
}

static void ranges_hold_at_their_edges(void **state)
{
    struct thing t = read_good("{\"count\": 1, \"ratio\": 4, "
                               "\"delay\": \"1m\", \"size\": 0}",
                               "{}");

    (void)state;
    settings_fini(&thing_shape, &t);
    assert_bad("{\"count\": 0}",
               "first:1:11: count: 0 is out of range; write 1 to 20\n");
    assert_bad("{\"count\": 21}",
               "first:1:11: count: 21 is out of range; write 1 to 20\n");
    assert_bad("{\"ratio\": 4.1}", "first:1:11: ratio: 4.1 is "
                                   "out of range; write 0.5 to 4\n");
    assert_bad("{\"delay\": \"60001ms\"}",
               "first:1:11: delay: \"60001ms\" is out of range; write 0ms to "
               "1m\n");
    assert_bad("{\"size\": -1}", "first:1:10: size: -1 is out of range; write "
                                 "0b to 8192t\n");
    assert_bad("{\"names\": [\"a\",\"a\",\"a\",\"a\"]}",
               "first:1:11: names: has 4 entries; write 3 at most\n");
    assert_bad("{\"parts\": [{},{},{}]}",
               "first:1:11: parts: has 3 entries; write 2 at most\n");
}

static void sizes_and_durations_want_a_unit(void **state)
{
    (void)state;
    assert_bad("{\"size\": \"4x\"}",
               "first:1:10: size: \"4x\" is no size; write a number with k, "
               "m, g or t, like \"4g\"\n");
    assert_bad("{\"size\": \"g\", \"delay\": \"1.5s\"}",
               "first:1:10: size: \"g\" is no size; write a number with k, m, "
               "g or t, like \"4g\"\n"
               "first:1:24: delay: \"1.5s\" is no duration; write a number "
               "with ms, s, m or h, like \"15s\"\n");
}

static void what_is_wrong_in_a_list_is_told_by_its_index(void **state)
{
    (void)state;
    assert_bad("{\"names\": [\"ab\",\n \"b\"]}",
               "first:2:2: names[1]: \"b\" does not start with a\n");
    assert_bad("{\"parts\": [{\"name\": \"x\"}, {\"count\": 2}]}",
               "first:1:27: parts[1].name: is missing; add it: what it is "
               "called\n");
    assert_bad("{\"parts\": [{\"name\": \"x\", \"cuont\": 1}]}",
               "first:1:26: parts[0].cuont: is no key of a policy; did you "
               "mean \"count\"?\n");
    assert_bad("{\"parts\": [7]}",
               "first:1:12: parts[0]: 7 is no object; write { ... } with name "
               "or count\n");
}

static void members_are_checked_against_each_other(void **state)
{
    (void)state;
    assert_bad("{\"inner\": {\"flag\": true,\n\"size\": 10}}",
               "first:2:9: inner.size: is too small for the flag\n");
}

static void null_is_for_keys_that_may_be_none(void **state)
{
    (void)state;
    assert_bad("{\"flag\": null}",
               "first:1:10: flag: null is no boolean; write true or false\n");
    assert_bad("{\"count\": \"x\"}",
               "first:1:11: count: \"x\" is no whole number; write a number "
               "without quotes, like 20, or null for none\n");
}

static void problems_stop_at_their_limit(void **state)
{
    struct problems problems = {0};

    (void)state;
    for (unsigned i = 0; i < 2 * LIMIT_PROBLEMS; i++)
        problems_add(&problems, "f", i, 1, S("wrong"));
    assert_int_equal(problems.count, LIMIT_PROBLEMS);
    problems_fini(&problems);
}

/* Every row of the policy can be used as it is. */
static void check_rows(const struct shape *shape)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct setting *row = &shape->rows[i];

        assert_ptr_equal(shape_find(shape, row->key), row);
        assert_non_null(row->help);
        assert_true(row->offset < shape->size);
        assert_true((row->type == SETTING_ENUM) == (row->words != NULL));
        assert_true((row->type == SETTING_OBJECT ||
                     row->type == SETTING_OBJECTS) == (row->of != NULL));
        if (row->fallback != NULL) {
            json_auto_t *value =
                json_loads(row->fallback, JSON_DECODE_ANY, NULL);

            assert_non_null(value);
        }
        if (row->of != NULL)
            check_rows(row->of);
    }
}

static void the_rows_of_the_policy_are_sound(void **state)
{
    (void)state;
    check_rows(&policy_shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_says_has_its_fallback),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(objects_merge_and_lists_are_replaced),
        cmocka_unit_test(printing_and_reading_give_the_same),
        cmocka_unit_test(ranges_hold_at_their_edges),
        cmocka_unit_test(sizes_and_durations_want_a_unit),
        cmocka_unit_test(what_is_wrong_in_a_list_is_told_by_its_index),
        cmocka_unit_test(members_are_checked_against_each_other),
        cmocka_unit_test(null_is_for_keys_that_may_be_none),
        cmocka_unit_test(problems_stop_at_their_limit),
        cmocka_unit_test(the_rows_of_the_policy_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
