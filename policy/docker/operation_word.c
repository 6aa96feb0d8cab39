#include "policy/docker/operation_word.h"

#include "policy/base/suggest.h"

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

/* Number INDEX of everything that looks like a word, some of it naming
 * nothing. */
static bool put_candidate(size_t index, struct strbuf *out)
{
    const size_t forms = ACCESS_COUNT + 1; /* alone, then with each access */
    enum operation_group group = (enum operation_group)(index / forms);
    size_t form = index % forms;

    if (index < GROUP_COUNT * forms) {
        strbuf_add(out, str_from(operation_group_name(group)));
        if (form > 0)
            strbuf_addf(
                out, ":%s",
                operation_access_name((enum operation_access)(form - 1)));
        return true;
    }
    index = index - GROUP_COUNT * forms + OP_NONE + 1;
    return index < OP_COUNT &&
           strbuf_add(out, str_from(operation_name((enum operation)index))) ==
               0;
}

/* Number INDEX of the candidates that CHECK takes. */
static bool put_checked(size_t index,
                        bool (*check)(struct str word, struct strbuf *why),
                        struct strbuf *out)
{
    for (size_t i = 0;; i++) {
        AUTO(strbuf_fini) struct strbuf word = STRBUF(64);
        AUTO(strbuf_fini) struct strbuf why = STRBUF(512);

        if (!put_candidate(i, &word))
            return false;
        if (check(strbuf_str(&word), &why) && index-- == 0)
            return strbuf_add(out, strbuf_str(&word)) == 0;
    }
}

bool operation_word_at(size_t index, struct strbuf *out)
{
    return put_checked(index, operation_word_check, out);
}

bool operation_word_at_allow(size_t index, struct strbuf *out)
{
    return put_checked(index, operation_word_check_allow, out);
}
