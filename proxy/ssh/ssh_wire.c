#include "proxy/ssh/ssh_wire.h"

#include <errno.h>

int ssh_wire_add_u32(struct strbuf *out, uint32_t value)
{
    char bytes[] = {(char)(value >> 24), (char)(value >> 16),
                    (char)(value >> 8), (char)value};

    return strbuf_add(out, str_of(bytes, sizeof(bytes)));
}

int ssh_wire_add_string(struct strbuf *out, struct str s)
{
    if (s.len > UINT32_MAX - 4 || !strbuf_reserve(out, s.len + 4))
        return -ENOBUFS;
    ssh_wire_add_u32(out, (uint32_t)s.len);
    return strbuf_add(out, s);
}

void ssh_wire_add_words(struct strbuf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '\n' || c == '\t')
            c = ' ';
        if (c < ' ' || c > '~')
            c = '?';
        if (strbuf_add_char(out, c) < 0)
            return;
    }
}

int ssh_wire_u8(struct str *in, uint8_t *value)
{
    if (in->len < 1)
        return -EINVAL;
    *value = (uint8_t)*in->ptr;
    *in = str_from_index(*in, 1);
    return 0;
}

int ssh_wire_u32(struct str *in, uint32_t *value)
{
    const unsigned char *at = (const unsigned char *)in->ptr;

    if (in->len < 4)
        return -EINVAL;
    *value = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
             (uint32_t)at[2] << 8 | at[3];
    *in = str_from_index(*in, 4);
    return 0;
}

int ssh_wire_string(struct str *in, struct str *s)
{
    struct str rest = *in;
    uint32_t len;

    if (ssh_wire_u32(&rest, &len) < 0 || rest.len < len)
        return -EINVAL;
    *s = str_head(rest, len);
    *in = str_from_index(rest, len);
    return 0;
}
