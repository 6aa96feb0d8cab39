#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/docker/image_ref.h"

/*
 * What the name or ID of an image means to a namespace: its own, one that is
 * shared, or none, although somebody else has it.
 */

/* How many names are in LIST; old engines write "<none>" for none. */
static size_t count_names(const json_t *list)
{
    size_t i, count = 0;
    const json_t *name;

    json_array_foreach(list, i, name)
    {
        if (json_is_string(name) && !strstr(json_string_value(name), "<none>"))
            count++;
    }
    return count;
}

/*
 * Has it been to a registry, which gave it a digest? With the image store of
 * containerd every image has a digest from its making on, and that is its ID.
 */
static bool was_at_registry(const json_t *image, struct str id)
{
    const json_t *name;
    size_t i;

    json_array_foreach(json_object_get(image, "RepoDigests"), i, name)
    {
        struct str repository, digest;

        if (json_is_string(name) &&
            str_cut(str_of_json(name), '@', &repository, &digest) &&
            !str_eq(digest, S("<none>")) && !str_eq(digest, id))
            return true;
    }
    return false;
}

/*
 * An image of another's: it carries their label, and has never been to a
 * registry. One that has was pulled, or can be; anyone may use it, also on the
 * engine where it was built. One without label or name is somebody's
 * half-built image, unless it was loaded here.
 */
enum image_owner image_owner(struct rewrite *rw, const json_t *image)
{
    const json_t *labels = json_object_get(image, "Labels");
    struct str id = str_of_json(json_object_get(image, "Id"));

    if (!labels)
        labels = json_object_get(json_object_get(image, "Config"), "Labels");
    if (labels_are_own(rw, labels))
        return IMAGE_OWN;
    if (own_ids_known(rw, REF_IMAGE, id))
        return IMAGE_SHARED;
    if (labels_are_foreign(rw, labels))
        return was_at_registry(image, id) ? IMAGE_SHARED : IMAGE_FOREIGN;
    return count_names(json_object_get(image, "RepoDigests")) ||
                   count_names(json_object_get(image, "RepoTags"))
               ? IMAGE_SHARED
               : IMAGE_FOREIGN;
}

bool rewrite_hides_image(const struct rewrite_context *context,
                         const json_t *image)
{
    struct rewrite rw = {.context = *context};

    return image && image_owner(&rw, image) == IMAGE_FOREIGN;
}

const json_t *image_inspected(struct rewrite *rw, struct str ref)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    const struct lookup *ask;

    strbuf_add(&target, S("/images/"));
    target_put_segment(&target, ref);
    strbuf_add(&target, S("/json"));
    ask = rewrite_get(rw, strbuf_str(&target));
    return ask && ask->status == 200 ? ask->reply : NULL;
}

const json_t *image_for_use(struct rewrite *rw, struct str ref)
{
    const json_t *image = ref.len ? image_inspected(rw, ref) : NULL;

    return image && image_owner(rw, image) != IMAGE_FOREIGN ? image : NULL;
}

/* ---- what is sent for one that is another's ---- */

/* SENT goes in place of WROTE, which errors are to show. */
static void note_stand_in(struct rewrite *rw, struct str sent, struct str wrote)
{
    if (!rw->stand_ins)
        rw->stand_ins = json_object();
    json_object_setn_new(rw->stand_ins, sent.ptr, sent.len, json_of_str(wrote));
}

/* An ID that no image has, written as REF is. */
static struct str no_such_id(struct rewrite *rw, struct str ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(128);
    size_t head = ref.len - 64;

    strbuf_addf(&out, "%.*s%064zx", STR_FMT(str_head(ref, head)),
                json_object_size(rw->stand_ins));
    note_stand_in(rw, str_from_index(strbuf_str(&out), head),
                  str_from_index(ref, head));
    return rewrite_keep(rw, strbuf_str(&out));
}

/*
 * A name that no image has: REF but for the last part of its path, so that an
 * engine does and says with it what it would with REF.
 */
static struct str no_such_name(struct rewrite *rw, struct str ref)
{
    AUTO(strbuf_fini) struct strbuf word = STRBUF(128);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str name, part, rest;
    size_t start = 0;

    str_cut(ref, '@', &name, &rest);
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '/')
            start = i + 1;
    }
    str_cut(str_from_index(name, start), ':', &part, &rest);
    strbuf_addf(&word, "none-%016llx-%zu",
                (unsigned long long)rw->context.random,
                json_object_size(rw->stand_ins));
    note_stand_in(rw, strbuf_str(&word), part);
    strbuf_add(&out, str_head(ref, start));
    strbuf_add(&out, strbuf_str(&word));
    strbuf_add(&out, str_from_index(ref, start + part.len));
    return rewrite_keep(rw, strbuf_str(&out));
}

struct str no_such_image(struct rewrite *rw, struct str ref)
{
    return image_ref_is_full_id(ref) ? no_such_id(rw, ref)
                                     : no_such_name(rw, ref);
}

struct str resolve_image(struct rewrite *rw, struct str ref)
{
    const json_t *image = image_inspected(rw, ref);

    if (!image || image_owner(rw, image) != IMAGE_FOREIGN)
        return ref;
    return no_such_image(rw, ref);
}

/* ---- a name that means all its tags ---- */

/* The images of which a tag's repository has that NAME. */
static const json_t *images_called(struct rewrite *rw, struct str name)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    struct str hub = S("docker.io/"), library = S("library/");
    const struct lookup *ask;
    json_t *filters;
    char *text;

    /* as an engine shows it, which is what the filter goes by */
    if (str_has_prefix(name, hub)) {
        name = str_from_index(name, hub.len);
        if (str_has_prefix(name, library))
            name = str_from_index(name, library.len);
    }
    filters = json_object();
    json_object_set_new(filters, "reference", json_object());
    json_object_setn_new(json_object_get(filters, "reference"), name.ptr,
                         name.len, json_true());
    text = json_dumps(filters, JSON_COMPACT);
    strbuf_add(&target, S("/images/json?filters="));
    target_put_query(&target, str_from(text));
    free(text);
    json_decref(filters);
    ask = rewrite_get(rw, strbuf_str(&target));
    return ask ? ask->reply : NULL;
}

/* Add those of IMAGE's tags to TAGS that are of the repository NAME. */
static void add_tags(json_t *tags, const json_t *image, struct str name)
{
    json_t *tag;
    size_t i;

    json_array_foreach(json_object_get(image, "RepoTags"), i, tag)
    {
        struct image_ref ref;

        if (image_ref_parse(str_of_json(tag), &ref) == 0 &&
            str_eq(ref.name, name))
            json_array_append(tags, tag);
    }
}

enum image_tags resolve_repository(struct rewrite *rw, struct str repository,
                                   json_t *tags)
{
    json_auto_t *others = json_array();
    struct image_ref ref;
    const json_t *image, *list;
    size_t i;

    if (image_ref_parse(repository, &ref) || ref.tag.len || ref.digest.len)
        return IMAGE_TAGS_ALL; /* it means one image, or none */
    list = images_called(rw, ref.name);
    if (!list)
        return IMAGE_TAGS_NONE; /* it is being asked for */
    json_array_foreach(list, i, image)
    {
        add_tags(image_owner(rw, image) == IMAGE_FOREIGN ? others : tags, image,
                 ref.name);
    }
    if (json_array_size(others) == 0)
        return IMAGE_TAGS_ALL;
    return json_array_size(tags) ? IMAGE_TAGS_SOME : IMAGE_TAGS_NONE;
}
