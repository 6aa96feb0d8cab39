#include "policy/isolation/rewrite_private.h"

#include "policy/base/glob.h"

/*
 * Images as their runner sees them: names that are its own or shared, nothing
 * of others, and what follows from that (dangling, filters on names, parents).
 */

/* Since this API version, lists have no "<none>:<none>". */
enum { API_WITHOUT_NONE = 43 };

/* ---- before the request ---- */

static void note_own(struct rewrite *rw, const char *name, const json_t *image)
{
    if (!rw->images.own)
        rw->images.own = json_object();
    json_object_set(rw->images.own, name, json_object_get(image, "Id"));
}

/* Is what IMAGE was made from to be seen? */
static void see_parent(struct rewrite *rw, const json_t *image)
{
    struct str parent = str_of_json(json_object_get(image, "Parent"));
    const json_t *inspected;
    struct image_names names;

    if (parent.len == 0 || !image_inspected(rw, parent, &inspected))
        return;
    rw->images.hides_parent = false;
    if (!inspected || !image_has_names(inspected))
        return; /* a step on the way to it */
    image_names_of(rw, inspected, &names);
    rw->images.hides_parent = !image_names_show(&names);
    image_names_fini(&names);
}

void rewrite_image_inspect(struct rewrite *rw)
{
    struct str text = rw->match->params[0].value;
    struct image_look look = image_look_up(rw, text);
    struct image_names names;
    const char *name;
    json_t *own;

    rewrite_set_param(rw, 0, image_sent(rw, text, &look));
    if (!look.inspected)
        return;
    /* a shared name on it may be an own one on another image */
    image_names_of(rw, look.inspected, &names);
    json_object_foreach(names.tags, name, own)
    {
        struct image_ref ref;
        const json_t *other;

        if (!json_is_true(own) && image_ref_parse(str_from(name), &ref) == 0 &&
            image_inspected(rw, image_own_tag(rw, &ref), &other) && other)
            note_own(rw, name, other);
    }
    image_names_fini(&names);
    see_parent(rw, look.inspected);
}

static bool is_true(const json_t *values)
{
    return json_object_get(values, "true") || json_object_get(values, "1");
}

static void map_image(struct rewrite *rw, struct str value, json_t *values)
{
    struct image_look look = image_look_up(rw, value);
    struct str sent = image_sent(rw, value, &look);

    if (sent.len)
        json_object_setn_new(values, sent.ptr, sent.len, json_true());
}

void filters_map_images(struct rewrite *rw, json_t *filters, const char *key)
{
    filters_map(rw, filters, key, map_image);
}

/*
 * Filters on names and on having none go by what the runner sees, so berth
 * applies them; whether an image is made from one of its own cannot be told
 * from a list that filters have cut, so the whole is asked for beside it.
 */
void rewrite_image_list(struct rewrite *rw)
{
    json_t *filters = filters_read(rw), *dangling;

    if (!filters)
        return;
    filters_map_images(rw, filters, "before");
    filters_map_images(rw, filters, "since");
    filters_keep(rw, filters, "reference", FILTER_REFERENCE);
    dangling = json_object_get(filters, "dangling");
    if (dangling) {
        rw->images.dangling = is_true(dangling) ? DANGLING_ONLY : DANGLING_NOT;
        json_object_del(filters, "dangling");
    }
    if (json_object_size(filters))
        rewrite_get(rw, S("/images/json?all=1"));
    filters_write(rw, filters);
}

/* ---- the reply ---- */

static void hide(struct rewrite *rw, const json_t *image)
{
    const char *id = json_string_value(json_object_get(image, "Id"));

    if (id && !json_object_get(rw->images.made_from, id))
        json_object_set_new(rw->images.hidden, id, json_true());
}

/* What the whole list says, before its elements are looked at. */
void image_list_begin(struct rewrite *rw, const json_t *list)
{
    const struct lookup *whole = rewrite_asked(rw, S("/images/json?all=1"));
    const json_t *image;
    size_t i;

    if (whole)
        list = whole->reply;
    json_decref(rw->images.own);
    json_decref(rw->images.made_from);
    json_decref(rw->images.hidden);
    json_decref(rw->images.parents);
    rw->images.parents = images_parents(list);
    rw->images.own = json_object();
    rw->images.hidden = json_object();
    rw->images.made_from = images_made_from(rw, list);
    json_array_foreach(list, i, image)
    {
        struct image_names names;

        image_names_of(rw, image, &names);
        image_names_collect(&names, image, rw->images.own);
        if (!image_names_show(&names))
            hide(rw, image);
        image_names_fini(&names);
    }
}

static bool reference_is_wanted(const struct rewrite *rw, struct str name)
{
    struct str names[] = {name, image_ref_untagged(name)}, digest;
    struct str first;

    if (str_cut(name, '@', &first, &digest))
        names[1] = first;
    return filters_match(rw, FILTER_REFERENCE, names, 2);
}

/* The names that the filters on them leave. Was there any? */
static bool keep_wanted(const struct rewrite *rw, json_t *names)
{
    for (size_t i = json_array_size(names); i-- > 0;) {
        if (!reference_is_wanted(rw, str_of_json(json_array_get(names, i))))
            json_array_remove(names, i);
    }
    return json_array_size(names) > 0;
}

static bool filters_on_names(const struct rewrite *rw)
{
    for (size_t i = 0; i < rw->filter_count; i++) {
        if (rw->filters[i].field == FILTER_REFERENCE)
            return true;
    }
    return false;
}

/* Lists of old API versions have words, or null, for no name; and so does disk
 * usage, in all of them. */
static void put_names(const struct rewrite *rw, json_t *image, json_t *tags,
                      json_t *digests)
{
    unsigned minor =
        rw->target->versioned ? rw->target->minor : rw->context.engine_minor;
    bool old = minor && minor < API_WITHOUT_NONE;
    bool none = json_array_size(tags) == 0 && json_array_size(digests) == 0;

    if (old && none) {
        json_array_append_new(tags, json_string("<none>:<none>"));
        json_array_append_new(digests, json_string("<none>@<none>"));
    }
    old = old || rw->match->route->operation == OP_SYSTEM_DISK_USAGE;
    json_object_set(image, "RepoTags",
                    old && json_array_size(tags) == 0 ? json_null() : tags);
    json_object_set(image, "RepoDigests",
                    old && json_array_size(digests) == 0 ? json_null()
                                                         : digests);
}

/* What is made from another's does not say from what. */
static void hide_parent(const struct rewrite *rw, json_t *image)
{
    const char *parent = json_string_value(json_object_get(image, "ParentId"));

    if (parent && json_object_get(rw->images.hidden, parent))
        json_object_set_new(image, "ParentId", json_string(""));
}

void image_descriptor_restore(json_t *descriptor, struct str name)
{
    json_t *annotations = json_object_get(descriptor, "annotations");
    static const char name_key[] = "io.containerd.image.name";
    static const char tag_key[] = "org.opencontainers.image.ref.name";
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    if (!json_object_get(annotations, name_key))
        return;
    if (image_ref_is_id(name) || image_ref_parse(name, &ref)) {
        json_object_del(annotations, name_key);
        json_object_del(annotations, tag_key);
        return;
    }
    image_ref_complete(&ref);
    image_ref_put(&full, &ref, IMAGE_FULL);
    json_object_set_new(annotations, name_key, json_of_str(strbuf_str(&full)));
    json_object_set_new(annotations, tag_key, json_of_str(ref.tag));
}

/* Where an image is a single manifest, that has them, too. */
static void restore_descriptors(json_t *image, const json_t *tags)
{
    struct str name = str_of_json(json_array_get(tags, 0));
    json_t *manifest;
    size_t i;

    image_descriptor_restore(json_object_get(image, "Descriptor"), name);
    image_descriptor_restore(json_object_get(image, "ImageManifestDescriptor"),
                             name);
    json_array_foreach(json_object_get(image, "Manifests"), i, manifest)
        image_descriptor_restore(json_object_get(manifest, "Descriptor"), name);
}

/* What others are made from is listed by its names alone. To an engine, an
 * anchor is one. */
static bool is_in_between(const struct rewrite *rw, const char *id)
{
    return id && json_object_get(rw->images.parents, id) &&
           !target_flag(rw->target, S("all"));
}

bool image_restore(struct rewrite *rw, json_t *image, bool listed)
{
    const char *id = json_string_value(json_object_get(image, "Id"));
    json_auto_t *tags = NULL, *digests = NULL;
    struct image_names names;
    bool shown, dangles;

    image_names_of(rw, image, &names);
    image_names_yield(&names, rw->images.own);
    shown = image_names_show(&names) ||
            (id && json_object_get(rw->images.made_from, id));
    dangles = image_names_dangle(&names);
    if (listed && dangles && is_in_between(rw, id))
        shown = false;
    if (rw->images.dangling == DANGLING_ONLY)
        shown = shown && dangles;
    else if (rw->images.dangling == DANGLING_NOT)
        shown = shown && !dangles;
    if (shown || !listed) {
        tags = image_names_tags(&names);
        digests = image_names_digests(&names, image, listed);
        if (listed && filters_on_names(rw)) {
            bool any = keep_wanted(rw, tags);

            shown = keep_wanted(rw, digests) || any;
        }
    }
    image_names_fini(&names);
    if (!shown && listed)
        return false;
    restore_descriptors(image, tags);
    image_identity_restore(rw, image, tags, digests);
    if (listed) {
        put_names(rw, image, tags, digests);
        hide_parent(rw, image);
    } else {
        json_object_set(image, "RepoTags", tags);
        json_object_set(image, "RepoDigests", digests);
    }
    return shown;
}

/* It is one for all names of an image, those of other runners included. */
static void hide_tag_time(json_t *image)
{
    json_t *metadata = json_object_get(image, "Metadata");

    if (json_object_get(metadata, "LastTagTime"))
        json_object_set_new(metadata, "LastTagTime",
                            json_string("0001-01-01T00:00:00Z"));
}

/* An inspect: what its names do not show is shown if that is the image which
 * was looked up before and asked for by its ID. */
bool image_inspect_restore(struct rewrite *rw, json_t *image)
{
    struct str id = str_of_json(json_object_get(image, "Id"));

    if (!image_restore(rw, image, false) &&
        !(id.len && str_eq(id, rw->match->params[0].value)))
        return false;
    hide_tag_time(image);
    if (rw->images.hides_parent) {
        json_object_set_new(image, "Parent", json_string(""));
        if (json_object_get(json_object_get(image, "Config"), "Image"))
            json_object_set_new(json_object_get(image, "Config"), "Image",
                                json_string(""));
    }
    return true;
}

/* ---- history ---- */

static json_t *seen_tags(const struct rewrite *rw, const json_t *tags)
{
    json_auto_t *image = json_pack("{s:O}", "RepoTags", tags);
    struct image_names names;
    json_t *seen;

    image_names_of(rw, image, &names);
    seen = image_names_tags(&names);
    image_names_fini(&names);
    return seen;
}

static bool any_is_own(const struct rewrite *rw, const json_t *tags)
{
    const json_t *tag;
    size_t i;

    json_array_foreach(tags, i, tag)
    {
        if (own_name_is_of(str_of_json(tag), rw->context.ns))
            return true;
    }
    return false;
}

void history_restore(struct rewrite *rw, json_t *history)
{
    json_t *layer;
    size_t i;

    json_array_foreach(history, i, layer)
    {
        const json_t *tags = json_object_get(layer, "Tags");
        json_auto_t *seen = NULL;

        if (!json_is_array(tags) || json_array_size(tags) == 0)
            continue;
        seen = seen_tags(rw, tags);
        if (json_array_size(seen) == 0 && i > 0 && !any_is_own(rw, tags))
            json_object_set_new(layer, "Id", json_string("<missing>"));
        json_object_set(layer, "Tags",
                        json_array_size(seen) ? seen : json_null());
    }
}

json_t *image_name_restored(const struct rewrite *rw, struct str name)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    return own_tag_read(&out, rw->context.ns, name, IMAGE_SHORT) == 0
               ? json_of_str(strbuf_str(&out))
               : NULL;
}
