#include "proxy/server/upstream_new.h"

#include "proxy/ssh/ssh_link.h"
#include "proxy/ssh/ssh_links.h"
#include "proxy/upstream/socket_upstream.h"

struct upstream *upstream_new(struct event_base *base,
                              const struct upstream_config *config)
{
    if (config->kind != UPSTREAM_SSH)
        return socket_upstream_new(base, config);
    return config->links > 1 ? ssh_links_new(base, config)
                             : ssh_link_new(base, config);
}
