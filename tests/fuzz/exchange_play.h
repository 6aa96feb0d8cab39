#pragma once

/*
 * The input is a play: each byte says what happens next (who sends how much of
 * what, what becomes of the stream, which time is over), and the bytes behind
 * it are its lines. Properties: what the engine gets are requests that the
 * table of routes knows, on record before, with nothing behind them but a
 * tunnel's bytes; what the client gets is HTTP; no buffer outgrows its limit;
 * and when the client is gone, so is everything, with one end on record each.
 */

#include <jansson.h>

#include "policy/config/policy.h"
#include "policy/docker/route.h"
#include "policy/isolation/own_ids.h"

/* What there is to say, beside the bytes of the input. A line that begins with
 * \1 is a frame of ten bytes. */
struct lines {
    const char *const *requests, *const *replies; /* HTTP */
    const char *const *answers; /* JSON, to what berth itself asks */
    size_t request_count, reply_count, answer_count;
};

/* Who else looks at what each side got; each may be NULL. */
struct watch {
    /* All of a request; BODY is NULL when it is no JSON. */
    void (*request)(const struct route_match *match,
                    const struct target *target, json_t *body,
                    struct own_ids *owned);
    /* All of a reply to OPERATION, if that is known. */
    void (*reply)(enum operation operation, int status, struct str body);
};

/* WATCH may be NULL: then nothing is known to be owned, either. */
void play(const uint8_t *bytes, size_t len, struct policy *policy,
          const struct lines *lines, const struct watch *watch);
