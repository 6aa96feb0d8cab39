#pragma once

/*
 * Most bytes of JSON strings stand for themselves, so that reading and writing
 * them is mostly a search for one that does not.
 */

#include "policy/base/str.h"

/*
 * How many bytes at the front of TEXT stand for themselves in a JSON string:
 * ASCII, but no control byte, quote or backslash.
 */
static inline size_t json_plain_length(struct str text)
{
    const uint64_t ones = UINT64_MAX / 0xff, highs = ones * 0x80;
    size_t i = 0;

    /* eight at a time: of those that do not, some high bit gets set, and never
     * of eight that do */
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;

        memcpy(&word, text.ptr + i, 8);
        if ((word | (word - ones * 0x20) | ((word ^ ones * '"') - ones) |
             ((word ^ ones * '\\') - ones)) &
            highs)
            break;
    }
    for (; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return i;
}
