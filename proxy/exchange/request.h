#pragma once

/*
 * One request on its way from what a client wrote to what the engine is sent:
 * head -> target -> route -> verdict of the operation -> (body) -> verdict of
 * the whole -> a new head and body. Nothing of the client's bytes is forwarded
 * but the payload of streamed bodies.
 *
 * Pure: the exchange feeds it from a connection, "berth explain" from a file.
 */

#include <jansson.h>

#include "policy/config/policy.h"
#include "policy/docker/route.h"
#include "policy/isolation/rewrite.h"
#include "policy/judge/judge.h"
#include "proxy/exchange/request_share.h"
#include "proxy/grpc/h2_fields.h"
#include "proxy/http/http_message.h"

/* What becomes of the body that follows the head. */
enum request_body {
    REQUEST_BODY_NONE,    /* there is none, or an empty one */
    REQUEST_BODY_COLLECT, /* wanted whole, for the verdict */
    REQUEST_BODY_DROP,    /* the engine would ignore it: read and dropped */
    REQUEST_BODY_STREAM,  /* goes on as it comes, framed anew */
    REQUEST_BODY_HIJACK,  /* belongs to the hijacked stream */
};

/* On the way to the engine, and behind its answer. In all but the first and
 * PHASE_DECIDED, lookups may be open. */
enum request_phase {
    PHASE_READING, /* what there is to judge has not all come */
    PHASE_DATING,  /* which API versions the engine speaks */
    PHASE_JUDGING, /* what the policy makes hang on facts, and whose the things
                      are that it names */
    PHASE_REWRITING, /* judged; what is to be made first is made */
    PHASE_COMPARING, /* an update is held against what it updates */
    PHASE_SHARING,   /* what the namespace takes already is counted */
    PHASE_DECIDED,   /* there is a verdict */
    PHASE_BUILDING,  /* the images that a Dockerfile names */
    PHASE_AFTER,     /* what follows from the engine's answer is asked */
    PHASE_FINISH,    /* and from its end */
};

/* Where a request takes its place among others of its namespace, and what is
 * known of the engine. */
struct request_world {
    struct ledger *ledger;
    uint64_t (*now_ms)(void *arg); /* since the epoch */
    /* The oldest API version that the engine speaks, 1.OLDEST; 0: any that is
     * asked for, unless it ASKS_OLDEST first. */
    unsigned oldest;
    bool asks_oldest;
    /* It may be its turn: have request_turn called, but not from here. */
    void (*on_turn)(void *arg);
    void *arg;
};

struct request {
    enum request_phase phase;
    struct target target;
    struct route_match match; /* .route is NULL without one */
    enum request_body body;
    bool upgrade; /* asks for the one that its route knows */
    struct verdict verdict;
    bool would_deny; /* allowed, but only because the policy just reports */
    struct verdict reported; /* the refusal that would have been */
    struct judgement judgement;
    size_t need_lookups[LIMIT_NEEDS]; /* where the facts for its needs come */
    struct lookups lookups;           /* all that is asked on its account */
    struct lookups parked;  /* in PHASE_SHARING: those that come after it */
    struct rewrite looking; /* for images that judging hangs on */
    struct rewrite rewrite;
    struct request_build *build; /* of a classic build; else NULL */
    bool rewriting;              /* in a namespace: REWRITE is in use */
    struct request_world world;
    unsigned client_minor; /* of the API version that was asked for, when the
                              engine speaks none as old; else 0 */
    struct request_share share;
    bool waits;        /* for its turn */
    bool has_changed;  /* something was made for it */
    bool engine_words; /* a refusal that an engine would give, in its words */
    bool answers;      /* the verdict is to answer with ANSWER, not to ask on */
    int answer_status;
    json_t *answer;          /* or NULL: no body */
    struct strbuf sent;      /* the target as it goes; empty until judged */
    json_t *changes;         /* array: what berth changed in the body */
    json_t *lacks;           /* object: what the policy lacks to allow it */
    struct strbuf collected; /* the body as it came, or its beginning */
    size_t dropped;          /* bytes of one that nobody looks at */
    bool replaces_heads;     /* HEADS go in place of the session's own */
    struct h2_fields heads;
    struct strbuf json; /* the body as it goes */
    json_t *tree;       /* the same, for the audit */
    size_t tree_size;   /* about as many bytes */
};

void request_init(struct request *rq);
void request_fini(struct request *rq);

/*
 * All that the head alone can tell. The verdict is final when it is a refusal;
 * else rq->body says what to do with the body, and request_judge must follow
 * (after the whole body for REQUEST_BODY_COLLECT).
 */
void request_read_head(struct request *rq, const struct policy *policy,
                       const struct http_head *head);

/* Part of a body to collect. Over LIMIT_JSON_BODY the verdict is a 413. */
void request_add_body(struct request *rq, struct str bytes);

/* Does the engine get the body, of which HEAD tells, in chunks? An archive may
 * change its length on the way (upload.h). */
bool request_chunks(const struct request *rq, const struct http_head *head);

/*
 * The verdict of the whole request, unless it hangs on what only the engine
 * knows: then request_asks(rq); or rq->waits, until request_turn. After an
 * allow, rq->sent and rq->json are what goes to the engine, or rq->answers says
 * what is answered without it. WORLD NULL: there are no other requests.
 */
void request_judge(struct request *rq, const struct policy *policy,
                   const struct rewrite_context *context,
                   const struct request_world *world);

/* Append what its client is told of a request that is refused: all reasons,
 * and the policy's words. What does not fit OUT is left out. */
void request_put_refusal(const struct request *rq, const struct policy *policy,
                         struct strbuf *out);

/* Is rq->rewrite in use: of a whole request in a namespace, or of a classic
 * build's Dockerfile and the lines of its reply alone? */
static inline bool request_rewrites(const struct request *rq)
{
    return rq->rewriting || rq->build;
}

/* Are there lookups that have to be answered before it goes on? */
static inline bool request_asks(const struct request *rq)
{
    return rq->phase != PHASE_DECIDED && lookups_are_pending(&rq->lookups);
}

/*
 * The engine's answer to the lookup at INDEX: STATUS, and the body as JSON
 * (taken over) or NULL; STATUS 0 when it could not be asked. Once all are
 * answered the request goes on, and there may be others.
 */
void request_answered(struct request *rq, const struct policy *policy,
                      size_t index, int status, json_t *reply);

/* A request that waits goes on, if it is its turn; or it has waited too long.
 */
void request_turn(struct request *rq, const struct policy *policy);
void request_turn_is_late(struct request *rq, const struct policy *policy);

/* The request is over, and END is what came of it: its place is free again. */
void request_leave(struct request *rq, enum ticket_end end);
/*
 * A body that rq->build looks into is over, and its filter has had its end:
 * request_asks, or else the verdict is a refusal, or all is there that
 * request_build_finish wants.
 */
void request_body_over(struct request *rq, const struct policy *policy);

/* The engine has answered the request with STATUS: is there more to ask? */
bool request_after(struct request *rq, int status);

/*
 * All of the reply has come, and what followed from it is done. Is another
 * request to follow, whose reply goes on where this one's ended (a push of all
 * tags)? Then it is to be settled like one that was judged.
 */
bool request_goes_on(struct request *rq, const struct policy *policy);

/*
 * The request will not be sent to the engine. What was made ahead for it is to
 * be undone: is there any such thing? Then request_asks(rq) for that. What had
 * not been answered yet is not asked any more.
 */
bool request_abandon(struct request *rq);

/* Add what its client has to know of the request to the engine's REPLY, which
 * answers it with STATUS. */
void request_put_warnings(const struct request *rq, int status, json_t *reply);

/* The same when the reply has come to its end; BODY is what is kept of it. */
bool request_finish(struct request *rq, struct str body);
/* The same when a line of it was looked at. */
bool request_after_line(struct request *rq);

/* Must what the engine answers with STATUS be put into the runner's words? */
bool request_restores(const struct request *rq, int status);

/*
 * Write the request for the engine: request line, headers that its route
 * knows, its framing, and a collected body. Only after an allow. 0, or -ENOBUFS
 * when OUT is full (REQUEST_MAX holds any).
 */
#define REQUEST_MAX (3 * LIMIT_HEAD + LIMIT_JSON_WRITTEN)
int request_put(struct strbuf *out, const struct request *rq,
                const struct http_head *head);

/* About how many bytes it holds. */
size_t request_memory(const struct request *rq);

/* Does HEAD's value of a framing header make it a body berth must read? */
bool request_has_body(const struct http_head *head);

static inline enum operation request_operation(const struct request *rq)
{
    return rq->match.route ? rq->match.route->operation : OP_NONE;
}
