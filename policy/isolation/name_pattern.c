#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/isolation/name_pattern.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>

struct name_pattern {
    char *text;
    size_t len;
    pcre2_code *code; /* NULL: matches nothing but its own text */
    pcre2_match_data *data;
    pcre2_match_context *context;
};

/* What may be behind "(?" in Go: a name, flags, or flags and a colon. */
static bool is_go_group(struct str s)
{
    if (str_has_prefix(s, S("P<")))
        return true;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == ':' || s.ptr[i] == ')')
            return true;
        if (!strchr("imsU-", s.ptr[i]) || s.ptr[i] == '\0')
            return false;
    }
    return false;
}

/*
 * Go's escapes: any punctuation, and these letters. \x, \p, \Q take something
 * behind them, which means the same to PCRE2.
 */
static bool is_go_escape(char c, bool in_class)
{
    if (c == '\0' || (c & 0x80))
        return false;
    if (isdigit((unsigned char)c))
        return c == '0';
    if (isalpha((unsigned char)c))
        return strchr(in_class ? "aftnrvdDsSwWpPxQE" : "aftnrvdDsSwWpPxQEAzbB",
                      c);
    return true;
}

/* The length of a "{n,m}" at the start of S, or 0. */
static size_t counted(struct str s)
{
    size_t i = 1;

    if (s.len < 3 || s.ptr[0] != '{' || !isdigit((unsigned char)s.ptr[1]))
        return 0;
    while (i < s.len && (isdigit((unsigned char)s.ptr[i]) || s.ptr[i] == ','))
        i++;
    return i < s.len && s.ptr[i] == '}' ? i + 1 : 0;
}

/* The length of the repetition operator at the start of S, or 0. */
static size_t repetition(struct str s)
{
    size_t n = counted(s);

    if (n == 0 && s.len && strchr("*+?", s.ptr[0]) && s.ptr[0])
        n = 1;
    if (n && n < s.len && s.ptr[n] == '?')
        n++; /* lazy */
    return n;
}

/* The length of the bracket expression at the start of S; 0: it is bad. */
static size_t bracket(struct str s)
{
    size_t i = 1;

    if (i < s.len && s.ptr[i] == '^')
        i++;
    if (i < s.len && s.ptr[i] == ']')
        i++;
    for (; i < s.len; i++) {
        if (s.ptr[i] == ']')
            return i + 1;
        if (s.ptr[i] == '\\' && (++i == s.len || !is_go_escape(s.ptr[i], true)))
            return 0;
        if (s.ptr[i] == '[' && i + 1 < s.len && strchr(".=", s.ptr[i + 1]))
            return 0; /* POSIX collation, which PCRE2 knows of */
    }
    return 0;
}

/* Does Go read TEXT? PCRE2 finds what this overlooks. */
static bool is_go_syntax(struct str text)
{
    for (size_t i = 0; i < text.len;) {
        struct str rest = str_from_index(text, i);
        size_t n = repetition(rest);

        if (n) {
            if (repetition(str_from_index(rest, n)))
                return false; /* a** is an error, a*+ possessive */
            i += n;
        } else if (text.ptr[i] == '[') {
            n = bracket(rest);
            if (n == 0)
                return false;
            i += n;
        } else if (text.ptr[i] == '\\') {
            if (rest.len < 2 || !is_go_escape(rest.ptr[1], false))
                return false;
            i += 2;
        } else if (str_has_prefix(rest, S("(?"))) {
            if (!is_go_group(str_from_index(rest, 2)))
                return false;
            i += 2;
        } else if (str_has_prefix(rest, S("(*"))) {
            return false;
        } else {
            i++;
        }
    }
    return true;
}

/* PCRE2 asks this before each step. */
static int count_step(pcre2_callout_block *block, void *arg)
{
    size_t *steps = arg;

    (void)block;
    if (*steps == 0)
        return PCRE2_ERROR_CALLOUT;
    --*steps;
    return 0;
}

struct name_pattern *name_pattern_new(struct str text, size_t *steps)
{
    struct name_pattern *pattern = xcalloc(1, sizeof(*pattern));
    PCRE2_SIZE at;
    int error;

    pattern->text = xstr_dup(text);
    pattern->len = text.len;
    if (text.len > LIMIT_PATTERN || !str_is_utf8(text) || !is_go_syntax(text))
        return pattern;
    pattern->code = pcre2_compile(
        (PCRE2_SPTR)pattern->text, text.len,
        PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY |
            PCRE2_NO_AUTO_CAPTURE | PCRE2_AUTO_CALLOUT,
        &error, &at, NULL);
    if (!pattern->code)
        return pattern;
    pattern->data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    pattern->context = pcre2_match_context_create(NULL);
    if (!pattern->data || !pattern->context) {
        pcre2_code_free(pattern->code);
        pattern->code = NULL;
        return pattern;
    }
    pcre2_set_match_limit(pattern->context, LIMIT_MATCH_STEPS);
    pcre2_set_depth_limit(pattern->context, LIMIT_MATCH_STEPS);
    pcre2_set_heap_limit(pattern->context, LIMIT_MATCH_HEAP);
    pcre2_set_callout(pattern->context, count_step, steps);
    return pattern;
}

struct name_pattern *name_pattern_free(struct name_pattern *pattern)
{
    if (!pattern)
        return NULL;
    pcre2_match_context_free(pattern->context);
    pcre2_match_data_free(pattern->data);
    pcre2_code_free(pattern->code);
    free(pattern->text);
    free(pattern);
    return NULL;
}

bool name_pattern_matches(const struct name_pattern *pattern, struct str name)
{
    if (str_eq(str_of(pattern->text, pattern->len), name))
        return true;
    if (!pattern->code || !str_is_utf8(name))
        return false;
    return pcre2_match(pattern->code, (PCRE2_SPTR)(name.ptr ? name.ptr : ""),
                       name.len, 0, 0, pattern->data, pattern->context) >= 0;
}
