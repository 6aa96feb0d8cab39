#include "proxy/ssh/ctr_batch.h"

#include <assert.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

/*
 * libssh2 has EVP_Cipher encrypt one block of 16 bytes at a time, and OpenSSL
 * needs far longer to find out what is asked for than to do it: with AES-CTR
 * that is more than half of what berth's transport costs. So four functions of
 * libcrypto are defined here once more. A program's own definitions go before
 * those of the libraries it is linked with (ELF's order of look-up, which is
 * also how malloc is replaced), so libssh2 calls these.
 *
 * CTR (NIST SP 800-38A, 6.5) is a stream: output is input XOR a keystream that
 * depends on key and counter alone, the same for both directions. OpenSSL makes
 * BATCH bytes of it at once, as the encryption of zeros; calls take from that.
 *
 * GCM (SP 800-38D), which libssh2 has since 1.11, is CTR and a tag over what
 * was encrypted. Its counter begins anew with each packet (RFC 5647, 7.1), of
 * which the first call tells the length. Blocks take from a keystream as long
 * as that; at its end libcrypto does the packet once more, in one piece, for
 * the tag. As in libssh2 itself, nothing is used of a packet whose tag is
 * wrong.
 *
 * All else goes on to libcrypto unchanged: other modes, contexts beyond
 * CONTEXTS, packets over PACKET.
 *
 * A keystream ends with its context, at EVP_CIPHER_CTX_free or EVP_CipherInit.
 * Only contexts on which EVP_Cipher is called from outside of libcrypto are
 * known here; in berth those are libssh2's, all in the thread of the event
 * loop.
 */

enum {
    BLOCK = 16,
    BATCH = 16 * 1024,
    PACKET = 40 * 1024, /* libssh2 takes none of more than 40000 bytes */
    LENGTH = 4,         /* of a packet, before it and not encrypted */
    NONCE = 12,
    CONTEXTS = 32, /* two of each session */
};

enum gcm_state {
    GCM_PLAIN, /* libcrypto's alone, until the next packet */
    GCM_BEGUN, /* a packet, whose length comes next */
    GCM_BLOCKS,
};

struct gcm {
    EVP_CIPHER_CTX *ctr; /* of the same key */
    enum gcm_state state;
    bool has_nonce;
    unsigned char nonce[NONCE];   /* of the next packet */
    unsigned char counter[BLOCK]; /* of the first block of this one */
    unsigned char in[PACKET];     /* what came of it, for the tag */
};

struct keystream {
    const EVP_CIPHER_CTX *ctx;
    size_t size;         /* of BYTES */
    size_t used;         /* of these */
    size_t room;         /* for them */
    struct gcm *gcm;     /* NULL: CTR */
    unsigned char *held; /* GCM's IN, or NULL */
    unsigned char bytes[];
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
    int (*ctrl)(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr);
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
        next_of("EVP_CIPHER_CTX_ctrl", &next.ctrl);
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

/* A new one with ROOM for so many bytes and none yet; or NULL. */
static struct keystream *add(const EVP_CIPHER_CTX *ctx, size_t room)
{
    struct keystream *ks;

    if (known.count == CONTEXTS)
        return NULL;
    ks = OPENSSL_malloc(sizeof(*ks) + room);
    if (!ks)
        return NULL;
    *ks = (struct keystream){.ctx = ctx, .room = room};
    known.streams[known.count++] = ks;
    return ks;
}

static void forget(const EVP_CIPHER_CTX *ctx)
{
    for (size_t i = 0; i < known.count; i++) {
        struct keystream *ks = known.streams[i];

        if (ks->ctx != ctx)
            continue;
        if (ks->gcm)
            libcrypto()->free(ks->gcm->ctr);
        OPENSSL_clear_free(ks->gcm, sizeof(*ks->gcm));
        OPENSSL_clear_free(ks, sizeof(*ks) + ks->room);
        known.streams[i] = known.streams[--known.count];
        known.streams[known.count] = NULL;
        return;
    }
}

/* Have SIZE bytes of what CTX, which is in CTR mode, goes on with. */
static bool refill(struct keystream *ks, EVP_CIPHER_CTX *ctx, size_t size)
{
    static const unsigned char zeros[PACKET];
    int len = 0;

    ks->size = ks->used = 0;
    if (!EVP_CipherUpdate(ctx, ks->bytes, &len, zeros, (int)size) ||
        len != (int)size)
        return false;
    ks->size = size;
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

/* ---- GCM ---- */

/* The AES of this GCM in CTR mode; NULL: it is another's. */
static const EVP_CIPHER *ctr_of(const EVP_CIPHER *cipher)
{
    switch (cipher ? EVP_CIPHER_get_nid(cipher) : NID_undef) {
    case NID_aes_128_gcm:
        return EVP_aes_128_ctr();
    case NID_aes_256_gcm:
        return EVP_aes_256_ctr();
    default:
        return NULL;
    }
}

/* CTX has become one of CIPHER with KEY: batched, if it is AES-GCM. */
static void watch_gcm(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
                      const unsigned char *key)
{
    const EVP_CIPHER *ctr = ctr_of(cipher);
    struct keystream *ks = ctr && key ? add(ctx, PACKET) : NULL;

    if (!ks)
        return;
    ks->gcm = OPENSSL_zalloc(sizeof(*ks->gcm));
    if (ks->gcm) {
        ks->held = ks->gcm->in;
        ks->gcm->ctr = EVP_CIPHER_CTX_new();
    }
    if (!ks->gcm || !ks->gcm->ctr ||
        !EVP_EncryptInit_ex(ks->gcm->ctr, ctr, NULL, key, NULL))
        forget(ctx);
}

/* A packet begins. As libcrypto does, so that it has the same nonce: its last
 * 64 bits count. */
static void begin_packet(struct gcm *gcm)
{
    memcpy(gcm->counter, gcm->nonce, NONCE);
    memcpy(gcm->counter + NONCE, "\0\0\0\2", BLOCK - NONCE);
    for (size_t i = NONCE; i-- > NONCE - sizeof(uint64_t);)
        if (++gcm->nonce[i])
            break;
    gcm->state = GCM_BEGUN;
}

static void follow_ctrl(struct gcm *gcm, int type, int arg, const void *ptr)
{
    switch (type) {
    case EVP_CTRL_AEAD_SET_IV_FIXED:
        gcm->has_nonce = arg == -1; /* all of it */
        gcm->state = GCM_PLAIN;
        if (gcm->has_nonce)
            memcpy(gcm->nonce, ptr, NONCE);
        break;
    case EVP_CTRL_AEAD_SET_IVLEN:
        gcm->has_nonce = false;
        gcm->state = GCM_PLAIN;
        break;
    case EVP_CTRL_GCM_IV_GEN:
        if (gcm->has_nonce)
            begin_packet(gcm);
        break;
    default: /* the tag, which libcrypto keeps */
        break;
    }
}

/* The length of a packet, which is authenticated as well. */
static int take_length(struct keystream *ks, EVP_CIPHER_CTX *ctx,
                       const unsigned char *in, unsigned int len)
{
    struct gcm *gcm = ks->gcm;
    size_t size;

    gcm->state = GCM_PLAIN;
    if (len == LENGTH) {
        size = (size_t)in[0] << 24 | (size_t)in[1] << 16 | (size_t)in[2] << 8 |
               in[3];
        if (size && size <= PACKET &&
            EVP_EncryptInit_ex(gcm->ctr, NULL, NULL, NULL, gcm->counter) &&
            refill(ks, gcm->ctr, size))
            gcm->state = GCM_BLOCKS;
    }
    return libcrypto()->cipher(ctx, NULL, in, len);
}

/* All of a packet is there: once more, for the tag. */
static int end_packet(struct keystream *ks, EVP_CIPHER_CTX *ctx)
{
    size_t used = ks->used;
    int len = 0;

    ks->gcm->state = GCM_PLAIN;
    ks->size = ks->used = 0;
    if (used && (!EVP_CipherUpdate(ctx, ks->bytes, &len, ks->held, (int)used) ||
                 len != (int)used))
        return -1;
    return libcrypto()->cipher(ctx, NULL, NULL, 0);
}

static int crypt_gcm(struct keystream *ks, EVP_CIPHER_CTX *ctx,
                     unsigned char *out, const unsigned char *in,
                     unsigned int len)
{
    if (ks->gcm->state == GCM_BEGUN && !out && in)
        return take_length(ks, ctx, in, len);
    if (ks->gcm->state != GCM_BLOCKS)
        return libcrypto()->cipher(ctx, out, in, len);
    if (!in)
        return end_packet(ks, ctx);
    if (!out || len > ks->size - ks->used)
        return -1; /* no caller does so; the keystream is not used twice */
    memcpy(ks->held + ks->used, in, len);
    combine(out, in, ks->bytes + ks->used, len);
    ks->used += len;
    return (int)len;
}

/* ---- what takes the place of libcrypto's ---- */

static int crypt_ctr(struct keystream *ks, EVP_CIPHER_CTX *ctx,
                     unsigned char *out, const unsigned char *in,
                     unsigned int len)
{
    size_t left = len;

    while (left) {
        size_t n = ks->size - ks->used;

        if (n == 0) {
            if (!refill(ks, ctx, BATCH))
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

/* All that is not simply the next block of the busiest context. */
static __attribute__((noinline)) int crypt_any(EVP_CIPHER_CTX *ctx,
                                               unsigned char *out,
                                               const unsigned char *in,
                                               unsigned int len)
{
    struct keystream *ks = find(ctx);

    if (ks && ks->gcm)
        return crypt_gcm(ks, ctx, out, in, len);
    if (!out || !in || !len)
        return libcrypto()->cipher(ctx, out, in, len);
    if (!ks && EVP_CIPHER_CTX_get_mode(ctx) == EVP_CIPH_CTR_MODE)
        ks = add(ctx, BATCH);
    return ks ? crypt_ctr(ks, ctx, out, in, len)
              : libcrypto()->cipher(ctx, out, in, len);
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
    if (ks->size - used < BLOCK)
        return crypt_any(ctx, out, in, len);
    ks->used = used + BLOCK;
    if (ks->held)
        memcpy(ks->held + used, in, BLOCK);
    combine(out, in, ks->bytes + used, BLOCK);
    return BLOCK;
}

int EVP_CipherInit(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
                   const unsigned char *key, const unsigned char *iv, int enc)
{
    int r;

    forget(ctx);
    r = libcrypto()->init(ctx, cipher, key, iv, enc);
    if (r > 0)
        watch_gcm(ctx, cipher, key);
    return r;
}

int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr)
{
    int r = libcrypto()->ctrl(ctx, type, arg, ptr);
    const struct keystream *ks = r > 0 ? find(ctx) : NULL;

    if (ks && ks->gcm)
        follow_ctrl(ks->gcm, type, arg, ptr);
    return r;
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
