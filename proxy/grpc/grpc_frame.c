#include "proxy/grpc/grpc_frame.h"

#define TAG_BYTES 0x0a /* field 1, length-delimited */

enum grpc_read grpc_reader_next(struct grpc_reader *reader, size_t most,
                                struct str bytes, size_t *used)
{
    struct str in = bytes, part;

    *used = 0;
    while (reader->head_len < GRPC_FRAME_HEAD) {
        if (in.len == 0) {
            *used = bytes.len;
            return GRPC_READ_MORE;
        }
        reader->head[reader->head_len++] = (unsigned char)in.ptr[0];
        in = str_from_index(in, 1);
        if (reader->head_len < GRPC_FRAME_HEAD)
            continue;
        if (reader->head[0])
            return GRPC_READ_COMPRESSED;
        reader->left = (size_t)reader->head[1] << 24 |
                       (size_t)reader->head[2] << 16 |
                       (size_t)reader->head[3] << 8 | reader->head[4];
        if (reader->left > most)
            return GRPC_READ_TOO_LARGE;
        reader->message.max = most;
    }
    part = str_head(in, reader->left);
    strbuf_add(&reader->message, part); /* LEFT is within its maximum */
    reader->left -= part.len;
    *used = bytes.len - in.len + part.len;
    return reader->left ? GRPC_READ_MORE : GRPC_READ_MESSAGE;
}

void grpc_reader_clear(struct grpc_reader *reader)
{
    strbuf_fini(&reader->message);
    reader->head_len = 0;
    reader->left = 0;
}

bool grpc_reader_is_empty(const struct grpc_reader *reader)
{
    return reader->head_len == 0;
}

void grpc_reader_fini(struct grpc_reader *reader)
{
    strbuf_fini(&reader->message);
}

void grpc_frame_head(unsigned char head[GRPC_FRAME_HEAD], size_t len)
{
    head[0] = 0;
    head[1] = (unsigned char)(len >> 24);
    head[2] = (unsigned char)(len >> 16);
    head[3] = (unsigned char)(len >> 8);
    head[4] = (unsigned char)len;
}

bool grpc_bytes_read(struct str message, struct str *data)
{
    size_t len = 0, at = 1;
    unsigned shift = 0;

    *data = S("");
    if (message.len == 0)
        return true;
    if (message.ptr[0] != TAG_BYTES)
        return false;
    for (;; shift += 7) {
        unsigned char c;

        if (at == message.len || shift > 28)
            return false;
        c = (unsigned char)message.ptr[at++];
        len |= (size_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            break;
    }
    *data = str_from_index(message, at);
    return data->len == len;
}

size_t grpc_bytes_head(unsigned char head[GRPC_BYTES_HEAD], size_t len)
{
    size_t at = 0;

    head[at++] = TAG_BYTES;
    for (; len >= 0x80; len >>= 7)
        head[at++] = (unsigned char)(len | 0x80);
    head[at++] = (unsigned char)len;
    return at;
}
