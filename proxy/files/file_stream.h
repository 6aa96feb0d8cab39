#pragma once

/*
 * The messages of file_wire.h over two functions that block: one end of the
 * stream. Each end runs in a thread or a process of its own.
 */

#include "proxy/files/file_wire.h"

struct file_stream {
    /* Read up to LEN bytes: how many, 0 at the end, or a negative errno. */
    ssize_t (*read)(void *arg, char *bytes, size_t len);
    /* Write some of LEN bytes: how many, or a negative errno. */
    ssize_t (*write)(void *arg, const char *bytes, size_t len);
    void *arg;
    struct strbuf in;  /* what was read; starts at `taken` */
    struct strbuf out; /* what is not written yet */
    size_t taken;
    int broken; /* the first failure, which all later calls return */
};

void file_stream_init(struct file_stream *stream,
                      ssize_t (*read)(void *, char *, size_t),
                      ssize_t (*write)(void *, const char *, size_t),
                      void *arg);
/* Over descriptors that block: FDS[0] is read, FDS[1] written. They stay the
 * caller's, and outlive it. */
void file_stream_init_fds(struct file_stream *stream, const int fds[2]);
void file_stream_fini(struct file_stream *stream);

/*
 * Send MESSAGE, at the latest when file_stream_flush() is called. Return 0 or
 * a negative errno: the stream is over.
 */
int file_stream_send(struct file_stream *stream,
                     const struct file_message *message);
int file_stream_flush(struct file_stream *stream);

/*
 * Wait for the next message. Its text is good until the next call. Returns 0;
 * -EPIPE at the end of the stream; -EBADMSG; or what `read` failed with.
 */
int file_stream_next(struct file_stream *stream, struct file_message *message);

/*
 * The same, for one of TYPE. FILE_MSG_FAILED is -ECONNABORTED, or -EFBIG for
 * that reason, and any other type -EBADMSG; *MESSAGE is what came.
 */
int file_stream_expect(struct file_stream *stream, enum file_message_type type,
                       struct file_message *message);

/* Tell the other end that this one gives up, with an errno of ours. */
void file_stream_fail(struct file_stream *stream, int error);
