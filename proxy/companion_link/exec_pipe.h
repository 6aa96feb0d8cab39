#pragma once

/*
 * An exec in a container, not a TTY, as two pipes: what is written is its
 * standard input as it is, and what it writes to its standard output comes out.
 * Its standard error is kept for its last words.
 *
 * Callbacks come from its turns (turns.h), in each of which a part of what has
 * come is handed out.
 */

#include "proxy/net/turns.h"
#include "proxy/upstream/pool.h"

struct exec_pipe;

struct exec_events {
    /* BYTES have come: how many of them are taken. The rest comes again behind
     * exec_pipe_resume; a negative number: they are not what they should be. */
    ssize_t (*on_output)(struct str bytes, void *arg);
    /* There may be room to write. */
    void (*on_room)(void *arg);
    /* It is over, for the reason WHY. The pipe is the callee's to free. */
    void (*on_end)(const char *why, void *arg);
    void *arg;
};

/* Start EXEC, which was created in a container; TURNS are its listener's. */
struct exec_pipe *exec_pipe_new(struct turn_group *turns, struct pool *pool,
                                const char *exec,
                                const struct exec_events *events);
/* Its standard input ends, and no callback comes any more. NULL is fine;
 * returns NULL. */
struct exec_pipe *exec_pipe_free(struct exec_pipe *pipe);

/* Returns how many of BYTES were taken: none before on_room, nor while there is
 * no room. */
size_t exec_pipe_write(struct exec_pipe *pipe, struct str bytes);

/* What was not taken is taken by now: have it come again. */
void exec_pipe_resume(struct exec_pipe *pipe);
