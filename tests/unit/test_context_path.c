#include "tests/unit/unit.h"

#include <errno.h>

#include "policy/docker/context_path.h"

static void paths_become_clean(void **state)
{
    static const struct {
        const char *path, *is; /* NULL: it leads out */
    } cases[] = {
        {"a",           "a"     },
        {"./a",         "a"     },
        {"/a",          "a"     },
        {"a/",          "a"     },
        {"a//./b",      "a/b"   },
        {"a/../b",      "b"     },
        {"a/b/../../c", "c"     },
        {".",           ""      },
        {"./",          ""      },
        {"/",           ""      },
        {"",            ""      },
        {"a/..",        ""      },
        {"..a/.b",      "..a/.b"},
        {"..",          NULL    },
        {"../a",        NULL    },
        {"/../a",       NULL    },
        {"a/../../b",   NULL    },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(16);
        int r = context_path_clean(&out, str_from(cases[i].path));

        if (r != (cases[i].is ? 0 : -EINVAL) ||
            !str_eq(strbuf_str(&out), str_from(cases[i].is)))
            fail_msg("%s: %d %.*s", cases[i].path, r,
                     STR_FMT(strbuf_str(&out)));
    }
}

static void a_path_has_no_nul_and_an_end(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4);

    (void)state;
    assert_int_equal(context_path_clean(&out, S("a\0b")), -EINVAL);
    assert_int_equal(context_path_clean(&out, S("a/bc")), 0);
    strbuf_clear(&out);
    assert_int_equal(context_path_clean(&out, S("a/bcd")), -ENOBUFS);
    assert_int_equal(out.len, 0);
}

static void what_lies_in_a_folder_is_told(void **state)
{
    (void)state;
    assert_true(context_path_is_in(S("a/b"), S("a")));
    assert_true(context_path_is_in(S("a/b/c"), S("a")));
    assert_false(context_path_is_in(S("a"), S("a")));
    assert_false(context_path_is_in(S("ab/c"), S("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_become_clean),
        cmocka_unit_test(a_path_has_no_nul_and_an_end),
        cmocka_unit_test(what_lies_in_a_folder_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
