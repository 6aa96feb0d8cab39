#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/archive/unpack.h"
#include "tests/support/packed.h"

static const struct unpack_room any_room;

/* What is packed: as long as several turns, and no run of one byte. */
static struct str sample(struct strbuf *buf)
{
    uint32_t n = 1;

    while (buf->len < 80 * KIB) {
        n = n * 1664525 + 1013904223;
        strbuf_addf(buf, "line %u of %u\n", n >> 20, n & 7);
    }
    return strbuf_str(buf);
}

/* Feed ALL in pieces of STEP with ROOM for each; true when it was whole. */
static bool unpack_all(struct unpack *unpack, struct str all, size_t step,
                       size_t room, struct strbuf *out)
{
    while (all.len) {
        struct str in = str_head(all, step);
        enum unpack_result result;

        all = str_from_index(all, in.len);
        do {
            size_t before = out->len;

            result = unpack_feed(unpack, &in, out, room);
            assert_true(out->len - before <= room);
            if (result == UNPACK_ERROR)
                return false;
        } while (result == UNPACK_ROOM);
        assert_int_equal(in.len, 0);
    }
    return unpack_end(unpack, out);
}

static void check(struct str packed, struct str plain, size_t step, size_t room)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(8 * MIB);
    struct unpack *unpack =
        unpack_new(packed, &unpack_default_limits, &any_room);

    assert_non_null(unpack);
    if (!unpack_all(unpack, packed, step, room, &out))
        fail_msg("%s", unpack_error(unpack));
    assert_int_equal(out.len, plain.len);
    if (plain.len)
        assert_memory_equal(out.ptr, plain.ptr, plain.len);
    unpack_free(unpack);
}

static const char *fault_of(struct str packed,
                            const struct unpack_limits *limits)
{
    static char error[256];
    AUTO(strbuf_fini) struct strbuf out = STRBUF(64 * MIB);
    struct unpack *unpack = unpack_new(packed, limits, &any_room);

    assert_non_null(unpack);
    error[0] = '\0';
    if (!unpack_all(unpack, packed, 64 * KIB, 64 * KIB, &out)) {
        snprintf(error, sizeof(error), "%s", unpack_error(unpack));
        assert_true(error[0]);
        /* and it stays so */
        assert_int_equal(unpack_feed(unpack, &packed, &out, KIB), UNPACK_ERROR);
    }
    unpack_free(unpack);
    return error;
}

static void what_is_packed_comes_out_however_it_is_cut(void **state)
{
    static const struct {
        size_t step, room;
    } ways[] = {
        {SIZE_MAX, MIB},
        {1,        MIB},
        {SIZE_MAX, 6  },
        {7,        11 },
        {4096,     512}
    };
    AUTO(strbuf_fini) struct strbuf buf = STRBUF(MIB);
    struct str plain = sample(&buf);

    (void)state;
    for (int how = 0; how < PACKINGS; how++) {
        AUTO(strbuf_fini) struct strbuf packed = STRBUF(2 * MIB);

        pack((enum packing)how, plain, &packed);
        for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
            check(strbuf_str(&packed), plain, ways[i].step, ways[i].room);
    }
}

static void short_ones_and_empty_ones_come_out(void **state)
{
    (void)state;
    for (int how = 0; how < PACKINGS; how++) {
        for (size_t len = 0; len < 9; len++) {
            AUTO(strbuf_fini) struct strbuf packed = STRBUF(64 * KIB);

            pack((enum packing)how, str_of("etc/hosts", len), &packed);
            check(strbuf_str(&packed), str_of("etc/hosts", len), 3, KIB);
        }
    }
}

static void members_and_padding_follow_each_other(void **state)
{
    (void)state;
    for (int how = 0; how < PACKINGS; how++) {
        AUTO(strbuf_fini) struct strbuf packed = STRBUF(64 * KIB);

        pack((enum packing)how, S("one archive "), &packed);
        pack((enum packing)how, S("in two members"), &packed);
        check(strbuf_str(&packed), S("one archive in two members"), 1, KIB);
        strbuf_add(&packed, str_of("\0\0\0\0\0\0\0\0", 8));
        check(strbuf_str(&packed), S("one archive in two members"), 5, KIB);
        strbuf_add_char(&packed, 'x');
        if (!fault_of(strbuf_str(&packed), &unpack_default_limits)[0])
            fail_msg("something behind the padding of %d", how);
    }
}

static void one_that_is_cut_short_or_damaged_is_a_fault(void **state)
{
    AUTO(strbuf_fini) struct strbuf buf = STRBUF(MIB);
    struct str plain = sample(&buf);

    (void)state;
    for (int how = 0; how < PACKINGS; how++) {
        AUTO(strbuf_fini) struct strbuf packed = STRBUF(2 * MIB);

        pack((enum packing)how, plain, &packed);
        for (size_t cut = 16; cut < packed.len; cut += packed.len / 7)
            assert_true(fault_of(str_head(strbuf_str(&packed), cut),
                                 &unpack_default_limits)[0]);
        assert_true(fault_of(str_head(strbuf_str(&packed), packed.len - 1),
                             &unpack_default_limits)[0]);
        packed.ptr[packed.len / 2] ^= 0x55;
        assert_true(fault_of(strbuf_str(&packed), &unpack_default_limits)[0]);
    }
}

static void what_is_not_compressed_is_not_unpacked(void **state)
{
    (void)state;
    assert_null(unpack_new(S("Dockerfile"), &unpack_default_limits, &any_room));
    assert_null(unpack_new(S("BZ"), &unpack_default_limits, &any_room));
    assert_null(unpack_new(S(""), &unpack_default_limits, &any_room));
}

/* An engine would unpack it once more, and not know when to stop. */
static void one_in_another_is_refused(void **state)
{
    (void)state;
    for (int how = 0; how < PACKINGS; how++) {
        for (int inner = 0; inner < PACKINGS; inner++) {
            AUTO(strbuf_fini) struct strbuf once = STRBUF(64 * KIB);
            AUTO(strbuf_fini) struct strbuf twice = STRBUF(64 * KIB);

            pack((enum packing)inner, S("etc/hosts"), &once);
            pack((enum packing)how, strbuf_str(&once), &twice);
            assert_non_null(strstr(
                fault_of(strbuf_str(&twice), &unpack_default_limits), "twice"));
        }
    }
}

static void a_bomb_is_refused_and_what_is_below_is_not(void **state)
{
    AUTO(strbuf_fini) struct strbuf nuls = STRBUF(4 * MIB);
    struct unpack_limits limits = unpack_default_limits;

    (void)state;
    memset(strbuf_reserve(&nuls, 2 * MIB), 0, 2 * MIB);
    strbuf_commit(&nuls, 2 * MIB);
    for (int how = 0; how < PACKINGS; how++) {
        AUTO(strbuf_fini) struct strbuf packed = STRBUF(4 * MIB);

        pack((enum packing)how, strbuf_str(&nuls), &packed);
        limits.factor = 2;
        limits.free =
            nuls.len; /* the edge: as much comes out, whatever it is */
        assert_string_equal(fault_of(strbuf_str(&packed), &limits), "");
        limits.free = nuls.len - 1;
        assert_non_null(strstr(fault_of(strbuf_str(&packed), &limits),
                               "out of proportion"));
        limits.free = 0;
        limits.factor =
            nuls.len; /* no more than for one byte: there are more */
        assert_string_equal(fault_of(strbuf_str(&packed), &limits), "");
    }
}

/* "etc/hosts", with a dictionary or window of 64 MiB and of 128 MiB. */
static const char xz_64[] =
    "\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01"
    "\x1c\x00\x00\x00\x10\xcf\x58\xcc\x01\x00\x08\x65\x74\x63\x2f\x68"
    "\x6f\x73\x74\x73\x00\x00\x00\x00\x10\x3f\xac\x8a\x00\x01\x1d\x09"
    "\x93\x61\x36\xa6\x90\x42\x99\x0d\x01\x00\x00\x00\x00\x01\x59\x5a";
static const char xz_128[] =
    "\xfd\x37\x7a\x58\x5a\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01"
    "\x1e\x00\x00\x00\x9b\x07\x51\x66\x01\x00\x08\x65\x74\x63\x2f\x68"
    "\x6f\x73\x74\x73\x00\x00\x00\x00\x10\x3f\xac\x8a\x00\x01\x1d\x09"
    "\x93\x61\x36\xa6\x90\x42\x99\x0d\x01\x00\x00\x00\x00\x01\x59\x5a";
static const char zstd_64[] =
    "\x28\xb5\x2f\xfd\x00\x80\x49\x00\x00\x65\x74\x63\x2f\x68\x6f\x73"
    "\x74\x73";
static const char zstd_128[] =
    "\x28\xb5\x2f\xfd\x00\x88\x49\x00\x00\x65\x74\x63\x2f\x68\x6f\x73"
    "\x74\x73";

static void a_window_that_is_too_wide_is_refused(void **state)
{
    static const struct {
        struct str good, wide;
    } pairs[] = {
        {{xz_64, sizeof(xz_64) - 1},     {xz_128, sizeof(xz_128) - 1}    },
        {{zstd_64, sizeof(zstd_64) - 1}, {zstd_128, sizeof(zstd_128) - 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        check(pairs[i].good, S("etc/hosts"), SIZE_MAX, MIB);
        assert_non_null(strstr(fault_of(pairs[i].wide, &unpack_default_limits),
                               "more memory"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_out_however_it_is_cut),
        cmocka_unit_test(short_ones_and_empty_ones_come_out),
        cmocka_unit_test(members_and_padding_follow_each_other),
        cmocka_unit_test(one_that_is_cut_short_or_damaged_is_a_fault),
        cmocka_unit_test(what_is_not_compressed_is_not_unpacked),
        cmocka_unit_test(one_in_another_is_refused),
        cmocka_unit_test(a_bomb_is_refused_and_what_is_below_is_not),
        cmocka_unit_test(a_window_that_is_too_wide_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
