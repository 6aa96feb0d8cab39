#pragma once

/* Containers in which datagrams are relayed to one that publishes ports of UDP:
 * what they are called. */

#include "policy/base/str.h"

/* Append what the one for the container ID is called, which runs since STARTED,
 * as its inspect says: another start has another network, and another name. 0
 * or -ENOBUFS. */
int relay_put_name(struct strbuf *out, struct str ns, struct str id,
                   struct str started);

/* May NAME be of one of NS's? */
bool relay_name_is_of(struct str name, struct str ns);
