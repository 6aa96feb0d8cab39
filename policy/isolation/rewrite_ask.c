#include "policy/isolation/rewrite_private.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/base/json_write.h"

/*
 * Questions to the engine, what is learned from the answers, and the labels
 * that they are about.
 */

static void refuse_so_many(struct rewrite *rw)
{
    rewrite_refuse(rw, 400,
                   "this request names more things than berth looks up for "
                   "one (%d); split it",
                   LIMIT_LOOKUPS);
}

bool rewrite_may_look_up(struct rewrite *rw)
{
    if (rw->lookups < LIMIT_LOOKUPS) {
        rw->lookups++;
        return true;
    }
    refuse_so_many(rw);
    return false;
}

struct lookup *rewrite_add_ask(struct rewrite *rw, enum method method,
                               struct str target)
{
    struct lookup *lookup = lookups_add(rw->context.lookups, method, target);

    if (!lookup)
        refuse_so_many(rw);
    return lookup;
}

static const struct lookup *find_lookup(const struct rewrite *rw,
                                        enum method method, struct str target,
                                        const json_t *body)
{
    const struct lookups *set = rw->context.lookups;
    size_t at = lookups_find(set, method, target, body);

    return at < set->count ? &set->items[at] : NULL;
}

/* A question that went wrong: an engine in trouble is no "not found". */
static bool is_useless(struct rewrite *rw, const struct lookup *ask)
{
    if (ask->status && ask->status < 500)
        return false;
    rewrite_refuse(rw, 503,
                   "the engine could not be asked whose the things are that "
                   "this request names; try again");
    return true;
}

const struct lookup *rewrite_get(struct rewrite *rw, struct str target)
{
    const struct lookup *ask = find_lookup(rw, METHOD_GET, target, NULL);

    if (!ask)
        ask = rewrite_add_ask(rw, METHOD_GET, target);
    if (!ask || ask->state != LOOKUP_ANSWERED || is_useless(rw, ask)) {
        rw->missing = true;
        return NULL;
    }
    return ask;
}

void rewrite_put_json(struct strbuf *out, const json_t *json)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_JSON_WRITTEN);

    (void)json_write(&text, json);
    target_put_query(out, strbuf_str(&text));
}

const struct lookup *rewrite_asked(const struct rewrite *rw, struct str target)
{
    const struct lookup *ask = find_lookup(rw, METHOD_GET, target, NULL);

    return ask && ask->state == LOOKUP_ANSWERED ? ask : NULL;
}

static const struct lookup *change(struct rewrite *rw, enum method method,
                                   struct str target, json_t *body,
                                   const char *undo, bool waits)
{
    const struct lookup *ask = find_lookup(rw, method, target, body);

    if (ask) { /* what two places want is done once */
        json_decref(body);
        return ask->state == LOOKUP_ANSWERED ? ask : NULL;
    }
    json_array_append_new(rw->wanted, json_pack("{s:i, s:s%, s:o, s:s?, s:b}",
                                                "method", (int)method, "target",
                                                target.ptr, target.len, "body",
                                                body ? body : json_null(),
                                                "undo", undo, "waits", waits));
    return NULL;
}

const struct lookup *rewrite_do(struct rewrite *rw, enum method method,
                                struct str target, json_t *body,
                                const char *undo)
{
    return change(rw, method, target, body, undo, false);
}

const struct lookup *rewrite_do_in_order(struct rewrite *rw, enum method method,
                                         struct str target, json_t *body,
                                         const char *undo)
{
    return change(rw, method, target, body, undo, true);
}

bool rewrite_is_done(const struct lookup *ask)
{
    return ask->status >= 200 && ask->status < 400;
}

void rewrite_fail(struct rewrite *rw, const struct lookup *ask,
                  const char *what)
{
    struct str why = str_of_json(json_object_get(ask->reply, "message"));
    AUTO(strbuf_fini) struct strbuf words = STRBUF(LIMIT_REPLY);

    if (rewrite_is_done(ask))
        return;
    if (ask->status == 0)
        why = S("it could not be asked");
    rewrite_text(rw, str_head(why, LIMIT_REASON), &words);
    if (words.len == 0)
        strbuf_addf(&words, "it was answered with %d", ask->status);
    if (what)
        rewrite_refuse(rw, ask->status == 0 ? 503 : 500,
                       "berth could not %s; the engine says: %.*s", what,
                       STR_FMT(strbuf_str(&words)));
    else /* a 404 would be taken for what the client asked for itself */
        rewrite_refuse(rw,
                       ask->status == 0     ? 503
                       : ask->status == 404 ? 500
                                            : ask->status,
                       "%.*s", STR_FMT(strbuf_str(&words)));
}

bool rewrite_ask_for_changes(struct rewrite *rw)
{
    bool any = false;
    json_t *want;
    size_t i;

    json_array_foreach(rw->wanted, i, want)
    {
        enum method method =
            (enum method)json_integer_value(json_object_get(want, "method"));
        struct str target = str_of_json(json_object_get(want, "target"));
        json_t *undo = json_object_get(want, "undo");
        json_t *body = json_object_get(want, "body");
        struct lookup *ask;

        if (json_is_null(body))
            body = NULL;
        if (find_lookup(rw, method, target, body))
            continue;
        ask = rewrite_add_ask(rw, method, target);
        if (!ask)
            return true;
        ask->changes = true;
        ask->waits = json_is_true(json_object_get(want, "waits"));
        ask->body = json_incref(body);
        ask->undo =
            json_is_string(undo) ? xstrdup(json_string_value(undo)) : NULL;
        any = true;
    }
    return any;
}

/* ---- labels and what is known ---- */

bool labels_are_own(const struct rewrite *rw, const json_t *labels)
{
    const json_t *owner = json_object_get(labels, LABEL_NAMESPACE);

    return json_is_string(owner) && str_eq(str_of_json(owner), rw->context.ns);
}

/* "/<ns>.web"; a name with a second slash is what a link calls it. */
static bool is_own_name(struct str ns, const json_t *name)
{
    struct str text = str_of_json(name);

    if (text.len && text.ptr[0] == '/')
        text = str_from_index(text, 1);
    return namespace_has(ns, text) && str_find(text, '/') < 0;
}

bool namespace_has_container(struct str ns, const json_t *container)
{
    const json_t *labels = json_object_get(container, "Labels");
    const json_t *name = json_object_get(container, "Name");
    bool named = is_own_name(ns, name);
    size_t i;

    if (!labels)
        labels =
            json_object_get(json_object_get(container, "Config"), "Labels");
    json_array_foreach(json_object_get(container, "Names"), i, name)
    {
        named = named || is_own_name(ns, name);
    }
    return named &&
           str_eq(str_of_json(json_object_get(labels, LABEL_NAMESPACE)), ns);
}

size_t namespace_count_containers(struct str ns, const json_t *list)
{
    const json_t *container;
    size_t i, count = 0;

    json_array_foreach(list, i, container)
    {
        count += namespace_has_container(ns, container);
    }
    return count;
}

bool container_is_own(const struct rewrite *rw, const json_t *container)
{
    return namespace_has_container(rw->context.ns, container);
}

void labels_refuse_ours(struct rewrite *rw, json_t *labels)
{
    const char *key;
    json_t *value;

    json_object_foreach(labels, key, value)
    {
        if (label_is_ours(str_from(key)))
            rewrite_refuse(rw, 403,
                           "labels that begin with \"%s\" are berth's own; "
                           "leave %s out",
                           LABEL_PREFIX, key);
    }
}

void labels_claim(struct rewrite *rw, json_t *labels)
{
    labels_refuse_ours(rw, labels);
    json_object_set_new(labels, LABEL_NAMESPACE, json_of_str(rw->context.ns));
}

void labels_hide(json_t *labels)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(labels, next, key, value)
    {
        if (str_has_prefix(str_from(key), S(LABEL_PREFIX)))
            json_object_del(labels, key);
    }
}

void own_ids_note(struct rewrite *rw, enum ref_kind kind, struct str word)
{
    if (rw->context.owned)
        owned_add(rw->context.owned, kind, word);
}

bool own_ids_known(struct rewrite *rw, enum ref_kind kind, struct str word)
{
    return rw->context.owned && own_ids_has(rw->context.owned, kind, word);
}

struct str rewrite_path_to(struct rewrite *rw, const char *path,
                           struct str segment, const char *rest)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    strbuf_add(&out, str_from(path));
    target_put_segment(&out, segment);
    strbuf_add(&out, str_from(rest));
    return rewrite_keep(rw, strbuf_str(&out));
}

struct str rewrite_path_to_own(struct rewrite *rw, const char *path,
                               const char *key, struct str value)
{
    AUTO(strbuf_fini) struct strbuf label = STRBUF(1024);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    json_auto_t *filters = json_object();

    strbuf_addf(&label, "%s=%.*s", LABEL_NAMESPACE, STR_FMT(rw->context.ns));
    json_object_set_new(filters, "label",
                        json_pack("{s:b}", strbuf_cstr(&label), 1));
    if (key) {
        json_t *values = json_object();

        json_object_setn_new(values, value.ptr, value.len, json_true());
        json_object_set_new(filters, key, values);
    }
    strbuf_add(&out, str_from(path));
    rewrite_put_json(&out, filters);
    return rewrite_keep(rw, strbuf_str(&out));
}
