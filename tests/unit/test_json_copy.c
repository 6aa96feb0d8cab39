#include "tests/unit/unit.h"

#include "policy/base/json_copy.h"

#include <stdlib.h>

static const char text[] = "{\"a\":[1,2.5,\"x\",null,true,[],{}],"
                           "\"h\":{\"m\":{\"k\":\"v\"},\"l\":[[\"y\"]]}}";

static void a_copy_is_alike(void **state)
{
    json_auto_t *tree = json_loads(text, 0, NULL);
    json_auto_t *copy = json_copy_shared(tree);
    char *is = json_dumps(copy, JSON_COMPACT);

    (void)state;
    assert_true(json_equal(copy, tree));
    assert_string_equal(is, text); /* in its order, too */
    free(is);
}

static void of_nothing_is_nothing(void **state)
{
    (void)state;
    assert_null(json_copy_shared(NULL));
}

static void what_becomes_of_a_copy_leaves_the_first_alone(void **state)
{
    json_auto_t *tree = json_loads(text, 0, NULL);
    json_auto_t *before = json_deep_copy(tree);
    json_auto_t *copy = json_copy_shared(tree);
    json_t *h = json_object_get(copy, "h");

    (void)state;
    json_object_set_new(json_object_get(h, "m"), "k", json_string("w"));
    json_object_set_new(h, "n", json_integer(1));
    json_array_append_new(json_array_get(json_object_get(h, "l"), 0),
                          json_string("z"));
    json_array_set_new(json_object_get(copy, "a"), 2, json_string("q"));
    json_array_remove(json_object_get(copy, "a"), 0);
    json_object_clear(json_array_get(json_object_get(copy, "a"), 5));
    assert_true(json_equal(tree, before));
    json_object_del(copy, "h");
    assert_true(json_equal(tree, before));
}

static void texts_outlive_the_first(void **state)
{
    json_t *tree = json_loads(text, 0, NULL);
    json_auto_t *copy = json_copy_shared(tree);
    json_t *list = json_object_get(copy, "a");

    (void)state;
    assert_ptr_equal(json_array_get(list, 2),
                     json_array_get(json_object_get(tree, "a"), 2));
    json_decref(tree);
    assert_string_equal(json_string_value(json_array_get(list, 2)), "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_alike),
        cmocka_unit_test(of_nothing_is_nothing),
        cmocka_unit_test(what_becomes_of_a_copy_leaves_the_first_alone),
        cmocka_unit_test(texts_outlive_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
