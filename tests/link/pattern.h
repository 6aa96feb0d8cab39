#pragma once

/*
 * A stream of bytes that anyone can make and check from a seed and a position,
 * so that both ends compare content without sending it twice.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t pattern_word(uint64_t seed, uint64_t index)
{
    uint64_t x = (seed << 32) + index * 0x9e3779b97f4a7c15U;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* The LEN bytes from position AT on. */
static inline void pattern_fill(uint64_t seed, uint64_t at, char *to,
                                size_t len)
{
    while (len) {
        uint64_t word = pattern_word(seed, at / 8);
        size_t skip = at % 8, n = 8 - skip < len ? 8 - skip : len;

        memcpy(to, (char *)&word + skip, n);
        to += n;
        at += n;
        len -= n;
    }
}

static inline bool pattern_is(uint64_t seed, uint64_t at, const char *bytes,
                              size_t len)
{
    char want[4096];

    while (len) {
        size_t n = len < sizeof(want) ? len : sizeof(want);

        pattern_fill(seed, at, want, n);
        if (memcmp(want, bytes, n) != 0)
            return false;
        bytes += n;
        at += n;
        len -= n;
    }
    return true;
}
