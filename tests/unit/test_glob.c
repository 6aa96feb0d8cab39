#include "tests/unit/unit.h"

#include "policy/base/glob.h"

static void patterns_are_read_as_go_does(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool fits;
    } cases[] = {
        {"app",      "app",      true },
        {"app",      "apps",     false},
        {"",         "",         true },
        {"",         "a",        false},
        {"*",        "app",      true },
        {"*",        "",         true },
        {"*",        "acme/app", false},
        {"acme/*",   "acme/app", true },
        {"acme/*",   "acme/a/b", false},
        {"*/app",    "acme/app", true },
        {"*:1",      "app:1",    true },
        {"a*b*c",    "aXbYbZc",  true },
        {"a*b*c",    "aXbYbZ",   false},
        {"?pp",      "app",      true },
        {"a?b",      "a/b",      false},
        {"[a-c]pp",  "bpp",      true },
        {"[a-c]pp",  "dpp",      false},
        {"[^a-c]pp", "dpp",      true },
        {"a[^b]c",   "a/c",      false},
        {"[abc",     "a",        false},
        {"[",        "[",        false},
        {"[]a]",     "]",        false},
        {"[a-]",     "-",        false},
        {"[\\]]",    "]",        true },
        {"\\*",      "*",        true },
        {"\\*",      "a",        false},
        {"a\\",      "a\\",      false},
        {"*a*/b*",   "xay/bz",   true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (glob_matches(str_from(cases[i].pattern), str_from(cases[i].text)) !=
            cases[i].fits)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
    }
}

/* A matcher that tries everything would not come to an end. */
static void many_stars_take_no_time(void **state)
{
    char pattern[402], text[4001];

    (void)state;
    for (size_t i = 0; i < 400; i += 2)
        memcpy(pattern + i, "*a", 2);
    memcpy(pattern + 400, "b", 2);
    memset(text, 'a', 4000);
    text[4000] = '\0';
    assert_false(glob_matches(str_from(pattern), str_from(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_read_as_go_does),
        cmocka_unit_test(many_stars_take_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
