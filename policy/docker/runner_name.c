#include "policy/docker/runner_name.h"

#include <errno.h>

#include "policy/base/sha256.h"
#include "policy/docker/own_tag.h"

/* What a folded name ends in: a mark, and bits of the hash. */
#define MARK "-z"
enum {
    DIGITS = 12, /* of 5 bits each */
    TAIL = sizeof(MARK) - 1 + DIGITS,
    TEXT_MAX = LIMIT_NAMESPACE - TAIL,
};

/* Without i, l, o and u, so that hardly a word ends like a folded name. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool runner_name_is_namespace(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool dash = text.ptr[i] == '-' && i > 0 && i + 1 < text.len &&
                    text.ptr[i + 1] != '-';

        if (!is_lower_or_digit(text.ptr[i]) && !dash)
            return false;
    }
    return text.len > 0 && text.len <= LIMIT_NAMESPACE &&
           !own_tag_namespace_is_reserved(text);
}

static bool ends_like_folded(struct str name)
{
    struct str tail;

    if (name.len <= TAIL)
        return false;
    tail = str_from_index(name, name.len - TAIL);
    for (size_t i = sizeof(MARK) - 1; i < tail.len; i++) {
        if (str_find(str_of(alphabet, sizeof(alphabet) - 1), tail.ptr[i]) < 0)
            return false;
    }
    return str_has_prefix(tail, S(MARK));
}

bool runner_name_is_plain(struct str name)
{
    return runner_name_is_namespace(name) && !ends_like_folded(name);
}

/* What can be read of NAME; at least a letter. */
static int put_text(struct strbuf *out, struct str name)
{
    char text[TEXT_MAX];
    size_t len = 0;

    for (size_t i = 0; i < name.len && len < TEXT_MAX; i++) {
        char c = name.ptr[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (is_lower_or_digit(c))
            text[len++] = c;
        else if (len > 0 && text[len - 1] != '-')
            text[len++] = '-';
    }
    if (len > 0 && text[len - 1] == '-')
        len--;
    return len > 0 ? strbuf_add(out, str_of(text, len))
                   : strbuf_add(out, S("runner"));
}

int runner_name_fold(struct strbuf *out, struct str name)
{
    unsigned char digest[SHA256_BYTES];
    size_t before = out->len;
    uint64_t bits = 0;
    int r;

    if (runner_name_is_plain(name))
        return strbuf_add(out, name);
    sha256(name, digest);
    for (size_t i = 0; i < sizeof(bits); i++)
        bits = bits << 8 | digest[i];
    r = put_text(out, name);
    if (r == 0)
        r = strbuf_add(out, S(MARK));
    for (size_t i = 0; r == 0 && i < DIGITS; i++, bits <<= 5)
        r = strbuf_add_char(out, alphabet[bits >> 59]);
    if (r < 0)
        out->len = before;
    return r;
}

int runner_name_put_meant(struct strbuf *out, struct str name)
{
    return runner_name_is_namespace(name) ? strbuf_add(out, name)
                                          : runner_name_fold(out, name);
}
