#pragma once

/* The data types of SSH messages (RFC 4251, 5). */

#include "policy/base/str.h"

/* Append; 0, or -ENOBUFS, leaving *OUT as it was. */
int ssh_wire_add_u32(struct strbuf *out, uint32_t value);
int ssh_wire_add_string(struct strbuf *out, struct str s);

/*
 * Append TEXT, which a peer sent, in a form fit for a message: one line, with
 * a "?" for each byte that is not printable ASCII, cut where *OUT is full.
 */
void ssh_wire_add_words(struct strbuf *out, struct str text);

/* Take from the front of *IN; 0, or -EINVAL when it is not there. */
int ssh_wire_u8(struct str *in, uint8_t *value);
int ssh_wire_u32(struct str *in, uint32_t *value);
int ssh_wire_string(struct str *in, struct str *s);
