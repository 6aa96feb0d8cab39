#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/log.h"
#include "proxy/net/listener_private.h"

enum {
    LETTER_LISTENER = 'l',
    LETTER_LOCK = 'k', /* with it, the socket file is theirs who have it */
    LETTER_EXTRA = 'e',
};

static size_t list_fds(void *arg, int *fds, char *letters)
{
    const struct listener *l = arg;
    int all[] = {l->fd, l->lock,
                 l->heir.extra ? l->heir.extra(l->heir.arg) : -1};
    const char names[] = {LETTER_LISTENER, LETTER_LOCK, LETTER_EXTRA};
    size_t count = 0;

    for (size_t i = 0; i < sizeof(names); i++) {
        if (all[i] < 0)
            continue;
        fds[count] = all[i];
        letters[count++] = names[i];
    }
    return count;
}

static void on_taken(void *arg)
{
    struct listener *l = arg;

    event_del(l->event);
    event_del(l->pause);
    l->ours = false;
    l->offer = handover_free(l->offer);
    l->heir.taken(l->heir.arg);
}

void listener_offer(struct listener *l, const struct listener_heir *heir)
{
    const struct handover_calls calls = {list_fds, on_taken, l};

    l->heir = *heir;
    if (!l->offer && l->conversation < 0)
        l->offer = handover_new(l->base, l->path, &calls);
}

static int keep_fds(struct listener *l, const int *fds, const char *letters,
                    int *extra, struct strbuf *why)
{
    int unused = -1;

    for (size_t i = 0; letters[i]; i++) {
        int *to = letters[i] == LETTER_LISTENER ? &l->fd
                  : letters[i] == LETTER_LOCK   ? &l->lock
                  : letters[i] == LETTER_EXTRA  ? extra
                                                : &unused;
        if (*to >= 0)
            close(*to);
        *to = fds[i];
    }
    if (unused >= 0)
        close(unused);
    return l->fd >= 0
               ? 0
               : listener_problem(why, EPROTO,
                                  "the berth at %s hands over no listener",
                                  l->path);
}

int listener_take(struct event_base *base, const struct listen_policy *config,
                  listener_cb on_client, void *arg, struct listener **out,
                  int *extra, struct strbuf *why)
{
    struct listener *l = listener_make(base, config->path, on_client, arg);
    int fds[HANDOVER_FDS], r;
    char letters[HANDOVER_FDS + 1];
    struct stat st;

    *extra = -1;
    l->conversation = handover_ask(l->path, fds, letters);
    /* anybody may have the address; it is the lock that says who serves */
    if (l->conversation == -EPERM || l->conversation == -EAGAIN)
        log_warn("%s is not taken over: who offers it is of another user, or "
                 "does not answer",
                 l->path);
    if (l->conversation == -ECONNREFUSED || l->conversation == -EPERM ||
        l->conversation == -EAGAIN)
        r = -ENOENT;
    else if (l->conversation < 0)
        r = listener_problem(
            why, -l->conversation,
            "the berth that listens on %s does not hand it over: %s", l->path,
            strerror(-l->conversation));
    else
        r = keep_fds(l, fds, letters, extra, why);
    if (r < 0) {
        if (*extra >= 0)
            close(*extra);
        *extra = -1;
        listener_free(l);
        return r;
    }
    if (lstat(l->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    l->mode = config->mode;
    l->group = config->group ? xstrdup(config->group) : NULL;
    *out = l;
    return 0;
}

/* The file went with the berth that made it, and with it all who could
 * connect. */
static void bind_again(struct listener *l)
{
    const struct listen_policy config = {
        .path = l->path, .mode = l->mode, .group = l->group};
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    int before = l->fd;

    l->fd = -1;
    if (listener_open(l, &config, &why) == 0) {
        close(before);
        return;
    }
    log_error("%s is gone: %.*s", l->path, STR_FMT(strbuf_str(&why)));
    if (l->fd >= 0)
        close(l->fd);
    l->fd = before;
}

void listener_begin(struct listener *l)
{
    bool ended;

    if (l->conversation < 0)
        return;
    ended = handover_finish(l->conversation) < 0;
    l->conversation = -1;
    if (ended)
        log_warn("the berth that listened on %s ended meanwhile", l->path);
    if (l->lock >= 0)
        l->ours = listener_has_file(l);
    if (ended && l->lock >= 0 && !l->ours)
        bind_again(l);
    if (l->heir.taken)
        listener_offer(l, &l->heir);
    listener_accept(l);
}
