#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/net/srv_resolver.h"

/* ---- what a name server answers ---- */

enum { SRV = 33, CNAME = 5, MESSAGE = 8192 };

static unsigned char message[MESSAGE];
static size_t size;

static void put16(unsigned value)
{
    message[size++] = (unsigned char)(value >> 8);
    message[size++] = (unsigned char)value;
}

static void put_name(const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");

        message[size++] = (unsigned char)len;
        memcpy(message + size, name, len);
        size += len;
        name += len + (name[len] == '.');
    }
    message[size++] = 0;
}

static void begin(unsigned rcode)
{
    size = 0;
    put16(1);
    put16(0x8180 | rcode);
    put16(1);
    put16(0); /* records */
    put16(0);
    put16(0);
    put_name("_docker._tcp.example.com");
    put16(SRV);
    put16(1);
}

static void put_record(unsigned type, const char *target, unsigned priority,
                       unsigned weight, unsigned port)
{
    size_t at;

    message[7]++;
    put16(0xc00c); /* the question's name */
    put16(type);
    put16(1);
    put16(0);
    put16(60);
    at = size;
    put16(0);
    if (type == SRV) {
        put16(priority);
        put16(weight);
        put16(port);
    }
    put_name(target);
    message[at] = (unsigned char)((size - at - 2) >> 8);
    message[at + 1] = (unsigned char)(size - at - 2);
}

static void is_target(const struct srv_target *target, const char *host,
                      unsigned priority, unsigned weight, unsigned port)
{
    assert_string_equal(target->host, host);
    assert_int_equal(target->priority, priority);
    assert_int_equal(target->weight, weight);
    assert_int_equal(target->port, port);
}

static struct srv_answer answer;

static void read_it(void)
{
    srv_read(message, size, &answer);
}

static void the_smallest_priority_comes_first(void **state)
{
    (void)state;
    begin(0);
    put_record(SRV, "spare.example.com", 10, 0, 22);
    put_record(CNAME, "elsewhere.example.com", 0, 0, 0);
    put_record(SRV, "Docker-1.Example.com", 0, 20, 2222);
    put_record(SRV, "docker-0.example.com", 0, 10, 22);
    read_it();
    assert_string_equal(answer.why, "");
    assert_int_equal(answer.count, 3);
    is_target(&answer.targets[0], "docker-0.example.com", 0, 10, 22);
    is_target(&answer.targets[1], "docker-1.example.com", 0, 20, 2222);
    is_target(&answer.targets[2], "spare.example.com", 10, 0, 22);
}

static void one_that_is_told_twice_is_one(void **state)
{
    (void)state;
    begin(0);
    put_record(SRV, "a.example", 5, 1, 22);
    put_record(SRV, "A.example", 0, 7, 22);
    put_record(SRV, "a.example", 0, 7, 23);
    read_it();
    assert_int_equal(answer.count, 2);
    is_target(&answer.targets[0], "a.example", 0, 7, 22);
    is_target(&answer.targets[1], "a.example", 0, 7, 23);
}

static void the_root_says_that_there_is_none(void **state)
{
    (void)state;
    begin(0);
    put_record(SRV, "", 0, 0, 0);
    read_it();
    assert_string_equal(answer.why, "");
    assert_int_equal(answer.count, 0);
}

static void too_many_are_none(void **state)
{
    char name[32];

    (void)state;
    for (unsigned most = LIMIT_HOSTS; most <= LIMIT_HOSTS + 1; most++) {
        begin(0);
        for (unsigned i = 0; i < most; i++) {
            snprintf(name, sizeof(name), "h%u.example", i);
            put_record(SRV, name, 0, 1, 22);
        }
        read_it();
        assert_int_equal(answer.count, most == LIMIT_HOSTS ? most : 0);
        assert_int_equal(*answer.why == '\0', most == LIMIT_HOSTS);
    }
}

static void what_is_cut_anywhere_is_no_answer(void **state)
{
    size_t whole;

    (void)state;
    begin(0);
    put_record(SRV, "a.example", 0, 1, 22);
    put_record(SRV, "b.example", 0, 1, 22);
    for (whole = size, size = 0; size < whole; size++) {
        read_it();
        assert_int_equal(answer.count, 0);
        assert_string_not_equal(answer.why, "");
    }
}

static void a_name_that_leads_to_itself_is_none(void **state)
{
    (void)state;
    begin(0);
    put_record(SRV, "a.example", 0, 1, 22);
    /* the target's first length: a pointer to where it is */
    size -= strlen("a.example") + 2;
    put16(0xc000 | (unsigned)size);
    message[size - 9] = 8; /* bytes of data */
    read_it();
    assert_int_equal(answer.count, 0);
    assert_string_not_equal(answer.why, "");
}

/* ---- questions to a server ---- */

static int server;
static unsigned questions;
static unsigned server_rcode;

int __real___res_ninit(res_state state);
int __wrap___res_ninit(res_state state);
/* In place of those of /etc/resolv.conf. */
int __wrap___res_ninit(res_state state)
{
    int r = __real___res_ninit(state);
    socklen_t len = sizeof(state->nsaddr_list[0]);

    state->nscount = 1;
    getsockname(server, (struct sockaddr *)&state->nsaddr_list[0], &len);
    state->retrans = 1;
    state->retry = 1;
    state->options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
    return r;
}

static void *serve(void *arg)
{
    unsigned char asked[512];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);

    (void)arg;
    while (recvfrom(server, asked, sizeof(asked), 0, (struct sockaddr *)&from,
                    &len) > 2) {
        questions++;
        begin(server_rcode);
        if (server_rcode == 0)
            put_record(SRV, "a.example", 0, 1, 22);
        memcpy(message, asked, 2);
        sendto(server, message, size, 0, (struct sockaddr *)&from, len);
        len = sizeof(from);
    }
    return NULL;
}

static pthread_t thread;

static int start_server(void **state)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    (void)state;
    server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)),
                     0);
    questions = server_rcode = 0;
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    return 0;
}

static int stop_server(void **state)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);

    (void)state;
    getsockname(server, (struct sockaddr *)&address, &len);
    sendto(server, "", 1, 0, (struct sockaddr *)&address, len);
    pthread_join(thread, NULL);
    close(server);
    return 0;
}

static void a_server_is_asked(void **state)
{
    (void)state;
    srv_look_up("_docker._tcp.example.com", &answer);
    assert_string_equal(answer.why, "");
    assert_int_equal(answer.count, 1);
    is_target(&answer.targets[0], "a.example", 0, 1, 22);
}

/* That is an answer, and no trouble. */
static void there_may_be_no_such_name(void **state)
{
    (void)state;
    server_rcode = 3;
    srv_look_up("_docker._tcp.example.com", &answer);
    assert_string_equal(answer.why, "");
    assert_int_equal(answer.count, 0);
}

static void a_server_may_be_in_trouble(void **state)
{
    (void)state;
    server_rcode = 2;
    srv_look_up("_docker._tcp.example.com", &answer);
    assert_string_not_equal(answer.why, "");
}

static unsigned told;

static void on_answer(const struct srv_answer *got, void *arg)
{
    answer = *got;
    told++;
    event_base_loopbreak(arg);
}

static void nobody_waits_for_it(void **state)
{
    struct event_base *base = event_base_new();
    struct srv_resolver *given_up;

    (void)state;
    told = 0;
    given_up =
        srv_resolver_start(base, "_docker._tcp.example.com", on_answer, base);
    srv_resolver_cancel(given_up);
    assert_non_null(
        srv_resolver_start(base, "_docker._tcp.example.com", on_answer, base));
    assert_int_equal(told, 0);
    event_base_dispatch(base);
    assert_int_equal(told, 1);
    assert_int_equal(answer.count, 1);
    event_base_free(base);
}

int main(void)
{
#define SERVED(test)                                                           \
    cmocka_unit_test_setup_teardown(test, start_server, stop_server)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_priority_comes_first),
        cmocka_unit_test(one_that_is_told_twice_is_one),
        cmocka_unit_test(the_root_says_that_there_is_none),
        cmocka_unit_test(too_many_are_none),
        cmocka_unit_test(what_is_cut_anywhere_is_no_answer),
        cmocka_unit_test(a_name_that_leads_to_itself_is_none),
        SERVED(a_server_is_asked),
        SERVED(there_may_be_no_such_name),
        SERVED(a_server_may_be_in_trouble),
        SERVED(nobody_waits_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
