#include "tests/unit/unit.h"

#include "policy/isolation/own_ids.h"

#include <stdio.h>

static void what_was_added_is_there_once(void **state)
{
    struct own_ids *owned = own_ids_new(8);

    (void)state;
    assert_false(own_ids_has(owned, REF_CONTAINER, S("abc")));
    owned_add(owned, REF_CONTAINER, S("abc"));
    owned_add(owned, REF_CONTAINER, S("abc"));
    assert_int_equal(own_ids_count(owned), 1);
    assert_true(own_ids_has(owned, REF_CONTAINER, S("abc")));
    own_ids_free(owned);
}

static void a_container_is_no_network_of_the_same_id(void **state)
{
    struct own_ids *owned = own_ids_new(8);

    (void)state;
    owned_add(owned, REF_CONTAINER, S("abc"));
    assert_false(own_ids_has(owned, REF_NETWORK, S("abc")));
    assert_false(own_ids_has(owned, REF_CONTAINER, S("ab")));
    own_ids_free(owned);
}

static void the_word_heard_of_longest_ago_makes_room(void **state)
{
    struct own_ids *owned = own_ids_new(3);

    (void)state;
    owned_add(owned, REF_EXEC, S("a"));
    owned_add(owned, REF_EXEC, S("b"));
    owned_add(owned, REF_EXEC, S("c"));
    assert_true(own_ids_has(owned, REF_EXEC, S("a")));
    owned_add(owned, REF_EXEC, S("d"));
    assert_int_equal(own_ids_count(owned), 3);
    assert_true(own_ids_has(owned, REF_EXEC, S("a")));
    assert_false(own_ids_has(owned, REF_EXEC, S("b")));
    assert_true(own_ids_has(owned, REF_EXEC, S("d")));
    own_ids_free(owned);
}

static void what_publishes_no_ports_is_known_as_long_as_it_is(void **state)
{
    struct own_ids *owned = own_ids_new(2);

    (void)state;
    own_ids_note_portless(owned, S("a")); /* not there */
    owned_add(owned, REF_CONTAINER, S("a"));
    owned_add(owned, REF_EXEC, S("b"));
    assert_false(own_ids_is_portless(owned, S("a")));
    own_ids_note_portless(owned, S("a"));
    own_ids_note_portless(owned, S("b"));
    assert_true(own_ids_is_portless(owned, S("a")));
    assert_false(own_ids_is_portless(owned, S("b")));
    owned_add(owned, REF_EXEC, S("c"));
    assert_false(own_ids_is_portless(owned, S("a")));
    owned_add(owned, REF_CONTAINER, S("a"));
    assert_false(own_ids_is_portless(owned, S("a")));
    own_ids_free(owned);
}

static void many_words_stay_within_the_limit(void **state)
{
    struct own_ids *owned = own_ids_new(LIMIT_OWNED);
    char word[32];

    (void)state;
    for (int i = 0; i < 3 * LIMIT_OWNED; i++) {
        snprintf(word, sizeof(word), "%d", i);
        owned_add(owned, REF_VOLUME, str_from(word));
    }
    assert_int_equal(own_ids_count(owned), LIMIT_OWNED);
    assert_false(own_ids_has(owned, REF_VOLUME, S("0")));
    assert_true(own_ids_has(owned, REF_VOLUME, str_from(word)));
    own_ids_free(owned);
}

static void what_was_asked_and_known_is_counted(void **state)
{
    struct own_ids *owned = own_ids_new(2);

    (void)state;
    owned_add(owned, REF_IMAGE, S("a"));
    owned_add(owned, REF_IMAGE, S("a")); /* which asks nobody */
    own_ids_has(owned, REF_IMAGE, S("a"));
    own_ids_has(owned, REF_IMAGE, S("b"));
    assert_int_equal(own_ids_uses(owned).asked, 2);
    assert_int_equal(own_ids_uses(owned).known, 1);
    own_ids_free(owned);
}

static void a_word_too_long_is_not_remembered(void **state)
{
    struct own_ids *owned = own_ids_new(2);
    char word[OWNED_WORD + 1];

    (void)state;
    memset(word, 'x', sizeof(word));
    owned_add(owned, REF_IMAGE, str_of(word, OWNED_WORD + 1));
    assert_int_equal(own_ids_count(owned), 0);
    owned_add(owned, REF_IMAGE, str_of(word, OWNED_WORD));
    assert_true(own_ids_has(owned, REF_IMAGE, str_of(word, OWNED_WORD)));
    own_ids_free(owned);
    own_ids_free(NULL);
}

static void the_beginning_of_a_word_is_enough(void **state)
{
    struct own_ids *owned = own_ids_new(4);

    (void)state;
    owned_add(owned, REF_CONTAINER, S("abcdef0123456789"));
    assert_true(own_ids_begins(owned, REF_CONTAINER, S("abcdef012345")));
    assert_false(own_ids_begins(owned, REF_CONTAINER, S("bcdef0123456")));
    assert_false(own_ids_begins(owned, REF_NETWORK, S("abcdef012345")));
    own_ids_free(owned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_there_once),
        cmocka_unit_test(a_container_is_no_network_of_the_same_id),
        cmocka_unit_test(the_word_heard_of_longest_ago_makes_room),
        cmocka_unit_test(what_publishes_no_ports_is_known_as_long_as_it_is),
        cmocka_unit_test(many_words_stay_within_the_limit),
        cmocka_unit_test(what_was_asked_and_known_is_counted),
        cmocka_unit_test(a_word_too_long_is_not_remembered),
        cmocka_unit_test(the_beginning_of_a_word_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
