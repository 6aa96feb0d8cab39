#include <stdlib.h>
#include <unistd.h>

#include "policy/base/json_str.h"
#include "policy/docker/target.h"
#include "policy/isolation/rewrite.h"
#include "policy/isolation/socket_wish.h"
#include "proxy/base/log.h"
#include "proxy/companion_link/link_private.h"

/* From nothing to a session: its container (box.h), and a session in it. */

static void go_to(struct companion *c, enum step step)
{
    c->step = step;
    event_active(c->soon, 0, 0);
}

/* A step went wrong for the reason WHY: the waiters are told, and it is tried
 * again if there is something to gain. */
static void fail(struct companion *c, int status, const char *why)
{
    unsigned ms = backoff_next(&c->backoff, false);

    c->session = link_session_free(c->session);
    if (!c->told_why)
        log_warn("%s: its companion cannot be used: %s", c->ns, why);
    c->told_why = true;
    c->step = STEP_PAUSE;
    event_add(c->soon, &(struct timeval){ms / 1000, ms % 1000 * 1000});
    link_refuse_asks(c, status, why);
}

/* Look again after a while. */
static void rest(struct companion *c)
{
    c->step = STEP_PAUSE;
    event_add(c->soon, &(struct timeval){LINK_REST_S, 0});
    if (!TAILQ_EMPTY(&c->asks))
        event_active(c->soon, 0, 0);
}

/* ---- the session ---- */

static void on_ready(void *arg)
{
    struct companion *c = arg;

    backoff_reset(&c->backoff);
    c->told_why = false;
    link_forget_callers(c);
    go_to(c, STEP_READY);
}

static void on_open(uint32_t channel, unsigned number, void *arg)
{
    link_take_connection(arg, channel, number);
}

static void on_end(const char *why, bool replaced, void *arg)
{
    struct companion *c = arg;

    link_forget_callers(c);
    if (!replaced) {
        fail(c, 503, why);
        return;
    }
    log_info("%s: another berth of it has its companion now", c->ns);
    c->replaced = true;
    c->session = link_session_free(c->session);
    rest(c);
}

/* ---- its container ---- */

static bool is_needed(void *arg)
{
    struct companion *c = arg;

    if (TAILQ_EMPTY(&c->asks))
        c->step = STEP_IDLE;
    return !TAILQ_EMPTY(&c->asks);
}

static void on_volume(struct str path, void *arg)
{
    struct companion *c = arg;

    strbuf_clear(&c->path);
    strbuf_add(&c->path, path);
}

/* What one that is there was made with: "hold" DIRECTORY MODE SECONDS. */
static unsigned lease_of(const json_t *companion)
{
    const json_t *words =
        json_object_get(json_object_get(companion, "Config"), "Cmd");
    uint64_t seconds;

    return str_to_u64(str_of_json(json_array_get(words, 4)), &seconds) == 0 &&
                   seconds <= UINT32_MAX
               ? (unsigned)seconds
               : 0;
}

static bool on_found(const json_t *inspected, void *arg)
{
    struct companion *c = arg;
    const json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(inspected, "Mounts"), i, mount)
    {
        if (str_eq(str_at(mount, "Destination"), S(COMPANION_VOLUME)))
            on_volume(str_at(mount, "Source"), c);
    }
    if (c->replaced && TAILQ_EMPTY(&c->asks) &&
        json_array_size(json_object_get(inspected, "ExecIDs")) > 0) {
        rest(c); /* it is served; who needs it most has it */
        return false;
    }
    c->replaced = false;
    c->lease_s = lease_of(inspected);
    return true;
}

/* So that it hears several before it gives berth up. */
static unsigned beat_s(const struct companion *c)
{
    unsigned share = c->lease_s / LINK_BEATS;

    if (c->lease_s == 0 || share > LINK_BEAT_S)
        return LINK_BEAT_S;
    return share ? share : 1;
}

static void on_exec(const char *id, void *arg)
{
    const struct link_events events = {on_ready, on_open, on_end, arg};
    struct companion *c = arg;

    c->step = STEP_GREET;
    event_add(c->soon, &(struct timeval){LINK_GREET_S, 0});
    c->session = link_session_new(&c->config, id, c->nonce, beat_s(c), &events);
}

static void on_failure(int status, const char *why, void *arg)
{
    fail(arg, status, why);
}

static json_t *command(void *arg)
{
    struct companion *c = arg;

    link_make_nonce(c->nonce);
    return json_pack("[s, s, s]", "/" COMPANION_PROGRAM, "session", c->nonce);
}

/* Its group is that of the sockets. */
static void fill(json_t *body, json_t *host, void *arg)
{
    struct companion *c = arg;

    (void)host;
    c->lease_s = c->config.lease_s;
    json_object_set_new(body, "User", json_sprintf("0:%u", c->config.gid));
    json_object_set_new(body, "Cmd",
                        json_pack("[s, s, s, o, o]", "/" COMPANION_PROGRAM,
                                  "hold", COMPANION_VOLUME,
                                  json_sprintf("%04o", c->config.mode),
                                  json_sprintf("%u", c->config.lease_s)));
}

/* ---- the steps ---- */

static void take_step(struct companion *c)
{
    switch (c->step) {
    case STEP_PAUSE:
        c->step = STEP_BEGIN;
        box_begin(c->box);
        break;
    case STEP_BEGIN:
        box_begin(c->box);
        break;
    case STEP_READY:
        link_ask_list(c);
        break;
    case STEP_GREET:
        fail(c, 503, "its session does not say hello in time");
        break;
    case STEP_IDLE:
        break;
    }
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct companion *c = arg;

    (void)fd;
    (void)what;
    event_del(c->soon); /* a pause that was cut short */
    take_step(c);
}

/* ---- the whole of it ---- */

struct companion *companion_new(const struct companion_config *config)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME);
    struct companion *c = xcalloc(1, sizeof(*c));
    struct box_config box = {
        .base = config->base,
        .pool = config->pool,
        .ns = config->ns,
        .target = COMPANION_VOLUME,
        .fill = fill,
        .command = command,
        .is_needed = is_needed,
        .on_found = on_found,
        .on_volume = on_volume,
        .on_exec = on_exec,
        .on_failure = on_failure,
        .arg = c,
    };

    c->config = *config;
    c->ns = xstr_dup(config->ns);
    strbuf_addf(&name, COMPANION_NAME "%s", c->ns);
    box.name = strbuf_str(&name);
    c->box = box_new(&box);
    c->path.max = LIMIT_PATH;
    link_sockets_init(c);
    c->soon = event_new(config->base, -1, 0, on_soon, c);
    go_to(c, STEP_BEGIN);
    return c;
}

struct companion *companion_free(struct companion *c)
{
    if (!c)
        return NULL;
    link_sockets_fini(c);
    link_session_free(c->session);
    box_free(c->box);
    event_free(c->soon);
    strbuf_fini(&c->path);
    free(c->ns);
    free(c);
    return NULL;
}

struct companion_ask *companion_ask(struct companion *c, companion_cb on_reply,
                                    void *arg)
{
    struct companion_ask *ask = link_ask_new(c, on_reply, arg);

    if (c->step == STEP_IDLE || c->step == STEP_PAUSE)
        go_to(c, STEP_BEGIN);
    else if (c->step == STEP_READY)
        event_active(c->soon, 0, 0);
    return ask;
}

bool companion_is_as(const struct companion *c,
                     const struct companion_config *config)
{
    return c->config.pool == config->pool && c->config.mode == config->mode &&
           c->config.gid == config->gid &&
           c->config.lease_s == config->lease_s &&
           str_eq(str_from(c->ns), config->ns);
}

struct companion_counts companion_count(const struct companion *c)
{
    return (struct companion_counts){
        .attached = c->step == STEP_READY,
        .connections = c->session ? link_connections(c->session) : 0,
        .carried = c->carried,
    };
}
