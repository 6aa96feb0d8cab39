#include "tests/unit/unit.h"

#include "proxy/server/push_return.h"
#include "tests/unit/fake_upstream.h"

#define EIGHT(digit) digit digit digit digit digit digit digit digit
#define ID_OF(digit)                                                           \
    "sha256:" EIGHT(digit) EIGHT(digit) EIGHT(digit) EIGHT(digit) EIGHT(digit) \
        EIGHT(digit) EIGHT(digit) EIGHT(digit)
#define PUSHED ID_OF("1")
#define BEFORE ID_OF("2")
#define OTHER  ID_OF("3")

#define REAL "docker.io%2Flibrary%2Fapp:1"
#define LOOK "GET /images/" REAL "/json "
#define TAKE "DELETE /images/" REAL "?noprune=1 "
#define PUT_BACK                                                               \
    "POST /images/" BEFORE "/tag?repo=docker.io%2Flibrary%2Fapp&tag=1 "
#define UNMARK "DELETE /images/push.berth.invalid%2Fapp:1?noprune=1&force=1 "
#define UNLOCK "DELETE /containers/12?force=1&v=1 "

static struct event_base *base;
static struct fake_upstream fake;
static struct pool *pool;
static struct push_return *push;
static unsigned ended;
static int status; /* 0: none */

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    ended = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    push = push_return_cancel(push);
    pool_free(pool);
    fake_upstream_fini(&fake);
    event_base_free(base);
    return 0;
}

static void on_done(const struct http_head *head, struct str body,
                    const char *why, void *arg)
{
    (void)body;
    (void)why;
    (void)arg;
    push = NULL;
    ended++;
    status = head ? (int)head->status : 0;
}

static void begin(const char *from)
{
    json_auto_t *row =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:s}}", "Id", "12", "Labels",
                  "berth.push", "docker.io/library/app:1", "berth.push.by",
                  "r1", "berth.push.of", PUSHED, "berth.push.from", from);

    push = push_return_new(base, pool, row, on_done, NULL);
}

static void answer(const char *question, int code, const char *body)
{
    fake_answer(&fake, base, question, code, body);
}

static void end(void)
{
    answer(UNMARK, 200, "[]");
    assert_int_equal(ended, 0);
    answer(UNLOCK, 204, "");
    assert_int_equal(ended, 1);
    assert_int_equal(status, 204);
}

static void a_name_that_was_none_is_taken_away(void **state)
{
    (void)state;
    begin("");
    answer(LOOK, 200, "{\"Id\": \"" PUSHED "\"}");
    answer(TAKE, 200, "[]");
    end();
}

static void one_that_was_anothers_goes_back(void **state)
{
    (void)state;
    begin(BEFORE);
    answer(LOOK, 200, "{\"Id\": \"" PUSHED "\"}");
    answer(PUT_BACK, 201, "");
    end();
}

static void where_that_image_is_gone_nothing_has_the_name(void **state)
{
    (void)state;
    begin(BEFORE);
    answer(LOOK, 200, "{\"Id\": \"" PUSHED "\"}");
    answer(PUT_BACK, 404, "{\"message\": \"No such image\"}");
    answer(TAKE, 200, "[]");
    end();
}

static void one_that_somebody_has_moved_since_stays(void **state)
{
    (void)state;
    begin(BEFORE);
    answer(LOOK, 200, "{\"Id\": \"" OTHER "\"}");
    end();
}

static void and_one_that_meant_the_same_before(void **state)
{
    (void)state;
    begin(PUSHED);
    answer(LOOK, 200, "{\"Id\": \"" PUSHED "\"}");
    end();
}

static void what_is_back_already_is_not_asked_for(void **state)
{
    (void)state;
    begin("");
    answer(LOOK, 404, "{\"message\": \"No such image\"}");
    answer(UNMARK, 404, "{\"message\": \"No such image\"}");
    answer(UNLOCK, 404, "{\"message\": \"No such container\"}");
    assert_int_equal(ended, 1);
    assert_int_equal(status, 404);
}

/* Without the lock nobody would know of the rest. */
static void the_lock_stays_as_long_as_anything_is_borrowed(void **state)
{
    (void)state;
    begin("");
    answer(LOOK, 500, "{\"message\": \"no\"}");
    assert_int_equal(ended, 1);
    assert_int_equal(status, 500);
    begin("");
    answer(LOOK, 200, "{\"Id\": \"" PUSHED "\"}");
    answer(TAKE, 409, "{\"message\": \"conflict\"}");
    assert_int_equal(ended, 2);
    begin("");
    answer(LOOK, 404, "{}");
    answer(UNMARK, 500, "{\"message\": \"no\"}");
    assert_int_equal(ended, 3);
    assert_int_equal(fake_asked(&fake, UNLOCK), FAKE_STREAMS);
}

static void it_can_be_broken_off_anywhere(void **state)
{
    (void)state;
    begin("");
    push = push_return_cancel(push);
    begin("");
    answer(LOOK, 200, "{\"Id\": \"" PUSHED "\"}");
    push = push_return_cancel(push);
    fake_run(&fake, base);
    assert_int_equal(ended, 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_name_that_was_none_is_taken_away),
        TEST(one_that_was_anothers_goes_back),
        TEST(where_that_image_is_gone_nothing_has_the_name),
        TEST(one_that_somebody_has_moved_since_stays),
        TEST(and_one_that_meant_the_same_before),
        TEST(what_is_back_already_is_not_asked_for),
        TEST(the_lock_stays_as_long_as_anything_is_borrowed),
        TEST(it_can_be_broken_off_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
