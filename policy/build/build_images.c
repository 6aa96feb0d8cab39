#include <stdlib.h>

#include "policy/build/build_private.h"

/* The namespace's own tags, out of the engine's list of images. */

struct build_images {
    struct build_own *items;
    size_t count;
    bool have_push;
};

static struct str string_of(const json_t *value)
{
    return json_is_string(value)
               ? str_of(json_string_value(value), json_string_length(value))
               : S("");
}

static void own_fini(struct build_own *own)
{
    free((char *)(uintptr_t)own->real.ptr);
    free((char *)(uintptr_t)own->own.ptr);
    free((char *)(uintptr_t)own->digest.ptr);
    free((char *)(uintptr_t)own->id.ptr);
}

static struct str copy(struct str text)
{
    return str_of(xstr_dup(text), text.len);
}

/* The digest that REPOSITORY, an own or real name, has among RepoDigests. */
static struct str digest_of(const json_t *image, struct str own,
                            struct str real)
{
    const json_t *digests = json_object_get(image, "RepoDigests");
    const json_t *value;
    size_t i;

    json_array_foreach(digests, i, value)
    {
        struct image_ref ref, mine, theirs;

        if (image_ref_parse(string_of(value), &ref) != 0 ||
            image_ref_parse(own, &mine) != 0 ||
            image_ref_parse(real, &theirs) != 0)
            continue;
        if (str_eq(ref.name, mine.name) || str_eq(ref.name, theirs.name))
            return str_from_index(string_of(value),
                                  string_of(value).len - ref.digest.len);
    }
    return S("");
}

static void add_tag(struct build_images *images, struct str ns,
                    const json_t *image, struct str name)
{
    AUTO(strbuf_fini) struct strbuf real = STRBUF(OWN_TAG_MAX);
    struct build_own *own = &images->items[images->count];

    if (own_name_read(name).kind == OWN_NAME_MARK)
        images->have_push = true;
    if (!own_name_is_of(name, ns) || own_name_read(name).kind != OWN_NAME_TAG ||
        own_tag_read(&real, ns, name, IMAGE_FULL) != 0)
        return;
    own->real = copy(strbuf_str(&real));
    own->own = copy(name);
    own->digest = copy(digest_of(image, name, strbuf_str(&real)));
    own->id = copy(string_of(json_object_get(image, "Id")));
    images->count++;
}

static size_t count_tags(const json_t *list)
{
    const json_t *image;
    size_t i, count = 0;

    json_array_foreach(list, i, image)
    {
        count += json_array_size(json_object_get(image, "RepoTags"));
    }
    return count;
}

struct build_images *build_images_new(struct str ns, const json_t *list)
{
    struct build_images *images = xcalloc(1, sizeof(*images));
    size_t most = count_tags(list), i, k;
    const json_t *image, *name;

    images->items = xcalloc(most + 1, sizeof(struct build_own));
    json_array_foreach(list, i, image)
    {
        json_array_foreach(json_object_get(image, "RepoTags"), k, name)
        {
            add_tag(images, ns, image, string_of(name));
        }
    }
    return images;
}

void build_images_free(struct build_images *images)
{
    if (!images)
        return;
    for (size_t i = 0; i < images->count; i++)
        own_fini(&images->items[i]);
    free(images->items);
    free(images);
}

bool build_images_have_push(const struct build_images *images)
{
    return images->have_push;
}

size_t build_images_count(const struct build_images *images)
{
    return images ? images->count : 0;
}

const struct build_own *build_images_at(const struct build_images *images,
                                        size_t index)
{
    return &images->items[index];
}

bool build_images_have(const struct build_images *images,
                       const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);
    struct image_ref plain = *ref;

    plain.name = str_of(plain.text, ref->name.len);
    plain.digest = S("");
    if (ref->tag.len == 0)
        plain.tag = S("latest");
    if (image_ref_put(&full, &plain, IMAGE_FULL) != 0)
        return false;
    for (size_t i = 0; i < build_images_count(images); i++)
        if (str_eq(images->items[i].real, strbuf_str(&full)))
            return true;
    return false;
}
