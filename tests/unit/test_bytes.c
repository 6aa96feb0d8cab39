#include "tests/unit/unit.h"

#include <errno.h>

#include "proxy/base/bytes.h"

static void what_goes_in_comes_out_in_one_piece(void **state)
{
    struct bytes b = BYTES(100000);
    uint32_t in = 1, out = 1;
    size_t step = 1;

    (void)state;
    /* sizes that move the content in every way: grow, move, wrap to empty */
    for (int round = 0; round < 5000; round++) {
        size_t n = step * 7919 % 3000, m;
        char *to = bytes_reserve(&b, n);

        step++;
        if (to) {
            for (size_t i = 0; i < n; i++) {
                in = in * 1103515245 + 12345;
                to[i] = (char)(in >> 16);
            }
            bytes_commit(&b, n);
        }
        m = round % 10 == 9 ? b.len : step * 104729 % (b.len + 1);
        for (size_t i = 0; i < m; i++) {
            out = out * 1103515245 + 12345;
            assert_int_equal(bytes_str(&b).ptr[i], (char)(out >> 16));
        }
        bytes_consume(&b, m);
    }
    bytes_fini(&b);
}

static void the_maximum_holds_at_its_edge(void **state)
{
    struct bytes b = BYTES(10);

    (void)state;
    assert_int_equal(bytes_add(&b, S("0123456789")), 0);
    assert_int_equal(bytes_add(&b, S("x")), -ENOBUFS);
    assert_null(bytes_reserve(&b, 1));
    assert_null(bytes_reserve(&b, SIZE_MAX));
    bytes_consume(&b, 1);
    assert_int_equal(bytes_add(&b, S("x")), 0);
    assert_true(str_eq(bytes_str(&b), S("123456789x")));
    bytes_fini(&b);
}

static void an_empty_queue_gives_its_memory_back(void **state)
{
    struct bytes b = BYTES(100);

    (void)state;
    bytes_add(&b, S("abc"));
    bytes_consume(&b, 2);
    bytes_trim(&b);
    assert_true(str_eq(bytes_str(&b), S("c")));
    bytes_consume(&b, 1);
    bytes_trim(&b);
    assert_null(b.ptr);
    assert_int_equal(bytes_add(&b, S("again")), 0);
    bytes_fini(&b);
}

static void memory_stays_near_what_is_held(void **state)
{
    struct bytes b = BYTES(1 << 20);
    char chunk[1000] = {0};

    (void)state;
    bytes_add(&b, str_of(chunk, 1000));
    for (int i = 0; i < 10000; i++) {
        bytes_add(&b, str_of(chunk, 1000));
        bytes_consume(&b, 1000);
    }
    assert_true(b.cap <= 8192);
    bytes_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_in_one_piece),
        cmocka_unit_test(the_maximum_holds_at_its_edge),
        cmocka_unit_test(an_empty_queue_gives_its_memory_back),
        cmocka_unit_test(memory_stays_near_what_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
