#pragma once

/*
 * The inside of a tunnel, shared by grpc_events.c (what the two connections
 * tell), grpc_head.c (the heads of a call), grpc_flow.c (its messages),
 * grpc_nested.c (the connection inside Control.Session), grpc_call.c (a call
 * and its end) and grpc_tunnel.c (the two connections). Calls run in this
 * order, but for the last two, since a call may have a tunnel inside. Nobody
 * else includes this.
 */

#include <assert.h>
#include <sys/queue.h>

#include "policy/base/limits.h"
#include "proxy/base/bytes.h"
#include "proxy/grpc/grpc_frame.h"
#include "proxy/grpc/grpc_tunnel.h"
#include "proxy/grpc/h2.h"

enum call_state {
    CALL_HELD,  /* the server has not heard of it */
    CALL_OPEN,  /* the server has its head */
    CALL_ENDED, /* the caller has its end, or is gone; nothing more passes */
};

enum way_state {
    WAY_READS, /* messages come and go on */
    WAY_WHOLE, /* the one message is there; the end of the request is not */
    WAY_WAITS, /* the judge has the message */
    WAY_ENDED, /* the end of this way went on */
};

struct call_way {
    enum grpc_flow flow;
    enum way_state state;
    bool at_end;     /* nothing more comes */
    size_t count;    /* messages that came */
    struct bytes in; /* what came and was not taken up */
    struct grpc_reader reader;
    size_t gathered; /* of it, counted in the tunnel's */
};

struct grpc_call {
    LIST_ENTRY(grpc_call) link;
    struct grpc_tunnel *tunnel;
    enum call_state state;
    struct h2_stream *stream[2]; /* by the way of what comes on it; or NULL */
    struct call_way way[2];
    char *path;
    void *judged;                /* the judge's state, or NULL */
    struct h2_fields head;       /* of the request as it goes on, while HELD */
    bool answered;               /* the caller has the reply's head */
    enum grpc_code code;         /* how it ended */
    struct strbuf text, details; /* the same, for the caller */
    struct grpc_tunnel *nested;
};

struct leg {
    struct grpc_tunnel *tunnel;
    enum grpc_way way; /* of what comes from it */
    struct h2 *h2;
    bool gone; /* its streams are closed, and no more come */
};

LIST_HEAD(grpc_calls, grpc_call);

struct grpc_tunnel {
    enum grpc_kind kind;
    const struct grpc_judge *judge;
    void *arg;
    const struct h2_events *events; /* of both; of a leg */
    struct grpc_call *parent; /* whose messages carry this tunnel, or NULL */
    struct leg legs[2];       /* by way */
    struct grpc_calls calls;
    size_t call_count;
    size_t gathered; /* bytes of messages that are coming */
};

static inline enum grpc_way grpc_other(enum grpc_way way)
{
    return way == GRPC_REQUEST ? GRPC_REPLY : GRPC_REQUEST;
}

/* Which leg is SIDE's: the caller's, or the server's? */
static inline enum grpc_way grpc_side_way(enum grpc_kind kind,
                                          enum grpc_side side)
{
    bool calls = (kind == GRPC_CONTROL) == (side == GRPC_RUNNER);

    return calls ? GRPC_REQUEST : GRPC_REPLY;
}

/* grpc_tunnel.c: one whose connections tell EVENTS. */
struct grpc_tunnel *grpc_tunnel_of(enum grpc_kind kind,
                                   const struct grpc_judge *judge, void *arg,
                                   const struct h2_events *events);

/* grpc_call.c */
struct grpc_call *grpc_call_new(struct grpc_tunnel *tunnel,
                                struct h2_stream *stream, struct str path);
void grpc_call_free(struct grpc_call *call);
/* Count what has come of the message of WAY. False: too many bytes come. */
bool grpc_call_count(struct grpc_call *call, enum grpc_way way);
void grpc_call_forget_message(struct grpc_call *call, enum grpc_way way);
/* The server is called. */
void grpc_call_start(struct grpc_call *call);
/* All that came from the server went on: the caller gets the end. */
void grpc_call_finish(struct grpc_call *call);
/* The reply's head, when there is nothing to take over from the server's. */
void grpc_call_answer(struct grpc_call *call);
void grpc_put_reply_head(struct h2_fields *fields);
/* It ends here, with a status of our own; _deny: and that goes on record. */
void grpc_call_fail(struct grpc_call *call, enum grpc_code code,
                    const char *why);
void grpc_call_deny(struct grpc_call *call, const struct grpc_refusal *why);
/* The stream on which WAY came is gone. */
void grpc_call_closed(struct grpc_call *call, enum grpc_way way, uint32_t code);

/* grpc_head.c */
void grpc_call_begin(struct grpc_tunnel *tunnel, struct h2_stream *stream,
                     const struct h2_fields *head, bool cut);
void grpc_call_reply_head(struct grpc_call *call, const struct h2_fields *head,
                          bool cut);
void grpc_call_trailers(struct grpc_call *call, const struct h2_fields *fields);

/* grpc_flow.c */
/* Are there no MORE bytes for it? Then it was refused. */
bool grpc_flow_is_crowded(struct grpc_call *call, size_t more);
void grpc_flow_data(struct grpc_call *call, enum grpc_way way, struct str data);
void grpc_flow_end(struct grpc_call *call, enum grpc_way way);
/* LEN bytes of WAY have left. */
void grpc_flow_sent(struct grpc_call *call, enum grpc_way way, size_t len);
void grpc_flow_go_on(struct grpc_call *call, enum grpc_way way);

/* grpc_nested.c */
void grpc_nested_begin(struct grpc_call *call);
/* One message that carries bytes of the connection inside. */
void grpc_nested_message(struct grpc_call *call, enum grpc_way way,
                         struct str message);
void grpc_nested_end(struct grpc_call *call, enum grpc_way way);
/* Bring on their way what the connection inside has to send. */
void grpc_nested_flush(struct grpc_call *call);
/* May more of WAY be taken up? */
bool grpc_nested_reads(const struct grpc_call *call, enum grpc_way way);
