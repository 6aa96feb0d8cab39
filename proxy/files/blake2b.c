#include "proxy/files/blake2b.h"

#include <string.h>

static const uint64_t start[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
    0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
    0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* RFC 7693, 2.7; rounds 10 and 11 are 0 and 1 again */
static const unsigned char order[10][16] = {
    {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15},
    {14, 10, 4,  8,  9,  15, 13, 6,  1,  12, 0,  2,  11, 7,  5,  3 },
    {11, 8,  12, 0,  5,  2,  15, 13, 10, 14, 3,  6,  7,  1,  9,  4 },
    {7,  9,  3,  1,  13, 12, 11, 14, 2,  6,  5,  10, 4,  0,  15, 8 },
    {9,  0,  5,  7,  2,  4,  10, 15, 14, 1,  11, 12, 6,  8,  3,  13},
    {2,  12, 6,  10, 0,  11, 8,  3,  4,  13, 7,  5,  15, 14, 1,  9 },
    {12, 5,  1,  15, 14, 13, 4,  10, 0,  7,  6,  3,  9,  2,  8,  11},
    {13, 11, 7,  14, 12, 1,  3,  9,  5,  0,  15, 4,  8,  6,  2,  10},
    {6,  15, 14, 9,  11, 3,  0,  8,  12, 2,  13, 7,  1,  4,  10, 5 },
    {10, 2,  8,  4,  7,  6,  1,  5,  15, 11, 9,  14, 3,  12, 13, 0 },
};

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x >> n | x << (64 - n);
}

static uint64_t read_word(const unsigned char *at)
{
    uint64_t word = 0;

    for (int i = 7; i >= 0; i--)
        word = word << 8 | at[i];
    return word;
}

static inline void mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d,
                       uint64_t x, uint64_t y)
{
    *a += *b + x;
    *d = rotate(*d ^ *a, 32);
    *c += *d;
    *b = rotate(*b ^ *c, 24);
    *a += *b + y;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 63);
}

static void compress(struct blake2b *hash, const unsigned char *block,
                     bool last)
{
    uint64_t v[16];
    uint64_t m[16];

    for (unsigned i = 0; i < 8; i++) {
        v[i] = hash->h[i];
        v[i + 8] = start[i];
    }
    v[12] ^= hash->total; /* below 2^64, so the upper half is 0 */
    if (last)
        v[14] = ~v[14];
    for (unsigned i = 0; i < 16; i++)
        m[i] = read_word(block + 8 * i);
    for (unsigned round = 0; round < 12; round++) {
        const unsigned char *s = order[round % 10];

        mix(v + 0, v + 4, v + 8, v + 12, m[s[0]], m[s[1]]);
        mix(v + 1, v + 5, v + 9, v + 13, m[s[2]], m[s[3]]);
        mix(v + 2, v + 6, v + 10, v + 14, m[s[4]], m[s[5]]);
        mix(v + 3, v + 7, v + 11, v + 15, m[s[6]], m[s[7]]);
        mix(v + 0, v + 5, v + 10, v + 15, m[s[8]], m[s[9]]);
        mix(v + 1, v + 6, v + 11, v + 12, m[s[10]], m[s[11]]);
        mix(v + 2, v + 7, v + 8, v + 13, m[s[12]], m[s[13]]);
        mix(v + 3, v + 4, v + 9, v + 14, m[s[14]], m[s[15]]);
    }
    for (unsigned i = 0; i < 8; i++)
        hash->h[i] ^= v[i] ^ v[i + 8];
}

void blake2b_init(struct blake2b *hash)
{
    *hash = (struct blake2b){.held = 0};
    memcpy(hash->h, start, sizeof(start));
    hash->h[0] ^= 0x01010000 ^ BLAKE2B_BYTES;
}

void blake2b_add(struct blake2b *hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len) {
        size_t part;

        /* the last block is marked, so a full one waits for what follows */
        if (hash->held == BLAKE2B_BLOCK) {
            hash->total += BLAKE2B_BLOCK;
            compress(hash, hash->block, false);
            hash->held = 0;
        }
        part = BLAKE2B_BLOCK - hash->held;
        if (part > len)
            part = len;
        memcpy(hash->block + hash->held, at, part);
        hash->held += part;
        at += part;
        len -= part;
    }
}

void blake2b_end(struct blake2b *hash, unsigned char out[BLAKE2B_BYTES])
{
    memset(hash->block + hash->held, 0, BLAKE2B_BLOCK - hash->held);
    hash->total += hash->held;
    compress(hash, hash->block, true);
    for (unsigned i = 0; i < BLAKE2B_BYTES; i++)
        out[i] = (unsigned char)(hash->h[i / 8] >> (8 * (i % 8)));
}
