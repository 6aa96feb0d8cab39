#include "policy/docker/reference.h"

const char *reference_form_name(enum reference_form form)
{
    static const char *const names[] = {
#define X(id, name) [id] = (name),
        REFERENCE_FORMS(X)
#undef X
    };

    return names[form];
}

void spot_set(struct spot *spot, json_t *value)
{
    if (spot->key)
        json_object_set_new(spot->owner, spot->key, value);
    else
        json_array_set_new(spot->owner, spot->index, value);
    spot->value = value;
}

struct walk {
    /* What to do at the end of the path; false: take the thing out. */
    bool (*end)(const struct walk *walk, struct spot *spot);
    const struct reference_visitor *visitor;
    const struct document *document;
    const struct reference *row;
};

static bool go(const struct walk *walk, const char *path, struct spot *spot);

static bool over_list(const struct walk *walk, const char *path, json_t *list)
{
    size_t i = 0;

    while (i < json_array_size(list)) {
        struct spot spot = {
            .owner = list, .index = i, .value = json_array_get(list, i)};

        if (go(walk, path, &spot))
            i++;
        else
            json_array_remove(list, i);
    }
    return true;
}

static bool over_object(const struct walk *walk, const char *path,
                        json_t *object)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, key, value)
    {
        struct spot spot = {.owner = object, .key = key, .value = value};

        if (!go(walk, path, &spot))
            json_object_del(object, key);
    }
    return true;
}

/* The length of the name at the start of PATH. */
static size_t name_length(const char *path)
{
    return strcspn(path, ".[{");
}

static bool into_field(const struct walk *walk, const char *path,
                       const struct spot *spot)
{
    char name[64];
    size_t len = name_length(path);
    struct spot inner = {.owner = spot->value, .key = name};

    if (!json_is_object(spot->value) || len >= sizeof(name))
        return true;
    memcpy(name, path, len);
    name[len] = '\0';
    inner.value = json_object_get(spot->value, name);
    return go(walk, path + len, &inner);
}

/* False: the innermost element around has to go. */
static bool go(const struct walk *walk, const char *path, struct spot *spot)
{
    if (*path == '.')
        path++;
    if (*path == '\0' || strcmp(path, "{key}") == 0)
        return walk->end(walk, spot);
    if (!spot->value)
        return true;
    if (strncmp(path, "[]", 2) == 0)
        return over_list(walk, path + 2, spot->value);
    if (strncmp(path, "{}", 2) == 0)
        return over_object(walk, path + 2, spot->value);
    return into_field(walk, path, spot);
}

static bool at_place(const struct walk *walk, struct spot *spot)
{
    return walk->visitor->place(walk->visitor->arg, walk->row, spot);
}

static bool at_element(const struct walk *walk, struct spot *spot)
{
    const struct document *document = walk->document;
    const struct reference_visitor *visitor = walk->visitor;

    if (!spot->value)
        return true;
    if (visitor->element &&
        !visitor->element(visitor->arg, document, spot->value))
        return false;
    for (size_t i = 0; i < document->count; i++) {
        struct walk inner = {
            .end = at_place, .visitor = visitor, .row = &document->rows[i]};

        if (!go(&inner, document->rows[i].path, spot))
            return false;
    }
    return true;
}

static void from_root(const struct walk *walk, const char *path, json_t *root)
{
    struct spot spot = {.key = "", .value = root};

    if (go(walk, path, &spot))
        return;
    if (json_is_array(root))
        json_array_clear(root);
    else
        json_object_clear(root);
}

void reference_walk(enum operation operation, enum reference_side side,
                    json_t *root, const struct reference_visitor *visitor)
{
    for (size_t i = 0; i < document_count; i++) {
        const struct document *document = &documents[i];
        struct walk walk = {
            .end = at_element, .visitor = visitor, .document = document};

        if (document->operation == operation && document->side == side)
            from_root(&walk, document->at, root);
    }
}

void reference_walk_path(const char *path, json_t *root,
                         const struct reference *row,
                         const struct reference_visitor *visitor)
{
    struct walk walk = {.end = at_place, .visitor = visitor, .row = row};

    from_root(&walk, path, root);
}
