#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "policy/base/json_str.h"
#include "policy/docker/target.h"
#include "policy/isolation/rewrite.h"
#include "policy/isolation/socket_wish.h"
#include "proxy/base/log.h"
#include "proxy/companion_link/link_private.h"

/*
 * From nothing to a session: look for the container, make what is not there,
 * start it, run a session in it. One question at a time; each answer says what
 * is next. What is there already is used: berths of one namespace, one after
 * the other, find the same companion.
 */

enum { COMPANION_MEMORY_MIB = 128 };

static void go_to(struct companion *c, enum step step)
{
    c->step = step;
    event_active(c->soon, 0, 0);
}

void link_needed(struct companion *c)
{
    if (c->step == STEP_IDLE || c->step == STEP_PAUSE)
        go_to(c, STEP_LOOK);
    else if (c->step == STEP_READY)
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

/* ---- the steps ---- */

static void ask(struct companion *c, enum method method, const char *path,
                json_t *body, subrequest_cb on_reply)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    c->question = subrequest_new(c->config.base, c->config.pool, method,
                                 str_from(path), str_from(text), on_reply, c);
    free(text);
    json_decref(body);
}

/* What the engine says that something went wrong with. */
static void fail_at(struct companion *c, const char *what,
                    const struct http_head *head, struct str body,
                    const char *why)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_REASON);
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    const char *said = json_string_value(json_object_get(reply, "message"));

    strbuf_addf(&text, "%s failed: ", what);
    strbuf_add_visible(&text, str_head(str_from(said  ? said
                                                : why ? why
                                                      : "no words for it"),
                                       LIMIT_REASON / 2));
    fail(c, head ? 500 : 503, strbuf_cstr(&text));
}

static void set_path(struct companion *c, struct str path)
{
    strbuf_clear(&c->path);
    strbuf_add(&c->path, path);
}

static void on_look(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct companion *c = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    const json_t *mount, *labels;
    size_t i;

    c->question = NULL;
    if (head && head->status == 404) {
        go_to(c, TAILQ_EMPTY(&c->asks) ? STEP_IDLE : STEP_KIND);
        return;
    }
    labels = json_object_get(json_object_get(reply, "Config"), "Labels");
    if (!head || head->status != 200 ||
        !str_eq(str_at(labels, LABEL_COMPANION), str_from(c->ns))) {
        fail_at(c, "looking for the companion", head, body, why);
        return;
    }
    json_array_foreach(json_object_get(reply, "Mounts"), i, mount)
    {
        if (str_eq(str_at(mount, "Destination"), S(COMPANION_VOLUME)))
            set_path(c, str_at(mount, "Source"));
    }
    if (c->replaced && TAILQ_EMPTY(&c->asks) &&
        json_array_size(json_object_get(reply, "ExecIDs")) > 0) {
        rest(c); /* it is served; who needs it most has it */
        return;
    }
    c->replaced = false;
    go_to(c, json_is_true(
                 json_object_get(json_object_get(reply, "State"), "Running"))
                 ? STEP_EXEC
                 : STEP_START);
}

static void on_kind(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct companion *c = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    struct str architecture = str_at(reply, "Arch");

    c->question = NULL;
    if (architecture.len == 0) {
        fail_at(c, "asking for the engine's version", head, body, why);
        return;
    }
    c->program = link_program(architecture);
    c->loaded = false;
    if (c->program)
        go_to(c, STEP_VOLUME);
    else
        fail(c, 501,
             "this berth has no companion for the engine's kind of machine; "
             "build it with a cross compiler for that");
}

static void on_volume(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct companion *c = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    struct str path = str_at(reply, "Mountpoint");

    c->question = NULL;
    if (head && head->status == 201 && path.len && path.ptr[0] == '/') {
        set_path(c, path);
        go_to(c, STEP_CREATE);
    } else {
        fail_at(c, "making its volume", head, body, why);
    }
}

static void on_create(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct companion *c = arg;

    c->question = NULL;
    if (head && head->status == 201)
        go_to(c, STEP_START);
    else if (head && head->status == 404 && !c->loaded)
        go_to(c, STEP_LOAD);
    else if (head && head->status == 409) /* somebody else was faster */
        go_to(c, STEP_LOOK);
    else
        fail_at(c, "making the container", head, body, why);
}

static void on_load(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct companion *c = arg;

    c->question = NULL;
    c->loaded = true;
    if (head && head->status == 200)
        go_to(c, STEP_CREATE);
    else
        fail_at(c, "loading the image", head, body, why);
}

static void on_start(const struct http_head *head, struct str body,
                     const char *why, void *arg)
{
    struct companion *c = arg;

    c->question = NULL;
    if (head && (head->status == 204 || head->status == 304))
        go_to(c, STEP_EXEC);
    else
        fail_at(c, "starting the container", head, body, why);
}

static void on_exec(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    const struct link_events events = {on_ready, on_open, on_end, arg};
    struct companion *c = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    struct str id = str_at(reply, "Id");

    c->question = NULL;
    if (!head || head->status != 201 || !is_full_id(id)) {
        fail_at(c, "beginning a session", head, body, why);
        return;
    }
    c->step = STEP_GREET;
    event_add(c->soon, &(struct timeval){LINK_GREET_S, 0});
    c->session = link_session_new(
        c->config.base, c->config.pool,
        json_string_value(json_object_get(reply, "Id")), c->nonce, &events);
}

static json_t *exec_body(struct companion *c)
{
    unsigned char bytes[WIRE_NONCE / 2] = {0};

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort();
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(c->nonce + 2 * i, 3, "%02x", bytes[i]);
    return json_pack("{s:b, s:b, s:b, s:[s, s, s]}", "AttachStdin", 1,
                     "AttachStdout", 1, "AttachStderr", 1, "Cmd",
                     "/" COMPANION_PROGRAM, "session", c->nonce);
}

/* It needs no network and no privilege: what it makes is in its own volume, and
 * its group is that of the sockets. */
static json_t *container_body(const struct companion *c)
{
    const json_int_t memory = COMPANION_MEMORY_MIB * (json_int_t)MIB;
    AUTO(strbuf_fini) struct strbuf image = STRBUF(KIB);
    json_t *host = json_pack(
        "{s:s, s:[s], s:b, s:[s], s:i, s:I, s:I, s:{s:s}, s:{s:s}, s:[{s:s, "
        "s:s, s:s}]}",
        "NetworkMode", "none", "CapDrop", "ALL", "ReadonlyRootfs", 1,
        "SecurityOpt", "no-new-privileges", "PidsLimit", 16, "Memory", memory,
        "MemorySwap", memory, "RestartPolicy", "Name", "on-failure",
        "LogConfig", "Type", "none", "Mounts", "Type", "volume", "Source",
        c->name, "Target", COMPANION_VOLUME);

    link_put_image_name(&image, c->program);
    return json_pack("{s:s, s:o, s:[s, s, s, o, s], s:{s:s}, s:o}", "Image",
                     strbuf_cstr(&image), "User",
                     json_sprintf("0:%u", c->config.gid), "Cmd",
                     "/" COMPANION_PROGRAM, "hold", COMPANION_VOLUME,
                     json_sprintf("%04o", c->config.mode), "0", "Labels",
                     LABEL_COMPANION, c->ns, "HostConfig", host);
}

static void load_image(struct companion *c)
{
    struct strbuf archive = STRBUF(LINK_ARCHIVE);

    if (link_put_archive(&archive, c->program) < 0)
        abort(); /* it is our own */
    c->question = subrequest_upload(c->config.base, c->config.pool,
                                    S("/images/load?quiet=1"),
                                    strbuf_str(&archive), on_load, c);
    strbuf_fini(&archive);
}

/* Carry out what C->step says. */
static void take_step(struct companion *c)
{
    char path[LIMIT_NAME + 64];

    switch (c->step) {
    case STEP_PAUSE:
    case STEP_LOOK:
        c->step = STEP_LOOK;
        snprintf(path, sizeof(path), "/containers/%s/json", c->name);
        ask(c, METHOD_GET, path, NULL, on_look);
        break;
    case STEP_KIND:
        ask(c, METHOD_GET, "/version", NULL, on_kind);
        break;
    case STEP_VOLUME:
        ask(c, METHOD_POST, "/volumes/create",
            json_pack("{s:s, s:s, s:{s:s}}", "Name", c->name, "Driver", "local",
                      "Labels", LABEL_COMPANION, c->ns),
            on_volume);
        break;
    case STEP_CREATE:
        snprintf(path, sizeof(path), "/containers/create?name=%s", c->name);
        ask(c, METHOD_POST, path, container_body(c), on_create);
        break;
    case STEP_LOAD:
        load_image(c);
        break;
    case STEP_START:
        snprintf(path, sizeof(path), "/containers/%s/start", c->name);
        ask(c, METHOD_POST, path, NULL, on_start);
        break;
    case STEP_EXEC:
        snprintf(path, sizeof(path), "/containers/%s/exec", c->name);
        ask(c, METHOD_POST, path, exec_body(c), on_exec);
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
    if (!c->question)
        take_step(c);
}

/* ---- the whole of it ---- */

struct companion *companion_new(const struct companion_config *config)
{
    struct companion *c = xcalloc(1, sizeof(*c));
    size_t size = sizeof(COMPANION_NAME) + config->ns.len;

    c->config = *config;
    c->ns = xstr_dup(config->ns);
    c->name = xcalloc(1, size);
    snprintf(c->name, size, COMPANION_NAME "%s", c->ns);
    c->path.max = LIMIT_PATH;
    link_sockets_init(c);
    c->soon = event_new(config->base, -1, 0, on_soon, c);
    go_to(c, STEP_LOOK);
    return c;
}

struct companion *companion_free(struct companion *c)
{
    if (!c)
        return NULL;
    link_sockets_fini(c);
    link_session_free(c->session);
    subrequest_cancel(c->question);
    event_free(c->soon);
    strbuf_fini(&c->path);
    free(c->name);
    free(c->ns);
    free(c);
    return NULL;
}

bool companion_is_as(const struct companion *c,
                     const struct companion_config *config)
{
    return c->config.pool == config->pool && c->config.mode == config->mode &&
           c->config.gid == config->gid && str_eq(str_from(c->ns), config->ns);
}

struct companion_counts companion_count(const struct companion *c)
{
    return (struct companion_counts){
        .attached = c->step == STEP_READY,
        .connections = c->session ? link_connections(c->session) : 0,
        .carried = c->carried,
    };
}
