#pragma once

/* One directory and its volume; for the files of this folder alone. */

#include <pthread.h>
#include <sys/queue.h>

#include "policy/base/limits.h"
#include "proxy/base/bytes.h"
#include "proxy/companion_link/box.h"
#include "proxy/companion_link/exec_pipe.h"
#include "proxy/files_link/files_link.h"

enum {
    TREE_PUMP = 64 * KIB, /* read of a round at once */
    TREE_STALL_S = 120,   /* it may take so long without a byte */
    TREE_TRIES = 3,       /* of one round, each over a new exec */
    TREE_NOTES = 8,       /* names that the log tells of one round */
};

/* What a round is for, and what came of it. */
struct tree_round {
    enum file_turn turn;
    const json_t *binds; /* of a container to be made (LOOKUP_FILES), or NULL */
    int status;          /* 200, or that of a refusal */
    const char *rule;    /* of the refusal; or NULL */
    struct strbuf why;
    struct file_report report;
    struct strbuf notes; /* a line each */
    unsigned note_count;
    bool broken; /* the stream was: over another, it may go well */
};

struct tree {
    struct files_config config; /* without its text and rules */
    char *ns, *source;
    char *real; /* source without its symbolic links, as it was at first */
    bool read_only;
    void (*on_done)(struct tree *tree, void *arg);
    void *arg;

    struct file_near near;
    struct file_stream stream;
    bool greeted;
    json_t *kept; /* {path: why, an integer}; see tree_mounts.c */
    char *saved;  /* where what NEAR knows is kept; or NULL (tree_saved.c) */
    bool loaded;  /* that was read */
    bool unsaved; /* NEAR knows more by now */
    char *box_id; /* of the container that the volume was seen in, or NULL */

    struct box *box;
    struct exec_pipe *pipe;
    int loop_end, thread_end; /* of a pair of sockets; -1: none */
    struct event *readable, *writable;
    struct bytes out; /* for the pipe */

    struct tree_round round;
    struct files_counts counts;
    unsigned tries;
    bool runs; /* the thread */
    bool stop; /* and it is not to go on */
    pthread_t thread;
    int done_fd; /* the thread tells by it that it ends */
    struct event *done;
    struct event *stall;
    TAILQ_ENTRY(tree) link;
};

/* ON_DONE is told when a round is over. */
struct tree *tree_new(const struct files_config *config, const char *source,
                      bool read_only,
                      void (*on_done)(struct tree *tree, void *arg), void *arg);
void tree_free(struct tree *tree);

/*
 * Open the directory. Links on its path are those that were there when the tree
 * was made: whoever may rename above it leads to no other directory. Returns a
 * descriptor, or a negative errno.
 */
int tree_open(const struct tree *tree);

/* Begin a round for TURN; BINDS live until it is over. */
void tree_begin(struct tree *tree, enum file_turn turn, const json_t *binds);

/* Add what was done. */
void tree_count(const struct tree *tree, struct files_counts *to);

/* tree_mounts.c: which paths are kept in step. While no round runs. */

/* What containers have: between the two, each path that one has. */
void tree_list_begin(struct tree *tree);
/* False: there are too many, and this one is not kept in step. */
bool tree_list(struct tree *tree, struct str path);
void tree_list_end(struct tree *tree);

/* No more those that no container has any more. Were there any? They are kept
 * for a round after the list, in which what was written in them comes back. */
bool tree_drop_ended(struct tree *tree);

/* Of a container that is about to be made: as file_near_keep(). And if none
 * will be; false if another has it. */
int tree_keep(struct tree *tree, struct str path);
bool tree_unkeep(struct tree *tree, struct str path);

/* tree_saved.c: what is known of both sides, over a restart of berth. The first
 * two before and after a round with ROOT, in its thread. */
void tree_load(struct tree *tree, int root);
void tree_save(struct tree *tree, int root);
void tree_unsave(void *tree);
char *tree_saved_path(const char *state, const char *source);

/* tree_round.c: all of it, in the thread. */
void *tree_run(void *tree);
