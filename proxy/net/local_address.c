#include "proxy/net/local_address.h"

#include <errno.h>

#include "policy/base/loopback.h"

int local_address_of(const char *place, struct local_address *out)
{
    struct loopback loopback;

    *out = (struct local_address){.any.sa_family = AF_UNIX,
                                  .size = sizeof(out->socket)};
    if (!loopback_parse(str_from(place), &loopback)) {
        if (strlen(place) >= sizeof(out->socket.sun_path))
            return -ENAMETOOLONG;
        memcpy(out->socket.sun_path, place, strlen(place));
        return 0;
    }
    out->any.sa_family = (sa_family_t)loopback.family;
    if (loopback.family == AF_INET) {
        out->size = sizeof(out->v4);
        out->v4.sin_port = htons(loopback.port);
        memcpy(&out->v4.sin_addr, loopback.address, sizeof(out->v4.sin_addr));
    } else {
        out->size = sizeof(out->v6);
        out->v6.sin6_port = htons(loopback.port);
        memcpy(&out->v6.sin6_addr, loopback.address, sizeof(out->v6.sin6_addr));
    }
    return 0;
}
