#include "policy/isolation/rewrite_private.h"

#include "policy/docker/dockerfile.h"
#include "policy/docker/own_tag.h"
#include "policy/judge/build_sources.h"

/*
 * The images of a classic build. Each is looked up and written by its ID, so
 * that the engine takes the very one that was found to be allowed, and to be
 * the runner's own or shared, whatever its names do meanwhile. One that the
 * engine does not have is pulled before: what it brings along (ONBUILD) has to
 * be read first. What is another runner's is answered like what no registry
 * has.
 */

struct build_pass {
    struct rewrite *rw;
    struct dockerfile *df;
    const struct build_images *how;
};

static void refuse_absent(struct build_pass *pass, struct str name)
{
    rewrite_refuse(pass->rw, 404,
                   "pull access denied for %.*s, repository does not exist or "
                   "may require 'docker login': denied: requested access to "
                   "the resource is denied",
                   STR_FMT(str_head(name, 200)));
}

static bool is_judged(struct build_pass *pass, struct str name,
                      const json_t *inspected, bool own)
{
    struct verdict why = {0};

    if (!pass->how->rules ||
        build_image_is_allowed(pass->how->rules, name, inspected, own, &why))
        return true;
    pass->rw->verdict = why;
    return false;
}

/* NAME in full, with a tag or digest: nothing that could be an ID. */
static struct str full_name(struct rewrite *rw, const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(KIB);

    image_ref_put(&out, ref, IMAGE_FULL);
    return rewrite_keep(rw, strbuf_str(&out));
}

/* POST /images/create: what the engine itself would do, a moment earlier. */
static const struct lookup *pull(struct build_pass *pass,
                                 const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(4 * KIB);
    struct str platform = pass->how->platform;

    strbuf_add(&target, S("/images/create?fromImage="));
    target_put_query(&target, ref->name);
    strbuf_add(&target, S("&tag="));
    target_put_query(&target, ref->digest.len ? ref->digest : ref->tag);
    if (platform.len) {
        strbuf_add(&target, S("&platform="));
        target_put_query(&target, platform);
    }
    return rewrite_do(pass->rw, METHOD_POST, strbuf_str(&target), NULL, NULL);
}

/* Is IMAGE what a registry calls REF, and not what somebody is pushing by that
 * name at the moment? */
static bool is_from_registry(const struct rewrite *rw, const json_t *image,
                             const struct image_ref *ref)
{
    struct image_ref tagged = *ref;
    struct image_names names;
    bool is, own;

    if (ref->digest.len || !rewrite_has_namespace(rw))
        return true;
    tagged.name = ref->name; /* still of REF */
    image_names_read(&names, rw->context.ns, NULL, image);
    is = image_names_have(&names, &tagged, &own);
    image_names_fini(&names);
    return is;
}

/* What is there behind the pull; another question than the one before it. */
static const json_t *inspect_pulled(struct rewrite *rw,
                                    const struct image_ref *ref)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(4 * KIB);
    const struct lookup *ask;

    strbuf_add(&target, S("/images/"));
    target_put_segment(&target, full_name(rw, ref));
    strbuf_add(&target, S("/json?manifests=0"));
    ask = rewrite_get(rw, strbuf_str(&target));
    return ask && ask->status == 200 && is_from_registry(rw, ask->reply, ref)
               ? ask->reply
               : NULL;
}

/* A pull of the runner's own leaves it an own name, and so does this one. */
static void keep_pulled(struct build_pass *pass, const struct image_ref *ref,
                        struct str id)
{
    struct rewrite *rw = pass->rw;

    if (!rewrite_has_namespace(rw))
        return;
    if (ref->digest.len) {
        image_put_back(rw, id, image_own_digest(rw, ref));
    } else {
        image_keep_old(rw, ref, id);
        image_put_back(rw, id, image_own_tag(rw, ref));
    }
}

static void resolve_pulled(struct build_pass *pass, size_t index,
                           struct str name)
{
    struct rewrite *rw = pass->rw;
    const struct lookup *pulled;
    const json_t *image;
    struct image_ref ref;
    struct str id;

    if (image_ref_is_full_id(name)) {
        refuse_absent(pass, name);
        return;
    }
    if (image_ref_parse(name, &ref)) {
        rewrite_refuse(rw, 400, "%.*s: invalid reference format",
                       STR_FMT(str_head(name, 200)));
        return;
    }
    if (rewrite_has_namespace(rw) && own_tag_is_reserved(&ref)) {
        refuse_absent(pass, name);
        return;
    }
    image_ref_complete(&ref);
    if (!is_judged(pass, name, NULL, false))
        return;
    pulled = pull(pass, &ref);
    if (!pulled) {
        rw->missing = true;
        return;
    }
    if (pulled->status == 401 || pulled->status == 403 ||
        pulled->status == 404) {
        refuse_absent(pass, name);
        return;
    }
    image = inspect_pulled(rw, &ref);
    if (!image && !rw->missing)
        rewrite_refuse(rw, 404,
                       "the image %.*s is not here, and berth could not pull "
                       "it for this build; docker pull it first, with the "
                       "login that its registry wants",
                       STR_FMT(str_head(name, 200)));
    if (!image)
        return;
    id = str_of_json(json_object_get(image, "Id"));
    keep_pulled(pass, &ref, id);
    dockerfile_resolve(pass->df, index, id, image);
}

static void resolve_one(struct build_pass *pass, size_t index)
{
    struct str name = dockerfile_image(pass->df, index);
    struct image_look look = image_look_up(pass->rw, name);
    bool again = pass->how->pull && !image_ref_is_full_id(name);

    if (look.found == IMAGE_MISSING)
        return;
    if (!look.inspected || again)
        resolve_pulled(pass, index, name);
    else if (is_judged(pass, name, look.inspected, look.found == IMAGE_OWN))
        dockerfile_resolve(pass->df, index, look.id, look.inspected);
}

static bool is_checked(struct build_pass *pass)
{
    struct dockerfile *df = pass->df;
    struct verdict why = {0};

    if (dockerfile_check(df, &why)) {
        pass->rw->verdict = why;
        return false;
    }
    for (size_t i = 0; pass->how->rules && i < dockerfile_url_count(df); i++) {
        if (!build_url_is_allowed(pass->how->rules, dockerfile_url(df, i),
                                  &why)) {
            pass->rw->verdict = why;
            return false;
        }
    }
    return true;
}

enum rewrite_step rewrite_dockerfile(struct rewrite *rw, struct dockerfile *df,
                                     const struct build_images *how)
{
    struct build_pass pass = {rw, df, how};
    bool missing = false;

    json_decref(rw->wanted);
    rw->wanted = json_array();
    rw->lookups = 0;
    verdict_allow(&rw->verdict, "namespace");
    for (size_t i = 0; i < dockerfile_image_count(df); i++) {
        rw->missing = false;
        resolve_one(&pass, i);
        if (rewrite_is_refused(rw))
            return REWRITE_REFUSED;
        missing = missing || rw->missing;
    }
    rw->missing = false;
    /* what changes something waits for what does not */
    if (missing && lookups_are_pending(rw->context.lookups))
        return REWRITE_ASK;
    if (rewrite_ask_for_changes(rw))
        return rewrite_is_refused(rw) ? REWRITE_REFUSED : REWRITE_ASK;
    return is_checked(&pass) ? REWRITE_DONE : REWRITE_REFUSED;
}
