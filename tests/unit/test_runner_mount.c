#include "tests/unit/unit.h"

#include "policy/config/host_path.h"
#include "policy/isolation/runner_mount.h"

/* What PATH is, in words. */
static const char *found(const char *inspected, const char *path)
{
    static const char *const kinds[] = {"none", "other", "volume", "path",
                                        "below"};
    static char text[1000];
    json_auto_t *json = json_loads(inspected, 0, NULL);
    struct runner_mount mount;

    assert_non_null(json);
    runner_mount_find(json, str_from(path), &mount);
    snprintf(text, sizeof(text), "%s %.*s|%.*s%s", kinds[mount.kind],
             STR_FMT(mount.source), STR_FMT(strbuf_str(&mount.subpath)),
             mount.read_only ? " ro" : "");
    runner_mount_fini(&mount);
    return text;
}

static void what_is_not_mounted_is_nowhere(void **state)
{
    (void)state;
    assert_string_equal(found("{}", "/a"), "none |");
    assert_string_equal(found("[]", "/a"), "none |");
    assert_string_equal(
        found("{\"Mounts\": [1, {\"Type\": \"volume\"}]}", "/a"), "none |");
}

static void the_root_holds_all(void **state)
{
    static const char one[] = "{\"Mounts\": [{\"Type\": \"volume\", \"Name\": "
                              "\"v\", \"Destination\": \"/\", \"RW\": true}]}";
    static const char host[] =
        "{\"Mounts\": [{\"Type\": \"bind\", \"Source\": \"/\", "
        "\"Destination\": \"/host/\", \"RW\": true}]}";

    (void)state;
    assert_string_equal(found(one, "/a/b"), "volume v|a/b");
    assert_string_equal(found(one, "/"), "volume v|");
    assert_string_equal(found(host, "/host/etc"), "below /|etc");
    assert_string_equal(found(host, "/host"), "path /|");
}

static void what_does_not_say_that_it_is_written_to_is_read(void **state)
{
    (void)state;
    assert_string_equal(found("{\"Mounts\": [{\"Type\": \"volume\", \"Name\": "
                              "\"v\", \"Destination\": \"/a\"}]}",
                              "/a"),
                        "volume v| ro");
}

static void
a_source_in_a_volume_that_is_written_to_is_a_part_of_that(void **state)
{
    static const char text[] =
        "{\"Mounts\": [{\"Type\": \"bind\", \"Source\": "
        "\"/d/volumes/v/_data/x\", \"Destination\": \"/a\", \"RW\": true}, "
        "{\"Type\": \"volume\", \"Name\": \"v\", \"Source\": "
        "\"/d/volumes/v/_data\", \"Destination\": \"/b\", \"RW\": %s}]}";
    char json[1000];

    (void)state;
    snprintf(json, sizeof(json), text, "true");
    assert_string_equal(found(json, "/a/y"), "volume v|x/y");
    snprintf(json, sizeof(json), text, "false");
    assert_string_equal(found(json, "/a/y"), "below /d/volumes/v/_data/x|y");
}

static void a_part_of_a_volume_that_may_be_another_is_not_given(void **state)
{
    static const char text[] =
        "{\"HostConfig\": {\"Mounts\": [{\"Target\": \"%s\", "
        "\"VolumeOptions\": {\"Subpath\": \"s\"}}]}, \"Mounts\": [{\"Type\": "
        "\"volume\", \"Name\": \"v\", \"Destination\": \"/a/b\", \"RW\": "
        "true}]}";
    char json[1000];

    (void)state;
    snprintf(json, sizeof(json), text, "/a/b/");
    assert_string_equal(found(json, "/a/b/c"), "volume v|s/c");
    snprintf(json, sizeof(json), text, "/a//b");
    assert_string_equal(found(json, "/a/b/c"), "other |");
    snprintf(json, sizeof(json), text, "/a/./b");
    assert_string_equal(found(json, "/a/b/c"), "other |");
}

/* An inspect says nothing of the subpath that another container had. */
static void a_volume_from_another_container_is_not_given(void **state)
{
    static const char text[] =
        "{\"HostConfig\": {\"VolumesFrom\": [\"other\"], \"Binds\": "
        "[\"v:%s:rw\"], \"Mounts\": [{\"Target\": \"%s\"}]}, \"Mounts\": "
        "[{\"Type\": \"volume\", \"Name\": \"v\", \"Destination\": \"/a\", "
        "\"RW\": true}]}";
    char json[1000];

    (void)state;
    snprintf(json, sizeof(json), text, "/b", "/c");
    assert_string_equal(found(json, "/a/x"), "other |");
    snprintf(json, sizeof(json), text, "/a/", "/c");
    assert_string_equal(found(json, "/a/x"), "volume v|x");
    snprintf(json, sizeof(json), text, "/b", "/a/");
    assert_string_equal(found(json, "/a/x"), "volume v|x");
}

/* What lies further down than /a, and whether it keeps anything from anybody.
 */
static void check_hidden(const char *below, const char *tmpfs, const char *says)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(1000);
    struct runner_mount mount;
    json_t *json;

    strbuf_addf(&text,
                "{\"HostConfig\": {\"Tmpfs\": {%s}}, \"Mounts\": [{\"Type\": "
                "\"bind\", \"Source\": \"/srv/a\", \"Destination\": \"/a\", "
                "\"RW\": true}, {\"Destination\": \"/a/x/y\", %s}]}",
                tmpfs, below);
    json = json_loads(strbuf_cstr(&text), 0, NULL);
    assert_non_null(json);
    runner_mount_find(json, S("/a/x"), &mount);
    strbuf_clear(&text);
    strbuf_addf(&text, "%.*s%s", STR_FMT(mount.hidden),
                mount.guarded ? " guarded" : "");
    assert_string_equal(strbuf_cstr(&text), says);
    runner_mount_fini(&mount);
    json_decref(json);
}

static void what_lies_further_down_may_keep_something_from_others(void **state)
{
    (void)state;
    check_hidden("\"Type\": \"volume\", \"Source\": \"/v\", \"RW\": true", "",
                 "/a/x/y");
    check_hidden("\"Type\": \"volume\", \"Source\": \"/v\", \"RW\": false", "",
                 "/a/x/y guarded");
    check_hidden("\"Type\": \"tmpfs\", \"RW\": true", "", "/a/x/y guarded");
    check_hidden("\"Type\": \"bind\", \"Source\": \"/srv/a/x/z\", \"RW\": true",
                 "", "/a/x/y guarded");
    check_hidden("\"Type\": \"bind\", \"Source\": \"/srv/a/xx\", \"RW\": true",
                 "", "/a/x/y");
    check_hidden("\"Type\": \"bind\", \"Source\": \"/srv/a/x/y\", \"RW\": true",
                 "", "");
    check_hidden("\"Type\": \"volume\", \"Source\": \"/v\", \"RW\": true",
                 "\"/a/x/t/\": \"\"", "/a/x/t guarded");
    check_hidden("\"Type\": \"volume\", \"Source\": \"/v\", \"RW\": true",
                 "\"/a/t\": \"\"", "/a/x/y");
}

static void what_is_no_path_of_a_host_is_not_given(void **state)
{
    (void)state;
    assert_string_equal(
        found("{\"Mounts\": [{\"Type\": \"bind\", \"Source\": \"/x/../etc\", "
              "\"Destination\": \"/a\", \"RW\": true}]}",
              "/a/b"),
        "other |");
    assert_string_equal(found("{\"Mounts\": [{\"Type\": \"npipe\", \"Source\": "
                              "\"/x\", \"Destination\": \"/a\"}]}",
                              "/a"),
                        "other | ro");
}

static void a_runner_is_called_by_its_whole_name_or_its_id(void **state)
{
    json_auto_t *json =
        json_pack("{s:s, s:s}", "Name", "/abc", "Id",
                  "0123456789abcdef0123456789abcdef0123456789abcdef01234567"
                  "89abcdef");

    (void)state;
    assert_true(runner_is_named(json, S("abc")));
    assert_true(runner_is_named(json, S("0123456789ab")));
    assert_false(runner_is_named(json, S("0123456789a")));
    assert_false(runner_is_named(json, S("ab")));
    assert_false(runner_is_named(json, S("/abc")));
    assert_false(runner_is_named(json, S("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_mounted_is_nowhere),
        cmocka_unit_test(the_root_holds_all),
        cmocka_unit_test(what_does_not_say_that_it_is_written_to_is_read),
        cmocka_unit_test(
            a_source_in_a_volume_that_is_written_to_is_a_part_of_that),
        cmocka_unit_test(a_part_of_a_volume_that_may_be_another_is_not_given),
        cmocka_unit_test(a_volume_from_another_container_is_not_given),
        cmocka_unit_test(what_lies_further_down_may_keep_something_from_others),
        cmocka_unit_test(what_is_no_path_of_a_host_is_not_given),
        cmocka_unit_test(a_runner_is_called_by_its_whole_name_or_its_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
