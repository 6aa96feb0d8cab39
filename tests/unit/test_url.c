#include "tests/unit/unit.h"

#include "policy/config/url.h"

#include <stdlib.h>

static void the_parts_of_a_url_are_found(void **state)
{
    static const struct {
        const char *text;
        struct url url;
    } cases[] = {
  // clang-format off
        {"unix:///var/run/docker.sock", {UPSTREAM_UNIX, .path = STR("/var/run/docker.sock")}},
        {"unix:///run/a b/\xc3\xa9%20.sock", {UPSTREAM_UNIX, .path = STR("/run/a b/\xc3\xa9%20.sock")}},
        {"tcp://127.0.0.1:2375", {UPSTREAM_TCP, .host = STR("127.0.0.1"), .port = 2375}},
        {"ssh+srv://me@_docker._tcp.h", {UPSTREAM_SSH, .user = STR("me"), .host = STR("_docker._tcp.h"), .path = STR("/var/run/docker.sock"), .srv = true}},
        {"ssh+srv://h/run/d.sock", {UPSTREAM_SSH, .host = STR("h"), .path = STR("/run/d.sock"), .srv = true}},
        {"tcp+srv://_docker._tcp.h", {UPSTREAM_TCP, .host = STR("_docker._tcp.h"), .srv = true}},
        {"tcp://docker:2375/", {UPSTREAM_TCP, .host = STR("docker"), .port = 2375}},
        {"tcp://[::1]:65535", {UPSTREAM_TCP, .host = STR("::1"), .port = 65535}},
        {"ssh://host", {UPSTREAM_SSH, .host = STR("host"), .port = 22, .path = STR("/var/run/docker.sock")}},
        {"SSH://host/", {UPSTREAM_SSH, .host = STR("host"), .port = 22, .path = STR("/var/run/docker.sock")}},
        {"ssh://me@docker_host.example:2222/run/d.sock",
         {UPSTREAM_SSH, STR("me"), STR("docker_host.example"), 2222, STR("/run/d.sock")}},
        {"ssh://me@[2001:db8::1]:1", {UPSTREAM_SSH, STR("me"), STR("2001:db8::1"), 1, STR("/var/run/docker.sock")}},
        {"ssh://[::ffff:10.0.0.1]", {UPSTREAM_SSH, .host = STR("::ffff:10.0.0.1"), .port = 22, .path = STR("/var/run/docker.sock")}},
        {"ssh://host/a@b:c", {UPSTREAM_SSH, .host = STR("host"), .port = 22, .path = STR("/a@b:c")}},
  // clang-format on
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
        const struct url *want = &cases[i].url;
        struct url url;

        print_message("%s\n", cases[i].text);
        assert_int_equal(url_parse(str_from(cases[i].text), &url, &why), 0);
        assert_int_equal(url.kind, want->kind);
        assert_true(str_eq(url.user, want->user));
        assert_true(str_eq(url.host, want->host));
        assert_int_equal(url.port, want->port);
        assert_true(str_eq(url.path, want->path));
        assert_int_equal(why.len, 0);
    }
}

static void a_url_of_another_kind_is_refused_with_a_remedy(void **state)
{
    static const char *const cases[][2] = {
  // clang-format off
        {"", "has no scheme"},
        {"host", "has no scheme"},
        {"me@host:22", "has no scheme"},
        {"ssh:host", "has no scheme"},
        {"unix:/run/docker.sock", "has no scheme"},
        {"/run/docker.sock", "unix:///run/docker.sock"},
        {"://host", "berth does not know"},
        {"sftp://host", "berth does not know"},
        {"npipe:////./pipe/docker_engine", "npipe://"},
        {"http://host:2375", "tcp://HOST:PORT"},
        {"https://host:2376", "https://"},
        {"fd://", "fd://"},
        {"unix://", "no absolute path"},
        {"unix://run/docker.sock", "no absolute path"},
        {"unix:///", "names a directory"},
        {"unix:///run/", "names a directory"},
        {"unix:///run/a?b", "query or a fragment"},
        {"unix:///run/a\nb", "control byte"},
        {"tcp://host", "names no port"},
        {"tcp://:2375", "names no host"},
        {"tcp+srv://host:2375", "names a port"},
        {"ssh+srv://host:22", "names a port"},
        {"ssh+srv://10.0.0.1", "the name of SRV records"},
        {"tcp+srv://[::1]", "the name of SRV records"},
        {"unix+srv://host", "a scheme that berth does not know"},
        {"tcp://host:", "no number from 1 to 65535"},
        {"tcp://host:0", "no number from 1 to 65535"},
        {"tcp://host:65536", "no number from 1 to 65535"},
        {"tcp://host:18446744073709551638", "no number from 1 to 65535"},
        {"tcp://host:+1", "no number from 1 to 65535"},
        {"tcp://[::1]2375", "no number from 1 to 65535"},
        {"tcp://host:1/x", "has a path"},
        {"tcp://me@host:1", "names a user"},
        {"ssh://", "names no host"},
        {"ssh://me@", "names no host"},
        {"ssh:///run/docker.sock", "names no host"},
        {"ssh://@host", "user name that is empty"},
        {"ssh://a b@host", "user name with a blank"},
        {"ssh://a%40b@host", "user name with a blank"},
        {"ssh://a@b@host", "user name with a blank"},
        {"ssh://-oProxyCommand=x", "no name and no address"},
        {"ssh://.host", "no name and no address"},
        {"ssh://h\xc3\xb6st", "no name and no address"},
        {"ssh://ho%73t", "no name and no address"},
        {"ssh://host name", "no name and no address"},
        {"ssh://2001:db8::1", "in brackets"},
        {"ssh://[2001:db8::1", "no IPv6 address"},
        {"ssh://[host]", "no IPv6 address"},
        {"ssh://[]", "no IPv6 address"},
        {"ssh://[fe80::1%eth0]", "no IPv6 address"},
        {"ssh://host?x=1", "query or a fragment"},
        {"ssh://host#x", "query or a fragment"},
        {"ssh://host/run/", "names a directory"},
  // clang-format on
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
        struct url url = {.port = 7};

        print_message("%s\n", cases[i][0]);
        assert_int_equal(url_parse(str_from(cases[i][0]), &url, &why),
                         URL_E_INVALID);
        assert_non_null(strstr(strbuf_cstr(&why), cases[i][1]));
        assert_int_equal(url.port, 7);
    }
}

static void a_password_is_refused_and_not_repeated(void **state)
{
    static const char *const cases[] = {
        "ssh://me:secret@host",  "ssh://:secret@host",
        "ssh://me:sec@ret@host", "tcp://me:secret@host:1",
        "ssh://me:sec?ret@host", "ssh://me:sec/ret@host",
        "ftp://me:secret@host",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
        struct url url;

        strbuf_addf(&why, "\"%s\" ", cases[i]);
        assert_int_equal(url_parse(str_from(cases[i]), &url, &why),
                         URL_E_INVALID);
        if (i < 4)
            assert_non_null(strstr(strbuf_cstr(&why), "holds a password"));
        assert_true(why.len > 0);
        assert_null(strstr(strbuf_cstr(&why), "sec"));
    }
}

static void a_path_fits_the_address_of_a_socket(void **state)
{
    char text[256] = "unix:///";
    size_t base = strlen("unix://");

    (void)state;
    for (size_t len = 107; len <= 108; len++) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
        struct url url;

        memset(text + base + 1, 'a', len - 1);
        assert_int_equal(url_parse(str_of(text, base + len), &url, &why),
                         len == 107 ? 0 : URL_E_INVALID);
    }
}

static void config_fini(struct upstream_config *config)
{
    free(config->url);
    free(config->user);
    free(config->host);
    free(config->path);
}

static void the_parts_go_into_a_configuration(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
    AUTO(config_fini) struct upstream_config ssh = {0};
    AUTO(config_fini) struct upstream_config local = {0};

    (void)state;
    assert_int_equal(url_to_config(S("ssh://host:2222"), "me", &ssh, &why), 0);
    assert_int_equal(ssh.kind, UPSTREAM_SSH);
    assert_string_equal(ssh.url, "ssh://host:2222");
    assert_string_equal(ssh.user, "me");
    assert_string_equal(ssh.host, "host");
    assert_int_equal(ssh.port, 2222);
    assert_string_equal(ssh.path, "/var/run/docker.sock");

    assert_int_equal(url_to_config(S("unix:///d.sock"), NULL, &local, &why), 0);
    assert_int_equal(local.kind, UPSTREAM_UNIX);
    assert_string_equal(local.path, "/d.sock");
    assert_null(local.user);
    assert_null(local.host);
}

static void the_user_comes_from_the_url_or_from_the_caller(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
    AUTO(config_fini) struct upstream_config named = {0};
    struct upstream_config nobody = {0};

    (void)state;
    assert_int_equal(url_to_config(S("ssh://you@host"), "me", &named, &why), 0);
    assert_string_equal(named.user, "you");
    assert_int_equal(url_to_config(S("ssh://host"), NULL, &nobody, &why),
                     URL_E_INVALID);
    assert_non_null(strstr(strbuf_cstr(&why), "ssh://USER@HOST"));
    assert_null(nobody.url);
    assert_int_equal(url_to_config(S("ssh://host"), "", &nobody, &why),
                     URL_E_INVALID);
}

static void what_is_on_this_machine_is_local(void **state)
{
    static const struct {
        const char *text;
        bool local;
    } cases[] = {
        {"unix:///x",            true },
        {"tcp://localhost:1",    true },
        {"tcp://127.1.2.3:1",    true },
        {"tcp://[::1]:1",        true },
        {"tcp://128.0.0.1:1",    false},
        {"tcp://127.evil.com:1", false},
        {"tcp://docker:1",       false},
        {"ssh://me@localhost",   true },
        {"ssh://me@host",        false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(KIB);
        AUTO(config_fini) struct upstream_config config = {0};

        assert_int_equal(
            url_to_config(str_from(cases[i].text), NULL, &config, &why), 0);
        assert_int_equal(upstream_is_local(&config), cases[i].local);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_of_a_url_are_found),
        cmocka_unit_test(a_url_of_another_kind_is_refused_with_a_remedy),
        cmocka_unit_test(a_password_is_refused_and_not_repeated),
        cmocka_unit_test(a_path_fits_the_address_of_a_socket),
        cmocka_unit_test(the_parts_go_into_a_configuration),
        cmocka_unit_test(the_user_comes_from_the_url_or_from_the_caller),
        cmocka_unit_test(what_is_on_this_machine_is_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
