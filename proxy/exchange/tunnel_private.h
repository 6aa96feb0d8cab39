#pragma once

/*
 * The inside of a tunnel_judge, shared by tunnel_judge.c (its calls) and
 * tunnel_asks.c (what is asked of the engine for them). Nobody else includes
 * this.
 */

#include <assert.h>
#include <sys/queue.h>

#include "proxy/exchange/tunnel_judge.h"

/* What the engine is asked. */
enum job_kind {
    JOB_STORE,  /* how it keeps images */
    JOB_IMAGES, /* which images there are */
    JOB_ANCHOR, /* name an image that was built */
    JOB_UNTAG,  /* take off the name that was made up for it */
};

struct judged;

struct job {
    TAILQ_ENTRY(job) link;
    enum job_kind kind;
    struct judged *judged; /* that waits for it; NULL: it is gone */
    uint64_t number;
    char *target; /* JOB_ANCHOR, JOB_UNTAG */
};

/* The engine's images at one time, for all calls that waited for them. */
struct shared_images {
    struct build_images *images;
    struct shares used; /* SHARE_IMAGES */
    struct shares seen; /* had been made when the list was asked for */
    size_t refs;
};

enum judged_step {
    JUDGED_NEW,    /* its first message is to come */
    JUDGED_ASKS,   /* what its message depends on is asked */
    JUDGED_KNOWS,  /* that is known */
    JUDGED_FAILED, /* it could not be asked */
    JUDGED_ENDS,   /* a Solve: what follows from its reply is done */
    JUDGED_OVER,   /* and its reply may go */
};

struct judged {
    struct tunnel_judge *judge;
    struct grpc_call *call;
    const struct rpc_method *method;
    struct build_call *build;
    struct shared_images *images;
    enum judged_step step;
    bool recorded;
    struct strbuf reply;  /* JUDGED_ENDS: what the client will get */
    char *session;        /* Control.Session's ID, or NULL */
    struct ticket ticket; /* a Solve: for the names that it gives */
};

TAILQ_HEAD(jobs, job);

struct tunnel_judge {
    struct tunnel_judge_host host;
    struct build_view view;
    struct jobs jobs;   /* the first one is being asked */
    uint64_t numbers;   /* given to jobs */
    uint64_t asked_at;  /* the last job's there was when it was asked */
    struct shares seen; /* had been made by then */
    size_t push_waits;
};

/* tunnel_asks.c */
/* Ask for what the first message depends on. False: there is nothing to ask. */
bool tunnel_ask_before(struct judged *judged);
/* What is left to do about an image that was built: false when nothing is. */
bool tunnel_ask_after(struct judged *judged);
/* JUDGED is gone; what is asked for it alone is asked all the same. */
void tunnel_asks_forget(struct judged *judged);
void tunnel_asks_fini(struct tunnel_judge *judge);
void tunnel_images_unref(struct shared_images *images);
