#include "proxy/server/write_on.h"

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    /* a reader that has gone: the next record meets the same error */
    (void)line_writer_flush(arg);
}

static void on_wait(struct line_writer *writer, bool waits, void *arg)
{
    void **token = line_writer_token(writer);

    if (waits) {
        *token = event_new(arg, line_writer_fd(writer), EV_WRITE | EV_PERSIST,
                           on_writable, writer);
        event_add(*token, NULL);
    } else {
        event_free(*token);
        *token = NULL;
    }
}

void write_on(struct event_base *base, struct line_writer *writer)
{
    line_writer_watch(writer, on_wait, base);
}

void write_on_end(struct line_writer *writer)
{
    line_writer_watch(writer, NULL, NULL);
}
