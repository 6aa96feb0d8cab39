#include "tests/unit/unit.h"

#include "policy/record/traceparent.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void one_is_valid_as_w3c_says(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"00-" TRACE "-" PARENT "-01",                        true },
        {"00-" TRACE "-" PARENT "-00",                        true },
        {"cc-" TRACE "-" PARENT "-01",                        true },
        {"cc-" TRACE "-" PARENT "-01-what-comes",             true },
        {"",                                                  false},
        {"00-" TRACE "-" PARENT "-0",                         false},
        {"00-" TRACE "-" PARENT "-01-more",                   false},
        {"cc-" TRACE "-" PARENT "-01.more",                   false},
        {"cc-" TRACE "-" PARENT "-01-a b",                    false},
        {"ff-" TRACE "-" PARENT "-01",                        false},
        {"0g-" TRACE "-" PARENT "-01",                        false},
        {"00-00000000000000000000000000000000-" PARENT "-01", false},
        {"00-" TRACE "-0000000000000000-01",                  false},
        {"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", false},
        {"00_" TRACE "-" PARENT "-01",                        false},
        {"00-" TRACE "_" PARENT "-01",                        false},
        {"00-" TRACE "-" PARENT "_01",                        false},
        {"00-" TRACE "-" PARENT "-x1",                        false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (traceparent_is_valid(str_from(cases[i].text)) != cases[i].valid)
            fail_msg("%s", cases[i].text);
    }
}

static void one_without_end_is_none(void **state)
{
    char text[1024] = "cc-" TRACE "-" PARENT "-01-";

    (void)state;
    memset(text + 56, 'a', sizeof(text) - 57);
    assert_false(traceparent_is_valid(str_of(text, sizeof(text) - 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_valid_as_w3c_says),
        cmocka_unit_test(one_without_end_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
