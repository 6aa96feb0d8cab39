#include "tests/unit/unit.h"

#include "policy/base/verdict.h"

static void forgetting_to_decide_refuses(void **state)
{
    struct verdict verdict = {0};

    (void)state;
    assert_int_equal(verdict.kind, VERDICT_DENY);
}

static void an_allowed_request_names_its_rule_and_nothing_else(void **state)
{
    struct verdict verdict;

    (void)state;
    verdict_deny(&verdict, 400, "request.path", "query t", "no");
    verdict_allow(&verdict, "operations.allow");
    assert_int_equal(verdict.kind, VERDICT_ALLOW);
    assert_string_equal(verdict.rule, "operations.allow");
    assert_string_equal(verdict.field, "");
    assert_string_equal(verdict.reason, "");
    assert_int_equal(verdict.status, 0);
}

static void a_refusal_says_which_rule_where_and_why(void **state)
{
    struct verdict verdict;

    (void)state;
    verdict_deny(&verdict, 403, "container.privileged", "HostConfig.Privileged",
                 "%s is not allowed %d times", "this", 2);
    assert_int_equal(verdict.kind, VERDICT_DENY);
    assert_int_equal(verdict.status, 403);
    assert_string_equal(verdict.rule, "container.privileged");
    assert_string_equal(verdict.field, "HostConfig.Privileged");
    assert_string_equal(verdict.reason, "this is not allowed 2 times");
}

static void bytes_of_a_peer_are_shown_as_ascii(void **state)
{
    struct verdict verdict;

    (void)state;
    verdict_deny(&verdict, 403, "rule", "a\tb", "%s", "x\r\n\x1b[0m\xc3\xa9");
    assert_string_equal(verdict.field, "a\\x09b");
    assert_string_equal(verdict.reason, "x\\x0d\\x0a\\x1b[0m\\xc3\\xa9");
}

static void a_long_text_is_cut_and_says_so(void **state)
{
    struct verdict verdict;
    char text[LIMIT_REASON + 100];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[LIMIT_REASON - 1] = '\0';
    verdict_deny(&verdict, 403, "rule", "", "%s", text);
    assert_string_equal(verdict.reason, text);

    text[LIMIT_REASON - 1] = 'a';
    text[LIMIT_REASON] = '\0';
    verdict_deny(&verdict, 403, text, text, "%s", text);
    assert_int_equal(strlen(verdict.reason), LIMIT_REASON - 1);
    assert_true(str_has_suffix(str_from(verdict.reason), S("a...")));
    assert_int_equal(strlen(verdict.field), sizeof(verdict.field) - 1);
    assert_int_equal(strlen(verdict.rule), sizeof(verdict.rule) - 1);

    /* an escape is never cut in half, wherever the end falls */
    for (size_t lead = 0; lead < 8; lead++) {
        memset(text, 'a', lead);
        memset(text + lead, '\x80', LIMIT_REASON);
        text[LIMIT_REASON] = '\0';
        verdict_deny(&verdict, 403, "rule", "", "%s", text);
        assert_true(str_has_suffix(str_from(verdict.reason), S("\\x80...")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgetting_to_decide_refuses),
        cmocka_unit_test(an_allowed_request_names_its_rule_and_nothing_else),
        cmocka_unit_test(a_refusal_says_which_rule_where_and_why),
        cmocka_unit_test(bytes_of_a_peer_are_shown_as_ascii),
        cmocka_unit_test(a_long_text_is_cut_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
