#pragma once

/*
 * Two directories, the two ends that keep them in step, and a stream between
 * them that can break at any byte.
 */

#include <pthread.h>
#include <sys/types.h>

#include "proxy/files/file_near.h"

struct file_trees {
    char folder[64]; /* in which both and what lies outside them are */
    char near[80];
    char far[80];
    char outside[80];
    int near_fd, far_fd;
    struct file_near end;

    /* the session, if there is one */
    bool open;
    int sockets[2];
    pthread_t thread;
    bool forked; /* the far end is a process, which may be killed */
    pid_t child;
    struct file_stream near_stream, far_stream;
    struct file_limits far_limits;
    int far_result;
    long budget; /* bytes, both ways, until the stream breaks; < 0: never */
    long carried;
};

void file_trees_init(struct file_trees *trees);
/* Ends the session and removes everything. */
void file_trees_fini(struct file_trees *trees);

/* A new session whose stream breaks after BUDGET bytes. */
int file_trees_open(struct file_trees *trees, long budget);
/* Returns what the far end returned, if it is a thread. */
int file_trees_close(struct file_trees *trees);

/* A round in a session, which must work. */
struct file_report file_trees_round(struct file_trees *trees,
                                    enum file_turn turn);

/*
 * A line for everything below ROOT in order: path, kind, mode, and the content,
 * where a link leads, or which names are one file.
 */
void file_trees_show(const char *root, struct strbuf *out);

/* Are both sides alike, and without temporary names? */
bool file_trees_are_alike(const struct file_trees *trees);

/* By paths such as "near/a/b", within the folder; they must work. */
void file_trees_write(struct file_trees *trees, const char *path,
                      const char *content);
/* The content of PATH, static; or NULL. */
const char *file_trees_read(struct file_trees *trees, const char *path);
void file_trees_mkdir(struct file_trees *trees, const char *path);
/* An rm -rf. */
void file_trees_remove(struct file_trees *trees, const char *path);
const char *file_trees_path(struct file_trees *trees, const char *path);

/* Edit what is below ROOT at random, COUNT times, by what *SEED says. */
void file_trees_edit(const char *root, unsigned *seed, unsigned count);
