#pragma once

/* Base64 in the standard alphabet (RFC 4648, 4). */

#include "policy/base/str.h"

/* Append the encoding of BYTES, padded. 0, or -ENOBUFS when OUT is full. */
int base64_encode(struct str bytes, struct strbuf *out);

/*
 * Append the bytes that TEXT, padded or not, stands for. 0, or -EINVAL for
 * other characters, a wrong length or stray bits, or -ENOBUFS; *OUT is then as
 * it was.
 */
int base64_decode(struct str text, struct strbuf *out);
