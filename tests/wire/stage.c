#include "tests/wire/stage.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/server/session_private.h"

#define ROOM_FOR_TESTS (64 * MIB)
#define LEAST_TURNS    3 /* of the loop: what is put off comes in the next */

static struct stage *stage_now;

/* ---- in place of what a session calls (tests/wire/meson.build) ---- */

int __real_event_add(struct event *event, const struct timeval *after);
int __wrap_event_add(struct event *event, const struct timeval *after);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);

/* No time passes. */
int __wrap_event_add(struct event *event, const struct timeval *after)
{
    return after && (after->tv_sec || after->tv_usec)
               ? 0
               : __real_event_add(event, after);
}

static struct stage_client *client_behind(int fd)
{
    for (size_t i = 0; i < STAGE_CLIENTS; i++) {
        struct stage_client *client = &stage_now->clients[i];

        if (client->session && client->served_fd == fd)
            return client;
    }
    return NULL;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
    struct stage_client *client = client_behind(fd);
    struct stage_side *side = &client->sides[CLIENT];
    size_t taken = len;
    int r;

    (void)flags;
    assert(!side->shut);
    if (taken > side->room)
        taken = side->room;
    if (taken > stage_now->piece)
        taken = stage_now->piece;
    if (client->gone || taken == 0) {
        errno = client->gone ? EPIPE : EAGAIN;
        return -1;
    }
    r = strbuf_add(&side->out, str_of(bytes, taken));
    assert(r == 0);
    if (side->room != SIZE_MAX)
        side->room -= taken;
    stage_now->activity++;
    return (ssize_t)taken;
}

int __wrap_shutdown(int fd, int how)
{
    struct stage_client *client = client_behind(fd);

    if (client)
        client->sides[CLIENT].shut = true;
    stage_now->activity++;
    return __real_shutdown(fd, how);
}

/* ---- what an exchange asks of the world, where it must be the same in every
 * run ---- */

static const struct engine_facts *host_engine(void *arg)
{
    (void)arg;
    return &stage_now->facts;
}

static uint64_t host_random(void *arg)
{
    (void)arg;
    return 4;
}

static uint64_t host_clock(void *arg)
{
    (void)arg;
    return 1700000000123456789;
}

static int host_audit(void *arg, struct str line)
{
    (void)arg;
    if (stage_now->audit_fails)
        return -ENOSPC;
    assert(line.len && line.ptr[line.len - 1] == '\n');
    assert(str_find(line, '\n') == (ssize_t)line.len - 1);
    return strbuf_add(&stage_now->audit, line);
}

static void host_identify(void *arg, char *id, size_t size)
{
    (void)arg;
    snprintf(id, size, "x-%u", ++stage_now->exchanges);
}

static void set_host(struct session *session)
{
    struct connection_host *host = &session->host;

    host->engine = host_engine;
    host->random = host_random;
    host->clock_ns = host_clock;
    host->audit = host_audit;
    host->identify = host_identify;
    host->sum_up = NULL; /* every call has its record */
    host->builds =
        NULL; /* BuildKit's tunnels: tests/unit/test_exchange_build */
    host->peer = (struct peer){.pid = 7, .uid = 1000, .gid = 100};
    host->busy |= stage_now->busy;
}

/* ---- clients ---- */

/* A socket that all frontends of this process listen on, one after another. */
static int listening(void)
{
    /* with no name, the kernel finds one that is no file */
    const struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
    static int fd = -1;
    int r;

    if (fd >= 0)
        return fd;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = bind(fd, (const struct sockaddr *)&unnamed, sizeof(sa_family_t));
    assert(r == 0);
    r = listen(fd, STAGE_CLIENTS);
    assert(r == 0);
    return fd;
}

static void connect_client(struct stage *stage, struct stage_client *client)
{
    unsigned count = stage->frontend->session_count;
    struct sockaddr_un address;
    socklen_t size = sizeof(address);
    int r = getsockname(listening(), (struct sockaddr *)&address, &size);

    assert(r == 0);
    *client = (struct stage_client){
        .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    for (int side = CLIENT; side <= ENGINE; side++)
        client->sides[side] = (struct stage_side){
            .in = STRBUF(ROOM_FOR_TESTS),
            .out = STRBUF(ROOM_FOR_TESTS),
            .room = SIZE_MAX,
        };
    r = connect(client->fd, (struct sockaddr *)&address, size);
    assert(r == 0);
    while (stage->frontend->session_count == count)
        event_base_loop(stage->runtime.base, EVLOOP_ONCE);
    client->session = stage->frontend->sessions;
    client->served_fd = client->session->fd;
    set_host(client->session);
}

/*
 * Its session is told at once. close() alone would do so with the last
 * reference to the socket, and whoever looks at /proc/PID/fd in this moment has
 * another.
 */
static void hang_up(struct stage_client *client)
{
    if (client->fd < 0)
        return;
    __real_shutdown(client->fd, SHUT_RDWR);
    close(client->fd);
    client->fd = -1;
}

static void disconnect(struct stage_client *client)
{
    hang_up(client);
    for (int side = CLIENT; side <= ENGINE; side++) {
        strbuf_fini(&client->sides[side].in);
        strbuf_fini(&client->sides[side].out);
    }
}

struct stage_client *stage_client_of(struct stage *stage, const void *arg)
{
    for (size_t i = 0; arg && i < STAGE_CLIENTS; i++) {
        if (stage->clients[i].session == arg)
            return &stage->clients[i];
    }
    return NULL;
}

void stage_act_as(struct stage *stage, unsigned number)
{
    assert(number >= 1 && number <= STAGE_CLIENTS);
    stage->client = &stage->clients[number - 1];
    if (stage->client->fd < 0 && !stage->client->gone)
        connect_client(stage, stage->client);
    stage_settle(stage);
}

void stage_reconnect(struct stage *stage)
{
    disconnect(stage->client);
    connect_client(stage, stage->client);
    stage_settle(stage);
}

/* Is the session there yet, or freed? */
static void look_for_sessions(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_CLIENTS; i++) {
        struct stage_client *client = &stage->clients[i];
        const struct session *s = stage->frontend->sessions;

        while (s && s != client->session)
            s = session_next(s);
        if (client->session && (!s || s->closed)) {
            client->session = NULL;
            client->closed = true;
        }
    }
}

/* What the clients have to send goes into their sockets. */
static void pump(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_CLIENTS; i++) {
        struct stage_client *client = &stage->clients[i];
        struct stage_side *side = &client->sides[CLIENT];
        ssize_t sent = 0;

        if (client->fd < 0 || client->gone)
            continue;
        if (side->in.len)
            sent = write(client->fd, side->in.ptr, side->in.len);
        if (sent > 0) {
            strbuf_consume(&side->in, (size_t)sent);
            stage->activity++;
        }
        if (side->eof && !side->in.len && !client->told_eof) {
            client->told_eof = true;
            __real_shutdown(client->fd, SHUT_WR);
        }
    }
}

static bool works(const struct stage *stage)
{
    for (const struct session *s = stage->frontend->sessions; s;
         s = session_next(s)) {
        if (s->turn.waits)
            return true;
    }
    return false;
}

void stage_settle(struct stage *stage)
{
    unsigned seen = stage->activity;

    for (unsigned quiet = 0; quiet < LEAST_TURNS; quiet++) {
        pump(stage);
        event_base_loop(stage->runtime.base, EVLOOP_NONBLOCK);
        look_for_sessions(stage);
        stage_look(stage);
        stage_serve_lookups(stage);
        if (stage->activity != seen || works(stage))
            quiet = 0;
        seen = stage->activity;
    }
}

void stage_send(struct stage *stage, enum side side, struct str bytes)
{
    int r;

    if (side == ENGINE && !stage_has_stream(stage))
        return; /* nobody is there any more */
    r = strbuf_add(&stage->client->sides[side].in, bytes);
    assert(r == 0);
    if (side == ENGINE)
        session_wake(stage->client->session);
    stage_settle(stage);
}

void stage_eof(struct stage *stage, enum side side)
{
    struct session *session = stage->client->session;

    stage->client->sides[side].eof = true;
    if (side == ENGINE && stage_has_stream(stage)) {
        session->stream->eof = true;
        session->stream->on_change(session->stream, session);
    }
    stage_settle(stage);
}

void stage_client_gone(struct stage *stage)
{
    struct stage_client *client = stage->client;

    client->gone = true;
    strbuf_clear(&client->sides[CLIENT].in);
    hang_up(client);
    stage_settle(stage);
}

void stage_set_room(struct stage *stage, enum side side, size_t room)
{
    struct session *session = stage->client->session;

    stage->client->sides[side].room = room;
    if (session && side == CLIENT)
        event_active(session->io, EV_WRITE, 0);
    else if (session)
        session_wake(session);
    stage_settle(stage);
}

void stage_timeout(struct stage *stage)
{
    event_active(stage->client->session->timer, EV_TIMEOUT, 0);
    stage_settle(stage);
}

void stage_shutdown(struct stage *stage, enum connection_end end)
{
    if (stage->client->session)
        session_shutdown(stage->client->session, end);
    stage_settle(stage);
}

struct connection_wish stage_wish(const struct stage *stage)
{
    const struct session *session = stage->client->session;

    return session ? connection_wish(session->connection)
                   : (struct connection_wish){0};
}

bool stage_is_idle(const struct stage *stage)
{
    const struct session *session = stage->client->session;

    return session && connection_is_idle(session->connection);
}

/* ---- the whole of it ---- */

struct policy *stage_policy(const char *keys, const char *socket)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_POLICY);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);
    const struct environment environment = {0};
    struct policy_source source = {.name = "policy",
                                   .environment = &environment};
    struct policy *policy = NULL;

    strbuf_addf(
        &text,
        "{\"version\": 1, %s\"upstream\": {\"url\": \"unix://%s\"}"
        "%s%s%s}",
        strstr(keys, "\"namespace\":") ? "" : "\"namespace\": \"r1\", ", socket,
        strstr(keys, "\"isolation\"") ? "" : ", \"isolation\": \"none\"",
        *keys ? ", " : "", keys);
    source.text = strbuf_str(&text);
    if (policy_load(&source, &policy, &why)) {
        fprintf(stderr, "%s\n", strbuf_cstr(&why));
        abort();
    }
    return policy;
}

static struct upstream *make_upstream(struct event_base *base,
                                      const struct upstream_config *config)
{
    (void)base;
    return stage_upstream_new(stage_now, config);
}

void stage_init(struct stage *stage, struct policy *policy)
{
    static struct event_base *base;
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);

    if (!base)
        base = event_base_new();
    *stage = (struct stage){
        .policy = policy,
        .piece = SIZE_MAX,
        .audit = STRBUF(ROOM_FOR_TESTS),
        .runtime = {.base = base,
                    .backends = {.base = base, .make = make_upstream}},
    };
    stage_now = stage;
    for (size_t i = 0; i < STAGE_CLIENTS; i++)
        stage->clients[i].fd = -1;
    memory_init(&stage->runtime.memory);
    turns_init(&stage->runtime.turns, base);
    engine_facts_init(&stage->facts);
    stage->facts.oldest = API_MINOR_OLDEST;
    stage->frontend = frontend_open(
        &stage->runtime, policy, fcntl(listening(), F_DUPFD_CLOEXEC, 3), &why);
    if (!stage->frontend) {
        fprintf(stderr, "%s\n", strbuf_cstr(&why));
        abort();
    }
}

void stage_fini(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_CLIENTS; i++)
        disconnect(&stage->clients[i]);
    frontend_stop(stage->frontend, END_NOW);
    stage_settle(stage);
    assert(stage->frontend->session_count == 0);
    frontend_free(stage->frontend);
    runtime_settle(&stage->runtime);
    stage_engines_fini(stage);
    turns_fini(&stage->runtime.turns);
    strbuf_fini(&stage->audit);
    engine_facts_fini(&stage->facts);
    policy_unref(stage->policy);
}

void stage_reload(struct stage *stage, struct policy *policy)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);
    int r = frontend_prepare(stage->frontend, policy, &why);

    assert(r == 0);
    frontend_commit(stage->frontend);
    policy_unref(stage->policy);
    stage->policy = policy;
    stage_settle(stage);
}

void stage_know_engine(struct stage *stage)
{
    const struct http_head head = {
        .status = 200,
        .headers = {{STR("Api-Version"), STR("1.45")},
                    {STR("Content-Length"), STR("2")},
                    {STR("Ostype"), STR("linux")}},
        .header_count = 3,
    };
    bool learned = engine_facts_learn(&stage->facts, &head);

    assert(learned);
}
