#include "tests/unit/unit.h"

#include <errno.h>

#include "policy/base/limits.h"
#include "policy/record/audit_chain.h"

static void
a_line_carries_its_number_and_the_hash_of_the_one_before(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);
    struct audit_chain chain = {0};
    char hash[SHA256_HEX + 1];

    (void)state;
    assert_int_equal(audit_chain_add(&chain, S("{\"a\":1}\n"), &out), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "{\"a\":1,\"line\":1,\"previous\":null}\n");
    sha256_hex(S("{\"a\":1,\"line\":1,\"previous\":null}"), hash);
    assert_string_equal(chain.hash, hash);
    strbuf_clear(&out);
    assert_int_equal(audit_chain_add(&chain, S("{\"b\":2}\n"), &out), 0);
    assert_true(str_has_prefix(strbuf_str(&out),
                               S("{\"b\":2,\"line\":2,\"previous\":\"")));
    assert_non_null(strstr(strbuf_cstr(&out), hash));
    assert_int_equal(chain.line, 2);
}

static void what_is_no_line_or_has_no_room_changes_nothing(void **state)
{
    AUTO(strbuf_fini) struct strbuf small = STRBUF(30);
    struct audit_chain chain = {.line = 7};

    (void)state;
    assert_int_equal(audit_chain_add(&chain, S("{\"a\":1}"), &small), -EINVAL);
    assert_int_equal(audit_chain_add(&chain, S("}\n"), &small), -EINVAL);
    assert_int_equal(audit_chain_add(&chain, S("{\"a\":1}\n"), &small),
                     -ENOBUFS);
    assert_int_equal(small.len, 0);
    assert_int_equal(chain.line, 7);
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_link_is_read_from_the_end_of_a_line_only(void **state)
{
    static const struct {
        const char *line;
        uint64_t number; /* 0: none */
    } cases[] = {
        {"{\"a\":1,\"line\":1,\"previous\":null}",                        1 },
        {"{\"a\":1,\"line\":20,\"previous\":\"" HASH "\"}",               20},
        {"{\"a\":1}",                                                     0 },
        {"",                                                              0 },
        {"}",                                                             0 },
        {"\"}",                                                           0 },
        {"{\"a\":1,\"line\":0,\"previous\":null}",                        0 },
        {"{\"a\":1,\"line\":,\"previous\":null}",                         0 },
        {"{\"a\":1,\"line\":99999999999999999999,\"previous\":null}",     0 },
        {"\"a\":1,\"line\":1,\"previous\":null}",                         0 },
        {"{\"a\":1,\"line\":1,\"previous\":null} ",                       0 },
        {"{\"a\":1,\"line\":2,\"previous\":\"" HASH "0\"}",               0 },
        {"{\"a\":1,\"line\":2,\"previous\":\"x" HASH "\"}",               0 },
 /* text of a client's, as a record writes it */
        {"{\"a\":\"\\\",\\\"line\\\":1,\\\"previous\\\":\\\"" HASH "\"}", 0 },
        {"{\"a\":\"x,\\\"line\\\":1,\\\"previous\\\":null\"}",            0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct audit_link link = {0};
        bool is = audit_chain_read(str_from(cases[i].line), &link);

        assert_int_equal(is, cases[i].number != 0);
        assert_int_equal(link.line, cases[i].number);
        if (is && link.line > 1)
            assert_true(str_eq(link.previous, S(HASH)));
    }
}

static void the_last_whole_line_is_what_goes_on(void **state)
{
    static const char *const ends[] = {"", "{\"cut\":", "{\"cut\":\n",
                                       "{\"a\":1}\n\n"};
    char hash[SHA256_HEX + 1];

    (void)state;
    sha256_hex(S("{\"b\":1,\"line\":2,\"previous\":\"" HASH "\"}"), hash);
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        AUTO(strbuf_fini) struct strbuf tail = STRBUF(KIB);
        struct audit_chain chain = {0};

        strbuf_addf(&tail,
                    "lf of one\n{\"a\":1,\"line\":1,\"previous\":null}\n"
                    "{\"b\":1,\"line\":2,\"previous\":\"" HASH "\"}\n%s",
                    ends[i]);
        assert_true(audit_chain_find_last(strbuf_str(&tail), &chain));
        assert_int_equal(chain.line, 2);
        assert_string_equal(chain.hash, hash);
    }
    struct audit_chain none = {0};

    assert_false(audit_chain_find_last(S(""), &none));
    assert_false(audit_chain_find_last(S("{\"a\":1}\n"), &none));
    assert_false(audit_chain_find_last(
        S("{\"a\":1,\"line\":1,\"previous\":null}"), &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_line_carries_its_number_and_the_hash_of_the_one_before),
        cmocka_unit_test(what_is_no_line_or_has_no_room_changes_nothing),
        cmocka_unit_test(a_link_is_read_from_the_end_of_a_line_only),
        cmocka_unit_test(the_last_whole_line_is_what_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
