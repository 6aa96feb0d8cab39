#pragma once

/*
 * Text as berth handles it: slices that own nothing, and a growing buffer that
 * cannot be made without a maximum. Neither needs a NUL at its end, and both
 * may hold any byte.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define AUTO(fini) __attribute__((cleanup(fini)))

/* A slice: LEN bytes that belong to somebody else. */
struct str {
    const char *ptr;
    size_t len;
};

/* A slice of a string literal, also usable in a static initialiser. */
#define STR(literal)                                                           \
    {                                                                          \
        "" literal "", sizeof(literal) - 1                                     \
    }
#define S(literal) ((struct str)STR(literal))

/* For printf's "%.*s". */
#define STR_FMT(s) (int)(s).len, (s).ptr

static inline struct str str_of(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

/* A slice of the NUL-terminated TEXT; NULL gives the empty slice. */
struct str str_from(const char *text);

bool str_eq(struct str a, struct str b);
/* The same, with ASCII letters of either case alike (RFC 9110, 5.1). */
bool str_eq_nocase(struct str a, struct str b);
bool str_has_prefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);

/* The position of C in S, or -1. */
ssize_t str_find(struct str s, char c);

/* The part of S from START on; empty when START is past the end. */
struct str str_from_index(struct str s, size_t start);
/* The first LEN bytes of S, or all of it. */
struct str str_head(struct str s, size_t len);
/* S without spaces and tabs at either end (RFC 9110's OWS). */
struct str str_trim(struct str s);

/*
 * Cut S at the first C: *HEAD is what is before, *TAIL what is after.
 * Returns false, with *HEAD = S and *TAIL empty, when there is no C.
 */
bool str_cut(struct str s, char c, struct str *head, struct str *tail);

/* Is S well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong)? */
bool str_is_utf8(struct str s);

/* Is every byte of it ASCII? */
bool str_is_ascii(struct str s);

/*
 * Read S as a decimal number: digits only, at least one.
 * Returns 0 and fills *OUT; -EINVAL for other text, -ERANGE when it does not
 * fit.
 */
int str_to_u64(struct str s, uint64_t *out);

/* The same of up to 16 hexadecimal digits, in either case. */
int str_to_hex64(struct str s, uint64_t *out);

/* What the hexadecimal digit C, of either case, stands for; or -1. */
int hex_digit(char c);

/* Small fixed allocations: they end the program when memory is out. */
void *xcalloc(size_t count, size_t size);
char *xstrdup(const char *text);
/* A NUL-terminated copy of S, owned by the caller. */
char *xstr_dup(struct str s);

/*
 * A buffer that grows up to MAX bytes and then says so. What a peer can make
 * grow lives in one of these. A strbuf is zero-initialised with its MAX:
 *
 *     AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_HEAD);
 */
struct strbuf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;
};

#define STRBUF(maximum)                                                        \
    {                                                                          \
        .max = (maximum)                                                       \
    }

static inline struct str strbuf_str(const struct strbuf *buf)
{
    return (struct str){buf->ptr, buf->len};
}

void strbuf_fini(struct strbuf *buf);

/*
 * Append. Return 0, or -ENOBUFS when the result would be longer than MAX: the
 * buffer then is as it was.
 */
int strbuf_add(struct strbuf *buf, struct str s);
static inline int strbuf_add_char(struct strbuf *buf, char c)
{
    if (buf->len == buf->cap || buf->len >= buf->max)
        return strbuf_add(buf, str_of(&c, 1));
    buf->ptr[buf->len++] = c;
    return 0;
}
int strbuf_addf(struct strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int strbuf_addv(struct strbuf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/*
 * Append what somebody else said, for a terminal to show: control characters,
 * of ASCII and those that UTF-8 writes C2 80 to C2 9F, become "\x1b". Over MAX
 * it is -ENOBUFS, and as much as fits.
 */
int strbuf_add_visible(struct strbuf *buf, struct str s);

/* Room for LEN more bytes behind the end, or NULL over MAX; then commit. */
char *strbuf_reserve(struct strbuf *buf, size_t len);
void strbuf_commit(struct strbuf *buf, size_t len);

/* Drop LEN bytes from the front; an empty buffer gives its memory back. */
void strbuf_consume(struct strbuf *buf, size_t len);
/* Forget the content, keep the memory. */
void strbuf_clear(struct strbuf *buf);

/* The content as a NUL-terminated string, still owned by BUF; or NULL when a
 * NUL would not fit below MAX. */
const char *strbuf_cstr(struct strbuf *buf);
