#include "proxy/metrics/refusals.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/config/policy.h"

/* TEXT in SIZE bytes, cut between two characters. */
static void keep(char *out, size_t size, struct str text)
{
    size_t len = text.len < size ? text.len : size - 1;

    while (len < text.len && len > 0 && (text.ptr[len] & 0xc0) == 0x80)
        len--;
    if (len)
        memcpy(out, text.ptr, len);
    out[len] = '\0';
}

/* The row of a key of the policy ("container.mounts"), or NULL. */
static const struct setting *find_row(const char *key)
{
    const struct shape *shape = &policy_shape;
    const struct setting *row = NULL;
    struct str rest = str_from(key), part;

    while (rest.len && shape) {
        char name[64];

        str_cut(rest, '.', &part, &rest);
        snprintf(name, sizeof(name), "%.*s", STR_FMT(part));
        row = shape_find(shape, name);
        shape = row && row->type == SETTING_OBJECT ? row->of : NULL;
    }
    return rest.len ? NULL : row;
}

/* "/srv/data:rw" */
static json_t *mount_of(const char *word)
{
    const char *colon = strrchr(word, ':');

    return colon ? json_pack("{s:s%, s:s}", "source", word,
                             (size_t)(colon - word), "mode", colon + 1)
                 : json_string(word);
}

/* What is lacking in KEY, as a policy says it. */
static json_t *value_of(const char *key, const json_t *words)
{
    const struct setting *row = find_row(key);
    const json_t *first = json_array_get(words, 0), *word;
    const char *text = json_string_value(first);
    json_t *mounts;
    uint64_t number;
    size_t i;

    if (!row || !text)
        return json_incref((json_t *)(uintptr_t)words);
    switch (row->type) {
    case SETTING_BOOL:
        return json_true();
    case SETTING_INTEGER:
        return str_to_u64(str_from(text), &number) == 0
                   ? json_integer((json_int_t)number)
                   : json_string(text);
    case SETTING_OBJECTS:
        mounts = json_array();
        json_array_foreach(words, i, word)
            json_array_append_new(mounts, mount_of(json_string_value(word)));
        return mounts;
    case SETTING_STRINGS:
    case SETTING_STRINGS_OR_ONE:
        return json_incref((json_t *)(uintptr_t)words);
    case SETTING_STRING:
    case SETTING_WORD_OR_NUMBER:
    case SETTING_ENUM:
    case SETTING_NUMBER:
    case SETTING_DURATION:
    case SETTING_SIZE:
    case SETTING_FILE_MODE:
    case SETTING_OBJECT:
        break;
    }
    return json_string(text);
}

/* What the operator may write: "operations.allow: ["ContainerExport"]". */
static void keep_allow(struct refusal *refusal, const struct audit_facts *end)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(REFUSAL_ALLOW);
    json_t *lacks = (json_t *)(uintptr_t)end->lacks, *words;
    const char *key;

    if (!strcmp(refusal->rule, "operations.allow") && end->operation != OP_NONE)
        strbuf_addf(&text, "operations.allow: [\"%s\"]",
                    operation_name(end->operation));
    json_object_foreach(lacks, key, words)
    {
        json_auto_t *value = value_of(key, words);
        char *line = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

        /* one that does not fit is left out: half of it helps nobody */
        if (line)
            strbuf_addf(&text, "%s%s: %s", text.len ? "\n" : "", key, line);
        free(line);
    }
    keep(refusal->allow, sizeof(refusal->allow), strbuf_str(&text));
}

static bool is_same(const struct refusal *refusal,
                    const struct audit_facts *end)
{
    return refusal->operation == end->operation &&
           refusal->verdict == audit_verdict(end) &&
           !strcmp(refusal->rule, end->verdict->rule) &&
           !strcmp(refusal->field, end->verdict->field) &&
           !strcmp(refusal->reason, end->verdict->reason);
}

/* The place of END's refusal: that of the same before, or of the oldest. */
static struct refusal *place_for(struct refusals *all,
                                 const struct audit_facts *end)
{
    struct refusal *oldest = all->items;

    for (size_t i = 0; i < all->count; i++) {
        if (is_same(&all->items[i], end))
            return &all->items[i];
        if (all->items[i].time_ns < oldest->time_ns)
            oldest = &all->items[i];
    }
    if (all->count < REFUSALS_KEPT)
        oldest = &all->items[all->count++];
    *oldest = (struct refusal){.operation = end->operation,
                               .verdict = audit_verdict(end)};
    return oldest;
}

void refusals_add(struct refusals *all, const struct audit_facts *end)
{
    enum audit_verdict verdict = audit_verdict(end);
    struct refusal *refusal;

    if (!end->verdict ||
        (verdict != AUDIT_VERDICT_DENY && verdict != AUDIT_VERDICT_WOULD_DENY))
        return;
    refusal = place_for(all, end);
    refusal->time_ns = end->time_ns;
    refusal->status = end->status;
    if (refusal->count++ == 0) {
        keep(refusal->rule, sizeof(refusal->rule),
             str_from(end->verdict->rule));
        keep(refusal->field, sizeof(refusal->field),
             str_from(end->verdict->field));
        keep(refusal->reason, sizeof(refusal->reason),
             str_from(end->verdict->reason));
        keep_allow(refusal, end);
    }
    keep(refusal->path, sizeof(refusal->path), end->path);
}

const struct refusal *refusals_at(const struct refusals *all, size_t index)
{
    size_t order[REFUSALS_KEPT];

    if (index >= all->count)
        return NULL;
    for (size_t i = 0; i < all->count; i++) {
        size_t at = i;

        for (; at > 0 &&
               all->items[order[at - 1]].time_ns < all->items[i].time_ns;
             at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return &all->items[order[index]];
}
