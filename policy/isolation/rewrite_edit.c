#include "policy/isolation/rewrite_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/json_write.h"

/* What a step may do: keep words, refuse, answer, and change the request. */

struct str rewrite_keep(struct rewrite *rw, struct str s)
{
    if (rw->kept_count % 32 == 0) {
        rw->kept = realloc(rw->kept, (rw->kept_count + 32) * sizeof(char *));
        if (!rw->kept)
            abort();
    }
    rw->kept[rw->kept_count] = xstr_dup(s);
    return str_of(rw->kept[rw->kept_count++], s.len);
}

struct str rewrite_prefix(struct rewrite *rw, struct str name)
{
    struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str kept;

    namespace_put(&out, rw->context.ns, name);
    kept = rewrite_keep(rw, strbuf_str(&out));
    strbuf_fini(&out);
    return kept;
}

void rewrite_refuse(struct rewrite *rw, int status, const char *format, ...)
{
    char text[LIMIT_REASON];
    va_list args;

    if (rewrite_is_refused(rw))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    verdict_deny(&rw->verdict, status, "namespace", "", "%s", text);
}

void rewrite_refuse_by(struct rewrite *rw, const char *rule, const char *field,
                       const char *format, ...)
{
    char text[LIMIT_REASON];
    va_list args;

    if (rewrite_is_refused(rw))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    verdict_deny(&rw->verdict, 403, rule, field, "%s", text);
}

bool rewrite_is_refused(const struct rewrite *rw)
{
    return rw->verdict.kind == VERDICT_DENY;
}

void rewrite_put_label(struct rewrite *rw, const char *key, const json_t *value,
                       size_t limit, const char *does, const char *instead)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(limit);

    if (json_write(&text, value))
        rewrite_refuse(rw, 400,
                       "what this container %s is longer than %zu bytes; %s",
                       does, limit, instead);
    json_object_set_new(object_at(rw->draft, "Labels"), key,
                        json_of_str(strbuf_str(&text)));
}

void rewrite_answer_with(struct rewrite *rw, int status, json_t *reply)
{
    json_decref(rw->answer);
    rw->answer_status = status;
    rw->answer = reply;
}

static void add_edit(struct rewrite *rw, struct edit edit)
{
    if (rw->edit_count % 16 == 0) {
        rw->edits =
            realloc(rw->edits, (rw->edit_count + 16) * sizeof(*rw->edits));
        if (!rw->edits)
            abort();
    }
    rw->edits[rw->edit_count++] = edit;
}

void rewrite_set_param(struct rewrite *rw, size_t param, struct str value)
{
    add_edit(rw, (struct edit){.param = param, .value = value});
}

void rewrite_set_query(struct rewrite *rw, struct str key, struct str value)
{
    add_edit(rw,
             (struct edit){.param = EDIT_QUERY, .key = key, .value = value});
}

void rewrite_add_query(struct rewrite *rw, struct str key, struct str value)
{
    add_edit(rw,
             (struct edit){
                 .param = EDIT_QUERY, .key = key, .value = value, .add = true});
}

void rewrite_drop_query(struct rewrite *rw, struct str key)
{
    add_edit(rw, (struct edit){.param = EDIT_QUERY, .key = key, .drop = true});
}

struct str rewrite_query(const struct rewrite *rw, struct str key)
{
    const struct str *value = target_get(rw->target, key);

    return value ? *value : S("");
}

json_t *object_at(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_object(value)) {
        value = json_object();
        json_object_set_new(object, key, value);
    }
    return value;
}

json_t *list_at(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_array(value)) {
        value = json_array();
        json_object_set_new(object, key, value);
    }
    return value;
}

/* ---- what it needs of the engine ---- */

enum {
    SUBPATH_MINOR = 45, /* Engine 26: VolumeOptions.Subpath, which is dropped in
                           silence from what says it is older */
};

void rewrite_need_minor(struct rewrite *rw, unsigned minor)
{
    if (rw->least_minor < minor)
        rw->least_minor = minor;
}

bool mounts_have_subpaths(const struct rewrite *rw)
{
    return rw->context.engine_minor == 0 ||
           rw->context.engine_minor >= SUBPATH_MINOR;
}

void mounts_need_subpaths(struct rewrite *rw)
{
    rewrite_need_minor(rw, SUBPATH_MINOR);
}
