#include "policy/judge/query_field.h"

/* The query by its table, and what is looked at of several values together. */

static bool run_fields(struct judge *judge, const struct str *key,
                       struct str value)
{
    struct query_place at;

    for (size_t i = 0; i < query_field_count; i++) {
        const struct query_field *field = &query_fields[i];

        if (field->operation != judge->operation ||
            !str_eq(*key, str_from(field->key)))
            continue;
        return field->check(judge, field, query_place(&at, *key), value);
    }
    return true;
}

bool judge_query(struct judge *judge)
{
    if (route_check_query(judge->match, judge->target, &judge->out->verdict) !=
        0)
        return false;
    for (size_t i = 0; i < judge->target->query_count; i++) {
        struct query_pair pair = judge->target->query[i];

        if (!run_fields(judge, &pair.key, pair.value))
            return false;
    }
    for (size_t i = 0; i < request_check_count; i++) {
        if (request_checks[i].operation == judge->operation &&
            !request_checks[i].check(judge))
            return false;
    }
    return true;
}
