#pragma once

/*
 * What a classic build takes from elsewhere, judged when its Dockerfile has
 * been read: the images that it is FROM or copies from, by images.registries
 * and images.digests_only as for a container; the addresses that ADD fetches,
 * by build.remotes as for a context.
 */

#include <jansson.h>

#include "policy/base/verdict.h"
#include "policy/config/rules.h"

/*
 * Do RULES leave anything out of what a Dockerfile may name: images and
 * addresses; and in BuildKit's hands frontends, too? If not, it need not be
 * read.
 */
bool build_sources_are_judged(const struct rules *rules);
bool build_frontends_are_judged(const struct rules *rules);

/*
 * May a build use the image NAME? INSPECTED is what GET /images/NAME/json said,
 * NULL when the engine has none; OWN: the namespace has made it. False with
 * *WHY.
 */
bool build_image_is_allowed(const struct rules *rules, struct str name,
                            const json_t *inspected, bool own,
                            struct verdict *why);

/* May ADD fetch URL ("$": nobody knows which)? */
bool build_url_is_allowed(const struct rules *rules, struct str url,
                          struct verdict *why);
