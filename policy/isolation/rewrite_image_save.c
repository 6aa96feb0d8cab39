#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

/*
 * Images that go out into an archive. A name goes as the engine's name for it,
 * so that the archive has it (and is put into the runner's words as it comes);
 * a name without a tag means all tags of its repository that the runner has.
 */

/* The images of which a tag's repository has that NAME, as a filter of the
 * engine's finds them; NULL: it is being asked for. */
static const json_t *images_called(struct rewrite *rw, struct str name)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    json_auto_t *filters = json_pack("{s:{}}", "reference");
    const struct lookup *ask;

    json_object_setn_new(json_object_get(filters, "reference"), name.ptr,
                         name.len, json_true());
    strbuf_add(&target, S("/images/json?filters="));
    rewrite_put_json(&target, filters);
    ask = rewrite_get(rw, strbuf_str(&target));
    return ask ? ask->reply : NULL;
}

/* Add the tags of REF's repository that the runner sees, as the engine knows
 * them. */
static void add_tags(struct rewrite *rw, json_t *out, const json_t *images,
                     const struct image_ref *ref)
{
    const json_t *image;
    size_t i;

    json_array_foreach(images, i, image)
    {
        struct image_names names;
        const char *name;
        json_t *own;

        image_names_of(rw, image, &names);
        json_object_foreach(names.tags, name, own)
        {
            struct image_ref one;

            if (image_ref_parse(str_from(name), &one) ||
                !str_eq(one.name, ref->name))
                continue;
            json_array_append_new(
                out, json_is_true(own) ? json_of_str(image_own_tag(rw, &one))
                                       : json_string(name));
        }
        image_names_fini(&names);
    }
}

/* All tags of a repository: the runner's own; without any, those it shares. */
void image_tags_of_repository(struct rewrite *rw, const struct image_ref *ref,
                              json_t *out)
{
    AUTO(strbuf_fini) struct strbuf real = STRBUF(OWN_TAG_MAX);
    const json_t *own, *shared;

    image_ref_put(&real, ref, IMAGE_SHORT);
    own = images_called(rw, image_own_tag(rw, ref));
    shared = images_called(rw, strbuf_str(&real));
    if (!own || !shared)
        return;
    add_tags(rw, out, own, ref);
    if (json_array_size(out) == 0)
        add_tags(rw, out, shared, ref);
}

/* The engine's names of what NAME means to a save, added to OUT. */
static void resolve_saved(struct rewrite *rw, struct str name, json_t *out)
{
    struct image_ref ref;

    if (image_ref_of_runner(name, &ref) && ref.tag.len == 0 &&
        ref.digest.len == 0)
        image_tags_of_repository(rw, &ref, out);
    if (json_array_size(out) == 0 && !rw->missing) /* it may be an ID, too */
        json_array_append_new(out, json_of_str(resolve_image_name(rw, name)));
}

void rewrite_image_get(struct rewrite *rw)
{
    struct str name = rw->match->params[0].value;
    json_auto_t *names = json_array();

    resolve_saved(rw, name, names);
    if (json_array_size(names) > 1)
        rewrite_refuse(rw, 409,
                       "%.*s has several tags; save one at a time, or name "
                       "them all (GET /images/get)",
                       STR_FMT(name));
    rewrite_set_param(rw, 0,
                      rewrite_keep(rw, str_of_json(json_array_get(names, 0))));
}

void rewrite_image_get_all(struct rewrite *rw)
{
    struct str key = S("names");
    bool first = true;

    for (size_t i = 0; i < rw->target->query_count; i++) {
        const struct query_pair *pair = &rw->target->query[i];
        json_auto_t *names = json_array();
        const json_t *name;
        size_t n;

        if (!str_eq(pair->key, key) || pair->value.len == 0)
            continue;
        resolve_saved(rw, pair->value, names);
        json_array_foreach(names, n, name)
        {
            struct str image = rewrite_keep(rw, str_of_json(name));

            if (first)
                rewrite_set_query(rw, key, image);
            else
                rewrite_add_query(rw, key, image);
            first = false;
        }
    }
}
