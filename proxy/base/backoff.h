#pragma once

/*
 * How long to wait before the next try: twice as long after each failure, a
 * little different each time so that many clients do not come in step.
 */

#include <stdbool.h>

struct backoff {
    unsigned failures;
};

/*
 * Another failure; a STUBBORN one will hardly go away by itself. Returns the
 * pause in milliseconds: 0.25 s growing to 30 s, or 5 s growing to 60 s for
 * stubborn ones, each less up to a quarter by chance.
 */
unsigned backoff_next(struct backoff *backoff, bool stubborn);

/* It worked. */
static inline void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
