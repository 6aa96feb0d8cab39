#pragma once

/*
 * A client's connection: its socket, its stream to the engine, and the
 * exchange between them. Bytes are carried here and decided there.
 */

#include "proxy/exchange/connection.h"
#include "proxy/server/frontend.h"

struct session;

/*
 * Serve the client on FD, which is the session's from now on. BUSY: answer
 * every request with 503, for there are too many clients.
 */
struct session *session_new(struct frontend *frontend, int fd, bool busy);

/* The same, for one that came by its companion, from CALLER. */
struct companion_caller;
struct session *session_new_from(struct frontend *frontend, int fd, bool busy,
                                 const struct companion_caller *caller);

/* Close the connection then. The session frees itself and tells its berth. */
void session_shutdown(struct session *session, enum connection_end end);

/* The next of its berth's sessions, or NULL. */
struct session *session_next(const struct session *session);

/* What goes on in it, to look at. */
const struct connection *session_connection(const struct session *session);
