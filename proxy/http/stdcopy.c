#include "proxy/http/stdcopy.h"

#include <errno.h>

enum {
    FRAME_ERROR = 3, /* stdin, stdout and stderr are 0, 1 and 2 */
};

static void end_header(struct stdcopy *f)
{
    const unsigned char *h = f->header;

    f->have = 0;
    f->lost = h[0] > FRAME_ERROR || h[1] || h[2] || h[3];
    f->left = (uint64_t)h[4] << 24 | (uint64_t)h[5] << 16 |
              (uint64_t)h[6] << 8 | h[7];
}

void stdcopy_follow(struct stdcopy *f, struct str bytes)
{
    while (bytes.len && !f->lost) {
        size_t take;

        if (f->left) {
            take = f->left < bytes.len ? (size_t)f->left : bytes.len;
            f->left -= take;
        } else {
            take = str_head(bytes, sizeof(f->header) - f->have).len;
            memcpy(f->header + f->have, bytes.ptr, take);
            f->have += take;
            if (f->have == sizeof(f->header))
                end_header(f);
        }
        bytes = str_from_index(bytes, take);
    }
}

bool stdcopy_at_boundary(const struct stdcopy *f)
{
    return !f->lost && f->have == 0 && f->left == 0;
}

int stdcopy_put_error(struct strbuf *out, struct str text)
{
    const unsigned char header[8] = {
        [0] = FRAME_ERROR,
        [4] = (unsigned char)(text.len >> 24),
        [5] = (unsigned char)(text.len >> 16),
        [6] = (unsigned char)(text.len >> 8),
        [7] = (unsigned char)text.len,
    };
    char *to = strbuf_reserve(out, sizeof(header) + text.len);

    if (!to)
        return -ENOBUFS;
    memcpy(to, header, sizeof(header));
    if (text.len)
        memcpy(to + sizeof(header), text.ptr, text.len);
    strbuf_commit(out, sizeof(header) + text.len);
    return 0;
}
