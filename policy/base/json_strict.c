#include "policy/base/json_strict.h"

#include "policy/base/json_locate.h"
#include "policy/base/json_reader.h"

static int refuse(struct str bytes, const char *field,
                  const struct json_fault *fault, struct verdict *why)
{
    struct json_position at = json_position_of(bytes, fault->at);
    char what[LIMIT_REASON];
    int status = 413;

    switch (fault->kind) {
    case JSON_FAULT_MALFORMED:
        status = 400;
        snprintf(what, sizeof(what), "is not well-formed: %s", fault->what);
        break;
    case JSON_FAULT_DEEP:
        status = 400;
        snprintf(what, sizeof(what), "is nested deeper than %d levels",
                 LIMIT_JSON_DEPTH);
        break;
    case JSON_FAULT_MANY:
        snprintf(what, sizeof(what), "has more than %d values",
                 LIMIT_JSON_VALUES);
        break;
    case JSON_FAULT_MEMORY:
        snprintf(what, sizeof(what), "does not fit into memory");
        break;
    }
    verdict_deny(why, status, "request.body", field,
                 "the JSON %s (line %u, column %u)", what, at.line, at.column);
    return JSON_E_REFUSED;
}

int json_strict_parse(struct str bytes, const char *field, json_t **tree,
                      struct verdict *why)
{
    static const struct json_rules rules = {
        .depth = LIMIT_JSON_DEPTH,
        .values = LIMIT_JSON_VALUES,
        .decode = JSON_DECODE_ANY,
    };
    struct json_fault fault;
    json_t *read;

    if (bytes.len > LIMIT_JSON_BODY) {
        verdict_deny(why, 413, "request.body", field,
                     "the JSON is longer than %zu bytes; send less of it",
                     LIMIT_JSON_BODY);
        return JSON_E_REFUSED;
    }
    read = json_read(bytes, &rules, &fault);
    if (!read)
        return refuse(bytes, field, &fault, why);
    *tree = read;
    return 0;
}
