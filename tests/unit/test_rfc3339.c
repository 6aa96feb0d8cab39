#include "tests/unit/unit.h"

#include "policy/base/rfc3339.h"

static void times_are_seconds_of_the_epoch(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"1970-01-01T00:00:01Z",           1         },
        {"2023-11-14T22:13:20Z",           1700000000},
        {"2023-11-14T22:13:20.123456789Z", 1700000000},
        {"2023-11-15T00:13:20+02:00",      1700000000},
        {"2023-11-14T16:43:20.5-05:30",    1700000000},
        {"2023-11-14T22:13:20",            0         },
        {"2023-11-14T22:13:20ZZ",          0         },
        {"2023-11-14 22:13:20Z",           0         },
        {"0x",                             0         },
        {"",                               0         },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(rfc3339_seconds(str_from(cases[i].text)),
                         cases[i].seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_seconds_of_the_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
