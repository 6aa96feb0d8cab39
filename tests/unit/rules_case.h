#pragma once

/* A case under a policy of its own. Needs unit.h before it. */

#include "policy/config/rules.h"
#include "policy/config/settings.h"

struct test_case {
    const char *file;
    const char *name;
    const json_t *json;
};

static void wrong(const struct test_case *test, const char *what,
                  const char *got)
{
    fail_msg("%s: %s: %s: %s", test->file, test->name, what, got);
}

static const char *text(const struct test_case *test, const char *key)
{
    return json_string_value(json_object_get(test->json, key));
}

static void read_rules(const struct test_case *test, struct rules *rules)
{
    json_auto_t *none = json_object();
    const json_t *policy = json_object_get(test->json, "policy");
    struct layer layers[] = {
        {.name = test->name, .root = policy ? policy : none},
    };
    struct environment environment = {0};
    struct problems problems = {0};

    *rules = (struct rules){0};
    settings_read(&rules_shape, rules, layers, 1, &environment, &problems);
    if (problems.count)
        wrong(test, "policy", problems.items[0].text);
    problems_fini(&problems);
}
