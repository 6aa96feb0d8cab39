#include "proxy/server/upstream_new.h"

#include "proxy/ssh/ssh_ports.h"
#include "proxy/upstream/socket_upstream.h"

struct upstream *upstream_new(struct event_base *base,
                              const struct upstream_config *config)
{
    return config->kind == UPSTREAM_SSH ? ssh_ports_new(base, config)
                                        : socket_upstream_new(base, config);
}
