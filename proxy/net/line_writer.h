#pragma once

/*
 * Whole lines for a descriptor whose reader may stall: a pipe, a socket, a
 * terminal. Nothing here blocks. What the descriptor does not take at once
 * waits in a queue with a maximum, in its order; a line for which there is no
 * room is refused as a whole, and never cut.
 *
 * A regular file takes every write at once, so its queue stays empty.
 */

#include "policy/base/str.h"

struct line_writer;

enum line_framing {
    LINE_STREAM,   /* bytes: the lines follow each other */
    LINE_DATAGRAM, /* one message a line, without its newline */
};

/*
 * Lines of up to MAX bytes, and a queue of the same size. FD is set to be
 * non-blocking where nobody else can share that setting, and else opened anew
 * (pipes, terminals) or written to without waiting (sockets); it stays the
 * caller's.
 */
struct line_writer *line_writer_new(int fd, enum line_framing framing,
                                    size_t max);
/* What waits is lost. NULL is fine; returns NULL. */
struct line_writer *line_writer_free(struct line_writer *writer);

/*
 * Take LINE, which ends with a newline. 0 when it was written or waits;
 * -ENOBUFS when the queue has no room for it; or the negative errno of the
 * descriptor, and then nothing of it was taken.
 */
int line_writer_add(struct line_writer *writer, struct str line);

/* Write what waits, as far as the descriptor takes it. 0, or a negative errno
 * of the descriptor, with which what waits is lost. */
int line_writer_flush(struct line_writer *writer);

/* How many bytes wait. */
size_t line_writer_waiting(const struct line_writer *writer);

/* Wait until nothing waits any more, MS milliseconds at most. */
void line_writer_drain(struct line_writer *writer, int ms);

/*
 * Where an event loop runs, it has the lines that wait written on:
 * ON_WAIT(writer, true, arg) when a line has to wait for the descriptor to
 * become writable (then call line_writer_flush), ON_WAIT(writer, false, arg)
 * when none waits any more, or it is freed, or watched by another. NULL: by
 * nobody; then the next line_writer_add writes on.
 */
typedef void (*line_writer_cb)(struct line_writer *writer, bool waits,
                               void *arg);
void line_writer_watch(struct line_writer *writer, line_writer_cb on_wait,
                       void *arg);

int line_writer_fd(const struct line_writer *writer);
/* A place for what ON_WAIT has to remember; NULL at first. */
void **line_writer_token(struct line_writer *writer);
