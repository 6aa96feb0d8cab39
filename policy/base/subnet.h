#pragma once

/* IP addresses and ranges of them, in text: "10.1.0.0/16", "fd00::/8",
 * "10.1.2.3", which is a range of one. */

#include "policy/base/str.h"

struct subnet {
    int family; /* AF_INET or AF_INET6 */
    unsigned char address[16];
    unsigned bits;
};

/* Read TEXT; false when it is neither an address nor a range. */
bool subnet_parse(struct str text, struct subnet *subnet);

/* Is all of INNER in OUTER? */
bool subnet_is_within(const struct subnet *inner, const struct subnet *outer);
