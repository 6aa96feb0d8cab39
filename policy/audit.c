#include "policy/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

const char *audit_close_name(enum audit_close close)
{
    static const char *const names[] = {
#define X(id, word) [(id)] = (word),
        AUDIT_CLOSES(X)
#undef X
    };

    return names[close];
}

/* Query values that may hold secrets, or whole documents: recorded by name. */
static const struct str hidden_query[] = {
    STR("buildargs"), STR("remote"), STR("changes"),
    STR("message"),   STR("secret"), STR("fromSrc"),
};

static json_t *text(struct str s)
{
    json_t *value = json_stringn(s.ptr ? s.ptr : "", s.len);

    /* bytes that are no UTF-8 cannot stand in JSON */
    return value ? value : json_string("(not UTF-8)");
}

/* How a part of a body goes into the record. */
static json_t *copy_of(const json_t *value)
{
    return json_deep_copy(value);
}

/* The names of networks, without the endpoint settings. */
static json_t *keys_of(const json_t *object)
{
    json_t *names = json_array();
    void *at;

    for (at = json_object_iter((json_t *)(uintptr_t)object); at;
         at = json_object_iter_next((json_t *)(uintptr_t)object, at))
        json_array_append_new(names, json_string(json_object_iter_key(at)));
    return names;
}

/* What is mounted where; driver options may hold a password. */
static json_t *mounts_of(const json_t *mounts)
{
    static const char *const keys[] = {"Type", "Source", "Target", "ReadOnly"};
    json_t *all = json_array();

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        json_t *some = json_object();

        for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++)
            json_object_set(some, keys[k], json_object_get(mount, keys[k]));
        json_array_append_new(all, some);
    }
    return all;
}

/* What a request's body names, for the record: the JSON path, and its label. */
static const struct body_fact {
    enum operation operation;
    const char *label;
    const char *path[3];
    json_t *(*reduce)(const json_t *value);
} body_facts[] = {
    {OP_CONTAINER_CREATE,   "image",      {"Image"},                               copy_of  },
    {OP_CONTAINER_CREATE,   "entrypoint", {"Entrypoint"},                          copy_of  },
    {OP_CONTAINER_CREATE,   "command",    {"Cmd"},                                 copy_of  },
    {OP_CONTAINER_CREATE,   "user",       {"User"},                                copy_of  },
    {OP_CONTAINER_CREATE,   "binds",      {"HostConfig", "Binds"},                 copy_of  },
    {OP_CONTAINER_CREATE,   "mounts",     {"HostConfig", "Mounts"},                mounts_of},
    {OP_CONTAINER_CREATE,   "network",    {"HostConfig", "NetworkMode"},           copy_of  },
    {OP_CONTAINER_CREATE,
     "networks",                          {"NetworkingConfig", "EndpointsConfig"},
     keys_of                                                                                },
    {OP_CONTAINER_CREATE,   "ports",      {"HostConfig", "PortBindings"},          copy_of  },
    {OP_CONTAINER_EXEC,     "command",    {"Cmd"},                                 copy_of  },
    {OP_CONTAINER_EXEC,     "user",       {"User"},                                copy_of  },
    {OP_NETWORK_CREATE,     "name",       {"Name"},                                copy_of  },
    {OP_NETWORK_CREATE,     "driver",     {"Driver"},                              copy_of  },
    {OP_NETWORK_CONNECT,    "container",  {"Container"},                           copy_of  },
    {OP_NETWORK_DISCONNECT, "container",  {"Container"},                           copy_of  },
    {OP_VOLUME_CREATE,      "name",       {"Name"},                                copy_of  },
    {OP_VOLUME_CREATE,      "driver",     {"Driver"},                              copy_of  },
};

static void set_text(json_t *record, const char *key, struct str value)
{
    if (value.len)
        json_object_set_new(record, key, text(value));
}

static void set_time(json_t *record, uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000);
    char stamp[40], all[64];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(all, sizeof(all), "%s.%06uZ", stamp,
             (unsigned)(time_ns / 1000 % 1000000));
    json_object_set_new(record, "time", json_string(all));
}

/* A part whose size a client chooses; VALUE is handed over. */
static void set_bounded(json_t *record, const char *key, json_t *value)
{
    if (json_dumpb(value, NULL, 0, JSON_COMPACT) > LIMIT_AUDIT_PART) {
        json_decref(value);
        value = json_string("(too long)");
    }
    if (json_is_string(value) || json_object_size(value) ||
        json_array_size(value))
        json_object_set_new(record, key, value);
    else
        json_decref(value);
}

static bool is_hidden(struct str key)
{
    for (size_t i = 0; i < sizeof(hidden_query) / sizeof(*hidden_query); i++) {
        if (str_eq(key, hidden_query[i]))
            return true;
    }
    return false;
}

/* A key that is given more than once has a list of values. */
static void add_pair(json_t *query, struct str key, json_t *value)
{
    json_t *before = json_object_getn(query, key.ptr, key.len);

    if (!before) {
        json_object_setn_new(query, key.ptr, key.len, value);
        return;
    }
    if (!json_is_array(before)) {
        json_t *list = json_array();

        json_array_append(list, before);
        json_object_setn_new(query, key.ptr, key.len, list);
        before = list;
    }
    json_array_append_new(before, value);
}

static void set_query(json_t *record, const struct audit_facts *facts)
{
    json_t *query;
    bool repeats;

    if (!facts->target || !facts->match)
        return;
    query = json_object();
    for (size_t i = 0; i < facts->target->query_count; i++) {
        const struct query_pair *pair = &facts->target->query[i];

        /* what the route does not know is not sent, and not written */
        if (route_knows_query(facts->match->route, pair->key, &repeats))
            add_pair(query, pair->key,
                     is_hidden(pair->key) ? json_string("(hidden)")
                                          : text(pair->value));
    }
    set_bounded(record, "query", query);
}

static void set_body_facts(json_t *record, const struct audit_facts *facts)
{
    json_t *request;

    if (!facts->body)
        return;
    request = json_object();
    for (size_t i = 0; i < sizeof(body_facts) / sizeof(*body_facts); i++) {
        const struct body_fact *fact = &body_facts[i];
        const json_t *at = facts->body;

        if (fact->operation != facts->operation)
            continue;
        for (size_t p = 0; p < 3 && fact->path[p]; p++)
            at = json_object_get(at, fact->path[p]);
        if (at && !json_is_null(at))
            json_object_set_new(request, fact->label, fact->reduce(at));
    }
    set_bounded(record, "request", request);
}

static void set_verdict(json_t *record, const struct audit_facts *facts)
{
    const struct verdict *verdict = facts->verdict;

    if (!verdict)
        return;
    json_object_set_new(record, "verdict",
                        json_string(facts->would_deny ? "would-deny"
                                    : verdict->kind == VERDICT_ALLOW ? "allow"
                                                                     : "deny"));
    set_text(record, "rule", str_from(verdict->rule));
    set_text(record, "field", str_from(verdict->field));
    set_text(record, "reason", str_from(verdict->reason));
}

/* The part that both kinds of record share, in its documented order. */
static json_t *record_new(const char *event, const struct audit_facts *facts)
{
    json_t *record = json_object();

    set_time(record, facts->time_ns);
    json_object_set_new(record, "event", json_string(event));
    json_object_set_new(record, "id", json_string(facts->id));
    json_object_set_new(record, "namespace", json_string(facts->namespace_));
    set_text(record, "listener", str_from(facts->listener));
    json_object_set_new(record, "pid", json_integer(facts->peer.pid));
    json_object_set_new(record, "uid", json_integer(facts->peer.uid));
    json_object_set_new(record, "gid", json_integer(facts->peer.gid));
    json_object_set_new(record, "method",
                        json_string(method_name(facts->method)));
    json_object_set_new(record, "operation",
                        facts->operation
                            ? json_string(operation_name(facts->operation))
                            : json_null());
    set_text(record, "path", facts->path);
    set_text(record, "sent", facts->sent);
    set_query(record, facts);
    set_body_facts(record, facts);
    set_verdict(record, facts);
    if (facts->changes)
        set_bounded(record, "changes", json_deep_copy(facts->changes));
    return record;
}

/* milliseconds with their fraction, not 17 digits of it */
#define FORMAT (JSON_COMPACT | JSON_REAL_PRECISION(12))

static int put(struct strbuf *out, json_t *record)
{
    AUTO(json_decrefp) json_t *owned = record;
    size_t len = json_dumpb(owned, NULL, 0, FORMAT);
    char *to = strbuf_reserve(out, len + 1);

    if (!to)
        return -ENOBUFS;
    json_dumpb(owned, to, len, FORMAT);
    to[len] = '\n';
    strbuf_commit(out, len + 1);
    return 0;
}

int audit_put_decision(struct strbuf *out, const struct audit_facts *facts)
{
    return put(out, record_new("decision", facts));
}

int audit_put_end(struct strbuf *out, const struct audit_facts *facts)
{
    json_t *record = record_new("end", facts);
    uint64_t micros = facts->duration_ns / 1000; /* nobody needs more */

    json_object_set_new(record, "status",
                        facts->status ? json_integer(facts->status)
                                      : json_null());
    json_object_set_new(record, "bytes_in",
                        json_integer((json_int_t)facts->bytes_in));
    json_object_set_new(record, "bytes_out",
                        json_integer((json_int_t)facts->bytes_out));
    json_object_set_new(record, "duration_ms",
                        json_real((double)micros / 1000));
    set_text(record, "object", facts->object);
    json_object_set_new(record, "close",
                        json_string(audit_close_name(facts->close)));
    return put(out, record);
}
