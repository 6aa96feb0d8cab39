#include "proxy/companion/session_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a session sends: frames to berth, words to the first process. */

void session_end(struct session *s, int code, const char *why)
{
    if (!s->why) {
        s->why = why;
        s->code = code;
    }
}

size_t to_berth_room(const struct session *s)
{
    return SESSION_OUT - s->output_length;
}

unsigned char *to_berth_end(struct session *s)
{
    if (s->output_head > 0) {
        memmove(s->output, s->output + s->output_head, s->output_length);
        s->output_head = 0;
    }
    return s->output + s->output_length;
}

bool to_berth_put(struct session *s, enum wire_type type, uint32_t channel,
                  const void *payload, size_t length)
{
    unsigned char *to;

    if (to_berth_room(s) < WIRE_HEADER + length)
        return false;
    to = to_berth_end(s);
    wire_put_head(to, type, channel, length);
    if (length)
        memcpy(to + WIRE_HEADER, payload, length);
    s->output_length += WIRE_HEADER + length;
    return true;
}

void to_berth_write(struct session *s)
{
    while (s->output_length > 0) {
        ssize_t sent =
            write(s->out, s->output + s->output_head, s->output_length);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0) {
            session_end(s, COMPANION_FAILED, "berth does not read any more");
            return;
        }
        s->output_head += (size_t)sent;
        s->output_length -= (size_t)sent;
    }
    if (s->output_length == 0)
        s->output_head = 0;
}

void session_tell_holder(struct session *s, enum companion_message message)
{
    const unsigned char byte = (unsigned char)message;

    (void)!send(s->holder, &byte, 1, MSG_NOSIGNAL);
}
