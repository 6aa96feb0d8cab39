#include "tests/unit/unit.h"

#include "policy/record/learn_tree.h"

/* WORDS, with blanks between, become ENTRIES, a JSON object. */
static void become(const char *words, struct str root, learn_tree_cb may_stand,
                   const char *entries)
{
    json_auto_t *tree = json_object();
    json_auto_t *wanted = json_loads(entries, 0, NULL);
    json_auto_t *got = NULL;
    struct str rest = str_from(words), word;

    while (rest.len) {
        str_cut(rest, ' ', &word, &rest);
        learn_tree_add(tree, word);
    }
    got = learn_tree_entries(tree, root, may_stand);
    if (!json_equal(got, wanted))
        fail_msg("%s: %s", words, json_dumps(got, 0));
}

static void paths_become(const char *words, const char *entries)
{
    become(words, S("/"), learn_directory_may_stand, entries);
}

static void a_path_stands_for_those_below_it(void **state)
{
    (void)state;
    paths_become("", "{}");
    paths_become("/srv/a", "{\"/srv/a\": 1}");
    paths_become("/srv/a /srv/a/b /srv/a/b/c /srv/ab",
                 "{\"/srv/a\": 3, \"/srv/ab\": 1}");
    paths_become("/ /srv/a", "{\"/\": 2}");
}

static void many_in_one_directory_become_it(void **state)
{
    (void)state;
    paths_become("/srv/w/1 /srv/w/2 /srv/w/3",
                 "{\"/srv/w/1\": 1, \"/srv/w/2\": 1, \"/srv/w/3\": 1}");
    paths_become("/srv/w/1 /srv/w/2 /srv/w/3 /srv/w/4", "{\"/srv/w\": 4}");
    /* the deepest that holds enough; and what is beside it stays */
    paths_become("/srv/w/t/1/f /srv/w/t/2/f /srv/w/t/3/f /srv/w/t/4/f /srv/w/x",
                 "{\"/srv/w/t\": 4, \"/srv/w/x\": 1}");
}

static void no_directory_of_the_systems_stands_for_anything(void **state)
{
    (void)state;
    paths_become("/a /b /c /d", "{\"/a\": 1, \"/b\": 1, \"/c\": 1, \"/d\": 1}");
    paths_become("/home/a /home/b /home/c /home/d",
                 "{\"/home/a\": 1, \"/home/b\": 1, \"/home/c\": 1, "
                 "\"/home/d\": 1}");
    static const char *const never[] = {
        "/etc/ssl",          "/run/berth", "/var/run",        "/var/lib",
        "/var/lib/docker/x", "/proc/1",    "/dev/disk/by-id", "/usr/share"};

    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        assert_false(learn_directory_may_stand(str_from(never[i])));
    assert_true(learn_directory_may_stand(S("/home/runner")));
    assert_true(learn_directory_may_stand(S("/var/lib/jenkins")));
}

static void images_become_their_owner_and_no_registry(void **state)
{
    (void)state;
    become("ghcr.io/acme/a ghcr.io/acme/b ghcr.io/acme/c ghcr.io/acme/d "
           "ghcr.io/x/a",
           S(""), learn_images_may_stand,
           "{\"ghcr.io/acme\": 4, \"ghcr.io/x/a\": 1}");
    become("quay.io/a/x quay.io/b/x quay.io/c/x quay.io/d/x", S(""),
           learn_images_may_stand,
           "{\"quay.io/a/x\": 1, \"quay.io/b/x\": 1, \"quay.io/c/x\": 1, "
           "\"quay.io/d/x\": 1}");
}

static void a_word_without_end_is_cut_nowhere(void **state)
{
    char deep[4096];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(deep); i++)
        deep[i] = i % 2 ? 'a' : '/';
    deep[sizeof(deep) - 1] = '\0';

    json_auto_t *tree = json_object(), *got = NULL;

    learn_tree_add(tree, str_from(deep));
    got = learn_tree_entries(tree, S("/"), learn_directory_may_stand);
    assert_int_equal(json_object_size(got), 1);
    assert_true(learn_tree_has(got, str_from(deep)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_stands_for_those_below_it),
        cmocka_unit_test(many_in_one_directory_become_it),
        cmocka_unit_test(no_directory_of_the_systems_stands_for_anything),
        cmocka_unit_test(images_become_their_owner_and_no_registry),
        cmocka_unit_test(a_word_without_end_is_cut_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
