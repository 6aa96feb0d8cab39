#include "policy/base/sha256.h"
#include "proxy/archive/tar_entry.h"
#include "proxy/companion_link/link_private.h"

/*
 * The companion's image: one layer with one file. It is an archive as "docker
 * save" wrote them before OCI's (moby, image/spec/spec-v1.2.md), which every
 * engine loads.
 */

const struct companion_program *link_program(struct str architecture)
{
    for (const struct companion_program *p = companion_programs;
         p->architecture; p++) {
        if (str_eq(str_from(p->architecture), architecture))
            return p;
    }
    return NULL;
}

void link_put_image_name(struct strbuf *out,
                         const struct companion_program *program)
{
    strbuf_addf(out, COMPANION_IMAGES "%s:%s", program->architecture,
                program->digest);
}

static int put_file(struct strbuf *out, const char *name, unsigned mode,
                    struct str content)
{
    static const char nulls[TAR_BLOCK];
    struct tar_entry entry = {
        .kind = TAR_FILE, .size = content.len, .mode = mode};
    int r;

    tar_set_name(entry.name, str_from(name));
    r = tar_entry_put(out, &entry);
    if (r == 0)
        r = strbuf_add(out, content);
    return r ? r : strbuf_add(out, str_of(nulls, tar_padding(content.len)));
}

static int put_end(struct strbuf *out)
{
    static const char nulls[2 * TAR_BLOCK];

    return strbuf_add(out, str_of(nulls, sizeof(nulls)));
}

int link_put_archive(struct strbuf *out,
                     const struct companion_program *program)
{
    AUTO(strbuf_fini) struct strbuf layer = STRBUF(LINK_ARCHIVE);
    AUTO(strbuf_fini) struct strbuf config = STRBUF(4 * KIB);
    AUTO(strbuf_fini) struct strbuf manifest = STRBUF(4 * KIB);
    char hex[SHA256_HEX + 1];
    int r;

    r = put_file(
        &layer, COMPANION_PROGRAM, 0755,
        str_of(program->begin, (size_t)(program->end - program->begin)));
    if (r == 0)
        r = put_end(&layer);
    sha256_hex(strbuf_str(&layer), hex);
    strbuf_addf(
        &config,
        "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}",
        program->architecture, hex);
    strbuf_addf(&manifest, "[{\"Config\":\"config.json\",\"RepoTags\":[\"");
    link_put_image_name(&manifest, program);
    strbuf_addf(&manifest, "\"],\"Layers\":[\"layer.tar\"]}]");
    if (r == 0)
        r = put_file(out, "manifest.json", 0644, strbuf_str(&manifest));
    if (r == 0)
        r = put_file(out, "config.json", 0644, strbuf_str(&config));
    if (r == 0)
        r = put_file(out, "layer.tar", 0644, strbuf_str(&layer));
    return r ? r : put_end(out);
}
