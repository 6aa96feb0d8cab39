#include "proxy/metrics/metrics.h"

#include <jansson.h>
#include <stdlib.h>

bool metrics_ready(const struct picture *picture, struct strbuf *why)
{
    bool ready = true;

    for (size_t i = 0; i < picture->backend_count; i++) {
        const struct backend_view *h = &picture->backends[i];

        if (h->link_up && h->engine_up)
            continue;
        strbuf_addf(why, "%s: %s\n", h->upstream,
                    h->link_up ? "the engine has not answered"
                    : h->why   ? h->why
                               : "there is no link");
        ready = false;
    }
    return ready;
}

static json_t *requests_of(const struct frontend_view *frontend)
{
    json_t *requests = json_object();

    for (unsigned v = 0; v < AUDIT_VERDICT_COUNT; v++)
        json_object_set_new(
            requests, audit_verdict_name(v),
            json_integer((json_int_t)counters_requests(frontend->counters, v)));
    return requests;
}

static json_t *open_of(const struct frontend_view *frontend)
{
    json_t *open = json_object();

    for (unsigned i = 0; i < ACCESS_COUNT; i++)
        json_object_set_new(open, operation_access_name(i),
                            json_integer(frontend->open[i]));
    return open;
}

/* What clients wrote may be no UTF-8. */
static json_t *text_or_not(struct str text)
{
    json_t *string = json_stringn(text.ptr ? text.ptr : "", text.len);

    return string ? string : json_string("(not UTF-8)");
}

static json_t *calls_of(const struct frontend_view *frontend)
{
    json_t *calls = json_array();

    for (unsigned i = 0; i < frontend->call_count; i++) {
        const struct call_view *call = &frontend->calls[i];

        json_array_append_new(
            calls, json_pack("{ss so sf sI sI}", "operation",
                             operation_name(call->operation), "path",
                             text_or_not(str_head(call->path, REFUSAL_PATH)),
                             "seconds", call->seconds, "bytes_in",
                             (json_int_t)call->bytes_in, "bytes_out",
                             (json_int_t)call->bytes_out));
    }
    return calls;
}

static json_t *refusals_of(const struct frontend_view *frontend)
{
    json_t *refusals = json_array();
    const struct refusal *refusal;

    for (size_t i = 0; frontend->refusals &&
                       (refusal = refusals_at(frontend->refusals, i)) != NULL;
         i++)
        json_array_append_new(
            refusals, json_pack("{sf sI ss ss so ss so so so}", "time",
                                (double)refusal->time_ns / 1e9, "count",
                                (json_int_t)refusal->count, "operation",
                                operation_name(refusal->operation), "verdict",
                                audit_verdict_name(refusal->verdict), "path",
                                text_or_not(str_from(refusal->path)), "rule",
                                refusal->rule, "field",
                                text_or_not(str_from(refusal->field)), "reason",
                                text_or_not(str_from(refusal->reason)), "allow",
                                text_or_not(str_from(refusal->allow))));
    return refusals;
}

/* null: it is not known yet, or not any more. */
static json_t *objects_of(const struct frontend_view *frontend)
{
    const struct objects_view *o = &frontend->objects;

    return o->known
               ? json_pack("{si si si si si sI}", "containers",
                           (int)o->containers, "networks", (int)o->networks,
                           "volumes", (int)o->volumes, "images", (int)o->images,
                           "ports", (int)o->ports, "image_bytes",
                           (json_int_t)o->image_bytes)
               : json_null();
}

static json_t *copies_of(const struct frontend_view *frontend)
{
    const struct copies_view *c = &frontend->copies;

    return json_pack(
        "{si sI sI sI sI sI sI sI sI sI sI}", "directories",
        (int)c->directories, "bytes_out", (json_int_t)c->bytes_out, "bytes_in",
        (json_int_t)c->bytes_in, "files_out", (json_int_t)c->files_out,
        "files_in", (json_int_t)c->files_in, "removed_out",
        (json_int_t)c->removed_out, "removed_in", (json_int_t)c->removed_in,
        "rounds", (json_int_t)c->rounds, "failed", (json_int_t)c->failed,
        "conflicts", (json_int_t)c->lost, "postponed", (json_int_t)c->left);
}

static json_t *ports_of(const struct frontend_view *f)
{
    return json_pack("{si si sI sI si sI sI sI sI sI}", "listeners",
                     (int)f->port_listeners, "connections",
                     (int)f->port_connections, "carried",
                     (json_int_t)f->ports_carried, "refused",
                     (json_int_t)f->ports_refused, "flows", (int)f->port_flows,
                     "flows_carried", (json_int_t)f->flows_carried,
                     "flows_refused", (json_int_t)f->flows_refused,
                     "datagrams_in", (json_int_t)f->datagrams_in,
                     "datagrams_out", (json_int_t)f->datagrams_out,
                     "datagrams_lost", (json_int_t)f->datagrams_lost);
}

static json_t *berth_status(const struct frontend_view *frontend)
{
    const struct counters *c = frontend->counters;
    uint64_t bytes_in = c->bytes_in + frontend->bytes_in;
    uint64_t bytes_out = c->bytes_out + frontend->bytes_out;

    return json_pack(
        "{ss* ss ss ss? ss* si si so so sI sI sI sI sI sI so so so si so so}",
        "runner", frontend->runner, "namespace", frontend->namespace,
        "listener", frontend->listener, "host", frontend->host, "lease",
        frontend->lease, "clients", (int)frontend->clients, "clients_limit",
        (int)frontend->clients_max, "requests", requests_of(frontend), "open",
        open_of(frontend), "bytes_in", (json_int_t)bytes_in, "bytes_out",
        (json_int_t)bytes_out, "lookups", (json_int_t)c->lookups,
        "cache_requests", (json_int_t)frontend->cache_asked, "cache_hits",
        (json_int_t)frontend->cache_known, "audit_failures",
        (json_int_t)c->audit_failures, "ports", ports_of(frontend), "copies",
        copies_of(frontend), "objects", objects_of(frontend), "builds",
        (int)frontend->builds, "calls", calls_of(frontend), "refusals",
        refusals_of(frontend));
}

static json_t *backend_status(const struct backend_view *h)
{
    return json_pack(
        "{ss sb ss* sb ss sI sI sI sI si si si si si si}", "upstream",
        h->upstream, "link_up", h->link_up, "why", h->link_up ? NULL : h->why,
        "engine_up", h->engine_up, "engine_id",
        h->engine_id ? h->engine_id : "", "reconnects",
        (json_int_t)(h->connects ? h->connects - 1 : 0), "swept_namespaces",
        (json_int_t)h->swept, "swept_objects", (json_int_t)h->swept_objects,
        "sweep_failures", (json_int_t)h->sweep_failures, "links", (int)h->links,
        "channels", (int)h->channels, "used", (int)h->used, "idle",
        (int)h->idle, "opening", (int)h->opening, "waiting", (int)h->waiting);
}

static json_t *process_status(const struct process_view *p)
{
    json_t *defences = json_array();

    for (const char *const *at = p->defences; at && *at; at++)
        json_array_append_new(defences, json_string(*at));
    return json_pack("{ss ss ss so sf sf sI si si sI sI}", "version",
                     p->version, "libssh2", p->libssh2, "libevent", p->libevent,
                     "defences", defences, "uptime_seconds",
                     p->now - p->start_time, "cpu_seconds", p->cpu_seconds,
                     "memory", (json_int_t)p->memory, "descriptors",
                     (int)p->descriptors, "descriptors_limit",
                     (int)p->descriptors_max, "reloads", (json_int_t)p->reloads,
                     "reloads_refused", (json_int_t)p->reloads_refused);
}

int metrics_put_status(struct strbuf *out, const struct picture *picture)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    json_auto_t *root = json_object();
    json_t *frontends = json_array(), *backends = json_array();
    char *text;
    int r;

    json_object_set_new(root, "ready",
                        json_boolean(metrics_ready(picture, &why)));
    json_object_set_new(root, "process", process_status(&picture->process));
    for (size_t i = 0; i < picture->frontend_count; i++)
        json_array_append_new(frontends, berth_status(&picture->frontends[i]));
    json_object_set_new(root, "berths", frontends);
    for (size_t i = 0; i < picture->backend_count; i++)
        json_array_append_new(backends, backend_status(&picture->backends[i]));
    json_object_set_new(root, "engines", backends);
    text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    r = strbuf_addf(out, "%s\n", text);
    free(text);
    return r;
}
