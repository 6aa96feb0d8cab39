#include "proxy/exchange/request_build.h"

#include <stdlib.h>

#include "policy/docker/dockerfile.h"
#include "policy/judge/build_sources.h"
#include "proxy/archive/build_context.h"

struct request_build {
    struct body_filter *context;
    bool taken; /* CONTEXT is somebody else's to free */
    struct dockerfile *dockerfile;
    bool pulls; /* all images, whether they are there or not */
};

/* BuildKit's, where any "version" says so. */
static bool is_classic_build(const struct request *rq)
{
    for (size_t i = 0; i < rq->target.query_count; i++) {
        const struct query_pair *pair = &rq->target.query[i];

        if (str_eq(pair->key, S("version")) && pair->value.len &&
            !str_eq(pair->value, S("1")))
            return false;
    }
    return true;
}

/* Is something to be said about what a build takes from elsewhere? In a
 * namespace, always: whose it is. */
static bool is_restricted(const struct policy *policy)
{
    return policy->isolation == POLICY_NAMESPACE ||
           (policy->mode == POLICY_ENFORCE &&
            build_sources_are_judged(&policy->rules));
}

bool request_build_is_classic(const struct policy *policy)
{
    return is_restricted(policy) ||
           (policy->mode == POLICY_ENFORCE &&
            build_frontends_are_judged(&policy->rules));
}

struct request_build *request_build_free(struct request_build *build)
{
    if (!build)
        return NULL;
    dockerfile_free(build->dockerfile);
    if (!build->taken)
        body_filter_free(build->context);
    free(build);
    return NULL;
}

static struct str query_of(const struct request *rq, struct str key)
{
    const struct str *value = target_get(&rq->target, key);

    return value ? *value : S("");
}

/*
 * The way of Docker 20.10 and older, in which the engine asks BuildKit itself:
 * there is no place for the rules that keep a build to a namespace, or to what
 * the policy names, and berth does not read what BuildKit's frontends do.
 */
bool request_build_judge(struct request *rq, const struct policy *policy)
{
    if (request_operation(rq) != OP_IMAGE_BUILD || is_classic_build(rq) ||
        !request_build_is_classic(policy))
        return true;
    verdict_deny(
        &rq->verdict, 403, "build.engine", "query version",
        policy->isolation == POLICY_NAMESPACE
            ? "Docker 20.10 and older ask for BuildKit in a way that cannot be "
              "kept to a namespace (version=2); use the classic builder "
              "(DOCKER_BUILDKIT=0), or a newer client"
            : "Docker 20.10 and older ask for BuildKit in a way that cannot be "
              "kept to images.registries, images.digests_only, build.remotes "
              "and build.frontends (version=2); use the classic builder "
              "(DOCKER_BUILDKIT=0), or a newer client with Docker Engine 24 or "
              "newer");
    return false;
}

static void refuse_remote(struct request *rq, const struct policy *policy)
{
    verdict_deny(
        &rq->verdict, 403, "build.remotes", "query remote",
        policy->isolation == POLICY_NAMESPACE
            ? "in a namespace the classic builder may not fetch its context by "
              "itself, for nobody could tell whose images the Dockerfile "
              "names; send the context, or build with BuildKit"
            : "the classic builder may not fetch its context by itself where "
              "images.registries, images.digests_only or build.remotes say "
              "what a build may use, for berth could not read the Dockerfile; "
              "send the context, or build with BuildKit");
}

/* Have BUILD_CONTEXT_DOCKERFILE built in place of the client's, of which it is
 * called ASKED. */
static bool set_query(struct request *rq, struct str asked)
{
    /* errors that name the file mean the client's */
    if (!rq->rewrite.stand_ins)
        rq->rewrite.stand_ins = json_object();
    json_object_set_new(rq->rewrite.stand_ins, BUILD_CONTEXT_DOCKERFILE,
                        json_stringn(asked.len ? asked.ptr : "Dockerfile",
                                     asked.len ? asked.len : 10));
    /* what was pulled is then named by its ID, which nobody can pull */
    rq->build->pulls = target_flag(&rq->target, S("pull"));
    target_drop(&rq->target, S("pull"));
    if (target_set(&rq->target, S("dockerfile"), S(BUILD_CONTEXT_DOCKERFILE)) ==
        0)
        return true;
    verdict_deny(&rq->verdict, 431, "request.path", "query",
                 "the query has too many parts");
    return false;
}

bool request_build_begin(struct request *rq, const struct policy *policy)
{
    const struct rewrite_context context = rq->rewrite.context;
    struct str asked = query_of(rq, S("dockerfile"));
    struct body_filter *filter;

    if (request_operation(rq) != OP_IMAGE_BUILD)
        return true;
    if (!is_classic_build(rq))
        return request_build_judge(rq, policy);
    if (!is_restricted(policy))
        return true;
    if (query_of(rq, S("remote")).len) {
        refuse_remote(rq, policy);
        return false;
    }
    if (rq->body != REQUEST_BODY_STREAM)
        return true; /* no context, no Dockerfile */
    filter = build_context_new(asked, &rq->verdict);
    if (!filter)
        return false;
    rq->build = xcalloc(1, sizeof(*rq->build));
    rq->build->context = filter;
    if (!rq->rewriting)
        rewrite_begin_plain(&rq->rewrite, &context, &rq->match, &rq->target);
    return set_query(rq, asked);
}

struct body_filter *request_build_filter(struct request *rq)
{
    if (!rq->build)
        return NULL;
    rq->build->taken = true;
    return rq->build->context;
}

bool request_build_read(struct request *rq)
{
    struct request_build *build = rq->build;
    struct str text = query_of(rq, S("buildargs"));
    json_auto_t *args = NULL;

    if (text.len) {
        args = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(args) && !json_is_null(args)) {
            verdict_deny(&rq->verdict, 400, "build.arguments",
                         "query buildargs", "this is no JSON object");
            return false;
        }
    }
    build->dockerfile =
        dockerfile_read(build_context_dockerfile(build->context), args,
                        query_of(rq, S("target")), &rq->verdict);
    rq->rewrite.dockerfile = build->dockerfile;
    return build->dockerfile;
}

enum rewrite_step request_build_step(struct request *rq,
                                     const struct policy *policy)
{
    const struct build_images how = {
        .rules = policy->mode == POLICY_REPORT_ONLY ? NULL : &policy->rules,
        .pull = rq->build->pulls,
        .platform = query_of(rq, S("platform")),
    };

    return rewrite_dockerfile(&rq->rewrite, rq->build->dockerfile, &how);
}

bool request_build_finish(struct request *rq, struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_DOCKERFILE_WRITTEN);

    if (dockerfile_put(rq->build->dockerfile, &text, &rq->verdict))
        return false;
    if (build_context_finish(rq->build->context, strbuf_str(&text), out) == 0)
        return true;
    verdict_deny(&rq->verdict, 413, "build.context", "",
                 "what berth adds to the context is too long");
    return false;
}
