#include "proxy/base/base64.h"

#include <errno.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
enum { PAD = 64 }; /* the last of them */

int base64_encode(struct str bytes, struct strbuf *out)
{
    size_t len = (bytes.len + 2) / 3 * 4;
    char *to = strbuf_reserve(out, len);

    if (!to)
        return -ENOBUFS;
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 |
                   (i + j < bytes.len ? (unsigned char)bytes.ptr[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            *to++ =
                alphabet[i + j > bytes.len ? PAD : bits >> (18 - 6 * j) & 63];
    }
    strbuf_commit(out, len);
    return 0;
}

static int value_of(char c)
{
    const char *at = memchr(alphabet, c, PAD);

    return at ? (int)(at - alphabet) : -1;
}

int base64_decode(struct str text, struct strbuf *out)
{
    size_t rest, before = out->len;
    uint32_t bits = 0;

    if (text.len % 4 == 0)
        for (int i = 0; i < 2 && str_has_suffix(text, S("=")); i++)
            text.len--;
    rest = text.len % 4;
    if (rest == 1)
        return -EINVAL;
    if (!strbuf_reserve(out, text.len / 4 * 3 + 3))
        return -ENOBUFS;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(text.ptr[i]);

        if (value < 0) {
            out->len = before;
            return -EINVAL;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            for (int j = 2; j >= 0; j--)
                out->ptr[out->len++] = (char)(bits >> (8 * j));
            bits = 0;
        }
    }
    bits <<= rest ? 6 * (4 - rest) : 0;
    for (size_t j = 2; rest && j > 3 - rest; j--)
        out->ptr[out->len++] = (char)(bits >> (8 * j));
    if (rest && (bits & (rest == 2 ? 0xffff : 0xff)) != 0) {
        out->len = before;
        return -EINVAL;
    }
    return 0;
}
