#include "proxy/server/ahead_wait.h"

#include <stdio.h>
#include <stdlib.h>

/* An open that takes so many microseconds crosses a network. */
#define FAR_US        2000
#define LIMIT_REQUEST 2048
#define ID_LEN        64

struct ahead_wait {
    const void *who;
    char attached[ID_LEN + 1]; /* the last container that was attached to */
    /* around its ID in the wait that followed; NULL: none has */
    char *before, *behind;
    unsigned vain;
    struct backend *backend; /* of STREAM */
    struct stream *stream;   /* on which REQUEST was sent; or NULL */
    char *request;
    struct event *late;
};

static void give_up(struct ahead_wait *ahead)
{
    event_del(ahead->late);
    if (ahead->stream)
        pool_discard(ahead->backend->pool, ahead->stream);
    ahead->stream = NULL;
    ahead->backend = backend_unref(ahead->backend);
    free(ahead->request);
    ahead->request = NULL;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    give_up(arg);
}

static void forget(struct ahead_wait *ahead)
{
    free(ahead->before);
    free(ahead->behind);
    ahead->before = ahead->behind = NULL;
    ahead->vain = 0;
}

struct ahead_wait *ahead_wait_new(struct event_base *base, const void *who)
{
    struct ahead_wait *ahead = xcalloc(1, sizeof(*ahead));

    ahead->who = who;
    ahead->late = event_new(base, -1, 0, on_late, ahead);
    return ahead;
}

void ahead_wait_free(struct ahead_wait *ahead)
{
    if (!ahead)
        return;
    give_up(ahead);
    forget(ahead);
    event_free(ahead->late);
    free(ahead);
}

/* The container's full ID in the first line of REQUEST, which berth wrote, in
 * front of "/WORD"; or empty. */
static struct str find_id(struct str request, struct str word)
{
    static const struct str containers = STR("/containers/");
    struct str line, rest, id;
    const char *at;

    str_cut(request, '\r', &line, &rest);
    at = line.len ? memmem(line.ptr, line.len, containers.ptr, containers.len)
                  : NULL;
    if (!at)
        return S("");
    rest = str_from_index(line, (size_t)(at - line.ptr) + containers.len);
    str_cut(rest, '/', &id, &rest);
    for (size_t i = 0; i < id.len; i++) {
        if (hex_digit(id.ptr[i]) < 0)
            return S("");
    }
    return id.len == ID_LEN && str_has_prefix(rest, word) ? id : S("");
}

void ahead_wait_waited(struct ahead_wait *ahead, struct str request)
{
    struct str id = find_id(request, S("wait"));
    size_t at;

    if (id.len == 0 || !str_eq(id, str_from(ahead->attached)) ||
        request.len > LIMIT_REQUEST)
        return;
    forget(ahead);
    at = (size_t)(id.ptr - request.ptr);
    ahead->before = xstr_dup(str_head(request, at));
    ahead->behind = xstr_dup(str_from_index(request, at + id.len));
}

/* Until a client's wait takes it over. */
static void on_change(struct stream *stream, void *arg)
{
    if (stream->state == STREAM_CLOSED || stream->eof)
        give_up(arg);
}

static void on_stream(struct pool_waiter *waiter, struct stream *stream,
                      const char *why)
{
    (void)waiter; /* it does not wait */
    (void)stream;
    (void)why;
}

/* A stream that is there at once: else it would come too late. */
static struct stream *take_stream(struct ahead_wait *ahead, struct pool *pool)
{
    struct pool_waiter waiter = {.on_stream = on_stream, .who = ahead->who};
    struct stream *stream = pool_take(pool, &waiter);

    if (!stream)
        pool_cancel(pool, &waiter);
    return stream;
}

static void send_wait(struct ahead_wait *ahead, struct backend *backend,
                      struct str wait)
{
    struct stream *stream = take_stream(ahead, backend->pool);

    if (!stream)
        return;
    if (stream_write(stream, wait) != wait.len) {
        pool_discard(backend->pool, stream);
        return;
    }
    stream->on_change = on_change;
    stream->arg = ahead;
    ahead->stream = stream;
    ahead->backend = backend_ref(backend);
    ahead->request = xstr_dup(wait);
    event_add(ahead->late, &(struct timeval){AHEAD_WAIT_MS / 1000, 0});
}

static bool is_far(const struct backend *backend)
{
    struct upstream_status status;

    upstream_get_status(backend->upstream, &status);
    return status.open_us >= FAR_US;
}

void ahead_wait_attached(struct ahead_wait *ahead, struct backend *backend,
                         struct str request, bool may_wait)
{
    AUTO(strbuf_fini) struct strbuf wait = STRBUF(2 * LIMIT_REQUEST);
    struct str id = find_id(request, S("attach"));

    give_up(ahead);
    snprintf(ahead->attached, sizeof(ahead->attached), "%.*s", STR_FMT(id));
    if (id.len == 0 || !may_wait || !ahead->before || !is_far(backend))
        return;
    if (ahead->vain++ == AHEAD_WAIT_VAIN)
        forget(ahead);
    else if (strbuf_addf(&wait, "%s%.*s%s", ahead->before, STR_FMT(id),
                         ahead->behind) == 0)
        send_wait(ahead, backend, strbuf_str(&wait));
}

/* Has nothing come but the reply's head, which an engine sends as soon as it
 * waits? */
static bool still_waits(struct stream *stream)
{
    static const struct str end = STR("\r\n\r\n");
    struct str in = stream_peek(stream);
    const char *at = in.len ? memmem(in.ptr, in.len, end.ptr, end.len) : NULL;

    return stream->state == STREAM_OPEN && !stream->eof &&
           (!at || at + end.len == in.ptr + in.len);
}

struct stream *ahead_wait_take(struct ahead_wait *ahead,
                               const struct backend *backend,
                               struct str request)
{
    struct stream *stream = ahead->stream;

    if (!stream || ahead->backend != backend ||
        !str_eq(str_from(ahead->request), request))
        return NULL;
    if (!still_waits(stream)) {
        give_up(ahead);
        return NULL;
    }
    stream->on_change = NULL;
    ahead->stream = NULL; /* not to be discarded */
    give_up(ahead);
    ahead->vain = 0;
    return stream;
}
