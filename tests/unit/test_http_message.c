#include "tests/unit/unit.h"

#include "proxy/http/http_message.h"

#include <errno.h>

static struct http_head some_head(void)
{
    struct http_head head = {0};

    head.headers[head.header_count++] =
        (struct http_header){S("connection"), S("keep-alive ,\tUpgrade")};
    head.headers[head.header_count++] =
        (struct http_header){S("X"), S("first")};
    head.headers[head.header_count++] =
        (struct http_header){S("x"), S("second")};
    head.headers[head.header_count++] =
        (struct http_header){S("Connection"), S("close")};
    return head;
}

static void the_first_header_of_a_name_in_any_case_is_found(void **state)
{
    struct http_head head = some_head();

    (void)state;
    assert_true(str_eq(*http_head_get(&head, S("x")), S("first")));
    assert_null(http_head_get(&head, S("y")));
}

static void tokens_are_found_in_all_lists_of_the_name(void **state)
{
    struct http_head head = some_head();

    (void)state;
    assert_true(http_head_has_token(&head, S("Connection"), S("upgrade")));
    assert_true(http_head_has_token(&head, S("Connection"), S("CLOSE")));
    assert_false(http_head_has_token(&head, S("Connection"), S("keep")));
    assert_false(http_head_has_token(&head, S("Upgrade"), S("upgrade")));
}

static void a_message_is_written_line_by_line(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);

    (void)state;
    assert_int_equal(http_put_request_line(&out, METHOD_POST, S("/a?b={}")), 0);
    assert_int_equal(http_put_header(&out, S("Host"), S("docker")), 0);
    assert_int_equal(http_put_end_of_head(&out), 0);
    assert_int_equal(http_put_chunk_line(&out, 0x1aF), 0);
    assert_int_equal(http_put_last_chunk(&out), 0);
    assert_int_equal(http_put_status_line(&out, 404, S("Not Found")), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "POST /a?b={} HTTP/1.1\r\nHost: docker\r\n\r\n"
                        "1af\r\n0\r\n\r\nHTTP/1.1 404 Not Found\r\n");
}

static void nothing_can_start_a_line_of_its_own(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(1000);
    static const struct {
        struct str name, value;
    } bad[] = {
        {STR(""),     STR("x")     },
        {STR("a b"),  STR("x")     },
        {STR("a:"),   STR("x")     },
        {STR("a\r"),  STR("x")     },
        {STR("\xc3"), STR("x")     },
        {STR("a"),    STR("x\r\ny")},
        {STR("a"),    STR("x\ny")  },
        {STR("a"),    STR("x\0y")  },
        {STR("a"),    STR("\x7f")  },
    };
    static const struct str targets[] = {STR(""), STR("/a b"), STR("/\r\n"),
                                         STR("/\t"), STR("/\xff")};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(http_put_header(&out, bad[i].name, bad[i].value),
                         -EINVAL);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_int_equal(http_put_request_line(&out, METHOD_GET, targets[i]),
                         -EINVAL);
    assert_int_equal(http_put_request_line(&out, METHOD_OTHER, S("/")),
                     -EINVAL);
    assert_int_equal(http_put_status_line(&out, 200, S("O\nK")), -EINVAL);
    assert_int_equal(http_put_status_line(&out, 99, S("OK")), -EINVAL);
    assert_int_equal(http_put_status_line(&out, 1000, S("OK")), -EINVAL);
    assert_int_equal(out.len, 0);
    /* what other scripts need passes */
    assert_int_equal(http_put_header(&out, S("a"), S("\xc3\xa4\t")), 0);
}

static void a_line_that_does_not_fit_leaves_nothing_behind(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(16);

    (void)state;
    assert_int_equal(http_put_header(&out, S("Name"), S("123456789")),
                     -ENOBUFS);
    assert_int_equal(out.len, 0);
    assert_int_equal(http_put_header(&out, S("Name"), S("12345678")), 0);
    assert_int_equal(out.len, 16);
    assert_int_equal(http_put_end_of_head(&out), -ENOBUFS);
    assert_int_equal(http_put_last_chunk(&out), -ENOBUFS);
    assert_int_equal(out.len, 16);
}

static void reasons_are_the_standard_ones(void **state)
{
    (void)state;
    assert_string_equal(http_reason(404), "Not Found");
    assert_string_equal(http_reason(505), "HTTP Version Not Supported");
    assert_string_equal(http_reason(299), "Unknown");
}

static void methods_have_exact_names(void **state)
{
    (void)state;
    for (enum method m = 0; m <= METHOD_OTHER; m++)
        assert_int_equal(method_find(str_from(method_name(m))), m);
    assert_int_equal(method_find(S("get")), METHOD_OTHER);
    assert_int_equal(method_find(S("GETS")), METHOD_OTHER);
    assert_int_equal(method_find(S("")), METHOD_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_header_of_a_name_in_any_case_is_found),
        cmocka_unit_test(tokens_are_found_in_all_lists_of_the_name),
        cmocka_unit_test(a_message_is_written_line_by_line),
        cmocka_unit_test(nothing_can_start_a_line_of_its_own),
        cmocka_unit_test(a_line_that_does_not_fit_leaves_nothing_behind),
        cmocka_unit_test(reasons_are_the_standard_ones),
        cmocka_unit_test(methods_have_exact_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
