#include "policy/base/str.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct str str_from(const char *text)
{
    return text ? str_of(text, strlen(text)) : S("");
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_head(s, prefix.len), prefix);
}

bool str_has_suffix(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           str_eq(str_from_index(s, s.len - suffix.len), suffix);
}

ssize_t str_find(struct str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

    return at ? at - s.ptr : -1;
}

struct str str_from_index(struct str s, size_t start)
{
    return start >= s.len ? S("") : str_of(s.ptr + start, s.len - start);
}

struct str str_head(struct str s, size_t len)
{
    return str_of(s.ptr, len < s.len ? len : s.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = str_from_index(s, 1);
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_cut(struct str s, char c, struct str *head, struct str *tail)
{
    ssize_t at = str_find(s, c);

    *head = at < 0 ? s : str_head(s, (size_t)at);
    *tail = at < 0 ? S("") : str_from_index(s, (size_t)at + 1);
    return at >= 0;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *at = (const unsigned char *)s.ptr;
    const unsigned char *end = s.len ? at + s.len : at; /* NULL: empty */

    while (at < end) {
        unsigned char first = *at++;
        /* the range of the second byte is what keeps RFC 3629 strict */
        unsigned char low = 0x80, high = 0xbf;
        int more;

        if (first < 0x80)
            continue;
        if (first < 0xc2 || first > 0xf4)
            return false;
        more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if (first == 0xe0)
            low = 0xa0;
        else if (first == 0xed)
            high = 0x9f;
        else if (first == 0xf0)
            low = 0x90;
        else if (first == 0xf4)
            high = 0x8f;
        for (; more; more--, low = 0x80, high = 0xbf) {
            if (at == end || *at < low || *at > high)
                return false;
            at++;
        }
    }
    return true;
}

bool str_is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    }
    return true;
}

int str_to_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return -ERANGE;
    }
    *out = value;
    return 0;
}

static void *or_die(void *memory)
{
    if (!memory) {
        fputs("berth: out of memory\n", stderr);
        abort();
    }
    return memory;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int str_to_hex64(struct str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return -EINVAL;
    if (s.len > 16)
        return -ERANGE;
    for (size_t i = 0; i < s.len; i++) {
        int digit = hex_digit(s.ptr[i]);

        if (digit < 0)
            return -EINVAL;
        value = value << 4 | (unsigned)digit;
    }
    *out = value;
    return 0;
}

void *xcalloc(size_t count, size_t size)
{
    return or_die(calloc(count, size));
}

char *xstrdup(const char *text)
{
    return or_die(strdup(text));
}

char *xstr_dup(struct str s)
{
    char *copy = xcalloc(1, s.len + 1);

    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

void strbuf_fini(struct strbuf *buf)
{
    free(buf->ptr);
    *buf = (struct strbuf)STRBUF(buf->max);
}

char *strbuf_reserve(struct strbuf *buf, size_t len)
{
    size_t need, cap;

    if (__builtin_add_overflow(buf->len, len, &need) || need > buf->max)
        return NULL;
    if (need > buf->cap || !buf->ptr) {
        cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap *= 2;
        buf->ptr = or_die(realloc(buf->ptr, cap));
        buf->cap = cap;
    }
    return buf->ptr + buf->len;
}

void strbuf_commit(struct strbuf *buf, size_t len)
{
    assert(len <= buf->cap - buf->len);
    buf->len += len;
}

int strbuf_add(struct strbuf *buf, struct str s)
{
    char *to = strbuf_reserve(buf, s.len);

    if (!to)
        return -ENOBUFS;
    if (s.len)
        memcpy(to, s.ptr, s.len);
    buf->len += s.len;
    return 0;
}

int strbuf_addv(struct strbuf *buf, const char *format, va_list args)
{
    size_t room = buf->cap - buf->len;
    va_list again;
    char *to;
    int len;

    va_copy(again, args);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was copied
    len = vsnprintf(room ? buf->ptr + buf->len : NULL, room, format, again);
    va_end(again);
    assert(len >= 0);
    if ((size_t)len < room && buf->len + (size_t)len <= buf->max) {
        buf->len += (size_t)len;
        return 0;
    }
    /* vsnprintf wants a byte for its NUL, which then is cut off again; it is
     * allowed one byte over MAX rather than making every caller add one */
    buf->max++;
    to = strbuf_reserve(buf, (size_t)len + 1);
    buf->max--;
    if (!to)
        return -ENOBUFS;
    vsnprintf(to, (size_t)len + 1, format, args);
    buf->len += (size_t)len;
    return 0;
}

int strbuf_addf(struct strbuf *buf, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = strbuf_addv(buf, format, args);
    va_end(args);
    return r;
}

/* U+2028 to U+202E and U+2066 to U+2069 in UTF-8: they end lines, or turn the
 * text that follows round, in terminals and editors; U+200E and U+200F, too,
 * and U+061C. Returns how many bytes such a character has at the start of S, or
 * 0. */
static size_t misleads(struct str s)
{
    const unsigned char *at = (const unsigned char *)s.ptr;

    if (s.len >= 2 && at[0] == 0xd8 && at[1] == 0x9c)
        return 2;
    if (s.len < 3 || at[0] != 0xe2)
        return 0;
    if (at[1] == 0x80 &&
        (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae)))
        return 3;
    return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9 ? 3 : 0;
}

int strbuf_add_visible(struct strbuf *buf, struct str s)
{
    int r = 0;

    for (size_t i = 0; i < s.len && r == 0; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool c1 =
            c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0;
        size_t hidden = misleads(str_from_index(s, i));

        for (size_t end = i + hidden; hidden && i < end && r == 0; i++)
            r = strbuf_addf(buf, "\\x%02x", (unsigned char)s.ptr[i]);
        if (hidden) {
            i--;
            continue;
        }
        if (c < ' ' || c == 0x7f || c1)
            r = strbuf_addf(buf, "\\x%02x", c1 ? (unsigned char)s.ptr[++i] : c);
        else
            r = strbuf_add_char(buf, (char)c);
    }
    return r;
}

void strbuf_consume(struct strbuf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (buf->len == 0)
        strbuf_fini(buf);
    else if (len)
        memmove(buf->ptr, buf->ptr + len, buf->len);
}

void strbuf_clear(struct strbuf *buf)
{
    buf->len = 0;
}

const char *strbuf_cstr(struct strbuf *buf)
{
    char *end;

    buf->max++;
    end = strbuf_reserve(buf, 1);
    buf->max--;
    if (!end)
        return NULL;
    *end = '\0';
    return buf->ptr;
}
