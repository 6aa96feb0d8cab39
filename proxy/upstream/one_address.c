#include "proxy/upstream/one_address.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/base/str.h"

/* In text, as it can be dialed; the caller's. */
static char *peer_of(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    char text[NI_MAXHOST];

    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0 ||
        getnameinfo((struct sockaddr *)&peer, size, text, sizeof(text), NULL, 0,
                    NI_NUMERICHOST) != 0)
        return NULL;
    return xstrdup(text);
}

bool one_address_take(struct one_address *a, int fd, bool *moved)
{
    char *peer = peer_of(fd);
    bool same = peer && (!a->text || !strcmp(peer, a->text));

    *moved = false;
    if (same && !a->text) {
        a->text = peer;
        peer = NULL;
        *moved = a->generation++ > 0;
    }
    free(peer);
    return same;
}

void one_address_forget(struct one_address *a)
{
    free(a->text);
    a->text = NULL;
}
