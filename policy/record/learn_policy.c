#include "policy/record/learn_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config/exposure.h"
#include "policy/docker/operation_word.h"
#include "policy/docker/runner_name.h"
#include "policy/record/learn_tree.h"

/* What is taken over from a policy: all but what is learnt. */
static const char *const kept[] = {
    "$schema",  "namespace", "isolation", "listen",
    "upstream", "audit",     "timeouts",  "metrics",
};

static bool is_always_allowed(enum operation operation)
{
    return operation == OP_SYSTEM_PING || operation == OP_SYSTEM_PING_HEAD ||
           operation == OP_SYSTEM_VERSION;
}

static json_t *operations_of(const struct learner *l)
{
    json_t *allow = json_array();

    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++) {
        if (l->seen[i] && !is_always_allowed((enum operation)i))
            json_array_append_new(
                allow, json_string(operation_name((enum operation)i)));
    }
    return json_pack("{s:o}", "allow", allow);
}

/* The row of RULE ("container.limits.memory"), and its object in POLICY, made
 * where it is missing; or NULL. */
static const struct setting *find_rule(struct str rule, json_t *policy,
                                       json_t **object)
{
    const struct shape *shape = &policy_shape;
    const struct setting *row = NULL;
    struct str part;

    *object = policy;
    while (rule.len && shape) {
        char key[64];

        str_cut(rule, '.', &part, &rule);
        snprintf(key, sizeof(key), "%.*s", STR_FMT(part));
        row = shape_find(shape, key);
        if (!row || row->type != SETTING_OBJECT)
            break;
        shape = row->of;
        if (!json_object_get(*object, key))
            json_object_set_new(*object, key, json_object());
        *object = json_object_get(*object, key);
    }
    return rule.len ? NULL : row;
}

/*
 * May WORD, which a client chose, be an entry of ROW? Not where it would be
 * for more than itself.
 */
static bool is_entry(const struct setting *row, const char *word)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
    struct str text = str_from(word);
    ptrdiff_t star = str_find(text, '*');

    if (star >= 0 && !((size_t)star == text.len - 1 && star > 0 &&
                       text.ptr[star - 1] == '='))
        return false;
    return text.len && (!row->check || row->check(text, &why));
}

/* TEXT as a string of a policy, where "${" would begin a variable. */
static json_t *plain_text(const char *text)
{
    AUTO(strbuf_fini) struct strbuf escaped = STRBUF(LIMIT_JSON_BODY);

    environment_escape(str_from(text), &escaped);
    return json_stringn(escaped.ptr, escaped.len);
}

static void add_entry(const struct setting *row, json_t *object,
                      const char *word)
{
    json_t *list = json_object_get(object, row->key);

    if (!list) {
        list = json_loads(row->fallback, 0, NULL);
        json_object_set_new(object, row->key, list);
    }
    json_array_append_new(list, plain_text(word));
}

/* "/srv/data:rw"; what is both read and written is one mount. */
static void add_mount(const struct setting *row, json_t *object,
                      const char *word)
{
    AUTO(json_decrefp) json_t *source = NULL;
    json_t *list = json_object_get(object, row->key), *mount;
    const char *colon = strrchr(word, ':');
    char *path;
    size_t i;

    if (!colon)
        return;
    path = xstr_dup(str_of(word, (size_t)(colon - word)));
    source = plain_text(path);
    free(path);
    if (!list)
        json_object_set_new(object, row->key, list = json_array());
    json_array_foreach(list, i, mount)
    {
        if (!json_equal(json_object_get(mount, "source"), source))
            continue;
        if (!strcmp(colon, ":rw"))
            json_object_set_new(mount, "mode", json_string("rw"));
        return;
    }
    json_array_append_new(
        list, json_pack("{s:O, s:s}", "source", source, "mode", colon + 1));
}

/* The lowest or the highest that was wanted. */
static void set_number(const struct setting *row, json_t *object,
                       const char *word)
{
    const json_t *now = json_object_get(object, row->key);
    json_int_t had = json_integer_value(now);
    uint64_t wanted;
    bool lowest = !strcmp(row->key, "lowest");

    if (str_to_u64(str_from(word), &wanted) < 0 || wanted == 0 ||
        wanted > UINT16_MAX)
        return;
    if (!now || (lowest ? (json_int_t)wanted < had : (json_int_t)wanted > had))
        json_object_set_new(object, row->key, json_integer((json_int_t)wanted));
}

static void allow_word(const struct setting *row, json_t *object,
                       const char *word)
{
    switch (row->type) {
    case SETTING_BOOL:
        json_object_set_new(object, row->key, json_true());
        break;
    case SETTING_ENUM:
    case SETTING_STRING: /* engine_socket */
        json_object_set_new(object, row->key, json_string(word));
        break;
    case SETTING_INTEGER:
        set_number(row, object, word);
        break;
    case SETTING_STRINGS:
    case SETTING_STRINGS_OR_ONE:
        if (is_entry(row, word))
            add_entry(row, object, word);
        break;
    case SETTING_OBJECTS:
        add_mount(row, object, word);
        break;
    case SETTING_WORD_OR_NUMBER:
    case SETTING_NUMBER:
    case SETTING_DURATION:
    case SETTING_SIZE:
    case SETTING_FILE_MODE:
    case SETTING_OBJECT:
        break; /* nothing lacks in these */
    }
}

/* The part of WORDS that are paths with this mode (":rw"), as few. */
static json_t *paths_of(const json_t *words, struct str mode)
{
    json_auto_t *tree = json_object();
    const char *word;
    json_t *times;

    json_object_foreach((json_t *)(uintptr_t)words, word, times)
    {
        struct str path = str_from(word);

        if (!str_has_suffix(path, mode) || !str_has_prefix(path, S("/")))
            continue;
        path.len -= mode.len;
        learn_tree_add(tree, path);
    }
    return learn_tree_entries(tree, S("/"), learn_directory_may_stand);
}

/* Of mounts, the directories that hold them. Those that are written to are kept
 * apart, so that none of the others becomes one. */
static json_t *general_mounts(const json_t *words)
{
    json_auto_t *written = paths_of(words, S(":rw"));
    json_auto_t *read = paths_of(words, S(":ro"));
    json_t *general = json_object(), *times;
    const char *path;

    json_object_foreach(written, path, times)
    {
        AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_JSON_BODY);

        strbuf_addf(&word, "%s:rw", path);
        json_object_set(general, strbuf_cstr(&word), times);
    }
    json_object_foreach(read, path, times)
    {
        AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_JSON_BODY);

        if (learn_tree_has(written, str_from(path)))
            continue;
        strbuf_addf(&word, "%s:ro", path);
        json_object_set(general, strbuf_cstr(&word), times);
    }
    return general;
}

/* Of images, their owners; without what the job made itself. */
static json_t *general_images(const struct learner *l, const json_t *words)
{
    json_auto_t *tree = json_object();
    json_t *times;
    const char *word;

    json_object_foreach((json_t *)(uintptr_t)words, word, times)
    {
        if (!json_object_get(l->made, word) || json_object_get(l->pulled, word))
            learn_tree_add(tree, str_from(word));
    }
    return learn_tree_entries(tree, S(""), learn_images_may_stand);
}

/* What the policy needs in RULE, as few words: a new reference. */
static json_t *general(const struct learner *l, const char *rule, json_t *words)
{
    if (!strcmp(rule, "container.mounts"))
        return general_mounts(words);
    if (!strcmp(rule, "images.registries"))
        return general_images(l, words);
    return json_incref(words);
}

/* A folded name would be folded once more. */
static json_t *namespace_of(const struct learner *l)
{
    return runner_name_is_plain(str_from(l->namespace_))
               ? plain_text(l->namespace_)
               : json_string("${RUNNER_NAME}");
}

json_t *learner_policy(const struct learner *l, const json_t *base)
{
    json_t *policy = json_pack("{s:i}", "version", 1);
    json_t *words, *times, *object;
    const char *rule, *word;

    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        json_t *value = json_object_get(base, kept[i]);

        if (value)
            json_object_set(policy, kept[i], value);
    }
    if (!base && l->namespace_)
        json_object_set_new(policy, "namespace", namespace_of(l));
    json_object_set_new(policy, "operations", operations_of(l));
    json_object_update_new(policy, json_loads(learn_strictest, 0, NULL));
    json_object_foreach(l->lacks, rule, words)
    {
        const struct setting *row = find_rule(str_from(rule), policy, &object);
        json_auto_t *few = general(l, rule, words);

        if (!row)
            continue;
        json_object_foreach(few, word, times) allow_word(row, object, word);
    }
    return policy;
}

/* WORD in quotes, with nothing in it that a terminal would act on. */
static int put_quoted(struct strbuf *out, const char *word)
{
    AUTO(json_decrefp) json_t *text = json_string(word);
    char *quoted = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    int r = strbuf_add(out, str_from(quoted ? quoted : "?"));

    free(quoted);
    return r;
}

static int put_stays(struct strbuf *out, const char *rule, const char *word)
{
    int r = strbuf_addf(out, "%s: ", rule);

    if (r == 0)
        r = put_quoted(out, word);
    return r == 0 ? strbuf_add(out, S(" cannot be in this list for itself "
                                      "alone, so it stays refused\n"))
                  : r;
}

static int put_unlearnt(struct strbuf *out, const struct learner *l)
{
    const char *rule, *word;
    json_t *words, *times, *reason, *object;
    json_auto_t *scratch = json_object();
    int r = 0;

    json_object_foreach(l->lacks, rule, words)
    {
        const struct setting *row = find_rule(str_from(rule), scratch, &object);

        json_object_foreach(words, word, times)
        {
            if (r == 0 && row && row->type == SETTING_STRINGS &&
                !is_entry(row, word))
                r = put_stays(out, rule, word);
        }
    }
    json_object_foreach(l->hopeless, rule, reason)
    {
        if (r == 0)
            r = strbuf_addf(out, "%s: some calls stay refused: %s\n", rule,
                            json_string_value(reason));
    }
    return r;
}

/* What the rules of the policy give away; or what is wrong with them, which
 * only a record that somebody has tampered with brings about. */
static int put_exposure(struct strbuf *out, const struct learner *l)
{
    static const struct environment nothing;
    AUTO(json_decrefp) json_t *policy = learner_policy(l, NULL);
    AUTO(json_decrefp) json_t *sections = json_object();
    const struct layer layer = {.name = "learnt", .root = sections};
    struct problems problems = {0};
    struct rules rules = {0};
    int r;

    for (size_t i = 0; i < rules_shape.count; i++) {
        const char *key = rules_shape.rows[i].key;

        if (json_object_get(policy, key))
            json_object_set(sections, key, json_object_get(policy, key));
    }
    settings_read(&rules_shape, &rules, &layer, 1, &nothing, &problems);
    r = problems.count ? problems_put(&problems, out)
                       : exposure_put(&rules, out);
    settings_fini(&rules_shape, &rules);
    problems_fini(&problems);
    return r;
}

/* Which entries stand for more than was seen. */
static int put_general(struct strbuf *out, const struct learner *l)
{
    const char *rule, *word;
    json_t *words, *times;
    int r = 0;

    json_object_foreach(l->lacks, rule, words)
    {
        json_auto_t *few = general(l, rule, words);

        json_object_foreach(few, word, times)
        {
            if (few == words || json_object_get(words, word) || r < 0)
                continue;
            r = strbuf_addf(out, "%s: ", rule);
            if (r == 0)
                r = put_quoted(out, word);
            if (r == 0)
                r = strbuf_addf(out,
                                " stands for all that is in it, of which "
                                "%lld were seen\n",
                                (long long)json_integer_value(times));
        }
    }
    return r;
}

static int put_operation(struct strbuf *out, enum operation operation)
{
    if (operation_mutates(operation) &&
        operation_group(operation) >= GROUP_SWARM)
        return strbuf_addf(out,
                           "operations.allow: \"%s\" concerns the engine as a "
                           "whole, and all its users\n",
                           operation_name(operation));
    return 0;
}

int learner_put_warnings(const struct learner *l, struct strbuf *out)
{
    int r = 0;

    for (unsigned i = OP_NONE + 1; i < OP_COUNT && r == 0; i++) {
        if (l->seen[i])
            r = put_operation(out, (enum operation)i);
    }
    if (r == 0)
        r = put_general(out, l);
    if (r == 0)
        r = put_exposure(out, l);
    return r == 0 ? put_unlearnt(out, l) : r;
}
