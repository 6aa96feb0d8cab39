#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/metrics/metrics_server.h"
#include "proxy/net/local_address.h"

static char dir[] = "/tmp/berth-monitor.XXXXXX";
static char path[64], lock[80];
static struct event_base *base;
static struct metrics_server *metrics_server;
static struct backend_view backend;
static unsigned looked;

static const struct picture *look(const char *place, void *arg)
{
    static struct picture picture = {
        .process = {.version = "1", .libssh2 = "2", .libevent = "3"},
        .backends = &backend,
        .backend_count = 1,
    };

    assert_string_equal(place, path);
    assert_ptr_equal(arg, &looked);
    looked++;
    return &picture;
}

static int setup(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct metrics_policy config = {.listen = path, .mode = 0600};

    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sock", dir);
    snprintf(lock, sizeof(lock), "%s.lock", path);
    base = event_base_new();
    looked = 0;
    backend = (struct backend_view){
        .upstream = "ssh://a", .link_up = true, .engine_up = true};
    return metrics_server_new(base, &config, false, look, &looked,
                              &metrics_server, &why);
}

static int teardown(void **state)
{
    (void)state;
    metrics_server_free(metrics_server);
    event_base_free(base);
    unlink(lock);
    return rmdir(dir);
}

static int visit(void)
{
    struct local_address address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_int_equal(local_address_of(path, &address), 0);
    assert_int_equal(connect(fd, &address.any, address.size), 0);
    return fd;
}

static void turn(void)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

/* What comes back until the connection is closed, which it must be. */
static void ask(const char *request, struct strbuf *reply)
{
    int fd = visit();
    char bytes[4096];
    ssize_t got;

    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
                     strlen(request));
    for (;;) {
        turn();
        got = recv(fd, bytes, sizeof(bytes), 0);
        if (got <= 0)
            break;
        strbuf_add(reply, str_of(bytes, (size_t)got));
    }
    assert_int_equal(got, 0);
    close(fd);
}

static void check(const char *request, const char *begin, const char *end)
{
    AUTO(strbuf_fini) struct strbuf reply = STRBUF(MIB);

    ask(request, &reply);
    if (!str_has_prefix(strbuf_str(&reply), str_from(begin)) ||
        !str_has_suffix(strbuf_str(&reply), str_from(end)))
        fail_msg("%s: got\n%.*s", request, STR_FMT(strbuf_str(&reply)));
}

static void numbers_and_status_are_there(void **state)
{
    (void)state;
    check("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4;",
          "process_max_fds 0\n");
    check("GET /status HTTP/1.1\r\nHost: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", "}\n");
    check("GET / HTTP/1.1\r\nHost: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n",
          "</body></html>\n");
    assert_int_equal(looked, 3);
}

static void only_the_page_comes_with_a_policy_for_browsers(void **state)
{
    AUTO(strbuf_fini) struct strbuf page = STRBUF(MIB), status = STRBUF(MIB);

    (void)state;
    ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", &page);
    assert_non_null(strstr(strbuf_cstr(&page),
                           "\r\nContent-Security-Policy: default-src 'none';"));
    ask("GET /status HTTP/1.1\r\nHost: x\r\n\r\n", &status);
    assert_null(strstr(strbuf_cstr(&status), "Content-Security-Policy"));
}

static void health_is_that_it_answers_readiness_that_engines_do(void **state)
{
    (void)state;
    check("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n",
          "\r\n\r\nok\n");
    backend.engine_up = false;
    check("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
          "HTTP/1.1 503 Service Unavailable\r\n",
          "\r\n\r\nssh://a: the engine has not answered\n");
    check("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n",
          "\r\n\r\nok\n");
    check("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n",
          "Content-Length: 3\r\nCache-Control: no-store\r\n"
          "Connection: close\r\n\r\n");
}

static void nothing_else_is_there(void **state)
{
    (void)state;
    check("GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 Not Found\r\n",
          "/readyz\n");
    check("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
          "HTTP/1.1 405 Method Not Allowed\r\n", "changed here\n");
    check("nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "request\n");
    assert_int_equal(looked, 0);
}

static void a_few_visitors_are_let_in_at_a_time(void **state)
{
    enum { MORE = 40 };

    int fds[MORE];
    unsigned closed = 0;
    char byte;

    (void)state;
    for (int i = 0; i < MORE; i++)
        fds[i] = visit();
    turn();
    for (int i = 0; i < MORE; i++)
        closed += recv(fds[i], &byte, 1, 0) == 0;
    assert_int_equal(closed, MORE - 16);
    for (int i = 0; i < MORE; i++)
        close(fds[i]);
    turn(); /* and there is room again */
    check("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n",
          "ok\n");
}

static void a_visitor_that_stays_goes_with_the_monitor(void **state)
{
    int fd = visit();

    (void)state;
    assert_int_equal(send(fd, "GET /he", 7, 0), 7);
    turn();
    metrics_server = metrics_server_free(metrics_server);
    assert_int_equal(recv(fd, &(char){0}, 1, 0), 0);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(numbers_and_status_are_there),
        TEST(only_the_page_comes_with_a_policy_for_browsers),
        TEST(health_is_that_it_answers_readiness_that_engines_do),
        TEST(nothing_else_is_there),
        TEST(a_few_visitors_are_let_in_at_a_time),
        TEST(a_visitor_that_stays_goes_with_the_monitor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
