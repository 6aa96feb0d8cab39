#include "policy/judge/ledger.h"

#include <assert.h>
#include <stdlib.h>

/* A place that may or may not have been taken, until then. */
struct lost {
    uint64_t until_ms;
    struct shares wants;
};

struct ledger {
    struct shares held; /* by tickets */
    struct shares made; /* all in all, up to now */
    struct lost lost[LIMIT_LOST];
    size_t lost_count;
    TAILQ_HEAD(waiters, ticket) waiters;
    size_t tickets;
    double tokens; /* requests that may come at once */
    uint64_t tokens_ms;
    bool counts_requests;
};

struct ledger *ledger_new(void)
{
    struct ledger *ledger = xcalloc(1, sizeof(*ledger));

    TAILQ_INIT(&ledger->waiters);
    return ledger;
}

struct ledger *ledger_free(struct ledger *ledger)
{
    assert(!ledger || ledger->tickets == 0);
    free(ledger);
    return NULL;
}

static void shares_add(struct shares *to, const struct shares *more)
{
    for (unsigned i = 0; i < SHARE_COUNT; i++)
        to->of[i] += more->of[i];
}

static bool shares_meet(const struct shares *a, const struct shares *b)
{
    for (unsigned i = 0; i < SHARE_COUNT; i++) {
        if (a->of[i] && b->of[i])
            return true;
    }
    return false;
}

/* ---- turns ---- */

static struct ticket *first_waiter(struct ledger *ledger,
                                   const struct shares *shares)
{
    struct ticket *ticket;

    TAILQ_FOREACH(ticket, &ledger->waiters, link)
    {
        if (shares_meet(&ticket->wants, shares))
            return ticket;
    }
    return NULL;
}

/* Some of SHARE may be free: the first ticket that waits for it has its turn.
 */
static void give_turn_of(struct ledger *ledger, enum share share)
{
    struct ticket *ticket;

    TAILQ_FOREACH(ticket, &ledger->waiters, link)
    {
        if (ticket->wants.of[share])
            break;
    }
    if (!ticket)
        return;
    TAILQ_REMOVE(&ledger->waiters, ticket, link);
    ticket->state = TICKET_COUNTING;
    ticket->woken = true;
    ticket->on_turn(ticket->arg);
}

/* Of each of SHARES; a ticket may wait for one of them alone. */
static void give_turns(struct ledger *ledger, const struct shares *shares)
{
    const struct shares all = *shares; /* ON_TURN may end whose they are */

    for (unsigned i = 0; i < SHARE_COUNT; i++) {
        if (all.of[i])
            give_turn_of(ledger, (enum share)i);
    }
}

static void wait_for_turn(struct ticket *ticket)
{
    if (ticket->woken) /* as early as before */
        TAILQ_INSERT_HEAD(&ticket->ledger->waiters, ticket, link);
    else
        TAILQ_INSERT_TAIL(&ticket->ledger->waiters, ticket, link);
    ticket->state = TICKET_WAITING;
    ticket->woken = false;
}

static void pass_turn_on(struct ticket *ticket)
{
    if (ticket->woken)
        give_turns(ticket->ledger, &ticket->turn);
    ticket->woken = false;
}

/* ---- places ---- */

static void forget_lost(struct ledger *ledger, uint64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < ledger->lost_count; i++) {
        struct lost *lost = &ledger->lost[i];

        if (lost->until_ms > now_ms + LEDGER_LOST_MS) /* the clock went back */
            lost->until_ms = now_ms + LEDGER_LOST_MS;
        if (lost->until_ms > now_ms)
            ledger->lost[kept++] = *lost;
    }
    ledger->lost_count = kept;
}

static void note_lost(struct ledger *ledger, const struct shares *wants,
                      uint64_t now_ms)
{
    struct lost *lost;

    forget_lost(ledger, now_ms);
    if (ledger->lost_count == LIMIT_LOST) { /* the last one takes it over */
        lost = &ledger->lost[LIMIT_LOST - 1];
    } else {
        lost = &ledger->lost[ledger->lost_count++];
        *lost = (struct lost){0};
    }
    shares_add(&lost->wants, wants);
    lost->until_ms = now_ms + LEDGER_LOST_MS;
}

static uint64_t lost_of(const struct ledger *ledger, enum share share)
{
    uint64_t all = 0;

    for (size_t i = 0; i < ledger->lost_count; i++)
        all += ledger->lost[i].wants.of[share];
    return all;
}

void ledger_enter(struct ledger *ledger, struct ticket *ticket,
                  const struct shares *wants, void (*on_turn)(void *arg),
                  void *arg)
{
    assert(ticket->state == TICKET_NONE);
    *ticket = (struct ticket){.ledger = ledger,
                              .wants = *wants,
                              .turn = *wants,
                              .on_turn = on_turn,
                              .arg = arg};
    ledger->tickets++;
    if (first_waiter(ledger, wants))
        wait_for_turn(ticket);
    else
        ticket->state = TICKET_COUNTING;
}

void ledger_count(struct ticket *ticket)
{
    assert(ticket->state == TICKET_COUNTING);
    ticket->seen = ticket->ledger->made;
}

void ledger_want(struct ticket *ticket, enum share share, uint64_t wants)
{
    assert(ticket->state == TICKET_COUNTING);
    ticket->wants.of[share] = wants;
    if (wants) /* what is wanted no longer may still have been its turn */
        ticket->turn.of[share] = wants;
}

static bool is_over(uint64_t taken, uint64_t wants, uint64_t limit)
{
    return taken > limit || wants > limit - taken;
}

static enum ledger_answer ask_share(const struct ticket *ticket,
                                    enum share share, uint64_t used,
                                    uint64_t limit, uint64_t *taken)
{
    const struct ledger *ledger = ticket->ledger;
    uint64_t wants = ticket->wants.of[share], held = ledger->held.of[share];
    uint64_t made = ledger->made.of[share] - ticket->seen.of[share];

    if (share_lasts_as_request(share)) {
        used = made = 0;
    } else {
        used += lost_of(ledger, share);
    }
    *taken = used;
    if (wants == 0)
        return LEDGER_GRANTED;
    if (is_over(used, wants, limit))
        return LEDGER_FULL;
    if (!is_over(used + held + made, wants, limit))
        return LEDGER_GRANTED;
    return held ? LEDGER_WAIT : LEDGER_AGAIN;
}

/* The ticket is done without a place. */
static void close_ticket(struct ticket *ticket)
{
    pass_turn_on(ticket);
    ticket->state = TICKET_NONE;
    ticket->ledger->tickets--;
}

enum ledger_answer ledger_ask(struct ticket *ticket, const struct shares *used,
                              const struct shares *limits, uint64_t now_ms,
                              enum share *full, uint64_t *taken)
{
    enum ledger_answer worst = LEDGER_GRANTED;

    assert(ticket->state == TICKET_COUNTING);
    forget_lost(ticket->ledger, now_ms);
    for (unsigned i = 0; i < SHARE_COUNT; i++) {
        enum ledger_answer answer =
            ask_share(ticket, (enum share)i, used->of[i], limits->of[i], taken);

        if (answer == LEDGER_FULL) {
            *full = (enum share)i;
            close_ticket(ticket);
            return LEDGER_FULL;
        }
        if (answer == LEDGER_WAIT || worst == LEDGER_GRANTED)
            worst = answer;
    }
    if (worst == LEDGER_WAIT) {
        wait_for_turn(ticket);
    } else if (worst == LEDGER_GRANTED) {
        ticket->state = TICKET_HELD;
        shares_add(&ticket->ledger->held, &ticket->wants);
        pass_turn_on(ticket);
    }
    return worst;
}

void ledger_mark(const struct ledger *ledger, struct shares *made)
{
    *made = ledger->made;
}

bool ledger_take(struct ledger *ledger, struct ticket *ticket,
                 const struct shares *wants, const struct shares *used,
                 const struct shares *seen, const struct shares *limits,
                 uint64_t now_ms, enum share *full, uint64_t *taken)
{
    assert(ticket->state == TICKET_NONE);
    forget_lost(ledger, now_ms);
    *ticket = (struct ticket){
        .ledger = ledger, .wants = *wants, .turn = *wants, .seen = *seen};
    for (unsigned i = 0; i < SHARE_COUNT; i++) {
        *full = (enum share)i;
        if (ask_share(ticket, *full, used->of[i], limits->of[i], taken) !=
            LEDGER_GRANTED) {
            *taken += ledger->held.of[i];
            return false;
        }
    }
    ticket->state = TICKET_HELD;
    ledger->tickets++;
    shares_add(&ledger->held, wants);
    return true;
}

void ledger_leave(struct ticket *ticket, enum ticket_end end, uint64_t now_ms)
{
    struct ledger *ledger = ticket->ledger;

    switch (ticket->state) {
    case TICKET_NONE:
        return;
    case TICKET_WAITING:
        TAILQ_REMOVE(&ledger->waiters, ticket, link);
        break;
    case TICKET_COUNTING:
        break;
    case TICKET_HELD:
        for (unsigned i = 0; i < SHARE_COUNT; i++) {
            assert(ledger->held.of[i] >= ticket->wants.of[i]);
            ledger->held.of[i] -= ticket->wants.of[i];
        }
        if (end == TICKET_MADE)
            shares_add(&ledger->made, &ticket->wants);
        else if (end == TICKET_UNKNOWN)
            note_lost(ledger, &ticket->wants, now_ms);
        break;
    }
    /* What it held may be another's now. One that waits again may have had a
     * turn before, which nobody else has then. */
    ticket->woken = true;
    close_ticket(ticket);
}

/* ---- requests a second ---- */

bool ledger_request(struct ledger *ledger, unsigned rate, uint64_t now_ms)
{
    double most = (double)rate;

    if (!ledger->counts_requests || now_ms < ledger->tokens_ms) {
        ledger->tokens = ledger->counts_requests ? ledger->tokens : most;
        ledger->tokens_ms = now_ms;
        ledger->counts_requests = true;
    }
    ledger->tokens += most * (double)(now_ms - ledger->tokens_ms) / 1000;
    ledger->tokens_ms = now_ms;
    if (ledger->tokens > most)
        ledger->tokens = most;
    if (ledger->tokens < 1)
        return false;
    ledger->tokens -= 1;
    return true;
}
