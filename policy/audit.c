#include "policy/audit.h"

#include <stdlib.h>
#include <time.h>

#include "policy/json_write.h"
#include "policy/limits.h"
#include "policy/record.h"

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

static void put_text(struct record *record, const char *key, struct str value)
{
    if (value.len)
        record_text(record, key, value);
}

static void put_time(struct record *record, uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000);
    char stamp[40], all[64];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(all, sizeof(all), "%s.%06uZ", stamp,
             (unsigned)(time_ns / 1000 % 1000000));
    record_text(record, "time", str_from(all));
}

/* A part whose size a client chooses; VALUE is handed over. */
static void put_bounded(struct record *record, const char *key, json_t *value)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(LIMIT_AUDIT_PART);
    AUTO(json_decrefp) json_t *owned = value;

    if (!json_object_size(owned) && !json_array_size(owned))
        return;
    if (json_write(&part, owned) < 0)
        record_text(record, key, S("(too long)"));
    else
        record_json(record, key, strbuf_str(&part));
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

static void put_query(struct record *record, const struct audit_facts *facts)
{
    json_t *query;
    bool repeats;

    if (!facts->target || !facts->match || facts->target->query_count == 0)
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
    put_bounded(record, "query", query);
}

static void put_body_facts(struct record *record,
                           const struct audit_facts *facts)
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
    put_bounded(record, "request", request);
}

static void put_verdict(struct record *record, const struct audit_facts *facts)
{
    const struct verdict *verdict = facts->verdict;

    if (!verdict)
        return;
    record_text(record, "verdict",
                facts->would_deny                ? S("would-deny")
                : verdict->kind == VERDICT_ALLOW ? S("allow")
                                                 : S("deny"));
    put_text(record, "rule", str_from(verdict->rule));
    put_text(record, "field", str_from(verdict->field));
    put_text(record, "reason", str_from(verdict->reason));
}

/* The part that both kinds of record share, in its documented order. */
static void begin(struct record *record, struct strbuf *out, struct str event,
                  const struct audit_facts *facts)
{
    record_begin(record, out);
    put_time(record, facts->time_ns);
    record_text(record, "event", event);
    record_text(record, "id", str_from(facts->id));
    record_text(record, "namespace", str_from(facts->namespace_));
    put_text(record, "listener", str_from(facts->listener));
    record_int(record, "pid", facts->peer.pid);
    record_uint(record, "uid", facts->peer.uid);
    record_uint(record, "gid", facts->peer.gid);
    record_text(record, "method", str_from(method_name(facts->method)));
    if (facts->operation)
        record_text(record, "operation",
                    str_from(operation_name(facts->operation)));
    else
        record_null(record, "operation");
    put_text(record, "path", facts->path);
    put_text(record, "sent", facts->sent);
    put_query(record, facts);
    put_body_facts(record, facts);
    put_verdict(record, facts);
    if (facts->changes)
        put_bounded(record, "changes", json_deep_copy(facts->changes));
}

/* A line is whole or not there. */
static int end(struct record *record, size_t start)
{
    int r = record_end(record);

    if (r == 0)
        r = strbuf_add_char(record->out, '\n');
    if (r < 0)
        record->out->len = start;
    return r;
}

int audit_put_decision(struct strbuf *out, const struct audit_facts *facts)
{
    size_t start = out->len;
    struct record record;

    begin(&record, out, S("decision"), facts);
    return end(&record, start);
}

int audit_put_end(struct strbuf *out, const struct audit_facts *facts)
{
    size_t start = out->len;
    struct record record;

    begin(&record, out, S("end"), facts);
    if (facts->status)
        record_int(&record, "status", facts->status);
    else
        record_null(&record, "status");
    record_uint(&record, "bytes_in", facts->bytes_in);
    record_uint(&record, "bytes_out", facts->bytes_out);
    record_millis(&record, "duration_ms", facts->duration_ns / 1000);
    put_text(&record, "object", facts->object);
    record_text(&record, "close", str_from(audit_close_name(facts->close)));
    return end(&record, start);
}
