#pragma once

/*
 * Most bytes of JSON strings stand for themselves, so that reading and writing
 * them is mostly a search for one that does not.
 */

#include "policy/base/str.h"

/* Of eight bytes, some high bit is set if one of them does not; the lowest such
 * bit is that of the first. (A borrow may set others behind it.) */
static inline uint64_t json_marks(const char *eight)
{
    const uint64_t ones = UINT64_MAX / 0xff, highs = ones * 0x80;
    uint64_t word;

    memcpy(&word, eight, 8);
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
        word = __builtin_bswap64(word);
    return (word | (word - ones * 0x20) | ((word ^ ones * '"') - ones) |
            ((word ^ ones * '\\') - ones)) &
           highs;
}

static inline size_t json_first_mark(uint64_t marks)
{
    return (size_t)__builtin_ctzll(marks) / 8;
}

/*
 * How many bytes at the front of TEXT stand for themselves in a JSON string:
 * ASCII, but no control byte, quote or backslash.
 */
static inline size_t json_plain_length(struct str text)
{
    size_t i = 0;

    for (; i + 8 <= text.len; i += 8) {
        uint64_t marks = json_marks(text.ptr + i);

        if (marks)
            return i + json_first_mark(marks);
    }
    /* the last eight once more, of which the first were looked at */
    if (i < text.len && text.len >= 8) {
        uint64_t marks = json_marks(text.ptr + text.len - 8);

        return marks ? text.len - 8 + json_first_mark(marks) : text.len;
    }
    for (; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return i;
}
