#include "policy/base/suggest.h"

#include <ctype.h>

enum { WORD_MAX = 64 };

static unsigned smallest(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static char lower(char c)
{
    return (char)tolower((unsigned char)c);
}

/* Damerau-Levenshtein (adjacent swaps), letters of either case alike. */
static unsigned distance(struct str a, struct str b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (unsigned j = 0; j <= b.len; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned wrong = lower(a.ptr[i - 1]) != lower(b.ptr[j - 1]);
            unsigned best = smallest(last[j], row[j - 1]) + 1;

            best = smallest(best, last[j - 1] + wrong);
            if (i > 1 && j > 1 && lower(a.ptr[i - 1]) == lower(b.ptr[j - 2]) &&
                lower(a.ptr[i - 2]) == lower(b.ptr[j - 1]))
                best = smallest(best, before[j - 2] + 1);
            row[j] = best;
        }
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.len];
}

void suggestion_weigh(struct suggestion *suggestion, const char *candidate)
{
    struct str word = str_from(candidate);
    struct str typed = suggestion->typed;

    if (typed.len == 0 || typed.len > WORD_MAX || word.len > WORD_MAX)
        return;
    unsigned slips = distance(typed, word);
    unsigned allowed = word.len > 4 ? 2 : 1;

    if (slips > allowed || slips >= word.len)
        return;
    if (suggestion->best == NULL || slips < suggestion->distance) {
        suggestion->best = candidate;
        suggestion->distance = slips;
    }
}
