#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/metrics/refusals.h"

static struct refusals all;

static int setup(void **state)
{
    (void)state;
    all = (struct refusals){0};
    return 0;
}

static void refuse(uint64_t time_ns, const char *rule, const char *reason,
                   const char *lacks, const char *path)
{
    json_auto_t *json = lacks ? json_loads(lacks, 0, NULL) : NULL;
    struct verdict verdict;
    struct audit_facts end = {
        .time_ns = time_ns,
        .operation = OP_CONTAINER_CREATE,
        .path = str_from(path),
        .verdict = &verdict,
        .lacks = json,
        .status = 403,
    };

    verdict_deny(&verdict, 403, rule, "field", "%s", reason);
    refusals_add(&all, &end);
}

static void what_would_allow_it_is_told(void **state)
{
    const struct refusal *refusal;

    (void)state;
    refuse(1, "operations.allow", "no", NULL, "/containers/create");
    refusal = refusals_at(&all, 0);
    assert_non_null(refusal);
    assert_string_equal(refusal->allow,
                        "operations.allow: [\"ContainerCreate\"]");
    refuse(2, "container.mounts", "no",
           "{\"container.mounts\": [\"/srv:ro\"], \"container.privileged\": "
           "[\"true\"], \"ports.lowest\": [\"80\"], \"x.y\": [\"z\"], "
           "\"request.unknown_fields\": [\"drop\"]}",
           "/containers/create");
    assert_string_equal(refusals_at(&all, 0)->allow,
                        "container.mounts: [{\"source\": \"/srv\", "
                        "\"mode\": \"ro\"}]\n"
                        "container.privileged: true\n"
                        "ports.lowest: 80\n"
                        "x.y: [\"z\"]\n"
                        "request.unknown_fields: \"drop\"");
    assert_string_equal(refusals_at(&all, 0)->field, "field");
    assert_int_equal(refusals_at(&all, 0)->verdict, AUDIT_VERDICT_DENY);
    assert_int_equal(refusals_at(&all, 0)->status, 403);
    refuse(3, "request.path", "odd", NULL, "/x");
    assert_string_equal(refusals_at(&all, 0)->allow, "");
}

static void the_same_again_is_counted(void **state)
{
    (void)state;
    refuse(1, "a", "why", NULL, "/1");
    refuse(2, "b", "why", NULL, "/2");
    refuse(3, "a", "why", NULL, "/3");
    assert_int_equal(all.count, 2);
    assert_string_equal(refusals_at(&all, 0)->rule, "a");
    assert_int_equal(refusals_at(&all, 0)->count, 2);
    assert_string_equal(refusals_at(&all, 0)->path, "/3");
    assert_null(refusals_at(&all, 2));
}

static void the_oldest_go_first(void **state)
{
    char rule[16];

    (void)state;
    for (unsigned i = 1; i <= 2 * REFUSALS_KEPT; i++) {
        snprintf(rule, sizeof(rule), "r%u", i);
        refuse(i, rule, "why", NULL, "/");
    }
    for (size_t i = 0; i < REFUSALS_KEPT; i++) {
        snprintf(rule, sizeof(rule), "r%zu", 2 * REFUSALS_KEPT - i);
        assert_string_equal(refusals_at(&all, i)->rule, rule);
    }
    assert_null(refusals_at(&all, REFUSALS_KEPT));
}

static void what_is_long_is_cut_between_characters(void **state)
{
    char path[2 * REFUSAL_PATH + 1] = "/";
    size_t len;

    (void)state;
    for (size_t i = 0; i + 3 < sizeof(path); i += 2)
        memcpy(path + 1 + i, "\xc3\xa4", 3);
    refuse(1, "a", "why", NULL, path);
    len = strlen(refusals_at(&all, 0)->path);
    assert_true(len <= REFUSAL_PATH && len % 2 == 1);
    refuse(
        2, "b", "why",
        "{\"images.registries\": [\"0123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789012345678901234567890123456"
        "7890123456789012345678901234567890123456789012345678901234567890123"
        "4567890123456789012345678901234567890123456789012345678901234567890"
        "1234567890123456789012345678901234567890123456789012345678901234567"
        "8901234567890123456789012345678901234567890123456789012345678901234"
        "5678901234567890123456789012345678901234567890123456789012345678901"
        "2345678901234567890123456789012345678901234567890123456789012345\"],"
        "\"images.push\": [\"a\"]}",
        "/");
    /* half an entry helps nobody */
    assert_string_equal(refusals_at(&all, 0)->allow, "images.push: [\"a\"]");
}

static void what_was_allowed_is_none(void **state)
{
    struct verdict verdict;
    struct audit_facts end = {.operation = OP_CONTAINER_LIST};

    (void)state;
    refusals_add(&all, &end); /* it had no verdict */
    verdict_allow(&verdict, "operations.allow");
    end.verdict = &verdict;
    refusals_add(&all, &end);
    assert_null(refusals_at(&all, 0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(what_would_allow_it_is_told),
        TEST(the_same_again_is_counted),
        TEST(the_oldest_go_first),
        TEST(what_is_long_is_cut_between_characters),
        TEST(what_was_allowed_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
