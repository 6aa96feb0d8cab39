#include "policy/base/json_locate.h"

#include <errno.h>

#include <jansson.h>

static bool is_blank(char c)
{
    return str_find(S(" \t\r\n"), c) >= 0;
}

static bool is_mark(char c)
{
    return str_find(S("{}[],:"), c) >= 0;
}

static size_t skip_blanks(struct str text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    return at;
}

/* The end of the token at AT: a string, a run of word characters, or one
 * byte. */
static size_t skip_token(struct str text, size_t at)
{
    if (at >= text.len)
        return at;
    if (text.ptr[at] == '"') {
        for (at++; at < text.len && text.ptr[at] != '"'; at++)
            if (text.ptr[at] == '\\')
                at++;
        return at < text.len ? at + 1 : text.len;
    }
    if (is_mark(text.ptr[at]))
        return at + 1;
    while (at < text.len && !is_blank(text.ptr[at]) && !is_mark(text.ptr[at]) &&
           text.ptr[at] != '"')
        at++;
    return at;
}

/* The end of the value at AT. */
static size_t skip_value(struct str text, size_t at)
{
    size_t depth = 0;

    do {
        at = skip_blanks(text, at);
        if (at >= text.len)
            return at;
        if (text.ptr[at] == '{' || text.ptr[at] == '[')
            depth++;
        else if (text.ptr[at] == '}' || text.ptr[at] == ']')
            depth--;
        at = skip_token(text, at);
    } while (depth > 0);
    return at;
}

struct json_position json_position_of(struct str text, size_t offset)
{
    struct json_position position = {1, 1};

    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            position.line++;
            position.column = 1;
        } else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) {
            position.column++;
        }
    }
    return position;
}

size_t json_token_start(struct str text, size_t end)
{
    size_t start = 0;

    for (size_t at = skip_blanks(text, 0); at < end && at < text.len;) {
        start = at;
        at = skip_blanks(text, skip_token(text, at));
    }
    return start;
}

/* Is the string token at [START, END) the JSON spelling of KEY? */
static bool token_is(struct str text, size_t start, size_t end, const char *key)
{
    json_auto_t *word = json_loadb(text.ptr + start, end - start,
                                   JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    return json_string_value(word) != NULL &&
           str_eq(str_of(json_string_value(word), json_string_length(word)),
                  str_from(key));
}

struct found {
    size_t key;   /* of a member */
    size_t value; /* where the value starts */
};

/* The step from the container at AT to the child that STEP names. */
static bool find_child(struct str text, size_t at, const struct json_path *step,
                       struct found *found)
{
    char opening = step->key != NULL ? '{' : '[';
    size_t index = 0;

    at = skip_blanks(text, at);
    if (at >= text.len || text.ptr[at] != opening)
        return false;
    at++;
    for (;;) {
        at = skip_blanks(text, at);
        if (at >= text.len || text.ptr[at] == '}' || text.ptr[at] == ']')
            return false;
        if (text.ptr[at] == ',') {
            at++;
            continue;
        }
        size_t key = at;
        bool hit = index++ == step->index;

        if (step->key != NULL) {
            size_t end = skip_token(text, at);

            hit = token_is(text, key, end, step->key);
            at = skip_blanks(text, end) + 1; /* the colon */
        }
        at = skip_blanks(text, at);
        if (hit) {
            found->key = key;
            found->value = at;
            return true;
        }
        at = skip_value(text, at);
    }
}

static bool find(struct str text, const struct json_path *path,
                 struct found *found)
{
    if (path == NULL) {
        found->key = found->value = skip_blanks(text, 0);
        return found->value < text.len;
    }
    return find(text, path->up, found) &&
           find_child(text, found->value, path, found);
}

bool json_locate(struct str text, const struct json_path *path,
                 struct json_position *position)
{
    struct found found;

    if (!find(text, path, &found))
        return false;
    *position = json_position_of(text, found.value);
    return true;
}

bool json_locate_key(struct str text, const struct json_path *path,
                     struct json_position *position)
{
    struct found found;

    if (!find(text, path, &found))
        return false;
    *position = json_position_of(text, found.key);
    return true;
}

int json_path_put(struct strbuf *out, const struct json_path *path)
{
    if (path == NULL)
        return 0;
    int r = json_path_put(out, path->up);

    if (r < 0)
        return r;
    if (path->key == NULL)
        return strbuf_addf(out, "[%zu]", path->index);
    return strbuf_addf(out, "%s%s", path->up != NULL ? "." : "", path->key);
}
