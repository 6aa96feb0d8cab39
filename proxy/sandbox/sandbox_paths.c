#include "proxy/sandbox/sandbox_paths.h"

#include <stdlib.h>

#include "proxy/base/policy_file.h"
#include "proxy/base/state_dir.h"

/* Too much is in these to open them for the sake of one file. */
static const char *const broad[] = {
    "/",        "/dev",     "/etc",       "/home",          "/lib", "/opt",
    "/proc",    "/root",    "/run",       "/srv",           "/sys", "/tmp",
    "/usr",     "/var",     "/boot",      "/mnt",           "/bin", "/usr/lib",
    "/var/lib", "/var/run", "/usr/local", "/usr/local/etc",
};

static const char *const system_files[] = {
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/openssl.cnf",
    "/lib",
    "/lib64",
    "/run/systemd/resolve",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
};

static void add(struct sandbox_paths *paths, struct str path,
                enum sandbox_access access)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (paths->items[i].access == access &&
            str_eq(str_from(paths->items[i].path), path))
            return;
    }
    if (paths->count == paths->room) {
        struct sandbox_path *items =
            xcalloc(2 * paths->room + 16, sizeof(*items));

        for (size_t i = 0; i < paths->count; i++)
            items[i] = paths->items[i];
        free(paths->items);
        paths->items = items;
        paths->room = 2 * paths->room + 16;
    }
    paths->items[paths->count++] =
        (struct sandbox_path){xstr_dup(path), access};
}

void sandbox_paths_fini(struct sandbox_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->items[i].path);
    free(paths->items);
    *paths = (struct sandbox_paths){0};
}

static struct str directory_of(struct str path)
{
    size_t len = path.len;

    while (len && path.ptr[len - 1] != '/')
        len--;
    while (len > 1 && path.ptr[len - 1] == '/')
        len--;
    return len ? str_head(path, len) : S(".");
}

static bool is_broad(struct str directory)
{
    for (size_t i = 0; i < sizeof(broad) / sizeof(*broad); i++) {
        if (str_eq(directory, str_from(broad[i])))
            return true;
    }
    return false;
}

/* PATH by way of its directory, unless that is much more than it. */
static void add_beside(struct sandbox_paths *paths, const char *path,
                       enum sandbox_access access)
{
    struct str directory = directory_of(str_from(path));

    if (access != SANDBOX_SOCKETS && is_broad(directory))
        directory = str_from(path);
    add(paths, directory, access);
}

/* What the way to the engine needs, and that to each jump host. */
static void add_upstream(struct sandbox_paths *paths,
                         const struct upstream_config *upstream)
{
    for (; upstream; upstream = upstream->jump) {
        for (size_t i = 0; i < upstream->identity_count; i++)
            add_beside(paths, upstream->identities[i], SANDBOX_READ);
        if (upstream->proxy.credentials)
            add_beside(paths, upstream->proxy.credentials, SANDBOX_READ);
        if (upstream->passphrase_file)
            add_beside(paths, upstream->passphrase_file, SANDBOX_READ);
        for (size_t i = 0; i < upstream->known_hosts.count; i++)
            add_beside(paths, upstream->known_hosts.items[i], SANDBOX_READ);
        for (size_t i = 0; i < upstream->ssh_files.count; i++)
            add_beside(paths, upstream->ssh_files.items[i], SANDBOX_READ);
    }
}

static bool is_copied(const struct mount_rule *rule)
{
    return rule->by == MOUNT_BY_COPY;
}

bool sandbox_paths_copy(const struct policies *policies)
{
    for (size_t i = 0; i < policies->count; i++) {
        const struct objects *mounts =
            &policies->items[i]->rules.container.mounts;
        const struct mount_rule *rules = mounts->items;

        for (size_t n = 0; n < mounts->count; n++) {
            if (is_copied(&rules[n]))
                return true;
        }
    }
    return false;
}

/* Directories that containers mount by copy. */
static void add_copied(struct sandbox_paths *paths,
                       const struct objects *mounts)
{
    const struct mount_rule *rules = mounts->items;

    for (size_t i = 0; i < mounts->count; i++) {
        if (is_copied(&rules[i]))
            add(paths, str_from(rules[i].source),
                rules[i].mode == MOUNT_READ_WRITE ? SANDBOX_FILES
                                                  : SANDBOX_READ);
    }
}

static void add_policy(struct sandbox_paths *paths, const struct policy *policy)
{
    add_beside(paths, policy->listen.path, SANDBOX_SOCKETS);
    if (policy->metrics.listen && *policy->metrics.listen == '/')
        add_beside(paths, policy->metrics.listen, SANDBOX_SOCKETS);
    if (policy->audit.to && *policy->audit.to == '/')
        add_beside(paths, policy->audit.to, SANDBOX_APPEND);
    if (policy->audit.chain) /* the last line */
        add_beside(paths, policy->audit.to, SANDBOX_READ);
    for (size_t i = 0; i < policy_host_count(policy); i++)
        add_upstream(paths, policy_host(policy, i));
    add_copied(paths, &policy->rules.container.mounts);
}

void sandbox_paths_add(struct sandbox_paths *paths, const char *const *files,
                       size_t file_count, const struct policies *policies)
{
    for (size_t i = 0; i < file_count; i++) {
        if (is_directory(files[i]))
            add(paths, str_from(files[i]), SANDBOX_READ);
        else if (strcmp(files[i], "-") != 0)
            add_beside(paths, files[i], SANDBOX_READ);
    }
    for (size_t i = 0; i < policies->count; i++)
        add_policy(paths, policies->items[i]);
    if (sandbox_paths_copy(policies) && state_dir())
        add(paths, str_from(state_dir()), SANDBOX_FILES);
}

void sandbox_paths_add_system(struct sandbox_paths *paths)
{
    for (size_t i = 0; i < sizeof(system_files) / sizeof(*system_files); i++)
        add(paths, str_from(system_files[i]), SANDBOX_READ);
}

static bool is_below(struct str path, struct str directory)
{
    return str_eq(path, directory) ||
           (str_has_prefix(path, directory) &&
            (path.ptr[directory.len] == '/' || str_eq(directory, S("/"))));
}

static bool covers(const struct sandbox_paths *allowed,
                   const struct sandbox_path *wanted)
{
    for (size_t i = 0; i < allowed->count; i++) {
        if (allowed->items[i].access == wanted->access &&
            is_below(str_from(wanted->path), str_from(allowed->items[i].path)))
            return true;
    }
    return false;
}

bool sandbox_paths_cover(const struct sandbox_paths *allowed,
                         const struct sandbox_paths *wanted, struct strbuf *why)
{
    static const char *const verbs[] = {
        "read from", "write to", "have a socket in", "copy files to and from"};
    bool all = true;

    for (size_t i = 0; i < wanted->count; i++) {
        const struct sandbox_path *path = &wanted->items[i];

        if (covers(allowed, path))
            continue;
        strbuf_addf(why,
                    "berth cannot %s %s: no policy named that directory when "
                    "it started, and it has locked itself out of all others; "
                    "restart it, or stay with the old directories\n",
                    verbs[path->access], path->path);
        all = false;
    }
    return all;
}
