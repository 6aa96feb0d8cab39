#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "policy/docker/namespace.h"
#include "policy/isolation/rewrite.h"
#include "policy/isolation/socket_wish.h"
#include "proxy/base/log.h"
#include "proxy/companion_link/link_private.h"

/*
 * Each container that asked for docker.sock has a socket for itself, whose
 * number is in its label. So the list of the namespace's containers says which
 * are free, and who calls.
 */

/* A connection of a container that is not known yet. */
struct guest {
    struct companion *companion;
    struct link_conn *conn;
    int fd;
    unsigned number;
    unsigned since; /* the last list that was asked for before it came */
    TAILQ_ENTRY(guest) link;
};

struct companion_ask {
    struct companion *companion;
    companion_cb on_reply;
    void *arg;
    struct event *deadline;
    unsigned since; /* as a guest's */
    TAILQ_ENTRY(companion_ask) link;
};

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1; /* never 0 */
}

/* ---- those who wait ---- */

static void answer(struct companion_ask *ask, int status, json_t *reply)
{
    companion_cb on_reply = ask->on_reply;
    void *arg = ask->arg;

    companion_ask_cancel(ask);
    on_reply(status, reply, arg);
}

static void answer_why(struct companion_ask *ask, int status, const char *why)
{
    answer(ask, status,
           json_pack("{s:o}", "message",
                     json_sprintf("no socket can take the place of docker.sock "
                                  "(container.engine_socket): %s",
                                  why)));
}

void link_refuse_asks(struct companion *c, int status, const char *why)
{
    // NOLINTBEGIN(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out
    while (!TAILQ_EMPTY(&c->asks))
        answer_why(TAILQ_FIRST(&c->asks), status, why);
    // NOLINTEND(clang-analyzer-unix.Malloc)
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    answer_why(arg, 503, "the companion does not answer in time; try again");
}

struct companion_ask *link_ask_new(struct companion *c, companion_cb on_reply,
                                   void *arg)
{
    struct companion_ask *ask = xcalloc(1, sizeof(*ask));

    ask->companion = c;
    ask->since = c->lists;
    ask->on_reply = on_reply;
    ask->arg = arg;
    ask->deadline = event_new(c->config.base, -1, 0, on_deadline, ask);
    event_add(ask->deadline, &(struct timeval){LINK_ASK_S, 0});
    TAILQ_INSERT_TAIL(&c->asks, ask, link);
    return ask;
}

struct companion_ask *companion_ask_cancel(struct companion_ask *ask)
{
    if (!ask)
        return NULL;
    if (ask->companion)
        TAILQ_REMOVE(&ask->companion->asks, ask, link);
    event_free(ask->deadline);
    free(ask);
    return NULL;
}

/* ---- who has which socket ---- */

static void forget_caller(struct companion *c, unsigned number)
{
    free(c->callers[number]);
    c->callers[number] = NULL;
}

/* A socket that no container has, and that none is about to get. */
static bool find_free(struct companion *c, const bool used[WIRE_SOCKETS],
                      unsigned *number)
{
    for (unsigned i = 0; i < WIRE_SOCKETS; i++) {
        unsigned at = (c->turn + i) % WIRE_SOCKETS;
        bool reserved =
            c->reserved[at] && now() - c->reserved[at] < LINK_RESERVED_S;

        if (used[at] || reserved)
            continue;
        c->turn = at + 1;
        *number = at;
        return true;
    }
    return false;
}

static void give_socket(struct companion *c, struct companion_ask *ask,
                        const bool used[WIRE_SOCKETS])
{
    unsigned number;

    if (!find_free(c, used, &number)) {
        answer_why(ask, 503,
                   "all that there are of this namespace are in use by "
                   "containers; remove some");
        return;
    }
    c->reserved[number] = now();
    forget_caller(c, number);
    answer(ask, 201,
           json_pack("{s:i, s:o}", "Socket", (int)number, "Path",
                     json_sprintf("%s/%u", strbuf_cstr(&c->path), number)));
}

static void admit(struct companion *c, int fd, unsigned number)
{
    struct companion_caller caller = {.id = c->callers[number]};

    c->carried++;
    c->config.on_client(fd, &caller, c->config.arg);
}

static int take_guest(struct guest *guest)
{
    int fd = guest->fd;

    TAILQ_REMOVE(&guest->companion->guests, guest, link);
    guest->conn->on_gone = NULL;
    free(guest);
    return fd;
}

static void forget_guest(struct guest *guest)
{
    close(take_guest(guest));
}

/* Its connection closes before it is known who it is. */
static void on_gone(void *arg)
{
    forget_guest(arg);
}

/* Those that came before the last list was asked for. */
static void settle_guests(struct companion *c)
{
    struct guest *guest;

    // NOLINTBEGIN(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out
    while ((guest = TAILQ_FIRST(&c->guests)) && guest->since != c->lists) {
        unsigned number = guest->number;

        if (c->callers[number])
            admit(c, take_guest(guest), number);
        else /* no container of the namespace has it any more */
            forget_guest(guest);
    }
    // NOLINTEND(clang-analyzer-unix.Malloc)
}

static void forget_guests(struct companion *c)
{
    // NOLINTBEGIN(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out
    while (!TAILQ_EMPTY(&c->guests))
        forget_guest(TAILQ_FIRST(&c->guests));
    // NOLINTEND(clang-analyzer-unix.Malloc)
}

void link_forget_callers(struct companion *c)
{
    for (unsigned i = 0; i < WIRE_SOCKETS; i++)
        forget_caller(c, i);
    c->list = subrequest_cancel(c->list);
}

static bool ask_waits(const struct companion *c)
{
    const struct companion_ask *ask = TAILQ_FIRST(&c->asks);

    return ask && ask->since != c->lists;
}

static void take_list(struct companion *c, const json_t *list)
{
    bool used[WIRE_SOCKETS] = {false};
    const json_t *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        unsigned number;

        const json_t *id = json_object_get(row, "Id");

        if (!is_full_id(str_from(json_string_value(id))) ||
            !namespace_has_container(str_from(c->ns), row) ||
            !socket_wish_number(json_object_get(row, "Labels"), WIRE_SOCKETS,
                                &number))
            continue;
        c->reserved[number] = 0; /* it is made */
        forget_caller(c, number);
        c->callers[number] = xstrdup(used[number] ? "" : json_string_value(id));
        used[number] = true;
    }
    for (unsigned at = 0; at < WIRE_SOCKETS; at++) {
        if (!used[at])
            forget_caller(c, at);
    }
    settle_guests(c);
    while (c->step == STEP_READY && ask_waits(c))
        give_socket(c, TAILQ_FIRST(&c->asks), used);
    if (c->step == STEP_READY &&
        !(TAILQ_EMPTY(&c->asks) && TAILQ_EMPTY(&c->guests)))
        link_ask_list(c);
}

static void on_list(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    struct companion *c = arg;
    json_auto_t *list = NULL;

    c->list = NULL;
    if (head && head->status == 200)
        list = reply_json_parse(body);
    if (!json_is_array(list)) {
        forget_guests(c);
        link_refuse_asks(c, 503,
                         why ? why : "the engine does not list containers");
    } else {
        take_list(c, list);
    }
}

void link_ask_list(struct companion *c)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(4 * KIB);

    if (c->list)
        return;
    c->lists++;
    strbuf_addf(&target,
                "/containers/json?all=1&filters=%%7B%%22label%%22%%3A%%5B%%22"
                "berth.namespace%%3D%s%%22%%2C%%22" LABEL_SOCKET "%%22%%5D%%7D",
                c->ns);
    c->list = subrequest_new(c->config.base, c->config.pool, METHOD_GET,
                             strbuf_str(&target), S(""), on_list, c);
    subrequest_filter(c->list, list_filter_new(str_from(c->ns), true));
}

/* Are there bytes for all that may come on one more channel? */
static bool has_room(struct companion *c)
{
    bool room = memory_has_room(c->config.memory, WIRE_CREDIT);

    if (!room && !c->told_crowded)
        log_warn("%s: connections to docker.sock in its containers are "
                 "refused: %s",
                 c->ns, SUBREQUEST_CROWDED);
    c->told_crowded = !room;
    return room;
}

void link_take_connection(struct companion *c, uint32_t channel,
                          unsigned number)
{
    struct link_conn *conn = NULL;
    struct guest *guest;
    int far;

    if (has_room(c))
        conn = link_conn_new(c->session, channel, &far);
    if (!conn) {
        link_refuse(c->session, channel);
        return;
    }
    if (c->callers[number]) {
        admit(c, far, number);
        return;
    }
    guest = xcalloc(1, sizeof(*guest));
    *guest = (struct guest){.companion = c,
                            .conn = conn,
                            .fd = far,
                            .number = number,
                            .since = c->lists};
    conn->on_gone = on_gone;
    conn->arg = guest;
    TAILQ_INSERT_TAIL(&c->guests, guest, link);
    link_ask_list(c);
}

void link_sockets_init(struct companion *c)
{
    TAILQ_INIT(&c->asks);
    TAILQ_INIT(&c->guests);
    if (getrandom(&c->turn, sizeof(c->turn), 0) != (ssize_t)sizeof(c->turn))
        c->turn = 0;
    c->turn %= WIRE_SOCKETS; /* two berths of a namespace hardly meet */
}

void link_sockets_fini(struct companion *c)
{
    while (!TAILQ_EMPTY(&c->asks)) { /* told so in a turn of the loop */
        struct companion_ask *ask = TAILQ_FIRST(&c->asks);

        TAILQ_REMOVE(&c->asks, ask, link);
        ask->companion = NULL;
        event_active(ask->deadline, 0, 0);
    }
    forget_guests(c);
    link_forget_callers(c);
}
