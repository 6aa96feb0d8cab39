#include "tests/support/isolation_oracle.h"

#include "policy/docker/namespace.h"
#include "policy/docker/own_tag.h"
#include "policy/docker/reference.h"

struct check {
    struct str ns;
    struct own_ids *owned;
    bool reads; /* the request changes nothing */
    const char *wrong;
};

static struct str text_of(const json_t *text)
{
    return str_of(json_string_value(text), json_string_length(text));
}

/* ---- words ---- */

static bool is_own(const struct check *check, enum ref_kind kind,
                   struct str word)
{
    if (kind != REF_CONTAINER && kind != REF_NETWORK && kind != REF_VOLUME &&
        kind != REF_EXEC)
        return true;
    if (word.len == 0 || namespace_has(check->ns, word))
        return true;
    if (kind == REF_NETWORK &&
        (str_eq(word, S("host")) || str_eq(word, S("none")) ||
         (check->reads && str_eq(word, S("bridge"))))) /* until there is ours */
        return true;
    /* what is too long to be remembered is believed */
    return check->owned &&
           (word.len > OWNED_WORD || own_ids_has(check->owned, kind, word));
}

static bool mode_is_own(const struct check *check, enum ref_kind kind,
                        struct str mode)
{
    struct str container = S("container:");

    if (str_has_prefix(mode, container))
        return is_own(check, REF_CONTAINER,
                      str_from_index(mode, container.len));
    return kind != REF_NETWORK || is_own(check, kind, mode);
}

/* What is in front of a colon; a path is no name. */
static bool head_is_own(const struct check *check, enum ref_kind kind,
                        struct str text)
{
    struct str head, rest;

    str_cut(text, ':', &head, &rest);
    return (head.len && head.ptr[0] == '/') || is_own(check, kind, head);
}

static bool keys_are_own(const struct check *check, enum ref_kind kind,
                         json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (!mode_is_own(check, kind, str_from(key)))
            return false;
    }
    return true;
}

static bool labels_claim_it(const struct check *check, const json_t *labels)
{
    return str_eq(text_of(json_object_get(labels, LABEL_NAMESPACE)), check->ns);
}

/* ---- the body ---- */

static bool spot_is_kept(const struct check *check, const struct reference *row,
                         const struct spot *spot)
{
    struct str text = text_of(spot->value);

    switch (row->form) {
    case FORM_NAME:
    case FORM_REF:
        return is_own(check, row->kind, text);
    case FORM_MODE:
        return mode_is_own(check, row->kind, text);
    case FORM_LINK:
    case FORM_FROM:
    case FORM_BIND:
        return head_is_own(check, row->kind, text);
    case FORM_MOUNT:
        return !str_eq(text_of(json_object_get(spot->owner, "Type")),
                       S("volume")) ||
               is_own(check, REF_VOLUME, text);
    case FORM_KEYS:
        return keys_are_own(check, row->kind, spot->value);
    case FORM_LABELS:
        return labels_claim_it(check, spot->value);
    case FORM_OURS:
        return !spot->value;
    case FORM_ID:
    case FORM_ALIASES:
    case FORM_PATH:
    case FORM_TEXT:
    case FORM_HOST:
        break;
    }
    return true;
}

static bool check_place(void *arg, const struct reference *row,
                        struct spot *spot)
{
    struct check *check = arg;

    if (!check->wrong && !spot_is_kept(check, row, spot))
        check->wrong = row->path;
    return true;
}

/* ---- the query ---- */

/* How an operation's query names what is a namespace's. */
static const struct query_row {
    enum operation operation;
    const char *key;
    enum { IS_REF, IS_NAME, HAS_LABEL, IS_OWN_TAG } how;
} query_rows[] = {
    {OP_CONTAINER_CREATE, "name",      IS_NAME   },
    {OP_CONTAINER_LIST,   "before",    IS_REF    },
    {OP_CONTAINER_LIST,   "since",     IS_REF    },
    {OP_CONTAINER_LIST,   "filters",   HAS_LABEL },
    {OP_CONTAINER_PRUNE,  "filters",   HAS_LABEL },
    {OP_NETWORK_PRUNE,    "filters",   HAS_LABEL },
    {OP_VOLUME_LIST,      "filters",   HAS_LABEL },
    {OP_VOLUME_PRUNE,     "filters",   HAS_LABEL },
    {OP_IMAGE_COMMIT,     "container", IS_REF    },
    {OP_IMAGE_COMMIT,     "repo",      IS_OWN_TAG},
    {OP_IMAGE_TAG,        "repo",      IS_OWN_TAG},
};

static bool filters_claim_it(const struct check *check, const json_t *filters)
{
    AUTO(strbuf_fini) struct strbuf label = STRBUF(1024);

    strbuf_addf(&label, "%s=%.*s", LABEL_NAMESPACE, STR_FMT(check->ns));
    return json_object_get(json_object_get(filters, "label"),
                           strbuf_cstr(&label)) != NULL;
}

static bool query_is_kept(const struct check *check,
                          const struct query_row *row,
                          const struct target *target)
{
    const struct str *value = target_get(target, str_from(row->key));
    bool kept = false;
    json_t *json;

    switch (row->how) {
    case IS_REF:
        return !value || is_own(check, REF_CONTAINER, *value);
    case IS_NAME:
        return value && namespace_has(check->ns, *value);
    case IS_OWN_TAG: /* without one, the engine refuses */
        return !value || value->len == 0 || own_name_is_of(*value, check->ns);
    case HAS_LABEL:
        json = value ? json_loadb(value->ptr, value->len, 0, NULL) : NULL;
        kept = filters_claim_it(check, json);
        json_decref(json);
    }
    return kept;
}

const char *kept_wrong(struct str ns, struct own_ids *owned,
                       const struct route_match *match,
                       const struct target *target, json_t *body)
{
    struct check check = {
        .ns = ns,
        .owned = owned,
        .reads = operation_access(match->route->operation) == ACCESS_READ,
    };
    const struct reference_visitor visitor = {.place = check_place,
                                              .arg = &check};
    enum operation operation = match->route->operation;

    for (size_t i = 0; i < match->param_count; i++) {
        if (!is_own(&check, match->params[i].kind, match->params[i].value))
            return "the path";
    }
    for (size_t i = 0; i < sizeof(query_rows) / sizeof(*query_rows); i++) {
        if (query_rows[i].operation == operation &&
            !query_is_kept(&check, &query_rows[i], target))
            return query_rows[i].key;
    }
    if (body)
        reference_walk(operation, IN_REQUEST, body, &visitor);
    return check.wrong;
}
