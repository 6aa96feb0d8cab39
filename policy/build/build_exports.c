#include <stdio.h>
#include <stdlib.h>

#include "policy/build/build_private.h"

/*
 * What becomes of a build: an image in the engine under the runner's own tags,
 * something that a registry gets, or files for the runner.
 */

enum export_kind {
    EXPORT_IMAGE, /* into the engine, to a registry */
    EXPORT_FILES, /* to the runner, over the session */
};

static const struct {
    struct str type;
    enum export_kind kind;
} types[] = {
    {STR("moby"),   EXPORT_IMAGE},
    {STR("image"),  EXPORT_IMAGE},
    {STR("local"),  EXPORT_FILES},
    {STR("tar"),    EXPORT_FILES},
    {STR("docker"), EXPORT_FILES},
    {STR("oci"),    EXPORT_FILES},
};

/* The attributes that an image exporter reads. Others it would take for the
 * result's metadata, over what the frontend said: another config, other names.
 */
static const struct str image_attrs[] = {
    STR("name"),
    STR("push"),
    STR("push-by-digest"),
    STR("registry.insecure"),
    STR("unpack"),
    STR("store"),
    STR("name-canonical"),
    STR("oci-mediatypes"),
    STR("oci-artifact"),
    STR("attestation-inline"),
    STR("attestation-prefix"),
    STR("prefer-nondist-layers"),
    STR("source-date-epoch"),
    STR("compression"),
    STR("force-compression"),
    STR("compression-level"),
    STR("rewrite-timestamp"),
    STR("prefer-image-digest"),
    STR("unsafe-internal-store-allow-incomplete"),
    STR("load"),
    STR("tar"),
    STR("dest"),
    STR("mode"),
    STR("platform-split"),
    STR("uid"),
    STR("gid"),
};

static bool is_known_attr(struct str key)
{
    for (size_t i = 0; i < sizeof(image_attrs) / sizeof(image_attrs[0]); i++)
        if (str_eq(image_attrs[i], key))
            return true;
    return str_has_prefix(key, S("annotation"));
}

static bool judge_attrs(struct build_call *call,
                        const struct pb_message *exporter, const char *field)
{
    for (const struct pb_value *value = pb_find(exporter, ENTRY_ATTRS); value;
         value = pb_next(value)) {
        struct str key = pb_text(value->message, 1);

        if (!is_known_attr(key))
            return build_forbid(call, "request.unknown_fields", field,
                                "the attribute \"%.*s\" of an exporter is not "
                                "known to this berth",
                                STR_FMT(str_head(key, 60)));
    }
    return true;
}

static bool is_on(const struct pb_message *exporter, struct str key)
{
    const struct pb_message *entry = pb_map_find(exporter, ENTRY_ATTRS, key);
    struct str value = pb_text(entry, 2);

    /* strconv.ParseBool; what it does not read, the engine refuses */
    return entry && !str_eq(value, S("false")) && !str_eq(value, S("0")) &&
           !str_eq(value, S("f")) && !str_eq(value, S("F")) &&
           !str_eq(value, S("False")) && !str_eq(value, S("FALSE"));
}

/* ---- names ---- */

static bool is_listed(struct build_call *call, const struct strings *list,
                      const char *rule, const struct image_ref *ref,
                      const char *field)
{
    /* images.tags is about names alone */
    return (list == &call->view->rules->images.tags
                ? image_is_in(list, ref)
                : image_may_be_fetched(list, ref)) ||
           build_refuse(call, 403, rule, field,
                        "the image \"%.*s%s%.*s\" is not allowed here; to "
                        "allow it, add its registry or repository to %s in "
                        "the policy",
                        STR_FMT(ref->name), ref->tag.len ? ":" : "",
                        STR_FMT(ref->tag), rule);
}

static bool judge_name(struct build_call *call, struct str name, bool push,
                       bool store, const char *field, struct image_ref *ref)
{
    const struct image_rules *rules = &call->view->rules->images;

    if (image_ref_parse(name, ref) != 0 || ref->digest.len ||
        own_tag_is_ambiguous(ref))
        return build_refuse(call, 400, "images.tags", field,
                            "\"%.*s\" is no name for an image",
                            STR_FMT(str_head(name, 150)));
    if (own_tag_is_reserved(ref))
        return build_forbid(call, "request.names", field,
                            "\"%.*s\": names below " OWN_TAG_DOMAIN
                            " are berth's own",
                            STR_FMT(str_head(name, 150)));
    image_ref_complete(ref);
    build_note(call, "names", name);
    return (!store ||
            is_listed(call, &rules->tags, "images.tags", ref, field)) &&
           (!push || is_listed(call, &rules->push, "images.push", ref, field));
}

/* The own tags of NAMES, a comma list, appended to OWN. */
static bool map_names(struct build_call *call, struct str names, bool push,
                      bool store, const char *field, struct strbuf *own)
{
    struct str name;
    bool more = names.len > 0;

    while (more) {
        struct image_ref ref;

        more = str_cut(names, ',', &name, &names);
        if (!judge_name(call, name, push, store, field, &ref))
            return false;
        if (own->len)
            strbuf_add_char(own, ',');
        if (own_tag_put(own, call->view->ns, &ref) != 0)
            return build_refuse(call, 413, "request.size", field,
                                "these are too many names for one image");
        call->has_names = true;
        call->name_count++;
    }
    return true;
}

/* Is NAME one of LIST, with commas between? */
static bool list_has(struct str list, struct str name)
{
    struct str entry;
    bool more = list.len > 0;

    while (more) {
        more = str_cut(list, ',', &entry, &list);
        if (str_eq(entry, name))
            return true;
    }
    return false;
}

/* Has the image of OWN a tag besides those of LIST? */
static bool has_another(const struct build_images *images,
                        const struct build_own *own, struct str list)
{
    for (size_t i = 0; i < build_images_count(images); i++) {
        const struct build_own *other = build_images_at(images, i);

        if (str_eq(other->id, own->id) && !list_has(list, other->own))
            return true;
    }
    return false;
}

static void note_replaced(struct build_call *call, struct str id)
{
    for (size_t i = 0; i < call->replaced_count; i++)
        if (str_eq(str_from(call->replaced[i]), id))
            return;
    if (call->replaced_count == LIMIT_BUILD_REPLACED ||
        id.len >= BUILD_IMAGE_ID)
        return;
    memcpy(call->replaced[call->replaced_count++], id.ptr, id.len);
}

/* The images that LIST, the own tags of what is built, will be taken from. The
 * containerd store lets them go at once. */
static void note_all_replaced(struct build_call *call, struct str list)
{
    const struct build_images *images = call->images;

    for (size_t i = 0;
         !call->view->containerd_store && i < build_images_count(images); i++) {
        const struct build_own *own = build_images_at(images, i);

        if (list_has(list, own->own) && !has_another(images, own, list))
            note_replaced(call, own->id);
    }
}

static bool add_anchor(struct build_call *call, struct strbuf *own)
{
    AUTO(strbuf_fini) struct strbuf anchor = STRBUF(OWN_TAG_MAX);

    own_anchor_put_new(&anchor, call->view->ns, call->random);
    snprintf(call->anchor, sizeof(call->anchor), "%.*s",
             STR_FMT(strbuf_str(&anchor)));
    if (own->len)
        strbuf_add_char(own, ',');
    return strbuf_add(own, strbuf_str(&anchor)) == 0;
}

/* A registry gets the real names, from an exporter of its own that leaves
 * nothing in the engine; AFTER the other, whose answer it replaces. */
static bool add_push(struct build_call *call, struct pb_message *solve,
                     const struct pb_message *exporter, struct str names)
{
    struct pb_message *push =
        pb_add_message(&call->tree, solve, SOLVE_EXPORTERS);

    for (const struct pb_value *value = pb_find(exporter, ENTRY_ATTRS); value;
         value = pb_next(value))
        pb_map_set(&call->tree, push, ENTRY_ATTRS, pb_text(value->message, 1),
                   pb_text(value->message, 2));
    /* of the same type, so that both make the same manifest */
    pb_set_text(&call->tree, push, ENTRY_TYPE, pb_text(exporter, ENTRY_TYPE));
    pb_map_set(&call->tree, push, ENTRY_ATTRS, S("name"), names);
    pb_map_set(&call->tree, push, ENTRY_ATTRS, S("store"), S("false"));
    pb_map_set(&call->tree, push, ENTRY_ATTRS, S("unpack"), S("false"));
    build_note_change(call, "Exporters");
    return build_engine_is(call->view, 26, 0) ||
           build_forbid(call, "build.engine", "Exporters",
                        "a build that is stored and pushed at once needs "
                        "Engine 26 here; build first, then push");
}

static bool judge_image(struct build_call *call, struct pb_message *solve,
                        struct pb_message *exporter, const char *field)
{
    struct pb_tree *tree = &call->tree;
    struct str names = pb_map_text(exporter, ENTRY_ATTRS, S("name"));
    bool push = is_on(exporter, S("push"));
    bool store = pb_map_find(exporter, ENTRY_ATTRS, S("store")) == NULL ||
                 is_on(exporter, S("store"));
    AUTO(strbuf_fini) struct strbuf own = STRBUF(LIMIT_BUILD_TEXT);

    if (call->anchor[0])
        return build_forbid(call, "request.unsupported", field,
                            "one build makes one image here; build twice");
    if (call->view->ns.len == 0 || !store) {
        struct str name;
        bool more = names.len > 0;
        struct image_ref ref;

        while (more) {
            more = str_cut(names, ',', &name, &names);
            if (!judge_name(call, name, push, store, field, &ref))
                return false;
        }
        return true;
    }
    if (!map_names(call, names, push, store, field, &own))
        return false;
    note_all_replaced(call, strbuf_str(&own));
    if (!add_anchor(call, &own))
        return false;
    if (push && !add_push(call, solve, exporter, names))
        return false;
    pb_map_remove(exporter, ENTRY_ATTRS, S("push"));
    pb_map_remove(exporter, ENTRY_ATTRS, S("push-by-digest"));
    pb_map_remove(exporter, ENTRY_ATTRS, S("registry.insecure"));
    pb_map_set(tree, exporter, ENTRY_ATTRS, S("name"),
               pb_keep(tree, strbuf_str(&own)));
    return true;
}

/* Files go to the runner, names and all. */
static bool judge_files(struct build_call *call, struct str type,
                        const char *field)
{
    return strings_match(&call->view->rules->build.outputs, type) ||
           build_refuse(call, 403, "build.outputs", field,
                        "builds may not put out \"%.*s\" here; to allow it, "
                        "add it to build.outputs in the policy",
                        STR_FMT(type));
}

static bool judge_exporter(struct build_call *call, struct pb_message *solve,
                           struct pb_message *exporter, const char *field)
{
    struct str type = pb_text(exporter, ENTRY_TYPE);

    build_note(call, "exporters", type);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (str_eq(types[i].type, type))
            return judge_attrs(call, exporter, field) &&
                   (types[i].kind == EXPORT_IMAGE
                        ? judge_image(call, solve, exporter, field)
                        : judge_files(call, type, field));
    return build_forbid(call, "build.outputs", field,
                        "the exporter \"%.*s\" is not known to this berth",
                        STR_FMT(str_head(type, 60)));
}

bool build_judge_exporters(struct build_call *call, struct pb_message *solve)
{
    size_t count = 0;
    char field[40];

    for (const struct pb_value *value = pb_find(solve, SOLVE_EXPORTERS); value;
         value = pb_next(value))
        count++;
    if (count > 1 && !build_engine_is(call->view, 26, 0) &&
        !build_forbid(call, "build.engine", "Exporters",
                      "several outputs of one build need Engine 26"))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct pb_value *value = pb_find(solve, SOLVE_EXPORTERS);

        for (size_t k = 0; k < i; k++)
            value = pb_next(value);
        snprintf(field, sizeof(field), "Exporters[%zu]", i);
        if (!judge_exporter(call, solve, value->message, field))
            return false;
    }
    return true;
}
