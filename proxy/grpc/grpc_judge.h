#pragma once

/*
 * What grpc_tunnel asks of whoever knows BuildKit: which methods there are, how
 * their messages go through, and what becomes of each of them. All of it is
 * told within the call; the judge never touches the tunnel, except by
 * grpc_call_resume().
 */

#include "proxy/grpc/grpc_status.h"
#include "proxy/grpc/h2_fields.h"

enum grpc_kind {
    GRPC_CONTROL, /* POST /grpc: the runner calls the engine */
    GRPC_SESSION, /* POST /session and in Control.Session: the engine calls the
                     runner */
};

/* By the roles of gRPC: a request goes from the caller, whoever that is. */
enum grpc_way {
    GRPC_REQUEST,
    GRPC_REPLY,
};

/* How the messages of one way go through. */
enum grpc_flow {
    GRPC_ONE,    /* exactly one: gathered, judged, written anew */
    GRPC_EACH,   /* any number, each gathered, judged, written anew */
    GRPC_BYTES,  /* the stream's bytes, unread, as they come */
    GRPC_NESTED, /* BytesMessages that carry an HTTP/2 connection of the kind
                    GRPC_SESSION (Control.Session); both ways */
};

struct grpc_method {
    enum grpc_flow flow[2]; /* by way */
    const void *row;        /* the judge's */
};

enum grpc_verdict {
    GRPC_REFUSED = 0,  /* the call ends with the refusal */
    GRPC_SEND,         /* OUT goes on in the message's place */
    GRPC_DROP,         /* GRPC_EACH: nothing goes on for it */
    GRPC_ANSWER,       /* a request: the server is not called; OUT is the one
                          message of the reply */
    GRPC_ANSWER_EMPTY, /* the same, without a message */
    GRPC_WAIT,         /* more must be known: after grpc_call_resume() the same
                          message is judged again */
};

struct grpc_call;

struct grpc_judge {
    /* Does it know the method that PATH names? Then fill METHOD. */
    bool (*find)(void *arg, enum grpc_kind kind, struct str path,
                 struct grpc_method *method);
    /*
     * A call begins. METADATA is what its head holds beyond HTTP/2's and gRPC's
     * own fields; append to OUT what may go on. Returns the state that the
     * functions below get, or NULL with the refusal in WHY.
     */
    void *(*begin)(void *arg, struct grpc_call *call, enum grpc_kind kind,
                   const struct grpc_method *method,
                   const struct h2_fields *metadata, struct h2_fields *out,
                   struct grpc_refusal *why);
    /* One message; OUT is empty and may grow to LIMIT_GRPC_MESSAGE. */
    enum grpc_verdict (*message)(void *state, enum grpc_way way,
                                 struct str message, struct strbuf *out,
                                 struct grpc_refusal *why);
    /* The metadata of the reply's head, as in begin. */
    void (*reply_metadata)(void *state, const struct h2_fields *metadata,
                           struct h2_fields *out);
    /* The server ended it, and not with GRPC_OK: append to TEXT and DETAILS
     * (protobuf, google.rpc.Status; empty for none) what the caller is told. */
    void (*status)(void *state, enum grpc_code code, struct str said,
                   struct str said_details, struct strbuf *text,
                   struct strbuf *details);
    /* It is over, with CODE. Frees STATE. */
    void (*end)(void *state, enum grpc_code code);
    /* May the tunnel hold MORE bytes than it does (grpc_tunnel_memory)? */
    bool (*has_room)(void *arg, size_t more);
    /* A call to PATH was refused, by the judge or as what is no gRPC. */
    void (*refused)(void *arg, enum grpc_kind kind, struct str path,
                    const struct grpc_refusal *why);
};

/* What GRPC_WAIT waited for is there. Never from within the judge's own
 * functions. */
void grpc_call_resume(struct grpc_call *call);
