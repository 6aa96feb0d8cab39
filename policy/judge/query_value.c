#include "policy/judge/check.h"

#include <stdio.h>

const struct place *query_place(struct query_place *at, struct str key)
{
    *at = (struct query_place){.place = {.key = at->text}};
    snprintf(at->text, sizeof(at->text), "query %.*s", STR_FMT(key));
    return &at->place;
}

bool query_integer(struct judge *judge, struct str key, int64_t *n)
{
    const struct str *text = target_get(judge->target, key);
    struct query_place at;
    bool negative;
    uint64_t value;

    *n = 0;
    if (!text || text->len == 0)
        return true;
    negative = text->ptr[0] == '-';
    if (str_to_u64(str_from_index(*text, negative), &value) != 0 ||
        value > INT64_MAX)
        return judge_refuse(judge, 400, "request.query", query_place(&at, key),
                            "this has to be an integer");
    *n = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

bool query_put(struct judge *judge, struct str key, struct str value)
{
    struct query_place at;
    struct str copy;

    return (target_copy(judge->target, value, &copy) == 0 &&
            target_set(judge->target, key, copy) == 0) ||
           judge_refuse(judge, 414, "request.query", query_place(&at, key),
                        "the query is too long");
}

bool query_set_text(struct judge *judge, struct str key, struct str value)
{
    struct query_place at;

    if (!query_put(judge, key, value))
        return false;
    judge_note(judge, CHANGE_INJECTED, query_place(&at, key));
    return true;
}

bool query_set_integer(struct judge *judge, struct str key, int64_t n)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(32);

    strbuf_addf(&text, "%lld", (long long)n);
    return query_set_text(judge, key, strbuf_str(&text));
}
