#pragma once

/*
 * The upstream of who has no host yet: it is never up, and says why. Nothing
 * can be opened over it.
 */

#include "proxy/upstream/upstream.h"

/* Never NULL. */
struct upstream *nowhere_new(void);

/* WHY, one sentence, is copied. */
void nowhere_say(struct upstream *nowhere, const char *why);
