#pragma once

/*
 * The engine over several SSH connections to one host, where one is not enough:
 * an upstream (upstream.h) whose new streams go to the link that has the
 * fewest.
 *
 * It is up as soon as one link is. The others follow one after the other, and
 * each is used only once the engine that it leads to has told the same ID as
 * the first one's, since a name may lead to several hosts. A link that is lost
 * takes along the streams that were open on it, and no others: those that still
 * wait go to another link, and it comes back by itself. While none is up, one
 * alone tries.
 */

#include <event2/event.h>

#include "policy/config/upstream_config.h"
#include "proxy/upstream/upstream.h"

/* CONFIG, of kind UPSTREAM_SSH and with 2 to LIMIT_LINKS links, must outlive
 * them. Never NULL. */
struct upstream *ssh_links_new(struct event_base *base,
                               const struct upstream_config *config);

/* Of such: the mux that the next stream goes to; NULL: there are
 * LIMIT_CHANNELS. */
struct ssh_mux *ssh_links_next(struct upstream *links);
