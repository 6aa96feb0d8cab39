#pragma once

/*
 * The request target (RFC 9112, 3.2) taken apart once and for good: the API
 * version, the decoded path segments, the decoded query pairs. What reaches the
 * engine is written anew from these.
 *
 * The engine matches routes on the percent-decoded path and answers 301 for
 * anything unclean. So a path is refused when it holds a dot segment, "//", a
 * NUL, a control byte, bytes that are not UTF-8, a malformed escape or a "#",
 * raw or encoded, or when it does not start with "/". An escape hidden in
 * another ("%252f") stays data. An encoded slash ("%2F", which docker-java
 * writes in the names of images) separates segments for the engine and so it
 * does here, but is remembered: route_find allows it inside a name only.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"
#include "policy/base/verdict.h"

/*
 * The API versions, 1.MINOR, that the tables here tell of. In 1.23 and before
 * requests meant other things (a start took a whole HostConfig): these are
 * refused. A newer one is let through, with the fields that are known.
 */
enum { API_MINOR_OLDEST = 24, API_MINOR_NEWEST = 56 };

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
    uint32_t encoded_slashes; /* bit i: segment i came after a "%2F" */
    bool trailing_slash;      /* also of the path "/", without segments */
    struct query_pair *query; /* in the order given */
    size_t query_count, query_room;
    struct strbuf memory; /* the decoded bytes that the slices point into */
    struct target_copy *copies;
    size_t copied; /* bytes in COPIES */
};

void target_init(struct target *target);
void target_fini(struct target *target);

/*
 * Take RAW apart, forgetting what TARGET held before. Returns 0; or
 * TARGET_E_REFUSED, TARGET then being empty, with *WHY saying what is wrong and
 * what to do (400, or 414 for a path over LIMIT_PATH).
 */
enum { TARGET_E_REFUSED = 1 };
int target_parse(struct target *target, struct str raw, struct verdict *why);

/* The first value of KEY, or NULL; target_count says how often it was given. */
const struct str *target_get(const struct target *target, struct str key);
size_t target_count(const struct target *target, struct str key);

/*
 * Docker's idea of a boolean query value: after trimming and lower-casing,
 * "", "0", "no", "false" and "none" are false, everything else is true. A key
 * that is not there is false.
 */
bool target_flag(const struct target *target, struct str key);

/*
 * Make VALUE the only value of KEY, in the place of its first one or at the
 * end; or take KEY away. Both slices are borrowed: target_copy makes one that
 * lasts. 0, or -ENOBUFS when there are LIMIT_QUERY_PAIRS already.
 */
int target_set(struct target *target, struct str key, struct str value);
void target_drop(struct target *target, struct str key);

/* Append one more pair, whatever is there already. As above. */
int target_add(struct target *target, struct str key, struct str value);

/*
 * *COPY becomes a copy of S that lives as long as TARGET (or until it parses
 * again). 0, or -ENOBUFS when all copies together would pass LIMIT_HEAD.
 */
int target_copy(struct target *target, struct str s, struct str *copy);

/* Append S percent-encoded for a path segment, or for a query key or value
 * (where a space becomes "+"). 0 or -ENOBUFS. */
int target_put_segment(struct strbuf *out, struct str s);
int target_put_query(struct strbuf *out, struct str s);
