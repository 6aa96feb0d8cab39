#include "tests/unit/unit.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/json_pool.h"

/* What no sanitizer watches: then nothing is kept. */
static bool keeps(void)
{
    json_decref(json_object());
    return json_pool_kept() > 0;
}

static json_t *long_list(size_t count)
{
    json_t *list = json_array();

    while (count--)
        json_array_append_new(
            list, json_pack("{s:s, s:i}", "a key of some length",
                            "a value of another length", "n", (int)count));
    return list;
}

static void what_is_freed_is_taken_again(void **state)
{
    size_t kept;

    (void)state;
    json_decref(long_list(10));
    kept = json_pool_kept();
    for (int i = 0; i < 1000; i++)
        json_decref(long_list(10));
    assert_int_equal(json_pool_kept(), kept);
}

static void pieces_of_one_size_are_apart(void **state)
{
    json_t *texts[300];
    char word[320];

    (void)state;
    memset(word, 'x', sizeof(word));
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 300; i++)
            texts[i] = json_stringn(word, i);
        for (size_t i = 0; i < 300; i++) {
            assert_int_equal(json_string_length(texts[i]), i);
            assert_memory_equal(json_string_value(texts[i]), word, i);
            json_decref(texts[i]);
        }
    }
}

static void no_more_is_kept_than_that(void **state)
{
    (void)state;
    json_decref(long_list(100000));
    assert_true(json_pool_kept() <= JSON_POOL_BYTES);
    if (keeps())
        assert_true(json_pool_kept() > JSON_POOL_BYTES / 2);
    json_pool_trim();
    assert_int_equal(json_pool_kept(), 0);
}

static void what_is_given_away_is_malloc_s(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        json_t *value = json_pack("{s:i}", "n", i);
        char *text = json_dumps(value, JSON_COMPACT);

        json_decref(value);
        free(text);
    }
}

static char good_one;

static void *elsewhere(void *value)
{
    json_decref(long_list(10));
    json_decref(value);
    return json_pool_kept() == 0 ? &good_one : NULL;
}

static void other_threads_keep_nothing(void **state)
{
    pthread_t thread;
    void *good;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, elsewhere, long_list(10)),
                     0);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_non_null(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_freed_is_taken_again),
        cmocka_unit_test(pieces_of_one_size_are_apart),
        cmocka_unit_test(no_more_is_kept_than_that),
        cmocka_unit_test(what_is_given_away_is_malloc_s),
        cmocka_unit_test(other_threads_keep_nothing),
    };

    json_pool_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
