#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/docker/own_tag.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct str put(struct strbuf *out, const char *ns, const char *name)
{
    struct image_ref ref;

    strbuf_clear(out);
    if (image_ref_parse(str_from(name), &ref) != 0)
        fail_msg("%s is no name", name);
    image_ref_complete(&ref);
    assert_int_equal(own_tag_put(out, str_from(ns), &ref), 0);
    return strbuf_str(out);
}

static void names_become_own_tags_and_come_back(void **state)
{
    static const struct {
        const char *name, *engine, *brief, *full;
    } cases[] = {
        {"app",                     "r1.berth.invalid/app:latest",                         "app:latest",
         "docker.io/library/app:latest"                                                                                                                },
        {"docker.io/library/app:1", "r1.berth.invalid/app:1",                              "app:1",
         "docker.io/library/app:1"                                                                                                                     },
        {"index.docker.io/app:1",   "r1.berth.invalid/app:1",                              "app:1",
         "docker.io/library/app:1"                                                                                                                     },
        {"acme/app:2",              "r1.berth.invalid/docker.io/acme/app:2",               "acme/app:2",
         "docker.io/acme/app:2"                                                                                                                        },
        {"a/b/c",                   "r1.berth.invalid/docker.io/a/b/c:latest",             "a/b/c:latest",
         "docker.io/a/b/c:latest"                                                                                                                      },
        {"library/a/b",             "r1.berth.invalid/docker.io/library/a/b:latest",
         "library/a/b:latest",                                                                                      "docker.io/library/a/b:latest"     },
        {"ghcr.io/acme/app",        "r1.berth.invalid/ghcr.io/acme/app:latest",
         "ghcr.io/acme/app:latest",                                                                                 "ghcr.io/acme/app:latest"          },
        {"localhost:5000/app",      "r1.berth.invalid/localhost_5000/app:latest",
         "localhost:5000/app:latest",                                                                               "localhost:5000/app:latest"        },
        {"localhost/app",           "r1.berth.invalid/localhost/app:latest",
         "localhost/app:latest",                                                                                    "localhost/app:latest"             },
        {"my-reg.io:0443/a:b",      "r1.berth.invalid/my-reg.io_0443/a:b",
         "my-reg.io:0443/a:b",                                                                                      "my-reg.io:0443/a:b"               },
        {"REG/app",                 "r1.berth.invalid/hex__524547/app:latest",             "REG/app:latest",
         "REG/app:latest"                                                                                                                              },
        {"rEg.io:80/app",           "r1.berth.invalid/hex__7245672e696f3a3830/app:latest",
         "rEg.io:80/app:latest",                                                                                    "rEg.io:80/app:latest"             },
        {"[::1]:5000/app",
         "r1.berth.invalid/hex__5b3a3a315d3a35303030/app:latest",                          "[::1]:5000/app:latest", "[::1]:5000/app:latest"            },
        {"app@sha256:" HEX,         "r1.berth.invalid/app@sha256:" HEX,
         "app@sha256:" HEX,                                                                                         "docker.io/library/app@sha256:" HEX},
        {"g.io/a:1@sha256:" HEX,    "r1.berth.invalid/g.io/a:1@sha256:" HEX,
         "g.io/a:1@sha256:" HEX,                                                                                    "g.io/a:1@sha256:" HEX             },
        {"hex__61/app",             "r1.berth.invalid/docker.io/hex__61/app:latest",
         "hex__61/app:latest",                                                                                      "docker.io/hex__61/app:latest"     },
    };
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf back = STRBUF(OWN_TAG_MAX);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str own = put(&out, "r1", cases[i].name);

        if (!str_eq(own, str_from(cases[i].engine)))
            fail_msg("%s becomes %.*s", cases[i].name, STR_FMT(own));
        strbuf_clear(&back);
        assert_int_equal(own_tag_read(&back, S("r1"), own, IMAGE_SHORT), 0);
        assert_string_equal(strbuf_cstr(&back), cases[i].brief);
        strbuf_clear(&back);
        assert_int_equal(own_tag_read(&back, S("r1"), own, IMAGE_FULL), 0);
        assert_string_equal(strbuf_cstr(&back), cases[i].full);
        assert_int_equal(own_tag_read(&back, S("r2"), own, IMAGE_FULL),
                         OWN_TAG_E_FOREIGN);
    }
}

static void an_engine_reads_an_own_tag_as_the_same_name(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    (void)state;
    assert_int_equal(image_ref_parse(put(&out, "r1", "[::1]:5000/a/b:1"), &ref),
                     0);
    assert_true(str_has_prefix(ref.name, S("r1.berth.invalid/hex__")));
    assert_true(str_eq(ref.tag, S("1")));
}

static void what_we_would_not_write_is_nobody_s(void **state)
{
    static const char *const names[] = {
        "",
        "/",
        "app:latest",
        "r1.berth.invalid",
        "r1.berth.invalid/",
        "r1.berth.invalid/acme/app:1",              /* Hub has a host */
        "r1.berth.invalid/docker.io/library/app:1", /* but its library none */
        "r1.berth.invalid/index.docker.io/a/b:1",
        "r1.berth.invalid/host_x/app:1",
        "r1.berth.invalid/host__80/app:1",
        "r1.berth.invalid/host_80_90/app:1",
        "r1.berth.invalid/hex__67686f7374/app:1", /* a plain one as hex */
        "r1.berth.invalid/hex__5/app:1",
        "r1.berth.invalid/hex__/app:1",
        "r1.berth.invalid/hex__zz/app:1",
        "r1.berth.invalid/hex__00/app:1",
        "r1.berth.invalid/REG/app:1",
        "r1.berth.invalid/App:1",
        "r1.berth.invalid/app:",
        "r1.berth.invalid/app:1:2",
        "r1.berth.invalid/r2.berth.invalid/app:1",
        "r1.berth.invalid/hex__52322e42455254482e494e56414c4944/app:1",
        "r1.berth.invalid:80/app:1",
        "R1.berth.invalid/app:1",
        "r1.berth.INVALID/app:1",
        "x.r1.berth.invalid/app:1",
        "r1.anchor.berth.invalid/app:1",
        "docker.io/r1.berth.invalid/app:1",
    };
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (own_tag_read(&out, S("r1"), str_from(names[i]), IMAGE_SHORT) !=
                OWN_TAG_E_FOREIGN ||
            out.len)
            fail_msg("%s is read as %s", names[i], strbuf_cstr(&out));
    }
}

static void a_repository_alone_is_read_too(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf back = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    (void)state;
    assert_int_equal(image_ref_parse(S("reg:5/a"), &ref), 0);
    assert_int_equal(own_tag_put(&out, S("r1"), &ref), 0);
    assert_string_equal(strbuf_cstr(&out), "r1.berth.invalid/reg_5/a");
    assert_int_equal(
        own_tag_read(&back, S("r1"), strbuf_str(&out), IMAGE_SHORT), 0);
    assert_string_equal(strbuf_cstr(&back), "reg:5/a");
}

static void names_below_the_domain_are_nobody_s_to_write(void **state)
{
    static const struct {
        const char *name;
        bool reserved;
    } cases[] = {
        {"berth.invalid/app",                true },
        {"r1.berth.invalid/app",             true },
        {"r1.BERTH.invalid/app",             true },
        {"r1.berth.invalid:443/app",         true },
        {"a.b.berth.invalid/app",            true },
        {"docker.io/r1.berth.invalid/app",   true },
        {"ghcr.io/x/r1.berth.invalid",       true },
        {"r1.berth.invalid",                 true },
        {"x/berth.invalid/y",                true },
        {"berth.invalid.org/app",            false},
        {"xberth.invalid/app",               false},
        {"invalid/app",                      false},
        {"berth/invalid",                    false},
        {"app",                              false},
        {"localhost:5000/berth.invalid-app", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct image_ref ref;

        assert_int_equal(image_ref_parse(str_from(cases[i].name), &ref), 0);
        if (own_tag_is_reserved(&ref) != cases[i].reserved)
            fail_msg("%s", cases[i].name);
    }
}

static void a_name_that_reads_like_a_digest_is_told(void **state)
{
    struct image_ref ref;

    (void)state;
    assert_int_equal(image_ref_parse(S("sha256:abc"), &ref), 0);
    assert_true(own_tag_is_ambiguous(&ref));
    assert_int_equal(image_ref_parse(S("docker.io/sha512"), &ref), 0);
    assert_true(own_tag_is_ambiguous(&ref));
    assert_int_equal(image_ref_parse(S("acme/sha256:abc"), &ref), 0);
    assert_false(own_tag_is_ambiguous(&ref));
    assert_int_equal(image_ref_parse(S("sha256sum"), &ref), 0);
    assert_false(own_tag_is_ambiguous(&ref));
}

static void some_words_are_no_namespace(void **state)
{
    (void)state;
    assert_true(own_tag_namespace_is_reserved(S("push")));
    assert_true(own_tag_namespace_is_reserved(S("left")));
    assert_true(own_tag_namespace_is_reserved(S("companion")));
    assert_false(own_tag_namespace_is_reserved(S("r1")));
    assert_false(own_tag_namespace_is_reserved(S("push-1")));
}

static void an_anchor_is_of_one_image(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    struct own_name own;

    (void)state;
    assert_int_equal(own_anchor_put(&out, S("r1"), S("sha256:" HEX)), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "r1.anchor.berth.invalid/image:" HEX);
    own = own_name_read(strbuf_str(&out));
    assert_int_equal(own.kind, OWN_NAME_ANCHOR);
    assert_true(str_eq(own.ns, S("r1")));
    assert_true(own_name_is_of(strbuf_str(&out), S("r1")));
    assert_false(own_name_is_of(strbuf_str(&out), S("r2")));
    strbuf_clear(&out);
    assert_int_equal(own_anchor_put(&out, S("r1"), S(HEX)), 0);
    assert_int_equal(own_anchor_put(&out, S("r1"), S("sha256:12")), -EINVAL);
    assert_int_equal(own_anchor_put(&out, S("r1"), S("app")), -EINVAL);
    strbuf_clear(&out);
    assert_int_equal(own_anchor_put_new(&out, S("r1"), 0xabc), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "r1.anchor.berth.invalid/new:0000000000000abc");
    assert_int_equal(own_name_read(strbuf_str(&out)).kind, OWN_NAME_ANCHOR);
}

static void what_was_pulled_by_digest_is_told(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf back = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    (void)state;
    assert_int_equal(image_ref_parse(S("reg:5/app:1@sha256:" HEX), &ref), 0);
    assert_int_equal(own_digest_put(&out, S("r1"), &ref), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "r1.digest.berth.invalid/reg_5/app:" HEX);
    assert_int_equal(own_name_read(strbuf_str(&out)).kind, OWN_NAME_DIGEST);
    assert_true(own_name_is_of(strbuf_str(&out), S("r1")));
    assert_int_equal(
        own_digest_read(&back, S("r1"), strbuf_str(&out), IMAGE_SHORT), 0);
    assert_string_equal(strbuf_cstr(&back), "reg:5/app@sha256:" HEX);
    assert_int_equal(
        own_digest_read(&back, S("r2"), strbuf_str(&out), IMAGE_SHORT),
        OWN_TAG_E_FOREIGN);
    assert_int_equal(own_digest_read(&back, S("r1"),
                                     S("r1.digest.berth.invalid/app:12"),
                                     IMAGE_SHORT),
                     OWN_TAG_E_FOREIGN);
    assert_int_equal(own_digest_read(&back, S("r1"),
                                     S("r1.digest.berth.invalid/app"),
                                     IMAGE_SHORT),
                     OWN_TAG_E_FOREIGN);
    assert_int_equal(image_ref_parse(S("app:1"), &ref), 0);
    assert_int_equal(own_digest_put(&out, S("r1"), &ref), -EINVAL);
}

static void a_push_s_mark_names_what_is_pushed(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(OWN_TAG_MAX);
    AUTO(strbuf_fini) struct strbuf back = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    (void)state;
    assert_int_equal(image_ref_parse(S("localhost:5000/app:1"), &ref), 0);
    assert_int_equal(own_push_mark_put(&out, &ref), 0);
    assert_string_equal(strbuf_cstr(&out),
                        "push.berth.invalid/localhost_5000/app:1");
    assert_int_equal(own_name_read(strbuf_str(&out)).kind, OWN_NAME_MARK);
    assert_int_equal(own_push_mark_read(&back, strbuf_str(&out), IMAGE_FULL),
                     0);
    assert_string_equal(strbuf_cstr(&back), "localhost:5000/app:1");
    assert_int_equal(
        own_push_mark_read(&back, S("r1.berth.invalid/app:1"), IMAGE_FULL),
        OWN_TAG_E_FOREIGN);
    /* and a mark is no runner's own tag */
    assert_false(own_name_is_of(strbuf_str(&out), S("push")));
}

static void names_of_an_engine_are_told_apart(void **state)
{
    static const struct {
        const char *name;
        enum own_name_kind kind;
    } cases[] = {
        {"busybox:latest",                    OWN_NAME_REAL  },
        {"r1.berth.invalid:latest",           OWN_NAME_REAL  },
        {"ghcr.io/r1.berth.invalid/a:1",      OWN_NAME_REAL  },
        {"<none>:<none>",                     OWN_NAME_REAL  },
        {"r1.berth.invalid/app:1",            OWN_NAME_TAG   },
        {"left.anchor.berth.invalid/image:1", OWN_NAME_ANCHOR},
        {"push.berth.invalid/app:1",          OWN_NAME_MARK  },
        {"companion.berth.invalid/amd64:1",   OWN_NAME_ODD   },
        {"berth.invalid/app:1",               OWN_NAME_ODD   },
        {".berth.invalid/app:1",              OWN_NAME_ODD   },
        {"a.b.berth.invalid/app:1",           OWN_NAME_ODD   },
        {"r1.berth.invalid:5/app:1",          OWN_NAME_ODD   },
        {"r1.BERTH.invalid/app:1",            OWN_NAME_ODD   },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (own_name_read(str_from(cases[i].name)).kind != cases[i].kind)
            fail_msg("%s", cases[i].name);
    }
}

static void own_tags_in_sentences_are_restored(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"No such image: r1.berth.invalid/app:latest",
         "No such image: app:latest"                                                                              },
        {"no such image: r1.berth.invalid/app:1: No such "
         "r1.berth.invalid/app:1.",                                "no such image: app:1: No such app:1."},
        {"tag \"r1.berth.invalid/docker.io/a/b:1\" (r1.berth.invalid/app)",
         "tag \"a/b:1\" (app)"                                                                                    },
        {"pkg:docker/r1.berth.invalid/app@latest",                          "pkg:docker/app@latest"               },
        {"r1.berth.invalid/app@sha256:" HEX " x",                           "app@sha256:" HEX " x"                },
        {"r1.berth.invalid/app:1:12: bad",                                  "app:1:12: bad"                       },
        {"r2.berth.invalid/app xr1.berth.invalid/app",
         "r2.berth.invalid/app xr1.berth.invalid/app"                                                             },
        {"r1.berth.invalid/ r1.berth.invalid",
         "r1.berth.invalid/ r1.berth.invalid"                                                                     },
        {"r1.anchor.berth.invalid/image:" HEX,
         "r1.anchor.berth.invalid/image:" HEX                                                                     },
        {"",                                                                ""                                    },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(1024);

        assert_int_equal(
            own_tag_restore_text(&out, S("r1"), str_from(cases[i].text)), 0);
        assert_string_equal(strbuf_cstr(&out), cases[i].shown);
    }
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(20);
    struct image_ref ref;

    (void)state;
    assert_int_equal(image_ref_parse(S("app:1"), &ref), 0);
    assert_int_equal(strbuf_add(&out, S("x")), 0);
    assert_int_equal(own_tag_put(&out, S("r1"), &ref), -ENOBUFS);
    assert_int_equal(own_push_mark_put(&out, &ref), -ENOBUFS);
    assert_int_equal(
        own_tag_restore_text(&out, S("r1"),
                             S("there is no such image: r1.berth.invalid/a:1")),
        -ENOBUFS);
    assert_string_equal(strbuf_cstr(&out), "x");
}

/* ---- properties, over names that are made up ---- */

static const char *pick(const char *const *words, size_t count)
{
    return words[(size_t)rand() % count];
}
#define PICK(words) pick((words), sizeof(words) / sizeof(*(words)))

static void make_name(char *text, size_t size)
{
    static const char *const hosts[] = {"",
                                        "docker.io/",
                                        "a.b/",
                                        "localhost/",
                                        "localhost:5000/",
                                        "A/",
                                        "aB.c:80/",
                                        "[::1]/",
                                        "[fe80::1]:9/",
                                        "x-y.z:0001/",
                                        "hex--a.b/",
                                        "index.docker.io/"};
    static const char *const paths[] = {
        "app",     "library/app", "a/b",           "library/a/b", "hex__61/a",
        "a_80/b",  "docker.io/a", "a.b/c",         "sha256",      "localhost/x",
        "a_1/b_2", "image",       "hex__6161/b/c", "a.b_80/c"};
    static const char *const suffixes[] = {
        "", ":1", ":latest", ":A_b.c-d", "@sha256:" HEX, ":1@sha256:" HEX};

    snprintf(text, size, "%s%s%s", PICK(hosts), PICK(paths), PICK(suffixes));
}

static bool is_same(const struct image_ref *a, const struct image_ref *b)
{
    return str_eq(a->name, b->name) && str_eq(a->tag, b->tag) &&
           str_eq(a->digest, b->digest);
}

static void two_names_never_meet_and_each_comes_back(void **state)
{
    static const char *const spaces[] = {"r1", "r2", "r1-x", "a"};

    (void)state;
    srand(7);
    for (unsigned i = rounds_of(200000); i > 0; i--) {
        AUTO(strbuf_fini) struct strbuf one = STRBUF(OWN_TAG_MAX);
        AUTO(strbuf_fini) struct strbuf two = STRBUF(OWN_TAG_MAX);
        AUTO(strbuf_fini) struct strbuf back = STRBUF(OWN_TAG_MAX);
        const char *ns = PICK(spaces), *other = PICK(spaces);
        struct image_ref a, b, again;
        char name[512], second[512];

        make_name(name, sizeof(name));
        make_name(second, sizeof(second));
        if (image_ref_parse(str_from(name), &a) ||
            image_ref_parse(str_from(second), &b))
            continue; /* [..]:80 without a path that fits */
        image_ref_complete(&a);
        image_ref_complete(&b);
        assert_int_equal(own_tag_put(&one, str_from(ns), &a), 0);
        assert_int_equal(own_tag_put(&two, str_from(other), &b), 0);
        assert_int_equal(str_eq(strbuf_str(&one), strbuf_str(&two)),
                         strcmp(ns, other) == 0 && is_same(&a, &b));
        assert_int_equal(
            own_tag_read(&back, str_from(ns), strbuf_str(&one), IMAGE_FULL), 0);
        assert_int_equal(image_ref_parse(strbuf_str(&back), &again), 0);
        assert_true(is_same(&a, &again));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_own_tags_and_come_back),
        cmocka_unit_test(an_engine_reads_an_own_tag_as_the_same_name),
        cmocka_unit_test(what_we_would_not_write_is_nobody_s),
        cmocka_unit_test(a_repository_alone_is_read_too),
        cmocka_unit_test(names_below_the_domain_are_nobody_s_to_write),
        cmocka_unit_test(a_name_that_reads_like_a_digest_is_told),
        cmocka_unit_test(some_words_are_no_namespace),
        cmocka_unit_test(an_anchor_is_of_one_image),
        cmocka_unit_test(what_was_pulled_by_digest_is_told),
        cmocka_unit_test(a_push_s_mark_names_what_is_pushed),
        cmocka_unit_test(names_of_an_engine_are_told_apart),
        cmocka_unit_test(own_tags_in_sentences_are_restored),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(two_names_never_meet_and_each_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
