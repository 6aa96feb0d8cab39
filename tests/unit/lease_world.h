#pragma once

/*
 * Berths, their links and one engine, in a time of their own: what leases,
 * reclaims and reapers (proxy/server) ask is carried to a small engine and back
 * with delays, and whatever may go wrong on the way does, by chance. The time
 * goes on only when nothing else is to be done, so hours take moments, and one
 * seed gives one course of events.
 *
 * It takes the place of subrequests, of libevent's events, of the clock and of
 * the kernel's random numbers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORLD_BERTHS = 6 };

struct world_rules {
    unsigned term_s;   /* of leases */
    unsigned hours;    /* that things go wrong */
    bool clock_jumps;  /* of the engine's, both ways */
    bool engine_stops; /* for a while, with all that is on the way */
    bool freezes;      /* of links, also for longer than a lease */
    bool storms;       /* of restarts */
    bool hangs;        /* of questions, which are never answered */
    bool companions;   /* in some namespaces */
    unsigned lives_s;  /* of all berths, at most, each on a machine of its own
                          whose clock shows anything; 0: they end by chance */
};

struct world_result {
    unsigned kills, freezes, jumps, stops, created, swept, refused;
    unsigned touched; /* objects of a namespace whose berth lived */
    char left[512];   /* of dead namespaces, in the end */
};

/* What came of SEED under RULES: it all goes wrong for so long; then one berth
 * is left, and is given the time that it needs. Where they do not live long, it
 * comes and goes, and another does for half of that time. */
struct world_result world_run(uint64_t seed, const struct world_rules *rules);
