#pragma once

#include <stdint.h>

#include "policy/base/str.h"

/*
 * A time as RFC 3339 (5.6) and engines write it, "2024-05-01T10:00:00.123Z" or
 * "...+02:00", as seconds since the epoch, without its fraction. 0: it is no
 * such time.
 */
int64_t rfc3339_seconds(struct str text);
