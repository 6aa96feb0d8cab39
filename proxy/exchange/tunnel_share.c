#include "proxy/exchange/tunnel_share.h"

#include <stdlib.h>

#include "policy/base/limits.h"

struct tunnel_share {
    char *ids[LIMIT_BUILD_SESSIONS];
    size_t count;
    char *version; /* of the engine that CONTAINERD is about, or NULL */
    bool containerd;
};

struct tunnel_share *tunnel_share_new(void)
{
    return xcalloc(1, sizeof(struct tunnel_share));
}

struct tunnel_share *tunnel_share_free(struct tunnel_share *share)
{
    if (!share)
        return NULL;
    for (size_t i = 0; i < share->count; i++)
        free(share->ids[i]);
    free(share->version);
    free(share);
    return NULL;
}

static size_t find(const struct tunnel_share *share, struct str id)
{
    size_t i = 0;

    while (i < share->count && !str_eq(str_from(share->ids[i]), id))
        i++;
    return i;
}

bool tunnel_share_open(struct tunnel_share *share, struct str id)
{
    if (share->count == LIMIT_BUILD_SESSIONS || find(share, id) < share->count)
        return false;
    share->ids[share->count++] = xstr_dup(id);
    return true;
}

void tunnel_share_close(struct tunnel_share *share, struct str id)
{
    size_t i = find(share, id);

    if (i == share->count)
        return;
    free(share->ids[i]);
    share->ids[i] = share->ids[--share->count];
}

bool tunnel_share_knows_store(const struct tunnel_share *share,
                              struct str version, bool *containerd)
{
    if (!share->version || !str_eq(str_from(share->version), version))
        return false;
    *containerd = share->containerd;
    return true;
}

void tunnel_share_set_store(struct tunnel_share *share, struct str version,
                            bool containerd)
{
    free(share->version);
    share->version = xstr_dup(version);
    share->containerd = containerd;
}
