/* Lists of algorithms. */

#include "policy/ssh_config/ssh_config_private.h"

static int add_name(struct strbuf *out, struct str name)
{
    int r = 0;

    if (name.len == 0)
        return 0;
    if (out->len)
        r = strbuf_add_char(out, ',');
    return r ? r : strbuf_add(out, name);
}

static bool has_name(struct str list, struct str name)
{
    while (list.len) {
        struct str one;

        str_cut(list, ',', &one, &list);
        if (str_eq(one, name))
            return true;
    }
    return false;
}

static bool fits_any(struct str list, struct str name)
{
    while (list.len) {
        struct str one;

        str_cut(list, ',', &one, &list);
        if (ssh_pattern_matches(one, name))
            return true;
    }
    return false;
}

/* The names of LIST that are not in OUT yet, nor, unless it is NULL, fit one
 * of the patterns of BUT. */
static int add_names(struct strbuf *out, struct str list, struct str but)
{
    int r = 0;

    while (r == 0 && list.len) {
        struct str one;

        str_cut(list, ',', &one, &list);
        if (!has_name(strbuf_str(out), one) && !fits_any(but, one))
            r = add_name(out, one);
    }
    return r;
}

int ssh_config_algorithms(struct str list, struct str defaults,
                          struct strbuf *out)
{
    struct str names = str_from_index(list, 1);
    int r;

    if (str_has_prefix(list, S("-")))
        return add_names(out, defaults, names);
    if (str_has_prefix(list, S("^"))) {
        r = add_names(out, names, S(""));
        return r ? r : add_names(out, defaults, S(""));
    }
    if (str_has_prefix(list, S("+"))) {
        r = add_names(out, defaults, S(""));
        return r ? r : add_names(out, names, S(""));
    }
    return add_names(out, list, S(""));
}
