#pragma once

/*
 * Carries out the wishes of an exchange in memory, in the order in which
 * session.c carries them out with sockets: for unit tests and the fuzzer, which
 * want the exchange alone (tests/wire plays through sessions). The test plays
 * client, engine, link and clock.
 */

#include "policy/config/policy.h"
#include "policy/judge/ledger.h"
#include "proxy/exchange/connection.h"
#include "proxy/metrics/counters.h"

/* One side, as the test plays it. */
struct driver_side {
    struct strbuf in;  /* it sent that; not yet taken by the exchange */
    bool eof;          /* and nothing more */
    bool told_eof;     /* which the exchange knows */
    struct strbuf out; /* it was sent that; the test takes it from here */
    size_t room;       /* it takes so many bytes more */
    bool shut;         /* it was told EOF */
};

struct exchange_driver {
    struct connection_host host;
    struct connection *connection;
    struct policy *policy;
    struct engine_facts facts;
    struct own_ids *owned; /* the test's, or NULL */
    struct ledger *ledger; /* its own, or the test's */
    struct ledger *own_ledger;
    struct job_book *jobs;
    bool turn; /* the exchange was given one */
    struct tunnel_share *builds;
    struct driver_side sides[2];
    size_t piece; /* so many bytes at most are fed or sent at once */

    bool has_stream;
    bool failed; /* the stream: WHY and PRISTINE say how */
    const char *why;
    bool pristine;
    enum connection_stream fate; /* of the last stream; STREAM_NONE: open yet */

    bool closed;   /* the connection, as the exchange wished */
    size_t memory; /* it may hold so many bytes; 0: any number */
    bool audit_fails;
    struct strbuf audit; /* all records, a line each */
    struct counters counters;
    unsigned exchanges;
    unsigned idle_pings; /* answered without the engine: not on record */
    uint64_t now_ns;
};

/* KEYS: JSON members of a policy beside version and upstream; without
 * "namespace" among them it is r1, and without "isolation" there is none. */
struct policy *driver_policy(const char *keys);

/* Takes over the reference to POLICY. */
void driver_init(struct exchange_driver *d, struct policy *policy);
void driver_fini(struct exchange_driver *d);

/* Another connection of the same client; the record goes on. */
void driver_reconnect(struct exchange_driver *d);

/* The engine answered a ping: its facts are known. */
void driver_know_engine(struct exchange_driver *d);

/* The tunnels of BuildKit are seen through, to an engine that calls itself
 * SERVER ("Docker/26.1.5 (linux)"). */
void driver_see_builds(struct exchange_driver *d, const char *server);

/* SIDE sends BYTES; settle follows. */
void driver_send(struct exchange_driver *d, enum side side, struct str bytes);
void driver_eof(struct exchange_driver *d, enum side side);
void driver_client_gone(struct exchange_driver *d);
/* False when the exchange waits for no stream. */
bool driver_open_stream(struct exchange_driver *d);
/* The stream ends in trouble, or cannot be opened. WHY stays the caller's. */
void driver_fail_stream(struct exchange_driver *d, const char *why,
                        bool pristine);
/* The first lookup that has been sent and not answered; NULL: there is none. */
const struct lookup *driver_lookup(const struct exchange_driver *d,
                                   size_t *index);

/* The engine's answer to that one; false when there is none. */
bool driver_answer(struct exchange_driver *d, int status, json_t *reply);
/* Do all there is to do. */
void driver_settle(struct exchange_driver *d);

/* Does the exchange wait for a stream? */
bool driver_wants_stream(const struct exchange_driver *d);
