#include "policy/docker/companion_name.h"
#include "policy/docker/image_ref.h"
#include "policy/isolation/files_name.h"
#include "policy/isolation/rewrite_private.h"

/*
 * Whose event is it? Containers carry their labels in it, networks and named
 * volumes their name. An anonymous volume is known once a container of ours
 * has mounted it, an image once it was pulled or made through berth. What
 * cannot be told is not shown: prunes, reloads, builds, other people's pulls.
 */

static bool is_own_container(struct rewrite *rw, const json_t *attributes,
                             struct str id)
{
    if (!labels_are_own(rw, attributes) ||
        !namespace_has(rw->context.ns, str_at(attributes, "name")))
        return false;
    own_ids_note(rw, REF_CONTAINER, id);
    return true;
}

/* Of "host" and "none", only what our containers do with them. */
static bool is_own_network(struct rewrite *rw, const json_t *attributes)
{
    struct str name = str_at(attributes, "name");

    /* shown by its name; its label, which it takes to be used, is not told */
    if (namespace_has(rw->context.ns, name))
        return true;
    return (str_eq(name, S("host")) || str_eq(name, S("none"))) &&
           own_ids_known(rw, REF_CONTAINER, str_at(attributes, "container"));
}

static bool is_own_volume(struct rewrite *rw, const json_t *attributes,
                          struct str name)
{
    if (namespace_has(rw->context.ns, name) ||
        own_ids_known(rw, REF_VOLUME, name))
        return true;
    if (!is_full_id(name) ||
        !own_ids_known(rw, REF_CONTAINER, str_at(attributes, "container")))
        return false;
    own_ids_note(rw, REF_VOLUME, name);
    return true;
}

/* By its name: what only an ID tells of may be anybody's. */
static bool is_own_image(const struct rewrite *rw, const json_t *attributes)
{
    struct str name = str_at(attributes, "name");

    return own_name_read(name).kind == OWN_NAME_TAG &&
           own_name_is_of(name, rw->context.ns);
}

bool event_is_own(struct rewrite *rw, const json_t *event)
{
    const json_t *actor = json_object_get(event, "Actor");
    const json_t *attributes = json_object_get(actor, "Attributes");
    struct str type = str_at(event, "Type"), id = str_at(actor, "ID");

    if (str_eq(type, S("container")))
        return is_own_container(rw, attributes, id);
    if (str_eq(type, S("network")))
        return is_own_network(rw, attributes);
    if (str_eq(type, S("volume")))
        return is_own_volume(rw, attributes, id);
    if (str_eq(type, S("image")))
        return is_own_image(rw, attributes);
    return false;
}

/* KEY of OBJECT, if it is an own tag. */
static void restore_name(const struct rewrite *rw, json_t *object,
                         const char *key)
{
    json_t *name = image_name_restored(rw, str_at(object, key));

    if (name)
        json_object_set_new(object, key, name);
}

void event_restore(struct rewrite *rw, json_t *event)
{
    json_t *actor = json_object_get(event, "Actor");
    json_t *attributes = json_object_get(actor, "Attributes");
    json_t *image = json_object_get(attributes, LABEL_IMAGE);

    if (str_eq(str_at(event, "Type"), S("image"))) {
        restore_name(rw, attributes, "name");
        restore_name(rw, actor, "ID");
        restore_name(rw, event, "id");
    } else if (json_is_string(image)) {
        if (json_object_get(attributes, "image"))
            json_object_set(attributes, "image", image);
        if (json_object_get(event, "from"))
            json_object_set(event, "from", image);
    }
}

bool event_ends_copied(const struct rewrite *rw, const json_t *event)
{
    const json_t *labels =
        json_object_get(json_object_get(event, "Actor"), "Attributes");
    struct str action = str_at(event, "Action");

    return files_are_copied(rw->context.mounts) &&
           str_at(labels, LABEL_FILES).len > 0 &&
           (str_eq(action, S("die")) || str_eq(action, S("exec_die")));
}

bool event_is_wanted(const struct rewrite *rw, const json_t *event)
{
    const json_t *actor = json_object_get(event, "Actor");
    const json_t *attributes = json_object_get(actor, "Attributes");
    struct str id = str_at(actor, "ID");
    struct str image =
        str_at(attributes,
               str_eq(str_at(event, "Type"), S("image")) ? "name" : "image");
    struct str actors[] = {id, str_at(attributes, "name")};
    struct str images[] = {id, image_ref_untagged(id), image,
                           image_ref_untagged(image)};

    return filters_match(rw, FILTER_ACTOR, actors, 2) &&
           filters_match(rw, FILTER_IMAGE, images, 4);
}
