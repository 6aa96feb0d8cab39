#include "policy/base/glob.h"

/* The character at *AT of a set, and behind it. False: the set ends badly. */
static bool set_char(struct str pattern, size_t *at, unsigned char *c)
{
    if (*at >= pattern.len || strchr("]-", pattern.ptr[*at]))
        return false;
    if (pattern.ptr[*at] == '\\' && ++*at == pattern.len)
        return false;
    *c = (unsigned char)pattern.ptr[(*at)++];
    return true;
}

/* "[...]" */
static bool set_fits(struct str pattern, char text, size_t *len)
{
    bool negated = pattern.len > 1 && pattern.ptr[1] == '^', in = false;
    size_t at = negated ? 2 : 1, members = 0;
    unsigned char c = (unsigned char)text, low, high;

    *len = SIZE_MAX; /* until its end is seen */
    while (at < pattern.len && (pattern.ptr[at] != ']' || members == 0)) {
        if (!set_char(pattern, &at, &low))
            return false;
        high = low;
        if (at < pattern.len && pattern.ptr[at] == '-') {
            at++;
            if (!set_char(pattern, &at, &high))
                return false;
        }
        in = in || (low <= c && c <= high);
        members++;
    }
    if (at >= pattern.len)
        return false;
    *len = at + 1;
    return in != negated && text != '/';
}

/* The first item of a pattern, which is no "*", and how long it is. */
static bool item_fits(struct str pattern, char c, size_t *len)
{
    *len = 1;
    switch (pattern.ptr[0]) {
    case '?':
        return c != '/';
    case '[':
        return set_fits(pattern, c, len);
    case '\\':
        *len = 2;
        return pattern.len > 1 && pattern.ptr[1] == c;
    default:
        return pattern.ptr[0] == c;
    }
}

bool glob_matches(struct str pattern, struct str text)
{
    struct str star = {0}, from = {0}; /* the last "*", and where it began */
    bool starred = false;
    size_t len;

    while (text.len) {
        if (pattern.len && pattern.ptr[0] == '*') {
            pattern = star = str_from_index(pattern, 1);
            from = text;
            starred = true;
        } else if (pattern.len && item_fits(pattern, text.ptr[0], &len)) {
            pattern = str_from_index(pattern, len);
            text = str_from_index(text, 1);
        } else if (starred && from.len && from.ptr[0] != '/') {
            from = str_from_index(from, 1);
            text = from;
            pattern = star;
        } else {
            return false;
        }
    }
    while (pattern.len && pattern.ptr[0] == '*')
        pattern = str_from_index(pattern, 1);
    return pattern.len == 0;
}
