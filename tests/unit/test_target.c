#include "tests/unit/unit.h"

#include "policy/docker/target.h"

#include <errno.h>
#include <stdio.h>

static int parse(struct target *target, const char *raw)
{
    struct verdict why = {0};

    return target_parse(target, str_from(raw), &why);
}

static void a_plain_target_comes_apart(void **state)
{
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    assert_int_equal(
        parse(&target, "/v1.44/containers/json?all=1&size&limit=&x=a%3Db+c%2B"),
        0);
    assert_true(target.versioned);
    assert_int_equal(target.major, 1);
    assert_int_equal(target.minor, 44);
    assert_true(str_eq(target.path, S("/containers/json")));
    assert_int_equal(target.segment_count, 2);
    assert_true(str_eq(target.segments[0], S("containers")));
    assert_true(str_eq(target.segments[1], S("json")));
    assert_false(target.trailing_slash);
    assert_int_equal(target.query_count, 4);
    assert_true(str_eq(*target_get(&target, S("all")), S("1")));
    assert_true(str_eq(*target_get(&target, S("size")), S("")));
    assert_true(str_eq(*target_get(&target, S("limit")), S("")));
    assert_true(str_eq(*target_get(&target, S("x")), S("a=b c+")));
    assert_null(target_get(&target, S("ALL")));

    /* the next one forgets all of it */
    assert_int_equal(parse(&target, "/_ping"), 0);
    assert_false(target.versioned);
    assert_int_equal(target.query_count, 0);
    assert_true(str_eq(target.path, S("/_ping")));
}

static void versions_are_read_as_the_engine_reads_them(void **state)
{
    static const struct {
        const char *raw;
        bool versioned;
        unsigned minor;
        const char *path;
    } cases[] = {
        {"/v1.24/info",       true,  24, "/info"      },
        {"/v1.044/info",      true,  44, "/info"      },
        {"/v1.44.9/info",     true,  44, "/info"      },
        {"/v1.44./info",      true,  44, "/info"      },
        {"/v01.44/info",      true,  44, "/info"      },
        {"/%761%2e44/info",   true,  44, "/info"      },
        {"/v1.44/v1.44/info", true,  44, "/v1.44/info"},
        {"/v1.44/",           true,  44, "/"          },
        {"/v1.44",            false, 0,  "/v1.44"     },
        {"/v1.44%2Finfo",     false, 0,  "/v1.44/info"},
        {"/V1.44/info",       false, 0,  "/V1.44/info"},
        {"/v/info",           false, 0,  "/v/info"    },
        {"/v1.4x/info",       false, 0,  "/v1.4x/info"},
        {"/",                 false, 0,  "/"          },
    };
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].raw);
        assert_int_equal(parse(&target, cases[i].raw), 0);
        assert_int_equal(target.versioned, cases[i].versioned);
        assert_int_equal(target.minor, cases[i].minor);
        assert_true(str_eq(target.path, str_from(cases[i].path)));
    }
}

static void trailing_and_encoded_slashes_are_remembered(void **state)
{
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    assert_int_equal(parse(&target, "/networks/"), 0);
    assert_true(target.trailing_slash);
    assert_int_equal(target.segment_count, 1);
    assert_true(str_eq(target.path, S("/networks/")));

    assert_int_equal(parse(&target, "/"), 0);
    assert_true(target.trailing_slash);
    assert_int_equal(target.segment_count, 0);

    assert_int_equal(parse(&target, "/v1.44/images/a%2Fb%2fc/json"), 0);
    assert_int_equal(target.segment_count, 5);
    assert_int_equal(target.encoded_slashes, 1 << 2 | 1 << 3);
    assert_true(str_eq(target.path, S("/images/a/b/c/json")));
}

static void what_is_not_shape_stays_data(void **state)
{
    static const char *cases[][2] = {
        {"/images/a:b@c,d=e;f&g/json", "a:b@c,d=e;f&g"},
        {"/images/%252f%2500/json",    "%2f%00"       },
        {"/images/a%20b+c/json",       "a b+c"        },
        {"/images/%5c..%5C/json",      "\\..\\"       },
        {"/images/.../json",           "..."          },
        {"/images/..a/json",           "..a"          },
        {"/images/%3F%23/json",        "?#"           },
        {"/images/%c3%a9/json",        "\xc3\xa9"     },
        {"/images/{<|>}/json",         "{<|>}"        },
    };
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i][0]);
        assert_int_equal(parse(&target, cases[i][0]), 0);
        assert_true(str_eq(target.segments[1], str_from(cases[i][1])));
    }
}

static void a_malformed_target_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *raw, *rule, *reason;
    } cases[] = {
        {"",                           "request.path",  "start with"    },
        {"containers/json",            "request.path",  "start with"    },
        {"?a=b",                       "request.path",  "start with"    },
        {"*",                          "request.path",  "start with"    },
        {"http://docker/info",         "request.path",  "start with"    },
        {"unix:///info",               "request.path",  "start with"    },
        {"docker:2375",                "request.path",  "start with"    },
        {"%2finfo",                    "request.path",  "start with"    },
        {"//info",                     "request.path",  "\"//\""        },
        {"//docker/info",              "request.path",  "\"//\""        },
        {"/v1.44//info",               "request.path",  "\"//\""        },
        {"/containers//json",          "request.path",  "\"//\""        },
        {"/containers/%2Fx/json",      "request.path",  "\"//\""        },
        {"/containers/x%2F/json",      "request.path",  "\"//\""        },
        {"/networks//",                "request.path",  "\"//\""        },
        {"/networks%2f",               "request.path",  "encoded slash" },
        {"/./info",                    "request.path",  "\"..\" segment"},
        {"/images/../info",            "request.path",  "\"..\" segment"},
        {"/images/%2e%2E/info",        "request.path",  "\"..\" segment"},
        {"/images/.%2e/info",          "request.path",  "\"..\" segment"},
        {"/images/a%2f..%2fb/json",    "request.path",  "\"..\" segment"},
        {"/images/x/..",               "request.path",  "\"..\" segment"},
        {"/images/x/%2e",              "request.path",  "\"..\" segment"},
        {"/v1.44/../info",             "request.path",  "\"..\" segment"},
        {"/images/%00/json",           "request.path",  "NUL"           },
        {"/images/%0a/json",           "request.path",  "control byte"  },
        {"/images/%1F/json",           "request.path",  "control byte"  },
        {"/images/%7f/json",           "request.path",  "control byte"  },
        {"/images/\x01/json",          "request.path",  "percent-encode"},
        {"/images/\xc3\xa9/json",      "request.path",  "percent-encode"},
        {"/images/a b/json",           "request.path",  "percent-encode"},
        {"/images/a#b/json",           "request.path",  "fragment"      },
        {"/images/%/json",             "request.path",  "hex digits"    },
        {"/images/%2",                 "request.path",  "hex digits"    },
        {"/images/%",                  "request.path",  "hex digits"    },
        {"/images/%zz/json",           "request.path",  "hex digits"    },
        {"/images/%u002f/json",        "request.path",  "hex digits"    },
        {"/images/%ff/json",           "request.path",  "UTF-8"         },
        {"/images/%c0%af/json",        "request.path",  "UTF-8"         },
        {"/images/%ed%a0%80/json",     "request.path",  "UTF-8"         },
        {"/v2.0/info",                 "request.path",  "is not 1"      },
        {"/v0.44/info",                "request.path",  "is not 1"      },
        {"/v./info",                   "request.path",  "is not 1"      },
        {"/v1.23/info",                "request.path",  "older than"    },
        {"/v1.0/info",                 "request.path",  "older than"    },
        {"/v1./info",                  "request.path",  "older than"    },
        {"/v1/info",                   "request.path",  "older than"    },
        {"/v1..44/info",               "request.path",  "older than"    },
        {"/v1.10000/info",             "request.path",  "out of range"  },
        {"/v1.99999999999999999999/a", "request.path",  "out of range"  },
        {"/v99999999999999999999.1/a", "request.path",  "out of range"  },
        {"/info?a=b;c=d",              "request.query", "\";\""         },
        {"/info?a=%",                  "request.query", "hex digits"    },
        {"/info?%zz=1",                "request.query", "hex digits"    },
        {"/info?a=%00",                "request.query", "NUL"           },
        {"/info?a=\t",                 "request.query", "percent-encode"},
        {"/info?a=\xc3\xa9",           "request.query", "percent-encode"},
        {"/info?a=b#c",                "request.query", "fragment"      },
        {"/info?a=%ff",                "request.query", "UTF-8"         },
        {"/info?%ff=a",                "request.query", "UTF-8"         },
    };
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct verdict why = {0};

        print_message("%s\n", cases[i].raw);
        assert_int_equal(target_parse(&target, str_from(cases[i].raw), &why),
                         TARGET_E_REFUSED);
        assert_int_equal(why.kind, VERDICT_DENY);
        assert_int_equal(why.status, 400);
        assert_string_equal(why.rule, cases[i].rule);
        assert_non_null(strstr(why.reason, cases[i].reason));
        assert_int_equal(target.segment_count, 0);
        assert_int_equal(target.query_count, 0);
        assert_null(target.memory.ptr);
    }
}

static void a_nul_in_the_raw_bytes_is_refused(void **state)
{
    AUTO(target_fini) struct target target;
    struct verdict why;

    (void)state;
    target_init(&target);
    assert_int_equal(target_parse(&target, S("/info\0x"), &why),
                     TARGET_E_REFUSED);
    assert_int_equal(why.status, 400);
}

static void every_maximum_holds_at_its_edge(void **state)
{
    AUTO(target_fini) struct target target;
    AUTO(strbuf_fini) struct strbuf raw = STRBUF(2 * LIMIT_HEAD);
    struct verdict why;

    (void)state;
    target_init(&target);
    strbuf_add(&raw, S("/"));
    while (raw.len < LIMIT_PATH)
        strbuf_add_char(&raw, 'a');
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why), 0);
    strbuf_add_char(&raw, 'a');
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why),
                     TARGET_E_REFUSED);
    assert_int_equal(why.status, 414);

    strbuf_clear(&raw);
    strbuf_add(&raw, S("/v1.44/s"));
    for (size_t i = 1; i < LIMIT_SEGMENTS; i++)
        strbuf_add(&raw, S("%2Fs"));
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why), 0);
    assert_int_equal(target.segment_count, LIMIT_SEGMENTS);
    assert_true(target.encoded_slashes == UINT32_C(0xfffffffe));
    strbuf_add(&raw, S("/s"));
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why),
                     TARGET_E_REFUSED);
    assert_int_equal(why.status, 400);

    strbuf_clear(&raw);
    strbuf_add(&raw, S("/info?"));
    for (size_t i = 0; i < LIMIT_QUERY_PAIRS; i++)
        strbuf_add(&raw, S("&&k=v"));
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why), 0);
    assert_int_equal(target.query_count, LIMIT_QUERY_PAIRS);
    assert_int_equal(target_count(&target, S("k")), LIMIT_QUERY_PAIRS);
    strbuf_add(&raw, S("&k"));
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why),
                     TARGET_E_REFUSED);
    assert_int_equal(why.status, 400);

    strbuf_clear(&raw);
    strbuf_add(&raw, S("/info?"));
    while (raw.len < LIMIT_HEAD)
        strbuf_add_char(&raw, 'a');
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why), 0);
    strbuf_add_char(&raw, 'a');
    assert_int_equal(target_parse(&target, strbuf_str(&raw), &why),
                     TARGET_E_REFUSED);
    assert_int_equal(why.status, 414);
}

static void flags_are_true_unless_docker_says_no(void **state)
{
    static const struct {
        const char *raw;
        bool on;
    } cases[] = {
        {"/x",                        false},
        {"/x?f",                      false},
        {"/x?f=",                     false},
        {"/x?f=0",                    false},
        {"/x?f=%20No%0a",             false},
        {"/x?f=FALSE",                false},
        {"/x?f=none",                 false},
        {"/x?f=++",                   false},
        {"/x?f=%c2%a0false%e3%80%80", false},
        {"/x?f=1",                    true },
        {"/x?f=n",                    true },
        {"/x?f=off",                  true },
        {"/x?f=00",                   true },
        {"/x?f=no%20ne",              true },
        {"/x?f=%e2%80%8bfalse",       true },
        {"/x?f=False&f=1",            false},
        {"/x?F=1",                    false},
    };
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].raw);
        assert_int_equal(parse(&target, cases[i].raw), 0);
        assert_int_equal(target_flag(&target, S("f")), cases[i].on);
    }
}

static void a_query_can_be_changed(void **state)
{
    AUTO(target_fini) struct target target;

    (void)state;
    target_init(&target);
    assert_int_equal(parse(&target, "/x?a=1&b=2&a=3&c=4"), 0);
    assert_int_equal(target_set(&target, S("a"), S("5")), 0);
    assert_int_equal(target.query_count, 3);
    assert_true(str_eq(target.query[0].value, S("5")));
    assert_true(str_eq(target.query[2].key, S("c")));
    assert_int_equal(target_set(&target, S("d"), S("6")), 0);
    assert_true(str_eq(*target_get(&target, S("d")), S("6")));
    target_drop(&target, S("b"));
    assert_int_equal(target.query_count, 3);
    assert_null(target_get(&target, S("b")));
    for (size_t i = target.query_count; i < LIMIT_QUERY_PAIRS; i++)
        assert_int_equal(target_add(&target, S("again"), S("")), 0);
    assert_int_equal(target_add(&target, S("again"), S("")), -ENOBUFS);
    assert_int_equal(target_set(&target, S("new"), S("")), -ENOBUFS);
}

static void copies_last_and_have_a_maximum(void **state)
{
    AUTO(target_fini) struct target target;
    AUTO(strbuf_fini) struct strbuf big = STRBUF(LIMIT_HEAD);
    struct str copy = STR("untouched"), other;
    char text[] = "r1.db";

    (void)state;
    target_init(&target);
    while (big.len < LIMIT_HEAD - 5)
        strbuf_add_char(&big, 'x');
    assert_int_equal(target_copy(&target, strbuf_str(&big), &other), 0);
    assert_int_equal(target_copy(&target, S("123456"), &copy), -ENOBUFS);
    assert_true(str_eq(copy, S("untouched")));
    assert_int_equal(target_copy(&target, str_from(text), &copy), 0);
    text[0] = 'x';
    assert_true(str_eq(copy, S("r1.db")));
    assert_int_equal(parse(&target, "/x"), 0);
    assert_int_equal(target.copied, 0);
}

static void what_is_written_reads_back(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(8 * 256);

    (void)state;
    assert_int_equal(
        target_put_segment(&out, S("aZ09-._~:@ +/%?#\\\"\xc3\xa9")), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "aZ09-._~:@%20%2B%2F%25%3F%23%5C%22%C3%A9");
    strbuf_clear(&out);
    assert_int_equal(target_put_query(&out, S("{\"a\":[1]} +&=;@")), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "%7B%22a%22%3A%5B1%5D%7D+%2B%26%3D%3B%40");
    out.max = out.len + 2;
    assert_int_equal(target_put_query(&out, S("=")), -ENOBUFS);
    assert_int_equal(target_put_segment(&out, S("abc")), -ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_target_comes_apart),
        cmocka_unit_test(versions_are_read_as_the_engine_reads_them),
        cmocka_unit_test(trailing_and_encoded_slashes_are_remembered),
        cmocka_unit_test(what_is_not_shape_stays_data),
        cmocka_unit_test(a_malformed_target_is_refused_with_a_reason),
        cmocka_unit_test(a_nul_in_the_raw_bytes_is_refused),
        cmocka_unit_test(every_maximum_holds_at_its_edge),
        cmocka_unit_test(flags_are_true_unless_docker_says_no),
        cmocka_unit_test(a_query_can_be_changed),
        cmocka_unit_test(copies_last_and_have_a_maximum),
        cmocka_unit_test(what_is_written_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
