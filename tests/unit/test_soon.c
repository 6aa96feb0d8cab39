#include "tests/unit/unit.h"

#include <unistd.h>

#include "proxy/net/soon.h"

static struct event_base *base;
static struct soon soon;
static unsigned calls;
static unsigned again; /* it asks for itself so many times */

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    calls++;
    if (again) {
        again--;
        soon_call(&soon);
    }
}

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    soon_init(&soon, base, on_soon, NULL);
    calls = again = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    soon_fini(&soon);
    event_base_free(base);
    return 0;
}

/* One turn of the loop: a poll, and what is due then. */
static void turn(void)
{
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void ask(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    soon_call(&soon);
    soon_call(&soon);
    assert_int_equal(calls, 0);
}

static void it_is_called_in_the_turn_of_who_asks_and_not_inside(void **state)
{
    struct event *event = event_new(base, -1, 0, ask, NULL);

    (void)state;
    event_add(event, &(struct timeval){0, 0});
    turn();
    assert_int_equal(calls, 1);
    turn();
    assert_int_equal(calls, 1);
    event_free(event);
}

static void count_byte(evutil_socket_t fd, short what, void *arg)
{
    unsigned *calls_before = arg;
    char byte;

    (void)what;
    assert_int_equal(read(fd, &byte, 1), 1);
    *calls_before = calls;
}

static void who_asks_in_every_call_shuts_no_descriptor_out(void **state)
{
    unsigned calls_before = 0;
    struct event *event;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    event = event_new(base, fds[0], EV_READ, count_byte, &calls_before);
    event_add(event, NULL);
    assert_int_equal(write(fds[1], "x", 1), 1);
    again = 1000;
    soon_call(&soon);
    for (unsigned i = 0; i < 4; i++)
        turn();
    assert_in_range(calls_before, 1, 3);
    event_free(event);
    close(fds[0]);
    close(fds[1]);
}

static void it_is_called_as_often_as_it_asks(void **state)
{
    (void)state;
    again = 3;
    soon_call(&soon);
    for (unsigned i = 0; i < 6; i++)
        turn();
    assert_int_equal(calls, 4);
}

static void what_is_asked_for_by_nobody_is_not_called(void **state)
{
    (void)state;
    soon_call(&soon);
    soon_fini(&soon);
    turn();
    assert_int_equal(calls, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_is_called_in_the_turn_of_who_asks_and_not_inside),
        TEST(who_asks_in_every_call_shuts_no_descriptor_out),
        TEST(it_is_called_as_often_as_it_asks),
        TEST(what_is_asked_for_by_nobody_is_not_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
