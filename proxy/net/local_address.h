#pragma once

/* Where something on this machine listens, as the kernel wants it. */

#include <netinet/in.h>
#include <sys/un.h>

struct local_address {
    union {
        struct sockaddr any;
        struct sockaddr_un socket;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t size;
};

/*
 * PLACE is the path of a Unix socket, or a loopback address with its port
 * (loopback.h). 0, or -ENAMETOOLONG for a path that no address can hold.
 */
int local_address_of(const char *place, struct local_address *out);
