#pragma once

/*
 * The one address, of those that a name may have, that all connections go to:
 * the first that is reached, until it is not reached any more. So two of them
 * never lead to two engines.
 */

#include <stdbool.h>
#include <stdint.h>

struct one_address {
    char *text;          /* what is dialed; NULL: the name */
    unsigned skip;       /* addresses of the name that were wrong */
    uint64_t generation; /* how often one was chosen */
};

/*
 * FD is connected: by the name, and then its address is chosen if none is; or
 * by that. False: it leads elsewhere. *MOVED: one was chosen, after another or
 * the same one, so whose it is has to be found out.
 */
bool one_address_take(struct one_address *address, int fd, bool *moved);

/* It is not reached, or is wrong: the name is asked again. */
void one_address_forget(struct one_address *address);
