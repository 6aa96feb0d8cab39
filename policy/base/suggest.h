#pragma once

/* "Did you mean": the word that somebody who mistyped was looking for. */

#include "policy/base/str.h"

struct suggestion {
    struct str typed;
    const char *best; /* NULL as long as nothing came near */
    unsigned distance;
};

#define SUGGESTION(word)                                                       \
    {                                                                          \
        .typed = (word)                                                        \
    }

/*
 * Weigh CANDIDATE. A word is near when it takes at most two slips (a letter
 * missing, added, wrong, or swapped with its neighbour; one slip for words of
 * up to four letters) or differs in case alone. The nearest, and of equals the
 * first, stays in BEST.
 */
void suggestion_weigh(struct suggestion *suggestion, const char *candidate);
