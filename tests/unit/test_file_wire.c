#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>

#include "proxy/files/blake2b.h"
#include "proxy/files/file_merge.h"
#include "proxy/files/file_stream.h"
#include "proxy/files/file_table.h"
#include "proxy/files/file_wire.h"

static struct file_entry entry(enum file_kind kind, const char *path)
{
    struct file_entry entry = {
        .kind = kind,
        .mode = 0644,
        .uid = 1000,
        .gid = 123,
        .stamp = {1, 2, -3, 4},
        .path = str_from(path),
    };

    if (kind == FILE_HARD_LINK || kind == FILE_SYMLINK)
        entry.target = S("a");
    return entry;
}

/* What file_wire_next() makes of MESSAGE once it is written. */
static int through(const struct file_message *message,
                   struct file_message *read)
{
    static struct strbuf bytes = STRBUF(MIB);
    struct str rest;
    int r;

    strbuf_clear(&bytes);
    assert_int_equal(file_wire_add(&bytes, message), 0);
    rest = strbuf_str(&bytes);
    for (size_t len = 0; len < rest.len; len++) {
        struct str part = str_head(rest, len);

        r = file_wire_next(&part, read);
        assert_true(r <= 0);
        assert_int_equal(part.len, len);
        if (r < 0)
            return r;
    }
    r = file_wire_next(&rest, read);
    assert_int_equal(rest.len, r == 1 ? 0 : bytes.len);
    return r;
}

static void messages_come_through(void **state)
{
    struct file_message out = {
        .type = FILE_MSG_PUT,
        .flags = FILE_BEFORE | FILE_IN_PLACE,
        .entry = entry(FILE_SYMLINK, "d/l"),
        .before = entry(FILE_REGULAR, ""),
    };
    struct file_message in;

    (void)state;
    out.entry.has_hash = true;
    out.entry.hash[31] = 7;
    out.entry.unsure = true;
    assert_int_equal(through(&out, &in), 1);
    assert_true(file_entry_eq(&out.entry, &in.entry));
    assert_true(in.entry.unsure && in.entry.has_hash && in.entry.hash[31] == 7);
    assert_int_equal(in.flags, FILE_BEFORE | FILE_IN_PLACE);
    assert_true(file_stamp_eq(&in.before.stamp, &out.before.stamp));
    assert_int_equal(in.before.kind, FILE_REGULAR);
}

static ssize_t take(void *arg, char *bytes, size_t len)
{
    struct str *in = arg;
    struct str part = str_head(*in, len);

    assert_true(len > 0);
    memcpy(bytes, part.ptr, part.len);
    *in = str_from_index(*in, part.len);
    return (ssize_t)part.len;
}

/* Of all sizes, so that messages are cut everywhere by a full buffer. */
static void a_stream_gives_what_was_sent(void **state)
{
    AUTO(strbuf_fini) struct strbuf all = STRBUF(64 * MIB);
    static const char zeros[LIMIT_FILES_PIECE];
    struct file_message message;
    struct file_stream stream;
    struct str in;

    (void)state;
    for (size_t len = 1; len <= LIMIT_FILES_PIECE; len += 101)
        file_wire_add(&all, &(struct file_message){
                                .type = FILE_MSG_DATA,
                                .data = {zeros, len},
        });
    in = strbuf_str(&all);
    file_stream_init(&stream, take, NULL, &in);
    for (size_t len = 1; len <= LIMIT_FILES_PIECE; len += 101) {
        assert_int_equal(file_stream_next(&stream, &message), 0);
        assert_int_equal(message.data.len, len);
    }
    file_stream_fini(&stream);
}

static void no_path_leads_out(void **state)
{
    static const char *const bad[] = {"/",    "/a",  "a/",    "a//b", ".",
                                      "..",   "../", "a/..",  "./a",  "a/./b",
                                      "../a", "",    "a/../b"};
    struct file_message in;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct file_message out = {
            .type = FILE_MSG_WANT,
            .entry = entry(FILE_REGULAR, bad[i]),
        };

        assert_int_equal(through(&out, &in), -EBADMSG);
        out.type = FILE_MSG_PUT;
        assert_int_equal(through(&out, &in), -EBADMSG);
        out.entry = entry(FILE_HARD_LINK, "a");
        out.entry.target = str_from(bad[i]);
        assert_int_equal(through(&out, &in), -EBADMSG);
    }
    assert_false(file_path_is_good(str_of("a\0b", 3)));
    assert_true(file_path_is_good(S("..a/...")));
}

static void paths_end_at_their_limits(void **state)
{
    char text[LIMIT_FILES_PATH + 2];
    char deep[2 * LIMIT_FILES_DEPTH + 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_true(file_path_is_good(str_of(text, LIMIT_FILES_NAME)));
    assert_false(file_path_is_good(str_of(text, LIMIT_FILES_NAME + 1)));
    for (size_t i = LIMIT_FILES_NAME; i < sizeof(text); i += 256)
        text[i] = '/';
    text[LIMIT_FILES_PATH] = 'x';
    assert_true(file_path_is_good(str_of(text, LIMIT_FILES_PATH)));
    assert_false(file_path_is_good(str_of(text, LIMIT_FILES_PATH + 1)));
    for (size_t i = 0; i < sizeof(deep); i += 2) {
        deep[i] = 'd';
        deep[i + 1] = '/';
    }
    assert_true(
        file_path_is_good(str_of(deep, 2 * (size_t)LIMIT_FILES_DEPTH - 1)));
    assert_false(
        file_path_is_good(str_of(deep, 2 * (size_t)LIMIT_FILES_DEPTH + 1)));
}

static void what_is_no_message_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
#define B(text) {text, sizeof(text) - 1}
        B("\0\0\0\0"),            /* no type */
        B("\xff\0\0\0\1"),        /* too long */
        B("\0\0\0\1\0"),          /* no such type */
        B("\0\0\0\1\x7f"),        /* nor this one */
        B("\0\0\0\2\x9z"),        /* something behind the fields */
        B("\0\0\0\5\1\0\0\0\0"),  /* a number cut off */
        B("\0\0\0\1\x0e"),        /* data without a byte */
        B("\0\0\0\4\x8\0\2a"),    /* a text cut off */
        B("\0\0\0\x5\x8\0\2a\0"), /* a NUL in a path */
    };
    struct file_message message;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct str bytes = str_of(bad[i].bytes, bad[i].len);

        if (file_wire_next(&bytes, &message) != -EBADMSG)
            fail_msg("%zu", i);
    }
}

static void kinds_have_what_they_need_and_no_more(void **state)
{
    struct file_message out = {.type = FILE_MSG_ENTRY};
    struct file_message in;

    (void)state;
    out.entry = entry(FILE_SYMLINK, "l");
    out.entry.target = S("");
    assert_int_equal(through(&out, &in), -EBADMSG);
    out.entry = entry(FILE_REGULAR, "f");
    out.entry.target = S("a");
    assert_int_equal(through(&out, &in), -EBADMSG);
    out.entry = entry(FILE_REGULAR, "f");
    out.entry.opaque = true;
    assert_int_equal(through(&out, &in), -EBADMSG);
    out.entry = entry(FILE_REGULAR, "f");
    out.entry.uid = UINT32_MAX; /* chown() would take it for "leave it" */
    assert_int_equal(through(&out, &in), -EBADMSG);
    out.entry = entry(FILE_REGULAR, "f");
    out.entry.stamp.size = (uint64_t)INT64_MAX + 1;
    assert_int_equal(through(&out, &in), -EBADMSG);
    out.entry = entry((enum file_kind)0, "f");
    assert_int_equal(through(&out, &in), -EBADMSG);
    out.entry = entry(FILE_OTHER, "f");
    assert_int_equal(through(&out, &in), 1);
}

static void trees_have_an_order(void **state)
{
    static const char *const ordered[] = {"a",   "a/b", "a/b/c", "a/c",
                                          "a!b", "a.b", "ab",    "b"};

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = 0; j < 8; j++) {
            int order =
                file_path_order(str_from(ordered[i]), str_from(ordered[j]));

            assert_true(i < j ? order < 0 : i > j ? order > 0 : order == 0);
        }
    }
}

static int add(struct file_table *table, struct file_entry model,
               size_t entries)
{
    struct file_entry *made = file_entry_new(&model);
    int r =
        file_table_add(table, made, &(struct file_limits){.entries = entries});

    file_entry_unref(made);
    return r;
}

static void a_table_is_a_whole_tree(void **state)
{
    struct file_table table = {0};

    (void)state;
    assert_int_equal(add(&table, entry(FILE_REGULAR, "d/a"), 0), -EBADMSG);
    assert_int_equal(add(&table, entry(FILE_HARD_LINK, "b"), 0), -EBADMSG);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "a"), 0), 0);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "a"), 0), -EBADMSG);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "a/b"), 0), -EBADMSG);
    assert_int_equal(add(&table, entry(FILE_HARD_LINK, "b"), 0), 0);
    assert_int_equal(add(&table, entry(FILE_DIRECTORY, "d"), 0), 0);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "c"), 0), -EBADMSG);
    assert_int_equal(add(&table, entry(FILE_DIRECTORY, "d/d"), 0), 0);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "d/d/a"), 0), 0);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "d/e"), 0), 0);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "e/a"), 0), -EBADMSG);
    assert_int_equal(add(&table, entry(FILE_REGULAR, "z"), 6), -EFBIG);
    assert_int_equal(table.count, 6);
    assert_int_equal(table.bytes, 6); /* a link has none of its own */
    file_table_fini(&table);
}

static void bytes_of_a_tree_end_at_their_limit(void **state)
{
    struct file_table table = {0};
    struct file_entry *made;
    struct file_entry model = entry(FILE_REGULAR, "a");

    (void)state;
    model.stamp.size = LIMIT_FILES_BYTES;
    assert_int_equal(add(&table, model, 0), 0);
    model.path = S("b");
    model.stamp.size = 1;
    made = file_entry_new(&model);
    assert_int_equal(file_table_add(&table, made, &(struct file_limits){0}),
                     -EFBIG);
    file_entry_unref(made);
    file_table_fini(&table);
}

static void mounts_end_at_their_limit(void **state)
{
    struct file_mounts mounts = {.count = 0};
    char path[16];

    (void)state;
    for (int i = 0; i < LIMIT_FILES_MOUNTS; i++) {
        snprintf(path, sizeof(path), "m%d", i);
        assert_int_equal(file_mounts_add(&mounts, str_from(path)), 0);
    }
    assert_int_equal(file_mounts_add(&mounts, S("m1")), 0);
    assert_int_equal(file_mounts_add(&mounts, S("one/more")), -ENOBUFS);
    assert_int_equal(file_mounts_add(&mounts, S("../m1")), -EINVAL);
    assert_int_equal(file_mounts_scope(&mounts, S("m7/x")), FILE_INSIDE);
    assert_int_equal(file_mounts_scope(&mounts, S("m")), FILE_OUTSIDE);
    file_mounts_fini(&mounts);
    assert_int_equal(file_mounts_add(&mounts, S("a/b")), 0);
    assert_int_equal(file_mounts_scope(&mounts, S("a")), FILE_ABOVE);
    assert_true(file_mounts_pin(&mounts, S("a")));
    assert_false(file_mounts_pin(&mounts, S("a/b/c")));
    file_mounts_fini(&mounts);
}

/* The action for the last of two trees' names, which once were like BASE. */
static enum file_action last_action(const struct file_table *near,
                                    const struct file_table *far,
                                    const struct file_table *base,
                                    const struct file_mounts *interrupted)
{
    static const struct file_mounts none;
    struct file_base pairs = {0};
    struct file_merge merge;
    enum file_action action;

    for (size_t i = 0; i < base->count; i++)
        file_base_add(&pairs, (struct file_pair){
                                  file_entry_ref(base->rows[i]),
                                  file_entry_ref(base->rows[i]),
                              });
    file_merge_init(&merge, near, far, &pairs, &none, interrupted,
                    FILE_TURN_FAR);
    file_merge_decide(&merge);
    action = merge.items[merge.count - 1].action;
    file_merge_fini(&merge);
    file_base_fini(&pairs);
    return action;
}

static void half_of_what_we_sent_is_no_change(void **state)
{
    struct file_mounts interrupted = {.count = 0};
    struct file_table before = {0}, broken = {0};
    struct file_entry half = entry(FILE_REGULAR, "a");

    (void)state;
    half.stamp.mtime++;
    assert_int_equal(add(&before, entry(FILE_REGULAR, "a"), 0), 0);
    assert_int_equal(add(&broken, half, 0), 0);
    file_mounts_add(&interrupted, S("a"));
    assert_int_equal(last_action(&before, &broken, &before, NULL),
                     FILE_TO_NEAR);
    assert_int_equal(last_action(&before, &broken, &before, &interrupted),
                     FILE_TO_FAR);
    file_mounts_fini(&interrupted);
    file_table_fini(&before);
    file_table_fini(&broken);
}

static void below_what_cannot_be_seen_nothing_happens(void **state)
{
    struct file_table before = {0}, hidden = {0}, gone = {0};
    struct file_entry opaque = entry(FILE_DIRECTORY, "d");

    (void)state;
    assert_int_equal(add(&before, opaque, 0), 0);
    assert_int_equal(add(&gone, opaque, 0), 0);
    assert_int_equal(add(&before, entry(FILE_REGULAR, "d/a"), 0), 0);
    opaque.opaque = true;
    assert_int_equal(add(&hidden, opaque, 0), 0);
    assert_int_equal(last_action(&hidden, &before, &before, NULL), FILE_LEAVE);
    assert_int_equal(last_action(&before, &hidden, &before, NULL), FILE_LEAVE);
    assert_int_equal(last_action(&gone, &before, &before, NULL),
                     FILE_DELETE_FAR);
    file_table_fini(&before);
    file_table_fini(&hidden);
    file_table_fini(&gone);
}

/* As Python's hashlib.blake2b(..., digest_size=32) has them. */
static void hashes_are_those_of_others(void **state)
{
    static const struct {
        size_t len;
        const char *hex;
    } known[] = {
        {0,      "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
        {1,      "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"},
        {127,
         "4ff62e7c4c43fe101a078479c48836be4907d9d498dcc577ca89d694b2c11f9b"        },
        {128,
         "14696d2a98d9f8a280da8b132b1045b345e1033759c6b02fcc4ee885c8ae7c37"        },
        {129,
         "3934215260b1039be9d9d2b073b059bcd50120c327a22af93eb4d98cf821c14c"        },
        {256,
         "3d0cb2693dfbac42af5a6cc960953fea8714aa39c4bcd054ef61d6b5e98ade4a"        },
        {1000,
         "6ac4bea923678eb024090384d6e767b5870f849057dc19b172d8d9f2df30bf8e"        },
        {100000,
         "29cdf18d610753cd9a798386cf5e40c239d40bdc940b669d93ad6a0d6ac30a85"        },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        unsigned char digest[BLAKE2B_BYTES];
        char hex[2 * BLAKE2B_BYTES + 1];
        struct blake2b hash;

        blake2b_init(&hash);
        for (size_t j = 0; j < known[i].len; j++) {
            unsigned char byte = (unsigned char)(j * 7);

            blake2b_add(&hash, &byte, 1);
        }
        blake2b_end(&hash, digest);
        for (size_t j = 0; j < BLAKE2B_BYTES; j++)
            snprintf(hex + 2 * j, 3, "%02x", digest[j]);
        assert_string_equal(hex, known[i].hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_through),
        cmocka_unit_test(a_stream_gives_what_was_sent),
        cmocka_unit_test(no_path_leads_out),
        cmocka_unit_test(paths_end_at_their_limits),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(kinds_have_what_they_need_and_no_more),
        cmocka_unit_test(trees_have_an_order),
        cmocka_unit_test(a_table_is_a_whole_tree),
        cmocka_unit_test(bytes_of_a_tree_end_at_their_limit),
        cmocka_unit_test(mounts_end_at_their_limit),
        cmocka_unit_test(half_of_what_we_sent_is_no_change),
        cmocka_unit_test(below_what_cannot_be_seen_nothing_happens),
        cmocka_unit_test(hashes_are_those_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
