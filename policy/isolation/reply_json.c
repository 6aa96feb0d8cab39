#include "policy/base/json_reader.h"
#include "policy/base/json_write.h"
#include "policy/base/limits.h"
#include "policy/isolation/rewrite.h"

json_t *reply_json_parse(struct str bytes)
{
    static const struct json_rules rules = {
        .depth = LIMIT_REPLY_DEPTH,
        .values = SIZE_MAX, /* LIMIT_REPLY bounds them */
        /* a number that is kept has to be one, however large */
        .decode = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
        .faithful = true,
    };
    struct json_fault fault;

    return json_read(bytes, &rules, &fault);
}

int reply_json_put(struct strbuf *out, json_t *json)
{
    size_t before = out->len;
    int r = json_write(out, json);

    if (r < 0)
        out->len = before;
    return r;
}
