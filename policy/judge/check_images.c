#include "policy/base/pattern.h"
#include "policy/docker/image_ref.h"
#include "policy/judge/check.h"
#include "policy/judge/query_field.h"

/*
 * Which images may be used. A name is judged by its text. What an engine might
 * look up as an ID has no name of its own: then, and where the name is not
 * listed, the image may still be one that the runner has made, or known by a
 * name that is listed; so that is asked.
 */

static bool need_listed(struct judge *judge, const struct place *place,
                        struct str reference)
{
    return judge_need(judge, NEED_IMAGE, reference, "images.registries", place,
                      "the image \"%.*s\" is not allowed here; to allow it, "
                      "add its registry or repository to images.registries in "
                      "the policy",
                      STR_FMT(str_head(reference, 150)));
}

bool judge_image(struct judge *judge, const struct place *place,
                 struct str reference)
{
    const struct image_rules *rules = &judge->rules->images;
    bool open = image_patterns_are_open(&rules->registries);
    bool is_id = image_ref_is_id(reference);
    struct image_ref ref;
    bool named = image_ref_parse(reference, &ref) == 0;

    if (reference.len == 0)
        return true; /* the engine will say so */
    if (!named && !is_id)
        return judge_refuse(judge, 400, "images.registries", place,
                            "\"%.*s\" is no reference to an image",
                            STR_FMT(str_head(reference, 150)));
    if (rules->digests_only && !image_ref_is_full_id(reference) &&
        (!named || ref.digest.len == 0) &&
        !judge_need(judge, NEED_OWN_IMAGE, reference, "images.digests_only",
                    place,
                    "the image \"%.*s\" may become another one at any time; "
                    "add its digest: NAME@sha256:...",
                    STR_FMT(str_head(reference, 150))))
        return false;
    if (open)
        return true;
    if (named)
        image_ref_complete(&ref);
    return (named && !is_id && image_is_in(&rules->registries, &ref)) ||
           need_listed(judge, place, reference);
}

bool check_image(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *value)
{
    (void)field;
    return judge_image(judge, place, json_text(value));
}

static bool any_is_listed(const struct strings *patterns, const json_t *names)
{
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        struct image_ref ref;

        if (image_ref_parse(json_text(name), &ref) == 0 &&
            image_is_in(patterns, &ref))
            return true;
    }
    return false;
}

bool image_is_listed(const struct rules *rules, const json_t *inspected)
{
    const struct strings *patterns = &rules->images.registries;

    return any_is_listed(patterns, json_object_get(inspected, "RepoTags")) ||
           any_is_listed(patterns, json_object_get(inspected, "RepoDigests"));
}

bool judge_registry(struct judge *judge, const struct place *place,
                    struct str host, bool push)
{
    const struct image_rules *rules = &judge->rules->images;

    if (str_eq(host, S("index.docker.io")) ||
        str_eq(host, S("registry-1.docker.io")) || host.len == 0)
        host = S("docker.io");
    return image_registry_may_be_asked(&rules->registries, host) ||
           (push && image_registry_may_be_asked(&rules->push, host)) ||
           judge_lack(judge, "images.registries", host, place,
                      "the registry %.*s is not allowed here; to allow it, "
                      "add it to images.registries in the policy",
                      STR_FMT(str_head(host, 150)));
}

/* "https://index.docker.io/v1/", "ghcr.io" */
bool check_registry(struct judge *judge, const struct field *field,
                    const struct place *place, json_t *value)
{
    struct str host = json_text(value), rest;

    (void)field;
    if (str_has_prefix(host, S("https://")))
        host = str_from_index(host, 8);
    else if (str_has_prefix(host, S("http://")))
        host = str_from_index(host, 7);
    str_cut(host, '/', &host, &rest);
    return judge_registry(judge, place, host, true);
}

static bool refuse_unlisted(struct judge *judge, const struct place *place,
                            const char *rule, const struct image_ref *ref)
{
    return judge_lack(judge, rule, ref->name, place,
                      "the image \"%.*s%s%.*s\" is not allowed here; to "
                      "allow it, add its registry or repository to %s in the "
                      "policy",
                      STR_FMT(ref->name), ref->tag.len ? ":" : "",
                      STR_FMT(ref->tag), rule);
}

/* Refuse REF, a name, unless PATTERNS, the value of RULE, have it. */
static bool is_listed_or_refused(struct judge *judge, const struct place *place,
                                 const char *rule,
                                 const struct strings *patterns,
                                 const struct image_ref *ref)
{
    return image_is_in(patterns, ref) ||
           refuse_unlisted(judge, place, rule, ref);
}

/* The same where the engine is to ask its registry. */
static bool is_fetched_or_refused(struct judge *judge,
                                  const struct place *place, const char *rule,
                                  const struct strings *patterns,
                                  const struct image_ref *ref)
{
    struct str host, path;

    if (image_may_be_fetched(patterns, ref))
        return true;
    str_cut(ref->name, '/', &host, &path);
    return image_host_is_local(host)
               ? judge_lack(judge, rule, ref->name, place,
                            "%.*s is on the engine's own host or link, which "
                            "no \"*\" stands for; to allow it, add it to %s "
                            "in the policy",
                            STR_FMT(host), rule)
               : refuse_unlisted(judge, place, rule, ref);
}

static bool parse_or_refuse(struct judge *judge, const struct place *place,
                            const char *rule, struct str text,
                            struct image_ref *ref)
{
    return image_ref_parse(text, ref) == 0 ||
           judge_refuse(judge, 400, rule, place,
                        "\"%.*s\" is no name of an image",
                        STR_FMT(str_head(text, 150)));
}

/* The query's "tag", put into REF; for a pull it may be a digest. */
static bool apply_tag(struct judge *judge, const char *rule, bool digest_too,
                      struct image_ref *ref)
{
    const struct str *tag = target_get(judge->target, S("tag"));
    struct query_place at;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(KIB);
    struct image_ref other;

    if (!tag || tag->len == 0)
        return true;
    if (strbuf_addf(&text, "x%c%.*s",
                    digest_too && str_find(*tag, ':') >= 0 ? '@' : ':',
                    STR_FMT(*tag)) != 0 ||
        image_ref_parse(strbuf_str(&text), &other) != 0)
        return judge_refuse(judge, 400, rule, query_place(&at, S("tag")),
                            "\"%.*s\" is no tag", STR_FMT(str_head(*tag, 150)));
    ref->tag = other.tag.len ? *tag : S("");
    ref->digest = other.digest.len ? *tag : S("");
    return true;
}

static bool judge_import(struct judge *judge, struct str source)
{
    struct query_place at;

    return str_eq(source, S("-")) || judge->rules->images.import_urls ||
           judge_lack(judge, "images.import_urls", S("true"),
                      query_place(&at, S("fromSrc")),
                      "the engine may not fetch an image from a URL here; "
                      "send the archive itself (fromSrc=-)");
}

bool judge_new_name(struct judge *judge, const struct place *place,
                    struct str name, bool tag_apart)
{
    const char *rule = "images.tags";
    struct image_ref ref;

    if (name.len == 0)
        return true; /* an image without a name */
    if (!parse_or_refuse(judge, place, rule, name, &ref) ||
        (tag_apart && !apply_tag(judge, rule, false, &ref)))
        return false;
    if (ref.digest.len)
        return judge_refuse(judge, 400, rule, place,
                            "an image gets a name and a tag; its digest comes "
                            "by itself");
    image_ref_complete(&ref);
    return is_listed_or_refused(judge, place, rule, &judge->rules->images.tags,
                                &ref);
}

/* Caches of builds: names only, and nothing an engine would have to ask. */
static bool check_cache_image(struct judge *judge, const struct field *field,
                              const struct place *place, struct str text)
{
    const struct strings *patterns = field_rule(judge, field);
    struct image_ref ref;

    if (image_patterns_are_open(patterns))
        return true;
    if (!parse_or_refuse(judge, place, field->rule, text, &ref))
        return false;
    image_ref_complete(&ref);
    return is_listed_or_refused(judge, place, field->rule, patterns, &ref);
}

bool check_cache_images(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *list)
{
    return each_text(judge, field, place, list, check_cache_image);
}

bool judge_image_create(struct judge *judge)
{
    const struct image_rules *rules = &judge->rules->images;
    const struct str *image = target_get(judge->target, S("fromImage"));
    const struct str *source = target_get(judge->target, S("fromSrc"));
    const struct str *repo = target_get(judge->target, S("repo"));
    struct query_place at;
    struct image_ref ref;

    if (!image || image->len == 0)
        return !source || source->len == 0 ||
               (judge_import(judge, *source) &&
                (!repo || judge_new_name(judge, query_place(&at, S("repo")),
                                         *repo, true)));
    query_place(&at, S("fromImage"));
    if (!parse_or_refuse(judge, &at.place, "images.registries", *image, &ref) ||
        !apply_tag(judge, "images.registries", true, &ref))
        return false;
    if (ref.tag.len == 0 && ref.digest.len == 0 && !rules->all_tags)
        return judge_lack(judge, "images.all_tags", S("true"), &at.place,
                          "without a tag this pulls every tag there is; name "
                          "one, or have the policy set images.all_tags to "
                          "true");
    if (rules->digests_only && ref.digest.len == 0)
        return judge_refuse(judge, 403, "images.digests_only", &at.place,
                            "images are pulled by digest here; ask for "
                            "NAME@sha256:...");
    return is_fetched_or_refused(judge, &at.place, "images.registries",
                                 &rules->registries, &ref);
}

/* The image in the path, for a push or a look at a registry. */
bool judge_image_path(struct judge *judge)
{
    const struct image_rules *rules = &judge->rules->images;
    bool push = judge->operation == OP_IMAGE_PUSH;
    const char *rule = push ? "images.push" : "images.registries";
    struct place at = {.key = "path"};
    struct image_ref ref;

    if (!parse_or_refuse(judge, &at, rule, judge->match->params[0].value,
                         &ref) ||
        (push && !apply_tag(judge, rule, false, &ref)))
        return false;
    if (!push)
        image_ref_complete(&ref);
    return is_fetched_or_refused(
        judge, &at, rule, push ? &rules->push : &rules->registries, &ref);
}
