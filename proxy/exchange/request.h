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
#include "proxy/http/http_message.h"

/* What becomes of the body that follows the head. */
enum request_body {
    REQUEST_BODY_NONE,    /* there is none, or an empty one */
    REQUEST_BODY_COLLECT, /* wanted whole, for the verdict */
    REQUEST_BODY_DROP,    /* the engine would ignore it: read and dropped */
    REQUEST_BODY_SNIFF,   /* the same as the next, once its first bytes, which
                             are collected, have been judged */
    REQUEST_BODY_STREAM,  /* goes on as it comes, framed anew */
    REQUEST_BODY_HIJACK,  /* belongs to the hijacked stream */
};

/* On the way to the engine, and behind its answer. */
enum request_phase {
    PHASE_READING,   /* what there is to judge has not all come */
    PHASE_JUDGING,   /* what a policy makes hang on facts is asked */
    PHASE_REWRITING, /* whose the things are that it names is asked */
    PHASE_COMPARING, /* an update is held against what it updates */
    PHASE_DECIDED,   /* there is a verdict */
    PHASE_AFTER,     /* what follows from the engine's answer is asked */
    PHASE_FINISH,    /* and from its end */
};

/* What berth asks the engine for its own part. */
struct question {
    enum method method;
    struct strbuf target;
    struct strbuf body; /* JSON, or empty */
    bool changes;       /* it makes something: first put it on record */
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
    size_t asked;               /* how many of its needs have been answered */
    json_t *facts[LIMIT_NEEDS]; /* what the engine answered */
    bool asks;
    struct question question; /* while it ASKS */
    struct rewrite looking;   /* for images that judging hangs on */
    struct rewrite rewrite;
    bool rewriting;    /* REWRITE is in use */
    bool engine_words; /* a refusal that an engine would give, in its words */
    bool answers;      /* the verdict is to answer with ANSWER, not to ask on */
    int answer_status;
    json_t *answer;          /* or NULL: no body */
    struct strbuf sent;      /* the target as it goes; empty until judged */
    json_t *changes;         /* array: what berth changed in the body */
    json_t *lacks;           /* object: what the policy lacks to allow it */
    struct strbuf collected; /* the body as it came, or its beginning */
    size_t dropped;          /* bytes of one that nobody looks at */
    struct strbuf json;      /* the body as it goes */
    json_t *tree;            /* the same, for the audit */
};

void request_init(struct request *rq);
void request_fini(struct request *rq);

/*
 * All that the head alone can tell. The verdict is final when it is a refusal;
 * else rq->body says what to do with the body, and request_judge must follow
 * (after the whole body for REQUEST_BODY_COLLECT, and for REQUEST_BODY_SNIFF
 * when request_has_enough or that is all there is).
 */
void request_read_head(struct request *rq, const struct policy *policy,
                       const struct http_head *head);

/* Part of a body to collect. Over LIMIT_JSON_BODY the verdict is a 413. */
void request_add_body(struct request *rq, struct str bytes);

/* Have so many bytes of a body to sniff come that they tell what it is? */
bool request_has_enough(const struct request *rq);

/*
 * The verdict of the whole request, unless it hangs on what only the engine
 * knows: then rq->asks is true. After an allow, rq->sent and rq->json are what
 * goes to the engine, or rq->answers says what is answered without it.
 */
void request_judge(struct request *rq, const struct policy *policy,
                   const struct rewrite_context *context);

/*
 * The engine's answer to rq->question: STATUS, and the body as JSON or NULL;
 * STATUS 0 when it could not be asked. There may be another question then.
 */
void request_answered(struct request *rq, const struct policy *policy,
                      int status, json_t *reply);

/* The engine has answered the request with STATUS: is there more to ask? */
bool request_after(struct request *rq, int status);

/*
 * The request will not be sent to the engine. What was made ahead for it is to
 * be undone: is there any such thing? Then rq->asks for that. What had not been
 * answered yet is not asked any more.
 */
bool request_abandon(struct request *rq);

/* Take down the engine's answer to what was asked, for request_abandon alone:
 * nothing follows from it. */
void request_note_answer(struct request *rq, int status, json_t *reply);

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

/* Does HEAD's value of a framing header make it a body berth must read? */
bool request_has_body(const struct http_head *head);

static inline enum operation request_operation(const struct request *rq)
{
    return rq->match.route ? rq->match.route->operation : OP_NONE;
}
