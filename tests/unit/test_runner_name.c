#include "tests/unit/unit.h"

#include "policy/docker/runner_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = LIMIT_NAMESPACE + 1 };

static void fold(struct str name, char out[ROOM])
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_NAMESPACE + 1);

    assert_int_equal(runner_name_fold(&text, name), 0);
    assert_true(text.len > 0 && text.len <= LIMIT_NAMESPACE);
    snprintf(out, ROOM, "%s", strbuf_cstr(&text));
}

static void a_plain_name_stays_as_it_is(void **state)
{
    static const char *const names[] = {
        "r1",
        "1",
        "a-b-c",
        "builds-x7k2p-runner-8hq4w",
        "0123456789abcdef0123456789abcdef",
        "pushes",
        "a-zookeepertest",
        "a-z0123456789a",
        "z0123456789ab",
        "z0123456789abc",
        "-z0123456789a",
    };
    char out[ROOM];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(names) / sizeof(*names); i++) {
        fold(str_from(names[i]), out);
        assert_string_equal(out, names[i]);
        assert_true(runner_name_is_plain(str_from(names[i])));
    }
    /* but for the last */
    assert_false(runner_name_is_plain(str_from("-z0123456789a")));
}

/* What an engine has under these names has to be found by later versions. */
static void folded_names_are_the_same_for_ever(void **state)
{
    static const struct {
        const char *name, *folded;
    } cases[] = {
        {"Runner_01",                                                     "runner-01-zgtp319xaefp5"         },
        {"runner_01",                                                     "runner-01-zpcmh40a9s6vf"         },
        {"Runner",                                                        "runner-z462a9rzmsr7j"            },
        {"ip-10-0-1-23.ec2.internal",                                     "ip-10-0-1-23-ec2-i-za3xs0npf7a4v"},
        {"a--b",                                                          "a-b-zj217mbjp6rd8"               },
        {"a-",                                                            "a-zkeqm81s05sdg"                 },
        {"-a",                                                            "a-zr9t8j5wg6he5"                 },
        {"a.b",                                                           "a-b-z5sskdq4eqa3y"               },
        {"push",                                                          "push-zt43ymdh9rck7"              },
        {"left",                                                          "left-z6r7r80ts88j3"              },
        {"_",                                                             "runner-ztbhavxrqfdx8"            },
        {"r\xc3\xa4"
         "der",                                                  "r-der-zvebnkdz4q75n"             },
        {"actions-runner-linux-x64-abcdefghijklmnopqrstuvwxyz0123456789",
         "actions-runner-lin-zwbh78yxd9aq1"                                                                 },
        {"a-z0123456789ab",                                               "a-z0123456789ab-zkgmn48exsmrt"   },
    };
    char out[ROOM];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fold(str_from(cases[i].name), out);
        assert_string_equal(out, cases[i].folded);
        assert_false(runner_name_is_plain(str_from(cases[i].name)));
        assert_true(runner_name_is_namespace(str_from(out)));
    }
}

static void a_folded_name_folds_to_another(void **state)
{
    char once[ROOM], twice[ROOM], thrice[ROOM];

    (void)state;
    fold(S("Runner_01"), once);
    fold(str_from(once), twice);
    fold(str_from(twice), thrice);
    assert_string_not_equal(once, twice);
    assert_string_not_equal(twice, thrice);
    assert_true(runner_name_is_namespace(str_from(once)));
    assert_false(runner_name_is_plain(str_from(once)));
}

static void who_looks_for_one_may_write_either_name(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(ROOM);
    char folded[ROOM];

    (void)state;
    fold(S("Runner_01"), folded);
    assert_int_equal(runner_name_put_meant(&out, S("Runner_01")), 0);
    assert_string_equal(strbuf_cstr(&out), folded);
    strbuf_clear(&out);
    assert_int_equal(runner_name_put_meant(&out, str_from(folded)), 0);
    assert_string_equal(strbuf_cstr(&out), folded);
}

static void what_does_not_fit_leaves_nothing(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(16);

    (void)state;
    strbuf_add(&out, S("x"));
    assert_int_equal(runner_name_fold(&out, S("Runner_01")), -ENOBUFS);
    assert_int_equal(out.len, 1);
}

/* ---- no two names fold alike ---- */

enum { NAME_MAX_LENGTH = 60 };

struct pair {
    char folded[ROOM];
    char name[NAME_MAX_LENGTH + 1];
};

static int by_folded(const void *a, const void *b)
{
    const struct pair *one = a, *two = b;
    int order = strcmp(one->folded, two->folded);

    return order ? order : strcmp(one->name, two->name);
}

/* Names that have much in common: a few words and marks after each other, in
 * either case, some of them folded ones. */
static void make_name(uint64_t *seed, const struct pair *before, size_t count,
                      char *out)
{
    static const char *const parts[] = {
        "runner",   "Runner",
        "RUNNER",   "-",
        "--",       "_",
        ".",        " ",
        "0",        "1",
        "a",        "A",
        "z",        "push",
        "left",     "-z0123456789ab",
        "\xc3\xa4", "ip-10-0-1-23.ec2.internal"};
    size_t len = 0, words;

    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    if (count > 0 && *seed >> 61 == 0) {
        strcpy(out, before[(*seed >> 20) % count].folded);
        return;
    }
    words = 1 + (*seed >> 40) % 8;
    for (size_t i = 0; i < words; i++) {
        const char *part;

        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        part = parts[(*seed >> 33) % (sizeof(parts) / sizeof(*parts))];
        if (len + strlen(part) > NAME_MAX_LENGTH)
            break;
        strcpy(out + len, part);
        len += strlen(part);
    }
}

static void no_two_names_fold_alike(void **state)
{
    size_t count = rounds_of(200000);
    struct pair *pairs = calloc(count, sizeof(*pairs));
    uint64_t seed = 20260117;
    size_t different = 0;

    (void)state;
    assert_non_null(pairs);
    for (size_t i = 0; i < count; i++) {
        make_name(&seed, pairs, i, pairs[i].name);
        fold(str_from(pairs[i].name), pairs[i].folded);
        assert_true(runner_name_is_namespace(str_from(pairs[i].folded)));
        assert_int_equal(runner_name_is_plain(str_from(pairs[i].name)),
                         !strcmp(pairs[i].name, pairs[i].folded));
    }
    qsort(pairs, count, sizeof(*pairs), by_folded);
    for (size_t i = 1; i < count; i++) {
        if (!strcmp(pairs[i - 1].name, pairs[i].name))
            continue;
        assert_string_not_equal(pairs[i - 1].folded, pairs[i].folded);
        different++;
    }
    assert_true(different > count / 4);
    free(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_name_stays_as_it_is),
        cmocka_unit_test(folded_names_are_the_same_for_ever),
        cmocka_unit_test(a_folded_name_folds_to_another),
        cmocka_unit_test(who_looks_for_one_may_write_either_name),
        cmocka_unit_test(what_does_not_fit_leaves_nothing),
        cmocka_unit_test(no_two_names_fold_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
