#pragma once

/*
 * What the names of an image mean to one namespace. An engine lists all of
 * them, whoever gave them (RepoTags, RepoDigests); a namespace sees its own,
 * and those that a registry gave and the policy shares. Nothing here asks
 * anybody anything.
 */

#include <jansson.h>

#include "policy/base/strings.h"
#include "policy/docker/own_tag.h"

struct image_names {
    /* Tags that the namespace sees on the image: {"docker.io/library/app:1":
     * true}; false where it is shared and not the namespace's own. */
    json_t *tags;
    /* What it pulled by digest: {"docker.io/library/app@sha256:...": true} */
    json_t *digests;
    bool anchored; /* its own without a name */
};

/*
 * The names of IMAGE, as a list or an inspect shows it, for NS; SHARED are the
 * patterns of what all may use, NULL for everything. A name that is being
 * pushed at the moment is not shared.
 */
void image_names_read(struct image_names *names, struct str ns,
                      const struct strings *shared, const json_t *image);
void image_names_fini(struct image_names *names);

/* Does the namespace own the image, by whatever name? */
bool image_names_are_own(const struct image_names *names);
/* Does it see it, as its own or as a shared one? */
bool image_names_show(const struct image_names *names);
/* Has it neither tag nor digest, as Docker's filter "dangling" means it? */
bool image_names_dangle(const struct image_names *names);

/* Does it see the tag REF, a completed one, on this image? And is it its own?
 */
bool image_names_have(const struct image_names *names,
                      const struct image_ref *ref, bool *own);

/* A shared tag that the namespace has on another image is not this one's:
 * forget those that OWN, {full name: anything}, has. */
void image_names_yield(struct image_names *names, const json_t *own);
/* Add this image's own tags to OWN: {full name: ID of the image}. */
void image_names_collect(const struct image_names *names, const json_t *image,
                         json_t *own);

/* New lists of names in short, in Docker's order, as RepoTags and RepoDigests
 * show them; LISTED: as a list does, not an inspect. */
json_t *image_names_tags(const struct image_names *names);
json_t *image_names_digests(const struct image_names *names,
                            const json_t *image, bool listed);

/*
 * Is IMAGE in containerd's store? There the digest of a manifest is the ID, and
 * every name has it behind its "@"; with graph drivers no digest ever is the
 * ID.
 */
bool image_is_of_containerd(const json_t *image);
