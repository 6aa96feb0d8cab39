#include "policy/base/sha256.h"

#include <openssl/evp.h>
#include <stdlib.h>

void sha256(struct str bytes, unsigned char digest[SHA256_BYTES])
{
    static const unsigned char nothing[1];
    unsigned length = 0;

    /* without memory there is no hash, and nothing that could go on */
    if (!EVP_Digest(bytes.len ? (const void *)bytes.ptr : nothing, bytes.len,
                    digest, &length, EVP_sha256(), NULL) ||
        length != SHA256_BYTES)
        abort();
}

void sha256_hex(struct str bytes, char hex[SHA256_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_BYTES];

    sha256(bytes, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[SHA256_HEX] = '\0';
}
