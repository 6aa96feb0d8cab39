#pragma once

/*
 * A client that speaks an API version which the engine gave up: its request is
 * written in the oldest version that the engine has, and the reply is put back
 * into what the client knows. What is known of the versions in between is what
 * engines themselves do for old clients as long as they have them (moby:
 * daemon/server/router, api/docs/CHANGELOG.md); docs/differences.md lists what
 * is left.
 *
 * All of it is values in, values out. CLIENT and ENGINE are the minors of the
 * version asked for and of the one spoken in its place, CLIENT < ENGINE.
 */

#include <jansson.h>

#include "policy/docker/operation.h"
#include "policy/docker/target.h"

/* The MinAPIVersion of an engine's answer to /version, 1.MINOR; or
 * API_MINOR_OLDEST when it has none, or an older one. */
unsigned engine_oldest_minor(const json_t *version);

/*
 * Of a request: parameters and members that mean nothing in CLIENT are taken
 * away, and what it takes for granted is said. TARGET gets ENGINE as its
 * version. BODY may be NULL. 0, or -ENOBUFS when the query would pass its
 * limits.
 */
int older_client_request(enum operation operation, unsigned client,
                         unsigned engine, struct target *target, json_t *body);

/*
 * The version that a create, BODY, has to be written in at least, 1.N, so that
 * a directory of the host which it mounts read-only is so with all that is
 * mounted further down in it: for older ones, an engine leaves that writable
 * (moby, API 1.44: BindOptions.ReadOnlyNonRecursive). 0: in any, which is what
 * an engine of ENGINE does, its newest version, when it is too old; 0: not
 * known.
 */
unsigned older_client_read_only(const json_t *body, unsigned engine);

/* Is there anything to be put back into replies of OPERATION? */
bool older_client_wants_reply(enum operation operation, unsigned client,
                              unsigned engine);

/* Of a reply that is no error, or of one line of it, in the client's names. */
void older_client_reply(enum operation operation, unsigned client,
                        unsigned engine, json_t *reply);
