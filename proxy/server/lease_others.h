#pragma once

/*
 * What a berth's lease (lease.h) does about other berths that serve the same
 * namespace on the same engine (policy/isolation/lease_rivals.h): it says so in
 * the log, and the one that came later refuses its requests, unless they are to
 * share it.
 */

#include "policy/isolation/lease_rivals.h"

struct lease_others {
    bool shares;  /* --share-namespace */
    bool refuses; /* another serves it; the result of the last look */
    bool told;
    unsigned looks; /* yet, since leases of others were taken away: do they
                       come again? */
    struct lease_rivals rivals;
};

/* What the clients of the one that came later are told. */
extern const char lease_others_why[];

/* A look at LIST, made at NOW by the engine's clock: may NS be served? OWN is
 * the lease's random number. */
bool lease_others_admit(struct lease_others *others, const char *ns,
                        const json_t *list, uint64_t own, int64_t now);

/* The same for one that has no lease, and takes away COUNT of others. */
bool lease_others_admit_one_without(struct lease_others *others, const char *ns,
                                    unsigned count);
/* In how many ms such a one has to look again. */
unsigned lease_others_again_ms(const struct lease_others *others);

/* This berth was away: whoever is there now was there first. */
void lease_others_forget(struct lease_others *others);
