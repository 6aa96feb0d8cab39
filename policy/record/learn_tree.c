#include "policy/record/learn_tree.h"

#include <stdlib.h>
#include <string.h>

#include "policy/base/limits.h"

/* The key of a node where a word ends; no part of a word is empty. */
#define END ""

enum { DEPTH_MAX = 32 };

static json_t *child_of(json_t *node, struct str part)
{
    char *key = xstr_dup(part);
    json_t *child = json_object_get(node, key);

    if (!child)
        json_object_set_new(node, key, child = json_object());
    free(key);
    return child;
}

void learn_tree_add(json_t *tree, struct str word)
{
    struct str rest = word, part;
    json_t *node = tree;

    for (int depth = 0; rest.len; depth++) {
        if (depth == DEPTH_MAX) {
            part = rest;
            rest = S("");
        } else {
            str_cut(rest, '/', &part, &rest);
        }
        if (part.len)
            node = child_of(node, part);
    }
    json_object_set_new(node, END, json_true());
}

/* How many words there are in NODE. */
static json_int_t count(const json_t *node)
{
    json_int_t all = json_object_get(node, END) ? 1 : 0;
    const char *key;
    json_t *child;

    json_object_foreach((json_t *)(uintptr_t)node, key, child)
    {
        if (*key)
            all += count(child);
    }
    return all;
}

static void gather(const json_t *node, struct str at, learn_tree_cb may_stand,
                   json_t *out)
{
    json_auto_t *below = json_object();
    const char *key;
    json_t *child;
    char *name;

    json_object_foreach((json_t *)(uintptr_t)node, key, child)
    {
        AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_JSON_BODY);

        if (!*key || json_object_get(node, END))
            continue;
        strbuf_add(&path, at);
        if (at.len && !str_has_suffix(at, S("/")))
            strbuf_add_char(&path, '/');
        strbuf_add(&path, str_from(key));
        gather(child, strbuf_str(&path), may_stand, below);
    }
    if (!json_object_get(node, END) &&
        (json_object_size(below) < LEARN_MANY || !may_stand(at))) {
        json_object_update(out, below);
        return;
    }
    name = xstr_dup(at);
    json_object_set_new(out, name, json_integer(count(node)));
    free(name);
}

json_t *learn_tree_entries(const json_t *tree, struct str root,
                           learn_tree_cb may_stand)
{
    json_t *out = json_object();

    if (json_object_size(tree))
        gather(tree, root, may_stand, out);
    return out;
}

bool learn_tree_has(const json_t *entries, struct str word)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)entries, key, value)
    {
        struct str entry = str_from(key);

        if (str_has_prefix(word, entry) &&
            (word.len == entry.len || word.ptr[entry.len] == '/' ||
             str_eq(entry, S("/"))))
            return true;
    }
    return false;
}

static size_t parts_of(struct str text)
{
    size_t parts = 0;
    struct str part;

    while (text.len) {
        str_cut(text, '/', &part, &text);
        parts += part.len > 0;
    }
    return parts;
}

static bool is_below(struct str path, struct str directory)
{
    return str_has_prefix(path, directory) &&
           (path.len == directory.len || path.ptr[directory.len] == '/');
}

bool learn_directory_may_stand(struct str directory)
{
    /* what the system and its daemons have there */
    static const struct str never[] = {
        STR("/bin"),       STR("/boot"),  STR("/dev"),  STR("/etc"),
        STR("/lib"),       STR("/lib64"), STR("/proc"), STR("/run"),
        STR("/sbin"),      STR("/sys"),   STR("/usr"),  STR("/var/run"),
        STR("/var/spool"),
    };

    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++) {
        if (is_below(directory, never[i]))
            return false;
    }
    return parts_of(directory) >= 2 && !str_eq(directory, S("/var/lib")) &&
           !is_below(directory, S("/var/lib/docker")) &&
           !is_below(directory, S("/var/lib/containerd"));
}

bool learn_images_may_stand(struct str beginning)
{
    return parts_of(beginning) >= 2; /* a registry's owner, not a registry */
}
