#include "policy/isolation/list_filter.h"

#include <stdlib.h>
#include <string.h>

#include "policy/docker/namespace.h"
#include "policy/docker/own_tag.h"
#include "policy/isolation/rewrite.h"
#include "policy/isolation/rewrite_private.h"

struct list_filter {
    char *ns;
    bool brief;
    size_t depth;      /* of open arrays and objects */
    size_t list_depth; /* of the list that is open; 0: none is */
    bool is_object;    /* the reply is one */
    bool in_string;
    bool escaped;        /* a backslash in it was the last */
    bool too_long;       /* the element is; it goes */
    bool needs_comma;    /* an element of the list has been kept */
    struct strbuf label; /* the namespace's, as an engine writes it */
    struct strbuf held;  /* the element so far */
};

bool list_filter_fits(struct str target)
{
    static const char *const lists[] = {"/containers/json", "/images/json",
                                        "/networks", "/volumes", "/system/df"};
    struct str path, query;

    str_cut(target, '?', &path, &query);
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        if (str_eq(path, str_from(lists[i])))
            return true;
    }
    return false;
}

struct list_filter *list_filter_new(struct str ns, bool brief)
{
    struct list_filter *filter = xcalloc(1, sizeof(*filter));

    filter->ns = xstr_dup(ns);
    filter->brief = brief;
    filter->label = (struct strbuf)STRBUF(2 * LIMIT_NAME);
    strbuf_addf(&filter->label, "\"" LABEL_NAMESPACE "\":\"%.*s\"",
                STR_FMT(ns));
    filter->held = (struct strbuf)STRBUF(LIMIT_LIST_ELEMENT);
    return filter;
}

struct list_filter *list_filter_free(struct list_filter *filter)
{
    if (!filter)
        return NULL;
    strbuf_fini(&filter->label);
    strbuf_fini(&filter->held);
    free(filter->ns);
    free(filter);
    return NULL;
}

/* ---- one element ---- */

static bool has_word(struct str text, struct str word)
{
    return memmem(text.len ? text.ptr : "", text.len, word.ptr, word.len);
}

/* The names of an image: how many are there, and how many of them NS sees. */
struct names {
    size_t all, seen;
};

static void count_names(const json_t *list, struct str ns, struct names *names)
{
    const json_t *name;
    size_t i;

    json_array_foreach(list, i, name)
    {
        struct str text = str_of_json(name);

        if (str_has_prefix(text, S("<none>"))) /* old engines' word for none */
            continue;
        names->all++;
        names->seen += own_name_read(text).kind == OWN_NAME_REAL ||
                       own_name_is_of(text, ns);
    }
}

static struct names names_of(const json_t *image, struct str ns)
{
    struct names names = {0};

    count_names(json_object_get(image, "RepoTags"), ns, &names);
    count_names(json_object_get(image, "RepoDigests"), ns, &names);
    return names;
}

static bool is_image(const json_t *element)
{
    return json_object_get(element, "RepoTags") != NULL;
}

static bool is_anothers(const json_t *element, struct str ns)
{
    const json_t *owner =
        json_object_get(json_object_get(element, "Labels"), LABEL_NAMESPACE);
    struct names names;

    if (!is_image(element))
        return json_is_string(owner) && !str_eq(str_of_json(owner), ns);
    names = names_of(element, ns);
    return names.all > 0 && names.seen == 0;
}

static bool is_nameless_image(const json_t *element, struct str ns)
{
    return is_image(element) && names_of(element, ns).all == 0;
}

/*
 * Is the label in TEXT, an element, that of the namespace? Where there is one
 * such key in all of it, no other can be the label. Images go by their names.
 */
static bool is_plainly_own(const struct list_filter *filter, struct str text)
{
    const struct str key = S("\"" LABEL_NAMESPACE "\"");
    const char *at = memmem(text.ptr, text.len, key.ptr, key.len);
    struct str rest =
        at ? str_from_index(text, (size_t)(at - text.ptr)) : S("");

    return str_has_prefix(rest, strbuf_str(&filter->label)) &&
           !has_word(str_from_index(rest, key.len), key) &&
           !has_word(text, S("\"RepoTags\""));
}

/* Leave no labels on ELEMENT but berth's own, and one that says so. */
static void drop_labels(json_t *element)
{
    json_t *labels = json_object_get(element, "Labels");
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(labels, next, key, value)
    {
        if (!str_has_prefix(str_from(key), S(LABEL_PREFIX)))
            json_object_del(labels, key);
    }
    json_object_set_new(labels, LABEL_CUT, json_string(""));
}

static int put_comma(struct list_filter *filter, struct strbuf *out)
{
    int r = filter->needs_comma ? strbuf_add_char(out, ',') : 0;

    filter->needs_comma = true;
    return r;
}

/* The element that is held is whole. */
static int put_element(struct list_filter *filter, struct strbuf *out)
{
    struct str text = strbuf_str(&filter->held);
    struct str ns = str_from(filter->ns);
    json_auto_t *element = NULL;
    int r;

    if (filter->too_long || str_trim(text).len == 0)
        return 0;
    /* most need no parser */
    if (text.len > LIMIT_LIST_LABELS ||
        (has_word(text, S("berth.")) && !is_plainly_own(filter, text)))
        element = reply_json_parse(text);
    if (ns.len && is_anothers(element, ns))
        return 0;
    r = put_comma(filter, out);
    if (r || text.len <= LIMIT_LIST_LABELS ||
        !(filter->brief || is_nameless_image(element, ns)))
        return r ? r : strbuf_add(out, text);
    drop_labels(element);
    return reply_json_put(out, element);
}

static int end_element(struct list_filter *filter, struct strbuf *out)
{
    int r = put_element(filter, out);

    strbuf_clear(&filter->held);
    filter->too_long = false;
    return r;
}

/* ---- the text ---- */

static bool opens_list(const struct list_filter *filter, char c)
{
    return c == '[' && filter->list_depth == 0 &&
           (filter->depth == 0 || (filter->depth == 1 && filter->is_object));
}

/* Held as part of an element, or passed. */
static int put_all(struct list_filter *filter, struct str part,
                   struct strbuf *out)
{
    if (filter->list_depth == 0)
        return strbuf_add(out, part);
    if (!filter->too_long && strbuf_add(&filter->held, part))
        filter->too_long = true;
    return 0;
}

static int put(struct list_filter *filter, char c, struct strbuf *out)
{
    return put_all(filter, str_of(&c, 1), out);
}

static int open_value(struct list_filter *filter, char c, struct strbuf *out)
{
    bool list = opens_list(filter, c);
    int r = put(filter, c, out);

    if (filter->depth == 0)
        filter->is_object = c == '{';
    filter->depth++;
    if (list) {
        filter->list_depth = filter->depth;
        filter->needs_comma = false;
    }
    return r;
}

static int close_value(struct list_filter *filter, char c, struct strbuf *out)
{
    int r = 0;

    if (filter->list_depth && filter->depth == filter->list_depth) {
        r = end_element(filter, out);
        filter->list_depth = 0;
    }
    if (filter->depth)
        filter->depth--;
    return r ? r : put(filter, c, out);
}

static int take(struct list_filter *filter, char c, struct strbuf *out)
{
    if (filter->in_string) {
        filter->in_string = filter->escaped || c != '"';
        filter->escaped = !filter->escaped && c == '\\';
        return put(filter, c, out);
    }
    switch (c) {
    case '"':
        filter->in_string = true;
        return put(filter, c, out);
    case '[':
    case '{':
        return open_value(filter, c, out);
    case ']':
    case '}':
        return close_value(filter, c, out);
    case ',':
        if (filter->list_depth && filter->depth == filter->list_depth)
            return end_element(filter, out);
        break;
    default:
        break;
    }
    return put(filter, c, out);
}

/* How many bytes at the front of TEXT say nothing about where it is: all but
 * quotes, backslashes, commas, brackets and braces. */
static size_t dull_length(const struct list_filter *filter, struct str text)
{
    static const bool tells[256] = {
        ['"'] = true, ['['] = true, [']'] = true,
        ['{'] = true, ['}'] = true, [','] = true,
    };
    size_t i = 0;

    if (filter->escaped)
        return 0;
    if (filter->in_string)
        while (i < text.len && text.ptr[i] != '"' && text.ptr[i] != '\\')
            i++;
    else
        while (i < text.len && !tells[(unsigned char)text.ptr[i]])
            i++;
    return i;
}

int list_filter_feed(struct list_filter *filter, struct str bytes,
                     struct strbuf *out)
{
    int r = 0;

    while (r == 0 && bytes.len) {
        size_t dull = dull_length(filter, bytes);

        if (dull) {
            r = put_all(filter, str_head(bytes, dull), out);
            bytes = str_from_index(bytes, dull);
        } else {
            r = take(filter, bytes.ptr[0], out);
            bytes = str_from_index(bytes, 1);
        }
    }
    return r;
}

size_t list_filter_memory(const struct list_filter *filter)
{
    return filter->held.cap;
}
