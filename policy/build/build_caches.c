#include <stdio.h>

#include "policy/base/json_str.h"
#include "policy/base/json_strict.h"
#include "policy/base/json_write.h"
#include "policy/build/build_private.h"

/* Caches that a build reads and writes besides the engine's own. */

static bool judge_type(struct build_call *call, struct str type,
                       const char *field)
{
    return strings_match(&call->view->rules->build.caches, type) ||
           build_refuse(call, 403, "build.caches", field,
                        "caches of type \"%.*s\" are not allowed here; to "
                        "allow them, add it to build.caches in the policy",
                        STR_FMT(str_head(type, 40)));
}

/*
 * A cache in a registry. On graph drivers the engine looks among its tags
 * first, so a name with an own tag is given as that; the containerd store asks
 * the registry in any case.
 */
static bool judge_registry(struct build_call *call, struct str text,
                           bool exported, const char *field, struct strbuf *own)
{
    const struct image_rules *rules = &call->view->rules->images;
    const char *rule = exported ? "images.push" : "images.registries";
    struct image_ref ref;

    if (image_ref_parse(text, &ref) != 0)
        return build_refuse(call, 400, rule, field,
                            "\"%.*s\" is no name of a cache",
                            STR_FMT(str_head(text, 150)));
    if (own_tag_is_reserved(&ref))
        return build_forbid(call, "request.names", field,
                            "\"%.*s\": names below " OWN_TAG_DOMAIN
                            " are berth's own",
                            STR_FMT(str_head(text, 150)));
    image_ref_complete(&ref);
    build_note(call, "caches", text);
    if (!exported && !call->view->containerd_store &&
        build_images_have(call->images, &ref))
        return own_tag_put(own, call->view->ns, &ref) == 0;
    return image_may_be_fetched(exported ? &rules->push : &rules->registries,
                                &ref) ||
           build_refuse(call, 403, rule, field,
                        "the cache \"%.*s\" is not allowed here; to allow it, "
                        "add its registry or repository to %s in the policy",
                        STR_FMT(str_head(text, 150)), rule);
}

/* "https://results.actions.githubusercontent.com/" */
static bool judge_cache_url(struct build_call *call, struct str url,
                            const char *field)
{
    struct str scheme, host, rest;

    if (url.len == 0)
        return true;
    str_cut(url, ':', &scheme, &rest);
    if (!str_has_prefix(rest, S("//")))
        return build_refuse(call, 400, "build.cache_hosts", field,
                            "this is no URL of a cache");
    str_cut(str_from_index(rest, 2), '/', &host, &rest);
    build_note(call, "caches", host);
    return (str_find(host, '@') < 0 && str_find(host, '?') < 0 &&
            str_find(host, '#') < 0 && str_find(host, '\\') < 0 &&
            strings_match(&call->view->rules->build.cache_hosts, host)) ||
           build_refuse(call, 403, "build.cache_hosts", field,
                        "the engine may not keep caches on %.*s; to allow it, "
                        "add the host to build.cache_hosts in the policy",
                        STR_FMT(str_head(host, 100)));
}

/* One attribute; its new value into OWN, unless it stays. */
static bool judge_attr(struct build_call *call, struct str type, struct str key,
                       struct str value, bool exported, const char *field,
                       struct strbuf *own)
{
    if (str_eq(type, S("registry")) && str_eq(key, S("ref")))
        return judge_registry(call, value, exported, field, own);
    if (str_eq(type, S("gha")) &&
        (str_eq(key, S("url")) || str_eq(key, S("url_v2"))))
        return judge_cache_url(call, value, field);
    return true;
}

static bool judge_entry(struct build_call *call, struct pb_message *entry,
                        const char *field, bool exported)
{
    struct str type = pb_text(entry, ENTRY_TYPE);

    if (!judge_type(call, type, field))
        return false;
    for (struct pb_value *value = pb_find(entry, ENTRY_ATTRS); value;
         value = pb_next(value)) {
        AUTO(strbuf_fini) struct strbuf own = STRBUF(OWN_TAG_MAX);

        if (!judge_attr(call, type, pb_text(value->message, 1),
                        pb_text(value->message, 2), exported, field, &own))
            return false;
        if (own.len)
            pb_set_text(&call->tree, value->message, 2,
                        pb_keep(&call->tree, strbuf_str(&own)));
    }
    return true;
}

bool build_judge_caches(struct build_call *call, struct pb_message *message,
                        unsigned number, const char *field, bool exported)
{
    size_t index = 0;
    char at[60];

    for (struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value)) {
        snprintf(at, sizeof(at), "%s[%zu]", field, index++);
        if (!judge_entry(call, value->message, at, exported))
            return false;
    }
    return true;
}

/* The option "cache-from": names, with commas between. */
bool build_judge_cache_list(struct build_call *call, struct pb_message *entry,
                            const char *field)
{
    struct str list = pb_text(entry, 2), name;
    AUTO(strbuf_fini) struct strbuf out = STRBUF(2 * LIMIT_BUILD_TEXT);
    bool more = list.len > 0;

    if (more && !judge_type(call, S("registry"), field))
        return false;
    while (more) {
        AUTO(strbuf_fini) struct strbuf own = STRBUF(OWN_TAG_MAX);

        more = str_cut(list, ',', &name, &list);
        if (!judge_registry(call, name, false, field, &own))
            return false;
        if (out.len)
            strbuf_add_char(&out, ',');
        if (strbuf_add(&out, own.len ? strbuf_str(&own) : name) != 0)
            return build_refuse(call, 413, "request.size", field,
                                "these are too many caches");
    }
    pb_set_text(&call->tree, entry, 2, pb_keep(&call->tree, strbuf_str(&out)));
    return true;
}

/* {"Type": "registry", "Attrs": {"ref": "..."}}; no other keys, for Go reads
 * them in any case. */
static bool judge_json_entry(struct build_call *call, json_t *entry,
                             const char *field)
{
    json_t *attrs = json_object_get(entry, "Attrs");
    struct str type = str_at(entry, "Type");
    const char *key;
    json_t *value;
    void *next;

    if (!json_is_string(json_object_get(entry, "Type")) ||
        (attrs && !json_is_object(attrs)) ||
        json_object_size(entry) != (attrs ? 2u : 1u))
        return build_refuse(call, 400, "request.json", field,
                            "a cache has \"Type\" and \"Attrs\", and nothing "
                            "else");
    if (!judge_type(call, type, field))
        return false;
    json_object_foreach_safe(attrs, next, key, value)
    {
        AUTO(strbuf_fini) struct strbuf own = STRBUF(OWN_TAG_MAX);

        if (!json_is_string(value))
            return build_refuse(call, 400, "request.json", field,
                                "attributes of a cache are strings");
        if (!judge_attr(call, type, str_from(key), str_of_json(value), false,
                        field, &own))
            return false;
        if (own.len)
            json_object_set_new(attrs, key, json_stringn(own.ptr, own.len));
    }
    return true;
}

/* The option "cache-imports": a JSON list of entries. */
bool build_judge_cache_json(struct build_call *call, struct pb_message *entry,
                            const char *field)
{
    json_auto_t *list = NULL;
    AUTO(strbuf_fini) struct strbuf out = STRBUF(2 * LIMIT_BUILD_TEXT);
    struct verdict why;
    json_t *item;
    size_t i;

    if (pb_text(entry, 2).len == 0)
        return true;
    if (json_strict_parse(pb_text(entry, 2), field, &list, &why) != 0) {
        *call->why = why;
        return false;
    }
    if (!json_is_array(list))
        return build_refuse(call, 400, "request.json", field,
                            "this is no list of caches");
    json_array_foreach(list, i, item)
    {
        if (!judge_json_entry(call, item, field))
            return false;
    }
    if (json_write(&out, list) != 0)
        return build_refuse(call, 413, "request.size", field,
                            "these are too many caches");
    pb_set_text(&call->tree, entry, 2, pb_keep(&call->tree, strbuf_str(&out)));
    return true;
}
