#pragma once

/*
 * How a berth that starts gets the sockets of one that serves, so that no
 * client finds nobody there: who listens offers them under an abstract Unix
 * address that is made of the listener's path, to processes of its own user in
 * the same network and PID namespaces. Any container in the host's network may
 * have root, so root offers nothing.
 *
 *     asks:  HANDOVER_ASK            answers: a letter for each descriptor
 *     asks:  HANDOVER_DONE           answers: HANDOVER_BYE, once it has let go
 *
 * Until DONE both have them, and who asked may leave again: nothing has
 * changed then.
 */

#include <event2/event.h>

#include "policy/base/str.h"

enum {
    HANDOVER_FDS = 3,
    HANDOVER_WAIT_S = 10, /* for an answer */
};

struct handover;

struct handover_calls {
    /* The descriptors to hand over, each with a letter, HANDOVER_FDS at most;
     * they stay the callee's. Returns how many. */
    size_t (*list)(void *arg, int *fds, char *letters);
    /* They are another's now. The offer may be freed in it. */
    void (*taken)(void *arg);
    void *arg;
};

/* Offer them under PATH. NULL for root, and, with a line in the log, when that
 * cannot be. */
struct handover *handover_new(struct event_base *base, const char *path,
                              const struct handover_calls *calls);
/* Does another process have them that has not given up, nor said DONE? */
bool handover_is_asked(const struct handover *handover);
/* NULL is fine; returns NULL. */
struct handover *handover_free(struct handover *handover);

/*
 * Ask who listens at PATH, and wait for the answer. Returns the conversation,
 * which close() breaks off, with FDS[i] for LETTERS[i], which end with a NUL;
 * all are the caller's. -ECONNREFUSED: nobody offers any. -EPERM:
 * another user has the address, -EAGAIN: or somebody who does not answer, and
 * nothing was asked. Or another negative errno.
 */
int handover_ask(const char *path, int fds[HANDOVER_FDS],
                 char letters[HANDOVER_FDS + 1]);
/* Have the other let go, wait until it has, and close CONVERSATION. 0; or a
 * negative errno when it did not say so. */
int handover_finish(int conversation);
