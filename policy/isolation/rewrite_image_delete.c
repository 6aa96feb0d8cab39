#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

/*
 * What takes images away. An engine refuses, untags and deletes by what it
 * knows of all runners; a runner is to be told what an engine of its own would
 * say. So berth decides by the namespace's own view, takes off the namespace's
 * own names one by one, never by force, and writes the answer itself. The
 * content goes when nobody has a name on it any more.
 */

/* ---- the namespace's containers ---- */

struct users {
    const char
        *id; /* of a container that uses the image; a running one first */
    bool running;
};

static bool is_running(const json_t *container)
{
    struct str state = str_of_json(json_object_get(container, "State"));

    return str_eq(state, S("running")) || str_eq(state, S("paused")) ||
           str_eq(state, S("restarting"));
}

/* False as long as it is not known. */
static bool find_users(struct rewrite *rw, struct str image,
                       struct users *users)
{
    const json_t *list = own_container_list(rw), *container;
    size_t i;

    *users = (struct users){0};
    json_array_foreach(list, i, container)
    {
        if (!container_is_own(rw, container) ||
            !str_eq(str_of_json(json_object_get(container, "ImageID")), image))
            continue;
        own_ids_note(rw, REF_CONTAINER,
                     str_of_json(json_object_get(container, "Id")));
        if (users->id && !is_running(container))
            continue;
        users->id = json_string_value(json_object_get(container, "Id"));
        users->running = is_running(container);
        if (users->running)
            break;
    }
    return list != NULL;
}

/* ---- the answer ---- */

static void add_line(json_t *lines, const char *key, struct str text)
{
    json_array_append_new(
        lines, json_pack("{s:s%}", key, text.ptr ? text.ptr : "", text.len));
}

static bool has_line(const json_t *lines, const char *key, struct str text)
{
    const json_t *line;
    size_t i;

    json_array_foreach(lines, i, line)
    {
        if (str_eq(str_of_json(json_object_get(line, key)), text))
            return true;
    }
    return false;
}

/* What the engine says that it deleted. */
static void add_deleted(json_t *lines, const json_t *reply)
{
    const json_t *line;
    size_t i;

    json_array_foreach(reply, i, line)
    {
        struct str id = str_of_json(json_object_get(line, "Deleted"));

        if (id.len && !has_line(lines, "Deleted", id))
            add_line(lines, "Deleted", id);
    }
}

/* ---- taking names off ---- */

static const struct lookup *delete_name(struct rewrite *rw, struct str name,
                                        const char *query)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    strbuf_add(&out, S("/images/"));
    target_put_segment(&out, name);
    strbuf_add(&out, str_from(query));
    return rewrite_do_in_order(rw, METHOD_DELETE,
                               rewrite_keep(rw, strbuf_str(&out)), NULL, NULL);
}

static const char *prune_query(struct rewrite *rw)
{
    struct str noprune = rewrite_query(rw, S("noprune"));

    return noprune.len && !str_eq(noprune, S("0")) &&
                   !str_eq(noprune, S("false"))
               ? "?noprune=1"
               : "";
}

/* An image that the engine keeps, because a container of another's or an older
 * one of ours is made from it: its content waits under a name of no runner's.
 */
static struct str left_anchor(struct rewrite *rw, struct str id)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    own_anchor_put(&out, S(LEFT_NAMESPACE), id);
    return rewrite_keep(rw, strbuf_str(&out));
}

/*
 * Take NAME off IMAGE. What was deleted by that is added to LINES. False as
 * long as it is not done.
 */
static bool take_off(struct rewrite *rw, struct str id, struct str name,
                     json_t *lines)
{
    const struct lookup *ask = delete_name(rw, name, prune_query(rw));

    if (!ask)
        return false;
    if (ask->status == 409) {
        image_give_name(rw, id, left_anchor(rw, id));
        ask = delete_name(rw, name, "?noprune=1");
    }
    if (!ask)
        return false;
    if (ask->status < 300)
        add_deleted(lines, ask->reply);
    else if (ask->status != 404) /* 404: another exchange was faster */
        rewrite_fail(rw, ask, "take a name off the image");
    return true;
}

/* ---- one image ---- */

struct removal {
    struct rewrite *rw;
    const json_t *image;
    struct str id;
    struct image_names names;
    size_t own_tags, tags; /* how many; all that are seen */
    struct users users;
    bool force;
    json_t *lines;
};

static void conflict(struct removal *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void conflict(struct removal *r, const char *format, ...)
{
    char text[LIMIT_REASON];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    rewrite_answer_with(r->rw, 409, json_pack("{s:s}", "message", text));
}

/* IDs as conflicts show them. */
static struct str short_id(struct str id)
{
    if (str_has_prefix(id, S("sha256:")))
        id = str_from_index(id, 7);
    return str_head(id, 12);
}

static bool is_containerd(const struct removal *r)
{
    return image_is_of_containerd(r->image);
}

static bool removal_begin(struct removal *r, struct rewrite *rw,
                          const struct image_look *look)
{
    struct str force = rewrite_query(rw, S("force"));
    const char *name;
    json_t *own;

    *r = (struct removal){.rw = rw,
                          .image = look->inspected,
                          .id = look->id,
                          .lines = json_array()};
    r->force =
        force.len && !str_eq(force, S("0")) && !str_eq(force, S("false"));
    image_names_of(rw, look->inspected, &r->names);
    json_object_foreach(r->names.tags, name, own)
    {
        r->own_tags += json_is_true(own);
    }
    r->own_tags += json_object_size(r->names.digests);
    r->tags =
        json_object_size(r->names.tags) + json_object_size(r->names.digests);
    return find_users(rw, look->id, &r->users);
}

static void removal_end(struct removal *r)
{
    image_names_fini(&r->names);
    json_decref(r->lines);
}

/* How many of the tags that are seen are of REF's repository. */
static size_t count_in_repository(const struct removal *r,
                                  const struct image_ref *ref)
{
    size_t count = 0;
    const char *name;
    json_t *own;

    json_object_foreach(r->names.tags, name, own)
    {
        struct image_ref other;

        count += image_ref_parse(str_from(name), &other) == 0 &&
                 str_eq(other.name, ref->name);
    }
    return count;
}

/* "Untagged: app@sha256:...", of the repository whose last tag went. */
static void add_untagged_digests(struct removal *r, const struct image_ref *ref)
{
    const json_t *text;
    size_t i;

    json_array_foreach(json_object_get(r->image, "RepoDigests"), i, text)
    {
        struct image_ref other;

        if (image_ref_parse(str_of_json(text), &other) == 0 &&
            str_eq(other.name, ref->name))
            add_line(r->lines, "Untagged", str_of_json(text));
    }
}

static void add_untagged(struct removal *r, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    image_ref_put(&out, ref, IMAGE_SHORT);
    add_line(r->lines, "Untagged", strbuf_str(&out));
}

static void answer_lines(struct removal *r)
{
    if (!rewrite_is_refused(r->rw))
        rewrite_answer_with(r->rw, 200, json_incref(r->lines));
}

/* The engine's name of what FULL, {tag or digest}, is to the runner. */
static struct str engine_name(struct rewrite *rw, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    if (ref->digest.len)
        own_digest_put(&out, rw->context.ns, ref);
    else
        own_tag_put(&out, rw->context.ns, ref);
    return rewrite_keep(rw, strbuf_str(&out));
}

/* The last own name goes: what of the image is left on the engine, and is it
 * still the runner's? */
static void delete_last(struct removal *r, const struct image_ref *ref)
{
    bool stays = r->users.id && (r->users.running || is_containerd(r));
    json_t *deleted = json_array();

    if (stays)
        image_give_name(r->rw, r->id, image_anchor(r->rw, r->id));
    if (take_off(r->rw, r->id, engine_name(r->rw, ref), deleted)) {
        add_untagged(r, ref);
        if (!is_containerd(r) && count_in_repository(r, ref) <= 1)
            add_untagged_digests(r, ref);
        json_array_extend(r->lines, deleted);
        if (!stays && !has_line(r->lines, "Deleted", r->id))
            add_line(r->lines, "Deleted", r->id);
        answer_lines(r);
    }
    json_decref(deleted);
}

static void delete_by_name(struct removal *r, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(OWN_TAG_MAX);
    struct str container;

    image_ref_put(&name, ref, IMAGE_SHORT);
    if (r->tags > 1 || r->names.anchored) {
        json_auto_t *deleted = json_array();

        if (!take_off(r->rw, r->id, engine_name(r->rw, ref), deleted))
            return;
        add_untagged(r, ref);
        if (!is_containerd(r) && count_in_repository(r, ref) == 1)
            add_untagged_digests(r, ref);
        answer_lines(r);
        return;
    }
    if (!r->users.id || r->force) {
        delete_last(r, ref);
        return;
    }
    container = short_id(str_from(r->users.id));
    if (is_containerd(r))
        conflict(r,
                 "conflict: unable to delete %.*s (must be forced) - "
                 "container %.*s is using its referenced image %.*s",
                 STR_FMT(strbuf_str(&name)), STR_FMT(container),
                 STR_FMT(short_id(r->id)));
    else
        conflict(r,
                 "conflict: unable to remove repository reference \"%.*s\" "
                 "(must force) - container %.*s is using its referenced "
                 "image %.*s",
                 STR_FMT(strbuf_str(&name)), STR_FMT(container),
                 STR_FMT(short_id(r->id)));
}

/* Every name that was seen on the image; graph drivers tell of digests, too,
 * and containerd's store of one that has no name. */
static void add_all_untagged(json_t *lines, const json_t *image,
                             const struct image_names *names)
{
    json_auto_t *tags = image_names_tags(names);
    json_auto_t *digests = image_names_digests(names, image, false);
    bool is_containerd = image_is_of_containerd(image);
    const json_t *text;
    size_t i;

    json_array_foreach(tags, i, text)
    {
        add_line(lines, "Untagged", str_of_json(text));
    }
    json_array_foreach(digests, i, text)
    {
        if (!is_containerd)
            add_line(lines, "Untagged", str_of_json(text));
    }
    if (is_containerd && json_array_size(tags) == 0)
        add_line(lines, "Untagged", str_of_json(json_object_get(image, "Id")));
}

bool image_take_off_all(struct rewrite *rw, const json_t *image,
                        const struct image_names *names, json_t *lines)
{
    struct str id = str_of_json(json_object_get(image, "Id"));
    json_auto_t *deleted = json_array();
    const json_t *tag;
    bool done = true;
    size_t i;

    json_array_foreach(json_object_get(image, "RepoTags"), i, tag)
    {
        struct str name = str_of_json(tag);

        if (own_name_is_of(name, rw->context.ns) &&
            !take_off(rw, id, name, deleted))
            done = false;
    }
    if (!done)
        return false;
    add_all_untagged(lines, image, names);
    json_array_extend(lines, deleted);
    if (!has_line(lines, "Deleted", id))
        add_line(lines, "Deleted", id);
    return true;
}

static void delete_by_id(struct removal *r)
{
    struct str id = short_id(r->id);

    if (r->users.id && r->users.running)
        conflict(r,
                 "conflict: unable to delete %.*s (cannot be forced) - image "
                 "is being used by running container %.*s",
                 STR_FMT(id), STR_FMT(short_id(str_from(r->users.id))));
    else if (r->tags > 1 && !r->force)
        conflict(r,
                 "conflict: unable to delete %.*s (must be forced) - image "
                 "is referenced in multiple repositories",
                 STR_FMT(id));
    else if (r->users.id && !r->force)
        conflict(r,
                 "conflict: unable to delete %.*s (must be forced) - image "
                 "is being used by stopped container %.*s",
                 STR_FMT(id), STR_FMT(short_id(str_from(r->users.id))));
    else if (image_take_off_all(r->rw, r->image, &r->names, r->lines))
        answer_lines(r);
}

/* What is not the runner's own stays: to its client, it is gone. */
void rewrite_image_delete(struct rewrite *rw)
{
    struct str text = rw->match->params[0].value;
    struct image_look look = image_look_up(rw, text);
    struct removal removal;
    struct image_ref ref;
    bool own;

    rewrite_set_param(rw, 0, image_sent(rw, text, &look));
    if (look.found == IMAGE_SHARED)
        rewrite_answer_with(rw, 200, json_array());
    if (look.found != IMAGE_OWN)
        return;
    if (!image_has_names(look.inspected)) {
        /* one that an own image was made from: the engine keeps it */
        rewrite_drop_query(rw, S("force"));
        return;
    }
    if (!removal_begin(&removal, rw, &look)) {
        removal_end(&removal);
        return;
    }
    if (image_ref_of_runner(text, &ref)) {
        image_ref_complete(&ref);
        if (image_names_have(&removal.names, &ref, &own))
            delete_by_name(&removal, &ref);
        else
            delete_by_id(&removal);
    } else {
        delete_by_id(&removal);
    }
    removal_end(&removal);
}
