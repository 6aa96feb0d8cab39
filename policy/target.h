#pragma once

/*
 * The request target (RFC 9112, 3.2) taken apart once and for good: the API
 * version, the decoded path segments, the decoded query pairs. What reaches the
 * engine is written anew from these.
 *
 * The engine matches routes on the percent-decoded path and answers 301 for
 * anything unclean, so a path is refused when decoding could change its shape:
 * %2F, %00, %25-hidden escapes stay data, dot segments, "//", control bytes,
 * a missing "/" at the start, a host form.
 */

#include "policy/limits.h"
#include "policy/str.h"
#include "policy/verdict.h"

struct query_pair {
    struct str key;   /* decoded */
    struct str value; /* decoded; empty for a key without "=" */
};

struct target {
    bool versioned;        /* "/v1.44/..." rather than "/..." */
    unsigned major, minor; /* versioned: as clients mean it, 1.044 is 1.44 */
    struct str path;       /* decoded, without the version, starts with "/" */
    struct str segments[LIMIT_SEGMENTS]; /* of the path, decoded */
    size_t segment_count;
    bool trailing_slash;
    struct query_pair query[LIMIT_QUERY_PAIRS]; /* in the order given */
    size_t query_count;
    struct strbuf memory; /* the decoded bytes that the slices point into */
};

void target_init(struct target *target);
void target_fini(struct target *target);

/*
 * Take RAW apart. Returns 0; or TARGET_E_REFUSED with *WHY saying what is wrong
 * and what to do (400, or 414 for a path over LIMIT_PATH).
 */
enum { TARGET_E_REFUSED = 1 };
int target_parse(struct target *target, struct str raw, struct verdict *why);

/* The first value of KEY, or NULL; COUNT_OF says how often it was given. */
const struct str *target_get(const struct target *target, struct str key);
size_t target_count(const struct target *target, struct str key);

/*
 * Docker's idea of a boolean query value: after trimming and lower-casing,
 * "", "0", "no", "false" and "none" are false, everything else is true.
 */
bool target_flag(const struct target *target, struct str key);

/* Append S percent-encoded for a path segment, or for a query key or value
 * (where a space becomes "+"). 0 or -ENOBUFS. */
int target_put_segment(struct strbuf *out, struct str s);
int target_put_query(struct strbuf *out, struct str s);
