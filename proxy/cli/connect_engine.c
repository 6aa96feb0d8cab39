#include "proxy/cli/connect_private.h"

#include <jansson.h>
#include <stdio.h>

#include "policy/config/host_path.h"
#include "policy/docker/engine_fault.h"
#include "policy/docker/target.h"
#include "policy/isolation/runner_mount.h"

/* What the engine tells of itself, and what follows from it. */

static unsigned minor_of(const char *version)
{
    struct str major, minor;
    uint64_t number;

    if (!version || !str_cut(str_from(version), '.', &major, &minor) ||
        !str_eq(major, S("1")) || str_to_u64(minor, &number) < 0 ||
        number > 1000)
        return 0;
    return (unsigned)number;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "?";
}

/* What is known of a number says little of a distribution's package of it. */
static void tell_faults(const json_t *component)
{
    AUTO(strbuf_fini) struct strbuf ids = STRBUF(LIMIT_STEP);
    const char *name = text_of(component, "Name");
    const char *version = text_of(component, "Version");
    const char *commit =
        text_of(json_object_get(component, "Details"), "GitCommit");
    bool packaged = engine_fault_is_packaged(str_from(version)) ||
                    engine_fault_is_packaged(str_from(commit));
    const struct engine_fault *fault = NULL;

    while (
        (fault = engine_fault_next(fault, str_from(name), str_from(version)))) {
        if (packaged)
            strbuf_addf(&ids, "%s%s", ids.len ? ", " : "", fault->id);
        else
            walk_say("warn", STEP_ENGINE,
                     "%s %s has %s, unless it was patched: %s", name, version,
                     fault->id, fault->what);
    }
    if (ids.len)
        walk_say(
            "note", STEP_ENGINE,
            "%s %s is a distribution's package, whose fixes do not show in its "
            "number: see its security tracker for %.*s",
            name, version, STR_FMT(strbuf_str(&ids)));
}

/* Nobody listens on port 1: what matters is who says so. */
static void on_port(struct stream *stream, void *arg)
{
    struct walk *w = arg;

    if (stream->state == STREAM_OPENING)
        return;
    if (stream->why && strstr(stream->why, "prohibited"))
        walk_say(
            "warn", STEP_PORTS,
            "ports that containers publish are not reached: the SSH server "
            "does not permit %s; run deploy/host-setup.sh there with --ports "
            "%s",
            w->port_address, w->port_address);
    else
        walk_say("ok", STEP_PORTS, "on %s over there", w->port_address);
    event_base_loopbreak(w->base);
}

static void try_ports(struct walk *w)
{
    w->stream = upstream_open_port(w->upstream, w->port_address, 1, on_port, w);
    if (!w->stream)
        event_base_loopbreak(w->base);
}

/* ---- the runner's own container ---- */

/* What of it the jobs can have. */
static void tell_mounts(const struct walk *w, const json_t *mounts)
{
    AUTO(strbuf_fini) struct strbuf all = STRBUF(LIMIT_STEP);
    const json_t *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        const char *source = text_of(mount, "Source");

        strbuf_addf(&all, "%s%s", i ? ", " : "", text_of(mount, "Destination"));
        if (path_is_engine_socket(str_from(source)))
            walk_say(
                "warn", STEP_RUNNER,
                "%s mounts %s: who has the engine's own socket needs no berth, "
                "and owns the host",
                w->runner, source);
    }
    if (all.len)
        walk_say("ok", STEP_RUNNER, "%s mounts %.*s", w->runner,
                 STR_FMT(strbuf_str(&all)));
    else
        walk_say(
            "warn", STEP_RUNNER,
            "%s mounts nothing, so there is nothing in it that a job can mount",
            w->runner);
}

static void try_ports_if_any(struct walk *w)
{
    if (!*w->port_address)
        event_base_loopbreak(w->base);
    else
        try_ports(w);
}

static void on_runner(const struct http_head *head, struct str body,
                      const char *why, void *arg)
{
    struct walk *w = arg;
    AUTO(json_decrefp)
    json_t *runner = head ? json_loadb(body.ptr, body.len, 0, NULL) : NULL;

    w->subrequest = NULL;
    if (!head)
        walk_say("warn", STEP_RUNNER, "%s", why);
    else if (head->status != 200 ||
             !runner_is_named(runner, str_from(w->runner)) ||
             !runner_is_foreign(runner))
        walk_say(
            "warn", STEP_RUNNER,
            "the engine has no container %s, or a runner has made it: see "
            "container.runner; nothing that is \"by\": \"container\" can be "
            "mounted",
            w->runner);
    else
        tell_mounts(w, json_object_get(runner, "Mounts"));
    try_ports_if_any(w);
}

static void look_at_runner(struct walk *w)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_STEP);

    strbuf_add(&path, S("/containers/"));
    target_put_segment(&path, str_from(w->runner));
    strbuf_add(&path, S("/json"));
    w->subrequest = subrequest_new(w->base, w->pool, METHOD_GET,
                                   strbuf_str(&path), S(""), on_runner, w);
}

static void on_networks(bool good, void *arg)
{
    struct walk *w = arg;

    w->networks = NULL;
    w->good = good;
    if (w->runner)
        look_at_runner(w);
    else
        try_ports_if_any(w);
}

static bool has(const struct strings *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!strcmp(list->items[i], word))
            return true;
    }
    return false;
}

/* One that does not tell its ID can do no worse than be taken for another. */
static void on_info(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    AUTO(strbuf_fini) struct strbuf other = STRBUF(LIMIT_REASON);
    struct walk *w = arg;
    json_auto_t *info = head && head->status == 200
                            ? json_loadb(body.ptr, body.len, 0, NULL)
                            : NULL;
    const char *id = json_string_value(json_object_get(info, "ID"));
    const struct strings *wanted = &w->config->engines;

    (void)why;
    w->subrequest = NULL;
    w->at = STEP_ID;
    if (wanted->count && !(id && has(wanted, id))) {
        strbuf_addf(&other,
                    "it is another engine (%.127s) than %s upstream.engine "
                    "names%s%s",
                    id ? id : "it tells no ID",
                    wanted->count == 1 ? "the one that" : "those that",
                    wanted->count == 1 ? ", " : "",
                    wanted->count == 1 ? wanted->items[0] : "");
        walk_fail(w, strbuf_cstr(&other));
        return;
    }
    if (!id && w->ids) {
        walk_fail(
            w, "it tells no ID, without which it cannot be told from others");
        return;
    }
    if (w->ids && has(w->ids, id)) {
        walk_fail(w,
                  "it is the engine of a host before; let upstream.url name it "
                  "once");
        return;
    }
    if (w->ids)
        strings_add(w->ids, str_from(id));
    if (id)
        walk_say("ok", STEP_ID, "%s, for upstream.engine", id);
    w->good = true;
    w->networks = connect_networks_new(w->base, w->pool, info, on_networks, w);
}

static void judge_version(struct walk *w, const json_t *version)
{
    const json_t *components = json_object_get(version, "Components");
    unsigned newest = minor_of(text_of(version, "ApiVersion"));
    unsigned oldest = minor_of(text_of(version, "MinAPIVersion"));

    if (newest == 0) {
        walk_fail(w, "what answers tells no version of an engine");
        return;
    }
    walk_say("ok", STEP_ENGINE, "%s on %s/%s, Linux %s",
             text_of(version, "Version"), text_of(version, "Os"),
             text_of(version, "Arch"), text_of(version, "KernelVersion"));
    w->at = STEP_API;
    if (newest < API_MINOR_OLDEST) {
        walk_fail(w, "the engine is too old: berth needs API 1.24, which came "
                     "with Docker 1.12");
        return;
    }
    walk_say(oldest > API_MINOR_NEWEST ? "warn" : "ok", STEP_API,
             "1.%u down to 1.%u; berth knows 1.%d down to 1.%d", newest, oldest,
             API_MINOR_NEWEST, API_MINOR_OLDEST);
    for (size_t i = 0; i < json_array_size(components); i++)
        tell_faults(json_array_get(components, i));
    w->subrequest = subrequest_new(w->base, w->pool, METHOD_GET, S("/info"),
                                   S(""), on_info, w);
}

void walk_on_version(const struct http_head *head, struct str body,
                     const char *why, void *arg)
{
    struct walk *w = arg;
    char text[80];

    w->subrequest = NULL;
    if (!head) {
        walk_fail(w, why);
    } else if (head->status != 200) {
        snprintf(text, sizeof(text), "it answers with status %u",
                 (unsigned)head->status);
        walk_fail(w, text);
    } else {
        json_auto_t *version = json_loadb(body.ptr, body.len, 0, NULL);

        judge_version(w, version);
    }
}
