#include "policy/isolation/rewrite_private.h"

/*
 * What the name or ID of an image means to a namespace: its own, one that is
 * shared, or none, although somebody else has it.
 *
 * A name is the namespace's own tag if there is one, else the engine's if the
 * policy shares it; both are asked for at once. What was found is used by its
 * ID from then on, so that no tag that moves in between changes what is meant.
 * An ID means an image with any name that the namespace sees, or one without
 * names that an image of its own was made from.
 */

bool image_inspected(struct rewrite *rw, struct str ref, const json_t **image)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_REPLY);
    const struct lookup *ask;

    strbuf_add(&target, S("/images/"));
    target_put_segment(&target, ref);
    strbuf_add(&target, S("/json"));
    ask = rewrite_get(rw, strbuf_str(&target));
    *image = ask && ask->status == 200 ? ask->reply : NULL;
    return ask != NULL;
}

void image_names_of(const struct rewrite *rw, const json_t *image,
                    struct image_names *names)
{
    image_names_read(names, rw->context.ns, rw->context.shared, image);
}

static struct image_look found(struct rewrite *rw, const json_t *image,
                               bool own)
{
    return (struct image_look){
        .found = own ? IMAGE_OWN : IMAGE_SHARED,
        .id = rewrite_keep(rw, str_of_json(json_object_get(image, "Id"))),
        .inspected = image,
    };
}

/* ---- by name ---- */

struct str image_own_tag(struct rewrite *rw, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    own_tag_put(&out, rw->context.ns, ref);
    return rewrite_keep(rw, strbuf_str(&out));
}

bool image_ref_of_runner(struct str text, struct image_ref *ref)
{
    return image_ref_parse(text, ref) == 0 && !own_tag_is_reserved(ref) &&
           !own_tag_is_ambiguous(ref);
}

/* Does the engine's IMAGE count as REF, which it was asked for? It may have
 * been found because its ID begins so. */
static bool counts_as(const struct rewrite *rw, const json_t *image,
                      const struct image_ref *ref, bool *own)
{
    struct image_ref whole = *ref;
    struct image_names names;
    bool counts;

    whole.name = ref->name; /* still of REF */
    image_ref_complete(&whole);
    image_names_of(rw, image, &names);
    counts = image_names_have(&names, &whole, own);
    if (!counts && ref->digest.len) { /* a digest says what is in it */
        counts = image_names_show(&names);
        *own = image_names_are_own(&names);
    }
    image_names_fini(&names);
    return counts;
}

/* ---- by ID ---- */

static struct str without_algorithm(struct str id)
{
    return str_has_prefix(id, S("sha256:")) ? str_from_index(id, 7) : id;
}

static bool id_begins(const json_t *image, struct str word)
{
    return str_has_prefix(
        without_algorithm(str_of_json(json_object_get(image, "Id"))),
        without_algorithm(word));
}

static bool shows(const struct rewrite *rw, const json_t *image, bool *own)
{
    struct image_names names;
    bool show;

    image_names_of(rw, image, &names);
    show = image_names_show(&names);
    *own = image_names_are_own(&names);
    image_names_fini(&names);
    return show;
}

bool image_has_names(const json_t *image)
{
    const json_t *names = json_object_get(image, "RepoTags");
    const char *first = json_string_value(json_array_get(names, 0));

    return first && strcmp(first, "<none>:<none>") != 0;
}

json_t *images_parents(const json_t *list)
{
    json_t *parents = json_object(), *image;
    size_t i;

    json_array_foreach(list, i, image)
    {
        struct str id = str_of_json(json_object_get(image, "ParentId"));

        if (id.len)
            json_object_setn_new(parents, id.ptr, id.len, json_true());
    }
    return parents;
}

json_t *images_by_id(const json_t *list)
{
    json_t *index = json_object(), *image;
    size_t i;

    json_array_foreach(list, i, image)
    {
        const char *id = json_string_value(json_object_get(image, "Id"));

        if (id)
            json_object_set(index, id, image);
    }
    return index;
}

/* Note in OWN what IMAGE was made from, as far as that has no name. */
static void follow_parents(const json_t *index, const json_t *image,
                           json_t *own)
{
    for (;;) {
        const char *parent =
            json_string_value(json_object_get(image, "ParentId"));

        image = parent ? json_object_get(index, parent) : NULL;
        if (!image || image_has_names(image) || json_object_get(own, parent))
            return;
        json_object_set_new(own, parent, json_true());
    }
}

json_t *images_made_from(const struct rewrite *rw, const json_t *list)
{
    json_auto_t *index = images_by_id(list);
    json_t *own = json_object();
    const json_t *image;
    bool is_own;
    size_t i;

    json_array_foreach(list, i, image)
    {
        if (shows(rw, image, &is_own) && is_own)
            follow_parents(index, image, own);
    }
    return own;
}

/* What the beginning of an ID means among all that the namespace has. Not what
 * an engine says: to it, WORD may be ambiguous with another's. */
static struct image_look look_through(struct rewrite *rw, struct str word)
{
    const struct lookup *ask = rewrite_get(rw, S("/images/json?all=1"));
    json_auto_t *made_from = NULL;
    const json_t *image, *inspected;
    struct str id = S("");
    bool own, own_one = false;
    size_t i;

    if (!ask)
        return (struct image_look){.found = IMAGE_MISSING};
    made_from = images_made_from(rw, ask->reply);
    json_array_foreach(ask->reply, i, image)
    {
        struct str other = str_of_json(json_object_get(image, "Id"));

        if (!id_begins(image, word))
            continue;
        if (json_object_getn(made_from, other.ptr, other.len))
            own = true;
        else if (!shows(rw, image, &own))
            continue;
        if (id.len && !str_eq(id, other))
            return (struct image_look){.found = IMAGE_NONE};
        id = other;
        own_one = own;
    }
    if (id.len == 0)
        return (struct image_look){.found = IMAGE_NONE};
    if (!image_inspected(rw, id, &inspected))
        return (struct image_look){.found = IMAGE_MISSING};
    return inspected ? found(rw, inspected, own_one)
                     : (struct image_look){.found = IMAGE_NONE};
}

/* ---- both ---- */

/* Without a namespace it is what the engine takes it for. */
static struct image_look look_up_plain(struct rewrite *rw, struct str text)
{
    const json_t *image;
    struct image_ref ref;

    if (image_ref_parse(text, &ref) && !image_ref_is_id(text))
        return (struct image_look){.found = IMAGE_NONE};
    if (!image_inspected(rw, text, &image))
        return (struct image_look){.found = IMAGE_MISSING};
    return image ? found(rw, image, false)
                 : (struct image_look){.found = IMAGE_NONE};
}

struct image_look image_look_up(struct rewrite *rw, struct str text)
{
    const json_t *own_one = NULL, *engines = NULL;
    bool is_id = image_ref_is_id(text), asked = true, own;
    struct image_ref ref;
    bool is_name = image_ref_of_runner(text, &ref);

    if (!rewrite_has_namespace(rw))
        return look_up_plain(rw, text);
    if (!is_name && !is_id)
        return (struct image_look){.found = IMAGE_NONE};
    if (is_id && !rewrite_may_look_up(rw))
        return (struct image_look){.found = IMAGE_MISSING};
    if (is_name && !image_inspected(rw, image_own_tag(rw, &ref), &own_one))
        asked = false;
    if (!image_inspected(rw, text, &engines) || !asked)
        return (struct image_look){.found = IMAGE_MISSING};
    if (own_one)
        return found(rw, own_one, true);
    if (engines && is_name && counts_as(rw, engines, &ref, &own))
        return found(rw, engines, own);
    if (!is_id)
        return (struct image_look){.found = IMAGE_NONE};
    if (engines && id_begins(engines, text) && shows(rw, engines, &own))
        return found(rw, engines, own);
    return look_through(rw, text);
}

enum rewrite_step rewrite_look_up_image(struct rewrite *rw, struct str ref,
                                        const json_t **inspected, bool *own)
{
    struct image_look look;

    rw->lookups = 0;
    if (rw->verdict.kind != VERDICT_ALLOW)
        verdict_allow(&rw->verdict, "namespace");
    look = image_look_up(rw, ref);
    *inspected = look.inspected;
    *own = look.found == IMAGE_OWN;
    if (rewrite_is_refused(rw))
        return REWRITE_REFUSED;
    return look.found == IMAGE_MISSING ? REWRITE_ASK : REWRITE_DONE;
}

/* ---- what is sent ---- */

/* An ID that no image has, written as REF is; errors will say REF. */
static struct str no_such_id(struct rewrite *rw, struct str ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(128);
    size_t head = ref.len - 64;
    struct str sent;

    strbuf_addf(&out, "%.*s%064zx", STR_FMT(str_head(ref, head)),
                json_object_size(rw->stand_ins));
    sent = str_from_index(strbuf_str(&out), head);
    if (!rw->stand_ins)
        rw->stand_ins = json_object();
    json_object_setn_new(rw->stand_ins, sent.ptr, sent.len,
                         json_of_str(str_from_index(ref, head)));
    return rewrite_keep(rw, strbuf_str(&out));
}

/* A name that stands for REF and is no runner's. An own tag that is not there
 * says in the runner's words what is missing. */
static struct str no_such_image(struct rewrite *rw, struct str ref)
{
    struct image_ref parsed;

    if (image_ref_of_runner(ref, &parsed))
        return image_own_tag(rw, &parsed);
    if (image_ref_is_full_id(ref))
        return no_such_id(rw, ref);
    if (image_ref_parse(ref, &parsed) == 0 || image_ref_is_id(ref) ||
        ref.len > IMAGE_NAME_MAX) {
        rewrite_refuse(rw, 404, "No such image: %.*s",
                       STR_FMT(str_head(ref, 300)));
        return S("");
    }
    return ref; /* no engine reads it as a name, either */
}

struct str image_sent(struct rewrite *rw, struct str ref,
                      const struct image_look *look)
{
    switch (look->found) {
    case IMAGE_OWN:
    case IMAGE_SHARED:
        return look->id;
    case IMAGE_NONE:
        return no_such_image(rw, ref);
    case IMAGE_MISSING:
        break;
    }
    return S("");
}

struct str resolve_image(struct rewrite *rw, struct str ref)
{
    struct image_look look = image_look_up(rw, ref);

    return image_sent(rw, ref, &look);
}

struct str resolve_image_name(struct rewrite *rw, struct str ref)
{
    struct image_look look = image_look_up(rw, ref);
    struct image_ref parsed;
    bool own;

    if (!look.inspected || !image_ref_of_runner(ref, &parsed) ||
        parsed.digest.len)
        return image_sent(rw, ref, &look);
    if (!counts_as(rw, look.inspected, &parsed, &own))
        return look.id;
    return own ? image_own_tag(rw, &parsed) : ref;
}
