#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/archive/tar_reader.h"
#include "tests/support/tar_bytes.h"

#define USTAR "ustar\00000"
#define GNU   "ustar  \0"
#define OLD   "\0\0\0\0\0\0\0\0"

static void check_list(struct str archive, const char *expected)
{
    static const size_t steps[] = {SIZE_MAX, 1, 511, 513, 7};

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);

        tar_list(archive, steps[i], &out);
        assert_string_equal(strbuf_cstr(&out), expected);
    }
}

static void entries_come_with_their_content(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);

    (void)state;
    tar_add(&tar, TAR_FOLDER, "etc/", NULL, S(""));
    tar_add(&tar, TAR_FILE, "etc/hosts", NULL, S("127.0.0.1"));
    tar_add(&tar, TAR_FILE, "empty", NULL, S(""));
    tar_add(&tar, TAR_SYMLINK, "link", "etc/hosts", S(""));
    tar_add(&tar, TAR_HARD_LINK, "hard", "empty", S(""));
    tar_add(&tar, TAR_FIFO, "pipe", NULL, S(""));
    tar_add_end(&tar);
    strbuf_add(&tar, S("what follows is overlooked"));
    check_list(strbuf_str(&tar), "folder etc/ 0 \n"
                                 "file etc/hosts 9 127.0.0.1\n"
                                 "file empty 0 \n"
                                 "link link 0 etc/hosts \n"
                                 "hard hard 0 empty \n"
                                 "fifo pipe 0 \n"
                                 "end\n");
}

static void the_three_kinds_of_header_are_read(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);

    (void)state;
    tar_add_raw(&tar, '0', USTAR, "a", "", S("1"));
    tar_add_raw(&tar, '0', GNU, "b", "", S("2"));
    tar_add_raw(&tar, '\0', OLD, "c", "", S("3"));
    tar_add_raw(&tar, '\0', OLD, "folder/", "", S(""));
    tar_add_raw(&tar, 'S', GNU, "sparse", "", S(""));
    check_list(strbuf_str(&tar), "file a 1 1\nfile b 1 2\nfile c 1 3\n"
                                 "folder folder/ 0 \nother sparse 0 \n");
}

static void long_names_go_before_short_ones(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);

    (void)state;
    tar_add_raw(&tar, 'x', USTAR, "pax", "",
                S("12 path=p/q\n15 linkpath=to\n11 atime=1\n"
                  "30 mtime=1234567890.123456789\n"));
    tar_add_raw(&tar, '2', USTAR, "short", "short", S(""));
    tar_add_raw(&tar, 'L', GNU, "././@LongLink", "", str_of("long name", 10));
    tar_add_raw(&tar, 'K', GNU, "././@LongLink", "", S("long link"));
    tar_add_raw(&tar, '2', GNU, "short", "short", S(""));
    tar_add_raw(&tar, 'g', USTAR, "pax", "", S("12 path=p/q\n"));
    tar_add_raw(&tar, 'x', USTAR, "pax", "", S("9 size=3\n"));
    tar_add_raw(&tar, '0', USTAR, "as it is", "", S("123"));
    check_list(strbuf_str(&tar), "link p/q 0 to \n"
                                 "11 atime=1\n30 mtime=1234567890.123456789\n"
                                 "link long name 0 long link \n"
                                 "file as it is 3 123\n");
}

static void what_is_written_reads_the_same(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf expected = STRBUF(MIB);
    char name[LIMIT_TAR_NAME + 2];

    (void)state;
    /* around the edge of a header's field, and of what there may be */
    for (size_t len = 98; len <= LIMIT_TAR_NAME; len += len < 102 ? 1 : 461) {
        memset(name, 'n', len);
        name[len] = '\0';
        tar_add(&tar, TAR_FILE, name, NULL, S("text"));
        strbuf_addf(&expected, "file %s 4 text\n", name);
        tar_add(&tar, TAR_SYMLINK, "link", name, S(""));
        strbuf_addf(&expected, "link link 0 %s \n", name);
    }
    check_list(strbuf_str(&tar), strbuf_cstr(&expected));
    memset(name, 'n', sizeof(name));
    assert_false(tar_set_name(name, str_of(name, LIMIT_TAR_NAME + 1)));
    assert_false(tar_set_name(name, S("")));
    assert_false(tar_set_name(name, str_of("a\0b", 3)));
}

static void large_sizes_are_written_and_read(void **state)
{
    static const uint64_t sizes[] = {0, 511, (1ull << 33) - 1, 1ull << 33,
                                     (1ull << 62) + 7};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);
        struct tar_reader *reader = tar_reader_new();
        struct tar_entry entry = {
            .kind = TAR_FILE, .name = "x", .size = sizes[i]};
        struct str in, data;

        assert_int_equal(tar_entry_put(&tar, &entry), 0);
        in = strbuf_str(&tar);
        assert_int_equal(tar_reader_next(reader, &in, &data), TAR_ENTRY);
        assert_int_equal(tar_reader_entry(reader)->size, sizes[i]);
        if (sizes[i])
            assert_false(tar_reader_eof(reader));
        tar_reader_free(reader);
    }
}

static void numbers_in_base_256_are_read(void **state)
{
    static const struct {
        const char *bytes;
        int64_t mtime;
        bool good;
    } cases[] = {
        {"\x80\0\0\0\0\0\0\0\0\0\x01\0",                     256,       true },
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", -2,        true },
        {"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",       INT64_MAX, true },
        {"\x80\0\0\x01\0\0\0\0\0\0\0\0",                     0,         false},
        {"00000000008\0",                                    0,         false},
        {"   17 \0\0\0\0\0\0",                               017,       true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);
        struct tar_entry entry;
        unsigned sum = 0;
        const char *why;

        tar_add_raw(&tar, '0', USTAR, "a", "", S(""));
        memcpy(tar.ptr + 136, cases[i].bytes, 12);
        memset(tar.ptr + 148, ' ', 8);
        for (size_t b = 0; b < TAR_BLOCK; b++)
            sum += (unsigned char)tar.ptr[b];
        snprintf(tar.ptr + 148, 8, "%06o", sum);
        if (!cases[i].good) {
            assert_int_equal(tar_entry_read(tar.ptr, &entry, &why),
                             TAR_E_ENTRY);
            continue;
        }
        assert_int_equal(tar_entry_read(tar.ptr, &entry, &why), 0);
        assert_int_equal(entry.mtime, cases[i].mtime);
    }
}

static void what_makes_no_sense_is_a_fault(void **state)
{
    static const struct str records[] = {
        STR("12 path=p/q"),
        STR("11 path=p/q\n"),
        STR("13 path=p/q\n"),
        STR("path=p/q\n"),
        STR("8 path=\n"),
        STR("12 path=a\0b\n"),
        STR("11 size=-1\n"),
        STR("28 size=9223372036854775808\n"),
        STR("11 nothing\n"),
        STR("6 =xy\n"),
        STR("22 GNU.sparse.major=1\n"),
        STR("21 hdrcharset=BINARY\n"),
        STR("99999999999999999999 path=x\n"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
        AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);

        tar_add_raw(&tar, 'x', USTAR, "pax", "", records[i]);
        tar_add_raw(&tar, '0', USTAR, "a", "", S(""));
        check_list(strbuf_str(&tar), "error what it says about one file cannot "
                                     "be understood\n");
    }
}

static void what_is_no_tar_or_cut_short_is_a_fault(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf junk = STRBUF(MIB);

    (void)state;
    tar_add(&tar, TAR_FILE, "a", NULL, S("text"));
    check_list(strbuf_str(&tar), "file a 4 text\n"); /* no end is an end */
    check_list(str_head(strbuf_str(&tar), 100), "error it is cut short\n");
    check_list(str_head(strbuf_str(&tar), 514),
               "file a 4 teerror it is cut short\n");
    check_list(str_head(strbuf_str(&tar), 600),
               "file a 4 texterror it is cut short\n");
    memset(strbuf_reserve(&junk, KIB), 'x', KIB);
    strbuf_commit(&junk, KIB);
    check_list(strbuf_str(&junk), "error a header has the wrong sum, so this "
                                  "is no tar archive, or a damaged one\n");
}

static void what_is_said_about_a_file_has_a_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf records = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);

    (void)state;
    while (records.len + 16 <= LIMIT_TAR_PAX)
        strbuf_addf(&records, "16 comment=text\n");
    assert_int_equal(records.len, LIMIT_TAR_PAX); /* the edge */
    tar_add_raw(&tar, 'x', USTAR, "pax", "", strbuf_str(&records));
    tar_add_raw(&tar, '0', USTAR, "a", "", S(""));
    tar_list(strbuf_str(&tar), SIZE_MAX, &out);
    assert_int_equal(out.len, LIMIT_TAR_PAX + strlen("file a 0 \n"));
    strbuf_addf(&records, "x");
    strbuf_clear(&tar);
    tar_add_raw(&tar, 'x', USTAR, "pax", "", strbuf_str(&records));
    check_list(strbuf_str(&tar), "error what it says about one file is too "
                                 "long\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_with_their_content),
        cmocka_unit_test(the_three_kinds_of_header_are_read),
        cmocka_unit_test(long_names_go_before_short_ones),
        cmocka_unit_test(what_is_written_reads_the_same),
        cmocka_unit_test(large_sizes_are_written_and_read),
        cmocka_unit_test(numbers_in_base_256_are_read),
        cmocka_unit_test(what_makes_no_sense_is_a_fault),
        cmocka_unit_test(what_is_no_tar_or_cut_short_is_a_fault),
        cmocka_unit_test(what_is_said_about_a_file_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
