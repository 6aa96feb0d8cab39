#include "tests/unit/unit.h"

#include "proxy/archive/upload.h"
#include "tests/support/packed.h"

/* A filter that doubles each byte, ends with a full stop, and refuses "!". */
static bool double_feed(struct body_filter *filter, struct str bytes,
                        struct strbuf *out, struct verdict *why)
{
    (void)filter;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] == '!') {
            verdict_deny(why, 413, "test", "", "no shouting");
            return false;
        }
        strbuf_addf(out, "%c%c", bytes.ptr[i], bytes.ptr[i]);
    }
    return true;
}

static bool double_end(struct body_filter *filter, struct strbuf *out,
                       struct verdict *why)
{
    (void)filter;
    (void)why;
    strbuf_addf(out, ".");
    return true;
}

static bool is_freed;

static void double_free(struct body_filter *filter)
{
    (void)filter;
    is_freed = true;
}

static size_t double_memory(const struct body_filter *filter)
{
    (void)filter;
    return 7;
}

static const struct body_filter_kind doubling = {double_feed, double_end,
                                                 double_memory, double_free};
static const struct unpack_room any_room;

/* Feed ALL in pieces of STEP, with a room of ROOM at each turn. */
static bool upload_all(struct upload *upload, struct str all, size_t step,
                       size_t room, struct strbuf *out)
{
    while (all.len) {
        if (!upload_feed(upload, str_head(all, step), room, out))
            return false;
        all = str_from_index(all, step);
        while (upload_holds(upload)) {
            size_t before = out->len;

            if (!upload_feed(upload, S(""), room, out))
                return false;
            assert_true(out->len - before <= 2 * room);
        }
    }
    return upload_end(upload, out);
}

static void check(struct str body, struct body_filter *filter,
                  const char *expected)
{
    static const size_t steps[] = {SIZE_MAX, 1, 5, 6, 7};

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
        struct upload *upload = upload_new(filter, &any_room);

        assert_true(upload_all(upload, body, steps[i], 10, &out));
        assert_string_equal(strbuf_cstr(&out), expected);
        upload_free(upload);
    }
}

static void a_plain_body_passes_as_it_is(void **state)
{
    (void)state;
    check(S(""), NULL, "");
    check(S("abc"), NULL, "abc");
    check(S("a longer one than tells"), NULL, "a longer one than tells");
}

static void a_compressed_one_comes_out_plain(void **state)
{
    (void)state;
    for (int how = 0; how < PACKINGS; how++) {
        AUTO(strbuf_fini) struct strbuf packed = STRBUF(64 * KIB);

        pack((enum packing)how, S("one that is longer than its room"), &packed);
        check(strbuf_str(&packed), NULL, "one that is longer than its room");
    }
}

static void a_filter_gets_what_is_plain(void **state)
{
    struct body_filter filter = {&doubling};
    AUTO(strbuf_fini) struct strbuf packed = STRBUF(64 * KIB);

    (void)state;
    check(S("abc"), &filter, "aabbcc.");
    check(S("abcdefg"), &filter, "aabbccddeeffgg.");
    check(S(""), &filter, ".");
    pack(PACKED_GZIP, S("a long one"), &packed);
    is_freed = false;
    check(strbuf_str(&packed), &filter, "aa  lloonngg  oonnee.");
    assert_true(is_freed);
}

static void what_is_refused_says_why(void **state)
{
    struct body_filter filter = {&doubling};
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
    struct upload *upload = upload_new(&filter, &any_room);

    (void)state;
    assert_false(upload_all(upload, S("a text!"), 3, 10, &out));
    assert_int_equal(upload_why(upload)->status, 413);
    assert_string_equal(upload_why(upload)->reason, "no shouting");
    upload_free(upload);

    upload = upload_new(NULL, &any_room);
    assert_false(upload_all(upload, S("\x1f\x8b\x08"), 3, 10, &out));
    assert_int_equal(upload_why(upload)->status, 400);
    assert_non_null(strstr(upload_why(upload)->reason, "cut short"));
    upload_free(upload);
    assert_null(upload_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_body_passes_as_it_is),
        cmocka_unit_test(a_compressed_one_comes_out_plain),
        cmocka_unit_test(a_filter_gets_what_is_plain),
        cmocka_unit_test(what_is_refused_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
