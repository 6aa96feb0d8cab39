#include "policy/operation_word.h"

#include "policy/suggest.h"

bool operation_is_opaque(enum operation operation)
{
    return operation_group(operation) == GROUP_SESSION;
}

bool operation_word_names(struct str word, enum operation operation)
{
    struct str group, access;
    bool narrowed = str_cut(word, ':', &group, &access);

    if (!narrowed && operation_find(word) == operation)
        return true;
    return operation_group_find(group) == operation_group(operation) &&
           (!narrowed ||
            operation_access_find(access) == operation_access(operation));
}

/* The near miss of WORD, put together as it would be written. */
static bool suggest(struct str word, struct strbuf *why)
{
    struct str head, access;
    bool narrowed = str_cut(word, ':', &head, &access);
    struct suggestion first = SUGGESTION(head), second = SUGGESTION(access);

    if (!narrowed)
        for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++)
            suggestion_weigh(&first, operation_name((enum operation)i));
    for (unsigned i = 0; i < GROUP_COUNT; i++)
        suggestion_weigh(&first, operation_group_name((enum operation_group)i));
    for (unsigned i = 0; narrowed && i < ACCESS_COUNT; i++)
        suggestion_weigh(&second,
                         operation_access_name((enum operation_access)i));
    if (first.best == NULL || (narrowed && second.best == NULL))
        return false;
    strbuf_addf(why, "did you mean \"%s%s%s\"?", first.best,
                narrowed ? ":" : "", narrowed ? second.best : "");
    return true;
}

bool operation_word_check(struct str word, struct strbuf *why)
{
    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++)
        if (operation_word_names(word, (enum operation)i))
            return true;
    struct str head, access;

    if (str_cut(word, ':', &head, &access) &&
        operation_group_find(head) != GROUP_COUNT &&
        operation_access_find(access) != ACCESS_COUNT) {
        strbuf_addf(why,
                    "names nothing: no operation of %.*s has the access "
                    "%.*s; remove it",
                    STR_FMT(head), STR_FMT(access));
        return false;
    }
    strbuf_addf(why, "is no operation; ");
    if (!suggest(word, why))
        strbuf_addf(why, "write an operation like \"ContainerCreate\", a "
                         "group like \"container\", or a group with an access "
                         "class: \"container:read\", \":write\", \":stream\", "
                         "\":upgrade\"");
    return false;
}

bool operation_word_check_allow(struct str word, struct strbuf *why)
{
    struct str group, access;

    if (!operation_word_check(word, why))
        return false;
    str_cut(word, ':', &group, &access);
    if (operation_group_find(group) == GROUP_SESSION) {
        strbuf_addf(why, "is too wide: BuildKit's tunnels cannot be judged "
                         "yet; write \"Session\", \"Grpc\" or both by name");
        return false;
    }
    return true;
}
