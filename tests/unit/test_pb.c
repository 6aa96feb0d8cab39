#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "policy/build/pb.h"

#include <stdlib.h>

extern const struct pb_type node_type;

// clang-format off
static const struct pb_field node_rows[] = {
    {1, "name", PB_STRING},
    {2, "data", PB_BYTES},
    {3, "flag", PB_BOOL},
    {4, "small", PB_INT32},
    {5, "count", PB_UINT32},
    {6, "big", PB_INT64},
    {7, "mode", PB_ENUM, .most = 2},
    {8, "below", PB_MESSAGE, PB_MANY, &node_type},
    {9, "labels", PB_MESSAGE, PB_MAP, &pb_string_entry},
    {10, "numbers", PB_UINT32, PB_MANY},
    {11, "left", PB_STRING, .oneof = 1},
    {12, "right", PB_STRING, .oneof = 1},
};
// clang-format on
const struct pb_type node_type = PB_TYPE("Node", node_rows);

struct bytes {
    const char *ptr;
    size_t len;
};
#define BYTES(literal)                                                         \
    {                                                                          \
        literal, sizeof(literal) - 1                                           \
    }

static int parse(struct pb_tree *tree, struct str text,
                 enum pb_strictness strictness, struct pb_message **out,
                 struct pb_fault *fault)
{
    return pb_parse(tree, &node_type, text, strictness, out, fault);
}

/* clang-format 14 does not survive these rows. */
// clang-format off
static void one_reading_is_all_there_is(void **state)
{
    static const struct {
        const char *what;
        struct bytes text;
        const char *where;
    } cases[] = {
        {"a key that is cut off", BYTES("\x80"), ""},
        {"field 0", BYTES("\x02\x00"), ""},
        {"a field that no row has", BYTES("\x6a\x00"), ""},
        {"a field beyond 32 bits", BYTES("\xfa\xff\xff\xff\xff\x01\x00"), ""},
        {"a group", BYTES("\x0b\x0c"), "name"},
        {"a group of a field that is not known", BYTES("\x6b\x6c"), ""},
        {"64 bits where text is meant", BYTES("\x09\0\0\0\0\0\0\0\0"), "name"},
        {"32 bits where a number is meant", BYTES("\x1d\0\0\0\0"), "flag"},
        {"a number where text is meant", BYTES("\x08\x01"), "name"},
        {"text where one number is meant", BYTES("\x1a\x01\x01"), "flag"},
        {"a length beyond the end", BYTES("\x0a\x02x"), "name"},
        {"a length of 64 bits",
         BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "name"},
        {"a length that is cut off", BYTES("\x0a\x80"), "name"},
        {"a singular field twice", BYTES("\x0a\x01x\x0a\x01y"), "name"},
        {"a number twice", BYTES("\x18\x01\x18\x01"), "flag"},
        {"two of which one is meant", BYTES("\x5a\x01x\x62\x01y"), "right"},
        {"a varint with a needless byte", BYTES("\x28\x81\x00"), "count"},
        {"a zero in two bytes", BYTES("\x28\x80\x00"), "count"},
        {"a varint of eleven bytes",
         BYTES("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "big"},
        {"a varint beyond 64 bits",
         BYTES("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "big"},
        {"a flag of 2", BYTES("\x18\x02"), "flag"},
        {"an enum of 3", BYTES("\x38\x03"), "mode"},
        {"an enum of -1",
         BYTES("\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "mode"},
        {"33 bits in an int32", BYTES("\x20\x80\x80\x80\x80\x10"), "small"},
        {"2^31 in an int32", BYTES("\x20\x80\x80\x80\x80\x08"), "small"},
        {"33 bits in a uint32", BYTES("\x28\x80\x80\x80\x80\x10"), "count"},
        {"text that is not UTF-8", BYTES("\x0a\x02\xc3\x28"), "name"},
        {"a key that is not UTF-8", BYTES("\x4a\x04\x0a\x02\xc3\x28"),
         "labels[0].key"},
        {"two equal keys", BYTES("\x4a\x03\x0a\x01k\x4a\x03\x0a\x01k"),
         "labels[1]"},
        {"two keys that are not given", BYTES("\x4a\x00\x4a\x02\x12\x00"),
         "labels[1]"},
        {"a third field of an entry", BYTES("\x4a\x03\x1a\x01x"), "labels[0]"},
        {"a fault further down", BYTES("\x42\x00\x42\x04\x42\x02\x18\x02"),
         "below[1].below[0].flag"},
        {"a packed number that is cut off", BYTES("\x52\x02\x01\x80"),
         "numbers[1]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pb_tree tree = {0};
        struct pb_message *message;
        struct pb_fault fault = {0};

        if (parse(&tree, str_of(cases[i].text.ptr, cases[i].text.len),
                  PB_STRICT, &message, &fault) != PB_E_FAULT)
            fail_msg("%s: was read", cases[i].what);
        if (strcmp(fault.where, cases[i].where) != 0 || fault.what[0] == '\0')
            fail_msg("%s: \"%s\" %s", cases[i].what, fault.where, fault.what);
        pb_tree_fini(&tree);
    }
}

static void what_is_read_is_written_alike(void **state)
{
    static const struct bytes texts[] = {
        BYTES(""),
        BYTES("\x0a\x02hi\x12\x03\xff\x00\x80"),
        BYTES("\x18\x01\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        BYTES("\x28\xff\xff\xff\xff\x0f\x38\x02"),
        BYTES("\x30\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        BYTES("\x42\x00\x42\x04\x42\x02\x18\x01"),
        BYTES("\x4a\x06\x0a\x01k\x12\x01v\x4a\x03\x0a\x01l"),
        BYTES("\x50\x01\x50\x02\x62\x01y"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct str text = str_of(texts[i].ptr, texts[i].len);
        AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
        struct pb_tree tree = {0};
        struct pb_message *message;
        struct pb_fault fault;

        assert_int_equal(parse(&tree, text, PB_STRICT, &message, &fault), 0);
        assert_int_equal(pb_put(message, &out), 0);
        assert_true(str_eq(strbuf_str(&out), text));
        pb_tree_fini(&tree);
    }
}

// clang-format on
static void packed_numbers_are_read_too(void **state)
{
    struct pb_tree tree = {0};
    struct pb_message *message;
    struct pb_fault fault;
    const struct pb_value *value;

    (void)state;
    assert_int_equal(parse(&tree, S("\x52\x03\x01\x80\x01\x50\x07"), PB_STRICT,
                           &message, &fault),
                     0);
    value = pb_find(message, 10);
    assert_int_equal(value->number, 1);
    value = pb_next(value);
    assert_int_equal(value->number, 128);
    value = pb_next(value);
    assert_int_equal(value->number, 7);
    assert_null(pb_next(value));
    pb_tree_fini(&tree);
}

static void a_lenient_reader_leaves_out_what_it_does_not_know(void **state)
{
    struct str text = S("\x0a\x02\xc3\x28\x6a\x01x\x70\x05\x79"
                        "12345678\x7d"
                        "1234\x38\x09");
    AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
    struct pb_tree tree = {0};
    struct pb_message *message;
    struct pb_fault fault;

    (void)state;
    assert_int_equal(parse(&tree, text, PB_LENIENT, &message, &fault), 0);
    assert_int_equal(pb_put(message, &out), 0);
    assert_true(str_eq(strbuf_str(&out), S("\x0a\x02\xc3\x28\x38\x09")));
    assert_int_equal(parse(&tree, S("\x6b\x6c"), PB_LENIENT, &message, &fault),
                     PB_E_FAULT);
    pb_tree_fini(&tree);
}

static void put_nested(struct strbuf *out, unsigned depth)
{
    AUTO(strbuf_fini) struct strbuf inner = STRBUF(MIB);

    for (unsigned i = 0; i < depth; i++) {
        size_t len = inner.len;
        AUTO(strbuf_fini) struct strbuf next = STRBUF(MIB);

        strbuf_add_char(&next, 0x42);
        while (len >= 0x80) {
            strbuf_add_char(&next, (char)(len | 0x80));
            len >>= 7;
        }
        strbuf_add_char(&next, (char)len);
        strbuf_add(&next, strbuf_str(&inner));
        strbuf_clear(&inner);
        strbuf_add(&inner, strbuf_str(&next));
    }
    strbuf_add(out, strbuf_str(&inner));
}

static void depth_has_a_limit(void **state)
{
    struct pb_tree tree = {0};
    struct pb_message *message;
    struct pb_fault fault;
    AUTO(strbuf_fini) struct strbuf most = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf over = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf far = STRBUF(MIB);

    (void)state;
    put_nested(&most, LIMIT_PB_DEPTH);
    put_nested(&over, LIMIT_PB_DEPTH + 1);
    put_nested(&far, 10000);
    assert_int_equal(
        parse(&tree, strbuf_str(&most), PB_STRICT, &message, &fault), 0);
    assert_int_equal(
        parse(&tree, strbuf_str(&over), PB_STRICT, &message, &fault),
        PB_E_FAULT);
    assert_int_equal(
        parse(&tree, strbuf_str(&far), PB_LENIENT, &message, &fault),
        PB_E_FAULT);
    pb_tree_fini(&tree);
}

static void values_have_a_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4 * MIB);
    struct pb_tree tree = {0};
    struct pb_message *message;
    struct pb_fault fault;

    (void)state;
    for (size_t i = 0; i < LIMIT_PB_VALUES; i++)
        strbuf_add(&text, S("\x50\x01"));
    assert_int_equal(
        parse(&tree, strbuf_str(&text), PB_STRICT, &message, &fault), 0);
    pb_tree_fini(&tree);
    strbuf_add(&text, S("\x50\x01"));
    assert_int_equal(
        parse(&tree, strbuf_str(&text), PB_STRICT, &message, &fault),
        PB_E_FAULT);
    pb_tree_fini(&tree);
}

static void a_message_can_be_changed(void **state)
{
    struct pb_tree tree = {0};
    struct pb_message *message, *below;
    struct pb_fault fault;
    AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);

    (void)state;
    assert_int_equal(parse(&tree,
                           S("\x0a\x01x\x18\x01\x4a\x06\x0a\x01k\x12\x01v"),
                           PB_STRICT, &message, &fault),
                     0);
    pb_set_text(&tree, message, 1, S("changed"));
    pb_set_number(&tree, message, 3, 0);
    pb_set_number(&tree, message, 5, 300);
    pb_map_set(&tree, message, 9, S("k"), S("w"));
    pb_map_set(&tree, message, 9, S("l"), S("z"));
    pb_map_remove(message, 9, S("k"));
    below = pb_add_message(&tree, message, 8);
    pb_set_text(&tree, below, 1, S("y"));
    assert_true(str_eq(pb_text(message, 1), S("changed")));
    assert_true(str_eq(pb_map_text(message, 9, S("l")), S("z")));
    assert_int_equal(pb_number(message, 3), 0);
    assert_int_equal(pb_put(message, &out), 0);
    assert_true(str_eq(strbuf_str(&out),
                       S("\x0a\x07"
                         "changed\x28\xac\x02\x42\x03\x0a\x01y\x4a\x06\x0a\x01"
                         "l\x12\x01z")));
    pb_tree_fini(&tree);
}

static void what_does_not_fit_is_not_written(void **state)
{
    struct pb_tree tree = {0};
    struct pb_message *message = pb_new(&tree, &node_type);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4);

    (void)state;
    pb_set_text(&tree, message, 1, S("abc"));
    assert_true(pb_put(message, &out) < 0);
    pb_tree_fini(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_reading_is_all_there_is),
        cmocka_unit_test(what_is_read_is_written_alike),
        cmocka_unit_test(packed_numbers_are_read_too),
        cmocka_unit_test(a_lenient_reader_leaves_out_what_it_does_not_know),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(values_have_a_limit),
        cmocka_unit_test(a_message_can_be_changed),
        cmocka_unit_test(what_does_not_fit_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
