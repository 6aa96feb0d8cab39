#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/base/json_strict.h"
#include "policy/docker/image_target.h"

/*
 * What gives an image a name: tag, pull, import, commit. A runner's name
 * becomes its own tag; an image that gets none gets an anchor, by which it is
 * the runner's own all the same (images.h). What a tag is taken off, and has no
 * other one, is anchored before, since Docker keeps it, too, as "<none>".
 */

/* ---- names ---- */

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

bool image_new_name(struct rewrite *rw, struct str text, struct image_ref *ref)
{
    if (image_ref_parse(text, ref)) {
        rewrite_refuse(rw, 400, "invalid reference format: %.*s",
                       STR_FMT(str_head(text, 150)));
        return false;
    }
    if (own_tag_is_reserved(ref)) {
        rewrite_refuse(rw, 403,
                       "names of images below \"%s\" are berth's own; leave "
                       "%.*s out",
                       OWN_TAG_DOMAIN, STR_FMT(str_head(text, 150)));
        return false;
    }
    if (own_tag_is_ambiguous(ref)) {
        rewrite_refuse(rw, 400,
                       "refusing to create an ambiguous tag using digest "
                       "algorithm as name");
        return false;
    }
    return true;
}

/* The name that the query gives with REPO and TAG, completed. */
static bool name_in_query(struct rewrite *rw, const char *repo,
                          struct image_ref *ref)
{
    struct str text = with_tag(rw, rewrite_query(rw, str_from(repo)),
                               rewrite_query(rw, S("tag")));

    if (text.len == 0 || !image_new_name(rw, text, ref))
        return false;
    if (ref->digest.len) {
        rewrite_refuse(rw, 400,
                       "refusing to create a tag with a digest "
                       "reference");
        return false;
    }
    image_ref_complete(ref);
    return true;
}

/* Put NAME, of the engine and with a tag, into the query as "repo" and "tag".
 */
static void set_name(struct rewrite *rw, struct str name)
{
    struct str repo = image_ref_untagged(name);

    rewrite_set_query(rw, S("repo"), repo);
    rewrite_set_query(rw, S("tag"), str_from_index(name, repo.len + 1));
}

/* ---- names of the engine's ---- */

static struct str untag_target(struct rewrite *rw, struct str name)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    image_target_put_untag(&out, name);
    return rewrite_keep(rw, strbuf_str(&out));
}

static struct str tag_target(struct rewrite *rw, struct str image,
                             struct str name)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY);

    image_target_put_tag(&out, image, name);
    return rewrite_keep(rw, strbuf_str(&out));
}

const struct lookup *image_give_name(struct rewrite *rw, struct str image,
                                     struct str name)
{
    struct str undo = untag_target(rw, name);

    return rewrite_do_in_order(rw, METHOD_POST, tag_target(rw, image, name),
                               NULL, undo.ptr);
}

void image_put_back(struct rewrite *rw, struct str image, struct str name)
{
    rewrite_do_in_order(rw, METHOD_POST, tag_target(rw, image, name), NULL,
                        NULL);
}

const struct lookup *image_take_name(struct rewrite *rw, struct str name)
{
    return rewrite_do_in_order(rw, METHOD_DELETE, untag_target(rw, name), NULL,
                               NULL);
}

struct str image_anchor(struct rewrite *rw, struct str id)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    own_anchor_put(&out, rw->context.ns, id);
    return rewrite_keep(rw, strbuf_str(&out));
}

static struct str new_anchor(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    own_anchor_put_new(&out, rw->context.ns, rw->context.random);
    return rewrite_keep(rw, strbuf_str(&out));
}

void image_drop_anchors(struct rewrite *rw, const json_t *image)
{
    const json_t *tag;
    size_t i;

    json_array_foreach(json_object_get(image, "RepoTags"), i, tag)
    {
        struct str name = str_of_json(tag);

        if (own_name_read(name).kind == OWN_NAME_ANCHOR &&
            own_name_is_of(name, rw->context.ns))
            image_take_name(rw, name);
    }
}

/* Is this own tag all that makes IMAGE the namespace's? */
static bool is_last_name(struct rewrite *rw, const json_t *image)
{
    struct image_names names;
    size_t own = 0;
    const char *name;
    json_t *is_own;
    bool last;

    image_names_of(rw, image, &names);
    json_object_foreach(names.tags, name, is_own)
    {
        own += json_is_true(is_own);
    }
    last = own == 1 && !names.anchored && json_object_size(names.digests) == 0;
    image_names_fini(&names);
    return last;
}

void image_keep_old(struct rewrite *rw, const struct image_ref *ref,
                    struct str id)
{
    const json_t *old;
    struct str old_id;

    if (!image_inspected(rw, image_own_tag(rw, ref), &old) || !old)
        return;
    old_id = str_of_json(json_object_get(old, "Id"));
    if (!str_eq(old_id, id) && is_last_name(rw, old))
        image_give_name(rw, old_id, image_anchor(rw, old_id));
}

/* ---- tag ---- */

void rewrite_image_tag(struct rewrite *rw)
{
    struct str text = rw->match->params[0].value;
    struct image_look look = image_look_up(rw, text);
    struct image_ref ref;

    rewrite_set_param(rw, 0, image_sent(rw, text, &look));
    if (!name_in_query(rw, "repo", &ref))
        return; /* without one, the engine has words for it */
    set_name(rw, image_own_tag(rw, &ref));
    if (!look.inspected)
        return;
    rw->images.given = look.inspected;
    image_keep_old(rw, &ref, look.id);
}

/* It has a name now. */
void after_image_tag(struct rewrite *rw)
{
    image_drop_anchors(rw, rw->images.given);
}

/* ---- pull and import ---- */

/* A pull leaves the real name where it is, for all, and an own tag beside it.
 */
static void begin_pull(struct rewrite *rw, struct str text)
{
    struct image_look look;
    struct image_ref ref;

    if (!image_new_name(rw, text, &ref))
        return;
    rw->pull.name = text;
    if (ref.tag.len == 0 && ref.digest.len == 0)
        return; /* all of its tags */
    look = image_look_up(rw, text);
    rw->pull.before = look.inspected;
}

static void begin_import(struct rewrite *rw)
{
    struct image_ref ref;

    if (name_in_query(rw, "repo", &ref)) {
        set_name(rw, image_own_tag(rw, &ref));
        image_keep_old(rw, &ref, S(""));
    } else {
        set_name(rw, new_anchor(rw));
    }
}

void rewrite_image_create(struct rewrite *rw)
{
    struct str image = with_tag(rw, rewrite_query(rw, S("fromImage")),
                                rewrite_query(rw, S("tag")));

    if (image.len)
        begin_pull(rw, image);
    else
        begin_import(rw);
}

/* Does IMAGE, as the namespace saw it before, have DIGEST? */
static bool has_digest(const json_t *image, struct str digest)
{
    const json_t *text;
    size_t i;

    if (digest.len == 0)
        return false;
    if (str_eq(str_of_json(json_object_get(image, "Id")), digest))
        return true;
    json_array_foreach(json_object_get(image, "RepoDigests"), i, text)
    {
        if (str_has_suffix(str_of_json(text), digest))
            return true;
    }
    return false;
}

/* An engine says that nothing came when another runner had pulled the same, and
 * that something did when it has no name for what the runner has. */
static void restore_status(struct rewrite *rw, json_t *line, struct str status)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_REPLY_LINE);
    struct str same = S("Status: Image is up to date for ");
    struct str newer = S("Status: Downloaded newer image for ");
    bool is_same = str_has_prefix(status, same);
    bool had = rw->pull.before && has_digest(rw->pull.before, rw->pull.digest);

    if (is_same == had || (!is_same && !str_has_prefix(status, newer)))
        return;
    strbuf_addf(&out, "%.*s%.*s", STR_FMT(had ? same : newer),
                STR_FMT(str_from_index(status, (is_same ? same : newer).len)));
    json_object_set_new(line, "status", json_of_str(strbuf_str(&out)));
}

static void add_pulled_tag(struct rewrite *rw, struct str tag)
{
    if (!rw->told)
        rw->told = json_object();
    if (json_object_size(rw->told) < LIMIT_LOOKUPS / 4)
        json_object_setn_new(rw->told, tag.ptr, tag.len, json_true());
}

/* A line of a pull or an import. */
void image_create_line(struct rewrite *rw, json_t *line)
{
    struct str status = str_of_json(json_object_get(line, "status"));
    struct str tag = str_of_json(json_object_get(line, "id"));
    struct str digest = S("Digest: "), from = S("Pulling from ");

    if (json_object_get(line, "error") || json_object_get(line, "errorDetail"))
        rw->pull.failed = true;
    else if (rw->pull.name.len == 0 && image_ref_is_full_id(status))
        rw->made = rewrite_keep(rw, status);
    else if (str_has_prefix(status, digest))
        rw->pull.digest = rewrite_keep(rw, str_from_index(status, digest.len));
    else if (str_has_prefix(status, from) && tag.len)
        add_pulled_tag(rw, tag);
    else
        restore_status(rw, line, status);
}

/* The image that was pulled as REF, by what is in it: its name may have been
 * moved since. */
static struct str pulled(struct rewrite *rw, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    struct image_ref exact;

    if (rw->pull.digest.len == 0)
        return rw->pull.name;
    exact = *ref;
    exact.name = ref->name;
    exact.tag = S("");
    exact.digest = rw->pull.digest;
    image_ref_put(&out, &exact, IMAGE_FULL);
    return rewrite_keep(rw, strbuf_str(&out));
}

struct str image_own_digest(struct rewrite *rw, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    own_digest_put(&out, rw->context.ns, ref);
    return rewrite_keep(rw, strbuf_str(&out));
}

/* Every tag that lines told of, each by its name. */
static void keep_all_tags(struct rewrite *rw, const struct image_ref *ref)
{
    const char *tag;
    json_t *yes;

    json_object_foreach(rw->told, tag, yes)
    {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
        struct image_ref one = *ref;

        one.name = ref->name;
        one.tag = str_from(tag);
        image_ref_put(&out, &one, IMAGE_FULL);
        image_give_name(rw, rewrite_keep(rw, strbuf_str(&out)),
                        image_own_tag(rw, &one));
    }
}

static void finish_pull(struct rewrite *rw)
{
    struct image_ref ref;

    if (rw->pull.failed || image_ref_parse(rw->pull.name, &ref))
        return;
    if (ref.digest.len) {
        image_give_name(rw, rw->pull.name, image_own_digest(rw, &ref));
    } else if (ref.tag.len == 0) {
        keep_all_tags(rw, &ref);
    } else {
        if (!rw->pull.before || !has_digest(rw->pull.before, rw->pull.digest))
            image_keep_old(rw, &ref, S(""));
        image_give_name(rw, pulled(rw, &ref), image_own_tag(rw, &ref));
    }
}

static void name_made(struct rewrite *rw)
{
    struct str anchor = new_anchor(rw);

    if (!image_ref_is_full_id(rw->made))
        return;
    if (image_give_name(rw, rw->made, image_anchor(rw, rw->made)))
        image_take_name(rw, anchor);
}

void finish_image_create(struct rewrite *rw)
{
    if (rw->pull.name.len)
        finish_pull(rw);
    else if (rewrite_query(rw, S("repo")).len && rw->made.len &&
             own_name_read(rewrite_query(rw, S("repo"))).kind ==
                 OWN_NAME_ANCHOR)
        name_made(rw);
}

/* ---- commit ---- */

void rewrite_image_commit(struct rewrite *rw)
{
    rewrite_set_query(rw, S("container"),
                      resolve_container(rw, rewrite_query(rw, S("container"))));
    begin_import(rw);
    labels_refuse_ours(rw, json_object_get(rw->draft, "Labels"));
}

void finish_image_commit(struct rewrite *rw)
{
    if (own_name_read(rewrite_query(rw, S("repo"))).kind == OWN_NAME_ANCHOR)
        name_made(rw);
}

/* ---- load ---- */

/* "Loaded image ID: sha256:..." is all that is known of an image without a
 * name. */
void image_load_line(struct rewrite *rw, const json_t *line)
{
    struct str text = str_of_json(json_object_get(line, "stream"));
    struct str intro = S("Loaded image ID: ");

    if (!str_has_prefix(text, intro))
        return;
    text = str_head(str_from_index(text, intro.len), 7 + 64);
    if (!image_ref_is_full_id(text))
        return;
    if (!rw->told)
        rw->told = json_object();
    if (json_object_size(rw->told) < LIMIT_LOOKUPS / 4)
        json_object_setn_new(rw->told, text.ptr, text.len, json_true());
}

/* Images before the load, of which it may take the last own tag. */
void rewrite_image_load(struct rewrite *rw)
{
    (void)rewrite_get(rw, S("/images/json"));
}

static bool is_own_image(const struct rewrite *rw, const json_t *image)
{
    struct image_names names;
    bool own;

    image_names_of(rw, image, &names);
    own = image_names_are_own(&names);
    image_names_fini(&names);
    return own;
}

/* Anchor what is still there of BEFORE but has no own name by now. */
static void keep_replaced(struct rewrite *rw, const json_t *before,
                          const json_t *after)
{
    json_auto_t *index = images_by_id(after);
    const json_t *image, *now;
    size_t i;

    json_array_foreach(before, i, image)
    {
        struct str id = str_of_json(json_object_get(image, "Id"));

        now = json_object_getn(index, id.ptr ? id.ptr : "", id.len);
        if (now && is_own_image(rw, image) && !is_own_image(rw, now))
            image_give_name(rw, id, image_anchor(rw, id));
    }
}

void finish_image_load(struct rewrite *rw)
{
    const struct lookup *before = rewrite_asked(rw, S("/images/json"));
    const struct lookup *after = rewrite_get(rw, S("/images/json?all=0"));
    const char *id;
    json_t *yes;

    if (before && after)
        keep_replaced(rw, before->reply, after->reply);
    json_object_foreach(rw->told, id, yes)
    {
        image_give_name(rw, str_from(id), image_anchor(rw, str_from(id)));
    }
}
