/*
 * A policy file. Properties: what loads prints as something that loads and
 * prints the same; what does not load says why; every operation has a verdict.
 */

#include <assert.h>
#include <string.h>

#include "policy/config/policy.h"
#include "tests/fuzz/fuzz.h"

#define PRINTED_MAX (64 * MIB)

static const char *get_variable(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "RUNNER_NAME") == 0 ? "r7" : NULL;
}

static const struct environment environment = {.get = get_variable};

static struct policy *load(struct str text)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(MIB);
    struct policy_source source = {
        .name = "policy.json", .text = text, .environment = &environment};
    struct policy *policy = NULL;
    int r = policy_load(&source, &policy, &why);

    assert((r == 0) == (policy != NULL));
    assert((r == 0) == (why.len == 0));
    return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct policy *policy = load(str_of((const char *)bytes, len));

    if (policy == NULL)
        return 0;
    AUTO(strbuf_fini) struct strbuf first = STRBUF(PRINTED_MAX);
    AUTO(strbuf_fini) struct strbuf second = STRBUF(PRINTED_MAX);
    AUTO(strbuf_fini) struct strbuf warnings = STRBUF(MIB);

    assert(policy_put_effective(policy, &first) == 0);
    assert(policy_put_warnings(policy, &warnings) == 0);
    for (unsigned i = 0; i < OP_COUNT; i++) {
        struct verdict verdict = {0};

        policy_operation(policy, (enum operation)i, &verdict);
        assert(verdict.rule[0] != '\0');
    }
    policy_unref(policy);
    /* printing indents, so that it can be longer than a policy may be */
    if (first.len > LIMIT_POLICY)
        return 0;
    policy = load(strbuf_str(&first));
    assert(policy != NULL);
    assert(policy_put_effective(policy, &second) == 0);
    assert(str_eq(strbuf_str(&first), strbuf_str(&second)));
    policy_unref(policy);
    return 0;
}
