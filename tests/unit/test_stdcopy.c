#include "tests/unit/unit.h"

#include "proxy/http/stdcopy.h"

#include <errno.h>

static const char stream[] = "\x01\0\0\0\0\0\0\x05hello"
                             "\x02\0\0\0\0\0\0\0"
                             "\0\0\0\0\0\0\x01\0";

static void a_boundary_is_where_a_frame_ends(void **state)
{
    struct stdcopy frames = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(stream) - 1; i++) {
        bool expected = i == 0 || i == 13 || i == 21;

        if (stdcopy_at_boundary(&frames) != expected)
            fail_msg("at byte %zu", i);
        stdcopy_follow(&frames, str_of(stream + i, 1));
    }
    assert_false(stdcopy_at_boundary(&frames)); /* 256 bytes are to come */
    assert_int_equal(frames.left, 256);
}

static void cuts_make_no_difference(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof(stream); cut++) {
        struct stdcopy frames = {0};

        stdcopy_follow(&frames, str_of(stream, cut));
        stdcopy_follow(&frames, str_of(stream + cut, sizeof(stream) - 1 - cut));
        assert_int_equal(frames.left, 256);
        assert_false(frames.lost);
    }
}

static void the_longest_frame_is_followed_to_its_end(void **state)
{
    static const char zeros[65536];
    struct stdcopy frames = {0};
    uint64_t left = UINT32_MAX;

    (void)state;
    stdcopy_follow(&frames, str_of("\x01\0\0\0\xff\xff\xff\xff", 8));
    while (left) {
        size_t part = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

        assert_false(stdcopy_at_boundary(&frames));
        stdcopy_follow(&frames, str_of(zeros, part));
        left -= part;
    }
    assert_true(stdcopy_at_boundary(&frames));
}

static void what_is_no_frame_has_no_boundary_ever(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } headers[] = {
        {"\x04\0\0\0\0\0\0\0",       8 },
        {"\x01\x01\0\0\0\0\0\0",     8 },
        {"\x01\0\x01\0\0\0\0\0",     8 },
        {"\x01\0\0\x01\0\0\0\0",     8 },
        {"plain text of a terminal", 24},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct stdcopy frames = {0};

        stdcopy_follow(&frames, str_of(headers[i].bytes, headers[i].len));
        assert_true(frames.lost);
        assert_false(stdcopy_at_boundary(&frames));
        stdcopy_follow(&frames, str_of("\x01\0\0\0\0\0\0\0", 8));
        assert_false(stdcopy_at_boundary(&frames));
    }
}

static void an_error_is_a_frame_of_its_type(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(12);
    struct stdcopy frames = {0};

    (void)state;
    assert_int_equal(stdcopy_put_error(&out, S("lost!")), -ENOBUFS);
    assert_int_equal(out.len, 0);
    assert_int_equal(stdcopy_put_error(&out, S("lost")), 0);
    assert_int_equal(out.len, 12);
    assert_memory_equal(out.ptr, "\x03\0\0\0\0\0\0\x04lost", 12);
    stdcopy_follow(&frames, strbuf_str(&out));
    assert_true(stdcopy_at_boundary(&frames));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_boundary_is_where_a_frame_ends),
        cmocka_unit_test(cuts_make_no_difference),
        cmocka_unit_test(the_longest_frame_is_followed_to_its_end),
        cmocka_unit_test(what_is_no_frame_has_no_boundary_ever),
        cmocka_unit_test(an_error_is_a_frame_of_its_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
