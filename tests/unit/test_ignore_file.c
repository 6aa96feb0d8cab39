#include "tests/unit/unit.h"

#include "policy/docker/ignore_file.h"

static void a_file_is_excluded_as_docker_does(void **state)
{
    static const struct {
        const char *text, *path;
        bool is;
    } cases[] = {
        {"",                        "Dockerfile",     false},
        {"Dockerfile",              "Dockerfile",     true },
        {"dockerfile",              "Dockerfile",     false},
        {"# Dockerfile\n",          "Dockerfile",     false},
        {" # Dockerfile\n",         "Dockerfile",     false},
        {"  Dockerfile \r\n",       "Dockerfile",     true },
        {"\xef\xbb\xbf"
         "Dockerfile",     "Dockerfile",     true },
        {"/Dockerfile",             "Dockerfile",     true },
        {"./Dockerfile",            "Dockerfile",     true },
        {"a/../Dockerfile/",        "Dockerfile",     true },
        {"../Dockerfile",           "Dockerfile",     false},
        {"*",                       "Dockerfile",     true },
        {"*",                       ".dockerignore",  true },
        {"*\n!Dockerfile",          "Dockerfile",     false},
        {"*\n! Dockerfile",         "Dockerfile",     false},
        {"!Dockerfile\n*",          "Dockerfile",     true },
        {"*\n!Docker*\nDockerfile", "Dockerfile",     true },
        {"Docker*",                 "Dockerfile",     true },
        {"Docker?ile",              "Dockerfile",     true },
        {"[A-D]ockerfile",          "Dockerfile",     true },
        {"[^A-D]ockerfile",         "Dockerfile",     false},
        {"\\Dockerfile",            "Dockerfile",     true },
        {"*/Dockerfile",            "Dockerfile",     false},
        {"**/Dockerfile",           "Dockerfile",     true },
        {"**/Dockerfile",           "a/b/Dockerfile", true },
        {"**",                      "a/b",            true },
        {"**/*file",                "a/b/Dockerfile", true },
        {"a/**/Dockerfile",         "a/Dockerfile",   true },
        {"docker",                  "docker/app",     true },
        {"docker/*",                "docker/a/b",     true },
        {"docker\n!docker/app",     "docker/app",     false},
        {"*.md",                    "docker/app",     false},
        {"[\nDockerfile",           "Dockerfile",     false},
        {"Dockerfile\n!",           "Dockerfile",     false},
        {"Dockerfile\na\\",         "Dockerfile",     false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (ignore_file_excludes(str_from(cases[i].text),
                                 str_from(cases[i].path)) != cases[i].is)
            fail_msg("%s, %s", cases[i].text, cases[i].path);
    }
}

/* Patterns are the client's: none may keep berth busy. */
static void a_hard_pattern_ends(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf path = STRBUF(4096);

    (void)state;
    for (int i = 0; i < 100; i++) {
        strbuf_add(&text, S("*a"));
        strbuf_add(&path, S("aa"));
    }
    strbuf_add_char(&text, 'b');
    assert_false(ignore_file_excludes(strbuf_str(&text), strbuf_str(&path)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_excluded_as_docker_does),
        cmocka_unit_test(a_hard_pattern_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
