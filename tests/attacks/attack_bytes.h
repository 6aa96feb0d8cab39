#pragma once

#include <jansson.h>

#include "policy/base/str.h"

/* Append the bytes of REQUEST, an "attack" or a "twin" (README.md says how it
 * is written). */
void attack_compose(struct strbuf *out, const json_t *request);
