#include "tests/unit/unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/net/turns.h"

enum {
    MANY = 40,
};

struct worker {
    struct turn turn;
    unsigned runs;
    unsigned again; /* it wakes itself so many times */
    unsigned work_us;
    struct turn_group *free_group; /* with the last of its turns */
};

static struct event_base *base;
static struct turns turns;

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    turns_init(&turns, base);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    turns_fini(&turns);
    event_base_free(base);
    return 0;
}

static void run(struct turn *turn)
{
    struct worker *w = (struct worker *)turn;

    w->runs++;
    if (w->work_us)
        usleep(w->work_us);
    if (w->again) {
        w->again--;
        turn_wake(turn);
    } else if (w->free_group) {
        free(w->free_group);
        free(w);
    }
}

/* One pass of the loop. */
static void loop(void)
{
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void nobody_runs_inside_turn_wake_and_each_only_once(void **state)
{
    struct turn_group group;
    struct worker w = {0};

    (void)state;
    turn_group_init(&group, &turns);
    turn_init(&w.turn, &group, run);
    turn_wake(&w.turn);
    turn_wake(&w.turn);
    assert_int_equal(w.runs, 0);
    loop();
    assert_int_equal(w.runs, 1);
    loop();
    assert_int_equal(w.runs, 1);
}

static void who_is_cancelled_does_not_run(void **state)
{
    struct turn_group group;
    struct worker w = {0};

    (void)state;
    turn_group_init(&group, &turns);
    turn_init(&w.turn, &group, run);
    turn_wake(&w.turn);
    turn_cancel(&w.turn);
    turn_cancel(&w.turn);
    loop();
    assert_int_equal(w.runs, 0);
    turn_wake(&w.turn);
    loop();
    assert_int_equal(w.runs, 1);
}

static void a_group_of_many_leaves_the_others_their_turn(void **state)
{
    struct turn_group crowd, alone;
    struct worker many[MANY] = {{.runs = 0}}, one = {0};
    unsigned before = 0;

    (void)state;
    turn_group_init(&crowd, &turns);
    turn_group_init(&alone, &turns);
    for (unsigned i = 0; i < MANY; i++) {
        turn_init(&many[i].turn, &crowd, run);
        many[i].again = 3;
        many[i].work_us = 1000; /* more than a share */
        turn_wake(&many[i].turn);
    }
    turn_init(&one.turn, &alone, run);
    turn_wake(&one.turn);
    loop();
    assert_int_equal(one.runs, 1);
    for (unsigned i = 0; i < MANY; i++)
        before += many[i].runs;
    assert_int_equal(before, 1); /* a share is over: the loop polls */
    for (unsigned i = 0; i < MANY; i++)
        turn_cancel(&many[i].turn);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    bool *ready = arg;

    (void)fd;
    (void)what;
    *ready = true;
}

static void the_loop_polls_between_two_rounds(void **state)
{
    struct turn_group group;
    struct worker w = {.again = 1000, .work_us = 1000};
    bool ready = false;
    struct event *event;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    event = event_new(base, ends[0], EV_READ, on_ready, &ready);
    event_add(event, NULL);
    turn_group_init(&group, &turns);
    turn_init(&w.turn, &group, run);
    turn_wake(&w.turn);
    loop();
    assert_int_equal(write(ends[1], "x", 1), 1);
    loop();
    assert_true(ready);
    assert_true(w.runs <= 3);
    turn_cancel(&w.turn);
    event_free(event);
    close(ends[0]);
    close(ends[1]);
}

static void a_turn_may_free_itself_and_its_group(void **state)
{
    struct worker *w = calloc(1, sizeof(*w));
    struct turn_group *group = calloc(1, sizeof(*group));

    (void)state;
    assert_non_null(w);
    assert_non_null(group);
    w->again = 2;
    w->free_group = group;
    turn_group_init(group, &turns);
    turn_init(&w->turn, group, run);
    turn_wake(&w->turn);
    for (int i = 0; i < 4; i++)
        loop();
    assert_true(TAILQ_EMPTY(&turns.groups));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nobody_runs_inside_turn_wake_and_each_only_once),
        TEST(who_is_cancelled_does_not_run),
        TEST(a_group_of_many_leaves_the_others_their_turn),
        TEST(the_loop_polls_between_two_rounds),
        TEST(a_turn_may_free_itself_and_its_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
