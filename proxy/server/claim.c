#include "proxy/server/claim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "policy/base/sha256.h"
#include "proxy/base/log.h"

enum {
    BACKLOG = 16,
};

struct claim {
    struct claims *all;
    struct sockaddr_un address;
    int fd; /* or -1: somebody else squats on the name */
    struct event *asked;
    unsigned refs;
    struct claim *next;
};

/* "\0berth-claim:" and the digest of both: an address holds no long path. */
static void name_it(struct claim *claim, const char *namespace_,
                    struct str engine)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(16 * KIB);
    char hex[SHA256_HEX + 1];
    int r;

    r = strbuf_addf(&text, "%s\n%.*s", namespace_, STR_FMT(engine));
    assert(r == 0);
    sha256_hex(strbuf_str(&text), hex);
    claim->address.sun_family = AF_UNIX;
    snprintf(claim->address.sun_path + 1, sizeof(claim->address.sun_path) - 1,
             "berth-claim:%s", hex);
}

/* Another process wants to know whose it is; the kernel has told it. */
static void on_asked(evutil_socket_t fd, short what, void *arg)
{
    int client;

    (void)what;
    (void)arg;
    while ((client = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        close(client);
}

static void use(struct claim *claim, int fd)
{
    claim->fd = fd;
    claim->asked =
        event_new(claim->all->base, fd, EV_READ | EV_PERSIST, on_asked, claim);
    event_add(claim->asked, NULL);
}

/* Is FD bound to CLAIM's name? Then it shows this process from now on. */
static bool take_over(struct claim *claim, int fd)
{
    struct sockaddr_un address = {0};
    socklen_t size = sizeof(address);

    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
        memcmp(&address, &claim->address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) < 0)
        return false;
    use(claim, fd);
    return true;
}

static int bind_it(struct claim *claim)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&claim->address, sizeof(claim->address)) <
            0 ||
        listen(fd, BACKLOG) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    use(claim, fd);
    return 0;
}

/* Who holds the name? False when that cannot be seen. */
static bool look_up_holder(const struct claim *claim, struct ucred *holder)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = sizeof(*holder);
    bool known = fd >= 0 &&
                 connect(fd, (const struct sockaddr *)&claim->address,
                         sizeof(claim->address)) == 0 &&
                 getsockopt(fd, SOL_SOCKET, SO_PEERCRED, holder, &size) == 0;

    if (fd >= 0)
        close(fd);
    return known;
}

static int refuse_or_report(const struct claim *claim, const char *namespace_,
                            struct str engine, struct strbuf *why)
{
    struct ucred holder = {0};
    bool known = look_up_holder(claim, &holder);

    if (known && (holder.uid == geteuid() || holder.uid == 0)) {
        strbuf_addf(why,
                    "another berth (process %d) serves the namespace %s on "
                    "the same engine, %.*s; stop it, or give each its own "
                    "namespace\n",
                    (int)holder.pid, namespace_, STR_FMT(engine));
        return -EADDRINUSE;
    }
    log_warn("whether another berth serves the namespace %s cannot be seen: a "
             "process of another user (%ld) holds its name",
             namespace_, known ? (long)holder.uid : -1L);
    return 0;
}

static struct claim *find(struct claims *all, const struct sockaddr_un *address)
{
    struct claim *claim = all->first;

    while (claim && memcmp(&claim->address, address, sizeof(*address)) != 0)
        claim = claim->next;
    return claim;
}

int claim_take(struct claims *all, const char *namespace_, struct str engine,
               int fd, struct claim **out, struct strbuf *why)
{
    struct claim *claim = xcalloc(1, sizeof(*claim)), *old;
    int r;

    claim->all = all;
    claim->fd = -1;
    claim->refs = 1;
    name_it(claim, namespace_, engine);
    old = find(all, &claim->address);
    if (old) {
        if (fd >= 0)
            close(fd);
        free(claim);
        old->refs++;
        *out = old;
        return 0;
    }
    if (take_over(claim, fd)) {
        r = 0;
    } else {
        if (fd >= 0)
            close(fd);
        r = bind_it(claim);
    }
    if (r == -EADDRINUSE)
        r = refuse_or_report(claim, namespace_, engine, why);
    else if (r < 0)
        strbuf_addf(why, "no socket to claim the namespace %s with: %s\n",
                    namespace_, strerror(-r));
    if (r < 0) {
        free(claim);
        return r;
    }
    claim->next = all->first;
    all->first = claim;
    *out = claim;
    return 0;
}

int claim_get(struct claims *all, const char *namespace_, struct str engine,
              struct claim **out, struct strbuf *why)
{
    return claim_take(all, namespace_, engine, -1, out, why);
}

int claim_fd(const struct claim *claim)
{
    return claim->fd;
}

struct claim *claim_unref(struct claim *claim)
{
    struct claim **link;

    if (!claim || --claim->refs)
        return NULL;
    for (link = &claim->all->first; *link != claim; link = &(*link)->next)
        assert(*link);
    *link = claim->next;
    if (claim->asked)
        event_free(claim->asked);
    if (claim->fd >= 0)
        close(claim->fd);
    free(claim);
    return NULL;
}
