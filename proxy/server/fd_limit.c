#include "proxy/server/fd_limit.h"

#include <string.h>
#include <sys/resource.h>

#include "proxy/base/log.h"
#include "proxy/companion/wire.h"

enum {
    /* libraries, listeners, files, links, visitors of monitors */
    OF_THE_PROCESS = 128,
    OF_A_POLICY = 16,
    BUSY_CLIENTS = 64,   /* as in berth.c */
    OF_A_COMPANION = 40, /* connections that end, and a few more */
    /* a directory with all that it is in, and files of it that are open */
    OF_A_COPY = LIMIT_FILES_DEPTH + 16,
};

/* Of SSH, to one host. */
static rlim_t count_links(const struct policy *policy)
{
    return policy->upstream.links +
           (policy->port_address[0] ? LIMIT_PORT_LINKS : 0);
}

static bool leads_back(const struct policy *policy)
{
    const char *socket = policy->rules.container.engine_socket;

    return socket && strcmp(socket, MOUNT_BERTH) == 0;
}

static rlim_t count_copies(const struct policy *policy)
{
    const struct objects *mounts = &policy->rules.container.mounts;
    const struct mount_rule *rules = mounts->items;
    rlim_t count = 0;

    for (size_t i = 0; i < mounts->count; i++)
        count += rules[i].by == MOUNT_BY_COPY;
    return count;
}

/* Every client is a descriptor, and every stream of a socket upstream. */
static rlim_t needed(const struct policies *policies)
{
    rlim_t sum = OF_THE_PROCESS;

    for (size_t i = 0; i < policies->count; i++) {
        const struct policy *policy = policies->items[i];

        sum += OF_A_POLICY + policy->listen.clients + BUSY_CLIENTS;
        if (leads_back(policy)) /* the other end of each, and the waiters */
            sum += 2 * WIRE_CHANNELS + OF_A_COMPANION;
        sum += OF_A_COPY * count_copies(policy);
        if (policy->port_address[0]) /* both ends of a connection */
            sum += LIMIT_PORT_LISTENERS +
                   LIMIT_PORT_CONNECTIONS *
                       (policy->upstream.kind == UPSTREAM_SSH ? 1 : 2);
        if (policy->upstream.kind == UPSTREAM_SSH)
            sum += count_links(policy) * (policy_is_placed(policy)
                                              ? LIMIT_HOSTS
                                              : policy_host_count(policy));
        else
            sum += 2 * policy->listen.clients + LIMIT_POOL_IDLE;
    }
    return sum;
}

void fd_limit_allow(const struct policies *policies)
{
    rlim_t need = needed(policies);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < need)
        log_warn("this process may open %llu files, and its policies may need "
                 "%llu; raise the limit (ulimit -n, LimitNOFILE=), or lower "
                 "listen.clients",
                 (unsigned long long)limit.rlim_cur, (unsigned long long)need);
}
