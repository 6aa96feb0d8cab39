#include "tests/unit/unit.h"

#include <stdlib.h>

#include "proxy/archive/build_context.h"
#include "proxy/archive/tar_reader.h"

static void put(struct strbuf *tar, enum tar_kind kind, const char *name,
                const char *content)
{
    static const char zeros[TAR_BLOCK];
    static const char types[] = {'0', '5', '2', '1', '3', '4', '6'};
    struct tar_entry entry = {
        .kind = kind, .type = types[kind], .mode = 0640, .uid = 7, .mtime = 99};

    assert_true(tar_set_name(entry.name, str_from(name)));
    if (kind == TAR_FILE)
        entry.size = strlen(content);
    else if (kind != TAR_FOLDER)
        assert_true(tar_set_name(entry.link, str_from(content)));
    assert_int_equal(tar_entry_put(tar, &entry), 0);
    if (kind != TAR_FILE)
        return;
    strbuf_add(tar, str_from(content));
    strbuf_add(tar, str_of(zeros, tar_padding(entry.size)));
}

/* "name=content;folder/;link>target;", all that TAR has. */
static void show(struct str tar, struct strbuf *out)
{
    struct tar_reader *reader = tar_reader_new();
    const struct tar_entry *entry;
    enum tar_event event;
    struct str data;

    do {
        event = tar_reader_next(reader, &tar, &data);
        entry = event == TAR_ENTRY ? tar_reader_entry(reader) : NULL;
        if (entry) {
            assert_true(entry->kind == TAR_FOLDER || entry->mode == 0640 ||
                        (entry->mode == 0644 && entry->mtime == 0));
            strbuf_addf(out, "%s", entry->name);
            if (entry->kind == TAR_FILE)
                strbuf_add_char(out, '=');
            else if (entry->kind != TAR_FOLDER)
                strbuf_addf(out, ">%s", entry->link);
        } else if (event == TAR_CONTENT) {
            strbuf_add(out, data);
        } else if (event == TAR_DONE) {
            strbuf_add_char(out, ';');
        }
        assert_int_not_equal(event, TAR_ERROR);
    } while (event != TAR_END && event != TAR_MORE);
    assert_true(tar_reader_eof(reader));
    tar_reader_free(reader);
}

/* What becomes of TAR, fed in pieces of STEP bytes; NULL: it is refused. */
static const char *pass(struct str tar, const char *dockerfile, size_t step,
                        struct strbuf *shown, struct verdict *why)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(64 * MIB);
    struct body_filter *filter = build_context_new(str_from(dockerfile), why);
    bool good = filter;

    strbuf_clear(shown);
    for (size_t i = 0; good && i < tar.len; i += step)
        good = filter->kind->feed(
            filter, str_head(str_from_index(tar, i), step), &out, why);
    good = good && filter->kind->end(filter, &out, why);
    if (good) {
        AUTO(strbuf_fini) struct strbuf built = STRBUF(LIMIT_DOCKERFILE + KIB);

        strbuf_addf(&built, "built %.*s",
                    STR_FMT(build_context_dockerfile(filter)));
        assert_int_equal(build_context_finish(filter, strbuf_str(&built), &out),
                         0);
        show(strbuf_str(&out), shown);
    }
    body_filter_free(filter);
    return good ? strbuf_cstr(shown) : NULL;
}

static void expect(struct str tar, const char *dockerfile, const char *is)
{
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(64 * MIB);
    struct verdict why = {0};
    size_t steps[] = {tar.len + 1, 1, 511, 513};

    for (size_t i = 0; i < 4; i++) {
        const char *got = pass(tar, dockerfile, steps[i], &shown, &why);

        if (!got)
            fail_msg("%s: refused: %s", is, why.reason);
        else if (strcmp(got, is))
            fail_msg("%s is %s", is, got);
    }
}

static void expect_refusal(struct str tar, const char *dockerfile,
                           const char *words)
{
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(64 * MIB);
    struct verdict why = {0};

    if (pass(tar, dockerfile, 1000, &shown, &why))
        fail_msg("not refused: %s", words);
    if (why.status != 400 || !strstr(why.reason, words))
        fail_msg("%s: %s", words, why.reason);
}

#define TAR STRBUF(4 * MIB)

static void a_context_passes_and_what_is_built_follows(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = TAR;

    (void)state;
    put(&tar, TAR_FOLDER, "./", "");
    put(&tar, TAR_FILE, "./Dockerfile", "FROM a");
    put(&tar, TAR_FILE, "/x/../b", "content");
    put(&tar, TAR_SYMLINK, "l", "../anywhere");
    put(&tar, TAR_HARD_LINK, "h", "./b");
    put(&tar, TAR_FOLDER, "d//", "");
    expect(strbuf_str(&tar), "",
           "./;b=content;l>../anywhere;h>b;d/;Dockerfile=FROM a;"
           ".dockerignore=.dockerignore\n.berth.dockerfile\n;"
           ".berth.dockerfile=built FROM a;");
}

static void the_ignore_file_decides_what_stays(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = TAR;

    (void)state;
    put(&tar, TAR_FILE, ".dockerignore", "*.md");
    put(&tar, TAR_FILE, "Dockerfile", "FROM a");
    expect(strbuf_str(&tar), "Dockerfile",
           "Dockerfile=FROM a;.dockerignore=*.md\n.berth.dockerfile\n;"
           ".berth.dockerfile=built FROM a;");
    strbuf_clear(&tar);
    put(&tar, TAR_FILE, "Dockerfile", "FROM a");
    put(&tar, TAR_FILE, ".dockerignore", "Docker*\n");
    expect(strbuf_str(&tar), "./Dockerfile",
           ".dockerignore=Docker*\n.berth.dockerfile\n;"
           ".berth.dockerfile=built FROM a;");
}

static void the_dockerfile_lies_where_the_query_says(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = TAR;

    (void)state;
    put(&tar, TAR_FILE, "dockerfile", "FROM b");
    expect(strbuf_str(&tar), "",
           "dockerfile=FROM b;.dockerignore=.dockerignore\n"
           ".berth.dockerfile\n;.berth.dockerfile=built FROM b;");
    put(&tar, TAR_FILE, "a/b.Dockerfile", "FROM c");
    expect(strbuf_str(&tar), "a/./b.Dockerfile",
           "dockerfile=FROM b;a/b.Dockerfile=FROM c;.dockerignore="
           ".dockerignore\n.berth.dockerfile\n;"
           ".berth.dockerfile=built FROM c;");
    put(&tar, TAR_FILE, "Dockerfile", "FROM d");
    expect(strbuf_str(&tar), "",
           "a/b.Dockerfile=FROM c;Dockerfile=FROM d;dockerfile=FROM b;"
           ".dockerignore=.dockerignore\n.berth.dockerfile\n;"
           ".berth.dockerfile=built FROM d;");
    expect_refusal(strbuf_str(&tar), "c", "Cannot locate specified");
    expect_refusal(strbuf_str(&tar), "../c", "outside the build context");
    expect_refusal(strbuf_str(&tar), "a/..", "outside the build context");
}

static void refuse_one(enum tar_kind kind, const char *name,
                       const char *content, const char *dockerfile,
                       const char *words)
{
    AUTO(strbuf_fini) struct strbuf tar = TAR;

    put(&tar, TAR_FILE, "Dockerfile", "FROM a");
    put(&tar, TAR_FILE, "x/Dockerfile", "FROM a");
    put(&tar, kind, name, content);
    expect_refusal(strbuf_str(&tar), dockerfile, words);
}

static void what_leaves_doubt_is_refused(void **state)
{
    (void)state;
    refuse_one(TAR_FILE, "Dockerfile", "FROM b", "", "is there twice");
    refuse_one(TAR_FILE, "./a/../Dockerfile", "FROM b", "", "is there twice");
    refuse_one(TAR_SYMLINK, "y", "Dockerfile", "y", "is a link");
    refuse_one(TAR_HARD_LINK, "y", "Dockerfile", "y", "is a link");
    refuse_one(TAR_HARD_LINK, "y", "/x/../Dockerfile", "", "is a hard link to");
    refuse_one(TAR_HARD_LINK, "y", "../z", "", "link to outside");
    refuse_one(TAR_FOLDER, "Dockerfile", "", "", "is there twice");
    refuse_one(TAR_FOLDER, "y/Dockerfile/", "", "y/Dockerfile", "is no file");
    refuse_one(TAR_SYMLINK, "x", ".", "x/Dockerfile", "is no folder");
    refuse_one(TAR_FILE, "x", "", "x/Dockerfile", "is no folder");
    refuse_one(TAR_FILE, "../Dockerfile", "", "", "lies outside");
    refuse_one(TAR_FILE, "a/../../b", "", "", "lies outside");
    refuse_one(TAR_SYMLINK, ".dockerignore", "x", "", "is a link");
    refuse_one(TAR_FILE, ".berth.dockerfile", "FROM b", "", "berth's own");
    refuse_one(TAR_FILE, ".berth.dockerfile/a", "FROM b", "", "berth's own");
    refuse_one(TAR_FILE, "empty", "", "empty", "cannot be empty");
    refuse_one(TAR_FILE, "./", "", "", "is no folder");
    expect_refusal(S("no archive"), "", "cannot be read");
    expect_refusal(S(""), "", "Cannot locate specified Dockerfile: Dockerfile");
}

static void what_is_held_is_bounded(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = TAR;
    char *text = xcalloc(1, LIMIT_DOCKERFILE + 2);
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(64 * MIB);
    struct verdict why;

    (void)state;
    memset(text, 'x', LIMIT_DOCKERFILE);
    put(&tar, TAR_FILE, "Dockerfile", text);
    put(&tar, TAR_FILE, ".dockerignore", text);
    assert_non_null(pass(strbuf_str(&tar), "", 65536, &shown, &why));
    strbuf_clear(&tar);
    text[LIMIT_DOCKERFILE] = 'x';
    put(&tar, TAR_FILE, "Dockerfile", text);
    expect_refusal(strbuf_str(&tar), "", "is longer than");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_passes_and_what_is_built_follows),
        cmocka_unit_test(the_ignore_file_decides_what_stays),
        cmocka_unit_test(the_dockerfile_lies_where_the_query_says),
        cmocka_unit_test(what_leaves_doubt_is_refused),
        cmocka_unit_test(what_is_held_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
