#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "proxy/ssh/ctr_batch.h"

/* What libssh2 does with libcrypto, held against EVP_CipherUpdate. */

enum { LEN = 200 * 1000 };

static const unsigned char key[32] = "0123456789abcdef0123456789abcdef";

static EVP_CIPHER_CTX *context(const EVP_CIPHER *cipher, int encrypt, int nonce)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char iv[16];

    memset(iv, 0xff, sizeof(iv)); /* a counter that carries at once */
    iv[0] = (unsigned char)nonce;
    assert_non_null(ctx);
    assert_int_equal(EVP_CipherInit(ctx, cipher, key, iv, encrypt), 1);
    return ctx;
}

static unsigned char *text(void)
{
    unsigned char *bytes = malloc(LEN);

    assert_non_null(bytes);
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 251);
    return bytes;
}

static unsigned char *reference(const EVP_CIPHER *cipher, int encrypt,
                                int nonce, const unsigned char *in)
{
    EVP_CIPHER_CTX *ctx = context(cipher, encrypt, nonce);
    unsigned char *out = malloc(LEN + 16);
    int len = 0;

    assert_non_null(out);
    assert_int_equal(EVP_CipherUpdate(ctx, out, &len, in, LEN), 1);
    EVP_CIPHER_CTX_free(ctx);
    return out;
}

/* Like libssh2: pieces of PIECE bytes, each in place. */
static void crypt_in_place(EVP_CIPHER_CTX *ctx, unsigned char *bytes,
                           size_t len, size_t piece)
{
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;

        assert_true(EVP_Cipher(ctx, bytes + at, bytes + at, (unsigned)n) > 0);
    }
}

static void test_pieces_of_all_sizes_give_one_stream(void **state)
{
    const EVP_CIPHER *ciphers[] = {EVP_aes_128_ctr(), EVP_aes_192_ctr(),
                                   EVP_aes_256_ctr()};
    const size_t pieces[] = {1, 15, 16, 17, 4096, 16384, 16385, 100000};

    (void)state;
    for (size_t c = 0; c < 3; c++) {
        for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++) {
            for (int encrypt = 0; encrypt < 2; encrypt++) {
                unsigned char *bytes = text();
                unsigned char *want = reference(ciphers[c], encrypt, 7, bytes);
                EVP_CIPHER_CTX *ctx = context(ciphers[c], encrypt, 7);

                crypt_in_place(ctx, bytes, LEN, pieces[p]);
                assert_memory_equal(bytes, want, LEN);
                EVP_CIPHER_CTX_free(ctx);
                free(bytes);
                free(want);
            }
        }
    }
    assert_int_equal(ctr_batch_contexts(), 0);
}

/* Two contexts in turns, and blocks that lie across the ends of batches. */
static void test_blocks_lie_anywhere_in_the_stream(void **state)
{
    unsigned char *in = text(), *out[2], *want[2];
    EVP_CIPHER_CTX *ctx[2];

    (void)state;
    for (unsigned first = 0; first < 17; first++) {
        for (int i = 0; i < 2; i++) {
            ctx[i] = context(EVP_aes_128_ctr(), i, i);
            want[i] = reference(EVP_aes_128_ctr(), i, i, in);
            out[i] = text();
            if (first)
                assert_true(EVP_Cipher(ctx[i], out[i], out[i], first) > 0);
        }
        for (size_t at = first; at + 16 <= LEN; at += 16)
            for (int i = 0; i < 1 + (int)(at / 320 % 2); i++)
                assert_true(EVP_Cipher(ctx[i], out[i] + at, in + at, 16) > 0);
        assert_memory_equal(out[0], want[0], LEN - 16);
        /* the other had some of them only: one stream, without holes */
        for (size_t at = first, mine = first; at + 16 <= LEN; at += 16) {
            if (at / 320 % 2 == 0)
                continue;
            for (size_t k = 0; k < 16; k++)
                assert_int_equal(out[1][at + k],
                                 in[at + k] ^ in[mine + k] ^ want[1][mine + k]);
            mine += 16;
        }
        for (int i = 0; i < 2; i++) {
            EVP_CIPHER_CTX_free(ctx[i]);
            free(want[i]);
            free(out[i]);
        }
    }
    free(in);
}

/* More contexts than there is room for, in turns; some end and begin. */
static void test_contexts_do_not_mix(void **state)
{
    enum { MANY = 80, PIECE = 16, ROUNDS = 40 };
    EVP_CIPHER_CTX *ctx[MANY], *plain[MANY];
    unsigned char in[PIECE] = "fifteen letters", a[PIECE], b[PIECE];
    int len;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        ctx[i] = context(EVP_aes_128_ctr(), 1, i);
        plain[i] = context(EVP_aes_128_ctr(), 1, i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = round % 3; i < MANY; i += 1 + round % 5) {
            if ((i + round) % 17 == 0) {
                EVP_CIPHER_CTX_free(ctx[i]);
                EVP_CIPHER_CTX_free(plain[i]);
                ctx[i] = context(EVP_aes_128_ctr(), 1, i + round);
                plain[i] = context(EVP_aes_128_ctr(), 1, i + round);
            }
            assert_true(EVP_Cipher(ctx[i], a, in, PIECE) > 0);
            assert_int_equal(EVP_CipherUpdate(plain[i], b, &len, in, PIECE), 1);
            assert_memory_equal(a, b, PIECE);
            assert_true(ctr_batch_contexts() <= 32);
        }
    }
    assert_int_equal(ctr_batch_contexts(), 32);
    for (int i = 0; i < MANY; i++) {
        EVP_CIPHER_CTX_free(ctx[i]);
        EVP_CIPHER_CTX_free(plain[i]);
    }
    assert_int_equal(ctr_batch_contexts(), 0);
}

static void test_a_new_key_is_a_new_stream(void **state)
{
    EVP_CIPHER_CTX *ctx = context(EVP_aes_128_ctr(), 1, 1);
    unsigned char iv[16] = "another counter", in[16] = {0}, a[16], b[16];
    EVP_CIPHER_CTX *plain = EVP_CIPHER_CTX_new();
    int len;

    (void)state;
    assert_true(EVP_Cipher(ctx, a, in, 16) > 0);
    assert_int_equal(EVP_CipherInit(ctx, EVP_aes_256_ctr(), key, iv, 1), 1);
    assert_int_equal(ctr_batch_contexts(), 0);
    assert_int_equal(EVP_CipherInit(plain, EVP_aes_256_ctr(), key, iv, 1), 1);
    assert_true(EVP_Cipher(ctx, a, in, 16) > 0);
    assert_int_equal(EVP_CipherUpdate(plain, b, &len, in, 16), 1);
    assert_memory_equal(a, b, 16);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_CTX_free(plain);
}

static void test_other_modes_are_libcrypto_s(void **state)
{
    unsigned char *bytes = text(), *want;
    EVP_CIPHER_CTX *ctx = context(EVP_aes_128_cbc(), 1, 3);

    (void)state;
    want = reference(EVP_aes_128_cbc(), 1, 3, bytes);
    crypt_in_place(ctx, bytes, LEN, 16);
    assert_memory_equal(bytes, want, LEN);
    assert_int_equal(ctr_batch_contexts(), 0);
    /* what libssh2 1.11 says at the end of a packet */
    EVP_CIPHER_CTX_free(ctx);
    ctx = context(EVP_aes_128_ctr(), 1, 3);
    assert_true(EVP_Cipher(ctx, bytes, bytes, 16) > 0);
    EVP_Cipher(ctx, NULL, NULL, 0);
    assert_true(EVP_Cipher(ctx, bytes, bytes, 16) > 0);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_CTX_free(NULL);
    free(bytes);
    free(want);
}

/* ---- GCM, as libssh2 1.11 has it ---- */

enum { LENGTH = 4, TAG = 16, NONCE = 12 };

static EVP_CIPHER_CTX *gcm_context(const EVP_CIPHER *cipher, int encrypt)
{
    /* the counter of packets carries at once */
    static unsigned char nonce[NONCE] = "none\xff\xff\xff\xff\xff\xff\xff\xfe";
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    assert_non_null(ctx);
    assert_int_equal(EVP_CipherInit(ctx, cipher, key, nonce, encrypt), 1);
    assert_true(
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, -1, nonce) > 0);
    return ctx;
}

/* A packet of LEN bytes behind its length, then its tag, in place: by the
 * calls of _libssh2_cipher_crypt. */
static bool gcm_packet(EVP_CIPHER_CTX *ctx, int encrypt, unsigned char *packet,
                       size_t len)
{
    unsigned char *text = packet + LENGTH, last[1], buf[2 * TAG];

    assert_true(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_IV_GEN, 1, last) > 0);
    assert_true(EVP_Cipher(ctx, NULL, packet, LENGTH) >= 0);
    for (size_t at = 0, n; at < len; at += n) {
        n = at == 0 ? 16 - LENGTH : 16;
        n = len - at < n ? len - at : n;
        if (!encrypt && at + n == len)
            assert_true(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG,
                                            text + len) > 0);
        assert_true(EVP_Cipher(ctx, buf, text + at, (unsigned)n) >= 0);
        memcpy(text + at, buf, n);
    }
    if (EVP_Cipher(ctx, NULL, NULL, 0) < 0)
        return false;
    return !encrypt ||
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, text + len) > 0;
}

/* The same in one piece. NUMBER is that of the packet. */
static void gcm_reference(const EVP_CIPHER *cipher, unsigned number,
                          unsigned char *packet, size_t len)
{
    unsigned char nonce[NONCE] = "none\xff\xff\xff\xff\xff\xff\xff\xfe";
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;

    for (; number; number--)
        for (size_t i = NONCE; i-- > NONCE - 8;)
            if (++nonce[i])
                break;
    assert_int_equal(EVP_EncryptInit_ex(ctx, cipher, NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, packet, LENGTH), 1);
    assert_int_equal(
        EVP_EncryptUpdate(ctx, packet + LENGTH, &n, packet + LENGTH, (int)len),
        1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, NULL, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG,
                                         packet + LENGTH + len),
                     1);
    EVP_CIPHER_CTX_free(ctx);
}

static void put_length(unsigned char *packet, size_t len)
{
    for (int i = 0; i < LENGTH; i++)
        packet[i] = (unsigned char)(len >> (24 - 8 * i));
}

static void test_packets_of_gcm_are_libcrypto_s(void **state)
{
    const EVP_CIPHER *ciphers[] = {EVP_aes_128_gcm(), EVP_aes_256_gcm()};
    const size_t sizes[] = {1,  12, 16,    28,    32768, 12,
                            17, 44, 35000, 40000, 40960, 40961};
    unsigned char *plain = text(), *got = malloc(LEN), *want = malloc(LEN);

    (void)state;
    for (size_t c = 0; c < 2; c++) {
        EVP_CIPHER_CTX *to = gcm_context(ciphers[c], 1);
        EVP_CIPHER_CTX *from = gcm_context(ciphers[c], 0);

        assert_int_equal(ctr_batch_contexts(), 2);
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            size_t len = sizes[i], all = LENGTH + len + TAG;

            memcpy(want, plain + i, LEN - i);
            put_length(want, len);
            memcpy(got, want, all);
            gcm_reference(ciphers[c], i, want, len);
            assert_true(gcm_packet(to, 1, got, len));
            assert_memory_equal(got, want, all);
            assert_true(gcm_packet(from, 0, got, len));
            assert_memory_equal(got + LENGTH, plain + i + LENGTH, len);
        }
        EVP_CIPHER_CTX_free(to);
        EVP_CIPHER_CTX_free(from);
        assert_int_equal(ctr_batch_contexts(), 0);
    }
    free(plain);
    free(got);
    free(want);
}

/* Any byte that changed on its way, also of length and tag, is noticed. */
static void test_a_forged_packet_is_noticed(void **state)
{
    enum { SIZE = 100, ALL = LENGTH + SIZE + TAG };
    unsigned char sent[ALL], got[ALL];

    (void)state;
    for (size_t at = LENGTH - 1; at < ALL; at++) {
        EVP_CIPHER_CTX *to = gcm_context(EVP_aes_128_gcm(), 1);
        EVP_CIPHER_CTX *from = gcm_context(EVP_aes_128_gcm(), 0);

        memset(sent, 'x', ALL);
        put_length(sent, SIZE);
        assert_true(gcm_packet(to, 1, sent, SIZE));
        memcpy(got, sent, ALL);
        assert_true(gcm_packet(from, 0, got, SIZE));
        put_length(sent, SIZE);
        assert_true(gcm_packet(to, 1, sent, SIZE));
        memcpy(got, sent, ALL);
        got[at] ^= at == LENGTH - 1 ? 1 : 0x80;
        assert_false(gcm_packet(from, 0, got, SIZE));
        EVP_CIPHER_CTX_free(to);
        EVP_CIPHER_CTX_free(from);
    }
    assert_int_equal(ctr_batch_contexts(), 0);
}

/* A nonce that is made in another way, and calls in another order. */
static void test_other_uses_of_gcm_are_libcrypto_s(void **state)
{
    unsigned char in[64] = "a message", got[64] = {0}, want[64] = {0};
    unsigned char tag[2][TAG];
    unsigned char nonce[NONCE] = "another one";
    int n;

    (void)state;
    for (int i = 0; i < 2; i++) {
        EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        unsigned char *out = i ? got : want;

        assert_int_equal(EVP_CipherInit(ctx, EVP_aes_128_gcm(), key, nonce, 1),
                         1);
        if (i) {
            assert_true(EVP_Cipher(ctx, NULL, in, LENGTH) >= 0);
            assert_true(EVP_Cipher(ctx, out, in, 32) >= 0);
            assert_true(EVP_Cipher(ctx, out + 32, in + 32, 32) >= 0);
            assert_true(EVP_Cipher(ctx, NULL, NULL, 0) >= 0);
        } else {
            EVP_CipherUpdate(ctx, NULL, &n, in, LENGTH);
            EVP_CipherUpdate(ctx, out, &n, in, sizeof(in));
            EVP_CipherFinal_ex(ctx, NULL, &n);
        }
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag[i]);
        EVP_CIPHER_CTX_free(ctx);
    }
    assert_memory_equal(got, want, sizeof(got));
    assert_memory_equal(tag[0], tag[1], TAG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_all_sizes_give_one_stream),
        cmocka_unit_test(test_blocks_lie_anywhere_in_the_stream),
        cmocka_unit_test(test_contexts_do_not_mix),
        cmocka_unit_test(test_a_new_key_is_a_new_stream),
        cmocka_unit_test(test_other_modes_are_libcrypto_s),
        cmocka_unit_test(test_packets_of_gcm_are_libcrypto_s),
        cmocka_unit_test(test_a_forged_packet_is_noticed),
        cmocka_unit_test(test_other_uses_of_gcm_are_libcrypto_s),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
