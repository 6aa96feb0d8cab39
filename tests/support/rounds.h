#pragma once

#include <stdlib.h>

/* Of tests of chance, and of those that try every position, one round in so
 * many as BERTH_FEWER_ROUNDS says is played, where each takes long (sanitizers,
 * valgrind). */
static inline unsigned one_round_in(void)
{
    const char *fewer = getenv("BERTH_FEWER_ROUNDS");
    unsigned times = fewer ? (unsigned)strtoul(fewer, NULL, 10) : 1;

    return times > 1 ? times : 1;
}

/* How many that are of as many as USUAL, one at least. */
static inline unsigned rounds_of(unsigned usual)
{
    return (usual + one_round_in() - 1) / one_round_in();
}
