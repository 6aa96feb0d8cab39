#pragma once

/*
 * An upstream with no engine behind it: the test opens, feeds and closes its
 * streams by hand, and reads what was written to them.
 */

#include <event2/event.h>

#include "proxy/upstream/upstream.h"

#define FAKE_STREAMS 32

struct fake_stream {
    struct stream stream;
    bool closed; /* by its owner */
    bool shut;
    unsigned port;     /* of the engine's host; 0: it leads to the engine */
    size_t room;       /* how much a write takes */
    struct strbuf in;  /* from the engine, not yet consumed */
    struct strbuf out; /* to the engine */
};

struct fake_upstream {
    struct upstream upstream;
    struct upstream_status status;
    struct fake_stream streams[FAKE_STREAMS];
    size_t count;
    const void *given_up_by; /* so many of its streams linger */
    size_t lingering;
};

void fake_upstream_init(struct fake_upstream *fake);
void fake_upstream_fini(struct fake_upstream *fake);

/* What happens to stream AT, told to its owner. */
void fake_open(struct fake_upstream *fake, size_t at);
void fake_feed(struct fake_upstream *fake, size_t at, const char *bytes);
void fake_eof(struct fake_upstream *fake, size_t at);
void fake_fail(struct fake_upstream *fake, size_t at, const char *why);

/* Let what was put off happen. */
void run_loop(struct event_base *base);

/* The same, with an engine to which streams open at once. */
void fake_run(struct fake_upstream *fake, struct event_base *base);

/* The engine's stream on which TEXT was asked for, or FAKE_STREAMS. */
size_t fake_asked(const struct fake_upstream *fake, const char *text);

/* Take what was asked with QUESTION in it, and answer it with STATUS and BODY,
 * which is JSON. */
void fake_answer(struct fake_upstream *fake, struct event_base *base,
                 const char *question, int status, const char *body);
