#include "proxy/ssh/ctr_batch.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

/*
 * libssh2 has EVP_Cipher encrypt one block of 16 bytes at a time, and OpenSSL
 * needs far longer to find out what is asked for than to do it: with AES-CTR
 * that is more than half of what berth's transport costs. So three functions of
 * libcrypto are defined here once more. A program's own definitions go before
 * those of the libraries it is linked with (ELF's order of look-up, which is
 * also how malloc is replaced), so libssh2 calls these.
 *
 * CTR (NIST SP 800-38A, 6.5) is a stream: output is input XOR a keystream that
 * depends on key and counter alone, the same for both directions. OpenSSL makes
 * BATCH bytes of it at once, as the encryption of zeros; calls take from that.
 * All else goes on to libcrypto unchanged: other modes, contexts beyond
 * CONTEXTS, and lengths over BATCH.
 *
 * A keystream ends with its context, at EVP_CIPHER_CTX_free or EVP_CipherInit.
 * Only contexts on which EVP_Cipher is called from outside of libcrypto are
 * known here; in berth those are libssh2's, all in the thread of the event
 * loop.
 */

enum {
    BLOCK = 16,
    BATCH = 16 * 1024,
    CONTEXTS = 32, /* two of each session */
};

struct keystream {
    const EVP_CIPHER_CTX *ctx; /* NULL: free */
    size_t used;               /* of BYTES */
    unsigned char bytes[BATCH];
};

static struct {
    /* the busiest first; NULL behind the last */
    struct keystream *streams[CONTEXTS];
    size_t count;
} known;

/* What libcrypto has under these names. */
struct libcrypto {
    int (*cipher)(EVP_CIPHER_CTX *ctx, unsigned char *out,
                  const unsigned char *in, unsigned int len);
    int (*init)(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
                const unsigned char *key, const unsigned char *iv, int enc);
    void (*free)(EVP_CIPHER_CTX *ctx);
};

/* POSIX: a pointer to a function may be kept as what dlsym returns. */
static void next_of(const char *name, void *function)
{
    void *found = dlsym(RTLD_NEXT, name);

    assert(found);
    memcpy(function, &found, sizeof(found));
}

static const struct libcrypto *libcrypto(void)
{
    static struct libcrypto next;

    if (!next.free) {
        next_of("EVP_Cipher", &next.cipher);
        next_of("EVP_CipherInit", &next.init);
        next_of("EVP_CIPHER_CTX_free", &next.free);
    }
    return &next;
}

static struct keystream *find(const EVP_CIPHER_CTX *ctx)
{
    for (size_t i = 0; i < known.count; i++) {
        struct keystream *ks = known.streams[i];

        if (ks->ctx != ctx)
            continue;
        if (i) {
            known.streams[i] = known.streams[i - 1];
            known.streams[i - 1] = ks;
        }
        return ks;
    }
    return NULL;
}

static struct keystream *add(const EVP_CIPHER_CTX *ctx)
{
    struct keystream *ks;

    if (known.count == CONTEXTS ||
        EVP_CIPHER_CTX_get_mode(ctx) != EVP_CIPH_CTR_MODE)
        return NULL;
    ks = OPENSSL_malloc(sizeof(*ks));
    if (!ks)
        return NULL;
    ks->ctx = ctx;
    ks->used = BATCH;
    known.streams[known.count++] = ks;
    return ks;
}

static void forget(const EVP_CIPHER_CTX *ctx)
{
    for (size_t i = 0; i < known.count; i++) {
        if (known.streams[i]->ctx != ctx)
            continue;
        OPENSSL_clear_free(known.streams[i], sizeof(struct keystream));
        known.streams[i] = known.streams[--known.count];
        known.streams[known.count] = NULL;
        return;
    }
}

static bool refill(struct keystream *ks, EVP_CIPHER_CTX *ctx)
{
    static const unsigned char zeros[BATCH];
    int len = 0;

    if (!EVP_CipherUpdate(ctx, ks->bytes, &len, zeros, BATCH) || len != BATCH)
        return false;
    ks->used = 0;
    return true;
}

/* As wide as a block: libssh2 reads the whole of one at once right after, and
 * would have to wait for two halves (a failed store-to-load forwarding). */
typedef uint64_t block __attribute__((vector_size(16)));

static void combine(unsigned char *out, const unsigned char *in,
                    const unsigned char *key, size_t len)
{
    block a, b;

    for (; len >= sizeof(a); len -= sizeof(a)) {
        memcpy(&a, in, sizeof(a));
        memcpy(&b, key, sizeof(b));
        a ^= b;
        memcpy(out, &a, sizeof(a));
        in += sizeof(a);
        key += sizeof(a);
        out += sizeof(a);
    }
    while (len--)
        *out++ = *in++ ^ *key++;
}

/* All that is not simply the next block of the busiest context. */
static __attribute__((noinline)) int crypt_any(EVP_CIPHER_CTX *ctx,
                                               unsigned char *out,
                                               const unsigned char *in,
                                               unsigned int len)
{
    struct keystream *ks = out && in && len ? find(ctx) : NULL;
    size_t left = len;

    if (!ks && out && in && len)
        ks = add(ctx);
    if (!ks)
        return libcrypto()->cipher(ctx, out, in, len);
    while (left) {
        size_t n = BATCH - ks->used;

        if (n == 0) {
            if (!refill(ks, ctx))
                return -1;
            n = BATCH;
        }
        n = left < n ? left : n;
        combine(out, in, ks->bytes + ks->used, n);
        ks->used += n;
        out += n;
        in += n;
        left -= n;
    }
    return (int)len;
}

/* libssh2 calls this 67 million times a GiB. */
int EVP_Cipher(EVP_CIPHER_CTX *ctx, unsigned char *out, const unsigned char *in,
               unsigned int len)
{
    struct keystream *ks = known.streams[0];
    size_t used;

    if (!ks || ks->ctx != ctx || len != BLOCK || !out || !in)
        return crypt_any(ctx, out, in, len);
    used = ks->used;
    if (used > BATCH - BLOCK)
        return crypt_any(ctx, out, in, len);
    ks->used = used + BLOCK;
    combine(out, in, ks->bytes + used, BLOCK);
    return BLOCK;
}

int EVP_CipherInit(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
                   const unsigned char *key, const unsigned char *iv, int enc)
{
    forget(ctx);
    return libcrypto()->init(ctx, cipher, key, iv, enc);
}

void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx)
{
    if (ctx)
        forget(ctx);
    libcrypto()->free(ctx);
}

size_t ctr_batch_contexts(void)
{
    return known.count;
}
