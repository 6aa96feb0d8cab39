#pragma once

/*
 * BLAKE2b (RFC 7693) with 32 bytes of output and no key: what the content of
 * files is compared by, where there is no libcrypto.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLAKE2B_BYTES = 32, BLAKE2B_BLOCK = 128 };

struct blake2b {
    uint64_t h[8];
    uint64_t total; /* bytes that were compressed */
    size_t held;
    unsigned char block[BLAKE2B_BLOCK];
};

void blake2b_init(struct blake2b *hash);
void blake2b_add(struct blake2b *hash, const void *bytes, size_t len);
void blake2b_end(struct blake2b *hash, unsigned char out[BLAKE2B_BYTES]);
