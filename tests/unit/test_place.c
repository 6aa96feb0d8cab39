#include "tests/unit/unit.h"

#include "policy/base/place.h"

static void places_are_spelled_and_cut(void **state)
{
    struct place top = {.key = ""};
    struct place host = place_field(&top, NULL, "HostConfig");
    struct place mounts = place_field(&host, NULL, "Mounts");
    struct place first = place_element(&mounts, NULL, 10);
    struct place source = place_field(&first, NULL, "Source");
    struct place label = place_key(&source, NULL, "a\xc3\xa9\n");
    char text_of[PLACE_MAX], key[400];
    struct place long_one = place_key(&host, NULL, key);

    (void)state;
    place_spell(&label, text_of);
    assert_string_equal(text_of, "HostConfig.Mounts[10].Source{a???}");
    memset(key, 'x', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    place_spell(&long_one, text_of);
    assert_int_equal(strlen(text_of), PLACE_MAX - 1);
    assert_string_equal(text_of + PLACE_MAX - 4, "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_spelled_and_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
