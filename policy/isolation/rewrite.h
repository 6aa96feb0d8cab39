#pragma once

/*
 * A request in the words of one runner becomes a request in the words of the
 * engine that many runners share, and the reply comes back in the runner's.
 * Policy has spoken before; this says whose the things are that a request
 * names, and makes that nobody else's can be named, seen or touched.
 *
 * Pure: what only the engine knows goes into context.lookups, and the caller
 * has it answered:
 *
 *     step = rewrite_begin(&rw, &context, match, target, &body);
 *     while (step == REWRITE_ASK) {
 *         for each i that is not answered:
 *             lookups_answer(context.lookups, i, status, json);
 *         step = rewrite_next(&rw);
 *     }
 *
 * Nothing is changed on the engine, nor is the request edited, as long as any
 * lookup of the set is not answered, whoever added it.
 *
 * What is not the runner's is not refused here: it is sent under a name that
 * cannot exist, so that it is the engine who says, in its own words and its own
 * time, that there is no such thing, whether or not somebody else has it.
 *
 * An operation that has no row in rewrite.c is refused: nobody has thought
 * about whose its objects are.
 */

#include "policy/config/rules.h"
#include "policy/docker/lookup.h"
#include "policy/docker/namespace.h"
#include "policy/docker/route.h"
#include "policy/isolation/own_ids.h"
#include "policy/isolation/port_wish.h"

#include <jansson.h>

struct rewrite_context {
    struct str ns;            /* the namespace; outlives the rewrite */
    unsigned engine_minor;    /* of the engine's API version; 0: not known */
    unsigned health_interval; /* the least that an image may bring; ms */
    struct str log_driver;    /* what who names none gets; empty: not known */
    struct own_ids *owned; /* of the same namespace; NULL: nothing is known */
    const struct strings *shared; /* patterns of the images that all may use;
                                     NULL: all that have a name */
    /* Where the engine is to publish what goes to the runner's localhost;
     * empty: ports go to the engine's host. Those of SCTP go there in any case,
     * to PORT_BIND unless it is empty. */
    struct str port_address, port_bind;
    const struct port_book *ports; /* who listens; NULL: nobody */
    struct str gateway; /* of "bridge", as it is shown; empty: the engine's */
    const struct objects *mounts; /* of the policy, or NULL */
    struct str runner;   /* the runner's own container, as the policy has it */
    const json_t *binds; /* of a create: what the judge noted of its mounts, or
                            NULL; outlives the rewrite */
    uint64_t random;     /* fresh, for a name that has to be invented */
    struct lookups *lookups; /* of this request; outlive the rewrite */
    /* Steps that the listener's name filters may still take, from which those
     * of this request are taken away; outlives the rewrite. NULL: any number */
    int64_t *match_steps;
};

enum rewrite_step {
    REWRITE_REFUSED = 0, /* see rw->verdict */
    REWRITE_ASK,         /* some lookups are not answered */
    REWRITE_DONE,        /* MATCH, TARGET and BODY are the engine's now */
    REWRITE_ANSWER,      /* nothing is to be sent: answer rw->answer_status with
                            rw->answer (or nothing, when that is NULL) */
};

struct dockerfile;

struct rewrite {
    struct rewrite_context context;
    struct route_match *match;
    struct target *target;
    json_t **body;

    struct verdict verdict;
    int answer_status;
    json_t *answer;

    /* the pass that runs */
    json_t *draft;  /* the body as it is being rewritten */
    bool missing;   /* an answer is */
    size_t lookups; /* of what could be an ID */
    struct edit *edits;
    size_t edit_count;
    json_t *wanted; /* changes to ask for when nothing is missing */

    /* what the reply has to be held against */
    struct local_filter *filters;
    size_t filter_count;
    size_t steps;             /* that their patterns may still take */
    bool shows_engine_bridge; /* there is none of the namespace's yet */
    bool has_limit;
    uint64_t limit;
    /* what was sent in place of what is not the runner's: {sent: written} */
    json_t *stand_ins;
    json_t *renamed; /* what has to be done after a rename */

    json_t *warnings;     /* of a create: for its client, or NULL */
    unsigned least_minor; /* the API version that it needs, 1.N; 0: any */

    struct str not_brought; /* why what a container wrote is not on the
                               runner's machine, though its client is about to
                               hear of the end; else empty */

    bool publishes;       /* a create does, or may */
    json_t *port_wish;    /* of a create, or NULL */
    struct str port_name; /* what its container is called */
    struct str port_id;   /* of a start: whose ports are listened on */

    const struct dockerfile *dockerfile; /* of a classic build: as written; not
                                            this one's to free */

    /* what follows from the engine's answer, and runs in passes, too */
    void (*follows)(struct rewrite *rw);
    bool failed;       /* the reply is an error */
    json_t *last_line; /* what berth has to say at the end of the reply */
    json_t *ahead;     /* lines to show before the one that was looked at */
    json_t *behind;    /* the line that was looked at, to be shown when what
                          follows from it is done; taken by who shows it */
    bool brings;       /* which is that copied files come back */
    bool ended;        /* the container that is inspected, whose are copied */
    struct str made;   /* the ID of the image that was made */
    json_t *told;      /* {tag of a pull, ID of a load or build} of its lines */
    struct {
        struct str name;      /* as its client wrote it */
        struct str digest;    /* of what came */
        const json_t *before; /* what the namespace had by that name */
        bool failed;
    } pull;
    struct {
        struct str real;     /* the name that is borrowed, in full */
        struct str id;       /* of the image that is pushed */
        struct str before;   /* of the one that had the name; or empty */
        struct str lock;     /* the container's ID, once it is held */
        struct str digest;   /* of what was pushed, as the reply says */
        struct str manifest; /* what was pushed instead of an index */
        bool resolved;       /* the engine needs the name no more */
        bool returned;       /* and it is being given back */
        bool failed;
    } push;
    struct {
        json_t *tags; /* of a push of several: in their order; else NULL */
        size_t at;    /* the one that is pushed now */
    } pushes;
    struct {
        uint64_t steps, total; /* how far the builder has told */
        char last[13];   /* ID of the last step's image, in this stage; short */
        char before[13]; /* the same when the step began */
        bool is_from;    /* the step that runs is a FROM */
        bool ran;    /* a program, which prints what it likes from then on */
        bool forged; /* and has: some lines are not the builder's */
        char *error; /* of a build that failed; or NULL */
        bool quiet;  /* its client wants the ID alone, or all when it fails */
        bool failed;
        json_t *held; /* lines for that */
    } build;
    struct {
        json_t *own;         /* own tags: {full name: ID} */
        json_t *made_from;   /* {ID} of images without names */
        json_t *hidden;      /* {ID} of others' */
        json_t *parents;     /* {ID} of what others were made from */
        const json_t *given; /* the image that is given a name */
        bool hides_parent;
        enum { DANGLING_ANY, DANGLING_ONLY, DANGLING_NOT } dangling;
    } images;

    char **kept; /* strings that live as long as this does */
    size_t kept_count;
};

/*
 * Take up a request; MATCH, TARGET and *BODY (which may be NULL) are edited in
 * the end, and outlive REWRITE. rewrite_fini in any case.
 */
enum rewrite_step rewrite_begin(struct rewrite *rw,
                                const struct rewrite_context *context,
                                struct route_match *match,
                                struct target *target, json_t **body);
void rewrite_fini(struct rewrite *rw);

/*
 * The same for a classic build without a namespace, for rewrite_dockerfile and
 * the lines of its reply alone: names are the engine's, all images are there
 * for everybody, and nothing is made for it beforehand nor when it is over.
 */
void rewrite_begin_plain(struct rewrite *rw,
                         const struct rewrite_context *context,
                         struct route_match *match, struct target *target);

/* Once the lookups are answered. */
enum rewrite_step rewrite_next(struct rewrite *rw);

/*
 * The head of the engine's reply has come, with STATUS; and later its end, with
 * BODY what is known of it (of a create, whole). REWRITE_ASK: more is to be
 * done before its client hears of that (what was prepared is undone, a new name
 * made known, what was pulled becomes the namespace's own): ask and answer,
 * then call rewrite_follow until it is REWRITE_DONE, whatever comes of it. Each
 * once.
 */
enum rewrite_step rewrite_after(struct rewrite *rw, int status);
enum rewrite_step rewrite_finish(struct rewrite *rw, struct str body);
/* A line of the reply was looked at: REWRITE_ASK when something follows from it
 * before the next. */
enum rewrite_step rewrite_after_line(struct rewrite *rw);
enum rewrite_step rewrite_follow(struct rewrite *rw);

/*
 * A push of several tags is one request to the engine for each, whose replies
 * are one to the client. Behind the end of one (rewrite_finish has had its
 * answers): is another to follow? Then rewrite_next is to be called, which
 * makes MATCH and TARGET that one's, and it all begins anew. Not behind a
 * failure.
 */
bool rewrite_goes_on(struct rewrite *rw);
/* The name that is pushed now, in full, if it is one of several, and *AT, how
 * many were before it; else empty. */
struct str rewrite_pushed_of_several(const struct rewrite *rw, size_t *at);

/* Does rewrite_finish want the whole of a reply that creates nothing? */
bool rewrite_reads_reply(const struct rewrite *rw);

/* Has it borrowed what rewrite_finish gives back, so that this has to be called
 * also when the reply will not come to its end? */
bool rewrite_owes(const struct rewrite *rw);

/*
 * The Dockerfile of a classic build has come behind the request: look its
 * images up, pull what is not there, judge them, and have each sent by its ID.
 * As with rewrite_next: REWRITE_ASK until all questions are answered,
 * REWRITE_REFUSED, or REWRITE_DONE with all images of DF resolved and checked.
 */
struct build_images {
    const struct rules *rules; /* NULL: all are allowed */
    bool pull;                 /* all, also those that are there */
    struct str platform;       /* of the build, or empty */
};
enum rewrite_step rewrite_dockerfile(struct rewrite *rw, struct dockerfile *df,
                                     const struct build_images *how);

/* ---- replies ---- */

/*
 * The one JSON value of a reply with STATUS, edited in place to what the runner
 * may see. 0; or REWRITE_E_REPLY when it is not what this operation answers
 * with, and must not be passed on.
 */
enum { REWRITE_E_REPLY = 1 };
int rewrite_reply(struct rewrite *rw, int status, json_t *reply);

/* The same for one line of a stream of them. *SHOW: does the runner see it? */
int rewrite_line(struct rewrite *rw, json_t *line, bool *show);

/* Append the text of an error that is no JSON. 0 or -ENOBUFS. */
int rewrite_text(struct rewrite *rw, struct str text, struct strbuf *out);

/*
 * What does REF mean to the namespace, as an image? RW needs no more than a
 * context: REWRITE_ASK as long as its questions are not answered; else
 * REWRITE_DONE with *INSPECTED (NULL: there is none) and whether it is its OWN;
 * or REWRITE_REFUSED. Free it with rewrite_fini.
 */
enum rewrite_step rewrite_look_up_image(struct rewrite *rw, struct str ref,
                                        const json_t **inspected, bool *own);

/* Is CONTAINER, as a list or an inspect shows it, of namespace NS: by its label
 * and its name? And how many of LIST are? */
bool namespace_has_container(struct str ns, const json_t *container);
size_t namespace_count_containers(struct str ns, const json_t *list);

/* Must replies of OPERATION with STATUS go through the above? If not, they name
 * nothing and may pass as they are. */
bool rewrite_wants_reply(enum operation operation, int status);

/* ---- JSON of the engine's ---- */

/*
 * Parse BYTES, what an engine wrote; numbers keep every digit. NULL when it is
 * no JSON. And append it, written anew without blanks. 0 or -ENOBUFS.
 */
json_t *reply_json_parse(struct str bytes);
int reply_json_put(struct strbuf *out, json_t *json);
