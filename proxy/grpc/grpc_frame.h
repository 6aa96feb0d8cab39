#pragma once

/*
 * Messages in the data of a gRPC stream: a byte that says whether it is
 * compressed, four of length (big-endian), the message. They need not end where
 * DATA frames do.
 */

#include "policy/base/str.h"

#define GRPC_FRAME_HEAD 5

struct grpc_reader {
    unsigned char head[GRPC_FRAME_HEAD];
    size_t head_len;
    size_t left; /* of the message, once its head is read */
    struct strbuf message;
};

enum grpc_read {
    GRPC_READ_MORE,       /* all was taken; there is more to come */
    GRPC_READ_MESSAGE,    /* reader->message is whole */
    GRPC_READ_COMPRESSED, /* it is, and nobody agreed to that */
    GRPC_READ_TOO_LARGE,  /* it is to be longer than MOST */
};

/* Take of BYTES what belongs to the message that comes; *USED bytes. */
enum grpc_read grpc_reader_next(struct grpc_reader *reader, size_t most,
                                struct str bytes, size_t *used);
/* The message was used: on to the next one. */
void grpc_reader_clear(struct grpc_reader *reader);
/* Is it between two messages? */
bool grpc_reader_is_empty(const struct grpc_reader *reader);
void grpc_reader_fini(struct grpc_reader *reader);

/* The head of a message of LEN bytes, into HEAD. */
void grpc_frame_head(unsigned char head[GRPC_FRAME_HEAD], size_t len);

/*
 * moby.buildkit.v1.BytesMessage and its likes: one field 1 of bytes, or none.
 * False when MESSAGE is anything else.
 */
bool grpc_bytes_read(struct str message, struct str *data);
/* The head of such a message with LEN bytes of data, which follow. Returns its
 * length, of at most GRPC_BYTES_HEAD. */
#define GRPC_BYTES_HEAD 6
size_t grpc_bytes_head(unsigned char head[GRPC_BYTES_HEAD], size_t len);
