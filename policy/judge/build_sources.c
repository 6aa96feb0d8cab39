#include "policy/judge/build_sources.h"

#include "policy/base/pattern.h"
#include "policy/docker/image_ref.h"
#include "policy/judge/check.h"

bool build_sources_are_judged(const struct rules *rules)
{
    return rules->images.digests_only ||
           !image_patterns_are_open(&rules->images.registries) ||
           !strings_have(&rules->build.remotes, S("*"));
}

bool build_frontends_are_judged(const struct rules *rules)
{
    return !image_patterns_are_open(&rules->build.frontends);
}

static bool refuse(struct verdict *why, const char *rule, struct str name,
                   const char *remedy)
{
    verdict_deny(why, 403, rule, "Dockerfile",
                 "the Dockerfile takes \"%.*s\", which is not allowed here; %s",
                 STR_FMT(str_head(name, 150)), remedy);
    return false;
}

bool build_image_is_allowed(const struct rules *rules, struct str name,
                            const json_t *inspected, bool own,
                            struct verdict *why)
{
    const struct strings *registries = &rules->images.registries;
    struct image_ref ref;
    bool named = image_ref_parse(name, &ref) == 0;

    if (own)
        return true;
    if (rules->images.digests_only && !image_ref_is_full_id(name) &&
        !(named && ref.digest.len))
        return refuse(why, "images.digests_only", name,
                      "it may become another one at any time: add its digest, "
                      "NAME@sha256:...");
    if (named)
        image_ref_complete(&ref);
    /* not there, so it can only be meant as a name, of which a registry is
     * asked */
    if (!inspected && named && image_may_be_fetched(registries, &ref))
        return true;
    if (inspected &&
        (image_patterns_are_open(registries) ||
         (named && !image_ref_is_id(name) && image_is_in(registries, &ref)) ||
         image_is_listed(rules, inspected)))
        return true;
    return refuse(why, "images.registries", name,
                  "to allow it, add its registry or repository to "
                  "images.registries in the policy");
}

bool build_url_is_allowed(const struct rules *rules, struct str url,
                          struct verdict *why)
{
    if (strings_match(&rules->build.remotes, url))
        return true;
    if (str_eq(url, S("$")))
        return refuse(why, "build.remotes", S("ADD $..."),
                      "its variables come from an image or have a "
                      "substitution that berth does not read, so it could be "
                      "any address; write the path, use COPY, or have the "
                      "policy add \"*\" to build.remotes");
    return refuse(why, "build.remotes", url,
                  "the engine would fetch it, with all that its host reaches; "
                  "fetch it in a RUN, or have the policy add it to "
                  "build.remotes");
}
