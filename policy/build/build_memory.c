#include <stdlib.h>

#include "policy/base/json_reader.h"
#include "policy/build/build_private.h"

/* Digests that may be read, in a ring. */

enum { DIGEST_LENGTH = 7 + 64 }; /* "sha256:" and hex */

struct build_memory {
    char digests[LIMIT_BUILD_DIGESTS][DIGEST_LENGTH];
    size_t count, next;
};

struct build_memory *build_memory_new(void)
{
    return xcalloc(1, sizeof(struct build_memory));
}

void build_memory_free(struct build_memory *memory)
{
    free(memory);
}

static bool is_digest(struct str text)
{
    return text.len == DIGEST_LENGTH && str_has_prefix(text, S("sha256:"));
}

bool build_memory_has(const struct build_memory *memory, struct str digest)
{
    if (!memory || !is_digest(digest))
        return false;
    for (size_t i = 0; i < memory->count; i++)
        if (memcmp(memory->digests[i], digest.ptr, DIGEST_LENGTH) == 0)
            return true;
    return false;
}

void build_memory_add(struct build_memory *memory, struct str digest)
{
    if (!memory || !is_digest(digest) || build_memory_has(memory, digest))
        return;
    memcpy(memory->digests[memory->next], digest.ptr, DIGEST_LENGTH);
    memory->next = (memory->next + 1) % LIMIT_BUILD_DIGESTS;
    if (memory->count < LIMIT_BUILD_DIGESTS)
        memory->count++;
}

static void add_descriptor(struct build_memory *memory, const json_t *object)
{
    const json_t *digest = json_object_get(object, "digest");

    if (json_is_string(digest))
        build_memory_add(memory, str_of(json_string_value(digest),
                                        json_string_length(digest)));
}

void build_memory_look_into(struct build_memory *memory, struct str blob)
{
    static const char *const lists[] = {"manifests", "layers"};
    const struct json_rules rules = {
        .depth = LIMIT_JSON_DEPTH,
        .values = LIMIT_JSON_VALUES,
        .faithful = true,
    };
    struct json_fault fault;
    json_auto_t *tree = NULL;
    const json_t *item;
    size_t i;

    if (!memory || blob.len == 0 || blob.ptr[0] != '{')
        return;
    tree = json_read(blob, &rules, &fault);
    add_descriptor(memory, json_object_get(tree, "config"));
    for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
        json_array_foreach(json_object_get(tree, lists[k]), i, item)
        {
            add_descriptor(memory, item);
        }
}
