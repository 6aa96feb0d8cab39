#include "proxy/metrics/metrics.h"

#include <jansson.h>
#include <stdlib.h>

bool metrics_ready(const struct picture *picture, struct strbuf *why)
{
    bool ready = true;

    for (size_t i = 0; i < picture->harbour_count; i++) {
        const struct harbour_view *h = &picture->harbours[i];

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

static json_t *requests_of(const struct berth_view *berth)
{
    json_t *requests = json_object();

    for (unsigned v = 0; v < AUDIT_VERDICT_COUNT; v++)
        json_object_set_new(
            requests, audit_verdict_name(v),
            json_integer((json_int_t)counters_requests(berth->counters, v)));
    return requests;
}

static json_t *open_of(const struct berth_view *berth)
{
    json_t *open = json_object();

    for (unsigned i = 0; i < ACCESS_COUNT; i++)
        json_object_set_new(open, operation_access_name(i),
                            json_integer(berth->open[i]));
    return open;
}

static json_t *berth_status(const struct berth_view *berth)
{
    const struct counters *c = berth->counters;
    uint64_t bytes_in = c->bytes_in + berth->bytes_in;
    uint64_t bytes_out = c->bytes_out + berth->bytes_out;

    return json_pack("{ss ss si si so so sI sI sI sI sI sI}", "namespace",
                     berth->namespace, "listener", berth->listener, "clients",
                     (int)berth->clients, "clients_limit",
                     (int)berth->clients_max, "requests", requests_of(berth),
                     "open", open_of(berth), "bytes_in", (json_int_t)bytes_in,
                     "bytes_out", (json_int_t)bytes_out, "lookups",
                     (json_int_t)c->lookups, "cache_requests",
                     (json_int_t)berth->cache_asked, "cache_hits",
                     (json_int_t)berth->cache_known, "audit_failures",
                     (json_int_t)c->audit_failures);
}

static json_t *harbour_status(const struct harbour_view *h)
{
    return json_pack(
        "{ss sb ss* sb sI si si si si si}", "upstream", h->upstream, "link_up",
        h->link_up, "why", h->link_up ? NULL : h->why, "engine_up",
        h->engine_up, "reconnects",
        (json_int_t)(h->connects ? h->connects - 1 : 0), "channels",
        (int)h->channels, "used", (int)h->used, "idle", (int)h->idle, "opening",
        (int)h->opening, "waiting", (int)h->waiting);
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
    json_t *berths = json_array(), *harbours = json_array();
    char *text;
    int r;

    json_object_set_new(root, "ready",
                        json_boolean(metrics_ready(picture, &why)));
    json_object_set_new(root, "process", process_status(&picture->process));
    for (size_t i = 0; i < picture->berth_count; i++)
        json_array_append_new(berths, berth_status(&picture->berths[i]));
    json_object_set_new(root, "berths", berths);
    for (size_t i = 0; i < picture->harbour_count; i++)
        json_array_append_new(harbours, harbour_status(&picture->harbours[i]));
    json_object_set_new(root, "engines", harbours);
    text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    r = strbuf_addf(out, "%s\n", text);
    free(text);
    return r;
}
