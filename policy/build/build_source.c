#include "policy/build/build_private.h"

/* Where the contents of a build come from. */

/* ---- images ---- */

static bool is_listed(struct build_call *call, const struct image_ref *ref)
{
    struct image_ref complete = *ref;

    complete.name = str_of(complete.text, ref->name.len);
    image_ref_complete(&complete);
    return image_may_be_fetched(&call->view->rules->images.registries,
                                &complete);
}

/* Read TEXT, which may be ours only where that is allowed. */
static bool read_image(struct build_call *call, struct str text,
                       const char *field, bool ours_too, struct image_ref *ref)
{
    if (image_ref_parse(text, ref) != 0)
        return build_refuse(call, 400, "images.registries", field,
                            "\"%.*s\" is no reference to an image",
                            STR_FMT(str_head(text, 150)));
    if (own_tag_is_reserved(ref) &&
        !(ours_too && build_image_is_ours(call->view, ref)))
        return build_forbid(call, "request.names", field,
                            "\"%.*s\": names below " OWN_TAG_DOMAIN
                            " are berth's own; use the image's plain name",
                            STR_FMT(str_head(text, 150)));
    return true;
}

static bool judge_listed(struct build_call *call, struct str text,
                         const struct image_ref *ref, const char *field)
{
    build_note(call, "sources", text);
    return build_image_is_ours(call->view, ref) ||
           build_images_have(call->images, ref) || is_listed(call, ref) ||
           build_refuse(call, 403, "images.registries", field,
                        "the image \"%.*s\" is not allowed here; to allow it, "
                        "add its registry or repository to images.registries "
                        "in the policy",
                        STR_FMT(str_head(text, 150)));
}

bool build_judge_image(struct build_call *call, struct str text,
                       const char *field)
{
    struct image_ref ref;

    return read_image(call, text, field, false, &ref) &&
           judge_listed(call, text, &ref, field);
}

bool build_judge_frontend_image(struct build_call *call, struct str text,
                                const char *field)
{
    const struct strings *frontends = &call->view->rules->build.frontends;
    struct image_ref ref;

    if (!read_image(call, text, field, false, &ref))
        return false;
    build_note(call, "frontends", text);
    image_ref_complete(&ref);
    return image_may_be_fetched(frontends, &ref) ||
           build_refuse(call, 403, "build.frontends", field,
                        "the frontend \"%.*s\" is not allowed here, for what "
                        "it does in the engine is not seen; to allow it, add "
                        "its repository to build.frontends in the policy",
                        STR_FMT(str_head(text, 150)));
}

/* ---- URLs ---- */

/* What is uploaded by the session is no remote (docker build - < file). */
static bool is_session_upload(struct str url)
{
    return str_has_prefix(url, S("http://buildkit-session/")) ||
           str_has_prefix(url, S("https://buildkit-session/"));
}

bool build_judge_url(struct build_call *call, struct str url, const char *field)
{
    struct str plain, fragment;

    if (is_session_upload(url))
        return true;
    str_cut(url, '#', &plain, &fragment);
    build_note(call, "sources", plain);
    return strings_match(&call->view->rules->build.remotes, url) ||
           strings_match(&call->view->rules->build.remotes, plain) ||
           build_refuse(call, 403, "build.remotes", field,
                        "the engine may not fetch \"%.*s\" here, for it would "
                        "do so from its host's network; send the files "
                        "themselves, or have the policy add the URL to "
                        "build.remotes",
                        STR_FMT(str_head(plain, 150)));
}

/* "git://github.com/acme/app.git#main": the identifier has no scheme of its
 * own, the attribute has the URL. */
static bool judge_git(struct build_call *call, const struct pb_message *source,
                      struct str rest, const char *field)
{
    struct str url = pb_map_text(source, SOURCE_ATTRS, S("git.fullurl"));
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_BUILD_TEXT);
    struct str place, fragment;

    str_cut(rest, '#', &place, &fragment);
    if (url.len == 0) {
        /* then the engine takes https */
        if (str_find(place, ':') >= 0 || str_find(place, '@') >= 0)
            return build_forbid(call, "build.remotes", field,
                                "a git source needs its full URL "
                                "(git.fullurl)");
        strbuf_addf(&text, "https://%.*s", STR_FMT(place));
        url = strbuf_str(&text);
    }
    return build_judge_url(call, url, field);
}

/* ---- source operations ---- */

/* The attributes there are; "=" in front: any key that begins so. Others might
 * make a source something else than its identifier says. */
static const struct str known_attrs[] = {
    STR("image.resolvemode"),
    STR("image.recordtype"),
    STR("image.layerlimit"),
    STR("image.checksum"),
    STR("oci.session"),
    STR("oci.store"),
    STR("oci.layerlimit"),
    STR("local.session"),
    STR("local.unique"),
    STR("local.includepattern"),
    STR("local.followpaths"),
    STR("local.excludepatterns"),
    STR("local.sharedkeyhint"),
    STR("local.differ"),
    STR("local.metadatatransfer"),
    STR("local.metadatatransferexclude"),
    STR("http.checksum"),
    STR("http.filename"),
    STR("http.perm"),
    STR("http.uid"),
    STR("http.gid"),
    STR("http.authheadersecret"),
    STR("git.keepgitdir"),
    STR("git.fullurl"),
    STR("git.authheadersecret"),
    STR("git.authtokensecret"),
    STR("git.knownsshhosts"),
    STR("git.mountsshsock"),
    STR("git.checksum"),
    STR("git.skipsubmodules"),
    STR("git.mtime"),
    STR("git.fetchbycommit"),
};

static bool is_known_attr(struct str key)
{
    for (size_t i = 0; i < sizeof(known_attrs) / sizeof(known_attrs[0]); i++)
        if (str_eq(known_attrs[i], key))
            return true;
    return str_has_prefix(key, S("http.header."));
}

/* An operation travels as it is, so a session in it must be the engine's name
 * of one of ours. */
static bool session_is_ours(struct build_call *call, struct str key,
                            struct str value, const char *field)
{
    struct str id;

    if (!str_eq(key, S("local.session")) && !str_eq(key, S("oci.session")))
        return true;
    return value.len == 0 || build_id_out(call->view, value, &id) ||
           build_forbid(call, "request.identifier", field,
                        "%.*s names a session that is not this runner's; "
                        "leave it out, and the build's own session is asked",
                        STR_FMT(key));
}

static bool judge_attrs(struct build_call *call,
                        const struct pb_message *source, const char *field)
{
    for (const struct pb_value *value = pb_find(source, SOURCE_ATTRS); value;
         value = pb_next(value)) {
        struct str key = pb_text(value->message, 1);

        if (!is_known_attr(key))
            return build_forbid(call, "request.unknown_fields", field,
                                "the attribute \"%.*s\" of a source is not "
                                "known to this berth",
                                STR_FMT(str_head(key, 60)));
        if (!session_is_ours(call, key, pb_text(value->message, 2), field))
            return false;
        if (str_eq(key, S("git.authheadersecret")) ||
            str_eq(key, S("git.authtokensecret")) ||
            str_eq(key, S("http.authheadersecret")))
            build_note(call, "secrets", pb_text(value->message, 2));
    }
    return true;
}

bool build_judge_source(struct build_call *call,
                        const struct pb_message *source, const char *field)
{
    struct str id = pb_text(source, SOURCE_IDENTIFIER), scheme, rest;
    struct image_ref ref;

    if (!str_cut(id, ':', &scheme, &rest) || !str_has_prefix(rest, S("//")))
        return build_refuse(call, 400, "request.protobuf", field,
                            "\"%.*s\" is no source",
                            STR_FMT(str_head(id, 100)));
    rest = str_from_index(rest, 2);
    if (!judge_attrs(call, source, field))
        return false;
    if (str_eq(scheme, S("docker-image")))
        return read_image(call, rest, field, true, &ref) &&
               judge_listed(call, rest, &ref, field);
    if (str_eq(scheme, S("local")) || str_eq(scheme, S("oci-layout"))) {
        build_note(call, "sources", id);
        return true; /* out of the runner's session */
    }
    if (str_eq(scheme, S("git")))
        return judge_git(call, source, rest, field);
    if (str_eq(scheme, S("http")) || str_eq(scheme, S("https")))
        return build_judge_url(call, id, field);
    return build_forbid(call, "request.unknown_fields", field,
                        "sources of the kind \"%.*s\" are not known to this "
                        "berth",
                        STR_FMT(str_head(scheme, 40)));
}
