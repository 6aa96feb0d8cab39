#pragma once

/* The header traceparent of W3C Trace Context, with which a client says which
 * trace its call is a part of. */

#include "policy/base/str.h"

/*
 * Is TEXT one: "00-<32 digits>-<16 digits>-<2 digits>", in lower-case hex, the
 * first two not all zeros; or of a later version, with or without more behind?
 */
bool traceparent_is_valid(struct str text);
