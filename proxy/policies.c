#include "proxy/policies.h"

#include <errno.h>

#include "proxy/log.h"
#include "proxy/policy_file.h"

void policies_fini(struct policies *all)
{
    for (size_t i = 0; i < all->count; i++)
        policy_unref(all->items[i]);
    all->count = 0;
}

/* Two listeners cannot share a path, nor two runners a namespace. */
static bool clash(const struct policies *all, const struct policy *policy,
                  struct strbuf *why)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct policy *other = all->items[i];

        if (!strcmp(other->listen.path, policy->listen.path))
            strbuf_addf(why,
                        "two policies have the same listen.path, %s; give "
                        "each its own\n",
                        policy->listen.path);
        else if (!strcmp(other->namespace, policy->namespace) &&
                 upstream_config_eq(&other->upstream, &policy->upstream))
            strbuf_addf(why,
                        "two policies have the same namespace, %s, on the "
                        "same engine; give each its own\n",
                        policy->namespace);
        else
            continue;
        return true;
    }
    return false;
}

int policies_load(const char *const *files, size_t file_count,
                  const struct policy_override *overrides,
                  size_t override_count, struct policies *out,
                  struct strbuf *why)
{
    AUTO(policies_fini) struct policies all = {.count = 0};
    size_t count = file_count ? file_count : 1;

    if (count > POLICIES_MAX) {
        strbuf_addf(why, "%d policies at most\n", POLICIES_MAX);
        return -E2BIG;
    }
    for (size_t i = 0; i < count; i++) {
        struct policy *policy;
        int r = policy_file_load(file_count ? files[i] : NULL, overrides,
                                 override_count, &policy, why);

        if (r)
            return r;
        if (clash(&all, policy, why)) {
            policy_unref(policy);
            return -EEXIST;
        }
        all.items[all.count++] = policy;
    }
    *out = all;
    all.count = 0; /* handed over */
    return 0;
}

void policies_log_warnings(const struct policies *all)
{
    for (size_t i = 0; i < all->count; i++) {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(64 * KIB);

        policy_put_warnings(all->items[i], &text);
        log_warn_lines(all->items[i]->namespace, strbuf_str(&text));
    }
}
