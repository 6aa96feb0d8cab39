#include "policy/build/build_private.h"

/*
 * The source policy of a build: rules by which the engine itself judges every
 * source, also those that no client has written (a FROM in a Dockerfile, an ADD
 * of a URL). The client's own rules come first and ours last, for the last
 * ALLOW or DENY that matches has the say, and a CONVERT starts all over with
 * what it made.
 *
 * Up to BuildKit 0.25 two rules of the same match type and identifier share
 * one matcher, and with it the constraints of the first: a client that knew one
 * of ours could take its effect away. So each of our regular expressions ends
 * in an alternative that no source is and nobody can guess, and wildcards have
 * our domain in them, which no client may write.
 */

/* ---- the client's ---- */

static bool names_ours(struct str identifier)
{
    struct str domain = S(OWN_TAG_DOMAIN);

    for (size_t i = 0; i + domain.len <= identifier.len; i++)
        if (str_eq_nocase(str_of(identifier.ptr + i, domain.len), domain))
            return true;
    return false;
}

bool build_judge_policy(struct build_call *call,
                        const struct pb_message *policy, const char *field)
{
    size_t count = 0;

    if (pb_number(policy, POLICY_VERSION) > 1)
        return build_refuse(
            call, 400, "request.protobuf", field,
            "a source policy of version %llu is not known to "
            "this berth",
            (unsigned long long)pb_number(policy, POLICY_VERSION));
    for (const struct pb_value *value = pb_find(policy, POLICY_RULES); value;
         value = pb_next(value)) {
        const struct pb_message *rule = value->message;

        if (++count > LIMIT_BUILD_RULES)
            return build_refuse(call, 413, "request.size", field,
                                "a source policy has %d rules at most",
                                LIMIT_BUILD_RULES);
        if (!pb_child(rule, RULE_SELECTOR))
            return build_refuse(call, 400, "request.protobuf", field,
                                "a rule needs a selector");
        if (names_ours(pb_text(pb_child(rule, RULE_UPDATE), 1)) ||
            names_ours(
                pb_text(pb_child(rule, RULE_SELECTOR), SELECTOR_IDENTIFIER)))
            return build_forbid(call, "request.names", field,
                                "names below " OWN_TAG_DOMAIN
                                " are berth's own");
    }
    return true;
}

bool build_judge_policies(struct build_call *call,
                          const struct pb_message *message, unsigned number,
                          const char *field)
{
    for (const struct pb_value *value = pb_find(message, number); value;
         value = pb_next(value))
        if (!build_judge_policy(call, value->message, field))
            return false;
    return true;
}

/* ---- ours ---- */

/* Text that RE2 takes for itself. */
static int put_quoted(struct strbuf *out, struct str text)
{
    int r = 0;

    for (size_t i = 0; i < text.len && !r; i++) {
        if (memchr("\\.+*?()|[]{}^$", text.ptr[i], 14))
            r = strbuf_add_char(out, '\\');
        if (!r)
            r = strbuf_add_char(out, text.ptr[i]);
    }
    return r;
}

/* A pattern of the policy: "*" stands for ANY. */
static int put_pattern(struct strbuf *out, struct str pattern, struct str any)
{
    struct str part;
    bool more = true;
    int r = 0;

    while (more && !r) {
        more = str_cut(pattern, '*', &part, &pattern);
        r = put_quoted(out, part);
        if (!r && more)
            r = strbuf_add(out, any);
    }
    return r;
}

static struct pb_message *add_rule(struct build_call *call,
                                   struct pb_message *policy, uint64_t action,
                                   uint64_t match, struct str identifier)
{
    struct pb_tree *tree = &call->tree;
    AUTO(strbuf_fini) struct strbuf text = STRBUF(identifier.len + 64);
    struct pb_message *rule = pb_add_message(tree, policy, POLICY_RULES);
    struct pb_message *selector = pb_add_message(tree, rule, RULE_SELECTOR);

    pb_set_number(tree, rule, RULE_ACTION, action);
    strbuf_add(&text, identifier);
    if (match == MATCH_REGEX)
        strbuf_addf(&text, "|^#%016llx.%u$", (unsigned long long)call->random,
                    call->rules_made++);
    pb_set_text(tree, selector, SELECTOR_IDENTIFIER,
                pb_keep(tree, strbuf_str(&text)));
    pb_set_number(tree, selector, SELECTOR_MATCH, match);
    return rule;
}

static void add_constraint(struct build_call *call, struct pb_message *rule,
                           struct str key, struct str value, uint64_t condition)
{
    struct pb_tree *tree = &call->tree;
    struct pb_message *constraint = pb_add_message(
        tree, pb_child(rule, RULE_SELECTOR), SELECTOR_CONSTRAINTS);

    pb_set_text(tree, constraint, 1, key);
    pb_set_text(tree, constraint, 2, pb_keep(tree, value));
    pb_set_number(tree, constraint, 3, condition);
}

/* URLs: none but those of build.remotes, and what the session uploads. */
static void add_remotes(struct build_call *call, struct pb_message *policy)
{
    const struct strings *remotes = &call->view->rules->build.remotes;

    if (strings_have(remotes, S("*")))
        return;
    add_rule(call, policy, POLICY_DENY, MATCH_REGEX, S("^(https?|git)://"));
    add_rule(call, policy, POLICY_ALLOW, MATCH_REGEX,
             S("^https?://buildkit-session/"));
    for (size_t i = 0; i < remotes->count; i++) {
        AUTO(strbuf_fini) struct strbuf url = STRBUF(4 * LIMIT_POLICY_TEXT);

        strbuf_add_char(&url, '^');
        put_pattern(&url, str_from(remotes->items[i]), S(".*"));
        strbuf_add(&url, S("(#.*)?$"));
        add_rule(call, policy, POLICY_ALLOW, MATCH_REGEX, strbuf_str(&url));
        add_constraint(
            call,
            add_rule(call, policy, POLICY_ALLOW, MATCH_REGEX, S("^git://")),
            S("git.fullurl"), strbuf_str(&url), ATTR_MATCHES);
    }
}

/* "ghcr.io/acme", "alpine", "acme/app:v*" as image_pattern_matches has them:
 * over the full name of an image. */
static void put_image_pattern(struct strbuf *out, struct str pattern)
{
    struct str name = image_ref_untagged(pattern), first, rest;
    bool pathed = str_cut(name, '/', &first, &rest);
    bool tagged =
        name.len < pattern.len && (pathed || !image_host_is_registry(first));
    bool hosted;

    if (!tagged)
        name = pattern;
    pathed = str_cut(name, '/', &first, &rest);
    hosted =
        image_host_is_registry(first) || (pathed && str_find(first, '*') >= 0);
    strbuf_add(out, S("^docker-image://"));
    if (!hosted)
        strbuf_addf(out, "docker\\.io/%s", pathed ? "" : "library/");
    if (str_eq(first, S("docker.io")) && pathed && str_find(rest, '/') < 0) {
        strbuf_add(out, S("docker\\.io/(library/)?"));
        name = rest;
    }
    put_pattern(out, name, S("[^/:@]*"));
    if (tagged) {
        strbuf_add_char(out, ':');
        put_pattern(out, str_from_index(pattern, name.len + 1), S("[^/@]*"));
    } else if (pathed || hosted) {
        strbuf_add(out, S("(/[^:@]*)?(:[^/@]*)?"));
    } else {
        strbuf_add(out, S("(:[^/@]*)?"));
    }
    strbuf_add(out, S("(@.*)?$"));
}

static void add_for(struct build_call *call, struct pb_message *policy,
                    uint64_t action, struct str regex, uint64_t frontends)
{
    add_constraint(call, add_rule(call, policy, action, MATCH_REGEX, regex),
                   S("image.recordtype"), S("frontend"), frontends);
}

/* Allow what those PATTERNS name that are wide, or the others. */
static void allow_images(struct build_call *call, struct pb_message *policy,
                         const struct strings *patterns, bool wide,
                         uint64_t frontends)
{
    for (size_t i = 0; i < patterns->count; i++) {
        AUTO(strbuf_fini) struct strbuf name = STRBUF(4 * LIMIT_POLICY_TEXT);
        struct str pattern = str_from(patterns->items[i]);

        if (image_pattern_is_wide(pattern) != wide || str_eq(pattern, S("*")))
            continue;
        put_image_pattern(&name, pattern);
        add_for(call, policy, POLICY_ALLOW, strbuf_str(&name), frontends);
    }
}

static bool has_wide(const struct strings *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (image_pattern_is_wide(str_from(patterns->items[i])))
            return true;
    return false;
}

/* Behind what is denied: PATTERNS, and of the hosts that are local only those
 * that they name. */
static void add_patterns(struct build_call *call, struct pb_message *policy,
                         const struct strings *patterns, uint64_t frontends)
{
    if (!image_patterns_are_open(patterns))
        allow_images(call, policy, patterns, true, frontends);
    if (has_wide(patterns))
        add_for(call, policy, POLICY_DENY,
                S("^docker-image://" IMAGE_HOST_LOCAL "/"), frontends);
    allow_images(call, policy, patterns, false, frontends);
}

/* Registries, where the policy names them. Frontends are not among them:
 * build.frontends has those. */
static void add_registries(struct build_call *call, struct pb_message *policy)
{
    const struct strings *registries = &call->view->rules->images.registries;

    if (!image_patterns_are_open(registries))
        add_rule(call, policy, POLICY_DENY, MATCH_REGEX, S("^docker-image://"));
    add_patterns(call, policy, registries, ATTR_NOT_EQUAL);
}

static void add_frontends(struct build_call *call, struct pb_message *policy)
{
    const struct strings *frontends = &call->view->rules->build.frontends;

    if (!image_patterns_are_open(frontends))
        add_for(call, policy, POLICY_DENY, S("^docker-image://.*$"),
                ATTR_EQUAL);
    add_patterns(call, policy, frontends, ATTR_EQUAL);
}

/* No tag, whose image another may change at any time; own images come later. */
static void add_digests_only(struct build_call *call, struct pb_message *policy)
{
    if (call->view->rules->images.digests_only)
        add_rule(call, policy, POLICY_DENY, MATCH_REGEX,
                 S("^docker-image://[^@]*$"));
}

static void add_convert(struct build_call *call, struct pb_message *policy,
                        struct str regex, struct str own)
{
    struct pb_message *rule =
        add_rule(call, policy, POLICY_CONVERT, MATCH_REGEX, regex);
    struct pb_message *update = pb_add_message(&call->tree, rule, RULE_UPDATE);
    AUTO(strbuf_fini) struct strbuf to = STRBUF(OWN_TAG_MAX + KIB);

    strbuf_addf(&to, "docker-image://%.*s", STR_FMT(own));
    pb_set_text(&call->tree, update, 1, pb_keep(&call->tree, strbuf_str(&to)));
}

/* "docker.io/library/app:latest", with a digest or without; and the digest
 * alone, where it is known. */
static void add_own(struct build_call *call, struct pb_message *policy,
                    const struct build_own *own, bool digest_is_new)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(4 * OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf digest = STRBUF(4 * OWN_TAG_MAX);

    strbuf_add(&name, S("^docker-image://"));
    put_quoted(&name, own->real);
    strbuf_add(&name, S("(@.*)?$"));
    add_convert(call, policy, strbuf_str(&name), own->own);
    if (!digest_is_new)
        return;
    strbuf_add(&digest, S("^docker-image://"));
    put_quoted(&digest, image_ref_untagged(own->real));
    strbuf_addf(&digest, "@%.*s$", STR_FMT(own->digest));
    add_convert(call, policy, strbuf_str(&digest), own->own);
}

/* Two tags of one repository may have one digest. */
static bool is_new(const struct build_images *images, size_t index)
{
    const struct build_own *own = build_images_at(images, index);

    for (size_t i = 0; i < index; i++) {
        const struct build_own *other = build_images_at(images, i);

        if (str_eq(other->digest, own->digest) &&
            str_eq(image_ref_untagged(other->real),
                   image_ref_untagged(own->real)))
            return false;
    }
    return own->digest.len > 0;
}

static void add_names(struct build_call *call, struct pb_message *policy,
                      bool convert)
{
    struct str ns = call->view->ns;
    size_t count = build_images_count(call->images);
    AUTO(strbuf_fini) struct strbuf own = STRBUF(KIB);

    add_rule(call, policy, POLICY_DENY, MATCH_WILDCARD,
             S("docker-image://*." OWN_TAG_DOMAIN "/*"));
    strbuf_addf(&own, "docker-image://%.*s." OWN_TAG_DOMAIN "/*", STR_FMT(ns));
    add_rule(call, policy, POLICY_ALLOW, MATCH_WILDCARD, strbuf_str(&own));
    for (size_t i = 0; convert && i < count; i++)
        add_own(call, policy, build_images_at(call->images, i),
                is_new(call->images, i));
    /* or "docker tag evil docker/dockerfile:1" would go around the rules on
     * frontends */
    strbuf_clear(&own);
    strbuf_addf(&own, "^docker-image://%.*s\\.", STR_FMT(ns));
    put_quoted(&own, S(OWN_TAG_DOMAIN "/"));
    add_constraint(
        call,
        add_rule(call, policy, POLICY_DENY, MATCH_REGEX, strbuf_str(&own)),
        S("image.recordtype"), S("frontend"), ATTR_EQUAL);
}

void build_add_rules(struct build_call *call, struct pb_message *policy,
                     bool convert)
{
    if (!call->view->reports) {
        add_remotes(call, policy);
        add_registries(call, policy);
        add_frontends(call, policy);
        add_digests_only(call, policy);
    }
    if (call->view->ns.len)
        add_names(call, policy, convert);
}
