#include "tests/unit/unit.h"

#include <errno.h>

#include "proxy/ssh/ssh_wire.h"

static void what_is_added_can_be_taken(void **state)
{
    AUTO(strbuf_fini) struct strbuf buf = STRBUF(64);
    struct str in, s;
    uint32_t number;
    uint8_t byte;

    (void)state;
    assert_int_equal(strbuf_add_char(&buf, '\xff'), 0);
    assert_int_equal(ssh_wire_add_u32(&buf, 0x80fffe01), 0);
    assert_int_equal(ssh_wire_add_string(&buf, S("hello")), 0);
    assert_int_equal(ssh_wire_add_string(&buf, S("")), 0);
    in = strbuf_str(&buf);
    assert_int_equal(ssh_wire_u8(&in, &byte), 0);
    assert_int_equal(byte, 0xff);
    assert_int_equal(ssh_wire_u32(&in, &number), 0);
    assert_int_equal(number, 0x80fffe01);
    assert_int_equal(ssh_wire_string(&in, &s), 0);
    assert_true(str_eq(s, S("hello")));
    assert_int_equal(ssh_wire_string(&in, &s), 0);
    assert_int_equal(s.len, 0);
    assert_int_equal(ssh_wire_u8(&in, &byte), -EINVAL);
}

static void a_string_that_is_cut_is_not_taken(void **state)
{
    struct str whole = S("\0\0\0\5hello");
    struct str s = S("untouched");

    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        struct str in = str_head(whole, len);

        assert_int_equal(ssh_wire_string(&in, &s), -EINVAL);
        assert_int_equal(in.len, len);
        assert_true(str_eq(s, S("untouched")));
    }
    whole = S("\xff\xff\xff\xffhello");
    assert_int_equal(ssh_wire_string(&whole, &s), -EINVAL);
}

static void a_full_buffer_is_left_alone(void **state)
{
    AUTO(strbuf_fini) struct strbuf buf = STRBUF(8);

    (void)state;
    assert_int_equal(ssh_wire_add_string(&buf, S("hello")), -ENOBUFS);
    assert_int_equal(buf.len, 0);
    assert_int_equal(ssh_wire_add_string(&buf, S("hell")), 0);
    assert_int_equal(buf.len, 8);
}

static void a_peers_words_stay_on_one_line(void **state)
{
    AUTO(strbuf_fini) struct strbuf buf = STRBUF(16);

    (void)state;
    ssh_wire_add_words(&buf, S("a\tb\nc\r\x1b[\x7f\xe4~"));
    assert_string_equal(strbuf_cstr(&buf), "a b c??[??~");
    ssh_wire_add_words(&buf, S("too much of it"));
    assert_string_equal(strbuf_cstr(&buf), "a b c??[??~too m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_can_be_taken),
        cmocka_unit_test(a_string_that_is_cut_is_not_taken),
        cmocka_unit_test(a_full_buffer_is_left_alone),
        cmocka_unit_test(a_peers_words_stay_on_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
