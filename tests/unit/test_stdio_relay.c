#include "tests/unit/unit.h"

#include <assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/cli/stdio_relay.h"

static struct event_base *base;
static struct stdio_relay *relay;
static int input[2], output[2], pair[2]; /* pair[0] is our end */
static bool done;

static void on_done(void *arg)
{
    (void)arg;
    done = true;
}

static void begin(int in, int out)
{
    relay = stdio_relay_new(base, in, out, pair[1], on_done, NULL);
}

static int set_up(void **state)
{
    (void)state;
    done = false;
    base = event_base_new();
    return pipe(input) || pipe(output) ||
           socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int tear_down(void **state)
{
    (void)state;
    stdio_relay_free(relay);
    event_base_free(base);
    for (int i = 0; i < 2; i++) {
        close_one(&input[i]);
        close_one(&output[i]);
    }
    close_one(&pair[0]);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 8; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void expect(int fd, const char *text)
{
    char got[64] = "";
    ssize_t n = read(fd, got, sizeof(got) - 1);

    assert_int_equal(n, strlen(text));
    assert_string_equal(got, text);
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    begin(input[0], output[1]);
    assert_int_equal(write(input[1], "question", 8), 8);
    turn();
    expect(pair[0], "question");
    assert_int_equal(write(pair[0], "answer", 6), 6);
    turn();
    expect(output[0], "answer");
    assert_false(done);
}

static void the_end_of_input_leaves_the_output_open(void **state)
{
    (void)state;
    begin(input[0], output[1]);
    close_one(&input[1]);
    turn();
    expect(pair[0], "");
    assert_int_equal(write(pair[0], "late", 4), 4);
    turn();
    expect(output[0], "late");
    assert_false(done);
    close_one(&pair[0]);
    turn();
    assert_true(done);
}

static void all_that_came_is_written_before_it_is_done(void **state)
{
    static char much[256 * KIB];
    size_t sent = 0, got = 0;
    char bytes[4096];
    ssize_t n;

    (void)state;
    begin(input[0], output[1]);
    while ((n = write(pair[0], much, sizeof(much))) > 0) {
        sent += (size_t)n;
        turn();
    }
    close_one(&pair[0]);
    turn();
    assert_false(done);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 10000 && !done; i++) {
        while ((n = read(output[0], bytes, sizeof(bytes))) > 0)
            got += (size_t)n;
        turn();
    }
    while ((n = read(output[0], bytes, sizeof(bytes))) > 0)
        got += (size_t)n;
    assert_true(done);
    assert_int_equal(got, sent);
}

static void a_reader_that_leaves_is_noticed_in_silence(void **state)
{
    (void)state;
    begin(input[0], output[1]);
    turn();
    close_one(&output[0]);
    turn();
    assert_true(done);
    expect(pair[0], ""); /* whoever serves is told */
}

static void files_will_do(void **state)
{
    FILE *file = tmpfile();
    int null = open("/dev/null", O_WRONLY);

    (void)state;
    assert(file);
    fputs("from a file", file);
    rewind(file);
    begin(fileno(file), null);
    turn();
    expect(pair[0], "from a file");
    expect(pair[0], "");
    assert_int_equal(write(pair[0], "lost", 4), 4);
    turn();
    close_one(&pair[0]);
    turn();
    assert_true(done);
    relay = stdio_relay_free(relay);
    fclose(file);
    close(null);
}

int main(void)
{
#define SET_UP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SET_UP(bytes_go_both_ways),
        SET_UP(the_end_of_input_leaves_the_output_open),
        SET_UP(all_that_came_is_written_before_it_is_done),
        SET_UP(a_reader_that_leaves_is_noticed_in_silence),
        SET_UP(files_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
