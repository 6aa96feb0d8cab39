#pragma once

/* cmocka, with what it wants included first. */

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdlib.h>

/* How often a test of chance plays: as USUAL, or one time in so many as
 * BERTH_FEWER_ROUNDS says, where each takes long (valgrind). */
static inline unsigned rounds_of(unsigned usual)
{
    const char *fewer = getenv("BERTH_FEWER_ROUNDS");
    unsigned times = fewer ? (unsigned)strtoul(fewer, NULL, 10) : 1;

    return times > 1 ? (usual + times - 1) / times : usual;
}
