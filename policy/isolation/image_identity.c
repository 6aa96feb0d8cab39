#include "policy/isolation/rewrite_private.h"

/*
 * What containerd's store notes beside the content of an image, which all share
 * who have that content (Identity, since API 1.53; in lists since 1.54): where
 * it was pulled from or pushed to, and which builds made it. A runner sees of
 * that what its names of the image say anyway, and its own builds. Signatures
 * are part of what was pulled, and tell of no runner.
 */

static bool any_is_in(const json_t *names, struct str repository)
{
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        struct image_ref ref;

        if (image_ref_parse(str_of_json(name), &ref) == 0 &&
            str_eq(ref.name, repository))
            return true;
    }
    return false;
}

static void keep_repositories(json_t *pulls, const json_t *tags,
                              const json_t *digests)
{
    for (size_t i = json_array_size(pulls); i-- > 0;) {
        struct str text = str_at(json_array_get(pulls, i), "Repository");
        struct image_ref ref;

        if (image_ref_parse(text, &ref) != 0 ||
            !(any_is_in(tags, ref.name) || any_is_in(digests, ref.name)))
            json_array_remove(pulls, i);
    }
}

/* A build that came by no BuildKit call of the runner's has a name of the
 * engine's, which says nothing of whose it is. */
static void keep_builds(const struct rewrite *rw, json_t *builds)
{
    for (size_t i = json_array_size(builds); i-- > 0;) {
        json_t *build = json_array_get(builds, i);
        struct str ref = str_at(build, "Ref");

        if (namespace_has(rw->context.ns, ref))
            json_object_set_new(
                build, "Ref",
                json_of_str(namespace_strip(rw->context.ns, ref)));
        else
            json_array_remove(builds, i);
    }
}

/* The engine leaves out what is empty. */
static void drop_if_empty(json_t *object, const char *key)
{
    if (json_array_size(json_object_get(object, key)) == 0)
        json_object_del(object, key);
}

static void restore(const struct rewrite *rw, json_t *owner, const json_t *tags,
                    const json_t *digests)
{
    json_t *identity = json_object_get(owner, "Identity");

    if (!identity)
        return;
    keep_repositories(json_object_get(identity, "Pull"), tags, digests);
    keep_builds(rw, json_object_get(identity, "Build"));
    drop_if_empty(identity, "Pull");
    drop_if_empty(identity, "Build");
    if (json_object_size(identity) == 0)
        json_object_del(owner, "Identity");
}

void image_identity_restore(const struct rewrite *rw, json_t *image,
                            const json_t *tags, const json_t *digests)
{
    json_t *manifest;
    size_t i;

    restore(rw, image, tags, digests);
    json_array_foreach(json_object_get(image, "Manifests"), i, manifest)
        restore(rw, json_object_get(manifest, "ImageData"), tags, digests);
}
