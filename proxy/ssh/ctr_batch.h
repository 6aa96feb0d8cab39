#pragma once

#include <stddef.h>

/*
 * AES-CTR and AES-GCM for libssh2, many blocks at a time: a program that this
 * is linked into has its own EVP_Cipher, EVP_CipherInit, EVP_CIPHER_CTX_ctrl
 * and EVP_CIPHER_CTX_free before libcrypto's. Nothing is called by name;
 * `-Dbatched_ctr=false` leaves it out. Not for several threads.
 */

/* How many contexts have a keystream now. */
size_t ctr_batch_contexts(void);
