#include "tests/unit/unit.h"

#include "policy/base/limits.h"
#include "proxy/grpc/grpc_frame.h"

static void messages_are_read_from_any_pieces(void **state)
{
    const struct str bytes = S("\0\0\0\0\2ab\0\0\0\0\0\0\0\0\0\1c");

    (void)state;
    for (size_t piece = 1; piece <= bytes.len; piece++) {
        AUTO(strbuf_fini) struct strbuf all = STRBUF(KIB);
        struct grpc_reader reader = {0};
        struct str rest = bytes;

        while (rest.len) {
            struct str part = str_head(rest, piece);
            size_t used;

            if (grpc_reader_next(&reader, 16, part, &used) ==
                GRPC_READ_MESSAGE) {
                strbuf_addf(&all, "%.*s|",
                            STR_FMT(strbuf_str(&reader.message)));
                grpc_reader_clear(&reader);
                assert_true(grpc_reader_is_empty(&reader));
            }
            rest = str_from_index(rest, used);
        }
        assert_string_equal(strbuf_cstr(&all), "ab||c|");
        grpc_reader_fini(&reader);
    }
}

static void a_message_has_a_maximum(void **state)
{
    struct grpc_reader reader = {0};
    size_t used;

    (void)state;
    assert_int_equal(grpc_reader_next(&reader, 3, S("\0\0\0\0\3abc"), &used),
                     GRPC_READ_MESSAGE);
    grpc_reader_clear(&reader);
    assert_int_equal(grpc_reader_next(&reader, 3, S("\0\0\0\0\4"), &used),
                     GRPC_READ_TOO_LARGE);
    grpc_reader_clear(&reader);
    assert_int_equal(
        grpc_reader_next(&reader, 3, S("\0\xff\xff\xff\xff"), &used),
        GRPC_READ_TOO_LARGE);
    grpc_reader_fini(&reader);
}

static void a_compressed_message_is_told(void **state)
{
    struct grpc_reader reader = {0};
    size_t used;

    (void)state;
    assert_int_equal(grpc_reader_next(&reader, 9, S("\1\0\0\0\1a"), &used),
                     GRPC_READ_COMPRESSED);
    grpc_reader_fini(&reader);
}

static void bytes_messages_come_back_as_they_were(void **state)
{
    static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, MIB};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        AUTO(strbuf_fini) struct strbuf message = STRBUF(2 * MIB);
        unsigned char head[GRPC_BYTES_HEAD];
        size_t head_len = grpc_bytes_head(head, lengths[i]);
        struct str data;

        strbuf_add(&message, str_of((const char *)head, head_len));
        memset(strbuf_reserve(&message, lengths[i] + 1), 'x', lengths[i]);
        strbuf_commit(&message, lengths[i]);
        assert_true(grpc_bytes_read(strbuf_str(&message), &data));
        assert_int_equal(data.len, lengths[i]);
        /* one byte more or less is something else */
        strbuf_add_char(&message, 'x');
        assert_false(grpc_bytes_read(strbuf_str(&message), &data));
        message.len -= 2;
        assert_false(grpc_bytes_read(strbuf_str(&message), &data));
    }
}

static void an_empty_message_holds_no_bytes(void **state)
{
    struct str data = S("?");

    (void)state;
    assert_true(grpc_bytes_read(S(""), &data));
    assert_int_equal(data.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_from_any_pieces),
        cmocka_unit_test(a_message_has_a_maximum),
        cmocka_unit_test(a_compressed_message_is_told),
        cmocka_unit_test(bytes_messages_come_back_as_they_were),
        cmocka_unit_test(an_empty_message_holds_no_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
