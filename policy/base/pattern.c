#include "policy/base/pattern.h"

/* Going back to the last star is enough: what an earlier one took can only
 * have left more text to the later. */
bool pattern_matches(struct str pattern, struct str text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, taken = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            taken = t;
        } else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool strings_match(const struct strings *list, struct str text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (pattern_matches(str_from(list->items[i]), text))
            return true;
    }
    return false;
}

bool strings_have(const struct strings *list, struct str text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(str_from(list->items[i]), text))
            return true;
    }
    return false;
}
