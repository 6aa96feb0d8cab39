#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/base/json_strict.h"
#include "policy/docker/image_ref.h"

/*
 * Images. What was pulled is shared and only read; what a runner builds,
 * commits or imports carries its label and is its own. Tags are still the
 * engine's: a runner's tag is seen by all, but none can move or remove one that
 * stands on another's image, nor by pulling. (docs/isolation.md says what that
 * does not keep apart. Tags of a namespace's own will be made here and by the
 * REF_IMAGE rows of references.c.)
 */

/* REPO with TAG, if it has one, which goes before what REPO brings along. */
static struct str with_tag(struct rewrite *rw, struct str repo, struct str tag)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);
    struct str name, digest;

    if (repo.len == 0)
        return S("");
    str_cut(repo, '@', &name, &digest);
    strbuf_add(&out, tag.len ? image_ref_untagged(name) : repo);
    if (tag.len) {
        strbuf_add_char(&out, str_has_prefix(tag, S("sha256:")) ? '@' : ':');
        strbuf_add(&out, tag);
    }
    return rewrite_keep(rw, strbuf_str(&out));
}

static bool image_is_another_s(struct rewrite *rw, struct str ref)
{
    const json_t *image = image_inspected(rw, ref);

    return image && image_owner(rw, image) == IMAGE_FOREIGN;
}

/* Is IMAGE called REF? It may be found because its ID begins so. */
static bool has_tag(const json_t *image, struct str ref)
{
    struct image_ref wanted, given;
    const json_t *tag;
    size_t i;

    if (image_ref_parse(ref, &wanted))
        return false;
    image_ref_complete(&wanted);
    json_array_foreach(json_object_get(image, "RepoTags"), i, tag)
    {
        if (image_ref_parse(str_of_json(tag), &given) == 0 &&
            str_eq(given.name, wanted.name) && str_eq(given.tag, wanted.tag))
            return true;
    }
    return false;
}

/* A tag is about to be put on something: not if it is on another's image. */
static void keep_off_tag(struct rewrite *rw, struct str ref)
{
    if (ref.len && image_is_another_s(rw, ref) &&
        has_tag(image_inspected(rw, ref), ref))
        rewrite_refuse(rw, 409,
                       "the tag %.*s is in use by another runner of this "
                       "engine; take another one",
                       STR_FMT(ref));
}

/* Events that name REF are the runner's from now on. */
static void note_name(struct rewrite *rw, struct str ref)
{
    own_ids_note(rw, REF_IMAGE, ref);
    own_ids_note(rw, REF_IMAGE, with_tag(rw, ref, S("latest")));
}

void rewrite_image_tag(struct rewrite *rw)
{
    struct str tag =
        with_tag(rw, rewrite_query(rw, S("repo")), rewrite_query(rw, S("tag")));

    rewrite_set_param(rw, 0, resolve_image(rw, rw->match->params[0].value));
    keep_off_tag(rw, tag);
    note_name(rw, tag);
}

/* Without a tag, all that the repository has are pushed. */
void rewrite_image_push(struct rewrite *rw)
{
    struct str name = rw->match->params[0].value;
    struct str tag = rewrite_query(rw, S("tag"));
    json_auto_t *tags = json_array();

    if (tag.len) {
        if (image_is_another_s(rw, with_tag(rw, name, tag)))
            rewrite_set_param(rw, 0, no_such_image(rw, name));
        return;
    }
    switch (resolve_repository(rw, name, tags)) {
    case IMAGE_TAGS_ALL:
        break;
    case IMAGE_TAGS_SOME:
        rewrite_refuse(rw, 409,
                       "other runners of this engine have tags of %.*s, too; "
                       "push one tag at a time",
                       STR_FMT(name));
        break;
    case IMAGE_TAGS_NONE:
        rewrite_set_param(rw, 0, no_such_image(rw, name));
        break;
    }
}

/* The images that NAME means to a save, added to OUT. */
static void resolve_saved(struct rewrite *rw, struct str name, json_t *out)
{
    switch (resolve_repository(rw, name, out)) {
    case IMAGE_TAGS_SOME:
        return;
    case IMAGE_TAGS_NONE:
        name = no_such_image(rw, name);
        break;
    case IMAGE_TAGS_ALL:
        name = resolve_image(rw, name);
        break;
    }
    json_array_clear(out);
    json_array_append_new(out, json_of_str(name));
}

void rewrite_image_get(struct rewrite *rw)
{
    struct str name = rw->match->params[0].value;
    json_auto_t *names = json_array();

    resolve_saved(rw, name, names);
    if (json_array_size(names) > 1)
        rewrite_refuse(rw, 409,
                       "other runners of this engine have tags of %.*s, too; "
                       "save one tag at a time",
                       STR_FMT(name));
    rewrite_set_param(rw, 0,
                      rewrite_keep(rw, str_of_json(json_array_get(names, 0))));
}

void rewrite_image_get_all(struct rewrite *rw)
{
    struct str key = S("names");
    bool first = true;

    for (size_t i = 0; i < rw->target->query_count; i++) {
        const struct query_pair *pair = &rw->target->query[i];
        json_auto_t *names = json_array();
        const json_t *name;
        size_t n;

        if (!str_eq(pair->key, key) || pair->value.len == 0)
            continue;
        resolve_saved(rw, pair->value, names);
        json_array_foreach(names, n, name)
        {
            struct str image = rewrite_keep(rw, str_of_json(name));

            if (first)
                rewrite_set_query(rw, key, image);
            else
                rewrite_add_query(rw, key, image);
            first = false;
        }
    }
}

/* What is not the runner's own stays: to its client, it is gone. */
void rewrite_image_delete(struct rewrite *rw)
{
    struct str ref = rw->match->params[0].value;
    const json_t *image = image_inspected(rw, ref);

    rewrite_set_param(rw, 0, resolve_image(rw, ref));
    if (image && image_owner(rw, image) == IMAGE_SHARED)
        rewrite_answer_with(rw, 200, json_array());
}

/* Instructions for the new image: ours goes last, so that it holds. */
static void claim_by_change(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf change = STRBUF(1024);

    strbuf_addf(&change, "LABEL %s=%.*s", LABEL_NAMESPACE,
                STR_FMT(rw->context.ns));
    rewrite_add_query(rw, S("changes"), rewrite_keep(rw, strbuf_str(&change)));
}

/* A pull, or an import of a tarball. */
void rewrite_image_create(struct rewrite *rw)
{
    struct str image = with_tag(rw, rewrite_query(rw, S("fromImage")),
                                rewrite_query(rw, S("tag")));

    if (image.len) {
        if (str_find(image, '@') < 0)
            keep_off_tag(rw, image);
        note_name(rw, image);
        return;
    }
    keep_off_tag(rw, with_tag(rw, rewrite_query(rw, S("repo")),
                              rewrite_query(rw, S("tag"))));
    claim_by_change(rw);
}

void rewrite_image_commit(struct rewrite *rw)
{
    rewrite_set_query(rw, S("container"),
                      resolve_container(rw, rewrite_query(rw, S("container"))));
    keep_off_tag(rw, with_tag(rw, rewrite_query(rw, S("repo")),
                              rewrite_query(rw, S("tag"))));
    rewrite_body(rw);
    claim_by_change(rw);
}

/* The labels of a build, a JSON object in the query. */
static void claim_build(struct rewrite *rw)
{
    struct str text = rewrite_query(rw, S("labels"));
    json_t *labels = NULL;
    struct verdict why;
    char *written;

    if (text.len && json_strict_parse(text, "query labels", &labels, &why)) {
        rewrite_refuse(rw, 400, "%s", why.reason);
        return;
    }
    if (!labels || json_is_null(labels)) {
        json_decref(labels);
        labels = json_object();
    }
    if (!json_is_object(labels))
        rewrite_refuse(rw, 400, "the labels of a build are an object");
    labels_claim(rw, labels);
    written = json_dumps(labels, JSON_COMPACT);
    json_decref(labels);
    rewrite_set_query(rw, S("labels"), rewrite_keep(rw, str_from(written)));
    free(written);
}

/*
 * The steps of a classic build run in containers on a network: the runner's
 * own. BuildKit (version 2) knows only "default", "host" and "none".
 */
static void place_build(struct rewrite *rw, bool is_classic)
{
    struct str mode = rewrite_query(rw, S("networkmode"));

    if (!is_classic && (mode.len == 0 || str_eq(mode, S("default"))))
        return;
    rewrite_set_query(rw, S("networkmode"),
                      resolve_mode(rw, REF_NETWORK, mode));
}

void rewrite_image_build(struct rewrite *rw)
{
    bool is_classic = !str_eq(rewrite_query(rw, S("version")), S("2"));

    for (size_t i = 0; i < rw->target->query_count; i++) {
        if (str_eq(rw->target->query[i].key, S("t")))
            keep_off_tag(rw, rw->target->query[i].value);
    }
    claim_build(rw);
    place_build(rw, is_classic);
    /* the container of a step that fails has no label: nobody could see it,
     * and nobody would remove it */
    if (is_classic)
        rewrite_set_query(rw, S("forcerm"), S("1"));
}
