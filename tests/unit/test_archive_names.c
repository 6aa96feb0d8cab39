#include "tests/unit/unit.h"

#include "policy/docker/archive_names.h"

/* Of "gone" nothing stays, "evil" is refused, and all else is of r1. */
static enum archive_name_result map(void *arg, struct str name, bool full,
                                    struct strbuf *out, struct verdict *why)
{
    (void)arg;
    if (str_has_prefix(name, S("gone")))
        return ARCHIVE_NAME_DROP;
    if (str_has_prefix(name, S("evil"))) {
        verdict_deny(why, 403, "images.tags", "", "evil");
        return ARCHIVE_NAME_REFUSED;
    }
    strbuf_addf(out, "%s/%.*s", full ? "full" : "r1", STR_FMT(name));
    return ARCHIVE_NAME_OK;
}

static const struct archive_names names = {.map = map};
static const struct archive_names with_digests = {.map = map, .digests = true};

struct names_case {
    enum archive_file file;
    const char *json, *expected; /* NULL: refused */
};

static void check_cases(const struct names_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
        struct verdict why = {0};
        int r = archive_names_rewrite(cases[i].file, str_from(cases[i].json),
                                      &names, &out, &why);

        if (!cases[i].expected) {
            if (r == 0)
                fail_msg("%s: became %s", cases[i].json, strbuf_cstr(&out));
            assert_true(why.reason[0] && why.status >= 400);
            continue;
        }
        if (r)
            fail_msg("%s: %s", cases[i].json, why.reason);
        assert_string_equal(strbuf_cstr(&out), cases[i].expected);
    }
}
#define CHECK(cases) check_cases(cases, sizeof(cases) / sizeof(*(cases)))

static void tags_in_the_manifest_are_mapped(void **state)
{
    // clang-format off
    static const struct names_case cases[] = {
        {ARCHIVE_MANIFEST,
         "[ {\"Config\":\"a.json\",\"RepoTags\":[\"app:1\",\"x/app\"],"
         "\"Layers\":[\"l\"]} ]",
         "[{\"Config\":\"a.json\",\"RepoTags\":[\"r1/app:1\",\"r1/x/app\"],"
         "\"Layers\":[\"l\"]}]"},
        {ARCHIVE_MANIFEST, "null", "null"},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":null},{}]",
         "[{\"RepoTags\":null},{}]"},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[\"gone:1\",\"a:1\",\"gone\"]}]",
         "[{\"RepoTags\":[\"r1/a:1\"]}]"},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[\"a\",\"evil\"]}]", NULL},
    };
    // clang-format on

    (void)state;
    CHECK(cases);
}

static void a_manifest_that_can_be_read_in_two_ways_is_refused(void **state)
{
    // clang-format off
    static const struct names_case cases[] = {
        {ARCHIVE_MANIFEST, "[{\"repotags\":[\"a:1\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[],\"REPOTAGS\":[\"a:1\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[],\"RepoTags\":[\"a:1\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTag\\u017f\":[\"a:1\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTag\xc5\xbf\":[\"a:1\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":\"a:1\"}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[1]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[\"a@sha256:"
                           "000102030405060708090a0b0c0d0e0f"
                           "000102030405060708090a0b0c0d0e0f\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[\"a:1@sha256:"
                           "000102030405060708090a0b0c0d0e0f"
                           "000102030405060708090a0b0c0d0e0f\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[\"UPPER:1\"]}]", NULL},
        {ARCHIVE_MANIFEST, "[{\"RepoTags\":[\"\"]}]", NULL},
        {ARCHIVE_MANIFEST, "{\"RepoTags\":[]}", NULL},
        {ARCHIVE_MANIFEST, "[\"a:1\"]", NULL},
        {ARCHIVE_MANIFEST, "[] []", NULL},
        {ARCHIVE_MANIFEST, "", NULL},
    };
    // clang-format on

    (void)state;
    CHECK(cases);
}

static void repositories_are_mapped(void **state)
{
    // clang-format off
    static const struct names_case cases[] = {
        {ARCHIVE_REPOSITORIES,
         "{\"app\":{\"1\":\"i\",\"2\":\"j\"},\"h:5000/b\":{\"l\":\"k\"}}",
         "{\"r1/app\":{\"1\":\"i\",\"2\":\"j\"},\"r1/h:5000/b\":{\"l\":\"k\"}}"},
        {ARCHIVE_REPOSITORIES, "{\"gone\":{\"1\":\"i\"}}", "{}"},
        {ARCHIVE_REPOSITORIES, "{\"evil\":{\"1\":\"i\"}}", NULL},
        {ARCHIVE_REPOSITORIES, "{\"a\":{\"1@sha256:0\":\"i\"}}", NULL},
        {ARCHIVE_REPOSITORIES, "{\"a\":\"1\"}", NULL},
        {ARCHIVE_REPOSITORIES, "[]", NULL},
    };
    // clang-format on

    (void)state;
    CHECK(cases);
}

#define NAME "io.containerd.image.name"
#define REF  "org.opencontainers.image.ref.name"
#define INDEX(annotations)                                                     \
    "{\"manifests\":[{\"digest\":\"d\",\"annotations\":{" annotations "}}]}"

static void names_in_the_index_are_mapped(void **state)
{
    // clang-format off
    static const struct names_case cases[] = {
        {ARCHIVE_INDEX,
         INDEX("\"" NAME "\":\"docker.io/library/app:1\",\"" REF "\":\"1\""),
         INDEX("\"" NAME
               "\":\"full/docker.io/library/app:1\",\"" REF "\":\"1\"")},
        {ARCHIVE_INDEX, INDEX("\"" REF "\":\"app:1\",\"x\":\"y\""),
         INDEX("\"" REF "\":\"full/app:1\",\"x\":\"y\"")},
        {ARCHIVE_INDEX, INDEX("\"" REF "\":\"latest\""),
         INDEX("\"" REF "\":\"full/latest\"")},
        {ARCHIVE_INDEX, INDEX("\"" NAME "\":\"\",\"" REF "\":\"a:1\""),
         INDEX("\"" NAME "\":\"\",\"" REF "\":\"full/a:1\"")},
        {ARCHIVE_INDEX, INDEX("\"" NAME "\":\"gone:1\",\"" REF "\":\"1\""),
         INDEX("")},
        {ARCHIVE_INDEX, INDEX("\"" REF "\":\"\""), INDEX("\"" REF "\":\"\"")},
        {ARCHIVE_INDEX, "{\"manifests\":[{\"annotations\":null},{}]}",
         "{\"manifests\":[{\"annotations\":null},{}]}"},
        {ARCHIVE_INDEX, "{\"schemaVersion\":2,\"manifests\":null}",
         "{\"schemaVersion\":2,\"manifests\":null}"},
    };
    // clang-format on

    (void)state;
    CHECK(cases);
}

static void an_index_that_can_be_read_in_two_ways_is_refused(void **state)
{
    // clang-format off
    static const struct names_case cases[] = {
        {ARCHIVE_INDEX, "{\"Manifests\":[]}", NULL},
        {ARCHIVE_INDEX, "{\"manife\\u017ft\\u017f\":[]}", NULL},
        {ARCHIVE_INDEX, "{\"manifests\":[{\"Annotations\":{}}]}", NULL},
        {ARCHIVE_INDEX, "{\"manifests\":{}}", NULL},
        {ARCHIVE_INDEX, "{\"manifests\":[1]}", NULL},
        {ARCHIVE_INDEX, "{\"manifests\":[{\"annotations\":[]}]}", NULL},
        {ARCHIVE_INDEX, INDEX("\"" NAME "\":1"), NULL},
        {ARCHIVE_INDEX, INDEX("\"" NAME "\":\"evil\""), NULL},
        /* a second name beside the first */
        {ARCHIVE_INDEX, INDEX("\"" NAME "\":\"a:1\",\"" REF "\":\"b:1\""),
         NULL},
        {ARCHIVE_INDEX, INDEX("\"" NAME "\":\"a:1\",\"" REF "\":\"x/b\""),
         NULL},
        {ARCHIVE_INDEX,
         INDEX("\"" NAME "\":\"moby-dangling@sha256:"
               "000102030405060708090a0b0c0d0e0f"
               "000102030405060708090a0b0c0d0e0f\""),
         NULL},
        {ARCHIVE_INDEX, "[]", NULL},
    };
    // clang-format on

    (void)state;
    CHECK(cases);
}

static void a_digest_passes_where_an_engine_wrote_it(void **state)
{
    static const char json[] = INDEX("\"" NAME "\":\"a@sha256:"
                                     "000102030405060708090a0b0c0d0e0f"
                                     "000102030405060708090a0b0c0d0e0f\"");
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
    struct verdict why;

    (void)state;
    assert_int_equal(archive_names_rewrite(ARCHIVE_INDEX, str_from(json),
                                           &with_digests, &out, &why),
                     0);
}

static void there_are_no_names_in_the_layout_file(void **state)
{
    // clang-format off
    static const struct names_case cases[] = {
        {ARCHIVE_LAYOUT, "{\"imageLayoutVersion\":\"1.0.0\"}",
         "{\"imageLayoutVersion\":\"1.0.0\"}"},
        {ARCHIVE_LAYOUT, "{", NULL},
    };
    // clang-format on

    (void)state;
    CHECK(cases);
}

static void what_is_in_a_file_of_names_has_a_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf json = STRBUF(4 * MIB);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(8 * MIB);
    struct verdict why;

    (void)state;
    strbuf_addf(&json, "[{\"Layers\":[1");
    /* the list, the image, its layers and the first are four */
    for (size_t i = 4; i < LIMIT_ARCHIVE_VALUES; i++)
        strbuf_addf(&json, ",1");
    strbuf_addf(&json, "]}]");
    assert_int_equal(archive_names_rewrite(ARCHIVE_MANIFEST, strbuf_str(&json),
                                           &names, &out, &why),
                     0);
    json.len -= 3;
    strbuf_addf(&json, ",1]}]");
    assert_int_equal(archive_names_rewrite(ARCHIVE_MANIFEST, strbuf_str(&json),
                                           &names, &out, &why),
                     ARCHIVE_E_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_in_the_manifest_are_mapped),
        cmocka_unit_test(a_manifest_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(repositories_are_mapped),
        cmocka_unit_test(names_in_the_index_are_mapped),
        cmocka_unit_test(an_index_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(a_digest_passes_where_an_engine_wrote_it),
        cmocka_unit_test(there_are_no_names_in_the_layout_file),
        cmocka_unit_test(what_is_in_a_file_of_names_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
