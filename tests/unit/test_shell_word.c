#include "tests/unit/unit.h"

#include "policy/docker/shell_word.h"

static enum shell_value find(void *arg, struct str name, struct str *value)
{
    (void)arg;
    if (str_eq(name, S("x")))
        *value = S("value");
    else if (str_eq(name, S("empty")))
        *value = S("");
    else if (str_eq(name, S("quoted")))
        *value = S("a\"b'c $x");
    else if (str_eq(name, S("secret")))
        return SHELL_UNKNOWN;
    else
        return SHELL_UNSET;
    return SHELL_SET;
}

static const struct shell_env env = {find, NULL};

static void a_word_is_expanded_as_docker_does(void **state)
{
    static const struct {
        const char *word, *is;
        int r;
    } cases[] = {
        {"alpine",               "alpine",    0                   },
        {"\"alpine\"",           "alpine",    0                   },
        {"'al'pi\"ne\"",         "alpine",    0                   },
        {"al\\pine",             "alpine",    0                   },
        {"alpine\\",             "alpine",    0                   },
        {"$x",                   "value",     0                   },
        {"${x}",                 "value",     0                   },
        {"a$x/b",                "avalue/b",  0                   },
        {"a${x}b",               "avalueb",   0                   },
        {"$xb",                  "",          0                   },
        {"\\$x",                 "$x",        0                   },
        {"'$x'",                 "$x",        0                   },
        {"\"$x\"",               "value",     0                   },
        {"\"\\$x\"",             "$x",        0                   },
        {"\"\\x\"",              "\\x",       0                   },
        {"$quoted",              "a\"b'c $x", 0                   },
        {"$",                    "$",         0                   },
        {"$/",                   "$/",        0                   },
        {"$1x",                  "x",         0                   },
        {"$@",                   "",          0                   },
        {"$no",                  "",          0                   },
        {"${no:-y}",             "y",         0                   },
        {"${no-y}",              "y",         0                   },
        {"${x:-y}",              "value",     0                   },
        {"${empty:-y}",          "y",         0                   },
        {"${empty-y}",           "",          0                   },
        {"${empty+y}",           "y",         0                   },
        {"${empty:+y}",          "",          0                   },
        {"${x:+y}",              "y",         0                   },
        {"${no:+y}",             "",          0                   },
        {"${no:-${x}}",          "value",     0                   },
        {"${no:-'}'}",           "}",         0                   },
        {"${no:-\\}}",           "}",         0                   },
        {"${x?no}",              "value",     0                   },
        {"a<b",                  "a<b",       0                   },
        {"${x",                  NULL,        SHELL_WORD_E_SYNTAX },
        {"${",                   NULL,        SHELL_WORD_E_SYNTAX },
        {"${}",                  NULL,        SHELL_WORD_E_SYNTAX },
        {"${:x}",                NULL,        SHELL_WORD_E_SYNTAX },
        {"${no:?no}",            NULL,        SHELL_WORD_E_SYNTAX },
        {"'a",                   NULL,        SHELL_WORD_E_SYNTAX },
        {"\"a",                  NULL,        SHELL_WORD_E_SYNTAX },
        {"${no:-y",              NULL,        SHELL_WORD_E_SYNTAX },
        {"${x#v}",               NULL,        SHELL_WORD_E_UNKNOWN},
        {"${x%%e}",              NULL,        SHELL_WORD_E_UNKNOWN},
        {"${x/a/b}",             NULL,        SHELL_WORD_E_UNKNOWN},
        {"${x^^}",               NULL,        SHELL_WORD_E_UNKNOWN},
        {"$secret",              NULL,        SHELL_WORD_E_UNKNOWN},
        {"${secret:-y}",         NULL,        SHELL_WORD_E_UNKNOWN},
        {"${no:-$secret}",       NULL,        SHELL_WORD_E_UNKNOWN},
        {"$x\xc3\xa4",           NULL,        SHELL_WORD_E_UNKNOWN},
        {"\xff",                 NULL,        SHELL_WORD_E_UNKNOWN},
        {"$x$x$x$x$x$x$x$x$x$x", NULL,        SHELL_WORD_E_LONG   },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(40);
        int r = shell_word_expand(&out, str_from(cases[i].word), '\\', &env);

        if (r != cases[i].r)
            fail_msg("%s: %d", cases[i].word, r);
        if (!str_eq(strbuf_str(&out), str_from(cases[i].is)))
            fail_msg("%s is %.*s", cases[i].word, STR_FMT(strbuf_str(&out)));
    }
}

static void the_escape_character_may_be_another(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(40);

    (void)state;
    assert_int_equal(shell_word_expand(&out, S("a\\b`$x"), '`', &env), 0);
    assert_true(str_eq(strbuf_str(&out), S("a\\b$x")));
}

static void words_within_words_end_somewhere(void **state)
{
    AUTO(strbuf_fini) struct strbuf word = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf out = STRBUF(40);

    (void)state;
    for (int i = 0; i < 500; i++)
        strbuf_add(&word, S("${no:-"));
    for (int i = 0; i < 500; i++)
        strbuf_add_char(&word, '}');
    assert_int_equal(shell_word_expand(&out, strbuf_str(&word), '\\', &env),
                     SHELL_WORD_E_SYNTAX);
    assert_int_equal(out.len, 0);
}

static void heredocs_are_seen(void **state)
{
    static const struct {
        const char *line;
        bool is;
    } cases[] = {
        {"RUN cat <<EOF",                 true },
        {"RUN cat <<-EOF",                true },
        {"RUN cat 3<<EOF",                true },
        {"RUN cat << EOF",                true },
        {"RUN <<\"EOF\"",                 true },
        {"RUN <<'EOF' cat",               true },
        {"COPY <<a <<b /",                true },
        {"RUN echo \"it's\" <<E",         true },
        {"RUN echo ${x:-a <<EOF}",        true },
        {"RUN echo '${x' \"y <<EOF\"",    true },
        {"RUN cat <<",                    false},
        {"RUN cat <<<text",               false},
        {"RUN echo $((1<<2))",            false},
        {"RUN echo a<<b",                 false},
        {"RUN echo 'a <<b'",              false},
        {"RUN psql -c \"select 1 << 2\"", false},
        {"RUN echo a\\ <<b",              false},
        {"RUN cat < <(ls)",               false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (shell_line_has_heredoc(str_from(cases[i].line)) != cases[i].is)
            fail_msg("%s", cases[i].line);
    }
}

static void white_space_is_unicodes(void **state)
{
    (void)state;
    assert_true(str_eq(shell_trim(S(" \xc2\xa0\xe3\x80\x80"
                                    "a b\xe2\x80\x83\r\n")),
                       S("a b")));
    assert_true(str_eq(shell_trim(S("\xc2")), S("\xc2")));
    assert_int_equal(shell_trim(S(" \t ")).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_expanded_as_docker_does),
        cmocka_unit_test(the_escape_character_may_be_another),
        cmocka_unit_test(words_within_words_end_somewhere),
        cmocka_unit_test(heredocs_are_seen),
        cmocka_unit_test(white_space_is_unicodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
