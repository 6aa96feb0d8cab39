#include "tests/unit/unit.h"

#include "policy/docker/archive_own_tags.h"

#define NAME "io.containerd.image.name"

#define DIGEST                                                                 \
    "sha256:"                                                                  \
    "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"

static struct str ns = STR("r1");

static void check(enum archive_file file, const struct archive_names *names,
                  const char *json, const char *expected)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
    struct verdict why = {0};
    int r = archive_names_rewrite(file, str_from(json), names, &out, &why);

    if (!expected) {
        assert_int_equal(r, ARCHIVE_E_REFUSED);
        assert_int_equal(why.status, 400);
        return;
    }
    if (r)
        fail_msg("%s: %s", json, why.reason);
    assert_string_equal(strbuf_cstr(&out), expected);
}

static void names_become_own_tags_and_names_again(void **state)
{
    static const struct {
        enum archive_file file;
        const char *runners, *engines;
    } pairs[] = {
        {ARCHIVE_MANIFEST,
         "[{\"RepoTags\":[\"app:latest\",\"acme/app:2\",\"ghcr.io/a/b:v1\","
         "\"localhost:5000/app:x\"]}]",                               "[{\"RepoTags\":[\"r1.berth.invalid/app:latest\","
         "\"r1.berth.invalid/docker.io/acme/app:2\","
         "\"r1.berth.invalid/ghcr.io/a/b:v1\","
         "\"r1.berth.invalid/localhost_5000/app:x\"]}]"},
        {ARCHIVE_INDEX,
         "{\"manifests\":[{\"annotations\":{\"" NAME
         "\":\"docker.io/library/app:1\"}}]}",                        "{\"manifests\":[{\"annotations\":{\"" NAME
         "\":\"r1.berth.invalid/app:1\"}}]}"    },
        {ARCHIVE_REPOSITORIES, "{\"app\":{\"1\":\"i\",\"2\":\"j\"}}",
         "{\"r1.berth.invalid/app\":{\"1\":\"i\",\"2\":\"j\"}}"                               },
    };
    struct archive_names in = archive_names_to_engine(&ns);
    struct archive_names out = archive_names_to_runner(&ns);

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        check(pairs[i].file, &in, pairs[i].runners, pairs[i].engines);
        check(pairs[i].file, &out, pairs[i].engines, pairs[i].runners);
    }
}

static void names_that_no_runner_may_write_are_refused(void **state)
{
    static const char *const names[] = {
        "r2.berth.invalid/app:1",     "R2.Berth.Invalid/app:1",
        "r2.berth.invalid:443/app:1", "docker.io/r2.berth.invalid/app:1",
        "push.berth.invalid/app:1",   DIGEST,
    };
    struct archive_names in = archive_names_to_engine(&ns);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        AUTO(strbuf_fini) struct strbuf json = STRBUF(KIB);

        strbuf_addf(&json, "[{\"RepoTags\":[\"%s\"]}]", names[i]);
        check(ARCHIVE_MANIFEST, &in, strbuf_cstr(&json), NULL);
    }
}

static void nobody_elses_names_are_seen(void **state)
{
    struct archive_names out = archive_names_to_runner(&ns);

    (void)state;
    check(ARCHIVE_MANIFEST, &out,
          "[{\"RepoTags\":[\"r2.berth.invalid/app:1\",\"busybox:latest\","
          "\"r1.anchor.berth.invalid/new:7\",\"push.berth.invalid/app:1\"]}]",
          "[{\"RepoTags\":[\"busybox:latest\"]}]");
    check(ARCHIVE_INDEX, &out,
          "{\"manifests\":[{\"annotations\":{\"" NAME
          "\":\"r2.berth.invalid/app:1\","
          "\"org.opencontainers.image.ref.name\":\"1\"}}]}",
          "{\"manifests\":[{\"annotations\":{}}]}");
}

static int load(enum archive_file file, struct archive_budget *budget,
                const char *json, struct verdict *why)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
    struct archive_names in = archive_names_to_engine(&ns);

    in.budget = budget;
    return archive_names_rewrite(file, str_from(json), &in, &out, why);
}

static void an_archive_brings_no_more_images_than_it_may(void **state)
{
    struct archive_budget budget = {.most = 3,
                                    .rule = "namespace.limits.images"};
    struct verdict why = {0};

    (void)state;
    /* the same names in another file are the same images */
    assert_int_equal(load(ARCHIVE_REPOSITORIES, &budget,
                          "{\"app\":{\"1\":\"i\",\"2\":\"j\"}}", &why),
                     0);
    assert_int_equal(
        load(ARCHIVE_MANIFEST, &budget,
             "[{\"RepoTags\":[\"app:1\",\"app:2\"]},{\"RepoTags\":null}]",
             &why),
        0);
    assert_int_equal(load(ARCHIVE_INDEX, &budget,
                          "{\"manifests\":[{\"annotations\":{\"" NAME
                          "\":\"docker.io/library/app:1\"}},{}]}",
                          &why),
                     0);
    archive_budget_fini(&budget);

    /* one more, with a name or without */
    budget = (struct archive_budget){.most = 1, .rule = budget.rule};
    assert_int_equal(load(ARCHIVE_MANIFEST, &budget,
                          "[{\"RepoTags\":[\"app:1\",\"app:2\"]}]", &why),
                     ARCHIVE_E_REFUSED);
    assert_int_equal(why.status, 403);
    assert_string_equal(why.rule, "namespace.limits.images");
    archive_budget_fini(&budget);
    budget = (struct archive_budget){.most = 1, .rule = budget.rule};
    assert_int_equal(load(ARCHIVE_MANIFEST, &budget,
                          "[{\"RepoTags\":[\"app:1\"]},{\"RepoTags\":[]}]",
                          &why),
                     ARCHIVE_E_REFUSED);
    archive_budget_fini(&budget);
    budget = (struct archive_budget){.most = 1, .rule = budget.rule};
    assert_int_equal(load(ARCHIVE_INDEX, &budget,
                          "{\"manifests\":[{},{\"annotations\":{}}]}", &why),
                     ARCHIVE_E_REFUSED);
    archive_budget_fini(&budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_own_tags_and_names_again),
        cmocka_unit_test(names_that_no_runner_may_write_are_refused),
        cmocka_unit_test(nobody_elses_names_are_seen),
        cmocka_unit_test(an_archive_brings_no_more_images_than_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
