#pragma once

/*
 * Who may take the next place of a namespace's shares, when many ask at the
 * same time. What there is, the engine says; what is on its way to the engine,
 * only this process knows. A request takes a ticket, has the engine count, and
 * asks: it gets its place when it fits beside all that was counted and all that
 * may not have been; it is refused when what was counted leaves no place; else
 * it waits until one of those before it is through, and counts again. So there
 * is never one too many, and no place is lost: a ticket gives it back however
 * its request ends.
 *
 * A request that was sent and whose reply never came may still be carried out:
 * its place stays taken for LEDGER_LOST_MS, by when the engine shows it or it
 * has failed.
 *
 * One ledger for each namespace and process. Several processes with one
 * namespace see each other's only on the engine, a moment later.
 */

#include <sys/queue.h>

#include "policy/judge/share.h"

enum { LEDGER_LOST_MS = 60000 };

struct ledger;

struct ledger *ledger_new(void);
/* With no tickets left. NULL is fine; returns NULL. */
struct ledger *ledger_free(struct ledger *ledger);

enum ticket_state {
    TICKET_NONE,     /* not taken */
    TICKET_COUNTING, /* the engine is to be asked what there is */
    TICKET_WAITING,  /* for on_turn */
    TICKET_HELD,     /* it has its place */
};

struct ticket {
    enum ticket_state state;
    struct ledger *ledger;
    struct shares wants;
    struct shares turn; /* all that it wanted at any time: whose turn it had */
    struct shares seen; /* had been made when the count began */
    bool woken;         /* a turn was given to it: it passes it on */
    /* Its turn: count again, by ledger_count. Called from inside a call into
     * the ledger, so it only makes a note of it. */
    void (*on_turn)(void *arg);
    void *arg;
    TAILQ_ENTRY(ticket) link;
};

/*
 * Take a ticket for WANTS, of which what no limit holds is left out by the
 * caller (0). Then its state is TICKET_COUNTING, or TICKET_WAITING when others
 * wait for the same.
 */
void ledger_enter(struct ledger *ledger, struct ticket *ticket,
                  const struct shares *wants, void (*on_turn)(void *arg),
                  void *arg);

/* The engine is asked what there is from now on. */
void ledger_count(struct ticket *ticket);

/* What it wants has become clearer with what was counted. */
void ledger_want(struct ticket *ticket, enum share share, uint64_t wants);

enum ledger_answer {
    LEDGER_GRANTED, /* it holds its place */
    LEDGER_FULL,    /* there is none; the ticket is gone */
    LEDGER_WAIT,    /* until on_turn */
    LEDGER_AGAIN,   /* things were made meanwhile: count again */
};

/*
 * The engine has counted USED. LEDGER_FULL: *FULL is the share, and *TAKEN what
 * is taken of it.
 */
enum ledger_answer ledger_ask(struct ticket *ticket, const struct shares *used,
                              const struct shares *limits, uint64_t now_ms,
                              enum share *full, uint64_t *taken);

/* What was made up to now: to be known to a count that begins. */
void ledger_mark(const struct ledger *ledger, struct shares *made);

/*
 * All in one for whoever cannot wait: TICKET, not taken, holds WANTS, beside
 * all that was counted (USED, SEEN having been marked) and all that may not
 * have been; or it is refused as by ledger_ask, which leaves it as it was.
 */
bool ledger_take(struct ledger *ledger, struct ticket *ticket,
                 const struct shares *wants, const struct shares *used,
                 const struct shares *seen, const struct shares *limits,
                 uint64_t now_ms, enum share *full, uint64_t *taken);

enum ticket_end {
    TICKET_NOT_MADE, /* nothing came of it */
    TICKET_MADE,     /* the engine shows it from now on */
    TICKET_UNKNOWN,  /* it was sent, and no reply came */
};

/* Give the ticket back, in any state. */
void ledger_leave(struct ticket *ticket, enum ticket_end end, uint64_t now_ms);

/*
 * One more request, where RATE a second are allowed, and as many at once after
 * a quiet second. False: it is too many.
 */
bool ledger_request(struct ledger *ledger, unsigned rate, uint64_t now_ms);
