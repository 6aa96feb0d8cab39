#pragma once

/* The data types of SSH messages (RFC 4251, 5). */

#include "policy/str.h"

/* Append; 0, or -ENOBUFS, leaving *OUT as it was. */
int ssh_wire_add_u32(struct strbuf *out, uint32_t value);
int ssh_wire_add_string(struct strbuf *out, struct str s);

/* Take from the front of *IN; 0, or -EINVAL when it is not there. */
int ssh_wire_u8(struct str *in, uint8_t *value);
int ssh_wire_u32(struct str *in, uint32_t *value);
int ssh_wire_string(struct str *in, struct str *s);
