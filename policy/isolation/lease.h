#pragma once

/*
 * Leases. While a berth serves a namespace whose leftovers are to be removed,
 * it has a small volume on the engine, and makes a new one in its place every
 * LEASE_PERIOD. Its age by the engine's clock says when somebody last cared:
 * once it is older than its own term, and has been seen to be the same for as
 * long (lease_book.h), any berth on that engine may remove what the namespace
 * has.
 *
 * Who does so first makes a mark and then looks for leases again; who comes
 * back first makes a lease and then looks for marks. An engine does one of the
 * two first, so one of them sees the other, whatever was late on the way: the
 * remover then lets it be, or who came back waits until the mark is gone.
 *
 * A berth that does not live as long as a lease records how long it has watched
 * one, in a volume again, so that the next goes on where it ended.
 *
 * Plain values: what is on the engine comes as its list of volumes.
 */

#include <jansson.h>
#include <stdbool.h>

#include "policy/base/str.h"

enum {
    LEASE_PERIOD_MS = 60 * 1000, /* at most, between two leases */
    LEASE_ALONE_S = 60,  /* others join in a removal then: its berth may have
                            been killed, and two at once do no harm */
    LEASE_SWEEP_S = 300, /* a removal is broken off then */
    LEASE_MARK_S = 1000, /* and nothing of it is on its way any more */
};

/* How often a lease of TERM_MS is made anew. */
unsigned lease_period_ms(uint64_t term_ms);

enum lease_kind {
    LEASE_ITSELF,
    LEASE_MARK,  /* somebody removes what there is */
    LEASE_WATCH, /* for so long they were seen to be the same */
};

/* Append the name of NS's lease, or of another KIND: the NUMBERth of a process
 * that RANDOM stands for. 0 or -ENOBUFS. */
int lease_put_name(struct strbuf *out, enum lease_kind kind, struct str ns,
                   uint64_t random, unsigned number);

/* Is it one of that process's? */
bool lease_is_of(struct str name, struct str ns, uint64_t random);

/* The body of the request that makes it; of a mark, TERM_S is 0. */
json_t *lease_body(struct str name, struct str ns, unsigned term_s);

/* The same of a record that the leases with PRINT (lease_book.h) were seen to
 * be the same for SEEN_MS, all looks of all berths together. */
json_t *lease_watch_body(struct str name, struct str ns, uint64_t print,
                         uint64_t seen_ms);

struct lease_row {
    struct str ns, name; /* slices of the list */
    enum lease_kind kind;
    int64_t made;    /* by the engine's clock, in seconds; 0: it does not say */
    uint32_t term_s; /* UINT32_MAX: it does not say, so it is never over */
    uint64_t print, seen_ms; /* of a watch; 0: it does not say */
};

/* Tell VISIT of each of them in REPLY, the engine's list of volumes
 * (LEFTOVER_LEASE in leftovers.h). False: it is no such list. */
bool leases_walk(const json_t *reply,
                 void (*visit)(void *arg, const struct lease_row *row),
                 void *arg);

/* What a list says to NS's own berth, whose newest lease is called NEWEST ("":
 * it has none). */
struct lease_look {
    bool has_newest;
    int64_t now;     /* when that was made: the engine's time of a moment ago */
    unsigned leases; /* with the newest */
    unsigned marks;
};
struct lease_look lease_look(const json_t *reply, struct str ns,
                             struct str newest);

/* May whoever made a mark on NS be at work when the engine's clock shows NOW?
 * One of a time to come may be fresh: that clock was set back. */
bool lease_has_fresh_mark(const json_t *reply, struct str ns, int64_t now);

/* Is ROW a mark whose maker is to be left alone when the engine's clock shows
 * NOW? If not, others may go on with the removal; who comes back still waits.
 */
bool lease_mark_works(const struct lease_row *row, int64_t now);

/* Is ROW's time over when the engine's clock shows NOW? Or is it of a time to
 * come, since that clock was set back: its owner, too, may be gone. */
bool lease_row_is_over(const struct lease_row *row, int64_t now);
