#pragma once

/*
 * The inside of a session, shared by session.c (the loop, and what comes from
 * berth and from the first process), channel.c and to_berth.c, which call each
 * other in this order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/companion/companion.h"
#include "proxy/companion/wire.h"

enum {
    SESSION_FRAME = WIRE_HEADER + WIRE_PAYLOAD,
    SESSION_OUT = 4 * SESSION_FRAME,
};

struct channel {
    int fd; /* -1: this one is free */
    uint32_t number;
    struct wire_account account;
    /* what is not written yet: LENGTH bytes from HEAD on, of a ring */
    unsigned char *held;
    size_t head, length;
    uint32_t back; /* credit that is to be given back */
    bool opens;    /* berth has not been told of it */
    uint32_t name; /* of the socket that it came to */
    bool shut;     /* the connection is told of EOF */
    bool ends;     /* berth has closed it: what is held goes out yet */
    bool hung_up;  /* the connection, on both sides */
    short revents;
};

struct session {
    int in, out, holder;
    const char *why; /* it is over */
    int code;
    unsigned char input[SESSION_FRAME];
    size_t input_length;
    unsigned char output[SESSION_OUT];
    size_t output_head, output_length;
    struct channel channels[WIRE_CHANNELS];
    uint32_t last_opened, last_of_berth;
};

/* ---- to_berth.c ---- */

/* It is over, for the reason WHY: a constant, "" for none worth a line. The
 * first one counts. */
void session_end(struct session *session, int code, const char *why);

/* How many bytes may be added. */
size_t to_berth_room(const struct session *session);
/* Where these go, in one piece; then output_length grows. */
unsigned char *to_berth_end(struct session *session);
/* Add a frame. False: there is no room now. */
bool to_berth_put(struct session *session, enum wire_type type,
                  uint32_t channel, const void *payload, size_t length);
/* Send what berth takes now. */
void to_berth_write(struct session *session);

/* If that has gone, the next read of it says why. */
void session_tell_holder(struct session *session,
                         enum companion_message message);

/* ---- channel.c ---- */

/* The channel of NUMBER, or NULL. */
struct channel *channel_find(struct session *session, uint32_t number);
/* One for the connection FD to the socket NAME. */
void channel_open(struct session *session, int fd, uint32_t name);
/* The connection takes nothing any more; nor is it read. */
void channel_close(struct session *session, struct channel *channel);
/* Do what can be done for the connection now. */
void channel_settle(struct session *session, struct channel *channel);
/* How many bytes may be read of it now. */
size_t channel_readable(const struct session *session,
                        const struct channel *channel);
void channel_read(struct session *session, struct channel *channel);
/* Berth's FRAME of data for it. */
void channel_take_data(struct session *session, struct channel *channel,
                       const struct wire_frame *frame);
/* Tell berth what it has to know of it, if there is room. */
void channel_tell(struct session *session, struct channel *channel);
