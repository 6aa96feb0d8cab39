#include "tests/unit/near_scene.h"

/* A connection to WEB that is carried, over the stream *AT. */
static int carry(size_t *at)
{
    int fd;

    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    fd = dial(port_of(WEB));
    *at = way_to(32768);
    fake_open(&fake, *at);
    answer_inspect(WEB, true, 32768);
    assert_int_equal(near_count(near).carried, 1);
    return fd;
}

static void its_bytes_wait_for_a_turn_of_the_listener(void **state)
{
    char got[16] = "";
    size_t at;
    int fd = carry(&at);

    (void)state;
    place.turns.last = NULL;
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    run();
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), "hello");
    assert_ptr_equal(place.turns.last, &place.group);

    fake_feed(&fake, at, "world");
    assert_false(TAILQ_EMPTY(&place.group.waiting));
    assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
    run();
    assert_int_equal(recv(fd, got, sizeof(got), 0), 5);

    fake_feed(&fake, at, "more"); /* and then it goes before its turn */
    close(fd);
    near = near_free(near);
    assert_true(TAILQ_EMPTY(&place.group.waiting));
}

static void bytes_and_their_end_may_be_there_at_once(void **state)
{
    size_t at;
    int fd;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    fd = dial(port_of(WEB));
    assert_int_equal(send(fd, "hello", 5, 0), 5);
    shutdown(fd, SHUT_WR);
    at = way_to(32768);
    fake_open(&fake, at);
    answer_inspect(WEB, true, 32768);
    assert_string_equal(strbuf_cstr(&fake.streams[at].out), "hello");
    assert_true(fake.streams[at].shut);
    close(fd);
}

static void bytes_wait_for_room_and_are_not_forgotten(void **state)
{
    static char much[4 * KIB];
    size_t at;
    int fd = carry(&at);

    (void)state;
    memset(much, 'x', sizeof(much));
    fake.streams[at].room = 0;
    assert_int_equal(send(fd, much, sizeof(much), 0), sizeof(much));
    shutdown(fd, SHUT_WR);
    run();
    assert_int_equal(fake.streams[at].out.len, 0);
    assert_false(fake.streams[at].shut);
    fake.streams[at].room = KIB; /* so it takes several turns */
    fake_feed(&fake, at, "");
    run();
    assert_int_equal(fake.streams[at].out.len, sizeof(much));
    assert_true(fake.streams[at].shut);
    close(fd);
}

static void a_connection_is_in_the_account_of_memory(void **state)
{
    size_t at;
    int fd = carry(&at);

    (void)state;
    assert_int_equal(place.share.used, LIMIT_PORT_INPUT);
    close(fd);
    fake_fail(&fake, at, NULL);
    run();
    assert_int_equal(near_count(near).connections, 0);
    assert_int_equal(place.share.used, 0);
}

static void where_memory_is_short_it_waits(void **state)
{
    int fd;

    (void)state;
    open_port(WEB, "");
    event("start", WEB, "r1");
    answer_inspect(WEB, true, 32768);
    listener_place_crowd(&place, LIMIT_PORT_INPUT - 1);
    fd = dial(port_of(WEB));
    assert_int_not_equal(fd, -1);
    assert_int_equal(near_count(near).connections, 0);
    listener_place_crowd(&place, LIMIT_PORT_INPUT);
    while (near_count(near).connections == 0) { /* it is looked for */
        usleep(1000);
        run();
    }
    assert_true(memory_has_room(&place.share, 0));
    assert_false(memory_has_room(&place.share, 1));
    close(fd);
    run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(its_bytes_wait_for_a_turn_of_the_listener),
        TEST(bytes_and_their_end_may_be_there_at_once),
        TEST(bytes_wait_for_room_and_are_not_forgotten),
        TEST(a_connection_is_in_the_account_of_memory),
        TEST(where_memory_is_short_it_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
