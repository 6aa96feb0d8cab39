#include "tests/unit/unit.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "policy/docker/image_ref.h"

#define DIGEST                                                                 \
    "sha256:0123456789012345678901234567890123456789012345678901234567890123"
#define HEX "0123456789012345678901234567890123456789012345678901234567890123"

static void names_are_completed_as_an_engine_does(void **state)
{
    static const struct {
        const char *text, *name, *tag, *digest;
    } cases[] = {
        {"alpine",                 "docker.io/library/alpine",         "",     ""    },
        {"alpine:3.19",            "docker.io/library/alpine",         "3.19", ""    },
        {"acme/app",               "docker.io/acme/app",               "",     ""    },
        {"docker.io/alpine",       "docker.io/library/alpine",         "",     ""    },
        {"index.docker.io/alpine", "docker.io/library/alpine",         "",     ""    },
        {"ghcr.io/acme/app:v1",    "ghcr.io/acme/app",                 "v1",   ""    },
        {"localhost/app",          "localhost/app",                    "",     ""    },
        {"localhost:5000/app:v1",  "localhost:5000/app",               "v1",   ""    },
        {"registry:5000/app",      "registry:5000/app",                "",     ""    },
        {"REG/app",                "REG/app",                          "",     ""    },
        {"[::1]:5000/app",         "[::1]:5000/app",                   "",     ""    },
        {"a/b/c/d",                "docker.io/a/b/c/d",                "",     ""    },
        {"a.b_c__d-e---f",         "docker.io/library/a.b_c__d-e---f", "",     ""    },
        {"app@" DIGEST,            "docker.io/library/app",            "",     DIGEST},
        {"app:v1@" DIGEST,         "docker.io/library/app",            "v1",   DIGEST},
        {"host:80",                "docker.io/library/host",           "80",   ""    },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image_ref ref;

        if (image_ref_parse(str_from(cases[i].text), &ref) != 0)
            fail_msg("%s", cases[i].text);
        if (!str_eq(ref.name, str_from(cases[i].name)) ||
            !str_eq(ref.tag, str_from(cases[i].tag)) ||
            !str_eq(ref.digest, str_from(cases[i].digest)))
            fail_msg("%s is %.*s", cases[i].text, STR_FMT(ref.name));
    }
}

static void what_no_engine_reads_is_no_name(void **state)
{
    static const char *const texts[] = {
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a/B",
        "a:",
        "a:b:c",
        "a:-x",
        "a@",
        "a@sha256:12",
        "a@md5:01234567890123456789012345678901",
        "a..b",
        "a.-b",
        "a___b",
        "-a",
        "a-",
        "a b",
        "a\n",
        "../a",
        "a:..",
        "a/../b",
        HEX,
        "-host.io/a",
        "host-.io/a",
        "ho_st.io/a",
        "host.io:/a",
        "host.io:x/a",
        "[::1/a",
        "[]/a.b",
        "\xc3\xa9",
        "http://x/y",
        ("a@b@" DIGEST),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct image_ref ref;

        if (image_ref_parse(str_from(texts[i]), &ref) == 0)
            fail_msg("%s is %.*s", texts[i], STR_FMT(ref.name));
    }
}

static void a_name_ends_at_its_limit(void **state)
{
    char text[300] = "";
    struct image_ref ref;

    (void)state;
    memset(text, 'a', IMAGE_NAME_MAX - strlen("docker.io/library/"));
    assert_int_equal(image_ref_parse(str_from(text), &ref), 0);
    assert_int_equal(ref.name.len, IMAGE_NAME_MAX);
    text[strlen(text)] = 'a';
    assert_int_equal(image_ref_parse(str_from(text), &ref),
                     IMAGE_REF_E_INVALID);
    memset(text, 't', sizeof(text) - 1);
    memcpy(text, "a:", 2);
    text[2 + 128] = '\0';
    assert_int_equal(image_ref_parse(str_from(text), &ref), 0);
    text[2 + 128] = 't';
    text[2 + 129] = '\0';
    assert_int_equal(image_ref_parse(str_from(text), &ref),
                     IMAGE_REF_E_INVALID);
}

static void ids_are_told_from_names(void **state)
{
    (void)state;
    assert_true(image_ref_is_id(S("cafe")));
    assert_true(image_ref_is_id(S("sha256:01")));
    assert_true(image_ref_is_id(S(HEX)));
    assert_false(image_ref_is_id(S(HEX "0")));
    assert_false(image_ref_is_id(S("cafes")));
    assert_false(image_ref_is_id(S("CAFE")));
    assert_false(image_ref_is_id(S("")));
    assert_true(image_ref_is_full_id(S(DIGEST)));
    assert_true(image_ref_is_full_id(S(HEX)));
    assert_false(image_ref_is_full_id(S("0123456789ab")));
}

static bool matches(const char *pattern, const char *text)
{
    struct image_ref ref;

    assert_int_equal(image_ref_parse(str_from(text), &ref), 0);
    image_ref_complete(&ref);
    return image_pattern_matches(str_from(pattern), &ref);
}

static void patterns_name_registries_paths_and_images(void **state)
{
    (void)state;
    assert_true(matches("*", "quay.io/x/y@" DIGEST));
    assert_true(matches("docker.io", "alpine"));
    assert_false(matches("docker.io", "ghcr.io/alpine"));
    assert_false(matches("ghcr.io", "ghcr.io.evil.org/x"));
    assert_false(matches("ghcr.io", "ghcr.io:444/x"));
    assert_true(matches("ghcr.io/acme", "ghcr.io/acme/app/web:v1"));
    assert_false(matches("ghcr.io/acme", "ghcr.io/acmeevil/app"));
    assert_true(matches("*.gcr.io", "eu.gcr.io/x"));
    assert_true(matches("*/acme", "quay.io/acme/x"));
    assert_true(matches("localhost:5000", "localhost:5000/x"));
    assert_false(matches("localhost:5000", "localhost:5001/x"));

    assert_true(matches("alpine", "docker.io/library/alpine:3"));
    assert_false(matches("alpine", "alpine/alpine"));
    assert_false(matches("alpine", "alpine-evil"));
    assert_true(matches("acme/*", "acme/app"));
    assert_true(matches("acme/app", "docker.io/acme/app:v1"));
    assert_false(matches("acme/app", "ghcr.io/acme/app"));
    assert_true(matches("docker.io/acme", "acme/app"));
    assert_true(matches("docker.io/alpine", "alpine"));

    assert_true(matches("alpine:3.*", "alpine:3.19"));
    assert_false(matches("alpine:3.*", "alpine:4"));
    assert_true(matches("alpine:latest", "alpine"));
    assert_false(matches("alpine:3", "alpine:3@" DIGEST));
    assert_true(matches("ghcr.io/acme/app:v*", "ghcr.io/acme/app:v1"));
    assert_false(matches("ghcr.io/acme:v*", "ghcr.io/acme/app:v1"));
}

static void a_pattern_is_about_a_registry(void **state)
{
    static const char *const cases[][2] = {
        {"*",                 "*"             },
        {"alpine:3",          "docker.io"     },
        {"ghcr.io",           "ghcr.io"       },
        {"ghcr.io/acme/x:v1", "ghcr.io"       },
        {"acme/x",            "docker.io"     },
        {"localhost:5000",    "localhost:5000"},
        {"*.gcr.io/x",        "*.gcr.io"      },
        {"docker.io/acme",    "docker.io"     },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str registry = image_pattern_registry(str_from(cases[i][0]));

        if (!str_eq(registry, str_from(cases[i][1])))
            fail_msg("%s: %.*s", cases[i][0], STR_FMT(registry));
    }
}

static void an_engine_s_own_host_is_local_however_it_is_written(void **state)
{
    static const struct {
        const char *host;
        bool local;
    } cases[] = {
        {"localhost",                  true },
        {"LocalHost:5000",             true },
        {"a.localhost",                true },
        {"localhost.localdomain:80",   true },
        {"ip6-localhost:80",           true },
        {"127.0.0.1",                  true },
        {"127.255.0.9:5000",           true },
        {"127.1:5000",                 true },
        {"2130706433:5000",            true },
        {"0x7f000001:5000",            true },
        {"0177.0.0.1",                 true },
        {"0.0.0.0:1",                  true },
        {"169.254.169.254",            true },
        {"[::1]:5000",                 true },
        {"[2001:db8::1]",              true },
        {"10.0.0.1:5000",              false},
        {"169.253.0.1",                false},
        {"128.0.0.1",                  false},
        {"127.example.com",            false},
        {"localhost.example.com:5000", false},
        {"mylocalhost:5000",           false},
        {"docker.io",                  false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (image_host_is_local(str_from(cases[i].host)) != cases[i].local)
            fail_msg("%s", cases[i].host);
}

/* ---- one against the other ---- */

struct local_regex {
    pcre2_code *code;
    pcre2_match_data *data;
    size_t local, other; /* hosts that were compared */
};

static void both_agree_on(struct local_regex *regex, const char *host)
{
    bool local = image_host_is_local(str_from(host));
    int r = pcre2_match(regex->code, (PCRE2_SPTR)host, PCRE2_ZERO_TERMINATED, 0,
                        0, regex->data, NULL);

    assert_true(r > 0 || r == PCRE2_ERROR_NOMATCH);
    if ((r > 0) != local)
        fail_msg("\"%s\": in C %d, as a pattern %d", host, local, r > 0);
    *(local ? &regex->local : &regex->other) += 1;
}

/* COUNT of PARTS, the ones that DIGITS, a number to as many as there are, says;
 * with a port and without. */
static void both_agree_on_parts(struct local_regex *regex,
                                const char *const *parts, size_t base,
                                uint64_t digits, unsigned count)
{
    char host[256] = "";

    for (unsigned i = 0; i < count; i++, digits /= base) {
        strcat(host, i ? "." : "");
        strcat(host, parts[digits % base]);
    }
    both_agree_on(regex, host);
    strcat(host, ":5000");
    both_agree_on(regex, host);
}

static void what_is_local_is_the_same_to_an_engine_s_rules(void **state)
{
    static const char *const parts[] = {
        "0",
        "1",
        "9",
        "10",
        "25",
        "99",
        "100",
        "127",
        "169",
        "199",
        "249",
        "254",
        "255",
        "256",
        "260",
        "300",
        "1000",
        "2130706433",
        "00",
        "01",
        "0177",
        "0x",
        "0x7f",
        "0X7F",
        "0x7g",
        "a",
        "f",
        "localhost",
        "LocalHost",
        "localhost1",
        "mylocalhost",
        "localdomain",
        "ip6-localhost",
        "IP6-loopback",
        "com",
    };
    const size_t base = sizeof(parts) / sizeof(parts[0]);
    struct local_regex regex = {0};
    uint64_t random = 1, all = 1;
    PCRE2_SIZE at;
    int error;

    (void)state;
    regex.code = pcre2_compile((PCRE2_SPTR) "^" IMAGE_HOST_LOCAL "$",
                               PCRE2_ZERO_TERMINATED, PCRE2_DOLLAR_ENDONLY,
                               &error, &at, NULL);
    assert_non_null(regex.code);
    regex.data = pcre2_match_data_create_from_pattern(regex.code, NULL);
    for (unsigned count = 1; count <= 3; count++) {
        uint64_t step = count > 2 ? one_round_in() : 1;

        all *= base;
        for (uint64_t digits = 0; digits < all; digits += step)
            both_agree_on_parts(&regex, parts, base, digits, count);
    }
    for (unsigned i = 0; i < rounds_of(100000); i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        /* numbers alone are what is hard: the first 24 of them */
        both_agree_on_parts(&regex, parts, i % 4 ? 24 : base, random >> 24,
                            4 + (unsigned)(random >> 62));
    }
    both_agree_on(&regex, "[::1]");
    both_agree_on(&regex, "[2001:db8::1]:5000");
    assert_true(regex.local > rounds_of(10000) &&
                regex.other > rounds_of(10000));
    pcre2_match_data_free(regex.data);
    pcre2_code_free(regex.code);
}

static void what_is_local_is_fetched_only_where_it_is_named(void **state)
{
    static const struct {
        const char *pattern, *image, *host;
        bool fetched;
    } cases[] = {
        {"*",             "10.0.0.1:5000/x",  "10.0.0.1:5000",  true },
        {"*",             "127.0.0.1:5000/x", "127.0.0.1:5000", false},
        {"*:5000",        "localhost:5000/x", "localhost:5000", false},
        {"*/x",           "[::1]:5000/x",     "[::1]:5000",     false},
        {"127.0.0.*",     "127.0.0.1:5000/x", "127.0.0.1:5000", true },
        {"localhost:*/x", "localhost:5000/x", "localhost:5000", true },
        {"[::1]:5000",    "[::1]:5000/x",     "[::1]:5000",     true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct strings patterns = {0};
        struct image_ref ref;

        strings_add(&patterns, str_from(cases[i].pattern));
        assert_int_equal(image_ref_parse(str_from(cases[i].image), &ref), 0);
        if (image_may_be_fetched(&patterns, &ref) != cases[i].fetched ||
            image_registry_may_be_asked(&patterns, str_from(cases[i].host)) !=
                cases[i].fetched)
            fail_msg("%s: %s", cases[i].pattern, cases[i].image);
        strings_fini(&patterns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_completed_as_an_engine_does),
        cmocka_unit_test(what_no_engine_reads_is_no_name),
        cmocka_unit_test(a_name_ends_at_its_limit),
        cmocka_unit_test(ids_are_told_from_names),
        cmocka_unit_test(patterns_name_registries_paths_and_images),
        cmocka_unit_test(a_pattern_is_about_a_registry),
        cmocka_unit_test(an_engine_s_own_host_is_local_however_it_is_written),
        cmocka_unit_test(what_is_local_is_the_same_to_an_engine_s_rules),
        cmocka_unit_test(what_is_local_is_fetched_only_where_it_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
