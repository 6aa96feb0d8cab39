#include "tests/unit/unit.h"

#include "policy/base/str.h"

#include <errno.h>

static void slices_compare_by_content(void **state)
{
    (void)state;
    assert_true(str_eq(S("abc"), str_from("abc")));
    assert_false(str_eq(S("abc"), S("abC")));
    assert_true(str_eq_nocase(S("Content-Length"), S("content-LENGTH")));
    assert_false(str_eq_nocase(S("k"), S("\xe2\x84\xaa")));
    assert_true(str_eq(str_from(NULL), S("")));
    assert_true(str_has_prefix(S("abc"), S("ab")));
    assert_false(str_has_prefix(S("a"), S("ab")));
    assert_true(str_has_suffix(S("abc"), S("bc")));
}

static void cutting_and_trimming(void **state)
{
    struct str head, tail;

    (void)state;
    assert_true(str_cut(S("a=b=c"), '=', &head, &tail));
    assert_true(str_eq(head, S("a")) && str_eq(tail, S("b=c")));
    assert_false(str_cut(S("abc"), '=', &head, &tail));
    assert_true(str_eq(head, S("abc")) && str_eq(tail, S("")));
    assert_true(str_eq(str_trim(S(" \t a b \t")), S("a b")));
    assert_true(str_eq(str_trim(S(" \t ")), S("")));
}

static void utf8_is_strict(void **state)
{
    (void)state;
    assert_true(str_is_utf8(S("")));
    assert_true(str_is_utf8(S("a\0b")));
    assert_true(str_is_utf8(S("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf"
                              "\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    /* overlong, surrogate, too large, cut short, no start */
    assert_false(str_is_utf8(S("\xc1\xbf")));
    assert_false(str_is_utf8(S("\xe0\x9f\xbf")));
    assert_false(str_is_utf8(S("\xf0\x8f\xbf\xbf")));
    assert_false(str_is_utf8(S("\xed\xa0\x80")));
    assert_false(str_is_utf8(S("\xf4\x90\x80\x80")));
    assert_false(str_is_utf8(S("\xf5\x80\x80\x80")));
    assert_false(str_is_utf8(S("a\xe2\x82")));
    assert_false(str_is_utf8(S("\xe2\x82z")));
    assert_false(str_is_utf8(S("\x80")));
}

static void numbers_are_digits_that_fit(void **state)
{
    uint64_t n = 7, hex;

    (void)state;
    assert_int_equal(str_to_u64(S("18446744073709551615"), &n), 0);
    assert_true(n == UINT64_MAX);
    assert_int_equal(str_to_u64(S("18446744073709551616"), &n), -ERANGE);
    assert_int_equal(str_to_u64(S("+1"), &n), -EINVAL);
    assert_int_equal(str_to_u64(S("1 "), &n), -EINVAL);
    assert_int_equal(str_to_u64(S(""), &n), -EINVAL);
    assert_true(n == UINT64_MAX);
    assert_int_equal(str_to_hex64(S("00fFffffFFFFffff"), &hex), 0);
    assert_true(hex == UINT64_MAX >> 8);
    assert_int_equal(str_to_hex64(S("00000000000000000"), &hex), -ERANGE);
    assert_int_equal(str_to_hex64(S("0x1"), &hex), -EINVAL);
    assert_int_equal(str_to_hex64(S(""), &hex), -EINVAL);
}

static void a_strbuf_takes_its_maximum_and_no_more(void **state)
{
    AUTO(strbuf_fini) struct strbuf buf = STRBUF(100);

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(strbuf_addf(&buf, "%010d", i), 0);
    assert_int_equal(buf.len, 100);
    assert_int_equal(strbuf_add_char(&buf, 'x'), -ENOBUFS);
    assert_int_equal(strbuf_addf(&buf, "x"), -ENOBUFS);
    assert_int_equal(buf.len, 100);
    assert_string_equal(strbuf_cstr(&buf) + 90, "0000000009");
    strbuf_consume(&buf, 95);
    assert_true(str_eq(strbuf_str(&buf), S("00009")));
    strbuf_consume(&buf, 5);
    assert_null(buf.ptr);
}

static void what_misleads_a_reader_is_shown_as_bytes(void **state)
{
    AUTO(strbuf_fini) struct strbuf buf = STRBUF(200);

    (void)state;
    /* U+202E, U+2028, U+2066, U+061C, U+200F; a U+2027, U+202F, U+2065 and
     * U+206A beside them pass, and so does a character that is cut */
    assert_int_equal(
        strbuf_add_visible(&buf, S("a\xe2\x80\xae"
                                   "b\xe2\x80\xa8\xe2\x81\xa6\xd8\x9c"
                                   "c\xe2\x80\x8f\n")),
        0);
    assert_string_equal(strbuf_cstr(&buf),
                        "a\\xe2\\x80\\xaeb\\xe2\\x80\\xa8\\xe2\\x81\\xa6"
                        "\\xd8\\x9cc\\xe2\\x80\\x8f\\x0a");
    strbuf_clear(&buf);
    assert_int_equal(strbuf_add_visible(&buf, S("\xe2\x80\xa7\xe2\x80\xaf"
                                                "\xe2\x81\xa5\xe2\x81\xaa"
                                                "\xc3\xbc\xe2\x80")),
                     0);
    assert_string_equal(strbuf_cstr(&buf), "\xe2\x80\xa7\xe2\x80\xaf"
                                           "\xe2\x81\xa5\xe2\x81\xaa"
                                           "\xc3\xbc\xe2\x80");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_by_content),
        cmocka_unit_test(cutting_and_trimming),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(numbers_are_digits_that_fit),
        cmocka_unit_test(a_strbuf_takes_its_maximum_and_no_more),
        cmocka_unit_test(what_misleads_a_reader_is_shown_as_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
