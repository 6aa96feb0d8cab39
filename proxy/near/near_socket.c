#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "proxy/near/near_private.h"

/* Addresses and sockets of this machine. */

enum { BACKLOG = 128 };

socklen_t near_address_size(const union near_address *address)
{
    return address->any.sa_family == AF_INET ? sizeof(address->v4)
                                             : sizeof(address->v6);
}

unsigned near_number(const union near_address *address)
{
    return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port
                                                   : address->v6.sin6_port);
}

bool near_is_same(const union near_address *a, const union near_address *b)
{
    if (a->any.sa_family != b->any.sa_family ||
        near_number(a) != near_number(b))
        return false;
    return a->any.sa_family == AF_INET
               ? a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr
               : !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
                         sizeof(a->v6.sin6_addr));
}

/* Two sockets of UDP may share an address with SO_REUSEADDR; those of TCP that
 * listen may not, and it passes over connections that have ended. */
static void set_options(int fd, int family, bool udp)
{
    int on = 1;

    if (!udp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    else if (family == AF_INET)
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    else
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

int near_open_socket(union near_address *address, bool udp)
{
    socklen_t size = sizeof(*address);
    int r, fd = socket(address->any.sa_family,
                       (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC |
                           SOCK_NONBLOCK,
                       0);

    if (fd < 0)
        return -errno;
    set_options(fd, address->any.sa_family, udp);
    if (bind(fd, &address->any, near_address_size(address)) == 0 &&
        (udp || listen(fd, BACKLOG) == 0) &&
        getsockname(fd, &address->any, &size) == 0)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

/* ---- datagrams ---- */

/* The address of this machine that one was sent to, or is sent from. */
union control {
    struct cmsghdr head;
    char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void read_local(struct msghdr *message, union near_address *local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
         c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            local->v4 = (struct sockaddr_in){.sin_family = AF_INET,
                                             .sin_addr = info.ipi_addr};
        } else if (c->cmsg_level == IPPROTO_IPV6 &&
                   c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            local->v6 =
                (struct sockaddr_in6){.sin6_family = AF_INET6,
                                      .sin6_addr = info.ipi6_addr,
                                      .sin6_scope_id = info.ipi6_ifindex};
        }
    }
}

ssize_t near_receive_from(const struct near_listener *l, char *bytes,
                          size_t most, union near_address *peer,
                          union near_address *local)
{
    union control control = {.v6 = {0}};
    struct iovec part = {bytes, most};
    struct msghdr message = {.msg_name = peer,
                             .msg_namelen = sizeof(*peer),
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t n;

    *peer = *local = (union near_address){0};
    n = recvmsg(l->fd, &message, 0);
    if (n < 0)
        return -errno;
    if (l->any)
        read_local(&message, local);
    return n;
}

static void put_local(struct msghdr *message, union control *control,
                      const union near_address *local)
{
    struct cmsghdr *c = &control->head;

    message->msg_control = control;
    if (local->any.sa_family == AF_INET) {
        struct in_pktinfo info = {.ipi_spec_dst = local->v4.sin_addr};

        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        message->msg_controllen = CMSG_SPACE(sizeof(info));
    } else {
        struct in6_pktinfo info = {.ipi6_addr = local->v6.sin6_addr,
                                   .ipi6_ifindex = local->v6.sin6_scope_id};

        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(c), &info, sizeof(info));
        message->msg_controllen = CMSG_SPACE(sizeof(info));
    }
}

bool near_send_to(const struct near_listener *l, const union near_address *peer,
                  const union near_address *local, struct str bytes)
{
    union control control = {.v6 = {0}};
    union near_address to = *peer;
    struct iovec part = {(void *)(uintptr_t)bytes.ptr, bytes.len};
    struct msghdr message = {.msg_name = &to,
                             .msg_namelen = near_address_size(&to),
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    ssize_t n;

    if (local->any.sa_family)
        put_local(&message, &control, local);
    do {
        n = sendmsg(l->fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n >= 0;
}
