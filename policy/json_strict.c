#include "policy/json_strict.h"

struct position {
    size_t line, column;
};

static void position_step(struct position *at, char c)
{
    at->column++;
    if (c == '\n') {
        at->line++;
        at->column = 0;
    }
}

enum bounds { BOUNDS_KEPT, BOUNDS_TOO_DEEP, BOUNDS_TOO_MANY };

/*
 * Do depth and number of values stay in their limits? Asked before parsing,
 * because a tree costs some fifty times the memory of "[[[[" or "[],[],". For
 * text that is no JSON the answer is about nothing, which the parser will say.
 */
static enum bounds check_bounds(struct str bytes, struct position *at)
{
    size_t depth = 0, values = 1;
    bool quoted = false;

    *at = (struct position){.line = 1};
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];

        position_step(at, c);
        if (quoted) {
            if (c == '\\' && i + 1 < bytes.len)
                position_step(at, bytes.ptr[++i]);
            else if (c == '"')
                quoted = false;
            continue;
        }
        if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            values++;
            if (++depth > LIMIT_JSON_DEPTH)
                return BOUNDS_TOO_DEEP;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',') {
            values++;
        }
        if (values > LIMIT_JSON_VALUES)
            return BOUNDS_TOO_MANY;
    }
    return BOUNDS_KEPT;
}

/* jansson's words without their " near '...'", which quotes the body. */
static int plain_length(const char *text)
{
    const char *near = strstr(text, " near ");

    return (int)(near ? (size_t)(near - text) : strlen(text));
}

int json_strict_parse(struct str bytes, const char *field, json_t **tree,
                      struct verdict *why)
{
    struct position at;
    json_error_t error;
    json_t *parsed;

    if (bytes.len > LIMIT_JSON_BODY) {
        verdict_deny(why, 413, "request.body", field,
                     "the JSON is longer than %zu bytes; send less of it",
                     LIMIT_JSON_BODY);
        return JSON_E_REFUSED;
    }
    switch (check_bounds(bytes, &at)) {
    case BOUNDS_TOO_DEEP:
        verdict_deny(why, 400, "request.body", field,
                     "the JSON is nested deeper than %d levels (line %zu, "
                     "column %zu)",
                     LIMIT_JSON_DEPTH, at.line, at.column);
        return JSON_E_REFUSED;
    case BOUNDS_TOO_MANY:
        verdict_deny(why, 413, "request.body", field,
                     "the JSON has more than %d values (line %zu, column %zu)",
                     LIMIT_JSON_VALUES, at.line, at.column);
        return JSON_E_REFUSED;
    case BOUNDS_KEPT:
        break;
    }
    parsed = json_loadb(bytes.ptr ? bytes.ptr : "", bytes.len,
                        JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!parsed) {
        verdict_deny(why, 400, "request.body", field,
                     "the JSON is not well-formed: %.*s (line %d, column %d)",
                     plain_length(error.text), error.text, error.line,
                     error.column);
        return JSON_E_REFUSED;
    }
    *tree = parsed;
    return 0;
}
