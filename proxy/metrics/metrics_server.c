#include "proxy/metrics/metrics_server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/http/http_reader.h"
#include "proxy/metrics/page.h"
#include "proxy/net/listener.h"

enum {
    VISITS_MAX = 16,
    VISIT_S = 10, /* from the connection to the last byte */
};

#define PAGE_MAX (32 * MIB) /* 64 policies, each with every operation */

/* One connection and its one request. */
struct visit {
    struct metrics_server *metrics_server;
    int fd; /* -1: there is none */
    struct event *io;
    struct event *timer;
    struct http_reader *reader;
    struct strbuf out; /* the answer, once there is one */
    size_t sent;
};

struct metrics_server {
    struct event_base *base;
    char *place;
    struct listener *listener;
    metrics_server_look look;
    void *arg;
    struct visit visits[VISITS_MAX];
};

/* ---- what can be asked ---- */

static int put_metrics(const struct picture *picture, struct strbuf *body)
{
    return metrics_put(body, picture) ? 500 : 200;
}

static int put_status(const struct picture *picture, struct strbuf *body)
{
    return metrics_put_status(body, picture) ? 500 : 200;
}

static int put_health(const struct picture *picture, struct strbuf *body)
{
    (void)picture;
    strbuf_add(body, S("ok\n"));
    return 200;
}

static int put_readiness(const struct picture *picture, struct strbuf *body)
{
    if (!metrics_ready(picture, body))
        return 503;
    strbuf_add(body, S("ok\n"));
    return 200;
}

static int put_page(const struct picture *picture, struct strbuf *body)
{
    return page_put(body, picture) ? 500 : 200;
}

static const struct page {
    const char *path;
    int (*put)(const struct picture *picture, struct strbuf *body);
    struct str type;
} pages[] = {
    {"/",        put_page,      STR("text/html; charset=utf-8")                },
    {"/metrics", put_metrics,   STR("text/plain; version=0.0.4; charset=utf-8")},
    {"/status",  put_status,    STR("application/json")                        },
    {"/healthz", put_health,    STR("text/plain; charset=utf-8")               },
    {"/readyz",  put_readiness, STR("text/plain; charset=utf-8")               },
};

static const struct page *find_page(struct str target)
{
    struct str path, query;

    str_cut(target, '?', &path, &query);
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        if (str_eq(path, str_from(pages[i].path)))
            return &pages[i];
    }
    return NULL;
}

/* ---- the answer ---- */

/* A browser shows it, and does nothing else with it. */
static void put_page_headers(struct strbuf *out)
{
    AUTO(strbuf_fini) struct strbuf policy = STRBUF(KIB);

    page_put_policy(&policy);
    http_put_header(out, S("Content-Security-Policy"), strbuf_str(&policy));
    http_put_header(out, S("X-Content-Type-Options"), S("nosniff"));
    http_put_header(out, S("Referrer-Policy"), S("no-referrer"));
}

static void answer(struct visit *v, int status, struct str type,
                   struct str body, bool head_only)
{
    AUTO(strbuf_fini) struct strbuf length = STRBUF(32);

    strbuf_addf(&length, "%zu", body.len);
    http_put_status_line(&v->out, status, str_from(http_reason(status)));
    http_put_header(&v->out, S("Content-Type"), type);
    http_put_header(&v->out, S("Content-Length"), strbuf_str(&length));
    http_put_header(&v->out, S("Cache-Control"), S("no-store"));
    if (str_has_prefix(type, S("text/html")))
        put_page_headers(&v->out);
    if (status == 405)
        http_put_header(&v->out, S("Allow"), S("GET, HEAD"));
    http_put_header(&v->out, S("Connection"), S("close"));
    http_put_end_of_head(&v->out);
    if (!head_only)
        strbuf_add(&v->out, body);
}

static void answer_shortly(struct visit *v, int status, struct str text)
{
    answer(v, status, S("text/plain; charset=utf-8"), text, false);
}

static void answer_request(struct visit *v, const struct http_head *head)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(PAGE_MAX);
    const struct metrics_server *m = v->metrics_server;
    const struct page *page = find_page(head->target);

    if (!page) {
        answer_shortly(
            v, 404,
            S("there are /, /metrics, /status, /healthz and /readyz\n"));
    } else if (head->method != METHOD_GET && head->method != METHOD_HEAD) {
        answer_shortly(v, 405, S("nothing can be changed here\n"));
    } else {
        int status = page->put(m->look(m->place, m->arg), &body);

        answer(v, status, page->type, strbuf_str(&body),
               head->method == METHOD_HEAD);
    }
}

/* ---- the connection ---- */

static void visit_end(struct visit *v)
{
    event_free(v->io);
    event_free(v->timer);
    http_reader_free(v->reader);
    strbuf_fini(&v->out);
    close(v->fd);
    v->fd = -1;
}

static void on_visit_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    visit_end(arg);
}

static bool read_request(struct visit *v)
{
    char bytes[4096];
    ssize_t got = recv(v->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    struct str data;
    size_t used;

    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0)
        return false;
    switch (
        http_reader_next(v->reader, str_of(bytes, (size_t)got), &used, &data)) {
    case HTTP_HEAD: /* a body, if there is one, is not looked at */
        answer_request(v, http_reader_head(v->reader));
        break;
    case HTTP_ERROR:
        answer_shortly(v, http_reader_error(v->reader)->status,
                       S("this is no valid HTTP request\n"));
        break;
    case HTTP_MORE:
    case HTTP_DATA:
    case HTTP_END:
    case HTTP_HIJACK:
        break;
    }
    return true;
}

static bool write_answer(struct visit *v)
{
    struct str rest = str_from_index(strbuf_str(&v->out), v->sent);
    ssize_t sent = send(v->fd, rest.ptr, rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN)
        return false;
    v->sent += sent > 0 ? (size_t)sent : 0;
    return v->sent < v->out.len;
}

static void on_visit_io(evutil_socket_t fd, short what, void *arg)
{
    struct visit *v = arg;
    bool go_on = true;

    (void)fd;
    (void)what;
    if (!v->out.len) {
        go_on = read_request(v);
        if (go_on && v->out.len)
            event_assign(v->io, v->metrics_server->base, v->fd, EV_WRITE,
                         on_visit_io, v);
    }
    if (go_on && v->out.len)
        go_on = write_answer(v);
    if (go_on)
        event_add(v->io, NULL);
    else
        visit_end(v);
}

static void visit_begin(struct visit *v, struct metrics_server *m, int fd)
{
    *v = (struct visit){
        .metrics_server = m,
        .fd = fd,
        .reader = http_reader_new(HTTP_REQUESTS),
        .out = STRBUF(PAGE_MAX + 4 * KIB),
        .io = event_new(m->base, fd, EV_READ, on_visit_io, v),
        .timer = event_new(m->base, -1, 0, on_visit_time, v),
    };
    event_add(v->io, NULL);
    event_add(v->timer, &(struct timeval){VISIT_S, 0});
}

static void on_visitor(int fd, void *arg)
{
    struct metrics_server *m = arg;

    for (size_t i = 0; i < VISITS_MAX; i++) {
        if (m->visits[i].fd < 0) {
            visit_begin(&m->visits[i], m, fd);
            return;
        }
    }
    close(fd);
}

/* ---- its life ---- */

static struct listen_policy socket_of(const struct metrics_policy *config)
{
    return (struct listen_policy){
        .path = config->listen, .mode = config->mode, .group = config->group};
}

/* Another process answers from now on; visits that are open end by
 * themselves. */
static void on_taken(void *arg)
{
    (void)arg;
}

int metrics_server_new(struct event_base *base,
                       const struct metrics_policy *config, bool takes_over,
                       metrics_server_look look, void *arg,
                       struct metrics_server **out, struct strbuf *why)
{
    const struct listener_heir heir = {.taken = on_taken};
    struct metrics_server *m = xcalloc(1, sizeof(*m));
    struct listen_policy place = socket_of(config);
    int r, extra;

    m->base = base;
    m->place = xstrdup(config->listen);
    m->look = look;
    m->arg = arg;
    for (size_t i = 0; i < VISITS_MAX; i++)
        m->visits[i].fd = -1;
    r = takes_over ? listener_take(base, &place, on_visitor, m, &m->listener,
                                   &extra, why)
                   : -ENOENT;
    if (r == -ENOENT)
        r = listener_new(base, &place, -1, on_visitor, m, &m->listener, why);
    if (r < 0) {
        metrics_server_free(m);
        return r;
    }
    listener_offer(m->listener, &heir);
    *out = m;
    return 0;
}

struct metrics_server *metrics_server_free(struct metrics_server *m)
{
    if (!m)
        return NULL;
    for (size_t i = 0; i < VISITS_MAX; i++) {
        if (m->visits[i].fd >= 0)
            visit_end(&m->visits[i]);
    }
    listener_free(m->listener);
    free(m->place);
    free(m);
    return NULL;
}

void metrics_server_begin(struct metrics_server *m)
{
    listener_begin(m->listener);
}

const char *metrics_server_place(const struct metrics_server *m)
{
    return m->place;
}

int metrics_server_try_access(const struct metrics_server *m,
                              const struct metrics_policy *config,
                              struct strbuf *why)
{
    struct listen_policy place = socket_of(config);

    return listener_try_access(m->listener, &place, why);
}

void metrics_server_set_access(struct metrics_server *m,
                               const struct metrics_policy *config)
{
    struct listen_policy place = socket_of(config);

    listener_set_access(m->listener, &place);
}
