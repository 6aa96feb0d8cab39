#include "tests/unit/unit.h"

#include "policy/config/policy.h"
#include "tests/unit/policy_environment.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/limits.h"

/* The policies that are files: good ones, bad ones, those in documents. */

static void read_whole(const char *path, struct strbuf *out)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    if (file == NULL)
        fail_msg("%s cannot be opened", path);
    do {
        char *room = strbuf_reserve(out, 4096);

        assert_non_null(room);
        got = fread(room, 1, 4096, file);
        strbuf_commit(out, got);
    } while (got > 0);
    fclose(file);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Call EACH with every file of that pattern and its content. */
static void for_each_file(const char *files,
                          void (*each)(const char *path, struct str text))
{
    AUTO(strbuf_fini) struct strbuf pattern = STRBUF(4096);
    const char *top = getenv("BERTH_SOURCE_ROOT");
    glob_t found;

    strbuf_addf(&pattern, "%s/%s", top != NULL ? top : ".", files);
    assert_int_equal(glob(strbuf_cstr(&pattern), 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * LIMIT_POLICY);

        read_whole(found.gl_pathv[i], &text);
        each(found.gl_pathv[i],
             str_of(text.ptr != NULL ? text.ptr : "", text.len));
    }
    globfree(&found);
}

static int load_file(const char *path, struct str text, struct policy **policy,
                     struct strbuf *why)
{
    struct policy_source source = {
        .name = base_name(path), .text = text, .environment = &environment};

    return policy_load(&source, policy, why);
}

static void is_good(const char *path, struct str text)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);
    AUTO(strbuf_fini) struct strbuf first = STRBUF(LIMIT_POLICY);
    AUTO(strbuf_fini) struct strbuf second = STRBUF(LIMIT_POLICY);
    struct policy *policy = NULL, *again = NULL;

    if (load_file(path, text, &policy, &why) != 0)
        fail_msg("%s", strbuf_cstr(&why));
    assert_int_equal(policy_put_effective(policy, &first), 0);
    if (load_file("effective", strbuf_str(&first), &again, &why) != 0)
        fail_msg("%s\n%s", strbuf_cstr(&why), strbuf_cstr(&first));
    assert_int_equal(policy_put_effective(again, &second), 0);
    assert_string_equal(strbuf_cstr(&first), strbuf_cstr(&second));
    policy_unref(policy);
    policy_unref(again);
}

static void good_files_load_and_print_what_loads_the_same(void **state)
{
    (void)state;
    for_each_file("tests/policy/good/*.json", is_good);
}

static void the_example_at_the_top_loads(void **state)
{
    (void)state;
    for_each_file("*.example.json", is_good);
}

/* Every block of JSON in a document. */
static void has_good_blocks(const char *path, struct str text)
{
    static const char opening[] = "```json\n";
    char *document = xstr_dup(text);
    const char *block = document;

    assert_non_null(strstr(block, opening));
    while ((block = strstr(block, opening)) != NULL) {
        block += sizeof(opening) - 1;
        const char *end = strstr(block, "```\n");

        assert_non_null(end);
        is_good(path, str_of(block, (size_t)(end - block)));
        block = end;
    }
    free(document);
}

static void the_examples_in_the_documents_load(void **state)
{
    (void)state;
    for_each_file("docs/policy.md", has_good_blocks);
}

/* NAME.expect beside NAME.json: "#" lines are notes, the rest is the message.
 * With BERTH_WRITE_EXPECTED set, what is missing is written. */
static void is_bad(const char *path, struct str text)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);
    AUTO(strbuf_fini) struct strbuf beside = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf expected = STRBUF(LIMIT_POLICY);
    struct policy *policy = NULL;
    struct str rest, line;

    if (load_file(path, text, &policy, &why) != POLICY_E_INVALID)
        fail_msg("%s was loaded", path);
    assert_null(policy);
    strbuf_addf(&beside, "%.*sexpect", (int)strlen(path) - 4, path);
    if (getenv("BERTH_WRITE_EXPECTED") != NULL) {
        FILE *file = fopen(strbuf_cstr(&beside), "wx");

        if (file != NULL) {
            fputs(strbuf_cstr(&why), file);
            fclose(file);
        }
    }
    read_whole(strbuf_cstr(&beside), &expected);
    rest = strbuf_str(&expected);
    while (str_has_prefix(rest, S("#")))
        str_cut(rest, '\n', &line, &rest);
    if (!str_eq(rest, strbuf_str(&why)))
        fail_msg("%s:\nexpected\n%.*sgot\n%s", path, STR_FMT(rest),
                 strbuf_cstr(&why));
}

static void bad_files_say_where_and_what_to_write(void **state)
{
    (void)state;
    for_each_file("tests/policy/bad/*.json", is_bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_load_and_print_what_loads_the_same),
        cmocka_unit_test(the_example_at_the_top_loads),
        cmocka_unit_test(the_examples_in_the_documents_load),
        cmocka_unit_test(bad_files_say_where_and_what_to_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
