#include <stdio.h>

#include "policy/build/build_private.h"
#include "policy/docker/namespace.h"

/* ---- identifiers ---- */

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool is_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_id_char(text.ptr[i]))
            return false;
    return text.len > 0 && text.len <= LIMIT_BUILD_ID;
}

struct str build_id_str(const struct build_id *id)
{
    return str_of(id->text, id->len);
}

bool build_id_in(struct build_call *call, const char *field, struct str text,
                 struct build_id *id)
{
    struct str ns = call->view->ns;

    if (!is_id(text))
        return build_refuse(call, 400, "request.identifier", field,
                            "\"%.*s\" is no identifier of a build or session: "
                            "letters, digits, \"_\" and \"-\", %d at most",
                            STR_FMT(str_head(text, 60)), LIMIT_BUILD_ID);
    id->len = (size_t)snprintf(id->text, sizeof(id->text), "%.*s%s%.*s",
                               STR_FMT(ns), ns.len ? "." : "", STR_FMT(text));
    return true;
}

bool build_id_out(const struct build_view *view, struct str text,
                  struct str *out)
{
    *out = text;
    if (view->ns.len == 0)
        return true;
    if (!namespace_has(view->ns, text))
        return false;
    *out = str_from_index(text, view->ns.len + 1);
    return true;
}

/*
 * Who shares results of steps and cache mounts: the namespaces of one group,
 * else each namespace with itself. No namespace has a dot in it, so that the
 * two never meet.
 */
static int put_group(const struct build_view *view, struct strbuf *out)
{
    const char *group = view->rules->build.cache;

    if (group)
        return strbuf_addf(out, "%s.cache.berth", group);
    return view->ns.len ? strbuf_addf(out, "%.*s.berth", STR_FMT(view->ns)) : 0;
}

int build_cache_space(const struct build_view *view, struct strbuf *out)
{
    return put_group(view, out);
}

int build_salt(const struct build_view *view, struct strbuf *out)
{
    return put_group(view, out);
}

/* ---- the engine ---- */

bool build_engine_is(const struct build_view *view, unsigned major,
                     unsigned minor)
{
    struct str first, second, rest;
    uint64_t a = 0, b = 0;

    str_cut(view->engine, '.', &first, &rest);
    str_cut(rest, '.', &second, &rest);
    if (str_to_u64(first, &a) != 0 || str_to_u64(second, &b) != 0)
        return false;
    return a > major || (a == major && b >= minor);
}

/* ---- images ---- */

bool build_image_is_ours(const struct build_view *view,
                         const struct image_ref *ref)
{
    return view->ns.len && own_tag_is_reserved(ref) &&
           own_name_is_of(ref->name, view->ns) &&
           own_name_read(ref->name).kind == OWN_NAME_TAG;
}

/* ---- text on its way out ---- */

static bool is_name_char(char c)
{
    return is_id_char(c) || c == '.' || c == '/' || c == ':' || c == '@';
}

/* Where TEXT has HOST with nothing in front that would make it another, or -1.
 */
static ssize_t find_host(struct str text, struct str host)
{
    for (size_t i = 0; i + host.len <= text.len; i++) {
        const char *at = memmem(text.ptr + i, text.len - i, host.ptr, host.len);
        char before;

        if (!at)
            return -1;
        i = (size_t)(at - text.ptr);
        before = (char)(i ? text.ptr[i - 1] : ' ');
        if (!is_id_char(before) && before != '.')
            return (ssize_t)i;
    }
    return -1;
}

/* The name at the front of TEXT, without a sentence's "." or ":" behind it. */
static size_t name_length(struct str text)
{
    size_t len = 0;

    while (len < text.len && is_name_char(text.ptr[len]))
        len++;
    while (len && !is_id_char(text.ptr[len - 1]))
        len--;
    return len;
}

static int put_name(const struct build_view *view, struct str name,
                    bool is_purl, struct strbuf *out, size_t *taken)
{
    struct str rest;
    int r = OWN_TAG_E_FOREIGN;

    if (is_purl) { /* pkg:docker/app@latest: the tag is behind an "@" */
        str_cut(name, '@', &name, &rest);
        r = own_tag_read(out, view->ns, name, IMAGE_SHORT);
    }
    while (r == OWN_TAG_E_FOREIGN && name.len) {
        r = own_tag_read(out, view->ns, name, IMAGE_FULL);
        *taken = name.len;
        if (r == OWN_TAG_E_FOREIGN) { /* "NAME:TAG:word" */
            struct str shorter = image_ref_untagged(name);

            name = shorter.len < name.len ? shorter : S("");
        }
    }
    if (is_purl && r == 0)
        *taken = name.len;
    return r;
}

static int put_names_out(const struct build_view *view, struct str text,
                         struct strbuf *out)
{
    char host_text[LIMIT_NAMESPACE + sizeof(OWN_TAG_DOMAIN) + 3];
    struct str host =
        str_of(host_text,
               (size_t)snprintf(host_text, sizeof(host_text),
                                "%.*s." OWN_TAG_DOMAIN "/", STR_FMT(view->ns)));
    struct str purl = S("pkg:docker/");
    int r = 0;

    while (text.len && !r) {
        ssize_t at = find_host(text, host);
        size_t taken = 0;

        if (at < 0)
            return strbuf_add(out, text);
        r = strbuf_add(out, str_head(text, (size_t)at));
        text = str_from_index(text, (size_t)at);
        if (!r)
            r = put_name(view, str_head(text, name_length(text)),
                         str_has_suffix(strbuf_str(out), purl), out, &taken);
        if (r == OWN_TAG_E_FOREIGN) { /* none that we have written */
            taken = host.len;
            r = strbuf_add(out, host);
        }
        text = str_from_index(text, taken);
    }
    return r;
}

static bool has_own_name(const struct build_view *view, struct str text)
{
    struct str domain = S("." OWN_TAG_DOMAIN "/");

    return view->ns.len && text.len > domain.len &&
           memmem(text.ptr, text.len, domain.ptr, domain.len);
}

struct str build_text_out(struct build_call *call, struct str text)
{
    struct strbuf out = STRBUF(2 * text.len + OWN_TAG_MAX);
    struct str kept = text;

    if (!has_own_name(call->view, text))
        return text;
    if (put_names_out(call->view, text, &out) == 0)
        kept = pb_keep(&call->tree, strbuf_str(&out));
    strbuf_fini(&out);
    return kept;
}

bool build_text_has_anchor(const struct build_view *view, struct str text)
{
    char host[LIMIT_NAMESPACE + sizeof(OWN_TAG_DOMAIN) + 10];

    if (!has_own_name(view, text))
        return false;
    snprintf(host, sizeof(host), "%.*s.anchor." OWN_TAG_DOMAIN "/",
             STR_FMT(view->ns));
    return find_host(text, str_from(host)) >= 0;
}

struct str build_names_out(struct build_call *call, struct str text)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(2 * text.len + OWN_TAG_MAX);
    struct str name;
    bool more = true;

    if (!has_own_name(call->view, text))
        return text;
    while (more) {
        more = str_cut(text, ',', &name, &text);
        if (build_text_has_anchor(call->view, name))
            continue;
        if (out.len)
            strbuf_add_char(&out, ',');
        put_names_out(call->view, name, &out);
    }
    return pb_keep(&call->tree, strbuf_str(&out));
}

/* TEXT with all of FROM as TO. */
static int put_replaced(struct str text, struct str from, struct str to,
                        struct strbuf *out)
{
    while (from.len && text.len) {
        const char *at = memmem(text.ptr, text.len, from.ptr, from.len);
        size_t before = at ? (size_t)(at - text.ptr) : text.len;
        int r = strbuf_add(out, str_head(text, before));

        if (!r && at)
            r = strbuf_add(out, to);
        if (r)
            return r;
        text = str_from_index(text, at ? before + from.len : text.len);
    }
    return strbuf_add(out, text);
}

int build_put_text_out(struct build_call *call, struct str text,
                       struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf named = STRBUF(out->max);
    AUTO(strbuf_fini) struct strbuf scoped = STRBUF(out->max);
    struct str ref, session;
    int r;

    if (call->view->ns.len == 0)
        return strbuf_add(out, text);
    build_id_out(call->view, build_id_str(&call->ref), &ref);
    build_id_out(call->view, build_id_str(&call->session), &session);
    r = put_names_out(call->view, text, &named);
    if (!r)
        r = put_replaced(strbuf_str(&named), build_id_str(&call->ref), ref,
                         &scoped);
    if (!r)
        r = put_replaced(strbuf_str(&scoped), build_id_str(&call->session),
                         session, out);
    return r;
}
