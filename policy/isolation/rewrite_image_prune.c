#include "policy/isolation/rewrite_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A prune of images. The engine's own is never called: it would go by the names
 * and containers of everybody. What the namespace has without a name (or, with
 * dangling=false, whatever no container of its uses) loses its own names, one
 * by one; labels are compared here, times by the engine in the list.
 */

static bool is_false(const json_t *values)
{
    return json_object_get(values, "false") || json_object_get(values, "0");
}

/* "key" or "key=value". */
static bool has_label(const json_t *labels, struct str wanted)
{
    struct str key, value;
    bool valued = str_cut(wanted, '=', &key, &value);
    const json_t *is = json_object_getn(labels, key.ptr, key.len);

    return is && (!valued || str_eq(str_of_json(is), value));
}

/* As Docker's prune goes by them: all of "label", and none of "label!". */
static bool labels_are_wanted(const json_t *filters, const json_t *image)
{
    const json_t *labels = json_object_get(image, "Labels");
    json_t *all = json_object_get(filters, "label");
    json_t *none = json_object_get(filters, "label!");
    const char *text;
    json_t *yes;

    if ((all || none) && json_object_get(labels, LABEL_CUT))
        return false; /* they are too long to be known */
    json_object_foreach(all, text, yes)
    {
        if (!has_label(labels, str_from(text)))
            return false;
    }
    json_object_foreach(none, text, yes)
    {
        if (has_label(labels, str_from(text)))
            return false;
    }
    return true;
}

/* All images that are old enough; NULL: not known yet. */
static const json_t *candidates(struct rewrite *rw, const json_t *filters)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    json_t *until = json_object_get(filters, "until");
    json_auto_t *asked = json_pack("{s:O*}", "until", until);
    const struct lookup *ask;

    strbuf_add(&target, S("/images/json?shared-size=1"));
    if (json_object_size(asked)) {
        strbuf_add(&target, S("&filters="));
        rewrite_put_json(&target, asked);
    }
    ask = rewrite_get(rw, strbuf_str(&target));
    if (!ask)
        return NULL;
    if (ask->status >= 400) {
        rewrite_answer_with(rw, ask->status, json_incref(ask->reply));
        return NULL;
    }
    return ask->reply;
}

static bool is_used(struct rewrite *rw, const json_t *containers,
                    struct str image)
{
    const json_t *container;
    size_t i;

    json_array_foreach(containers, i, container)
    {
        if (container_is_own(rw, container) &&
            str_eq(str_of_json(json_object_get(container, "ImageID")), image))
            return true;
    }
    return false;
}

static json_int_t freed_by(const json_t *image)
{
    json_int_t size = json_integer_value(json_object_get(image, "Size"));
    json_int_t shared =
        json_integer_value(json_object_get(image, "SharedSize"));

    return shared > 0 && shared < size ? size - shared : size;
}

/* Only the keys that an engine knows here (daemon/images/image_prune.go). */
static bool keys_are_known(struct rewrite *rw, json_t *filters)
{
    static const char *const known[] = {"dangling", "label", "label!", "until"};
    char text[LIMIT_REASON];
    const char *key;
    json_t *values;

    json_object_foreach(filters, key, values)
    {
        size_t i = 0;

        while (i < sizeof(known) / sizeof(*known) && strcmp(key, known[i]) != 0)
            i++;
        if (i < sizeof(known) / sizeof(*known))
            continue;
        snprintf(text, sizeof(text), "invalid filter '%.200s'", key);
        rewrite_answer_with(rw, 400, json_pack("{s:s}", "message", text));
        return false;
    }
    return true;
}

struct prune {
    struct rewrite *rw;
    const json_t *filters, *containers, *list;
    bool all; /* not only what has no name */
    bool *goes;
};

static bool may_go(const struct prune *prune, const json_t *image)
{
    struct image_names names;
    bool may;

    image_names_of(prune->rw, image, &names);
    may = image_names_are_own(&names) &&
          (prune->all || image_names_dangle(&names)) &&
          labels_are_wanted(prune->filters, image) &&
          !is_used(prune->rw, prune->containers,
                   str_of_json(json_object_get(image, "Id")));
    image_names_fini(&names);
    return may;
}

/* What those are made from that stay stays, too. Did any that was to go? */
static bool keep_parents(const struct prune *prune)
{
    json_auto_t *kept = json_object();
    const json_t *image;
    bool any = false;
    size_t i;

    json_array_foreach(prune->list, i, image)
    {
        struct str parent = str_of_json(json_object_get(image, "ParentId"));

        if (!prune->goes[i] && parent.len)
            json_object_setn_new(kept, parent.ptr, parent.len, json_true());
    }
    json_array_foreach(prune->list, i, image)
    {
        struct str id = str_of_json(json_object_get(image, "Id"));

        if (prune->goes[i] && json_object_getn(kept, id.ptr, id.len)) {
            prune->goes[i] = false;
            any = true;
        }
    }
    return any;
}

static void choose(const struct prune *prune)
{
    const json_t *image;
    size_t i;

    json_array_foreach(prune->list, i, image)
    {
        prune->goes[i] = may_go(prune, image);
    }
    while (!prune->all && keep_parents(prune))
        continue;
}

/* How many questions it takes to have all names of IMAGE taken off. */
static size_t cost_of(const json_t *image)
{
    return 1 + json_array_size(json_object_get(image, "RepoTags"));
}

/* As many as one request may ask for; more go with the next. */
static bool take_off(const struct prune *prune, json_t *lines,
                     json_int_t *reclaimed)
{
    size_t i, left = LIMIT_LOOKUPS - LIMIT_LOOKUPS / 8;
    const json_t *image;
    bool done = true;

    json_array_foreach(prune->list, i, image)
    {
        struct image_names names;

        if (!prune->goes[i] || cost_of(image) > left)
            continue;
        left -= cost_of(image);
        image_names_of(prune->rw, image, &names);
        done = image_take_off_all(prune->rw, image, &names, lines) && done;
        *reclaimed += freed_by(image);
        image_names_fini(&names);
    }
    return done;
}

void rewrite_image_prune(struct rewrite *rw)
{
    json_auto_t *filters = filters_read(rw), *lines = json_array();
    struct prune prune = {.rw = rw, .filters = filters};
    json_int_t reclaimed = 0;
    bool done;

    if (!filters || !keys_are_known(rw, filters))
        return;
    prune.all = is_false(json_object_get(filters, "dangling"));
    prune.containers = own_container_list(rw);
    prune.list = candidates(rw, filters);
    if (!prune.containers || !prune.list)
        return;
    prune.goes = xcalloc(json_array_size(prune.list) + 1, sizeof(bool));
    choose(&prune);
    done = take_off(&prune, lines, &reclaimed);
    free(prune.goes);
    if (done && !rewrite_is_refused(rw))
        rewrite_answer_with(
            rw, 200,
            json_pack("{s:O*, s:I}", "ImagesDeleted",
                      json_array_size(lines) ? lines : json_null(),
                      "SpaceReclaimed", reclaimed));
}
