#pragma once

/*
 * What berth and a session of its companion say to each other, over the
 * standard input and output of an exec. Both sides are built from this file and
 * wire.c; libc is all they need.
 *
 * Everything is a frame: 8 bytes (type, a zero, the length of the payload in 2,
 * the channel in 4, in network order) and its payload. Channel 0 is the session
 * itself, other channels are streams of bytes in both directions: even ones are
 * opened by the companion, odd ones by berth, each with a higher number than
 * the one before. What comes for a channel that has ended is dropped, for the
 * other side may not know yet; what comes for one that never was is an error,
 * as is all else that this file does not allow. Then the session ends.
 *
 * Each side may send WIRE_CREDIT bytes of data on a channel, and more as the
 * other gives credit back. So whoever reads frames can always hold what comes,
 * and a channel that nobody reads stops none of the others.
 *
 * A relay of datagrams (UDP) speaks in frames of the same form. Its channels
 * are flows, which berth opens, with odd numbers; each leads to one port. A
 * datagram is one frame, and there is no credit: who has no room for one drops
 * it, as networks do. A flow is closed by either side, and what comes for one
 * that has ended is answered with its end once more.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_VERSION = 2,
    WIRE_HEADER = 8,
    WIRE_PAYLOAD = 32 * 1024,   /* of one frame, at most */
    WIRE_CREDIT = 256 * 1024,   /* of a channel, one way */
    WIRE_GIVE_BACK = 64 * 1024, /* so much at least is given back at once */
    WIRE_CHANNELS = 128,        /* at a time, of each side's */
    WIRE_SOCKETS = 128,         /* that the companion listens on */
    WIRE_NONCE = 32,            /* bytes of text */
    WIRE_DATAGRAM_MOST = 65507, /* bytes: an IPv4 packet's, less its heads */
    WIRE_FLOWS = 1024,          /* of one relay, at a time */
    WIRE_SILENCE_S = 120,       /* a relay that hears nothing ends */
};

enum wire_type {
    WIRE_HELLO = 1, /* the session's first: its version, and the nonce it was
                       started with; nothing goes the other way before */
    WIRE_OPEN,      /* a channel begins: its kind in one byte, and see there */
    WIRE_DATA,
    WIRE_MORE,  /* credit, in 4 bytes */
    WIRE_EOF,   /* this side sends nothing more on the channel */
    WIRE_CLOSE, /* nor does it take anything; what it sent before counts. The
                   channel has ended */
    WIRE_BEAT,  /* berth lives; of the session itself */
    WIRE_BYE,   /* the session's last: a newer one has come */
    /* of relays, which know HELLO, CLOSE and BEAT besides */
    WIRE_FLOW,     /* a flow begins: an IPv4 address in 4 bytes, which has to be
                      one of the relay's own network, and a port in 2 */
    WIRE_DATAGRAM, /* may be empty */
};

/* What a channel is for. */
enum wire_kind {
    WIRE_SOCKET = 1, /* a connection to one of the sockets; its number in 2
                        bytes follows */
};

struct wire_frame {
    enum wire_type type;
    uint32_t channel;
    const unsigned char *payload; /* points into what was read */
    size_t length;
};

enum wire_result {
    WIRE_PART,   /* the beginning of a frame: more has to come */
    WIRE_WHOLE,  /* FRAME is filled, and *USED bytes are it */
    WIRE_BROKEN, /* no frame begins so */
};

/* Read the frame that BYTES begin with. */
enum wire_result wire_read(const unsigned char *bytes, size_t have,
                           struct wire_frame *frame, size_t *used);

/* The same, of those that a relay and berth exchange. */
enum wire_result wire_read_relayed(const unsigned char *bytes, size_t have,
                                   struct wire_frame *frame, size_t *used);

/* Write the head of a frame of TYPE with LENGTH bytes of payload. */
void wire_put_head(unsigned char to[WIRE_HEADER], enum wire_type type,
                   uint32_t channel, size_t length);

uint32_t wire_get(const unsigned char *bytes, size_t size);
void wire_put(unsigned char *bytes, size_t size, uint32_t value);

/* ---- one side's account of a channel ---- */

struct wire_account {
    uint32_t may_send; /* bytes that the other side still takes */
    uint32_t may_come; /* bytes that it may still send */
    uint32_t owed;     /* taken, and not given back yet */
    bool eof_sent, eof_came;
};

void wire_account_open(struct wire_account *account);

/* A frame of type DATA, MORE or EOF has come for the channel: false when it
 * must not, and the session is to end. */
bool wire_account_take(struct wire_account *account,
                       const struct wire_frame *frame);

/* LENGTH bytes that came are consumed: how much is to be given back now, or 0.
 */
uint32_t wire_account_consumed(struct wire_account *account, size_t length);

/* ---- the numbers of channels that one side opens ---- */

/* May a channel with this NUMBER be opened behind LAST (0: the first) by
 * berth, or else by the companion? */
bool wire_may_open(uint32_t last, uint32_t number, bool by_berth);
