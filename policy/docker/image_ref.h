#pragma once

/*
 * Names of images, read as an engine reads them: "alpine" is
 * "docker.io/library/alpine:latest".
 */

#include "policy/base/str.h"
#include "policy/base/strings.h"

enum { IMAGE_NAME_MAX = 255 };

struct image_ref {
    char text[IMAGE_NAME_MAX + 1]; /* of NAME */
    struct str name;               /* "docker.io/library/alpine" */
    struct str tag, digest;        /* slices of what was parsed, or empty */
};

enum { IMAGE_REF_E_INVALID = 1 };

/*
 * Read TEXT, "name", "name:tag", "name@digest" or "name:tag@digest". Returns 0
 * and fills *REF; or IMAGE_REF_E_INVALID. (NAME points into REF: do not copy.)
 */
int image_ref_parse(struct str text, struct image_ref *ref);

/* Where neither tag nor digest is given, an engine mostly takes "latest". */
void image_ref_complete(struct image_ref *ref);

/* TEXT without its tag, which is behind the last colon. */
struct str image_ref_untagged(struct str text);

/* Might an engine take TEXT for an ID or the beginning of one? */
bool image_ref_is_id(struct str text);
/* Is it a whole ID, which says what is in the image? */
bool image_ref_is_full_id(struct str text);

/* Does the FIRST part of a name say which registry, or is it part of a path? */
bool image_host_is_registry(struct str first);

/*
 * Would an engine that is asked for something of the registry HOST
 * ("127.0.0.1:5000") ask its own machine, or its link (169.254.0.0/16, where
 * clouds have what a machine may know of itself)? What might be such an address
 * counts: one in an unusual spelling ("127.1"), all of IPv6. Where DNS leads a
 * name is not known here.
 */
bool image_host_is_local(struct str host);

/*
 * The same as a regular expression for RE2: all of a HOST that is local.
 * Numbers are an address like any other when they are four, each of them one
 * byte in decimal.
 */
#define IMAGE_HOST_LOCAL                                                       \
    "(\\[[^/]*|(?i:([^/]*\\.)?localhost|localhost\\.localdomain"               \
    "|ip6-localhost|ip6-loopback"                                              \
    "|(127|0|169\\.254)\\.[0-9.]+"                                             \
    "|" IMAGE_HOST_NUMBER "((\\." IMAGE_HOST_NUMBER "){0,2}"                   \
    "|(\\." IMAGE_HOST_NUMBER "){4,})"                                         \
    "|(" IMAGE_HOST_NUMBER "\\.)*" IMAGE_HOST_NO_BYTE "(\\." IMAGE_HOST_NUMBER \
    ")*)(:[0-9]+)?)"
#define IMAGE_HOST_NUMBER "(0x[0-9a-f]*|[0-9]+)"
#define IMAGE_HOST_NO_BYTE                                                     \
    "(0x[0-9a-f]*|0[0-9]+|25[6-9]|2[6-9][0-9]|[3-9][0-9]{2}|[0-9]{4,})"

/*
 * Does PATTERN name REF? A pattern is a registry ("ghcr.io"), a repository or
 * the beginning of its path ("ghcr.io/acme", "docker.io/library"), or an image
 * as people write them ("alpine", "acme/app:v*"); "*" stands for any run of
 * characters within one part, and alone for everything. A pattern with a tag
 * does not fit a REF without one, nor one with a digest.
 */
bool image_pattern_matches(struct str pattern, const struct image_ref *ref);
bool image_is_in(const struct strings *patterns, const struct image_ref *ref);

/* The registry that PATTERN is about, itself a pattern: "ghcr.io", "*". */
struct str image_pattern_registry(struct str pattern);

/*
 * The same two questions where an engine would ask the registry: a host that is
 * local (see above) has to be named, for "*" stands for none of those.
 */
bool image_may_be_fetched(const struct strings *patterns,
                          const struct image_ref *ref);
bool image_registry_may_be_asked(const struct strings *patterns,
                                 struct str host);

/* Does PATTERN begin with "*", so that it names no host that is local? */
static inline bool image_pattern_is_wide(struct str pattern)
{
    return str_has_prefix(pattern, S("*"));
}

/* Does the list name everything? */
bool image_patterns_are_open(const struct strings *patterns);
