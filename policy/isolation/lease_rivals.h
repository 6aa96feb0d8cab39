#pragma once

/*
 * Other berths that serve one's own namespace on the same engine, and that no
 * claim of this machine shows (proxy/server/claim.h): they run elsewhere, or
 * call the engine by another name. Each makes its leases anew under one number
 * after the other (lease_put_name). So whoever makes two more while this berth
 * looks on is alive; of one that was killed, or has handed over, at most one
 * was on its way.
 *
 * Of two, the one that came later has to go: whose first lease was made later
 * by the engine's clock, and in the same second both. Plain values.
 */

#include "policy/isolation/lease.h"

enum lease_rival {
    LEASE_ALONE,
    LEASE_RIVAL_LATER, /* it came after this berth, and is told so itself */
    LEASE_RIVAL_FIRST, /* this berth came after it */
};

enum { LEASE_RIVALS = 8 }; /* those beyond are not told apart */

/* All zero at first. */
struct lease_rivals {
    int64_t began; /* when one's own first lease was made; 0: no look yet */
    struct rival {
        uint64_t random;
        uint64_t since, number; /* of the first one that was seen, and now */
        bool came_first, is_there;
        unsigned still; /* looks since it made one */
    } items[LEASE_RIVALS];
    size_t count;
};

/*
 * A look at REPLY, the engine's list of NS's leases, after one's own newest,
 * which was made at NOW by the engine's clock; OWN as in lease_put_name. To be
 * called once in lease_period_ms or so.
 */
enum lease_rival lease_rivals_look(struct lease_rivals *rivals,
                                   const json_t *reply, struct str ns,
                                   uint64_t own, int64_t now);
