#include "proxy/net/line_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"

struct line_writer {
    int fd;
    bool own_fd; /* FD was opened anew, with a setting of its own */
    bool is_socket;
    bool may_block; /* ask poll first, for nothing else keeps it from that */
    enum line_framing framing;
    struct bytes queue;
    bool watched; /* ON_WAIT was told that something waits */
    line_writer_cb on_wait;
    void *arg;
    void *token; /* the watcher's */
};

/*
 * O_NONBLOCK belongs to the open file, which other processes may share (a
 * shell's terminal, a pipe to a collector). So a pipe or terminal is opened
 * anew, which gives an open file of berth's own.
 */
static void open_anew(struct line_writer *w, int fd)
{
    char path[64];
    int own;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC | O_NOCTTY);
    w->own_fd = own >= 0;
    w->may_block = own < 0;
    if (own >= 0)
        w->fd = own;
}

static void watch(struct line_writer *w, bool waits)
{
    if (w->watched == waits || !w->on_wait)
        return;
    w->watched = waits;
    w->on_wait(w, waits, w->arg);
}

struct line_writer *line_writer_new(int fd, enum line_framing framing,
                                    size_t max)
{
    struct line_writer *w = xcalloc(1, sizeof(*w));
    struct stat st;

    w->fd = fd;
    w->framing = framing;
    w->queue.max = max;
    if (fstat(fd, &st) == 0) {
        w->is_socket = S_ISSOCK(st.st_mode);
        if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
            open_anew(w, fd);
    }
    return w;
}

struct line_writer *line_writer_free(struct line_writer *w)
{
    if (!w)
        return NULL;
    watch(w, false);
    if (w->own_fd)
        close(w->fd);
    bytes_fini(&w->queue);
    free(w);
    return NULL;
}

static bool is_writable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

    return poll(&poll_fd, 1, 0) > 0;
}

/* The part of BYTES that goes in one call. */
static struct str one_message(const struct line_writer *w, struct str bytes)
{
    struct str line = bytes, rest;

    if (w->framing == LINE_DATAGRAM)
        str_cut(bytes, '\n', &line, &rest);
    else if (w->may_block && bytes.len > PIPE_BUF)
        line.len = PIPE_BUF; /* as much as a writable pipe takes for sure */
    return line;
}

/* Returns how many of BYTES were taken, 0 when none are just now, or a
 * negative errno. */
static ssize_t put(struct line_writer *w, struct str bytes)
{
    struct str part = one_message(w, bytes);
    ssize_t n;

    if (w->may_block && !is_writable(w->fd))
        return 0;
    do {
        n = w->is_socket
                ? send(w->fd, part.ptr, part.len, MSG_DONTWAIT | MSG_NOSIGNAL)
                : write(w->fd, part.ptr, part.len);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    return w->framing == LINE_DATAGRAM ? n + 1 : n; /* with its newline */
}

int line_writer_flush(struct line_writer *w)
{
    while (w->queue.len) {
        ssize_t n = put(w, bytes_str(&w->queue));

        if (n < 0) {
            bytes_fini(&w->queue);
            watch(w, false);
            return (int)n;
        }
        if (n == 0) {
            watch(w, true);
            return 0;
        }
        bytes_consume(&w->queue, (size_t)n);
    }
    bytes_trim(&w->queue);
    watch(w, false);
    return 0;
}

int line_writer_add(struct line_writer *w, struct str line)
{
    ssize_t n = line_writer_flush(w);
    size_t before = line.len;

    if (n < 0)
        return (int)n;
    if (line.len > w->queue.max - w->queue.len)
        return -ENOBUFS;
    while (line.len && w->queue.len == 0) {
        n = put(w, line);
        if (n < 0 && line.len == before)
            return (int)n;
        if (n <= 0)
            break;
        line = str_from_index(line, (size_t)n);
    }
    if (line.len == 0)
        return 0;
    (void)bytes_add(&w->queue, line); /* there is room: looked at above */
    watch(w, true);
    return 0;
}

size_t line_writer_waiting(const struct line_writer *w)
{
    return w->queue.len;
}

void line_writer_drain(struct line_writer *w, int ms)
{
    uint64_t end = clock_ms() + (uint64_t)ms, now;

    while (line_writer_flush(w) == 0 && w->queue.len &&
           (now = clock_ms()) < end) {
        struct pollfd fd = {.fd = w->fd, .events = POLLOUT};

        poll(&fd, 1, (int)(end - now));
    }
}

void line_writer_watch(struct line_writer *w, line_writer_cb on_wait, void *arg)
{
    watch(w, false);
    w->on_wait = on_wait;
    w->arg = arg;
    watch(w, w->queue.len > 0);
}

int line_writer_fd(const struct line_writer *w)
{
    return w->fd;
}

void **line_writer_token(struct line_writer *w)
{
    return &w->token;
}
