#include "policy/isolation/image_names.h"

#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/base/limits.h"

static void add_key(json_t *object, struct str key, json_t *value)
{
    json_object_setn_new(object, key.ptr, key.len, value);
}

/* ---- reading ---- */

/* Are the tags that NAMES has from here on marked as being pushed? */
static void drop_pushed(struct image_names *names, const json_t *tags)
{
    const json_t *tag;
    size_t i;

    json_array_foreach(tags, i, tag)
    {
        AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);

        if (own_push_mark_read(&full, str_of_json(tag), IMAGE_FULL) == 0 &&
            json_is_false(json_object_getn(names->tags, full.ptr, full.len)))
            json_object_deln(names->tags, full.ptr, full.len);
    }
}

static void add_own(struct image_names *names, struct str ns, struct str tag)
{
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);

    if (own_tag_read(&full, ns, tag, IMAGE_FULL) == 0)
        add_key(names->tags, strbuf_str(&full), json_true());
    else if (own_digest_read(&full, ns, tag, IMAGE_FULL) == 0)
        add_key(names->digests, strbuf_str(&full), json_true());
    else if (own_name_read(tag).kind == OWN_NAME_ANCHOR)
        names->anchored = true;
}

static void add_shared(struct image_names *names, const struct strings *shared,
                       struct str tag)
{
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    /* "<none>:<none>"; and containerd's store has digests among the tags */
    if (image_ref_parse(tag, &ref) || ref.tag.len == 0 || ref.digest.len ||
        own_tag_is_reserved(&ref) || (shared && !image_is_in(shared, &ref)))
        return;
    image_ref_put(&full, &ref, IMAGE_FULL);
    if (!json_object_getn(names->tags, full.ptr, full.len))
        add_key(names->tags, strbuf_str(&full), json_false());
}

void image_names_read(struct image_names *names, struct str ns,
                      const struct strings *shared, const json_t *image)
{
    const json_t *tags = json_object_get(image, "RepoTags"), *tag;
    size_t i;

    *names =
        (struct image_names){.tags = json_object(), .digests = json_object()};
    json_array_foreach(tags, i, tag)
    {
        struct str text = str_of_json(tag);

        if (own_name_read(text).kind == OWN_NAME_REAL)
            add_shared(names, shared, text);
        else if (own_name_is_of(text, ns))
            add_own(names, ns, text);
    }
    drop_pushed(names, tags);
}

void image_names_fini(struct image_names *names)
{
    json_decref(names->tags);
    json_decref(names->digests);
    *names = (struct image_names){0};
}

/* ---- what they say ---- */

static bool any_is_own(json_t *tags)
{
    const char *name;
    json_t *own;

    json_object_foreach(tags, name, own)
    {
        if (json_is_true(own))
            return true;
    }
    return false;
}

bool image_names_are_own(const struct image_names *names)
{
    return names->anchored || json_object_size(names->digests) ||
           any_is_own(names->tags);
}

bool image_names_show(const struct image_names *names)
{
    return names->anchored || !image_names_dangle(names);
}

bool image_names_dangle(const struct image_names *names)
{
    return json_object_size(names->tags) == 0 &&
           json_object_size(names->digests) == 0;
}

bool image_names_have(const struct image_names *names,
                      const struct image_ref *ref, bool *own)
{
    AUTO(strbuf_fini) struct strbuf full = STRBUF(OWN_TAG_MAX);
    const json_t *tag;

    image_ref_put(&full, ref, IMAGE_FULL);
    tag = json_object_getn(ref->digest.len ? names->digests : names->tags,
                           full.ptr, full.len);
    *own = json_is_true(tag);
    return tag != NULL;
}

void image_names_yield(struct image_names *names, const json_t *own)
{
    const char *name;
    json_t *is_own;
    void *next;

    json_object_foreach_safe(names->tags, next, name, is_own)
    {
        if (json_is_false(is_own) && json_object_get(own, name))
            json_object_del(names->tags, name);
    }
}

void image_names_collect(const struct image_names *names, const json_t *image,
                         json_t *own)
{
    const char *name;
    json_t *is_own;

    json_object_foreach(names->tags, name, is_own)
    {
        if (json_is_true(is_own))
            json_object_set(own, name, json_object_get(image, "Id"));
    }
}

/* ---- writing ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of OBJECT in Docker's order, which goes by names in full. The array
 * is the caller's, the keys are not. */
static const char **sorted_keys(json_t *object, size_t *count)
{
    const char **keys =
        xcalloc(json_object_size(object) + 1, sizeof(const char *));
    const char *key;
    json_t *value;

    *count = 0;
    json_object_foreach(object, key, value)
    {
        keys[(*count)++] = key;
    }
    qsort(keys, *count, sizeof(*keys), compare_texts);
    return keys;
}

/* FULL, with DIGEST instead of its tag unless it is empty, in short. */
static json_t *in_short(const char *full, struct str digest)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    if (image_ref_parse(str_from(full), &ref))
        return NULL;
    if (digest.len)
        ref.tag = S("");
    if (digest.len)
        ref.digest = digest;
    image_ref_put(&out, &ref, IMAGE_SHORT);
    return json_stringn(out.ptr, out.len);
}

json_t *image_names_tags(const struct image_names *names)
{
    json_t *list = json_array();
    size_t count;
    const char **keys = sorted_keys(names->tags, &count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, in_short(keys[i], S("")));
    free(keys);
    return list;
}

bool image_is_of_containerd(const json_t *image)
{
    struct str id = str_of_json(json_object_get(image, "Id"));
    const json_t *text;
    size_t i;

    json_array_foreach(json_object_get(image, "RepoDigests"), i, text)
    {
        struct str name, digest;

        if (str_cut(str_of_json(text), '@', &name, &digest) &&
            str_eq(digest, id))
            return true;
    }
    return false;
}

/* Does the namespace see any tag or digest of NAME's repository here? */
static bool has_repository(json_t *names, struct str repository)
{
    const char *name;
    json_t *own;

    json_object_foreach(names, name, own)
    {
        struct image_ref ref;

        if (image_ref_parse(str_from(name), &ref) == 0 &&
            str_eq(ref.name, repository))
            return true;
    }
    return false;
}

static void append_once(json_t *list, json_t *text)
{
    const json_t *other;
    size_t i;

    json_array_foreach(list, i, other)
    {
        if (json_equal(other, text)) {
            json_decref(text);
            return;
        }
    }
    json_array_append_new(list, text);
}

/* Of containerd's store: each name has the ID behind it. */
static json_t *computed_digests(const struct image_names *names,
                                const json_t *image, bool listed)
{
    struct str id = str_of_json(json_object_get(image, "Id"));
    json_t *list = json_array();
    size_t count;
    const char **keys = sorted_keys(names->tags, &count);

    for (size_t i = 0; i < count; i++)
        append_once(list, in_short(keys[i], id));
    free(keys);
    keys = sorted_keys(names->digests, &count);
    for (size_t i = 0; i < count; i++)
        append_once(list, in_short(keys[i], S("")));
    free(keys);
    while (listed && json_array_size(list) > 1)
        json_array_remove(list, json_array_size(list) - 1);
    return list;
}

json_t *image_names_digests(const struct image_names *names,
                            const json_t *image, bool listed)
{
    json_t *list;
    const json_t *text;
    size_t i;

    if (image_is_of_containerd(image))
        return computed_digests(names, image, listed);
    list = json_array();
    json_array_foreach(json_object_get(image, "RepoDigests"), i, text)
    {
        struct image_ref ref;

        if (image_ref_parse(str_of_json(text), &ref) == 0 && ref.digest.len &&
            !own_tag_is_reserved(&ref) &&
            (has_repository(names->tags, ref.name) ||
             has_repository(names->digests, ref.name)))
            append_once(list, json_stringn(json_string_value(text),
                                           json_string_length(text)));
    }
    return list;
}
