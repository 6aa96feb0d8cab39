#pragma once

/*
 * The directories that a namespace's containers mount by copy. Each has a
 * volume on the engine; the two are brought into step when that is asked for:
 * before something starts, and after something has ended. Only what containers
 * have mounted of a directory travels.
 *
 * Callbacks come from the event loop (upstream.h).
 */

#include <event2/event.h>
#include <jansson.h>

#include "policy/config/rules.h"
#include "proxy/files/file_near.h"
#include "proxy/net/turns.h"
#include "proxy/upstream/pool.h"

struct files;

struct files_config {
    struct event_base *base;  /* this and the next two outlive it */
    struct turn_group *turns; /* of its listener */
    struct pool *pool;
    struct str ns;                /* copied, as is the next */
    const struct objects *mounts; /* struct mount_rule; those by copy count */
    struct file_limits limits;    /* of each directory */
    const char *state; /* a directory of berth's, in which what is known of
                          both sides outlives this process; or NULL. Outlives
                          it, too */
};

/* Never NULL. Nothing is done before it is asked for. */
struct files *files_new(const struct files_config *config);
/* What is under way is broken off, and all asks are told so in a later turn of
 * the loop. NULL is fine; returns NULL. */
struct files *files_free(struct files *files);

/* What was done since it was made, over all directories. */
struct files_counts {
    unsigned directories;             /* of which containers mount some */
    uint64_t files_out, files_in;     /* made or changed on the engine; here */
    uint64_t removed_out, removed_in; /* names, in the same way */
    uint64_t bytes_out, bytes_in;     /* of their contents */
    uint64_t rounds;                  /* each brings one directory into step */
    uint64_t failed;                  /* those of them that came to nothing */
    uint64_t lost; /* files that both sides had changed: one side's is kept */
    uint64_t left; /* times that one could not be carried, and had to wait */
};
struct files_counts files_count(const struct files *files);

/* Was it made of an equal CONFIG? */
bool files_is_as(const struct files *files, const struct files_config *config);

/*
 * Bring into step what is mounted, as WHAT says (LOOKUP_FILES, see
 * companion_name.h; copied): STATUS 200; or another and REPLY {"message",
 * "rule"}, which is the callee's. What "out" cannot bring is in the log, too.
 */
struct files_ask;
typedef void (*files_cb)(int status, json_t *reply, void *arg);
struct files_ask *files_ask(struct files *files, const json_t *what,
                            files_cb on_reply, void *arg);
/* No callback any more. NULL is fine; returns NULL. */
struct files_ask *files_ask_cancel(struct files_ask *ask);
