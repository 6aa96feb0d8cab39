#include "policy/base/environment.h"

#include <ctype.h>
#include <errno.h>

enum { NESTING_MAX = 8, NAME_MAX_LENGTH = 128 };

const char *environment_get(const struct environment *environment,
                            const char *name)
{
    return environment->get != NULL ? environment->get(environment->arg, name)
                                    : NULL;
}

static bool is_name(struct str s)
{
    if (s.len == 0 || s.len > NAME_MAX_LENGTH ||
        isdigit((unsigned char)s.ptr[0]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.ptr[i]) && s.ptr[i] != '_')
            return false;
    return true;
}

/* The position of the "}" that closes the "${" before S, or -1. */
static ssize_t find_close(struct str s)
{
    size_t open = 1;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '$' && i + 1 < s.len && s.ptr[i + 1] == '{')
            open++;
        else if (s.ptr[i] == '}' && --open == 0)
            return (ssize_t)i;
    }
    return -1;
}

static int fill(const struct environment *environment, struct str text,
                struct strbuf *out, struct strbuf *why, unsigned depth);

/* One ${INSIDE}. */
static int fill_one(const struct environment *environment, struct str inside,
                    struct strbuf *out, struct strbuf *why, unsigned depth)
{
    struct str name = inside, fallback = S("");
    bool has_fallback = false;

    for (size_t i = 0; i + 1 < inside.len; i++)
        if (inside.ptr[i] == ':' && inside.ptr[i + 1] == '-') {
            name = str_head(inside, i);
            fallback = str_from_index(inside, i + 2);
            has_fallback = true;
            break;
        }
    if (!is_name(name)) {
        strbuf_addf(why,
                    "\"${%.*s}\" names no variable; write ${NAME} or "
                    "${NAME:-default} with letters, digits and _, or $${ for "
                    "a plain ${",
                    STR_FMT(str_head(inside, 60)));
        return ENVIRONMENT_E_REFUSED;
    }
    AUTO(strbuf_fini) struct strbuf word = STRBUF(NAME_MAX_LENGTH + 1);

    strbuf_add(&word, name);
    const char *value = environment_get(environment, strbuf_cstr(&word));

    if (value != NULL && (*value != '\0' || !has_fallback))
        return strbuf_add(out, str_from(value));
    if (has_fallback)
        return fill(environment, fallback, out, why, depth + 1);
    strbuf_addf(why,
                "the environment has no %.*s; set it, or write "
                "${%.*s:-default}",
                STR_FMT(name), STR_FMT(name));
    return ENVIRONMENT_E_REFUSED;
}

static int fill(const struct environment *environment, struct str text,
                struct strbuf *out, struct strbuf *why, unsigned depth)
{
    if (depth > NESTING_MAX) {
        strbuf_addf(why, "more than %d ${} inside each other; write fewer",
                    (int)NESTING_MAX);
        return ENVIRONMENT_E_REFUSED;
    }
    while (text.len > 0) {
        int r;

        if (str_has_prefix(text, S("$${"))) {
            r = strbuf_add(out, S("${"));
            text = str_from_index(text, 3);
        } else if (str_has_prefix(text, S("${"))) {
            struct str rest = str_from_index(text, 2);
            ssize_t close = find_close(rest);

            if (close < 0) {
                strbuf_addf(why, "a ${ has no }; close it, or write $${ for a "
                                 "plain ${");
                return ENVIRONMENT_E_REFUSED;
            }
            r = fill_one(environment, str_head(rest, (size_t)close), out, why,
                         depth);
            text = str_from_index(rest, (size_t)close + 1);
        } else {
            r = strbuf_add_char(out, text.ptr[0]);
            text = str_from_index(text, 1);
        }
        if (r != 0)
            return r;
    }
    return 0;
}

int environment_fill(const struct environment *environment, struct str text,
                     struct strbuf *out, struct strbuf *why)
{
    return fill(environment, text, out, why, 0);
}

int environment_escape(struct str text, struct strbuf *out)
{
    int r = 0;

    for (size_t i = 0; i < text.len && r == 0; i++) {
        if (str_has_prefix(str_from_index(text, i), S("${")))
            r = strbuf_add_char(out, '$');
        if (r == 0)
            r = strbuf_add_char(out, text.ptr[i]);
    }
    return r;
}
