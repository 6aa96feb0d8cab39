#pragma once

/*
 * What is known of the leases (lease.h) on one engine, look after look, and
 * which namespaces nobody uses any more. Two clocks have to agree on that: by
 * the engine's, all leases of the namespace are over; and by one's own, they
 * have been the same for the whole of their term, after which their owner, by
 * its own, sends nothing any more. So a clock that is set ends no lease of a
 * living berth.
 *
 * Nobody has to watch for all of that time alone: what another has recorded
 * (lease_watch_body), one goes on from. Times are only ever added up that one
 * clock has measured between two looks, and the second's looks all come after
 * the first's record; so the sum is at most the time that went by, whatever
 * those clocks show. Nor does a pause of the engine, of the way to it or of
 * this machine end a lease: after a gap between two looks, and after one
 * between a record and the first look, one watches for lease_period_ms at the
 * least.
 */

#include "policy/isolation/lease.h"

struct lease_book;

struct lease_book *lease_book_new(void);
/* NULL is fine; returns NULL. */
struct lease_book *lease_book_free(struct lease_book *book);

/*
 * A look: it began at BEGAN_MS by one's own clock, which must go on while the
 * machine sleeps (CLOCK_BOOTTIME), when the engine's clock showed NOW; REPLY is
 * the engine's list, and came at ENDED_MS. False: it is no list.
 */
bool lease_book_look(struct lease_book *book, int64_t now, uint64_t began_ms,
                     const json_t *reply, uint64_t ended_ms);

enum lease_state {
    LEASE_UNKNOWN, /* there is none */
    LEASE_HELD,
    LEASE_DOUBTED, /* it seems to be over; look again */
    LEASE_SWEPT,   /* it is over, and somebody removes what there is */
    LEASE_OVER,
};

struct lease_known {
    const char *ns; /* the book's */
    enum lease_state state;
    int64_t ends;       /* by the engine's clock, in seconds */
    uint64_t print;     /* of the leases that there are */
    uint64_t seen_ms;   /* they were seen to be the same, by all, for so long */
    uint64_t news_ms;   /* of it, what no record on the engine tells */
    unsigned period_ms; /* in which a lease is made anew */
};

/* Of the namespace at INDEX, until it is false. */
bool lease_book_at(const struct lease_book *book, size_t index,
                   struct lease_known *known);
struct lease_known lease_book_find(const struct lease_book *book,
                                   struct str ns);

/* When to look again so that doubts are settled, in ms; 0: there are none. */
unsigned lease_book_again_ms(const struct lease_book *book);

/*
 * The print of the leases that REPLY, a list of NS's alone, has; and whether
 * all of them are over at NOW. 0: there is none.
 */
uint64_t lease_print(const json_t *reply, struct str ns, int64_t now,
                     bool *all_over);
