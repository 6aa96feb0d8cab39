#pragma once

/*
 * The inside of a connection and of its exchanges. Calls run down this list:
 * connection_timeout.c, connection_lookups.c (the engine's answers),
 * connection.c (its life), connection_wants.c (its wishes), connection_client.c
 * and connection_engine.c (bytes from either side); then
 * exchange_request.c (the verdict), exchange_stream.c, exchange_upload.c (the
 * body), exchange_reply.c, exchange_restore.c (replies in the runner's words),
 * exchange_abandon.c (requests that are given up), exchange_build.c (tunnels of
 * BuildKit), exchange.c (beginning, answers and end), exchange_record.c,
 * exchange_state.c (which state may follow which), connection_preface.c and
 * connection_outlet.c.
 * Nobody else includes this.
 */

#include <assert.h>

#include "policy/docker/archive_own_tags.h"
#include "policy/isolation/list_filter.h"
#include "proxy/archive/upload.h"
#include "proxy/exchange/connection.h"
#include "proxy/exchange/request.h"
#include "proxy/exchange/tunnel_judge.h"
#include "proxy/grpc/grpc_tunnel.h"
#include "proxy/http/http_reader.h"
#include "proxy/http/stdcopy.h"

enum request_state {
    RQ_HEAD,    /* its head has come; without an exchange, it is awaited */
    RQ_COLLECT, /* its body comes, for the verdict (or to be dropped) */
    RQ_ASK,     /* the engine is asked for what the verdict depends on */
    RQ_READY,   /* allowed; waits for a stream to the engine */
    RQ_PAUSE,   /* the same a while later: the engine is too busy */
    RQ_STREAM,  /* its body goes through */
    RQ_TAIL,    /* the client's is over; what follows it is asked for */
    RQ_HELD,    /* sent; what the client sends now is the tunnel's, if any */
    RQ_DONE,    /* sent */
    RQ_HIJACK,  /* raw bytes go through */
    RQ_SHUT,    /* the tunnel's client has sent EOF */
    RQ_UNREAD,  /* the reply wants no more of it, and goes through first */
    RQ_DRAIN,   /* the reply is over, and on record; the rest is dropped */
};

enum reply_state {
    RP_NONE,
    RP_AWAIT, /* the engine's head is awaited */
    RP_ASK,   /* it came; what follows from it is asked first */
    RP_BODY,
    RP_LINE,   /* a line came; what follows from it is asked before the next */
    RP_FINISH, /* all of it came; what follows is asked before it ends */
    RP_HIJACK,
    RP_SHUT, /* the tunnel's engine has sent EOF */
    RP_DONE,
};

/* One direction's bytes on their way out. */
struct outlet {
    struct strbuf bytes;
    size_t sent;
};

struct exchange;

struct connection {
    const struct connection_host *host;
    struct http_reader *reader[2];
    struct outlet out[2];
    enum connection_stream stream;
    enum {
        LIFE_OPEN,
        LIFE_LAST, /* no request behind the one that runs, or that comes */
        LIFE_OVER, /* it ends when its output is gone */
    } life;
    enum {
        CLIENT_OPEN,
        CLIENT_EOF,
        CLIENT_GONE, /* nothing can be sent to it any more */
    } client;
    enum {
        PROTOCOL_OPEN, /* what came may be the beginning of HTTP/2's preface */
        PROTOCOL_HTTP1,
        PROTOCOL_HTTP2, /* the client takes it for granted */
    } protocol;
    uint8_t preface;  /* how much of it has come */
    uint64_t number;  /* of exchanges up to now */
    uint64_t taken;   /* bytes from the client, all in all */
    uint64_t given;   /* bytes to the client */
    uint64_t answers; /* to what berth itself asked, or lookups dropped */
    struct exchange *exchange; /* NULL: a head is awaited, or coming */
};

/*
 * One request and its reply. Whatever finishes, cuts or answers it may free it:
 * that is the last thing that a function does with it, or it looks at
 * conn->exchange afterwards.
 */
struct exchange {
    struct connection *conn;
    const struct connection_host *host; /* the connection's */
    enum request_state request_state;
    enum reply_state reply_state;
    bool keep; /* the client's connection outlives it */
    bool retried;
    struct stdcopy *frames; /* of a hijacked stream that has them, or NULL */
    struct policy *policy;
    const struct http_head *head; /* of its request, or NULL */
    struct request rq;
    struct upload
        *upload; /* its body, while an archive goes through; or NULL */
    struct {     /* of images that are loaded or saved */
        struct str ns;
        struct archive_names names;
        struct archive_budget budget;
        struct body_filter *saved; /* the reply; or NULL */
    } archive;
    char id[48];
    uint64_t started_ns;
    uint64_t bytes[2]; /* of body and tunnel, from each side */
    size_t drained;
    int status;
    int engine_status; /* of the engine's reply, once its head has come */
    bool was_sent;     /* bytes of it may have left */
    bool decided;      /* its decision is on record */
    struct {
        enum {
            GIVEN_UP_NOT,
            GIVEN_UP_AWAITS, /* nothing more is asked for it; but whether what
                                is being made was made is awaited */
            GIVEN_UP_UNDOES, /* what was made for it is undone */
        } state;
        char *why; /* its client gets a 503 with it then; or NULL */
        unsigned retry_after;
    } given_up;
    enum restoring {
        RESTORE_NOTHING, /* the reply passes as it is */
        RESTORE_WHOLE,   /* it is put into the runner's words as a whole */
        RESTORE_LATE,    /* the same, but its head went ahead */
        RESTORE_LINES,   /* line by line */
        RESTORE_ARCHIVE, /* as it comes: names in an archive of images */
    } restoring;
    struct strbuf held_reply; /* of it, what was not restored yet */
    struct list_filter *list; /* what goes before it is held; or NULL */
    bool skips_line;          /* what comes up to the next line's start goes */
    bool goes_on;     /* its reply has begun with that to another request */
    size_t on_record; /* pushes of several that are */
    enum reply_framing framing;
    enum audit_close close;
    struct strbuf created; /* the reply to a create, for its ID */

    /* a tunnel of BuildKit that is seen through; else all NULL */
    struct tunnel_judge *build;
    struct grpc_tunnel *tunnel; /* once the engine has switched to it */
    char *session;              /* its ID, which is open */
    char *engine_version;       /* by which it is judged */
};

/* Move a half on; dies on what cannot be. */
void exchange_enter(struct exchange *ex, enum request_state to);
void exchange_enter_reply(struct exchange *ex, enum reply_state to);

/* Bytes that wait to be sent to SIDE, and how many more may be added. */
size_t connection_pending(const struct connection *conn, enum side side);
size_t connection_room(const struct connection *conn, enum side side);
/* Drop what waits to be sent to SIDE. */
void connection_forget_output(struct connection *conn, enum side side);

/* May another request follow? */
static inline bool connection_goes_on(const struct connection *conn)
{
    return conn->life == LIFE_OPEN && conn->client == CLIENT_OPEN;
}

/* Is a stream to the engine waited for, or in use? */
static inline bool connection_has_stream(const struct connection *conn)
{
    return conn->stream == STREAM_WANTED || conn->stream == STREAM_USED;
}

/* What the client's half is at. */
static inline enum request_state
connection_request_state(const struct connection *conn)
{
    return conn->exchange ? conn->exchange->request_state : RQ_HEAD;
}

/* Has all of the request come? */
static inline bool exchange_is_complete(const struct exchange *ex)
{
    return http_reader_is_idle(ex->conn->reader[CLIENT]);
}

/* Is the reply at its end, as far as the engine is concerned? */
static inline bool exchange_reply_is_over(const struct exchange *ex)
{
    return ex->reply_state == RP_DONE || ex->reply_state == RP_SHUT;
}

/*
 * The request will not be sent. If something was made for it, have that undone
 * (RQ_ASK), and answer 503 for REASON behind it: true. False when nothing was.
 */
bool exchange_undo(struct exchange *ex, const char *reason,
                   unsigned retry_after);

/*
 * The request will not be sent to the engine: WHY (NULL: there is no way to it)
 * is what its client is told. Lookups that have not gone out are dropped. What
 * is being made is awaited, for only its answer tells whether it was made: then
 * it is given up, and what was made for it is undone first (true: it is at it).
 */
void exchange_abandon(struct exchange *ex, const char *why,
                      unsigned retry_after);
bool exchange_give_up(struct exchange *ex);
bool exchange_give_up_if_known(struct exchange *ex);
void exchange_client_gone(struct exchange *ex);

#define MEMORY_RULE "request.memory"
#define MEMORY_REASON                                                          \
    "berth holds as many bytes of this listener's clients as it may (bodies "  \
    "under way, replies that are not read); try again in a moment, with "      \
    "fewer "                                                                   \
    "requests at a time"

/* May it hold MORE bytes? */
static inline bool exchange_has_room(const struct exchange *ex, size_t more)
{
    return !ex->host->has_room || ex->host->has_room(ex->host->arg, more);
}

/* Does it wait for others of its namespace? */
static inline bool exchange_waits(const struct exchange *ex)
{
    return ex->request_state == RQ_ASK && ex->rq.waits;
}

/* Is there something that berth itself asks the engine? */
static inline bool exchange_asks(const struct exchange *ex)
{
    return (ex->request_state == RQ_ASK && !ex->rq.waits) ||
           ex->request_state == RQ_TAIL || ex->reply_state == RP_ASK ||
           ex->reply_state == RP_LINE || ex->reply_state == RP_FINISH ||
           (ex->tunnel && tunnel_judge_asks(ex->build));
}

static inline bool connection_asks(const struct connection *conn)
{
    return conn->exchange && exchange_asks(conn->exchange);
}

/*
 * Something else than bytes made a half go on. Its message may have come to its
 * end before, and no byte is to follow that would tell.
 */
void connection_look_again(struct connection *conn);

/* A request begins. */
struct exchange *exchange_begin(struct connection *conn);

/* Nothing more is wanted of the engine, nor to be sent to it. */
void exchange_let_go(struct exchange *ex);

/*
 * Answer in the engine's stead, then take the next request or close. Where a
 * reply's head has gone to the client already, it is cut.
 */
bool exchange_head_is_out(const struct exchange *ex);
void exchange_answer(struct exchange *ex, int status, const char *message,
                     unsigned retry_after, enum audit_close close);

/* Body bytes to the client, framed; and the line of an error, MESSAGE. */
void exchange_put_body(struct exchange *ex, struct str data);
void exchange_put_error_line(struct exchange *ex, const char *message);

/* The same, when the answer has been put already. */
void exchange_answered_alone(struct exchange *ex);

/* The exchange is over: on to the next request, or to the end. */
void exchange_finish(struct exchange *ex, enum audit_close close);
/* The same when both halves are through. */
void exchange_finish_if_done(struct exchange *ex);
/* It cannot be completed: the client must see that it is cut. */
void exchange_cut(struct exchange *ex, enum audit_close close);

/* exchange_record.c */
int exchange_record_decision(const struct exchange *ex);
int exchange_record_call(const struct exchange *ex,
                         const struct tunnel_event *event);
/* One of several that are pushed, by its NAME. */
int exchange_record_push(const struct exchange *ex, struct str name);
void exchange_record_end(struct exchange *ex);

/* connection_lookups.c: it has waited for its turn too long. */
void connection_turn_is_late(struct connection *conn);

/* connection_client.c: bytes from the client, up to what judges the request */
size_t connection_feed_client(struct connection *conn, struct str bytes);
bool connection_reads_client(const struct connection *conn);
void connection_client_eof(struct connection *conn);

/* connection_engine.c: bytes from the engine */
size_t connection_feed_engine(struct connection *conn, struct str bytes);
bool connection_reads_engine(const struct connection *conn);
/* NULL, or why the stream has failed by that. */
const char *connection_engine_eof(struct connection *conn);

/* exchange_request.c: the verdict, and what the engine is asked for it */
/* All that is judged has come: judge it, and do what follows from that. */
void exchange_judge(struct exchange *ex);
/* There is its verdict, or what the engine must be asked for it. */
void exchange_settle(struct exchange *ex);
/* Answer with its verdict, a refusal. */
void exchange_refuse(struct exchange *ex, enum audit_close close);
/* Its host's clock; ARG is the exchange. */
uint64_t exchange_now_ms(void *arg);
/* The request has a fault that no rule names, so it ends here. */
void exchange_request_fails(struct exchange *ex, int status, const char *why,
                            enum audit_close close);

/* exchange_stream.c: a stream to the engine is open; and it has failed, see
 * connection_stream_failed */
void exchange_stream_open(struct exchange *ex);
void exchange_stream_failed(struct exchange *ex, const char *why,
                            unsigned retry_after, bool pristine);

/* exchange_upload.c: the body of a request as it goes through, from the moment
 * that there is a stream: part of it, and its end */
void exchange_upload_begin(struct exchange *ex);
void exchange_upload(struct exchange *ex, struct str data);
void exchange_upload_end(struct exchange *ex);
/* Is part of it held, because there was no room for what it becomes? There may
 * be by now. */
bool exchange_upload_holds(const struct exchange *ex);
bool exchange_upload_goes_on(struct exchange *ex);
/* What was asked for in RQ_TAIL is answered, or there is more to ask. */
void exchange_upload_answered(struct exchange *ex);
/* "100 Continue", if the client waits for that. */
void exchange_put_continue(struct exchange *ex);
/* Bytes of a hijacked connection, as they are. Returns how many. */
size_t exchange_feed_hijack(struct exchange *ex, struct str part);

/* exchange_reply.c: what the engine's reader tells */
void exchange_reply_head(struct exchange *ex);
void exchange_reply_data(struct exchange *ex, struct str data);
void exchange_reply_end(struct exchange *ex);
/* The engine said something that cannot be passed on. */
void exchange_engine_error(struct exchange *ex, const char *what);
/* All is asked that followed from the reply's head; and from its end. */
void exchange_reply_goes_on(struct exchange *ex);
void exchange_finish_reply(struct exchange *ex);
/* Nothing more of the engine's is wanted: its stream may be another's now. */
void exchange_leave_stream(struct exchange *ex);

/* exchange_restore.c: replies in the words of the runner */
enum restoring exchange_restoring(const struct exchange *ex,
                                  const struct http_head *reply);
/* Its body begins to come. */
void exchange_restore_begin(struct exchange *ex);
/* Part of the body; and its end. False: it made no sense, and what to do about
 * it was done. */
bool exchange_restore(struct exchange *ex, struct str data);
bool exchange_restore_end(struct exchange *ex);
/* The same of the last line, where it goes line by line: before what follows
 * from it is asked. */
bool exchange_restore_rest(struct exchange *ex);
/* What followed from one of its lines is asked. */
void exchange_lines_go_on(struct exchange *ex);
/* Behind the engine's last line, what berth has to say itself. */
void exchange_put_last_line(struct exchange *ex);

/* connection_preface.c: clients that take HTTP/2 for granted */
/* May what comes be its preface? Then PART goes to connection_feed_preface,
 * which returns how much of it was taken; and *INSTEAD, which may be empty, is
 * to be read as HTTP/1.1 in its place. */
bool connection_may_be_preface(const struct connection *conn);
size_t connection_feed_preface(struct connection *conn, struct str part,
                               struct str *instead);
/* What such a client sent before its frames; else empty. */
struct str connection_preface(const struct connection *conn);
/* Refuse it, in HTTP/2: append SETTINGS and a GOAWAY that says WHY. */
void exchange_put_goaway(struct strbuf *out, struct str why);

/* exchange_build.c: tunnels of BuildKit that are seen through */
/* A request is about to be judged. False: it is not to be, see the verdict. */
bool exchange_build_prepare(struct exchange *ex);
/* Are old clients, who go by what a ping says, to use the classic builder? */
bool exchange_build_is_classic(const struct exchange *ex);
/* The engine has switched protocols. */
void exchange_build_start(struct exchange *ex);
void exchange_build_fini(struct exchange *ex);
/* While ex->tunnel. All of BYTES is taken; the exchange may be over then. */
bool exchange_build_reads(const struct exchange *ex, enum side side);
void exchange_build_feed(struct exchange *ex, enum side side, struct str bytes);
void exchange_build_eof(struct exchange *ex, enum side side);
void exchange_build_answered(struct exchange *ex, int status,
                             const json_t *reply);
/* Put out what there is to send, as far as there is room. */
void exchange_build_settle(struct exchange *ex);

/* Buffers are made so that what is added on purpose fits. */
static inline void must(int r)
{
    assert(r == 0);
}

static inline void put_chunk(struct strbuf *out, struct str data)
{
    must(http_put_chunk_line(out, data.len));
    must(strbuf_add(out, data));
    must(strbuf_add(out, S("\r\n")));
}
