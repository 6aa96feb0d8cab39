#pragma once

/*
 * The part of a request's way in which it takes its place in what its namespace
 * may have of the engine (policy/judge/share.h): how much it wants, what the
 * engine has to be asked to count, and whether it fits, waits or is refused.
 * Pure like the rest of a request: it is told the answers and the time.
 */

#include "policy/docker/route.h"
#include "policy/docker/target.h"
#include "policy/isolation/own_ids.h"
#include "policy/judge/ledger.h"

/* What to ask the engine, one after the other. */
enum share_question {
    SHARE_ASK_CONTAINERS = 1 << 0, /* all of the namespace */
    SHARE_ASK_NETWORKS = 1 << 1,
    SHARE_ASK_VOLUMES = 1 << 2,
    SHARE_ASK_CONTAINER = 1 << 3, /* the one in the path */
    SHARE_ASK_IMAGE = 1 << 4,     /* the one that a create names */
    SHARE_ASK_IMAGES = 1 << 5,    /* all of the namespace */
};

/* A request while it takes its share. */
struct request_share {
    bool begun;
    struct shares limits;
    struct shares wants; /* of what is limited */
    unsigned questions;  /* that count it: bits of enum share_question */
    unsigned open;       /* of them, not answered yet */
    struct shares used;  /* as far as it was counted */
    uint64_t volumes;    /* of a create, that are not there yet */
    struct shares takes; /* what the container in question takes */
    bool takes_known;    /* it has a label that says it */
    bool found;          /* ... and it is there */
    bool running;        /* it takes it already */
    json_t *exposed;     /* ports of the image, or NULL */
    struct ticket ticket;
};

/* What the request is, as the engine will get it. */
struct share_request {
    const struct policy *policy;
    const struct route_match *match;
    const struct target *target;
    const json_t *body;         /* or NULL */
    struct own_ids *owned;      /* of the namespace; NULL: nothing is known */
    struct ledger *ledger;      /* NULL: nobody else asks */
    void (*on_turn)(void *arg); /* as of a ticket */
    void *arg;
};

enum share_step {
    SHARE_REFUSED, /* for the reason that is in the verdict */
    SHARE_DONE,    /* it has its place, or needs none */
    SHARE_ASK,     /* request_share_put_question, then request_share_answered */
    SHARE_WAIT,    /* for its turn, then request_share_turn */
};

/* Once, before anything is made for the request. A verdict is filled in by a
 * refusal alone. */
enum share_step request_share_begin(struct request_share *share,
                                    const struct share_request *request,
                                    uint64_t now_ms, struct verdict *verdict);

/*
 * Append the target of the open question INDEX, of which there are as many as
 * are asked at once; false past the last one, or when it is too long.
 */
bool request_share_put_question(const struct request_share *share,
                                const struct share_request *request,
                                size_t index, struct strbuf *out);

/* The engine answered the first that is open with STATUS and REPLY, or NULL. */
enum share_step request_share_answered(struct request_share *share,
                                       const struct share_request *request,
                                       int status, json_t *reply,
                                       uint64_t now_ms,
                                       struct verdict *verdict);

/* It may be this request's turn. */
enum share_step request_share_turn(struct request_share *share,
                                   const struct share_request *request,
                                   uint64_t now_ms, struct verdict *verdict);

/* The request is over: its place is free, unless it was made. */
void request_share_end(struct request_share *share, enum ticket_end end,
                       uint64_t now_ms);

/* How many images the request may make; 0: any number. */
uint64_t request_share_images(const struct request_share *share);

/*
 * A create has to carry what its container takes, for counts to come: put
 * the label into BODY.
 */
void request_share_label(const struct request_share *share, json_t *body);
