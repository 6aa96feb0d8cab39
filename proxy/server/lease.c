#include "proxy/server/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "policy/base/json_str.h"
#include "policy/base/rfc3339.h"
#include "policy/isolation/lease.h"
#include "policy/isolation/leftovers.h"
#include "policy/isolation/rewrite.h"
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/server/lease_drops.h"
#include "proxy/server/lease_others.h"
#include "proxy/server/sweep.h"
#include "proxy/upstream/subrequest.h"

enum {
    RETRY_MS = 1000,
    ANSWER_MS = 30 * 1000, /* at most, for one answer */
};

enum step {
    STEP_REST,
    STEP_MAKE,  /* a lease */
    STEP_LOOK,  /* which leases and marks there are */
    STEP_TIME,  /* there is a mark: how old is it? */
    STEP_SWEEP, /* who made it was killed: do the rest */
    STEP_DROP,  /* one lease or mark after the other */
};

struct lease {
    struct lease_config config;
    char *ns;
    uint64_t random;
    unsigned number;
    enum step step;
    struct event *timer; /* the next step, or the end of this one */
    struct subrequest *question;
    struct sweep *sweep;
    char *name;        /* of the newest, or NULL */
    uint64_t sent_ms;  /* when it was asked for */
    uint64_t until_ms; /* it admits */
    bool admitted;     /* ever, since it was last over */
    bool swept;        /* somebody removes what the namespace had, */
    uint64_t swept_ms; /* since then as far as it is known */
    bool told;         /* what is wrong */
    struct lease_others others;
    json_t *list; /* of the last look */
    struct lease_drops drops;
    char why[2 * LIMIT_REASON];
};

static unsigned period_ms(const struct lease *lease)
{
    return lease_period_ms(lease->config.term_ms);
}

static void do_in(struct lease *lease, unsigned ms)
{
    event_add(lease->timer, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

static void go_to(struct lease *lease, enum step step)
{
    lease->step = step;
    do_in(lease, 0);
}

/* Begin anew, with a new lease if the last is not of now. */
static void begin_in(struct lease *lease, unsigned ms)
{
    bool is_new =
        lease->name && clock_boot_ms() - lease->sent_ms < period_ms(lease) / 2;

    lease->step = lease->config.term_ms && !is_new ? STEP_MAKE : STEP_LOOK;
    do_in(lease, ms);
}

static unsigned retry_ms(const struct lease *lease)
{
    unsigned ms = period_ms(lease) / 4;

    return ms && ms < RETRY_MS ? ms : RETRY_MS;
}

/* ---- does it admit? ---- */

static bool is_in_time(const struct lease *lease)
{
    unsigned term = lease->config.term_ms, wait = lease->config.wait_ms;

    if (!term)
        return true;
    wait = wait < term / 2 ? wait : term / 2;
    return clock_boot_ms() + wait < lease->until_ms;
}

bool lease_admits(const struct lease *lease, const char **why)
{
    if (lease->admitted && is_in_time(lease))
        return true;
    *why = lease->why;
    return false;
}

const char *lease_word(const struct lease *lease)
{
    if (lease->admitted && is_in_time(lease))
        return lease->config.term_ms ? "held" : "none";
    if (lease->others.refuses)
        return "another berth's";
    return lease->swept ? "waits for a removal" : "not held";
}

static void set_why(struct lease *lease, const char *what, struct str said)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(sizeof(lease->why) - 1);

    strbuf_addf(&text, "%s", what);
    strbuf_add_visible(&text, str_head(said, LIMIT_REASON / 2));
    snprintf(lease->why, sizeof(lease->why), "%s", strbuf_cstr(&text));
}

static void fail(struct lease *lease, struct str said)
{
    set_why(lease,
            "berth has no lease on this runner's namespace (leftovers.lease "
            "in the policy, \"0s\" does without): ",
            said);
    if (!lease->told)
        log_warn("%s: %s", lease->ns, lease->why);
    lease->told = true;
    begin_in(lease, retry_ms(lease));
}

/* What the engine says that something went wrong with. */
static void fail_at(struct lease *lease, const struct http_head *head,
                    struct str body, const char *why)
{
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    struct str said = str_at(reply, "message");

    fail(lease, said.len
                    ? said
                    : str_from(head ? "the engine does not say why" : why));
}

static void admit(struct lease *lease)
{
    bool was_over = lease->admitted && !is_in_time(lease);
    bool is_new = was_over || !lease->admitted;

    if (was_over)
        log_warn("%s: berth was away for longer than leftovers.lease: what "
                 "the runner had on the engine may have been removed",
                 lease->ns);
    lease->admitted = true;
    lease->swept = lease->told = false;
    lease->until_ms = lease->sent_ms + lease->config.term_ms;
    if (is_new && lease->config.on_admit)
        lease->config.on_admit(lease->config.arg);
}

/* ---- the steps ---- */

/* An answer. */
static void await(struct lease *lease)
{
    unsigned ms = period_ms(lease) / 2;

    do_in(lease, ms && ms < ANSWER_MS ? ms : ANSWER_MS);
}

static void ask(struct lease *lease, struct str target, subrequest_cb on_reply)
{
    lease->question =
        subrequest_new(lease->config.base, lease->config.pool, METHOD_GET,
                       target, S(""), on_reply, lease);
    await(lease);
}

static void on_made(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct lease *lease = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;

    lease->question = NULL;
    if (head && head->status == 201 &&
        str_eq(str_at(reply, "Name"), str_from(lease->name)))
        go_to(lease, STEP_LOOK);
    else
        fail_at(lease, head, body, why);
}

static void make(struct lease *lease)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME);
    struct str ns = str_from(lease->ns);

    lease_put_name(&name, LEASE_ITSELF, ns, lease->random, ++lease->number);
    free(lease->name);
    lease->name = xstr_dup(strbuf_str(&name));
    lease->sent_ms = clock_boot_ms();
    lease->question = subrequest_new_json(
        lease->config.base, lease->config.pool, METHOD_POST,
        S("/volumes/create"),
        lease_body(strbuf_str(&name), ns, lease->config.term_ms / 1000),
        on_made, lease);
    await(lease);
}

/* Another berth serves the namespace, and this one must not. */
static void refuse(struct lease *lease)
{
    set_why(lease, lease_others_why, S(""));
    lease->admitted = false;
    lease->until_ms = lease->sent_ms + lease->config.term_ms;
}

static void take_look(struct lease *lease)
{
    struct str ns = str_from(lease->ns);
    struct lease_look look = lease_look(lease->list, ns, str_from(lease->name));
    bool has_term = lease->config.term_ms != 0;
    unsigned others;

    if (has_term && !look.has_newest) {
        free(lease->name);
        lease->name = NULL;
        fail(lease, S("somebody has removed it"));
        return;
    }
    if (look.marks) {
        go_to(lease, STEP_TIME);
        return;
    }
    others = lease_drops_add_old(&lease->drops, lease->list, ns, lease->random,
                                 str_from(lease->name), look.now, !has_term);
    if (!is_in_time(lease)) /* whoever came meanwhile was here first */
        lease_others_forget(&lease->others);
    if (!(has_term ? lease_others_admit(&lease->others, lease->ns, lease->list,
                                        lease->random, look.now)
                   : lease_others_admit_one_without(&lease->others, lease->ns,
                                                    others)))
        refuse(lease);
    /* who does without one may not have any: then nobody sweeps */
    else if (has_term || !look.leases)
        admit(lease);
    go_to(lease, lease->drops.count ? STEP_DROP : STEP_REST);
}

static void on_look(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct lease *lease = arg;

    lease->question = NULL;
    json_decref(lease->list);
    lease->list = head && head->status == 200 ? reply_json_parse(body) : NULL;
    if (lease->list) {
        take_look(lease);
    } else if (head && head->status < 500 && !lease->config.term_ms) {
        /* where nobody may ask for volumes, nobody has any, nor sweeps */
        admit(lease);
        go_to(lease, STEP_REST);
    } else {
        fail_at(lease, head, body, why);
    }
}

static void look(struct lease *lease)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_PATH);
    struct str ns = str_from(lease->ns);

    leftover_put_list(&target, LEFTOVER_LEASE, ns);
    ask(lease, strbuf_str(&target), on_look);
    subrequest_filter(lease->question, list_filter_new(ns, true));
}

/* ---- somebody removes, or removed, what there was ---- */

/* Are there marks that are fresh by the engine's clock, and have they not been
 * there for as long by ours? */
static bool are_fresh(struct lease *lease, int64_t now)
{
    bool fresh = lease_has_fresh_mark(lease->list, str_from(lease->ns), now);

    if (!lease->swept)
        lease->swept_ms = clock_boot_ms();
    lease->swept = true;
    return fresh &&
           clock_boot_ms() - lease->swept_ms < (uint64_t)LEASE_MARK_S * 1000;
}

static void on_time(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct lease *lease = arg;
    json_auto_t *info = head ? reply_json_parse(body) : NULL;
    int64_t now = rfc3339_seconds(str_at(info, "SystemTime"));

    lease->question = NULL;
    if (now == 0) {
        fail_at(lease, head, body, why);
        return;
    }
    if (!are_fresh(lease, now)) {
        log_info("%s: somebody who removed what it had left did not come to "
                 "the end: this berth does the rest",
                 lease->ns);
        go_to(lease, STEP_SWEEP);
        return;
    }
    set_why(lease,
            "what this runner had on the engine is being removed, because its "
            "berth was away for longer than leftovers.lease; try again in a "
            "moment",
            S(""));
    begin_in(lease, retry_ms(lease));
}

static void on_swept(void *arg, unsigned removed, unsigned failed,
                     const char *why)
{
    struct lease *lease = arg;

    lease->sweep = NULL;
    event_del(lease->timer);
    (void)removed;
    if (why || failed) {
        fail(lease, str_from(why ? why : "not all of what it had left goes"));
        return;
    }
    lease_drops_add_marks(&lease->drops, lease->list, str_from(lease->ns));
    go_to(lease, STEP_DROP);
}

static int put_on_record(void *arg, struct str line)
{
    const struct lease *lease = arg;

    return lease->config.audit(lease->config.arg, line);
}

static void sweep_rest(struct lease *lease)
{
    const struct sweep_config config = {
        .base = lease->config.base,
        .pool = lease->config.pool,
        .ns = lease->ns,
        .extent = SWEEP_DEAD,
        .audit = put_on_record,
        .audit_required = lease->config.audit_required,
        .on_done = on_swept,
        .arg = lease,
    };

    lease->sweep = sweep_new(&config);
    do_in(lease, LEASE_SWEEP_S * 1000);
}

/* ---- those that go ---- */

static void drop_next(struct lease *lease);

static void on_dropped(const struct http_head *head, struct str body,
                       const char *why, void *arg)
{
    struct lease *lease = arg;

    lease->question = NULL;
    if (!head || (head->status >= 300 && head->status != 404)) {
        fail_at(lease, head, body, why);
        return;
    }
    drop_next(lease);
}

static void drop_next(struct lease *lease)
{
    lease->question = lease_drops_next(&lease->drops, lease->config.base,
                                       lease->config.pool, on_dropped, lease);
    if (lease->question) {
        await(lease);
        return;
    }
    /* who does without looks again, after all of them went */
    go_to(lease, lease->others.refuses || (lease->admitted && is_in_time(lease))
                     ? STEP_REST
                     : STEP_LOOK);
}

static void rest(struct lease *lease)
{
    unsigned ms = period_ms(lease);

    event_del(lease->timer);
    if (!lease->config.term_ms) {
        lease->step = STEP_LOOK;
        do_in(lease, lease_others_again_ms(&lease->others));
        return;
    }
    lease->step = STEP_MAKE;
    /* not all berths of an engine at once */
    do_in(lease, ms - (unsigned)((lease->random >> 32) % (ms / 4 + 1)));
}

/* ---- its life ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct lease *lease = arg;

    (void)fd;
    (void)what;
    if (lease->question || lease->sweep) {
        lease->question = subrequest_cancel(lease->question);
        lease->sweep = sweep_cancel(lease->sweep);
        fail(lease, S("the engine does not answer"));
        return;
    }
    switch (lease->step) {
    case STEP_MAKE:
        make(lease);
        break;
    case STEP_LOOK:
        lease_drops_fini(&lease->drops);
        look(lease);
        break;
    case STEP_TIME:
        ask(lease, S("/info"), on_time);
        break;
    case STEP_SWEEP:
        sweep_rest(lease);
        break;
    case STEP_DROP:
        drop_next(lease);
        break;
    case STEP_REST:
        rest(lease);
        break;
    }
}

struct lease *lease_new(const struct lease_config *config)
{
    struct lease *lease = xcalloc(1, sizeof(*lease));

    lease->config = *config;
    lease->ns = xstrdup(config->ns);
    lease->others.shares = config->shares;
    lease->timer = event_new(config->base, -1, 0, on_timer, lease);
    if (getrandom(&lease->random, sizeof(lease->random), 0) !=
        (ssize_t)sizeof(lease->random))
        abort();
    set_why(lease,
            "berth has not got its lease on this runner's namespace yet "
            "(leftovers.lease): the engine has not answered",
            S(""));
    begin_in(lease, 0);
    return lease;
}

struct lease *lease_free(struct lease *lease)
{
    if (!lease)
        return NULL;
    subrequest_cancel(lease->question);
    sweep_cancel(lease->sweep);
    lease_drops_fini(&lease->drops);
    event_free(lease->timer);
    json_decref(lease->list);
    free(lease->name);
    free(lease->ns);
    free(lease);
    return NULL;
}

bool lease_is_anothers(const struct lease *lease)
{
    return lease->others.refuses;
}

bool lease_is_as(const struct lease *lease, const struct lease_config *config)
{
    return lease->config.pool == config->pool &&
           lease->config.term_ms == config->term_ms &&
           lease->config.wait_ms == config->wait_ms &&
           lease->config.shares == config->shares &&
           lease->config.audit_required == config->audit_required &&
           !strcmp(lease->ns, config->ns);
}
