#pragma once

/*
 * The names of images in an archive of "docker save", which an engine gives to
 * the images when it loads them. They are in three files, and each engine
 * reads another of them:
 *
 *     manifest.json  [{"RepoTags": ["app:latest"]}]
 *     repositories   {"app": {"latest": "<ID>"}}
 *     index.json     {"manifests": [{"annotations":
 *                        {"io.containerd.image.name":
 * "docker.io/library/app:latest", "org.opencontainers.image.ref.name":
 * "latest"}}]}
 *
 * (Where io.containerd.image.name is missing, the containerd store takes
 * org.opencontainers.image.ref.name for a name.) Each file is parsed as
 * strictly as a request's body and written anew, with other names in it.
 */

#include <jansson.h>

#include "policy/base/str.h"
#include "policy/base/verdict.h"

enum archive_file {
    ARCHIVE_MANIFEST,     /* manifest.json */
    ARCHIVE_REPOSITORIES, /* repositories */
    ARCHIVE_INDEX,        /* index.json */
    ARCHIVE_LAYOUT,       /* oci-layout, in which there are no names */
    ARCHIVE_FILES,
};

/* How each is called in an archive. */
extern const struct str archive_file_names[ARCHIVE_FILES];

enum archive_name_result {
    ARCHIVE_NAME_OK,
    ARCHIVE_NAME_DROP,    /* the image loses this name */
    ARCHIVE_NAME_REFUSED, /* the whole archive is, see WHY */
};

/* How many images an archive may bring: by name, and those that have none. */
struct archive_budget {
    uint64_t most;
    const char *rule; /* that says so */
    json_t *names;    /* as the engine gets them; at first NULL */
    uint64_t unnamed[ARCHIVE_FILES]; /* in this file */
};

void archive_budget_fini(struct archive_budget *budget);

/* What becomes of a name. */
struct archive_names {
    /*
     * Append to OUT, which is empty, the name in the place of NAME, "app:1" or
     * "ghcr.io/acme/app:1"; FULL: with registry and tag in any case.
     */
    enum archive_name_result (*map)(void *arg, struct str name, bool full,
                                    struct strbuf *out, struct verdict *why);
    void *arg;
    bool digests; /* names may have one; else they are refused */
    struct archive_budget *budget; /* or NULL: any number */
};

enum { ARCHIVE_E_REFUSED = 1 };

/*
 * Append to OUT what FILE, which reads BYTES, becomes (LIMIT_JSON_WRITTEN holds
 * any). 0; or ARCHIVE_E_REFUSED and *WHY (400, 413).
 */
int archive_names_rewrite(enum archive_file file, struct str bytes,
                          const struct archive_names *names, struct strbuf *out,
                          struct verdict *why);
