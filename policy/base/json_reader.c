#include "policy/base/json_reader.h"

#include <stdarg.h>
#include <stdio.h>

#include "policy/base/json_plain.h"
#include "policy/base/limits.h"

struct reader {
    struct str text;
    size_t at;
    size_t depth, values;
    const struct json_rules *rules;
    struct json_fault *fault;
};

static bool fail(struct reader *r, enum json_fault_kind kind, const char *what)
{
    *r->fault = (struct json_fault){.kind = kind, .at = r->at};
    snprintf(r->fault->what, sizeof(r->fault->what), "%s", what);
    return false;
}

static bool malformed(struct reader *r, const char *what)
{
    return fail(r, JSON_FAULT_MALFORMED, what);
}

static bool too_large(struct reader *r)
{
    return fail(r, JSON_FAULT_MEMORY, "");
}

/* Is the next byte one of SET? */
static bool at_one_of(const struct reader *r, struct str set)
{
    return r->at < r->text.len && str_find(set, r->text.ptr[r->at]) >= 0;
}

static bool at_digit(const struct reader *r)
{
    return r->at < r->text.len && r->text.ptr[r->at] >= '0' &&
           r->text.ptr[r->at] <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->text.len && is_blank(r->text.ptr[r->at]))
        r->at++;
}

/* Is MARK the next thing? Then step over it. */
static bool take(struct reader *r, char mark)
{
    skip_blanks(r);
    if (r->at == r->text.len || r->text.ptr[r->at] != mark)
        return false;
    r->at++;
    return true;
}

/* The token from START to here, as jansson reads it; or NULL. */
static json_t *decode(struct reader *r, size_t start)
{
    struct str token = str_head(str_from_index(r->text, start), r->at - start);
    char what[JSON_ERROR_TEXT_LENGTH];
    json_error_t error;
    json_t *value = json_loadb(token.ptr, token.len, r->rules->decode, &error);

    if (!value) {
        /* without the " near '...'", which quotes the body */
        char *near = strstr(error.text, " near ");

        snprintf(what, sizeof(what), "%.*s",
                 near ? (int)(near - error.text) : -1, error.text);
        r->at = start;
        malformed(r, what);
    }
    return value;
}

/* A string, whose words are in the body unless they were DECODED. */
struct text {
    struct str words;
    json_t *decoded;
};

static bool read_text(struct reader *r, struct text *out)
{
    size_t start = r->at++;

    r->at += json_plain_length(str_from_index(r->text, r->at));
    if (r->at < r->text.len && r->text.ptr[r->at] == '"') {
        *out = (struct text){
            .words = str_of(r->text.ptr + start + 1, r->at++ - start - 1)};
        return true;
    }
    for (; r->at < r->text.len && r->text.ptr[r->at] != '"'; r->at++)
        r->at += r->text.ptr[r->at] == '\\';
    if (r->at >= r->text.len) {
        r->at = start;
        return malformed(r, "a string does not end");
    }
    r->at++;
    out->decoded = decode(r, start);
    out->words = str_of(json_string_value(out->decoded),
                        json_string_length(out->decoded));
    return out->decoded != NULL;
}

static json_t *read_string(struct reader *r)
{
    struct text text;
    json_t *value;

    if (!read_text(r, &text))
        return NULL;
    if (text.decoded)
        return text.decoded;
    value = json_stringn_nocheck(text.words.ptr, text.words.len);
    if (!value)
        too_large(r);
    return value;
}

/*
 * jansson reads integers of 63 bits and makes a double of every fraction; an
 * engine writes 18446744073709551615 for "no limit". Such a number is kept as
 * its own text behind a byte that is in no UTF-8, and so in no other string.
 */
static const char kept_mark = '\xff';

static json_t *keep_number(struct reader *r, size_t start)
{
    struct strbuf kept = STRBUF(LIMIT_REPLY);
    json_t *value = decode(r, start);

    if (!value)
        return NULL;
    json_decref(value);
    strbuf_add_char(&kept, kept_mark);
    strbuf_add(&kept, str_of(r->text.ptr + start, r->at - start));
    value = json_stringn_nocheck(kept.ptr, kept.len);
    strbuf_fini(&kept);
    if (!value)
        too_large(r);
    return value;
}

bool json_kept_number(const json_t *value, struct str *number)
{
    struct str text =
        str_of(json_string_value(value), json_string_length(value));

    if (text.len == 0 || text.ptr[0] != kept_mark)
        return false;
    *number = str_from_index(text, 1);
    return true;
}

static json_t *read_number(struct reader *r)
{
    enum { SAFE_DIGITS = 18 }; /* any number of so many fits */
    size_t start = r->at, first;
    json_int_t n = 0;
    bool negative = r->text.ptr[start] == '-';

    r->at += negative;
    for (first = r->at; at_digit(r) && r->at - first < SAFE_DIGITS; r->at++)
        n = n * 10 + (r->text.ptr[r->at] - '0');
    if (r->at > first && !at_digit(r) && !at_one_of(r, S(".eE+-")) &&
        (r->text.ptr[first] != '0' || (r->at == first + 1 && !negative)))
        return json_integer(negative ? -n : n);
    while (at_one_of(r, S("0123456789.eE+-")))
        r->at++;
    return r->rules->faithful ? keep_number(r, start) : decode(r, start);
}

static json_t *read_value(struct reader *r);

static bool read_list(struct reader *r, json_t *list)
{
    if (take(r, ']'))
        return true;
    do {
        json_t *value = read_value(r);

        if (!value)
            return false;
        if (json_array_append_new(list, value))
            return too_large(r);
    } while (take(r, ','));
    return take(r, ']') || malformed(r, "expected ',' or ']'");
}

static bool read_member(struct reader *r, json_t *object)
{
    size_t before = json_object_size(object), start;
    struct text key;
    json_t *value = NULL;
    bool good;

    skip_blanks(r);
    start = r->at;
    if (start == r->text.len || r->text.ptr[start] != '"')
        return malformed(r, "expected a key");
    if (!read_text(r, &key))
        return false;
    good = take(r, ':') ? (value = read_value(r)) != NULL
                        : malformed(r, "expected ':'");
    if (good && json_object_setn_new_nocheck(object, key.words.ptr,
                                             key.words.len, value))
        good = too_large(r);
    json_decref(key.decoded);
    if (good && !r->rules->faithful && json_object_size(object) == before) {
        r->at = start;
        return malformed(r, "the same key twice in one object");
    }
    return good;
}

static bool read_object(struct reader *r, json_t *object)
{
    if (take(r, '}'))
        return true;
    do {
        if (!read_member(r, object))
            return false;
    } while (take(r, ','));
    return take(r, '}') || malformed(r, "expected ',' or '}'");
}

static json_t *read_nested(struct reader *r, json_t *tree)
{
    bool good;

    if (!tree)
        good = too_large(r);
    else if (r->depth == r->rules->depth)
        good = fail(r, JSON_FAULT_DEEP, "");
    else {
        r->depth++;
        r->at++;
        good = json_is_object(tree) ? read_object(r, tree) : read_list(r, tree);
        r->depth--;
    }
    if (good)
        return tree;
    json_decref(tree);
    return NULL;
}

static json_t *read_word(struct reader *r)
{
    static const struct str words[] = {STR("null"), STR("false"), STR("true")};
    struct str rest = str_from_index(r->text, r->at);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_has_prefix(rest, words[i])) {
            r->at += words[i].len;
            return i == 0 ? json_null() : json_boolean(i == 2);
        }
    }
    malformed(r, "expected a value");
    return NULL;
}

static json_t *read_value(struct reader *r)
{
    skip_blanks(r);
    if (r->at == r->text.len) {
        malformed(r, "it ends where a value is expected");
        return NULL;
    }
    if (r->values++ == r->rules->values) {
        fail(r, JSON_FAULT_MANY, "");
        return NULL;
    }
    switch (r->text.ptr[r->at]) {
    case '{':
        return read_nested(r, json_object());
    case '[':
        return read_nested(r, json_array());
    case '"':
        return read_string(r);
    case '-':
        return read_number(r);
    default:
        return at_digit(r) ? read_number(r) : read_word(r);
    }
}

json_t *json_read(struct str bytes, const struct json_rules *rules,
                  struct json_fault *fault)
{
    struct reader r = {.text = bytes, .rules = rules, .fault = fault};
    json_t *tree = read_value(&r);

    if (!tree)
        return NULL;
    skip_blanks(&r);
    if (r.at == bytes.len)
        return tree;
    malformed(&r, "something follows the value");
    json_decref(tree);
    return NULL;
}
