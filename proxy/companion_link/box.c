#include "proxy/companion_link/box.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/docker/companion_name.h"
#include "policy/docker/target.h"
#include "policy/isolation/rewrite.h"
#include "proxy/companion_link/link_private.h"

enum { BOX_MEMORY_MIB = 128, BOX_PIDS = 16 };

enum box_step {
    BOX_REST,
    BOX_LOOK,   /* is the container there? */
    BOX_KIND,   /* of machine */
    BOX_VOLUME, /* make it */
    BOX_CREATE, /* the container */
    BOX_LOAD,   /* its image, which was not there */
    BOX_START,
    BOX_EXEC,
};

struct box {
    struct box_config config;
    char *ns, *name;
    enum box_step step;
    struct subrequest *question;
    struct event *soon; /* the next step */
    const struct companion_program *program;
    bool loaded; /* the image, in this attempt */
};

static void go_to(struct box *b, enum box_step step)
{
    b->step = step;
    event_active(b->soon, 0, 0);
}

static void fail(struct box *b, int status, const char *why)
{
    b->step = BOX_REST;
    b->config.on_failure(status, why, b->config.arg);
}

/* What the engine says that something went wrong with. */
static void fail_at(struct box *b, const char *what,
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
    fail(b, head ? 500 : 503, strbuf_cstr(&text));
}

static void ask(struct box *b, enum method method, const char *path,
                json_t *body, subrequest_cb on_reply)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    b->question = subrequest_new(b->config.base, b->config.pool, method,
                                 str_from(path), str_from(text), on_reply, b);
    free(text);
    json_decref(body);
}

/* What an inspect or a create of the container says. */
static void tell_identity(struct box *b, const json_t *reply)
{
    if (b->config.on_identity)
        b->config.on_identity(str_at(reply, "Id"), b->config.arg);
}

/* ---- the steps ---- */

static void on_look(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct box *b = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    const json_t *labels;

    b->question = NULL;
    if (head && head->status == 404) {
        go_to(b, b->config.is_needed(b->config.arg) ? BOX_KIND : BOX_REST);
        return;
    }
    labels = json_object_get(json_object_get(reply, "Config"), "Labels");
    if (!head || head->status != 200 ||
        !str_eq(str_at(labels, LABEL_COMPANION), str_from(b->ns))) {
        fail_at(b, "looking for the companion", head, body, why);
        return;
    }
    tell_identity(b, reply);
    if (b->config.on_found && !b->config.on_found(reply, b->config.arg)) {
        b->step = BOX_REST;
        return;
    }
    go_to(b, json_is_true(
                 json_object_get(json_object_get(reply, "State"), "Running"))
                 ? BOX_EXEC
                 : BOX_START);
}

static void on_kind(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct box *b = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    struct str architecture = str_at(reply, "Arch");

    b->question = NULL;
    if (architecture.len == 0) {
        fail_at(b, "asking for the engine's version", head, body, why);
        return;
    }
    b->program = link_program(architecture);
    b->loaded = false;
    if (b->program)
        go_to(b, b->config.target ? BOX_VOLUME : BOX_CREATE);
    else
        fail(b, 501,
             "this berth has no companion for the engine's kind of machine; "
             "build it with a cross compiler for that");
}

static void on_volume(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct box *b = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    struct str path = str_at(reply, "Mountpoint");

    b->question = NULL;
    if (head && head->status == 201 && path.len && path.ptr[0] == '/') {
        if (b->config.on_volume)
            b->config.on_volume(path, b->config.arg);
        go_to(b, BOX_CREATE);
    } else {
        fail_at(b, "making its volume", head, body, why);
    }
}

static void on_create(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct box *b = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;

    b->question = NULL;
    if (head && head->status == 201) {
        tell_identity(b, reply);
        go_to(b, BOX_START);
    } else if (head && head->status == 404 && !b->loaded)
        go_to(b, BOX_LOAD);
    else if (head && head->status == 409) /* somebody else was faster */
        go_to(b, BOX_LOOK);
    else
        fail_at(b, "making the container", head, body, why);
}

static void on_load(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct box *b = arg;

    b->question = NULL;
    b->loaded = true;
    if (head && head->status == 200)
        go_to(b, BOX_CREATE);
    else
        fail_at(b, "loading the image", head, body, why);
}

static void on_start(const struct http_head *head, struct str body,
                     const char *why, void *arg)
{
    struct box *b = arg;

    b->question = NULL;
    if (head && (head->status == 204 || head->status == 304))
        go_to(b, BOX_EXEC);
    else
        fail_at(b, "starting the container", head, body, why);
}

static void on_exec(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct box *b = arg;
    json_auto_t *reply = head ? reply_json_parse(body) : NULL;
    struct str id = str_at(reply, "Id");

    b->question = NULL;
    if (!head || head->status != 201 || !is_full_id(id)) {
        fail_at(b, "beginning a session", head, body, why);
        return;
    }
    b->step = BOX_REST;
    b->config.on_exec(json_string_value(json_object_get(reply, "Id")),
                      b->config.arg);
}

static json_t *exec_body(const struct box *b)
{
    return json_pack("{s:b, s:b, s:b, s:o}", "AttachStdin", 1, "AttachStdout",
                     1, "AttachStderr", 1, "Cmd",
                     b->config.command(b->config.arg));
}

/* It needs no network and no privilege: what it makes is in its own volume. */
static json_t *container_body(const struct box *b)
{
    const json_int_t memory = BOX_MEMORY_MIB * (json_int_t)MIB;
    AUTO(strbuf_fini) struct strbuf image = STRBUF(KIB);
    json_t *body,
        *host = json_pack(
            "{s:s, s:[s], s:b, s:[s], s:i, s:I, s:I, s:{s:s}, s:{s:s}}",
            "NetworkMode", "none", "CapDrop", "ALL", "ReadonlyRootfs", 1,
            "SecurityOpt", "no-new-privileges", "PidsLimit", (int)BOX_PIDS,
            "Memory", memory, "MemorySwap", memory, "RestartPolicy", "Name",
            "on-failure", "LogConfig", "Type", "none");

    if (b->config.target)
        json_object_set_new(host, "Mounts",
                            json_pack("[{s:s, s:s, s:s}]", "Type", "volume",
                                      "Source", b->name, "Target",
                                      b->config.target));
    link_put_image_name(&image, b->program);
    body = json_pack("{s:s, s:{s:s}, s:O}", "Image", strbuf_cstr(&image),
                     "Labels", LABEL_COMPANION, b->ns, "HostConfig", host);
    b->config.fill(body, host, b->config.arg);
    json_decref(host);
    return body;
}

static void load_image(struct box *b)
{
    struct strbuf archive = STRBUF(LINK_ARCHIVE);

    if (link_put_archive(&archive, b->program) < 0)
        abort(); /* it is our own */
    b->question = subrequest_upload(b->config.base, b->config.pool,
                                    S("/images/load?quiet=1"),
                                    strbuf_str(&archive), on_load, b);
    strbuf_fini(&archive);
}

/* Carry out what B->step says. */
static void take_step(struct box *b)
{
    char path[LIMIT_NAME + 64];

    switch (b->step) {
    case BOX_LOOK:
        snprintf(path, sizeof(path), "/containers/%s/json", b->name);
        ask(b, METHOD_GET, path, NULL, on_look);
        break;
    case BOX_KIND:
        ask(b, METHOD_GET, "/version", NULL, on_kind);
        break;
    case BOX_VOLUME:
        ask(b, METHOD_POST, "/volumes/create",
            json_pack("{s:s, s:s, s:{s:s}}", "Name", b->name, "Driver", "local",
                      "Labels", LABEL_COMPANION, b->ns),
            on_volume);
        break;
    case BOX_CREATE:
        snprintf(path, sizeof(path), "/containers/create?name=%s", b->name);
        ask(b, METHOD_POST, path, container_body(b), on_create);
        break;
    case BOX_LOAD:
        load_image(b);
        break;
    case BOX_START:
        snprintf(path, sizeof(path), "/containers/%s/start", b->name);
        ask(b, METHOD_POST, path, NULL, on_start);
        break;
    case BOX_EXEC:
        snprintf(path, sizeof(path), "/containers/%s/exec", b->name);
        ask(b, METHOD_POST, path, exec_body(b), on_exec);
        break;
    case BOX_REST:
        break;
    }
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct box *b = arg;

    (void)fd;
    (void)what;
    if (!b->question)
        take_step(b);
}

/* ---- the whole of it ---- */

void box_begin(struct box *b)
{
    if (b->step == BOX_REST)
        go_to(b, BOX_LOOK);
}

struct box *box_new(const struct box_config *config)
{
    struct box *b = xcalloc(1, sizeof(*b));

    b->config = *config;
    b->ns = xstr_dup(config->ns);
    b->name = xstr_dup(config->name);
    b->soon = event_new(config->base, -1, 0, on_soon, b);
    return b;
}

struct box *box_free(struct box *b)
{
    if (!b)
        return NULL;
    subrequest_cancel(b->question);
    event_free(b->soon);
    free(b->name);
    free(b->ns);
    free(b);
    return NULL;
}
