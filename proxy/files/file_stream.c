#include "proxy/files/file_stream.h"

#include <errno.h>
#include <unistd.h>

#define STREAM_ROOM (4 * LIMIT_FILES_MESSAGE)

void file_stream_init(struct file_stream *stream,
                      ssize_t (*read)(void *, char *, size_t),
                      ssize_t (*write)(void *, const char *, size_t), void *arg)
{
    *stream = (struct file_stream){
        .read = read,
        .write = write,
        .arg = arg,
        .in = STRBUF(STREAM_ROOM),
        .out = STRBUF(STREAM_ROOM),
    };
}

static ssize_t read_fd(void *arg, char *bytes, size_t len)
{
    const int *fds = arg;
    ssize_t n;

    do {
        n = read(fds[0], bytes, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t write_fd(void *arg, const char *bytes, size_t len)
{
    const int *fds = arg;
    ssize_t n;

    do {
        n = write(fds[1], bytes, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

void file_stream_init_fds(struct file_stream *stream, const int fds[2])
{
    file_stream_init(stream, read_fd, write_fd, (void *)(uintptr_t)fds);
}

void file_stream_fini(struct file_stream *stream)
{
    strbuf_fini(&stream->in);
    strbuf_fini(&stream->out);
}

static int break_with(struct file_stream *stream, int error)
{
    if (!stream->broken)
        stream->broken = error;
    return stream->broken;
}

int file_stream_flush(struct file_stream *stream)
{
    size_t sent = 0;

    while (!stream->broken && sent < stream->out.len) {
        ssize_t n = stream->write(stream->arg, stream->out.ptr + sent,
                                  stream->out.len - sent);

        if (n <= 0)
            break_with(stream, n < 0 ? (int)n : -EPIPE);
        else
            sent += (size_t)n;
    }
    strbuf_clear(&stream->out);
    return stream->broken;
}

int file_stream_send(struct file_stream *stream,
                     const struct file_message *message)
{
    int r;

    if (stream->broken)
        return stream->broken;
    r = file_wire_add(&stream->out, message);
    if (r < 0)
        return break_with(stream, r);
    return stream->out.len < STREAM_ROOM / 2 ? 0 : file_stream_flush(stream);
}

/* Room for a whole message behind what is not taken yet. */
static char *make_room(struct file_stream *stream)
{
    if (stream->taken) {
        stream->in.len -= stream->taken;
        memmove(stream->in.ptr, stream->in.ptr + stream->taken, stream->in.len);
        stream->taken = 0;
    }
    return strbuf_reserve(&stream->in, STREAM_ROOM - stream->in.len);
}

int file_stream_next(struct file_stream *stream, struct file_message *message)
{
    while (!stream->broken) {
        struct str all = strbuf_str(&stream->in);
        struct str rest = str_from_index(all, stream->taken);
        size_t before = rest.len;
        char *room;
        ssize_t n;
        int r = file_wire_next(&rest, message);

        if (r == 1) {
            stream->taken += before - rest.len;
            return 0;
        }
        if (r < 0)
            return break_with(stream, r);
        room = make_room(stream);
        n = stream->read(stream->arg, room, STREAM_ROOM - stream->in.len);
        if (n <= 0)
            break_with(stream, n < 0 ? (int)n : -EPIPE);
        else
            strbuf_commit(&stream->in, (size_t)n);
    }
    return stream->broken;
}

int file_stream_expect(struct file_stream *stream, enum file_message_type type,
                       struct file_message *message)
{
    int r = file_stream_next(stream, message);

    if (r < 0 || message->type == type)
        return r;
    if (message->type == FILE_MSG_FAILED)
        return break_with(stream,
                          message->number == EFBIG ? -EFBIG : -ECONNABORTED);
    return break_with(stream, -EBADMSG);
}

void file_stream_fail(struct file_stream *stream, int error)
{
    struct str why = str_head(str_from(strerror(-error)), LIMIT_FILES_REASON);

    file_stream_send(stream, &(struct file_message){
                                 .type = FILE_MSG_FAILED,
                                 .number = (uint64_t)-error,
                                 .data = why,
                             });
    file_stream_flush(stream);
}
