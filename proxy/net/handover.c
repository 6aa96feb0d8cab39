#include "proxy/net/handover.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "policy/base/sha256.h"
#include "proxy/base/log.h"

static const char HANDOVER_ASK[] = "ask", HANDOVER_DONE[] = "done",
                  HANDOVER_BYE[] = "bye";

enum { BACKLOG = 4 };

struct handover {
    struct event_base *base;
    struct handover_calls calls;
    int fd;
    struct event *asked;
    int other; /* who asks, or -1 */
    struct event *said;
};

/* The same file by another way has the same name. */
static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char hex[SHA256_HEX + 1], *real = realpath(path, NULL);

    sha256_hex(str_from(real ? real : path), hex);
    free(real);
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
             "berth-handover:%s", hex);
    return address;
}

static int new_socket(int flags)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

    return fd < 0 ? -errno : fd;
}

/* Whoever else could name a socket so gets nothing, and gives nothing: other
 * users, and containers that share the network namespace, whose processes have
 * no PID here (pid_namespaces(7): 0). */
static bool is_one_of_us(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.pid > 0 && peer.uid == geteuid();
}

static int say(int fd, const char *word)
{
    return send(fd, word, strlen(word), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* ---- who offers ---- */

static void end_conversation(struct handover *h)
{
    if (h->said)
        event_free(h->said);
    if (h->other >= 0)
        close(h->other);
    h->said = NULL;
    h->other = -1;
}

static void send_all(struct handover *h)
{
    int fds[HANDOVER_FDS];
    char letters[HANDOVER_FDS];
    size_t count = h->calls.list(h->calls.arg, fds, letters);
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(fds))];
    } control = {.room = {0}};
    struct iovec text = {.iov_base = letters, .iov_len = count};
    struct msghdr message = {
        .msg_iov = &text,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_SPACE(count * sizeof(*fds)),
    };

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(count * sizeof(*fds));
    memcpy(CMSG_DATA(&control.head), fds, count * sizeof(*fds));
    if (sendmsg(h->other, &message, MSG_NOSIGNAL) < 0) {
        log_warn("cannot hand a listener over: %s", strerror(errno));
        end_conversation(h);
    }
}

static void hand_over(struct handover *h)
{
    int other = h->other;

    h->other = -1;
    end_conversation(h);
    h->calls.taken(h->calls.arg); /* which may have been the end of H */
    say(other, HANDOVER_BYE);
    close(other);
}

static void on_said(evutil_socket_t fd, short what, void *arg)
{
    struct handover *h = arg;
    char word[16];
    ssize_t got = recv(fd, word, sizeof(word), MSG_DONTWAIT);

    (void)what;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0 && str_eq(str_of(word, (size_t)got), str_from(HANDOVER_ASK)))
        send_all(h);
    else if (got > 0 &&
             str_eq(str_of(word, (size_t)got), str_from(HANDOVER_DONE)))
        hand_over(h);
    else
        end_conversation(h);
}

/* Who gave up, and was not heard of yet. */
static bool has_left(int other)
{
    char byte;

    return recv(other, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool handover_is_asked(const struct handover *h)
{
    return h->other >= 0 && !has_left(h->other);
}

static void on_asked(evutil_socket_t fd, short what, void *arg)
{
    struct handover *h = arg;
    int other = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)what;
    if (other < 0)
        return;
    if (h->other >= 0 && has_left(h->other))
        end_conversation(h);
    if (h->other >= 0 || !is_one_of_us(other)) {
        close(other);
        return;
    }
    h->other = other;
    h->said = event_new(h->base, other, EV_READ | EV_PERSIST, on_said, h);
    event_add(h->said, NULL);
}

struct handover *handover_new(struct event_base *base, const char *path,
                              const struct handover_calls *calls)
{
    struct sockaddr_un address = address_of(path);
    struct handover *h;
    int fd;

    if (geteuid() == 0) /* root of a container in the host's network is, too */
        return NULL;
    fd = new_socket(SOCK_NONBLOCK);
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, BACKLOG) < 0) {
        log_warn("no other berth can take %s over: %s", path,
                 strerror(fd < 0 ? -fd : errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    h = xcalloc(1, sizeof(*h));
    *h =
        (struct handover){.base = base, .calls = *calls, .fd = fd, .other = -1};
    h->asked = event_new(base, fd, EV_READ | EV_PERSIST, on_asked, h);
    event_add(h->asked, NULL);
    return h;
}

struct handover *handover_free(struct handover *h)
{
    if (!h)
        return NULL;
    end_conversation(h);
    event_free(h->asked);
    close(h->fd);
    free(h);
    return NULL;
}

/* ---- who takes ---- */

/* What came along with a message, so that nothing of it is left open. */
static size_t take_fds(struct msghdr *message, int fds[HANDOVER_FDS])
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    size_t count = 0;

    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(*fds);
    if (count > HANDOVER_FDS) /* the kernel has given no more than fit */
        count = HANDOVER_FDS;
    if (count)
        memcpy(fds, CMSG_DATA(head), count * sizeof(*fds));
    return count;
}

static int receive_all(int conversation, int fds[HANDOVER_FDS],
                       char letters[HANDOVER_FDS + 1])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * HANDOVER_FDS)];
    } control;
    struct iovec text = {.iov_base = letters, .iov_len = HANDOVER_FDS};
    struct msghdr message = {
        .msg_iov = &text,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control.room),
    };
    ssize_t got = recvmsg(conversation, &message, MSG_CMSG_CLOEXEC);
    size_t count;

    if (got < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    count = take_fds(&message, fds);
    letters[got] = '\0';
    if (got > 0 && count == (size_t)got && strlen(letters) == count)
        return 0;
    while (count)
        close(fds[--count]);
    return -EPROTO;
}

int handover_ask(const char *path, int fds[HANDOVER_FDS],
                 char letters[HANDOVER_FDS + 1])
{
    const struct timeval wait = {HANDOVER_WAIT_S, 0};
    struct sockaddr_un address = address_of(path);
    int fd = new_socket(0), r = 0;

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        r = -errno;
    else if (!is_one_of_us(fd))
        r = -EPERM;
    if (r == 0)
        r = say(fd, HANDOVER_ASK);
    if (r == 0)
        r = receive_all(fd, fds, letters);
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

int handover_finish(int conversation)
{
    char word[16];
    int r = say(conversation, HANDOVER_DONE);

    if (r == 0) {
        ssize_t got = recv(conversation, word, sizeof(word), 0);

        if (got <= 0 ||
            !str_eq(str_of(word, (size_t)got), str_from(HANDOVER_BYE)))
            r = got < 0 ? -errno : -EPIPE;
    }
    close(conversation);
    return r;
}
