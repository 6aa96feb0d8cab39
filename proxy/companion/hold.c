#include "proxy/companion/companion.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proxy/companion/wire.h"

/*
 * Containers have these sockets by their inodes: once they are bound, nothing
 * that this process does can fail in a way that ends it, and it takes no more
 * memory.
 */

enum { JOINS, SESSION, SOCKETS, POLLED = SOCKETS + WIRE_SOCKETS };

enum { BACKLOG = 64, PAUSE_MS = 100 };

struct holder {
    struct pollfd fds[POLLED];
    unsigned takes;   /* connections that the session takes yet */
    unsigned seconds; /* that berth may be silent; 0: for ever */
    time_t heard;
};

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec;
}

socklen_t companion_address(struct sockaddr_un *address, const char *name)
{
    size_t length = strlen(name), most = sizeof(address->sun_path) - 1;

    length = length < most ? length : most;
    memcpy(address->sun_path + 1, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

static int listen_at(const struct sockaddr_un *address, socklen_t length,
                     int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (bind(fd, (const struct sockaddr *)address, length) < 0 ||
        listen(fd, BACKLOG) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int listen_on_file(const char *directory, unsigned number, unsigned mode)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%u",
                          directory, number);
    int fd;

    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -1;
    unlink(address.sun_path);
    fd = listen_at(&address, sizeof(address), SOCK_STREAM);
    if (fd >= 0 && chmod(address.sun_path, mode) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int listen_for_sessions(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    return listen_at(&address, companion_address(&address, name),
                     SOCK_SEQPACKET);
}

/* Sessions last: who has joined knows that all sockets are there. */
static bool listen_on_all(struct holder *holder, const char *name,
                          const char *directory, unsigned mode)
{
    for (unsigned i = 0; i < WIRE_SOCKETS; i++) {
        holder->fds[SOCKETS + i].fd = listen_on_file(directory, i, mode);
        if (holder->fds[SOCKETS + i].fd < 0)
            return false;
    }
    holder->fds[JOINS].fd = listen_for_sessions(name);
    holder->fds[JOINS].events = POLLIN;
    holder->fds[SESSION].fd = -1;
    return holder->fds[JOINS].fd >= 0;
}

/* ---- the session ---- */

static void end_session(struct holder *holder)
{
    if (holder->fds[SESSION].fd >= 0)
        close(holder->fds[SESSION].fd);
    holder->fds[SESSION].fd = -1;
    holder->takes = 0;
}

/* It is the newest no more; one that hears nothing has lost this process. */
static void replace_session(struct holder *holder)
{
    const unsigned char message = COMPANION_NEWER;

    if (holder->fds[SESSION].fd >= 0)
        (void)!send(holder->fds[SESSION].fd, &message, sizeof(message),
                    MSG_NOSIGNAL);
    end_session(holder);
}

static void begin_session(struct holder *holder)
{
    int fd = accept4(holder->fds[JOINS].fd, NULL, NULL,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    replace_session(holder);
    holder->fds[SESSION].fd = fd;
    holder->heard = now();
}

static void hear_session(struct holder *holder)
{
    unsigned char message;
    ssize_t got = recv(holder->fds[SESSION].fd, &message, sizeof(message), 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        end_session(holder);
    else if (message == COMPANION_TAKES && holder->takes < WIRE_CHANNELS)
        holder->takes++;
    else if (message == COMPANION_BEAT)
        holder->heard = now();
}

/* ---- a connection ---- */

static bool hand_over(int session, unsigned number, int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    unsigned char text[2];
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    wire_put(text, sizeof(text), number);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    return sendmsg(session, &message, MSG_NOSIGNAL) == sizeof(text);
}

static void take_connection(struct holder *holder, unsigned number)
{
    int fd = accept4(holder->fds[SOCKETS + number].fd, NULL, NULL,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED)
            poll(NULL, 0, PAUSE_MS); /* the machine has no more of something */
        return;
    }
    if (hand_over(holder->fds[SESSION].fd, number, fd))
        holder->takes--;
    else if (errno == EPIPE || errno == ECONNRESET)
        end_session(holder);
    else /* ETOOMANYREFS and such: others may have used it up */
        poll(NULL, 0, PAUSE_MS);
    close(fd);
}

/* ---- the whole of it ---- */

/* Sockets are accepted from only while there is who takes it: the others wait
 * in the kernel. */
static int wait_for_any(struct holder *holder)
{
    bool takes = holder->takes > 0;

    holder->fds[SESSION].events = POLLIN;
    for (unsigned i = 0; i < WIRE_SOCKETS; i++)
        holder->fds[SOCKETS + i].events = takes ? POLLIN : 0;
    return poll(holder->fds, takes ? POLLED : SOCKETS,
                holder->seconds ? 1000 : -1);
}

static void go_on(struct holder *holder)
{
    bool took = holder->takes > 0;

    if (wait_for_any(holder) <= 0)
        return;
    if (holder->fds[SESSION].fd >= 0 && holder->fds[SESSION].revents)
        hear_session(holder);
    for (unsigned i = 0; took && i < WIRE_SOCKETS && holder->takes > 0; i++) {
        if (holder->fds[SOCKETS + i].revents)
            take_connection(holder, i);
    }
    if (holder->fds[JOINS].revents)
        begin_session(holder);
}

/* The kernel refuses descriptors to be handed over while a user's processes
 * have more of them on the way than this; as many as the engine allows. */
static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_end(int number)
{
    (void)number;
    _exit(COMPANION_ENDED);
}

int companion_hold(const char *address, const char *directory, unsigned mode,
                   unsigned seconds)
{
    static struct holder holder;

    /* the first process of a container is ended by what it handles alone */
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    signal(SIGCHLD, SIG_IGN); /* sessions that lost their parent */
    umask(0);
    allow_files();
    holder = (struct holder){.seconds = seconds, .heard = now()};
    if (!listen_on_all(&holder, address, directory, mode))
        return companion_say(COMPANION_FAILED, "cannot listen");
    while (seconds == 0 || now() - holder.heard < (time_t)seconds)
        go_on(&holder);
    for (unsigned i = 0; i < WIRE_SOCKETS; i++)
        close(holder.fds[SOCKETS + i].fd);
    return 0;
}
