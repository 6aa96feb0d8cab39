#include "tests/unit/unit.h"

#include <stdio.h>

#include "proxy/archive/image_archive.h"
#include "proxy/archive/tar_reader.h"
#include "tests/support/tar_bytes.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GNU "ustar  \0"

static enum archive_name_result map(void *arg, struct str name, bool full,
                                    struct strbuf *out, struct verdict *why)
{
    (void)arg;
    (void)full;
    (void)why;
    strbuf_addf(out, "r1/%.*s", STR_FMT(name));
    return ARCHIVE_NAME_OK;
}

static const struct archive_names names = {.map = map};

/* What the archive becomes, fed STEP bytes at a time, as a list; or "refused"
 * and why. */
static void rewrite(struct str archive, size_t step, struct strbuf *list)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(32 * MIB);
    struct body_filter *filter = image_archive_new(&names);
    struct verdict why = {0};
    bool good = true;

    while (good && archive.len) {
        good = filter->kind->feed(filter, str_head(archive, step), &out, &why);
        archive = str_from_index(archive, step);
    }
    good = good && filter->kind->end(filter, &out, &why);
    body_filter_free(filter);
    if (good) {
        tar_list(strbuf_str(&out), SIZE_MAX, list);
    } else {
        assert_int_equal(why.status, 400);
        strbuf_addf(list, "refused: %s", why.reason);
    }
}

static void check(struct str archive, const char *expected)
{
    static const size_t steps[] = {SIZE_MAX, 1, 513};

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        AUTO(strbuf_fini) struct strbuf list = STRBUF(MIB);

        rewrite(archive, steps[i], &list);
        assert_string_equal(strbuf_cstr(&list), expected);
    }
}

static void an_archive_is_written_anew_with_other_names(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);

    (void)state;
    tar_add_raw(&tar, 'x', "ustar\00000", "pax", "", S("11 atime=1\n"));
    tar_add(&tar, TAR_FOLDER, "./", NULL, S(""));
    tar_add(&tar, TAR_FOLDER, "blobs/", NULL, S(""));
    tar_add(&tar, TAR_FOLDER, "./blobs/sha256", NULL, S(""));
    tar_add(&tar, TAR_FILE, "./blobs/sha256/" HEX, NULL, S("a layer"));
    tar_add(&tar, TAR_FILE, HEX "/layer.tar", NULL, S("another"));
    tar_add(&tar, TAR_SYMLINK, HEX "/layer.tar", "../" HEX "/layer.tar", S(""));
    tar_add(&tar, TAR_SYMLINK, HEX "/layer.tar", "../" HEX ".tar", S(""));
    tar_add(&tar, TAR_FILE, "oci-layout", NULL, S("{}"));
    tar_add(&tar, TAR_FILE, "index.json", NULL,
            S("{\"manifests\": [{\"annotations\": "
              "{\"io.containerd.image.name\": \"a:1\"}}]}"));
    tar_add(&tar, TAR_FILE, "./manifest.json", NULL,
            S("[{\"RepoTags\":[\"a:1\"]}]\n"));
    tar_add(&tar, TAR_FILE, "repositories", NULL, S("{\"a\":{\"1\":\"i\"}}\n"));
    tar_add_end(&tar);
    tar_add(&tar, TAR_FILE, "what follows", NULL, S("is dropped"));
    check(strbuf_str(&tar),
          "folder blobs 0 \n"
          "folder blobs/sha256 0 \n"
          "file blobs/sha256/" HEX " 7 a layer\n"
          "file " HEX "/layer.tar 7 another\n"
          "link " HEX "/layer.tar 0 ../" HEX "/layer.tar \n"
          "link " HEX "/layer.tar 0 ../" HEX ".tar \n"
          "file oci-layout 2 {}\n"
          "file index.json 69 {\"manifests\":[{\"annotations\":"
          "{\"io.containerd.image.name\":\"r1/a:1\"}}]}\n"
          "file manifest.json 25 [{\"RepoTags\":[\"r1/a:1\"]}]\n"
          "file repositories 18 {\"r1/a\":{\"1\":\"i\"}}\n"
          "end\n");
}

static void an_archive_without_an_end_gets_one(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);

    (void)state;
    check(S(""), "end\n");
    tar_add(&tar, TAR_FILE, "VERSION", NULL, S("1.0"));
    check(strbuf_str(&tar), "file VERSION 3 1.0\nend\n");
}

/* Each of these is another way to give an engine a name that was not mapped. */
static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    static const struct {
        char type;
        const char *name, *link;
    } cases[] = {
        {'0', "/manifest.json",      ""                    },
        {'0', "a/../manifest.json",  ""                    },
        {'0', ".//manifest.json",    ""                    },
        {'0', "./../x",              ""                    },
        {'0', "a//b",                ""                    },
        {'0', "a/./b",               ""                    },
        {'0', "..",                  ""                    },
        {'0', "manifest.json/",      ""                    },
        {'0', "a\nb",                ""                    },
        {'2', "manifest.json",       "names"               },
        {'2', "index.json",          "../" HEX "/layer.tar"},
        {'2', HEX "/layer.tar",      "../manifest.json"    },
        {'2', HEX "/layer.tar",      "../" HEX "/../names" },
        {'2', HEX "/layer.tar",      "/" HEX "/layer.tar"  },
        {'2', HEX "/other.tar",      "../" HEX "/layer.tar"},
        {'2', "a/" HEX "/layer.tar", "../" HEX "/layer.tar"},
        {'2', "folder",              "."                   },
        {'1', "manifest.json",       "names"               },
        {'1', HEX "/layer.tar",      HEX "/layer.tar"      },
        {'3', "null",                ""                    },
        {'6', "manifest.json",       ""                    },
        {'S', "manifest.json",       ""                    },
        {'V', "volume",              ""                    },
        {'5', "manifest.json",       ""                    },
        {'5', "index.json/",         ""                    },
        {'5', "repositories",        ""                    },
        {'0', "manifest.json/x",     ""                    },
        {'0', "repositories/a/b",    ""                    },
        {'0', HEX "/layer.tar/x",    ""                    },
        {'0', "x/layer.tar/y",       ""                    },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);
        AUTO(strbuf_fini) struct strbuf list = STRBUF(MIB);

        tar_add_raw(&tar, cases[i].type, GNU, cases[i].name, cases[i].link,
                    S(""));
        rewrite(strbuf_str(&tar), SIZE_MAX, &list);
        if (!strstr(strbuf_cstr(&list), "refused: the archive's entry"))
            fail_msg("%c %s %s: %s", cases[i].type, cases[i].name,
                     cases[i].link, strbuf_cstr(&list));
    }
}

static void files_of_names_come_once(void **state)
{
    static const char *const ways[] = {"", "./", "././"};

    (void)state;
    for (size_t f = 0; f < ARCHIVE_FILES; f++) {
        for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
            AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);
            AUTO(strbuf_fini) struct strbuf list = STRBUF(MIB);
            struct str json = f == ARCHIVE_MANIFEST ? S("[]") : S("{}");
            char name[64];

            tar_add(&tar, TAR_FILE, archive_file_names[f].ptr, NULL, json);
            snprintf(name, sizeof(name), "%s%s", ways[w],
                     archive_file_names[f].ptr);
            tar_add(&tar, TAR_FILE, name, NULL, json);
            rewrite(strbuf_str(&tar), SIZE_MAX, &list);
            assert_non_null(strstr(strbuf_cstr(&list), "twice"));
        }
    }
}

static void a_file_of_names_has_a_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(16 * MIB);
    AUTO(strbuf_fini) struct strbuf json = STRBUF(16 * MIB);
    AUTO(strbuf_fini) struct strbuf list = STRBUF(16 * MIB);

    (void)state;
    memset(strbuf_reserve(&json, LIMIT_ARCHIVE_JSON + 1), ' ',
           LIMIT_ARCHIVE_JSON + 1);
    strbuf_commit(&json, LIMIT_ARCHIVE_JSON);
    memcpy(json.ptr, "[]", 2);
    tar_add(&tar, TAR_FILE, "manifest.json", NULL, strbuf_str(&json));
    rewrite(strbuf_str(&tar), SIZE_MAX, &list);
    assert_string_equal(strbuf_cstr(&list), "file manifest.json 2 []\nend\n");
    strbuf_clear(&tar);
    strbuf_clear(&list);
    strbuf_commit(&json, 1);
    tar_add(&tar, TAR_FILE, "manifest.json", NULL, strbuf_str(&json));
    rewrite(strbuf_str(&tar), SIZE_MAX, &list);
    assert_non_null(strstr(strbuf_cstr(&list), "longer than can be judged"));
}

static void what_is_no_archive_is_refused(void **state)
{
    AUTO(strbuf_fini) struct strbuf tar = STRBUF(MIB);

    (void)state;
    check(S("text"), "refused: the archive of images cannot be read: it is cut "
                     "short");
    tar_add(&tar, TAR_FILE, "VERSION", NULL, S("1.0"));
    check(str_head(strbuf_str(&tar), 513),
          "refused: the archive of images cannot be read: it is cut short");
    tar_add(&tar, TAR_FILE, "manifest.json", NULL, S("[{\"RepoTags\":1}]"));
    check(strbuf_str(&tar), "refused: the archive's manifest.json has RepoTags "
                            "that are no list");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_archive_is_written_anew_with_other_names),
        cmocka_unit_test(an_archive_without_an_end_gets_one),
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(files_of_names_come_once),
        cmocka_unit_test(a_file_of_names_has_a_limit),
        cmocka_unit_test(what_is_no_archive_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
