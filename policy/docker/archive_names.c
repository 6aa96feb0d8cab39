#include "policy/docker/archive_names.h"

#include <inttypes.h>

#include "policy/base/json_reader.h"
#include "policy/base/json_str.h"
#include "policy/base/json_write.h"
#include "policy/docker/image_ref.h"

const struct str archive_file_names[ARCHIVE_FILES] = {
    [ARCHIVE_MANIFEST] = STR("manifest.json"),
    [ARCHIVE_REPOSITORIES] = STR("repositories"),
    [ARCHIVE_INDEX] = STR("index.json"),
    [ARCHIVE_LAYOUT] = STR("oci-layout"),
};

static const char image_name_key[] = "io.containerd.image.name";
static const char ref_name_key[] = "org.opencontainers.image.ref.name";

/* One file on its way. */
struct naming {
    struct str file;
    const struct archive_names *names;
    struct verdict *why;
};

static int refuse_file(struct naming *naming, const char *what)
{
    verdict_deny(naming->why, 400, "request.archive", "",
                 "the archive's %.*s %s", STR_FMT(naming->file), what);
    return ARCHIVE_E_REFUSED;
}

static json_t *json_of(struct str text)
{
    return json_stringn_nocheck(text.ptr, text.len);
}

/*
 * An engine finds a member in any letter case, and of two the last one wins:
 * what it would take for KEY must be written so. (To it, U+017F and U+212A are
 * letters of ASCII, too; it knows no key that has others.)
 */
static int check_keys(struct naming *naming, json_t *object, const char *key)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        if (!str_is_ascii(str_from(name)) ||
            (strcmp(name, key) != 0 &&
             str_eq_nocase(str_from(name), str_from(key))))
            return refuse_file(naming, "has a key that can be read as another "
                                       "one");
    }
    return 0;
}

/* ---- how many there are ---- */

void archive_budget_fini(struct archive_budget *budget)
{
    json_decref(budget->names);
    budget->names = NULL;
}

/* The same images may be in several files. */
static int check_budget(struct naming *naming)
{
    const struct archive_budget *budget = naming->names->budget;
    uint64_t unnamed = 0;

    for (int i = 0; i < ARCHIVE_FILES; i++)
        unnamed = budget->unnamed[i] > unnamed ? budget->unnamed[i] : unnamed;
    if (json_object_size(budget->names) + unnamed <= budget->most)
        return 0;
    verdict_deny(naming->why, 403, budget->rule, "",
                 "there are more images in the archive than the %" PRIu64
                 " that %s in the policy leaves; remove some, or load fewer",
                 budget->most, budget->rule);
    return ARCHIVE_E_REFUSED;
}

static int count_name(struct naming *naming, struct str name)
{
    struct archive_budget *budget = naming->names->budget;

    if (!budget)
        return 0;
    if (!budget->names)
        budget->names = json_object();
    json_object_setn_new(budget->names, name.ptr, name.len, json_true());
    return check_budget(naming);
}

static int count_unnamed(struct naming *naming, enum archive_file file)
{
    struct archive_budget *budget = naming->names->budget;

    if (!budget)
        return 0;
    budget->unnamed[file]++;
    return check_budget(naming);
}

/* The string VALUE mapped: *MAPPED, or NULL when it is dropped. */
static int map_name(struct naming *naming, struct str name, bool full,
                    json_t **mapped)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_ARCHIVE_NAME);
    const struct archive_names *names = naming->names;
    struct image_ref ref;

    if (image_ref_parse(name, &ref) != 0)
        return refuse_file(naming, "has a name that no image can have");
    if (ref.digest.len && !names->digests)
        return refuse_file(naming, "names an image by a digest; nothing can be "
                                   "called so");
    switch (names->map(names->arg, name, full, &out, naming->why)) {
    case ARCHIVE_NAME_OK:
        if (count_name(naming, strbuf_str(&out)))
            return ARCHIVE_E_REFUSED;
        *mapped = json_of(strbuf_str(&out));
        return 0;
    case ARCHIVE_NAME_DROP:
        *mapped = NULL;
        return 0;
    case ARCHIVE_NAME_REFUSED:
        break;
    }
    return ARCHIVE_E_REFUSED;
}

/* ---- manifest.json ---- */

static int map_tags(struct naming *naming, json_t *image)
{
    json_t *tags = json_object_get(image, "RepoTags"), *mapped, *tag;
    json_t *all;
    size_t i;

    if (!tags || json_is_null(tags) ||
        (json_is_array(tags) && json_array_size(tags) == 0))
        return count_unnamed(naming, ARCHIVE_MANIFEST);
    if (!json_is_array(tags))
        return refuse_file(naming, "has RepoTags that are no list");
    all = json_array();
    json_array_foreach(tags, i, tag)
    {
        if (!json_is_string(tag) ||
            map_name(naming, str_of_json(tag), false, &mapped)) {
            json_decref(all);
            return json_is_string(tag)
                       ? ARCHIVE_E_REFUSED
                       : refuse_file(naming, "has a name that is no text");
        }
        if (mapped)
            json_array_append_new(all, mapped);
    }
    json_object_set_new(image, "RepoTags", all);
    return 0;
}

static int map_manifest(struct naming *naming, json_t *root)
{
    json_t *image;
    size_t i;

    if (json_is_null(root)) /* of no image, as engines save it */
        return 0;
    if (!json_is_array(root))
        return refuse_file(naming, "is no list");
    json_array_foreach(root, i, image)
    {
        if (!json_is_object(image))
            return refuse_file(naming, "lists what is no image");
        if (check_keys(naming, image, "RepoTags") || map_tags(naming, image))
            return ARCHIVE_E_REFUSED;
    }
    return 0;
}

/* ---- repositories ---- */

/* One tag of REPOSITORY, into ALL. */
static int map_repository_tag(struct naming *naming, const char *repository,
                              const char *tag, json_t *id, json_t *all)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_ARCHIVE_NAME);
    struct str full;
    json_t *mapped, *tags;
    size_t colon;
    char *key;

    if (strbuf_addf(&name, "%s:%s", repository, tag))
        return refuse_file(naming, "has a name that no image can have");
    if (map_name(naming, strbuf_str(&name), false, &mapped))
        return ARCHIVE_E_REFUSED;
    if (!mapped)
        return 0;
    full = str_of_json(mapped);
    colon = full.len;
    while (colon > 0 && full.ptr[colon - 1] != ':')
        colon--;
    key = xstr_dup(str_head(full, colon ? colon - 1 : full.len));
    tags = json_object_get(all, key);
    if (!tags)
        json_object_set_new(all, key, tags = json_object());
    free(key);
    json_object_set(tags, full.ptr + colon, id); /* it ends with a NUL */
    json_decref(mapped);
    return 0;
}

static int map_repositories(struct naming *naming, json_t **root)
{
    json_auto_t *all = json_object();
    const char *repository, *tag;
    json_t *tags, *id;

    if (json_is_null(*root))
        return 0;
    if (!json_is_object(*root))
        return refuse_file(naming, "is no object");
    json_object_foreach(*root, repository, tags)
    {
        if (!json_is_object(tags))
            return refuse_file(naming, "has a repository without tags");
        json_object_foreach(tags, tag, id)
        {
            if (map_repository_tag(naming, repository, tag, id, all))
                return ARCHIVE_E_REFUSED;
        }
    }
    json_decref(*root);
    *root = json_incref(all);
    return 0;
}

/* ---- index.json ---- */

/* A tag: what no engine takes for more when it is beside a name. */
static bool is_bare_tag(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
            !(c >= 'A' && c <= 'Z') && c != '_' &&
            (i == 0 || (c != '.' && c != '-')))
            return false;
    }
    return text.len > 0 && text.len <= 128;
}

static int map_annotations(struct naming *naming, json_t *annotations)
{
    struct str name = str_at(annotations, image_name_key);
    struct str ref = str_at(annotations, ref_name_key);
    const char *key, *where = name.len ? image_name_key : ref_name_key;
    json_t *value, *mapped;

    json_object_foreach(annotations, key, value)
    {
        if (!json_is_string(value))
            return refuse_file(naming, "has an annotation that is no text");
    }
    if (name.len && ref.len && !is_bare_tag(ref))
        return refuse_file(naming, "names one image twice: beside "
                                   "io.containerd.image.name, "
                                   "org.opencontainers.image.ref.name is a "
                                   "tag");
    if (name.len == 0 && ref.len == 0)
        return count_unnamed(naming, ARCHIVE_INDEX);
    if (map_name(naming, name.len ? name : ref, true, &mapped))
        return ARCHIVE_E_REFUSED;
    if (mapped)
        return json_object_set_new(annotations, where, mapped);
    json_object_del(annotations, image_name_key);
    json_object_del(annotations, ref_name_key);
    return 0;
}

static int map_index(struct naming *naming, json_t *root)
{
    json_t *manifests, *manifest, *annotations;
    size_t i;

    if (!json_is_object(root))
        return refuse_file(naming, "is no object");
    if (check_keys(naming, root, "manifests"))
        return ARCHIVE_E_REFUSED;
    manifests = json_object_get(root, "manifests");
    if (manifests && !json_is_null(manifests) && !json_is_array(manifests))
        return refuse_file(naming, "has manifests that are no list");
    json_array_foreach(manifests, i, manifest)
    {
        if (!json_is_object(manifest))
            return refuse_file(naming, "lists what is no manifest");
        if (check_keys(naming, manifest, "annotations"))
            return ARCHIVE_E_REFUSED;
        annotations = json_object_get(manifest, "annotations");
        if (!annotations || json_is_null(annotations)) {
            if (count_unnamed(naming, ARCHIVE_INDEX))
                return ARCHIVE_E_REFUSED;
            continue;
        }
        if (!json_is_object(annotations))
            return refuse_file(naming, "has annotations that are no object");
        if (map_annotations(naming, annotations))
            return ARCHIVE_E_REFUSED;
    }
    return 0;
}

/* ---- all of them ---- */

static int map_file(struct naming *naming, enum archive_file file,
                    json_t **root)
{
    switch (file) {
    case ARCHIVE_MANIFEST:
        return map_manifest(naming, *root);
    case ARCHIVE_REPOSITORIES:
        return map_repositories(naming, root);
    case ARCHIVE_INDEX:
        return map_index(naming, *root);
    case ARCHIVE_LAYOUT:
    case ARCHIVE_FILES:
        break;
    }
    return 0;
}

int archive_names_rewrite(enum archive_file file, struct str bytes,
                          const struct archive_names *names, struct strbuf *out,
                          struct verdict *why)
{
    static const struct json_rules rules = {
        .depth = LIMIT_JSON_DEPTH,
        .values = LIMIT_ARCHIVE_VALUES,
        .decode = JSON_DECODE_ANY,
    };
    struct naming naming = {archive_file_names[file], names, why};
    struct json_fault fault;
    json_t *root = json_read(bytes, &rules, &fault);
    int r;

    if (!root)
        return refuse_file(&naming,
                           fault.kind == JSON_FAULT_MALFORMED
                               ? "is no well-formed JSON, or has a key twice"
                               : "has more in it than can be judged");
    r = map_file(&naming, file, &root);
    if (r == 0 && json_write(out, root))
        r = refuse_file(&naming, "is too long when it is written anew");
    json_decref(root);
    return r;
}
