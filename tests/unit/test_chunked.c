#include "tests/unit/unit.h"

#include "proxy/http/chunked.h"

/* Decode INPUT in pieces of STEP bytes, the data to OUT; *USED in all. */
static enum chunked_event decode(struct str input, size_t step,
                                 struct strbuf *out, size_t *used,
                                 const char **why)
{
    struct chunked body = {0};
    enum chunked_event event = CHUNKED_MORE;
    struct str data;
    size_t n;

    *used = 0;
    while (event == CHUNKED_DATA ||
           (event == CHUNKED_MORE && *used < input.len)) {
        event = chunked_next(
            &body, str_head(str_from_index(input, *used), step), &n, &data);
        *used += n;
        if (event == CHUNKED_DATA)
            assert_int_equal(strbuf_add(out, data), 0);
    }
    *why = body.why;
    return event;
}

static void assert_body(struct str input, struct str expected, size_t behind)
{
    for (size_t step = 1; step <= input.len; step++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
        const char *why;
        size_t used;

        assert_int_equal(decode(input, step, &out, &used, &why), CHUNKED_END);
        assert_true(str_eq(strbuf_str(&out), expected));
        assert_int_equal(used, input.len - behind);
    }
}

static void assert_bad(struct str input, const char *expected)
{
    for (size_t step = 1; step <= input.len; step++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
        const char *why;
        size_t used;

        assert_int_equal(decode(input, step, &out, &used, &why), CHUNKED_BAD);
        assert_string_equal(why, expected);
    }
}

static void chunks_become_data_without_framing(void **state)
{
    (void)state;
    assert_body(S("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), S("hello world"),
                0);
    assert_body(S("0\r\n\r\n"), S(""), 0);
    assert_body(S("00a\r\n0123456789\r\n000\r\n\r\n"), S("0123456789"), 0);
    assert_body(S("9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"),
                S("\r\n0\r\n\r\n\r\n"), 0);
}

static void what_follows_the_body_is_left_alone(void **state)
{
    (void)state;
    assert_body(S("1\r\nx\r\n0\r\n\r\nGET /"), S("x"), 5);
    assert_body(S("1\r\nx\r\n0\r\n\r\n\n"), S("x"), 1);
}

static void extensions_and_trailers_are_dropped(void **state)
{
    (void)state;
    assert_body(S("1;a=\"b;c\";d\r\nx\r\n0;e\r\n\r\n"), S("x"), 0);
    assert_body(S("1\r\nx\r\n0\r\nExpires: never\r\nX-Y:\r\n\r\n"), S("x"), 0);
}

static void framing_that_two_parsers_could_read_apart_is_refused(void **state)
{
    static const char size[] = "a chunk size is not a hexadecimal number";
    static const char line[] = "a chunk-size line is malformed";
    static const char end[] = "a chunk does not end where its size says";
    static const char trailer[] = "a trailer line is malformed";
    static const struct {
        struct str input;
        const char *why;
    } cases[] = {
        {STR("\r\n"),                         size                       },
        {STR(";a\r\n"),                       size                       },
        {STR("-1\r\n"),                       size                       },
        {STR("+1\r\n"),                       size                       },
        {STR(" 1\r\n"),                       size                       },
        {STR("1 \r\n"),                       size                       },
        {STR("1 ;a\r\n"),                     size                       },
        {STR("0x1\r\n"),                      size                       },
        {STR("1g\r\n"),                       size                       },
        {STR("1\n"),                          size                       },
        {STR("1\rx"),                         line                       },
        {STR("1;a\n"),                        line                       },
        {STR("1;a\0b\r\n"),                   line                       },
        {STR("1;a\r\r\n"),                    line                       },
        {STR("1;\x7f\r\n"),                   line                       },
        {STR("1\r\nxy"),                      end                        },
        {STR("1\r\nx\n"),                     end                        },
        {STR("5\r\nhelloXX0\r\n\r\n"),        end                        },
        {STR("1\r\nx\rx"),                    end                        },
        {STR("0\r\n\n"),                      trailer                    },
        {STR("0\r\n\rx"),                     trailer                    },
        {STR("0\r\n folded\r\n\r\n"),         trailer                    },
        {STR("0\r\n:x\r\n\r\n"),              trailer                    },
        {STR("0\r\nname\r\n\r\n"),            trailer                    },
        {STR("0\r\na b: c\r\n\r\n"),          trailer                    },
        {STR("0\r\na: b\n\r\n"),              trailer                    },
        {STR("0\r\na: b\0\r\n\r\n"),          trailer                    },
        {STR("0\r\nGET / HTTP/1.1\r\n"),      trailer                    },
        {STR("8000000000000000\r\n"),         "a chunk size is too large"},
        {STR("10000000000000001\r\n"),        "a chunk size is too large"},
        {STR("ffffffffffffffffffffffff\r\n"), "a chunk size is too large"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_bad(cases[i].input, cases[i].why);
}

static void the_largest_size_is_taken(void **state)
{
    struct chunked body = {0};
    struct str data;
    size_t used;

    (void)state;
    assert_int_equal(
        chunked_next(&body, S("7fffffffffffffff\r\nabc"), &used, &data),
        CHUNKED_DATA);
    assert_true(str_eq(data, S("abc")));
    assert_true(body.left == INT64_MAX - 3);
}

/* HEAD, as many 'x' as make it LEN bytes with TAIL, TAIL. */
static void stretch(struct strbuf *buf, struct str head, struct str tail,
                    size_t len)
{
    strbuf_clear(buf);
    assert_int_equal(strbuf_add(buf, head), 0);
    while (buf->len + tail.len < len)
        assert_int_equal(strbuf_add_char(buf, 'x'), 0);
    assert_int_equal(strbuf_add(buf, tail), 0);
}

static void a_size_line_may_be_as_long_as_its_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf in = STRBUF(MIB);

    (void)state;
    stretch(&in, S("1;"), S("\r\n"), LIMIT_CHUNK_LINE);
    assert_int_equal(strbuf_add(&in, S("y\r\n")), 0);
    assert_int_equal(strbuf_add(&in, S("0\r\n\r\n")), 0);
    assert_body(strbuf_str(&in), S("y"), 0);
    stretch(&in, S("1;"), S("\r\n"), LIMIT_CHUNK_LINE + 1);
    assert_bad(strbuf_str(&in), "a chunk-size line is too long");
    stretch(&in, S("0"), S(""), 1);
    for (size_t i = 0; i < LIMIT_CHUNK_LINE; i++)
        assert_int_equal(strbuf_add_char(&in, '0'), 0);
    assert_bad(strbuf_str(&in), "a chunk-size line is too long");
}

static void the_trailers_may_be_as_long_as_their_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf in = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
    const char *why;
    size_t used;

    (void)state;
    stretch(&in, S("0\r\nA: b\r\nC: "), S("\r\n\r\n"), 3 + LIMIT_TRAILER);
    assert_int_equal(decode(strbuf_str(&in), 1000, &out, &used, &why),
                     CHUNKED_END);
    stretch(&in, S("0\r\nA: b\r\nC: "), S("\r\n\r\n"), 3 + LIMIT_TRAILER + 1);
    assert_int_equal(decode(strbuf_str(&in), 1000, &out, &used, &why),
                     CHUNKED_BAD);
    assert_string_equal(why, "the trailers are too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_become_data_without_framing),
        cmocka_unit_test(what_follows_the_body_is_left_alone),
        cmocka_unit_test(extensions_and_trailers_are_dropped),
        cmocka_unit_test(framing_that_two_parsers_could_read_apart_is_refused),
        cmocka_unit_test(the_largest_size_is_taken),
        cmocka_unit_test(a_size_line_may_be_as_long_as_its_limit),
        cmocka_unit_test(the_trailers_may_be_as_long_as_their_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
