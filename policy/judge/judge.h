#pragma once

/*
 * May this request go to the engine, going by what is in it? A walk over its
 * JSON body and its query against the tables of what Docker reads (fields_*.c,
 * queries.c) and the rules of the policy. Whether the operation may be called
 * at all, and whose the objects are that it names, others have to say.
 *
 * What is judged is changed where needed and is then what travels: keys get
 * Docker's spelling, what no engine reads is dropped, limits are filled in,
 * paths of the runner become paths of the host. Each change is on record.
 * Nothing here asks anybody anything: what only the engine knows is left as a
 * need, and until judge_settle has heard the answer the verdict is a refusal.
 * Judging the result again changes nothing, except that a path that has been
 * mapped is no longer the runner's.
 */

#include "policy/base/place.h"
#include "policy/config/rules.h"
#include "policy/docker/route.h"

#define CHANGE_KINDS(X)                                                        \
    X(CHANGE_DROPPED, "dropped")   /* no engine reads it */                    \
    X(CHANGE_FOLDED, "folded")     /* to Docker's spelling of the key */       \
    X(CHANGE_INJECTED, "injected") /* by the policy */                         \
    X(CHANGE_MAPPED, "mapped")     /* to what it is on the host */             \
    X(CHANGE_MOVED, "moved")       /* from Binds to Mounts, which make nothing \
                                      on the host */

enum change_kind {
#define X(id, name) id,
    CHANGE_KINDS(X)
#undef X
};

const char *change_kind_name(enum change_kind kind);

struct change {
    enum change_kind kind;
    char place[PLACE_MAX]; /* "HostConfig.Mounts[0].Source", "query memory" */
};

/*
 * A mount of type bind whose source is a path of the runner's own container: it
 * has this member, true, and what it is on the engine's host is left to who can
 * look that container up. No client can write it: no engine knows it.
 */
#define MOUNT_OF_RUNNER "berth.runner"

/*
 * The same of one whose source is copied: {"root": the source of its rule,
 * "make": may the source be made on this machine?}.
 */
#define MOUNT_BY_COPY_OF "berth.copy"

enum need_kind {
    NEED_CONTAINER, /* what inspecting the container in the path says */
    NEED_IMAGE, /* what inspecting the image SUBJECT says, and whether it was
                   made in this namespace */
    NEED_OWN_IMAGE, /* the latter only */
    NEED_ENGINE,    /* what GET /info says: SUBJECT is "KEY=VALUE" of it */
};

/* What the engine said: filled in by who asks. */
struct fact {
    bool known;
    const json_t *inspected; /* NULL when there is none */
    bool is_own;             /* of an image: made in this namespace */
};

struct need {
    enum need_kind kind;
    char *subject;            /* of an image: the reference; else NULL */
    struct verdict otherwise; /* the refusal, unless the fact is good */
    struct fact fact;
};

/* What a policy would need besides to allow a request. */
struct lack {
    const char *rule; /* "container.capabilities" */
    char *word;       /* "SYS_PTRACE"; of a flag "true" */
};

struct judgement {
    struct verdict verdict; /* of refusals the first */
    bool refused;           /* it is one, and these are the others: */
    struct verdict *others; /* room for LIMIT_REFUSALS, or NULL */
    size_t other_count;
    size_t others_omitted;   /* for lack of room */
    bool reports;            /* judge_report made it */
    bool would_deny;         /* and this is what it passed over first */
    struct verdict reported; /* ... the refusal */
    struct change *changes;  /* room for LIMIT_CHANGES, or NULL */
    size_t change_count;     /* of those listed */
    size_t changes_omitted;  /* for lack of room */
    struct lack *lacks;      /* room for LIMIT_LACKS, or NULL: of all that was
                                refused or passed over, what could be helped */
    size_t lack_count;
    json_t *binds; /* a list of {"target": "/x"} with the "bind", a string, or
                      the "mount" that was asked for there, where that is not
                      what is in the body now; or NULL */
    json_t *warnings;   /* a list of sentences for the client whose request
                           is carried out otherwise than asked; or NULL */
    struct need *needs; /* room for LIMIT_NEEDS, or NULL */
    size_t need_count;
};

void judgement_init(struct judgement *judgement);
void judgement_fini(struct judgement *judgement);

/*
 * Append what the client of a refused request is told: all that is wrong, in
 * one sentence. 0 or -ENOBUFS, with as much as fits.
 */
int judgement_put_refusal(const struct judgement *judgement,
                          struct strbuf *out);

/*
 * Judge the request that MATCH names, with its TARGET, whose query is edited,
 * and its BODY, which is edited, or NULL where there is none. OUT is filled
 * anew; unless its verdict is to allow, or some needs are all that is missing,
 * the edited request is of no use.
 */
void judge_request(const struct rules *rules, const struct route_match *match,
                   struct target *target, json_t *body, struct judgement *out);

/*
 * The same for a policy that only reports: what it would refuse (with a 403)
 * is passed over, and the first such refusal is left in OUT->reported. A field
 * that is not known is dropped. What is malformed stays refused, and so does
 * what berth cannot see through, for it may lead out of its namespace.
 */
void judge_report(const struct rules *rules, const struct route_match *match,
                  struct target *target, json_t *body, struct judgement *out);

/*
 * A container whose log would be of the driver json-file and has no size gets
 * the one that the policy has for such. LOG_DRIVER is what the engine takes for
 * a container that names none; empty while that is not known. For a BODY that
 * has been judged and not refused; what is filled in is noted in OUT.
 */
void judge_fill_log(const struct rules *rules, const struct route_match *match,
                    json_t *body, struct str log_driver, struct judgement *out);

/*
 * Now that the facts are in the needs of JUDGEMENT: is all well? BODY is the
 * body as it was judged; what it has to say besides, so that what was compared
 * is what comes true, is put into it. A fact that is not known is not good. A
 * verdict that was a plain refusal stays one.
 */
void judge_settle(const struct rules *rules, json_t *body,
                  struct judgement *judgement);
