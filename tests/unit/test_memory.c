#include "tests/unit/unit.h"

#include <stdint.h>

#include "policy/base/limits.h"
#include "proxy/net/memory.h"

#define HALF (LIMIT_MEMORY / 2)

static struct memory memory;
static struct memory_share a, b;
static size_t of_a, of_b;

static int setup(void **state)
{
    (void)state;
    memory_init(&memory);
    of_a = of_b = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (a.memory)
        memory_use(&a, &of_a, 0);
    if (b.memory)
        memory_use(&b, &of_b, 0);
    memory_share_fini(&a);
    memory_share_fini(&b);
    assert_int_equal(memory.count, 0);
    return 0;
}

static void one_alone_may_have_it_all(void **state)
{
    (void)state;
    memory_share_init(&a, &memory);
    assert_true(memory_has_room(&a, LIMIT_MEMORY));
    assert_false(memory_has_room(&a, LIMIT_MEMORY + 1));
    assert_false(memory_has_room(&a, SIZE_MAX));
    memory_use(&a, &of_a, LIMIT_MEMORY - 10);
    assert_true(memory_has_room(&a, 10));
    assert_false(memory_has_room(&a, 11));
}

static void nobody_is_left_without_its_share(void **state)
{
    (void)state;
    memory_share_init(&a, &memory);
    memory_share_init(&b, &memory);
    /* a takes its own, and all of the common half */
    assert_true(memory_has_room(&a, HALF / 2 + HALF));
    assert_false(memory_has_room(&a, HALF / 2 + HALF + 1));
    memory_use(&a, &of_a, HALF / 2 + HALF);
    assert_true(memory_has_room(&b, HALF / 2));
    assert_false(memory_has_room(&b, HALF / 2 + 1));
    /* what a gives back of the common half is anybody's */
    memory_use(&a, &of_a, HALF);
    assert_true(memory_has_room(&b, HALF));
    assert_false(memory_has_room(&b, HALF + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_alone_may_have_it_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nobody_is_left_without_its_share, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
