#include "proxy/net/listener_private.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/log.h"
#include "proxy/net/local_address.h"

enum {
    BACKLOG = 512,
    ACCEPTS_PER_TURN = 64,
};

int listener_problem(struct strbuf *why, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    strbuf_addv(why, format, args);
    va_end(args);
    return -error;
}

/*
 * Two berths that start at once must not both find a stale file and remove
 * what the other has just bound; so the path is theirs who holds the lock.
 */
static int take_lock(struct listener *l, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(4096);

    strbuf_addf(&path, "%s.lock", l->path);
    l->lock = open(strbuf_cstr(&path),
                   O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->lock < 0)
        return listener_problem(
            why, errno,
            "cannot make %s: %s; the directory must exist and be "
            "writable for this user",
            path.ptr, strerror(errno));
    if (flock(l->lock, LOCK_EX | LOCK_NB) < 0)
        return listener_problem(
            why, EADDRINUSE,
            "another berth listens on %s; stop it, or give this "
            "one another path",
            l->path);
    return 0;
}

/* Out of the way with what a dead process left, and with nothing else. */
static int remove_stale(const char *path, const struct local_address *address,
                        struct strbuf *why)
{
    struct stat st;
    int fd, r;

    if (lstat(path, &st) < 0)
        return errno == ENOENT
                   ? 0
                   : listener_problem(why, errno, "cannot look at %s: %s", path,
                                      strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return listener_problem(
            why, EEXIST,
            "%s exists and is no socket; remove it, or choose "
            "another path",
            path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listener_problem(why, errno, "no socket: %s", strerror(errno));
    r = connect(fd, &address->any, address->size) < 0 ? errno : 0;
    close(fd);
    if (r != ECONNREFUSED)
        return listener_problem(
            why, EADDRINUSE,
            "a process listens on %s; stop it, or choose another "
            "path",
            path);
    log_info("removed the socket %s that nobody listens on", path);
    return unlink(path) < 0
               ? listener_problem(why, errno, "cannot remove %s: %s", path,
                                  strerror(errno))
               : 0;
}

static int group_id(const char *group, gid_t *gid, struct strbuf *why)
{
    const struct group *entry;
    uint64_t number;

    if (str_to_u64(str_from(group), &number) == 0 && number < UINT32_MAX) {
        *gid = (gid_t)number;
        return 0;
    }
    entry = getgrnam(group);
    if (!entry)
        return listener_problem(
            why, ENOENT, "there is no group %s; make it, or write its number",
            group);
    *gid = entry->gr_gid;
    return 0;
}

/* FILE, a file of ours, goes to GROUP, or stays with its own for NULL. */
unsigned listener_group(const struct listen_policy *config)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON);
    gid_t gid = 0;

    return config->group && group_id(config->group, &gid, &why) == 0 ? gid : 0;
}

static int give(const char *file, const char *group, struct strbuf *why)
{
    gid_t gid = (gid_t)-1;
    int r = group ? group_id(group, &gid, why) : 0;

    if (r < 0 || !group)
        return r;
    return lchown(file, (uid_t)-1, gid) < 0
               ? listener_problem(
                     why, errno,
                     "cannot give %s to the group %s: %s; run as a "
                     "member of it, or as root",
                     file, group, strerror(errno))
               : 0;
}

/* chmod() of our own socket: what else somebody who may write to its directory
 * puts there keeps its mode, a link's target included. 0 or -1 with errno. */
static int chmod_ours(const struct listener *l, mode_t mode)
{
    char by_fd[sizeof("/proc/self/fd/") + 16];
    int fd = open(l->path, O_PATH | O_NOFOLLOW | O_CLOEXEC), r = -1;
    struct stat st;

    if (fd < 0)
        return -1;
    snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
    if (fstat(fd, &st) == 0 &&
        (st.st_dev != l->device || st.st_ino != l->inode))
        errno = ESTALE;
    else
        r = chmod(by_fd, mode);
    close(fd);
    return r;
}

/* The group, and only then the mode. */
static int open_up(struct listener *l, const struct listen_policy *config,
                   struct strbuf *why)
{
    int r = give(l->path, config->group, why);

    if (r < 0)
        return r;
    if (chmod_ours(l, config->mode) < 0)
        return listener_problem(why, errno, "cannot set the mode of %s: %s",
                                l->path, strerror(errno));
    return 0;
}

/* Bind with no permissions at all, and open up once the group is right. */
static int bind_socket(struct listener *l, const struct listen_policy *config,
                       const struct local_address *address, struct strbuf *why)
{
    mode_t umask_before;
    struct stat st;
    int r;

    umask_before = umask(0777);
    r = bind(l->fd, &address->any, address->size);
    umask(umask_before);
    if (r < 0)
        return listener_problem(why, errno, "cannot bind %s: %s", l->path,
                                strerror(errno));
    if (lstat(l->path, &st) == 0) {
        l->device = st.st_dev;
        l->inode = st.st_ino;
        l->ours = true;
    }
    return open_up(l, config, why);
}

bool listener_has_file(const struct listener *l)
{
    struct stat st;

    return lstat(l->path, &st) == 0 && st.st_dev == l->device &&
           st.st_ino == l->inode;
}

static int bind_port(struct listener *l, const struct local_address *address,
                     struct strbuf *why)
{
    int on = 1;

    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return bind(l->fd, &address->any, address->size) < 0
               ? listener_problem(why, errno,
                                  "cannot listen on %s: %s; choose another "
                                  "port",
                                  l->path, strerror(errno))
               : 0;
}

/* A file that others listen on is not replaced; its lock is held. */
int listener_open(struct listener *l, const struct listen_policy *config,
                  struct strbuf *why)
{
    struct local_address address;
    int r = local_address_of(l->path, &address);
    bool is_file = address.any.sa_family == AF_UNIX;

    if (r < 0)
        return listener_problem(
            why, ENAMETOOLONG,
            "%s is too long for a Unix socket: %zu bytes at most", l->path,
            sizeof(address.socket.sun_path) - 1);
    if (is_file && l->lock < 0)
        r = take_lock(l, why);
    if (r == 0 && is_file)
        r = remove_stale(l->path, &address, why);
    if (r < 0)
        return r;
    l->fd = socket(address.any.sa_family,
                   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return listener_problem(why, errno, "no socket: %s", strerror(errno));
    r = is_file ? bind_socket(l, config, &address, why)
                : bind_port(l, &address, why);
    if (r == 0 && listen(l->fd, BACKLOG) < 0)
        r = listener_problem(why, errno, "cannot listen on %s: %s", l->path,
                             strerror(errno));
    return r;
}

static int adopt_socket(struct listener *l, int fd, struct strbuf *why)
{
    int type = 0, listening = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &type, &size) < 0 ||
        type != AF_UNIX ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
        !listening)
        return listener_problem(
            why, EINVAL,
            "descriptor %d of the socket activation is no "
            "listening Unix socket; use ListenStream= with a path",
            fd);
    l->fd = fd;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return listener_problem(why, errno, "descriptor %d: %s", fd,
                                strerror(errno));
    return 0;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (client >= 0) {
            l->on_client(client, l->arg);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        log_error("cannot accept clients on %s: %s", l->path, strerror(errno));
        /* out of descriptors, most likely: not again in every turn */
        event_del(l->event);
        event_add(l->pause, &(struct timeval){0, 200 * 1000});
        return;
    }
}

static void on_pause_end(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd;
    (void)what;
    event_add(l->event, NULL);
}

struct listener *listener_make(struct event_base *base, const char *path,
                               listener_cb on_client, void *arg)
{
    struct listener *l = xcalloc(1, sizeof(*l));

    *l = (struct listener){.base = base,
                           .fd = -1,
                           .lock = -1,
                           .conversation = -1,
                           .path = xstrdup(path)};
    listener_serve(l, on_client, arg);
    return l;
}

void listener_accept(struct listener *l)
{
    l->event = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
    l->pause = event_new(l->base, -1, 0, on_pause_end, l);
    event_add(l->event, NULL);
}

int listener_new(struct event_base *base, const struct listen_policy *config,
                 int activated, listener_cb on_client, void *arg,
                 struct listener **out, struct strbuf *why)
{
    struct listener *l = listener_make(base, config->path, on_client, arg);
    int r;

    r = activated >= 0 ? adopt_socket(l, activated, why)
                       : listener_open(l, config, why);
    if (r < 0) {
        listener_free(l);
        return r;
    }
    listener_accept(l);
    *out = l;
    return 0;
}

int listener_try_access(const struct listener *l,
                        const struct listen_policy *config, struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf lock = STRBUF(4096);

    /* nobody else looks at the lock: it is good to try it on */
    strbuf_addf(&lock, "%s.lock", l->path);
    return l->ours ? give(strbuf_cstr(&lock), config->group, why) : 0;
}

void listener_set_access(struct listener *l, const struct listen_policy *config)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);

    if (l->ours && open_up(l, config, &why) < 0)
        log_error("%.*s", STR_FMT(strbuf_str(&why)));
}

void listener_serve(struct listener *l, listener_cb on_client, void *arg)
{
    l->on_client = on_client;
    l->arg = arg;
}

bool listener_is_asked(const struct listener *l)
{
    return l->offer && handover_is_asked(l->offer);
}

struct listener *listener_free(struct listener *l)
{
    if (!l)
        return NULL;
    if (l->event)
        event_free(l->event);
    if (l->pause)
        event_free(l->pause);
    if (listener_is_asked(l))
        l->ours = false;
    handover_free(l->offer);
    if (l->conversation >= 0)
        close(l->conversation);
    if (l->ours && listener_has_file(l))
        unlink(l->path);
    if (l->fd >= 0)
        close(l->fd);
    if (l->lock >= 0)
        close(l->lock); /* the file stays: whoever locked it may be waiting */
    free(l->group);
    free(l->path);
    free(l);
    return NULL;
}

int listener_activated(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    uint64_t for_pid = 0, count = 0;

    if (!pid || !fds || str_to_u64(str_from(pid), &for_pid) ||
        str_to_u64(str_from(fds), &count) || (pid_t)for_pid != getpid() ||
        count > 64)
        count = 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return (int)count;
}
