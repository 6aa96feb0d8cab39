#include "policy/docker/image_ref.h"
#include "policy/isolation/rewrite_private.h"

/*
 * Whose event is it? Containers carry their labels in it, networks and named
 * volumes their name. An anonymous volume is known once a container of ours
 * has mounted it, an image once it was pulled or made through berth. What
 * cannot be told is not shown: prunes, reloads, builds, other people's pulls.
 */

static struct str text_at(const json_t *object, const char *key)
{
    return str_of_json(json_object_get(object, key));
}

static bool is_own_container(struct rewrite *rw, const json_t *attributes,
                             struct str id)
{
    if (!labels_are_own(rw, attributes) ||
        !namespace_has(rw->context.ns, text_at(attributes, "name")))
        return false;
    own_ids_note(rw, REF_CONTAINER, id);
    return true;
}

/* Of "host" and "none", only what our containers do with them. */
static bool is_own_network(struct rewrite *rw, const json_t *attributes,
                           struct str id)
{
    struct str name = text_at(attributes, "name");

    if (namespace_has(rw->context.ns, name)) {
        own_ids_note(rw, REF_NETWORK, id);
        return true;
    }
    return (str_eq(name, S("host")) || str_eq(name, S("none"))) &&
           own_ids_known(rw, REF_CONTAINER, text_at(attributes, "container"));
}

static bool is_own_volume(struct rewrite *rw, const json_t *attributes,
                          struct str name)
{
    if (namespace_has(rw->context.ns, name) ||
        own_ids_known(rw, REF_VOLUME, name))
        return true;
    if (!is_full_id(name) ||
        !own_ids_known(rw, REF_CONTAINER, text_at(attributes, "container")))
        return false;
    own_ids_note(rw, REF_VOLUME, name);
    return true;
}

static bool is_own_image(struct rewrite *rw, const json_t *attributes,
                         struct str id)
{
    if (labels_are_foreign(rw, attributes)) /* by whatever name */
        return false;
    return labels_are_own(rw, attributes) || own_ids_known(rw, REF_IMAGE, id) ||
           own_ids_known(rw, REF_IMAGE, text_at(attributes, "name"));
}

bool event_is_own(struct rewrite *rw, const json_t *event)
{
    const json_t *actor = json_object_get(event, "Actor");
    const json_t *attributes = json_object_get(actor, "Attributes");
    struct str type = text_at(event, "Type"), id = text_at(actor, "ID");

    if (str_eq(type, S("container")))
        return is_own_container(rw, attributes, id);
    if (str_eq(type, S("network")))
        return is_own_network(rw, attributes, id);
    if (str_eq(type, S("volume")))
        return is_own_volume(rw, attributes, id);
    if (str_eq(type, S("image")))
        return is_own_image(rw, attributes, id);
    return false;
}

bool event_is_wanted(const struct rewrite *rw, const json_t *event)
{
    const json_t *actor = json_object_get(event, "Actor");
    const json_t *attributes = json_object_get(actor, "Attributes");
    struct str id = text_at(actor, "ID");
    struct str image =
        text_at(attributes,
                str_eq(text_at(event, "Type"), S("image")) ? "name" : "image");
    struct str actors[] = {id, text_at(attributes, "name")};
    struct str images[] = {id, image_ref_untagged(id), image,
                           image_ref_untagged(image)};

    return filters_match(rw, FILTER_ACTOR, actors, 2) &&
           filters_match(rw, FILTER_IMAGE, images, 4);
}
