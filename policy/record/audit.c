#include "policy/record/audit.h"

#include <stdlib.h>
#include <time.h>

#include "policy/base/json_line.h"
#include "policy/base/json_write.h"
#include "policy/base/limits.h"
#include "policy/docker/namespace.h"

const char *audit_close_name(enum audit_close close)
{
    static const char *const names[] = {
#define X(id, word) [(id)] = (word),
        AUDIT_CLOSES(X)
#undef X
    };

    return names[close];
}

const char *audit_verdict_name(enum audit_verdict verdict)
{
    static const char *const names[] = {
#define X(id, word) [(id)] = (word),
        AUDIT_VERDICTS(X)
#undef X
    };

    return names[verdict];
}

enum audit_verdict audit_verdict(const struct audit_facts *facts)
{
    if (!facts->verdict)
        return AUDIT_VERDICT_NONE;
    if (facts->would_deny)
        return AUDIT_VERDICT_WOULD_DENY;
    return facts->verdict->kind == VERDICT_ALLOW ? AUDIT_VERDICT_ALLOW
                                                 : AUDIT_VERDICT_DENY;
}

/* Query values that may hold secrets, or whole documents: recorded by name. */
static const struct str hidden_query[] = {
    STR("buildargs"), STR("remote"), STR("changes"),
    STR("message"),   STR("secret"), STR("fromSrc"),
};

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

/*
 * What a request's body names, for the record: its label there, where it is,
 * and what is left of it (NULL: all). Whatever may hold a secret has no
 * row: Env, Labels, options.
 */
// clang-format off
static const char image[] = "image", image_id[] = "image_id";

static const struct body_fact {
    enum operation operation;
    const char *label;
    const char *path[4]; /* NULL behind the last */
    json_t *(*reduce)(const json_t *value);
} body_facts[] = {
    {OP_CONTAINER_CREATE,    image,          {"Image"},                                 NULL     },
    {OP_CONTAINER_CREATE,    image_id,       {"Image"},                                 NULL     },
    {OP_CONTAINER_CREATE,    "entrypoint",   {"Entrypoint"},                            NULL     },
    {OP_CONTAINER_CREATE,    "command",      {"Cmd"},                                   NULL     },
    {OP_CONTAINER_CREATE,    "user",         {"User"},                                  NULL     },
    {OP_CONTAINER_CREATE,    "binds",        {"HostConfig", "Binds"},                   NULL     },
    {OP_CONTAINER_CREATE,    "mounts",       {"HostConfig", "Mounts"},                  mounts_of},
    {OP_CONTAINER_CREATE,    "volumes_from", {"HostConfig", "VolumesFrom"},             NULL     },
    {OP_CONTAINER_CREATE,    "network",      {"HostConfig", "NetworkMode"},             NULL     },
    {OP_CONTAINER_CREATE,    "networks",     {"NetworkingConfig", "EndpointsConfig"},   keys_of  },
    {OP_CONTAINER_CREATE,    "ports",        {"HostConfig", "PortBindings"},            NULL     },
    {OP_CONTAINER_CREATE,    "privileged",   {"HostConfig", "Privileged"},              NULL     },
    {OP_CONTAINER_CREATE,    "capabilities", {"HostConfig", "CapAdd"},                  NULL     },
    {OP_CONTAINER_CREATE,    "devices",      {"HostConfig", "Devices"},                 NULL     },
    {OP_CONTAINER_CREATE,    "security",     {"HostConfig", "SecurityOpt"},             NULL     },
    {OP_CONTAINER_CREATE,    "pid",          {"HostConfig", "PidMode"},                 NULL     },
    {OP_CONTAINER_CREATE,    "ipc",          {"HostConfig", "IpcMode"},                 NULL     },
    {OP_CONTAINER_CREATE,    "runtime",      {"HostConfig", "Runtime"},                 NULL     },
    {OP_CONTAINER_EXEC,      "command",      {"Cmd"},                                   NULL     },
    {OP_CONTAINER_EXEC,      "user",         {"User"},                                  NULL     },
    {OP_CONTAINER_EXEC,      "privileged",   {"Privileged"},                            NULL     },
    {OP_NETWORK_CREATE,      "name",         {"Name"},                                  NULL     },
    {OP_NETWORK_CREATE,      "driver",       {"Driver"},                                NULL     },
    {OP_NETWORK_CONNECT,     "container",    {"Container"},                             NULL     },
    {OP_NETWORK_DISCONNECT,  "container",    {"Container"},                             NULL     },
    {OP_VOLUME_CREATE,       "name",         {"Name"},                                  NULL     },
    {OP_VOLUME_CREATE,       "driver",       {"Driver"},                                NULL     },
};
// clang-format on

/* {"a": {}, "b": {}}, of which keys_of has kept the keys. */
static json_t *object_of(const json_t *names)
{
    json_t *object = json_object();

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (name)
            json_object_set_new(object, name, json_object());
    }
    return object;
}

/* Put VALUE to where FACT found it in BODY. */
static void put_back(const struct body_fact *fact, json_t *body, json_t *value)
{
    json_t *at = body;
    size_t p = 0;

    for (; fact->path[p + 1]; p++) {
        json_t *inner = json_object_get(at, fact->path[p]);

        if (!inner)
            json_object_set_new(at, fact->path[p], inner = json_object());
        at = inner;
    }
    json_object_set_new(at, fact->path[p], value);
}

json_t *audit_body(enum operation operation, const json_t *request)
{
    json_t *body = NULL;

    for (size_t i = 0; i < sizeof(body_facts) / sizeof(*body_facts); i++) {
        const struct body_fact *fact = &body_facts[i];
        json_t *value = json_object_get(request, fact->label);

        if (fact->operation != operation || fact->label == image_id)
            continue;
        if (!body)
            body = json_object();
        if (value)
            put_back(fact, body,
                     fact->reduce == keys_of ? object_of(value)
                                             : json_deep_copy(value));
    }
    return body;
}

static void put_text(struct json_line *line, const char *key, struct str value)
{
    if (value.len)
        json_line_text(line, key, value);
}

/* VALUE as COUNT digits. */
static void put_digits(char *to, unsigned value, size_t count)
{
    while (count--) {
        to[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* By hand: strftime and snprintf took a twentieth of a short request. */
void audit_put_time(struct json_line *line, const char *key, uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000);
    char all[] = "0000-00-00T00:00:00.000000Z";
    struct tm tm;

    gmtime_r(&seconds, &tm);
    put_digits(all, (unsigned)tm.tm_year + 1900, 4);
    put_digits(all + 5, (unsigned)tm.tm_mon + 1, 2);
    put_digits(all + 8, (unsigned)tm.tm_mday, 2);
    put_digits(all + 11, (unsigned)tm.tm_hour, 2);
    put_digits(all + 14, (unsigned)tm.tm_min, 2);
    put_digits(all + 17, (unsigned)tm.tm_sec, 2);
    put_digits(all + 20, (unsigned)(time_ns / 1000 % 1000000), 6);
    json_line_text(line, key, str_from(all));
}

/* Is it as good as missing? */
static bool is_empty(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/*
 * The beginning of what is too long, as text: a client must not hide what it
 * does behind much else.
 */
static void put_beginning(struct json_line *line, const char *key,
                          const json_t *value)
{
    AUTO(strbuf_fini) struct strbuf all = STRBUF(LIMIT_JSON_WRITTEN);
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(LIMIT_AUDIT_PART);
    size_t cut = LIMIT_AUDIT_PART / 8;

    (void)json_write(&all, value);
    while (cut && (all.ptr[cut] & 0xc0) == 0x80)
        cut--;
    strbuf_addf(&shown, "(cut, of %zu bytes) %.*s", all.len, (int)cut, all.ptr);
    json_line_text(line, key, strbuf_str(&shown));
}

/* A part whose size a client chooses. */
static void put_bounded(struct json_line *line, const char *key,
                        const json_t *value)
{
    struct strbuf *out = line->out;
    size_t before = out->len, start;

    if (is_empty(value))
        return;
    json_line_json(line, key, S(""));
    start = out->len;
    if (json_write(out, value) == 0 && out->len - start <= LIMIT_AUDIT_PART)
        return;
    out->len = before;
    put_beginning(line, key, value);
}

/* The path of a refused call is the client's to choose, whatever its length. */
static void put_path(struct json_line *line, const struct audit_facts *facts)
{
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(2 * LIMIT_AUDIT_SHORT);
    struct str head = str_head(facts->path, LIMIT_AUDIT_SHORT);

    if (audit_verdict(facts) != AUDIT_VERDICT_DENY ||
        head.len == facts->path.len) {
        put_text(line, "path", facts->path);
        return;
    }
    while (head.len && (facts->path.ptr[head.len] & 0xc0) == 0x80)
        head.len--;
    strbuf_addf(&shown, "(cut, of %zu bytes) %.*s", facts->path.len,
                STR_FMT(head));
    json_line_text(line, "path", strbuf_str(&shown));
}

static bool is_hidden(struct str key)
{
    for (size_t i = 0; i < sizeof(hidden_query) / sizeof(*hidden_query); i++) {
        if (str_eq(key, hidden_query[i]))
            return true;
    }
    return false;
}

/* All values of KEY: one by itself, more as a list. */
static void put_values(struct json_line *line, const char *name,
                       const struct target *target)
{
    AUTO(json_decrefp) json_t *values = json_array();
    struct str key = str_from(name);

    for (size_t i = 0; i < target->query_count; i++) {
        struct str value = target->query[i].value;

        if (str_eq(target->query[i].key, key))
            json_array_append_new(values, json_stringn(value.ptr, value.len));
    }
    put_bounded(line, name,
                json_array_size(values) == 1 ? json_array_get(values, 0)
                                             : values);
}

/* Is pair I the first with its key? */
static bool is_first(const struct target *target, size_t i)
{
    for (size_t before = 0; before < i; before++) {
        if (str_eq(target->query[before].key, target->query[i].key))
            return false;
    }
    return true;
}

static void put_query(struct json_line *line, const struct audit_facts *facts)
{
    const struct target *target = facts->target;
    struct json_line query;
    bool repeats;

    if (!target || !facts->match || target->query_count == 0)
        return;
    json_line_open(line, "query", &query);
    for (size_t i = 0; i < target->query_count; i++) {
        struct str key = target->query[i].key;
        char name[64];

        /* what the route does not know is not sent, and not written */
        if (!route_knows_query(facts->match->route, key, &repeats) ||
            !is_first(target, i))
            continue;
        snprintf(name, sizeof(name), "%.*s", STR_FMT(key));
        if (is_hidden(key))
            json_line_text(&query, name, S("(hidden)"));
        else
            put_values(&query, name, target);
    }
    json_line_close(line, &query);
}

/* In a namespace an image goes by its ID, beside a label with its name. */
static const json_t *image_of(const struct body_fact *fact, const json_t *body)
{
    const json_t *id = json_object_get(body, "Image");
    const json_t *name =
        json_object_get(json_object_get(body, "Labels"), LABEL_IMAGE);

    if (fact->label == image_id)
        return name ? id : NULL;
    return name ? name : id;
}

static void put_body_facts(struct json_line *line,
                           const struct audit_facts *facts)
{
    struct json_line request;

    if (!facts->body)
        return;
    json_line_open(line, "request", &request);
    for (size_t i = 0; i < sizeof(body_facts) / sizeof(*body_facts); i++) {
        const struct body_fact *fact = &body_facts[i];
        AUTO(json_decrefp) json_t *reduced = NULL;
        const json_t *at = facts->body;

        if (fact->operation != facts->operation)
            continue;
        for (size_t p = 0; p < 3 && fact->path[p]; p++)
            at = json_object_get(at, fact->path[p]);
        if (fact->label == image || fact->label == image_id)
            at = image_of(fact, facts->body);
        if (fact->reduce && !is_empty(at))
            at = reduced = fact->reduce(at);
        put_bounded(&request, fact->label, at);
    }
    json_line_close(line, &request);
}

static void put_api(struct json_line *line, unsigned minor)
{
    char text[16];

    snprintf(text, sizeof(text), "1.%u", minor);
    json_line_text(line, "api", str_from(text));
}

static void put_verdict(struct json_line *line, const struct audit_facts *facts)
{
    const struct verdict *verdict = facts->verdict;

    if (!verdict)
        return;
    json_line_text(line, "verdict",
                   str_from(audit_verdict_name(audit_verdict(facts))));
    put_text(line, "rule", str_from(verdict->rule));
    put_text(line, "field", str_from(verdict->field));
    put_text(line, "reason", str_from(verdict->reason));
    put_bounded(line, "lacks", facts->lacks);
}

/* The part that both kinds of record share, in its documented order. */
static void begin(struct json_line *line, struct strbuf *out, struct str event,
                  const struct audit_facts *facts)
{
    json_line_begin(line, out);
    audit_put_time(line, "time", facts->time_ns);
    json_line_text(line, "event", event);
    json_line_text(line, "id", str_from(facts->id));
    json_line_text(line, "namespace", str_from(facts->namespace_));
    put_text(line, "listener", str_from(facts->listener));
    json_line_int(line, "pid", facts->peer.pid);
    json_line_uint(line, "uid", facts->peer.uid);
    json_line_uint(line, "gid", facts->peer.gid);
    put_text(line, "container", str_from(facts->peer.container));
    put_text(line, "traceparent", facts->trace);
    put_bounded(line, "job", facts->job);
    json_line_text(line, "method", str_from(method_name(facts->method)));
    if (facts->operation)
        json_line_text(line, "operation",
                       str_from(operation_name(facts->operation)));
    else
        json_line_null(line, "operation");
    put_path(line, facts);
    put_text(line, "sent", facts->sent);
    if (facts->api)
        put_api(line, facts->api);
    put_query(line, facts);
    put_body_facts(line, facts);
    put_verdict(line, facts);
    put_bounded(line, "changes", facts->changes);
}

/* A line is whole or not there. */
static int end(struct json_line *line, size_t start)
{
    int r = json_line_end(line);

    if (r == 0)
        r = strbuf_add_char(line->out, '\n');
    if (r < 0)
        line->out->len = start;
    return r;
}

int audit_put_decision(struct strbuf *out, const struct audit_facts *facts)
{
    size_t start = out->len;
    struct json_line line;

    begin(&line, out, S("decision"), facts);
    return end(&line, start);
}

int audit_put_call(struct strbuf *out, const struct audit_facts *facts)
{
    size_t start = out->len;
    struct json_line line;

    begin(&line, out, S("call"), facts);
    put_text(&line, "call", facts->call);
    put_bounded(&line, "build", facts->build);
    return end(&line, start);
}

int audit_put_end(struct strbuf *out, const struct audit_facts *facts)
{
    size_t start = out->len;
    struct json_line line;

    begin(&line, out, S("end"), facts);
    if (facts->status)
        json_line_int(&line, "status", facts->status);
    else
        json_line_null(&line, "status");
    json_line_uint(&line, "bytes_in", facts->bytes_in);
    json_line_uint(&line, "bytes_out", facts->bytes_out);
    json_line_millis(&line, "duration_ms", facts->duration_ns / 1000);
    put_text(&line, "object", facts->object);
    json_line_text(&line, "close", str_from(audit_close_name(facts->close)));
    return end(&line, start);
}
