#include "proxy/base/policies.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/base/log.h"
#include "proxy/base/policy_file.h"

void policies_fini(struct policies *all)
{
    for (size_t i = 0; i < all->count; i++)
        policy_unref(all->items[i]);
    all->count = 0;
}

static void put_host_engine(const struct policy *policy, size_t at,
                            struct strbuf *out)
{
    const struct upstream_config *config = policy_host(policy, at);
    char *real =
        config->kind == UPSTREAM_UNIX ? realpath(config->path, NULL) : NULL;

    if (real)
        strbuf_addf(out, "unix:%s", real);
    else
        upstream_config_engine(config, out);
    free(real);
}

void policy_put_engine(const struct policy *policy, struct strbuf *out)
{
    for (size_t i = 0; i < policy_host_count(policy); i++) {
        if (i)
            strbuf_add_char(out, ' ');
        put_host_engine(policy, i, out);
    }
}

/* Whatever else differs (users, keys, time limits): a host of theirs is the
 * same engine. */
static bool same_engine(const struct policy *a, const struct policy *b)
{
    for (size_t i = 0; i < policy_host_count(a); i++) {
        AUTO(strbuf_fini) struct strbuf of_a = STRBUF(8 * KIB);

        put_host_engine(a, i, &of_a);
        for (size_t j = 0; j < policy_host_count(b); j++) {
            AUTO(strbuf_fini) struct strbuf of_b = STRBUF(8 * KIB);

            put_host_engine(b, j, &of_b);
            if (str_eq(strbuf_str(&of_a), strbuf_str(&of_b)))
                return true;
        }
    }
    return false;
}

/* Two listeners cannot share a path, nor two runners a namespace. */
static bool clash(const struct policies *all, const struct policy *policy,
                  const char *path, struct strbuf *why)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct policy *other = all->items[i];

        if (!strcmp(other->listen.path, policy->listen.path))
            strbuf_addf(why,
                        "%s: two policies have the same listen.path, %s, "
                        "this one and that of %s; give each its own\n",
                        path, policy->listen.path, other->namespace);
        else if (!strcmp(other->namespace, policy->namespace) &&
                 same_engine(other, policy))
            strbuf_addf(why,
                        "%s: two policies have the same namespace, %s, on the "
                        "same engine, this one and that on %s; give each its "
                        "own\n",
                        path, policy->namespace, other->listen.path);
        else
            continue;
        return true;
    }
    return false;
}

/* Who is reading, and what. */
struct loading {
    const struct policy_override *overrides;
    size_t override_count;
    struct policies all;
    struct strbuf *why;
};

static int load_file(struct loading *loading, const char *path)
{
    struct policies *all = &loading->all;
    struct policy *policy;
    int r;

    if (all->count == POLICIES_MAX) {
        strbuf_addf(loading->why, "%d policies at most\n", POLICIES_MAX);
        return -E2BIG;
    }
    r = policy_file_load(path, loading->overrides, loading->override_count,
                         &policy, loading->why);
    if (r)
        return r;
    if (clash(all, policy, path, loading->why)) {
        policy_unref(policy);
        return -EEXIST;
    }
    all->items[all->count++] = policy;
    return 0;
}

static int is_policy(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           str_has_suffix(str_from(entry->d_name), S(".json"));
}

static int load_directory(struct loading *loading, const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_policy, alphasort), r = 0;

    if (count < 0) {
        strbuf_addf(loading->why, "%s: %s\n", directory, strerror(errno));
        return -errno;
    }
    if (count == 0) {
        strbuf_addf(loading->why,
                    "%s: there is no policy in this directory; put one there, "
                    "with a name that ends in .json\n",
                    directory);
        r = -ENOENT;
    }
    for (int i = 0; i < count; i++) {
        AUTO(strbuf_fini) struct strbuf path = STRBUF(8 * KIB);

        strbuf_addf(&path, "%s/%s", directory, entries[i]->d_name);
        if (r == 0)
            r = load_file(loading, strbuf_cstr(&path));
        free(entries[i]);
    }
    free(entries);
    return r;
}

int policies_load(const char *const *files, size_t file_count,
                  const struct policy_override *overrides,
                  size_t override_count, struct policies *out,
                  struct strbuf *why)
{
    struct loading loading = {overrides, override_count, {.count = 0}, why};
    int r = file_count ? 0 : load_file(&loading, NULL);

    for (size_t i = 0; r == 0 && i < file_count; i++)
        r = is_directory(files[i]) ? load_directory(&loading, files[i])
                                   : load_file(&loading, files[i]);
    if (r)
        policies_fini(&loading.all);
    else
        *out = loading.all;
    return r;
}

void policies_log_warnings(const struct policies *all)
{
    for (size_t i = 0; i < all->count; i++) {
        AUTO(strbuf_fini) struct strbuf text = STRBUF(64 * KIB);

        policy_put_warnings(all->items[i], &text);
        log_warn_lines(all->items[i]->namespace, strbuf_str(&text));
    }
}
