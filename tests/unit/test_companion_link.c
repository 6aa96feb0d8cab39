#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/docker/companion_name.h"
#include "proxy/companion/wire.h"
#include "proxy/companion_link/companion_link.h"
#include "proxy/companion_link/link_private.h"
#include "tests/unit/fake_upstream.h"
#include "tests/unit/listener_place.h"

#define ID   "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define JOB  "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
#define PATH "/var/lib/docker/volumes/berth_companion.r1/_data"

static struct event_base *base;
static struct fake_upstream fake;
static struct listener_place place;
static struct pool *pool;
static struct companion *companion;
static int client; /* the last that came; -1: none */
static char caller[sizeof(JOB)];

static void on_client(int fd, const struct companion_caller *from, void *arg)
{
    (void)arg;
    assert_int_equal(client, -1);
    client = fd;
    snprintf(caller, sizeof(caller), "%s", from->id);
}

static void run(void)
{
    fake_run(&fake, base);
}

static size_t asked(const char *text)
{
    return fake_asked(&fake, text);
}

static void answer(const char *question, int status, const char *body)
{
    fake_answer(&fake, base, question, status, body);
}

static int setup(void **state)
{
    struct companion_config config = {
        .ns = S("r1"), .mode = 0660, .gid = 123, .on_client = on_client};

    (void)state;
    client = -1;
    base = event_base_new();
    listener_place_init(&place, base);
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    config.base = base;
    config.turns = &place.group;
    config.memory = &place.share;
    config.pool = pool;
    companion = companion_new(&config);
    assert_true(companion_is_as(companion, &config));
    config.gid = 0;
    assert_false(companion_is_as(companion, &config));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    companion = companion_free(companion);
    if (client >= 0)
        close(client);
    run_loop(base);
    pool_free(pool);
    listener_place_fini(&place);
    fake_upstream_fini(&fake);
    event_base_free(base);
    return 0;
}

/* ---- a socket is asked for ---- */

struct asker {
    int status;
    json_t *reply;
};

static void on_reply(int status, json_t *reply, void *arg)
{
    struct asker *asker = arg;

    asker->status = status;
    asker->reply = reply;
}

static void expect_socket(struct asker *asker, int number)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(KIB);

    strbuf_addf(&path, PATH "/%d", number);
    assert_int_equal(asker->status, 201);
    assert_int_equal(
        json_integer_value(json_object_get(asker->reply, "Socket")), number);
    assert_string_equal(
        json_string_value(json_object_get(asker->reply, "Path")),
        strbuf_cstr(&path));
    json_decref(asker->reply);
    *asker = (struct asker){0};
}

static int socket_of(struct asker *asker)
{
    int number =
        (int)json_integer_value(json_object_get(asker->reply, "Socket"));

    expect_socket(asker, number);
    return number;
}

static void expect_refusal(struct asker *asker, int status, const char *words)
{
    const char *message =
        json_string_value(json_object_get(asker->reply, "message"));

    assert_int_equal(asker->status, status);
    assert_non_null(strstr(message, "container.engine_socket"));
    assert_non_null(strstr(message, words));
    json_decref(asker->reply);
    *asker = (struct asker){0};
}

/* ---- the session ---- */

static size_t session; /* its stream */

/* A piece of the exec's output, of KIND: what the engine makes of it. */
static void feed(unsigned kind, const void *bytes, size_t length)
{
    struct fake_stream *stream = &fake.streams[session];
    unsigned char head[8] = {(unsigned char)kind};

    wire_put(head + 4, 4, (uint32_t)length);
    strbuf_add(&stream->in, str_of((const char *)head, sizeof(head)));
    strbuf_add(&stream->in, str_of(bytes, length));
    stream->stream.on_change(&stream->stream, stream->stream.arg);
    run();
}

static void say(enum wire_type type, uint32_t channel, const void *bytes,
                size_t length)
{
    static unsigned char frame[WIRE_HEADER + WIRE_PAYLOAD];

    wire_put_head(frame, type, channel, length);
    if (length)
        memcpy(frame + WIRE_HEADER, bytes, length);
    feed(1, frame, WIRE_HEADER + length);
}

/* The next frame that berth sends, which has to be a TYPE. */
static struct wire_frame expect(enum wire_type type)
{
    static unsigned char frame[WIRE_HEADER + WIRE_PAYLOAD];
    struct strbuf *out;
    struct wire_frame got;
    size_t used;

    run();
    out = &fake.streams[session].out;
    assert_true(out->len >= WIRE_HEADER);
    assert_int_equal(
        wire_read((const unsigned char *)out->ptr, out->len, &got, &used),
        WIRE_WHOLE);
    assert_int_equal(got.type, type);
    memcpy(frame, out->ptr, used);
    got.payload = frame + WIRE_HEADER;
    strbuf_consume(out, used);
    return got;
}

static void expect_nothing(void)
{
    run();
    assert_int_equal(fake.streams[session].out.len, 0);
}

static void greet(void)
{
    unsigned char hello[2 + WIRE_NONCE];
    const char *nonce;

    run();
    session = asked("\"session\"");
    assert_int_not_equal(session, FAKE_STREAMS);
    nonce = strstr(strbuf_cstr(&fake.streams[session].out), "\"session\",\"");
    assert_non_null(nonce);
    wire_put(hello, 2, WIRE_VERSION);
    memcpy(hello + 2, nonce + 11, WIRE_NONCE);
    answer("POST /containers/berth_companion.r1/exec", 201,
           "{\"Id\":\"" ID "\"}");
    session = asked("POST /exec/" ID "/start");
    assert_int_not_equal(session, FAKE_STREAMS);
    strbuf_clear(&fake.streams[session].out);
    fake_feed(&fake, session,
              "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
              "Upgrade: tcp\r\n\r\n");
    say(WIRE_HELLO, 0, hello, sizeof(hello));
}

static const char there[] =
    "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{"
    "\"berth.companion\":\"r1\"}},\"Mounts\":[{\"Destination\":\"/sockets\","
    "\"Source\":\"" PATH "\"}]}";

static void attach(void)
{
    answer("GET /containers/berth_companion.r1/json", 200, there);
    greet();
}

static void find_it(void)
{
    attach();
    answer("GET /containers/json?all=1", 200, "[]");
}

/* A list in which the container JOB has the socket NUMBER. */
static void answer_list(const char *number)
{
    AUTO(strbuf_fini) struct strbuf list = STRBUF(4 * KIB);

    strbuf_addf(&list,
                "[{\"Id\":\"" JOB "\",\"Names\":[\"/r1.job\"],\"Labels\":"
                "{\"berth.namespace\":\"r1\",\"berth.socket\":"
                "\"{\\\"socket\\\":%s}\"}},"
                /* one of a classic build, from an image of such a container */
                "{\"Id\":\"" ID "\",\"Names\":[\"/happy_name\"],\"Labels\":"
                "{\"berth.namespace\":\"r1\",\"berth.socket\":"
                "\"{\\\"socket\\\":9}\"}}]",
                number);
    answer("GET /containers/json?all=1", 200, strbuf_cstr(&list));
}

static void open_connection(uint32_t channel, unsigned number)
{
    unsigned char open[3] = {WIRE_SOCKET};

    wire_put(open + 1, 2, number);
    say(WIRE_OPEN, channel, open, sizeof(open));
}

/* ---- tests ---- */

static void nothing_is_made_that_nobody_needs(void **state)
{
    (void)state;
    answer("GET /containers/berth_companion.r1/json", 404, "{}");
    assert_false(companion_count(companion).attached);
    for (size_t at = 0; at < fake.count; at++)
        assert_int_equal(fake.streams[at].out.len, 0);
}

static void it_is_made_when_it_is_first_needed(void **state)
{
    struct asker asker = {0};
    const char *body;
    size_t at;

    (void)state;
    answer("GET /containers/berth_companion.r1/json", 404, "{}");
    companion_ask(companion, on_reply, &asker);
    answer("GET /containers/berth_companion.r1/json", 404, "{}");
    answer("GET /version", 200, "{\"Arch\":\"amd64\"}");
    answer("POST /volumes/create", 201, "{\"Mountpoint\":\"" PATH "\"}");
    run();
    at = asked("POST /containers/create?name=berth_companion.r1");
    assert_int_not_equal(at, FAKE_STREAMS);
    body = strbuf_cstr(&fake.streams[at].out); /* what holds it in: */
    assert_non_null(strstr(body, "\"NetworkMode\":\"none\""));
    assert_non_null(strstr(body, "\"CapDrop\":[\"ALL\"]"));
    assert_non_null(strstr(body, "\"ReadonlyRootfs\":true"));
    assert_non_null(strstr(body, "no-new-privileges"));
    assert_non_null(strstr(body, "\"User\":\"0:123\""));
    assert_null(strstr(body, "berth.namespace")); /* and out of sight */
    answer("POST /containers/create?name=berth_companion.r1", 404, "{}");
    answer("POST /images/load?quiet=1", 200, "{}");
    answer("POST /containers/create?name=berth_companion.r1", 201, "{}");
    answer("POST /containers/berth_companion.r1/start", 204, "");
    assert_int_equal(asker.status, 0);
    greet();
    answer("GET /containers/json?all=1", 200, "[]");
    socket_of(&asker);
    assert_true(companion_count(companion).attached);
}

static void one_that_is_there_is_used(void **state)
{
    struct asker first = {0}, second = {0};
    int one, two;

    (void)state;
    find_it();
    companion_ask(companion, on_reply, &first);
    companion_ask(companion, on_reply, &second);
    answer_list("0");
    one = socket_of(&first);
    two = socket_of(&second);
    assert_true(one != two && one != 0 && two != 0); /* 0 is in use */
}

static void one_that_has_ended_is_started(void **state)
{
    (void)state;
    answer("GET /containers/berth_companion.r1/json", 200,
           "{\"State\":{\"Running\":false},\"Config\":{\"Labels\":{"
           "\"berth.companion\":\"r1\"}},\"Mounts\":[]}");
    answer("POST /containers/berth_companion.r1/start", 204, "");
    greet();
    assert_true(companion_count(companion).attached);
}

static void what_is_no_companion_of_ours_is_left_alone(void **state)
{
    struct asker asker = {0};

    (void)state;
    companion_ask(companion, on_reply, &asker);
    answer("GET /containers/berth_companion.r1/json", 200,
           "{\"State\":{\"Running\":true},\"Config\":{\"Labels\":{"
           "\"berth.companion\":\"r2\"}}}");
    expect_refusal(&asker, 500, "looking for the companion");
}

static void an_engine_of_another_kind_is_named(void **state)
{
    struct asker asker = {0};

    (void)state;
    companion_ask(companion, on_reply, &asker);
    answer("GET /containers/berth_companion.r1/json", 404, "{}");
    answer("GET /version", 200, "{\"Arch\":\"vax\"}");
    expect_refusal(&asker, 501, "kind of machine");
}

static void the_engine_s_words_are_told(void **state)
{
    struct asker asker = {0};

    (void)state;
    companion_ask(companion, on_reply, &asker);
    answer("GET /containers/berth_companion.r1/json", 404, "{}");
    answer("GET /version", 200, "{\"Arch\":\"amd64\"}");
    answer("POST /volumes/create", 500, "{\"message\":\"no space left\"}");
    expect_refusal(&asker, 500, "no space left");
}

static void there_are_only_so_many_sockets(void **state)
{
    struct asker askers[WIRE_SOCKETS + 1] = {{0}};
    bool given[WIRE_SOCKETS] = {false};

    (void)state;
    find_it();
    for (size_t i = 0; i <= WIRE_SOCKETS; i++)
        companion_ask(companion, on_reply, &askers[i]);
    answer("GET /containers/json?all=1", 200, "[]");
    for (int i = 0; i < WIRE_SOCKETS; i++) {
        int number = socket_of(&askers[i]);

        assert_false(given[number]);
        given[number] = true;
    }
    expect_refusal(&askers[WIRE_SOCKETS], 503, "in use");
}

static void who_calls_is_known_before_it_is_served(void **state)
{
    char got[16];

    (void)state;
    find_it();
    open_connection(2, 5);
    say(WIRE_DATA, 2, "GET /", 5);
    assert_int_equal(client, -1);
    answer_list("5");
    assert_int_not_equal(client, -1);
    assert_string_equal(caller, JOB);
    assert_int_equal(recv(client, got, sizeof(got), 0), 5);
    assert_memory_equal(got, "GET /", 5);
    assert_int_equal(companion_count(companion).connections, 1);
    assert_int_equal(send(client, "200", 3, 0), 3);
    assert_int_equal(expect(WIRE_DATA).length, 3);
    close(client);
    client = -1;
    assert_int_equal(expect(WIRE_CLOSE).channel, 2);
    assert_int_equal(companion_count(companion).connections, 0);
    open_connection(4, 5); /* and then it need not be asked for */
    assert_int_not_equal(client, -1);
}

static void who_has_no_container_is_not_served(void **state)
{
    (void)state;
    find_it();
    open_connection(2, 9); /* of no container of the namespace's */
    answer_list("5");
    assert_int_equal(client, -1);
    assert_int_equal(expect(WIRE_CLOSE).channel, 2);
}

static void one_that_comes_and_goes_holds_up_no_other(void **state)
{
    (void)state;
    attach(); /* a list is asked for */
    open_connection(2, 5);
    answer_list("5");
    assert_int_equal(client, -1); /* it may be older than the container */
    for (uint32_t channel = 4; channel < 400; channel += 2) {
        open_connection(channel, 6);
        say(WIRE_CLOSE, channel, NULL, 0);
    }
    open_connection(400, 6);
    assert_int_equal(companion_count(companion).connections, 2);
    answer_list("5");
    assert_int_not_equal(client, -1);
    assert_string_equal(caller, JOB);
    answer_list("5"); /* for the last */
    assert_int_equal(expect(WIRE_CLOSE).channel, 400);
    assert_int_equal(companion_count(companion).connections, 1);
}

static void who_shares_a_socket_is_served_and_not_named(void **state)
{
    (void)state;
    find_it();
    open_connection(2, 5);
    answer("GET /containers/json?all=1", 200,
           "[{\"Id\":\"" JOB "\",\"Names\":[\"/r1.job\"],\"Labels\":"
           "{\"berth.namespace\":\"r1\",\"berth.socket\":"
           "\"{\\\"socket\\\":5}\"}},"
           "{\"Id\":\"" ID "\",\"Names\":[\"/r1.too\"],\"Labels\":"
           "{\"berth.namespace\":\"r1\",\"berth.socket\":"
           "\"{\\\"socket\\\":5}\"}}]");
    assert_int_not_equal(client, -1);
    assert_string_equal(caller, "");
}

static void a_socket_that_is_in_a_list_is_kept_for_none(void **state)
{
    struct asker asker = {0};
    int numbers[WIRE_SOCKETS];

    (void)state;
    find_it();
    for (int i = 0; i < WIRE_SOCKETS; i++) {
        AUTO(strbuf_fini) struct strbuf number = STRBUF(16);

        companion_ask(companion, on_reply, &asker);
        if (i)
            strbuf_addf(&number, "%d", numbers[i - 1]);
        else
            strbuf_addf(&number, "null");
        answer_list(strbuf_cstr(&number)); /* the one before is made */
        numbers[i] = socket_of(&asker);
    }
    companion_ask(companion, on_reply, &asker); /* and all are removed */
    answer("GET /containers/json?all=1", 200, "[]");
    socket_of(&asker);
}

static void who_called_before_a_session_ended_is_asked_for_again(void **state)
{
    struct asker asker = {0};

    (void)state;
    find_it();
    open_connection(2, 5);
    answer_list("5");
    close(client);
    client = -1;
    say(WIRE_BYE, 0, NULL, 0);
    fake_eof(&fake, session);
    run();
    companion_ask(companion, on_reply, &asker);
    attach();
    open_connection(2, 5);
    assert_int_equal(client, -1);
    answer_list("6");
    socket_of(&asker);
    answer_list("6");
    assert_int_equal(client, -1);
}

static void open_known(void)
{
    find_it();
    open_connection(2, 5);
    answer_list("5");
    assert_int_not_equal(client, -1);
}

static void its_bytes_wait_for_a_turn_of_the_listener(void **state)
{
    static const char data[] = "\1\0\0\0\0\0\0\14"     /* a piece of output */
                               "\3\0\0\4\0\0\0\2late"; /* a frame in it */
    struct fake_stream *stream;
    char got[16];

    (void)state;
    open_known();
    assert_true(TAILQ_EMPTY(&place.group.waiting));
    place.turns.last = NULL;
    assert_int_equal(send(client, "200", 3, 0), 3);
    assert_int_equal(expect(WIRE_DATA).length, 3);
    assert_ptr_equal(place.turns.last, &place.group);

    stream = &fake.streams[session];
    strbuf_add(&stream->in, str_of(data, sizeof(data) - 1));
    stream->stream.on_change(&stream->stream, stream->stream.arg);
    assert_false(TAILQ_EMPTY(&place.group.waiting));
    assert_int_equal(recv(client, got, sizeof(got), 0), -1);
    run();
    assert_int_equal(recv(client, got, sizeof(got), 0), 4);

    strbuf_add(&stream->in, str_of(data, sizeof(data) - 1));
    stream->stream.on_change(&stream->stream, stream->stream.arg);
    assert_false(TAILQ_EMPTY(&place.group.waiting));
    /* and then it goes before its turn */
    companion = companion_free(companion);
    assert_true(TAILQ_EMPTY(&place.group.waiting));
}

static void so_many_bytes_are_handed_out_in_a_turn(void **state)
{
    static const char bytes[WIRE_PAYLOAD];
    struct fake_stream *stream;
    unsigned turns = 0;

    (void)state;
    open_known();
    stream = &fake.streams[session];
    for (uint32_t i = 0; i < 8; i++) {
        unsigned char heads[2 * WIRE_HEADER] = {1};

        wire_put(heads + 4, 4, WIRE_HEADER + WIRE_PAYLOAD);
        wire_put_head(heads + 8, WIRE_DATA, 2, WIRE_PAYLOAD);
        strbuf_add(&stream->in, str_of((char *)heads, sizeof(heads)));
        strbuf_add(&stream->in, str_of(bytes, sizeof(bytes)));
    }
    stream->stream.on_change(&stream->stream, stream->stream.arg);
    while (stream->in.len > 0) {
        size_t before = stream->in.len;
        struct turn *turn = TAILQ_FIRST(&place.group.waiting);

        assert_non_null(turn);
        turn_cancel(turn);
        turn->run(turn);
        turns++;
        assert_true(before - stream->in.len <= 128 * KIB);
    }
    assert_true(turns >= 3);
}

static void a_connection_is_in_the_account_of_memory(void **state)
{
    (void)state;
    open_known();
    assert_int_equal(place.share.used, WIRE_CREDIT);
    close(client);
    client = -1;
    assert_int_equal(expect(WIRE_CLOSE).channel, 2);
    assert_int_equal(place.share.used, 0);
}

static void where_memory_is_short_it_is_closed(void **state)
{
    int first;

    (void)state;
    open_known();
    first = client;
    client = -1;
    listener_place_crowd(&place, WIRE_CREDIT - 1);
    open_connection(4, 5);
    assert_int_equal(client, -1);
    assert_int_equal(expect(WIRE_CLOSE).channel, 4);
    listener_place_crowd(&place, WIRE_CREDIT);
    open_connection(6, 5);
    assert_int_not_equal(client, -1);
    assert_true(companion_count(companion).attached);
    close(first);
}

static void halves_close_apart(void **state)
{
    char got[16];

    (void)state;
    open_known();
    say(WIRE_EOF, 2, NULL, 0);
    assert_int_equal(recv(client, got, sizeof(got), 0), 0);
    assert_int_equal(send(client, "late", 4, 0), 4);
    assert_int_equal(expect(WIRE_DATA).length, 4);
    shutdown(client, SHUT_WR);
    assert_int_equal(expect(WIRE_CLOSE).channel, 2); /* now both are */
    assert_int_equal(companion_count(companion).connections, 0);
}

static void a_client_s_half_is_told_of(void **state)
{
    char got[16];

    (void)state;
    open_known();
    shutdown(client, SHUT_WR);
    assert_int_equal(expect(WIRE_EOF).channel, 2);
    say(WIRE_DATA, 2, "late", 4);
    assert_int_equal(recv(client, got, sizeof(got), 0), 4);
    say(WIRE_EOF, 2, NULL, 0);
    assert_int_equal(recv(client, got, sizeof(got), 0), 0);
    assert_int_equal(companion_count(companion).connections, 0);
}

static void what_came_before_a_close_is_read(void **state)
{
    char got[16];

    (void)state;
    open_known();
    say(WIRE_DATA, 2, "last", 4);
    say(WIRE_CLOSE, 2, NULL, 0);
    assert_int_equal(recv(client, got, sizeof(got), 0), 4);
    assert_int_equal(recv(client, got, sizeof(got), 0), 0);
    expect_nothing();
}

static void what_is_over_and_not_read_counts_no_more(void **state)
{
    static const char bytes[WIRE_PAYLOAD];
    int clients[WIRE_CHANNELS + 10], last;

    (void)state;
    open_known();
    clients[0] = client;
    for (uint32_t i = 1; i < WIRE_CHANNELS + 10; i++) {
        client = -1;
        open_connection(2 + 2 * i, 5);
        assert_int_not_equal(client, -1);
        clients[i] = client;
        for (size_t part = 0; part < WIRE_CREDIT / WIRE_PAYLOAD; part++)
            say(WIRE_DATA, 2 + 2 * i, bytes, sizeof(bytes));
        if (i % 2 == 0) {
            say(WIRE_CLOSE, 2 + 2 * i, NULL, 0);
        } else {
            say(WIRE_EOF, 2 + 2 * i, NULL, 0);
            shutdown(client, SHUT_WR);
            run();
        }
        assert_int_equal(companion_count(companion).connections, 1);
    }
    assert_true(companion_count(companion).attached);
    last = clients[WIRE_CHANNELS + 9];
    while (companion_count(companion).attached &&
           poll(&(struct pollfd){.fd = last}, 1, 10) == 0)
        run(); /* the last goes, too, after a while */
    assert_true(companion_count(companion).attached);
    for (size_t i = 1; i < WIRE_CHANNELS + 10; i++)
        close(clients[i]);
    client = clients[0];
}

static void credit_holds_both_sides(void **state)
{
    static char bytes[WIRE_PAYLOAD];
    size_t total = 0, sent = 0, given = 0;
    ssize_t n;

    (void)state;
    open_known();
    for (size_t i = 0; i < WIRE_CREDIT / WIRE_PAYLOAD; i++)
        say(WIRE_DATA, 2, bytes, sizeof(bytes));
    while (total < WIRE_CREDIT) { /* as it is read, credit comes back */
        n = recv(client, bytes, sizeof(bytes), 0);
        total += n > 0 ? (size_t)n : 0;
        run();
    }
    while (fake.streams[session].out.len > 0)
        given += wire_get(expect(WIRE_MORE).payload, 4);
    assert_true(given > WIRE_CREDIT - WIRE_GIVE_BACK);
    for (int i = 0; i < 100; i++) { /* the client sends without end */
        n = send(client, bytes, sizeof(bytes), MSG_DONTWAIT);
        run();
        while (fake.streams[session].out.len > 0)
            sent += expect(WIRE_DATA).length;
    }
    assert_int_equal(sent, WIRE_CREDIT);
}

static void what_breaks_the_rules_ends_the_session(void **state)
{
    static const struct {
        enum wire_type type;
        uint32_t channel;
        size_t length;
    } bad[] = {
        {WIRE_DATA,  4, 1             }, /* a channel that never was */
        {WIRE_DATA,  3, 1             },
        {WIRE_OPEN,  3, 3             },
        {WIRE_OPEN,  2, 3             }, /* there has been one */
        {WIRE_HELLO, 0, 2 + WIRE_NONCE}, /* a second one */
        {WIRE_BEAT,  0, 0             },
        {WIRE_MORE,  2, 4             },
        {WIRE_DATA,  0, 1             },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        static const char bytes[64] = {1};
        char byte;

        if (i)
            setup(state);
        open_known();
        say(bad[i].type, bad[i].channel, bytes, bad[i].length);
        assert_true(fake.streams[session].closed);
        assert_int_equal(recv(client, &byte, 1, 0), 0);
        if (i + 1 < sizeof(bad) / sizeof(*bad))
            teardown(state);
    }
}

static void before_it_says_hello_nothing_counts(void **state)
{
    (void)state;
    answer("GET /containers/berth_companion.r1/json", 200, there);
    answer("POST /containers/berth_companion.r1/exec", 201,
           "{\"Id\":\"" ID "\"}");
    session = asked("POST /exec/" ID "/start");
    fake_feed(&fake, session,
              "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
              "Upgrade: tcp\r\n\r\n");
    open_connection(2, 1);
    assert_true(fake.streams[session].closed);
    assert_false(companion_count(companion).attached);
}

static void a_session_that_ends_is_begun_anew(void **state)
{
    char byte;

    (void)state;
    open_known();
    feed(2, "berth-companion: out of memory\n", 31);
    fake_eof(&fake, session);
    run();
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    close(client);
    client = -1;
    assert_false(companion_count(companion).attached);
    while (asked("GET /containers/berth_companion.r1/json") == FAKE_STREAMS) {
        poll(NULL, 0, 10);
        run();
    }
    find_it();
    assert_true(companion_count(companion).attached);
}

static void two_berths_do_not_take_it_from_each_other(void **state)
{
    struct asker asker = {0};

    (void)state;
    open_known();
    say(WIRE_BYE, 0, NULL, 0);
    fake_eof(&fake, session);
    run();
    assert_false(companion_count(companion).attached);
    companion_ask(companion, on_reply, &asker); /* but who needs it has it */
    attach();
    answer("GET /containers/json?all=1", 200, "[]");
    socket_of(&asker);
}

static void who_asks_is_told_when_it_goes(void **state)
{
    struct asker asker = {0};

    (void)state;
    companion_ask(companion, on_reply, &asker);
    run();
    companion = companion_free(companion);
    assert_int_equal(asker.status, 0); /* from the loop alone */
    run();
    expect_refusal(&asker, 503, "");
}

static void who_asks_no_more_is_told_nothing(void **state)
{
    struct asker asker = {0};
    struct companion_ask *ask;

    (void)state;
    find_it();
    ask = companion_ask(companion, on_reply, &asker);
    run();
    companion_ask_cancel(ask);
    answer("GET /containers/json?all=1", 200, "[]");
    assert_int_equal(asker.status, 0);
}

static void the_image_is_one_file(void **state)
{
    AUTO(strbuf_fini) struct strbuf archive = STRBUF(LINK_ARCHIVE);
    AUTO(strbuf_fini) struct strbuf name = STRBUF(KIB);
    const struct companion_program *program = companion_programs;

    (void)state;
    assert_non_null(program->architecture); /* this machine's, at least */
    assert_ptr_equal(link_program(str_from(program->architecture)), program);
    assert_int_equal(link_put_archive(&archive, program), 0);
    assert_int_equal(archive.len % 512, 0);
    link_put_image_name(&name, program);
    assert_non_null(memmem(archive.ptr, archive.len, name.ptr, name.len));
    assert_memory_equal(program->begin, "\177ELF", 4);
    assert_non_null(memmem(archive.ptr, archive.len, program->begin,
                           (size_t)(program->end - program->begin)));
}

static void who_waits_is_told_of_a_session_that_does_not_say_hello(void **state)
{
    struct asker asker = {0};

    (void)state;
    companion_ask(companion, on_reply, &asker);
    answer("GET /containers/berth_companion.r1/json", 200, there);
    answer("POST /containers/berth_companion.r1/exec", 201,
           "{\"Id\":\"" ID "\"}");
    assert_int_not_equal(asked("POST /exec/" ID "/start"), FAKE_STREAMS);
    assert_int_equal(asker.status, 0);
    /* its time is over */
    assert_true(event_pending(companion->soon, EV_TIMEOUT, NULL));
    event_active(companion->soon, EV_TIMEOUT, 0);
    run();
    expect_refusal(&asker, 503, "does not say hello in time");
}

int main(void)
{
#define LINKED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        LINKED(nothing_is_made_that_nobody_needs),
        LINKED(it_is_made_when_it_is_first_needed),
        LINKED(one_that_is_there_is_used),
        LINKED(who_waits_is_told_of_a_session_that_does_not_say_hello),
        LINKED(one_that_has_ended_is_started),
        LINKED(what_is_no_companion_of_ours_is_left_alone),
        LINKED(an_engine_of_another_kind_is_named),
        LINKED(the_engine_s_words_are_told),
        LINKED(there_are_only_so_many_sockets),
        LINKED(who_calls_is_known_before_it_is_served),
        LINKED(who_has_no_container_is_not_served),
        LINKED(one_that_comes_and_goes_holds_up_no_other),
        LINKED(who_shares_a_socket_is_served_and_not_named),
        LINKED(a_socket_that_is_in_a_list_is_kept_for_none),
        LINKED(who_called_before_a_session_ended_is_asked_for_again),
        LINKED(its_bytes_wait_for_a_turn_of_the_listener),
        LINKED(so_many_bytes_are_handed_out_in_a_turn),
        LINKED(a_connection_is_in_the_account_of_memory),
        LINKED(where_memory_is_short_it_is_closed),
        LINKED(halves_close_apart),
        LINKED(a_client_s_half_is_told_of),
        LINKED(what_came_before_a_close_is_read),
        LINKED(what_is_over_and_not_read_counts_no_more),
        LINKED(credit_holds_both_sides),
        LINKED(what_breaks_the_rules_ends_the_session),
        LINKED(before_it_says_hello_nothing_counts),
        LINKED(a_session_that_ends_is_begun_anew),
        LINKED(two_berths_do_not_take_it_from_each_other),
        LINKED(who_asks_is_told_when_it_goes),
        LINKED(who_asks_no_more_is_told_nothing),
        cmocka_unit_test(the_image_is_one_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
