#include "policy/docker/archive_own_tags.h"

#include "policy/docker/own_tag.h"

static enum archive_name_result refuse_name(struct verdict *why,
                                            struct str name, const char *what)
{
    verdict_deny(why, 400, "request.archive", "",
                 "the archive calls an image \"%.*s\"; %s",
                 STR_FMT(str_head(name, 150)), what);
    return ARCHIVE_NAME_REFUSED;
}

static enum archive_name_result to_engine(void *arg, struct str name, bool full,
                                          struct strbuf *out,
                                          struct verdict *why)
{
    const struct str *ns = arg;
    struct image_ref ref;

    (void)full; /* an own tag has one form only */
    if (image_ref_parse(name, &ref) != 0)
        return refuse_name(why, name, "that is no name of an image");
    if (own_tag_is_reserved(&ref))
        return refuse_name(why, name,
                           "names below " OWN_TAG_DOMAIN " are berth's own");
    if (own_tag_is_ambiguous(&ref))
        return refuse_name(why, name,
                           "refusing to create an ambiguous tag "
                           "using digest algorithm as name");
    if (own_tag_put(out, *ns, &ref))
        return refuse_name(why, name, "that is too long");
    return ARCHIVE_NAME_OK;
}

static enum archive_name_result to_runner(void *arg, struct str name, bool full,
                                          struct strbuf *out,
                                          struct verdict *why)
{
    const struct str *ns = arg;
    int r = own_tag_read(out, *ns, name, full ? IMAGE_FULL : IMAGE_SHORT);

    if (r == 0)
        return ARCHIVE_NAME_OK;
    if (r == OWN_TAG_E_FOREIGN && own_name_read(name).kind != OWN_NAME_REAL)
        return ARCHIVE_NAME_DROP;
    if (r == OWN_TAG_E_FOREIGN && strbuf_add(out, name) == 0)
        return ARCHIVE_NAME_OK;
    return refuse_name(why, name, "that is too long");
}

struct archive_names archive_names_to_engine(struct str *ns)
{
    return (struct archive_names){.map = to_engine, .arg = ns};
}

struct archive_names archive_names_to_runner(struct str *ns)
{
    return (struct archive_names){.map = to_runner, .arg = ns, .digests = true};
}
