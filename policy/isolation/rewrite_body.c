#include "policy/isolation/rewrite_private.h"

/*
 * A request by the table of references: the names in its path, and in its body
 * each form of name, are put into the engine's words in their own way.
 */

static void set_text(struct spot *spot, struct str text)
{
    spot_set(spot, json_of_str(text));
}

/* REF and what is behind its first colon. */
static struct str resolve_head(struct rewrite *rw, enum ref_kind kind,
                               struct str text)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str ref, rest;
    bool more = str_cut(text, ':', &ref, &rest);

    strbuf_add(&out, resolve(rw, kind, ref));
    if (more) {
        strbuf_add_char(&out, ':');
        strbuf_add(&out, rest);
    }
    return rewrite_keep(rw, strbuf_str(&out));
}

/*
 * A network's DNS knows a container by its names and by the short ID, not by
 * the full one: a link leads to the engine's name of what an ID names.
 */
static struct str link_target(struct rewrite *rw, struct str ref)
{
    struct str target = resolve_container(rw, ref), name;

    if (!is_hex_word(ref))
        return target;
    name = container_plain_name(rw, ref);
    return name.len ? rewrite_prefix(rw, name) : target;
}

/*
 * A link names its target and what it is called there, by default the same;
 * "/db:/web/db", as an inspect shows it, means the alias at its end.
 */
static struct str resolve_link(struct rewrite *rw, struct str link)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str ref, alias, last, rest;

    if (!str_cut(link, ':', &ref, &alias) || alias.len == 0)
        alias = ref;
    if (alias.len && alias.ptr[0] == '/') {
        for (last = alias; str_cut(last, '/', &ref, &rest);)
            last = rest;
        alias = last;
        str_cut(link, ':', &ref, &rest);
    }
    strbuf_add(&out, link_target(rw, ref));
    strbuf_add_char(&out, ':');
    strbuf_add(&out, alias);
    return rewrite_keep(rw, strbuf_str(&out));
}

static struct str rewrite_name(struct rewrite *rw, enum ref_kind kind,
                               struct str name)
{
    if (name_check(kind, rw->context.ns, name, &rw->verdict))
        return S("");
    return rewrite_prefix(rw, name);
}

/* The endpoints of a container: their keys name networks. */
static void rewrite_keys(struct rewrite *rw, enum ref_kind kind,
                         struct spot *spot)
{
    json_t *renamed = json_object();
    const char *key;
    json_t *value;

    json_object_foreach(spot->value, key, value)
    {
        struct str ref = resolve_mode(rw, kind, str_from(key));

        json_object_setn(renamed, ref.ptr ? ref.ptr : "", ref.len, value);
    }
    spot_set(spot, renamed);
}

/*
 * The labels of what is made: ours among them. A volume that is given none
 * shows null, so that has to be remembered.
 */
static void rewrite_labels(struct rewrite *rw, const struct reference *row,
                           struct spot *spot)
{
    bool none = !json_is_object(spot->value);

    if (none)
        spot_set(spot, json_object());
    labels_claim(rw, spot->value);
    if (none && row->kind == REF_VOLUME)
        json_object_set_new(spot->value, LABEL_ADDED, json_string("labels"));
}

/* The named volume of a mount, with its label should it have to be made. */
static void rewrite_mount(struct rewrite *rw, struct spot *spot)
{
    struct str type = str_of_json(json_object_get(spot->owner, "Type"));
    struct str source = str_of_json(spot->value);

    if (str_eq(type, S("image")) && source.len) {
        set_text(spot, resolve_image_name(rw, source));
    } else if (str_eq(type, S("cluster"))) {
        rewrite_refuse(rw, 403, "there are no cluster volumes in a namespace");
    } else if (str_eq(type, S("volume"))) {
        json_t *options = json_object_get(spot->owner, "VolumeOptions");

        if (!json_is_object(options))
            json_object_set_new(spot->owner, "VolumeOptions", json_object());
        if (source.len == 0 ||
            (!is_full_id(source) &&
             name_check(REF_VOLUME, rw->context.ns, source, &rw->verdict)))
            return;
        set_text(spot, resolve_volume(rw, source));
    }
}

/*
 * A bind of a named volume. The engine makes one that is not there, but
 * without a label, so berth is ahead of it.
 */
static void rewrite_bind(struct rewrite *rw, struct spot *spot)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_REPLY);
    struct str source, rest, name;
    const struct lookup *ask;
    json_t *driver;

    if (!str_cut(str_of_json(spot->value), ':', &source, &rest) ||
        source.len == 0 || source.ptr[0] == '/')
        return;
    if (!is_full_id(source) &&
        name_check(REF_VOLUME, rw->context.ns, source, &rw->verdict))
        return;
    source = rewrite_keep(rw, source); /* the text is about to change */
    name = resolve_volume(rw, source);
    if (name.len == 0)
        return; /* it is being looked up */
    strbuf_addf(&out, "%.*s:%.*s", STR_FMT(name), STR_FMT(rest));
    set_text(spot, strbuf_str(&out));
    if (str_eq(name, source))
        return; /* an anonymous one: it is there */
    strbuf_add(&path, S("/volumes/"));
    target_put_segment(&path, name);
    ask = rewrite_get(rw, strbuf_str(&path));
    if (!ask || ask->status != 404)
        return;
    driver = json_object_get(json_object_get(rw->draft, "HostConfig"),
                             "VolumeDriver");
    ask = rewrite_do(
        rw, METHOD_POST, S("/volumes/create"),
        json_pack("{s:s%, s:s, s:{s:s%, s:s}}", "Name", name.ptr, name.len,
                  "Driver",
                  json_is_string(driver) ? json_string_value(driver) : "",
                  "Labels", LABEL_NAMESPACE, rw->context.ns.ptr,
                  rw->context.ns.len, LABEL_ADDED, "labels"),
        strbuf_cstr(&path));
    if (ask)
        rewrite_fail(rw, ask, NULL);
}

static bool rewrite_place(void *arg, const struct reference *row,
                          struct spot *spot)
{
    struct rewrite *rw = arg;
    struct str text = str_of_json(spot->value);
    bool is_text = json_is_string(spot->value);

    switch (row->form) {
    case FORM_NAME:
        if (is_text && text.len)
            set_text(spot, rewrite_name(rw, row->kind, text));
        break;
    case FORM_REF:
        if (is_text && text.len)
            set_text(spot, resolve(rw, row->kind, text));
        break;
    case FORM_MODE:
        if (is_text)
            set_text(spot, resolve_mode(rw, row->kind, text));
        break;
    case FORM_FROM:
        if (is_text)
            set_text(spot, resolve_head(rw, row->kind, text));
        break;
    case FORM_LINK:
        if (is_text)
            set_text(spot, resolve_link(rw, text));
        break;
    case FORM_BIND:
        if (is_text)
            rewrite_bind(rw, spot);
        break;
    case FORM_MOUNT:
        rewrite_mount(rw, spot);
        break;
    case FORM_KEYS:
        if (json_is_object(spot->value))
            rewrite_keys(rw, row->kind, spot);
        break;
    case FORM_LABELS:
        rewrite_labels(rw, row, spot);
        break;
    case FORM_OURS:
        if (spot->value)
            json_object_del(spot->owner, spot->key);
        break;
    case FORM_ID:
    case FORM_ALIASES:
    case FORM_PATH:
    case FORM_TEXT:
    case FORM_HOST:
        break;
    }
    return true;
}

void rewrite_body(struct rewrite *rw)
{
    const struct reference_visitor visitor = {.place = rewrite_place,
                                              .arg = rw};

    if (rw->draft)
        reference_walk(rw->match->route->operation, IN_REQUEST, rw->draft,
                       &visitor);
}

void rewrite_by_tables(struct rewrite *rw)
{
    for (size_t i = 0; i < rw->match->param_count; i++) {
        const struct route_param *param = &rw->match->params[i];

        if (param->kind != REF_CHECKPOINT)
            rewrite_set_param(rw, i, resolve(rw, param->kind, param->value));
    }
    rewrite_body(rw);
}
