#include "proxy/net/srv_resolver.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/str.h"

enum { FIXED = 6 }; /* bytes of a record before its target */

/* ---- an answer's bytes ---- */

static int compare(const void *a, const void *b)
{
    const struct srv_target *one = a, *other = b;
    int order;

    if (one->priority != other->priority)
        return one->priority < other->priority ? -1 : 1;
    order = strcmp(one->host, other->host);
    if (order == 0 && one->port != other->port)
        order = one->port < other->port ? -1 : 1;
    return order;
}

static void to_small_letters(char *text)
{
    for (; *text; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text | 0x20);
    }
}

static struct srv_target *find(struct srv_answer *answer,
                               const struct srv_target *target)
{
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->targets[i].port == target->port &&
            !strcmp(answer->targets[i].host, target->host))
            return &answer->targets[i];
    }
    return NULL;
}

static void fail(struct srv_answer *answer, const char *why)
{
    answer->count = 0;
    snprintf(answer->why, sizeof(answer->why), "%s", why);
}

/* False: it makes no sense. */
static bool read_target(const ns_msg *message, const ns_rr *record,
                        struct srv_target *target)
{
    const unsigned char *data = ns_rr_rdata(*record);

    if (ns_rr_rdlen(*record) <= FIXED)
        return false;
    *target = (struct srv_target){
        .priority = ns_get16(data),
        .weight = ns_get16(data + 2),
        .port = ns_get16(data + 4),
    };
    if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message),
                           data + FIXED, target->host,
                           sizeof(target->host)) < 0)
        return false;
    to_small_letters(target->host);
    return true;
}

/* The root says that the service is not there; a name without an end of its
 * own is written without a dot. */
static bool is_none(const struct srv_target *target)
{
    return !*target->host || !strcmp(target->host, ".");
}

static void add(struct srv_answer *answer, const struct srv_target *target)
{
    struct srv_target *same = find(answer, target);

    if (is_none(target) || (same && same->priority <= target->priority))
        return;
    if (same) {
        *same = *target;
    } else if (answer->count < LIMIT_HOSTS) {
        answer->targets[answer->count++] = *target;
    } else {
        snprintf(answer->why, sizeof(answer->why),
                 "there are too many of them; let the name tell %d hosts at "
                 "most",
                 LIMIT_HOSTS);
        answer->count = 0;
    }
}

void srv_read(const unsigned char *bytes, size_t size,
              struct srv_answer *answer)
{
    ns_msg message;
    ns_rr record;
    struct srv_target target;

    *answer = (struct srv_answer){.count = 0};
    if (size > NS_MAXMSG || ns_initparse(bytes, (int)size, &message) < 0) {
        fail(answer, "the answer makes no sense");
        return;
    }
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && !*answer->why; i++) {
        if (ns_parserr(&message, ns_s_an, i, &record) < 0) {
            fail(answer, "the answer makes no sense");
            return;
        }
        if (ns_rr_type(record) != ns_t_srv || ns_rr_class(record) != ns_c_in)
            continue; /* an alias leads there */
        if (!read_target(&message, &record, &target)) {
            fail(answer, "a record of the answer makes no sense");
            return;
        }
        add(answer, &target);
    }
    qsort(answer->targets, answer->count, sizeof(*answer->targets), compare);
}

/* ---- a question ---- */

/* NSS's words for what went wrong. */
static const char *why_none(int error)
{
    switch (error) {
    case TRY_AGAIN:
        return "no name server answers";
    case NO_RECOVERY:
        return "the name server does not answer this";
    default:
        return "the resolver fails";
    }
}

void srv_look_up(const char *name, struct srv_answer *answer)
{
    unsigned char *bytes = xcalloc(1, NS_MAXMSG);
    struct __res_state state = {0};
    int size;

    *answer = (struct srv_answer){.count = 0};
    if (res_ninit(&state) < 0) {
        fail(answer, "the resolver cannot be set up");
        free(bytes);
        return;
    }
    size = res_nsearch(&state, name, ns_c_in, ns_t_srv, bytes, NS_MAXMSG);
    if (size >= 0)
        srv_read(bytes, size < NS_MAXMSG ? (size_t)size : NS_MAXMSG, answer);
    else if (state.res_h_errno != HOST_NOT_FOUND &&
             state.res_h_errno != NO_DATA)
        fail(answer, why_none(state.res_h_errno));
    res_nclose(&state);
    free(bytes);
}

struct query {
    char *name;
    struct srv_answer answer;
    struct srv_resolver *resolver;
};

struct srv_resolver {
    struct lookup_thread *thread;
    srv_resolver_cb done;
    void *arg;
};

static void look_up(void *arg)
{
    struct query *q = arg;

    srv_look_up(q->name, &q->answer);
}

static void query_free(void *arg)
{
    struct query *q = arg;

    free(q->name);
    free(q);
}

static void on_done(void *arg)
{
    struct query *q = arg;
    struct srv_resolver *r = q->resolver;
    srv_resolver_cb done = r->done;
    void *who = r->arg;

    free(r);
    done(&q->answer, who);
}

struct srv_resolver *srv_resolver_cancel(struct srv_resolver *r)
{
    if (!r)
        return NULL;
    lookup_thread_cancel(r->thread);
    free(r);
    return NULL;
}

struct srv_resolver *srv_resolver_start(struct event_base *base,
                                        const char *name, srv_resolver_cb done,
                                        void *arg)
{
    struct srv_resolver *r = xcalloc(1, sizeof(*r));
    struct query *q = xcalloc(1, sizeof(*q));
    const struct lookup_job job = {look_up, on_done, query_free, q};

    *r = (struct srv_resolver){.done = done, .arg = arg};
    q->name = xstrdup(name);
    q->resolver = r;
    r->thread = lookup_thread_start(base, &job);
    if (r->thread)
        return r;
    query_free(q);
    free(r);
    return NULL;
}
