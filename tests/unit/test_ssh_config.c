#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/ssh_world.h"

#define CONFIG "/home/me/.ssh/config"
#define SYSTEM "/etc/ssh/ssh_config"

static struct ssh_world world;
static struct ssh_config config;
static char why[LIMIT_SSH_CONFIG_LINE];

/* Ask with the user's file and the system's, as ssh does. */
static int ask_for(const struct ssh_config_query *more)
{
    static const struct ssh_config_file files[] = {
        {.path = CONFIG,   .user = true, .careful = true},
        {.path = SYSTEM},
    };
    AUTO(strbuf_fini) struct strbuf text = STRBUF(sizeof(why) - 1);
    struct ssh_config_query query = *more;
    int r;

    query.machine = &world.machine;
    query.files = files;
    query.file_count = 2;
    ssh_config_fini(&config);
    r = ssh_config_resolve(&query, &config, &text);
    snprintf(why, sizeof(why), "%.*s", STR_FMT(strbuf_str(&text)));
    return r;
}

static int ask(const char *host, const char *text)
{
    const struct ssh_config_query query = {.host = host};

    ssh_world_init(&world);
    ssh_world_add(&world, CONFIG, str_from(text));
    return ask_for(&query);
}

static void without_files_a_host_is_itself(void **state)
{
    const struct ssh_config_query query = {.host = "Dockerhost"};

    (void)state;
    ssh_world_init(&world);
    assert_int_equal(ask_for(&query), 0);
    assert_string_equal(config.host_name, "dockerhost");
    assert_null(config.user);
    assert_int_equal(config.port, -1);
    assert_int_equal(config.hop_count, 0);
    assert_int_equal(config.not_followed.count, 0);
}

static void the_first_value_wins(void **state)
{
    (void)state;
    assert_int_equal(ask("dockerhost", "Host docker*\n User one\n Port 2222\n"
                                       "Host *\n User two\n Port 1\n"
                                       " BindAddress 10.0.0.1\n"),
                     0);
    assert_string_equal(config.user, "one");
    assert_int_equal(config.port, 2222);
    assert_string_equal(config.bind_address, "10.0.0.1");
}

static void what_was_said_before_goes_first(void **state)
{
    const struct ssh_config_query query = {
        .host = "dockerhost", .user = "boss", .port = 44, .jump = "a,b"};

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, CONFIG,
                  S("User one\nPort 2222\nProxyJump c\nProxyCommand nc\n"
                    "Match user boss\n HostKeyAlias is-boss\n"));
    assert_int_equal(ask_for(&query), 0);
    assert_string_equal(config.user, "boss");
    assert_int_equal(config.port, 44);
    assert_int_equal(config.hop_count, 2);
    assert_string_equal(config.hops[1].host, "b");
    assert_string_equal(config.host_key_alias, "is-boss");
}

static void the_users_file_goes_before_the_systems(void **state)
{
    const struct ssh_config_query query = {.host = "dockerhost"};

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, CONFIG, S("Host dockerhost\n User one\n"));
    ssh_world_add(&world, SYSTEM, S("User two\nPort 2200\nInclude ssh.d/*\n"));
    ssh_world_add(&world, "/etc/ssh/ssh.d/a", S("BindAddress 10.0.0.1\n"));
    assert_int_equal(ask_for(&query), 0);
    assert_string_equal(config.user, "one");
    assert_int_equal(config.port, 2200);
    assert_string_equal(config.bind_address, "10.0.0.1");
    assert_int_equal(config.files.count, 3);
}

static void an_include_is_below_the_users_directory(void **state)
{
    const struct ssh_config_query query = {.host = "dockerhost"};

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, CONFIG,
                  S("Host dockerhost\n Include hosts/*.conf ~/more\n"
                    " Port 3\nHost other\n Include /never\n"));
    ssh_world_add(&world, "/home/me/.ssh/hosts/a.conf",
                  S("User one\nHost other\n Port 1\n"));
    ssh_world_add(&world, "/home/me/more", S("HostKeyAlias two\n"));
    ssh_world_add(&world, "/never", S("Host *\n BindAddress 1.1.1.1\n"));
    assert_int_equal(ask_for(&query), 0);
    assert_string_equal(config.user, "one");
    assert_string_equal(config.host_key_alias, "two");
    assert_int_equal(config.port, 3);
    assert_null(config.bind_address);
}

static void the_systems_file_has_no_home(void **state)
{
    const struct ssh_config_query query = {.host = "dockerhost"};

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, SYSTEM, S("\nInclude ~/x\n"));
    assert_int_equal(ask_for(&query), SSH_CONFIG_E_REFUSED);
    assert_string_equal(why, SYSTEM ":2: Include: \"~/x\" begins with \"~\", "
                                    "which has no meaning in the system's "
                                    "file; write the whole path");
}

static void a_file_that_others_can_write_to_is_refused(void **state)
{
    const struct ssh_config_query query = {.host = "dockerhost"};

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, CONFIG, S("User one\n"));
    world.files[0].others = true;
    assert_int_equal(ask_for(&query), SSH_CONFIG_E_REFUSED);
    assert_non_null(strstr(why, CONFIG " can be written to by others"));
}

static void tokens_are_expanded(void **state)
{
    (void)state;
    assert_int_equal(ask("alias",
                         "HostName %h.example\nUser boss\nPort 2222\n"
                         "ProxyJump hop\nHostKeyAlias key\n"
                         "IdentityFile ~/%d-%h-%i-%j-%k-%l-%L-%n-%p-%r-%u-%%\n"
                         "IdentityFile ${ONE}/x\n"),
                     0);
    assert_string_equal(config.host_name, "alias.example");
    assert_string_equal(
        config.identities.items[0],
        "/home/me//home/me-alias.example-1000-hop-key-box.example-box-alias-"
        "2222-boss-me-%");
    assert_string_equal(config.identities.items[1], "1/x");
}

/* clang-format off */
static const struct {
    const char *text;
    const char *why; /* what is behind the file's name */
} refusals[] = {
    {"\nProxyCommand nc %h %p\n",   ":2: ProxyCommand would run a program"},
    {"KnownHostsCommand /x\n",      ":1: KnownHostsCommand would run a"},
    {"Match exec true\n User x\n",  ":1: Match exec would run a program"},
    {"Match host * exec \"x y\"\n", ":1: Match exec would run a program"},
    {"Match localnetwork 10/8\n",   ":1: Match localnetwork depends on"},
    {"RevokedHostKeys /x\n",        ":1: RevokedHostKeys is not supported"},
    {"CanonicalizeHostname yes\n",  ":1: CanonicalizeHostname is not"},
    {"RefuseConnection \"no no\"\n", ":1: RefuseConnection: no no"},
    {"ProxyJmp x\n",                ":1: \"ProxyJmp\" is no option of ssh; did "
                                    "you mean ProxyJump?"},
    {"User\n",                      ":1: User has no value"},
    {"User \"x\n",                  ":1: a quote is never closed"},
    {"User a b\n",                  ":1: User: there is more behind its value"},
    {"Host\n",                      ":1: Host has no value"},
    {"Port 0\n",                    ":1: Port: \"0\" is no value of it"},
    {"Include ~bob/x\n",            ":1: Include: \"~bob/x\" begins with "
                                    "another user's"},
    {"Include ${TWO}\n",            ":1: Include: \"${TWO}\" needs the variable "
                                    "TWO, which is not set; set it"},
    {"IdentityFile %C\n",           ": IdentityFile \"%C\" has a %C, which"},
    {"IdentityFile %z\n",           ": IdentityFile \"%z\" has a %z, which"},
    {"IdentityFile a%\n",           ": IdentityFile \"a%\" has a %?, which"},
    {"HostName a/b\n",              ": HostName \"a/b\" is no name of a host"},
    {"HostName -x\n",               ": HostName \"-x\" is no name of a host"},
    {"ProxyJump a b\n",             ":1: ProxyJump: \"a b\" is no list of"},
    {"ProxyJump a,,b\n",            ":1: ProxyJump: \"a,,b\" is no list of"},
    {"ProxyJump -x\n",              ":1: ProxyJump: \"-x\" is no list of"},
    {"ProxyJump a:0\n",             ":1: ProxyJump: \"a:0\" is no list of"},
    {"Host *\nProxyJump dockerhost\n", ":2: ProxyJump: dockerhost would be "
                                    "reached through itself"},
    {"Match host a all\nMatch host a host b all\n", ":2: Match all goes with "
                                    "no other"},
    {"Match !\n",                   ":1: Match  is not known"},
    {"Include " CONFIG "\n",        ":1: Include: more than 16 files deep"},
};
/* clang-format on */

static void what_is_refused_says_where_and_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        char start[256];

        snprintf(start, sizeof(start), "%s%s", CONFIG, refusals[i].why);
        if (ask("dockerhost", refusals[i].text) != SSH_CONFIG_E_REFUSED ||
            strncmp(why, start, strlen(start)) != 0)
            fail_msg("%s says \"%s\", not \"%s\"", refusals[i].text, why,
                     start);
    }
}

static void what_is_not_meant_is_not_refused(void **state)
{
    (void)state;
    assert_int_equal(ask("dockerhost", "Host other\n ProxyCommand nc\n"
                                       " CanonicalizeHostname yes\n"
                                       "Match host other exec x\n User a\n"
                                       "Match all\n ProxyJump a\n"
                                       "ProxyCommand nc\n"),
                     0);
    assert_int_equal(config.hop_count, 1);
    assert_null(config.user);
    /* "none" first means none */
    assert_int_equal(ask("dockerhost", "ProxyCommand none\nProxyJump a\n"), 0);
    assert_int_equal(config.hop_count, 0);
}

static void what_is_not_followed_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(ask("dockerhost",
                         "Host other\n ForwardAgent yes\nHost *\n"
                         " Compression yes\n compression no\n"
                         " StrictHostKeyChecking no\n IgnoreUnknown Use*\n"
                         " UseKeychain yes\n TCPKeepAlive yes\n"),
                     0);
    assert_int_equal(config.not_followed.count, 2);
    assert_string_equal(config.not_followed.items[0],
                        CONFIG ":4: Compression is not followed");
    assert_string_equal(
        config.not_followed.items[1],
        CONFIG ":6: StrictHostKeyChecking is not followed; berth takes no host "
               "key that is not known already; add it with ssh-keyscan");
}

static void jump_hosts_come_in_order(void **state)
{
    (void)state;
    assert_int_equal(
        ask("dockerhost", "ProxyJump a,ops@b:2200,ssh://c@[::1]:3/ # why\n"),
        0);
    assert_int_equal(config.hop_count, 3);
    assert_string_equal(config.hops[0].host, "a");
    assert_null(config.hops[0].user);
    assert_int_equal(config.hops[0].port, 0);
    assert_string_equal(config.hops[1].user, "ops");
    assert_int_equal(config.hops[1].port, 2200);
    assert_string_equal(config.hops[2].host, "::1");
    assert_int_equal(config.hops[2].port, 3);
}

/* COUNT lines that begin with LINE, as a file. */
static int ask_many(const char *line, unsigned count)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * MIB);

    for (unsigned i = 0; i < count; i++)
        strbuf_addf(&text, "%s%07u\n", line, i);
    return ask("dockerhost", strbuf_cstr(&text));
}

static void every_limit_has_an_edge(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(2 * MIB);
    char names[SSH_WORLD_FILES][16];
    const struct ssh_config_query query = {.host = "dockerhost"};

    (void)state;
    assert_int_equal(ask_many("IdentityFile /", LIMIT_IDENTITIES), 0);
    assert_int_equal(ask_many("IdentityFile /", LIMIT_IDENTITIES + 1),
                     SSH_CONFIG_E_REFUSED);
    assert_int_equal(ask("x", "ProxyJump 1,2,3,4,5,6,7,8\n"), 0);
    assert_int_equal(ask("x", "ProxyJump 1,2,3,4,5,6,7,8,9\n"),
                     SSH_CONFIG_E_REFUSED);
    for (size_t i = 0; i < LIMIT_SSH_CONFIG_LINE; i++)
        strbuf_add_char(&text, '#');
    assert_int_equal(ask("x", strbuf_cstr(&text)), 0);
    strbuf_add_char(&text, '#');
    assert_int_equal(ask("x", strbuf_cstr(&text)), SSH_CONFIG_E_REFUSED);
    assert_int_equal(ask_many("# ", LIMIT_SSH_CONFIG / 10), 0);
    assert_int_equal(ask_many("# ", LIMIT_SSH_CONFIG / 10 + 1),
                     SSH_CONFIG_E_REFUSED);
    for (unsigned more = 0; more < 2; more++) {
        ssh_world_init(&world);
        ssh_world_add(&world, CONFIG, S("Include /inc/*\n"));
        for (unsigned i = 0; i < LIMIT_SSH_CONFIG_FILES - 2 + more; i++) {
            snprintf(names[i], sizeof(names[i]), "/inc/%u", i);
            ssh_world_add(&world, names[i], S(""));
        }
        assert_int_equal(ask_for(&query), more ? SSH_CONFIG_E_REFUSED : 0);
    }
}

static void algorithms_change_the_defaults(void **state)
{
    static const struct {
        const char *list, *defaults, *made;
    } cases[] = {
        {"x,y",   "a,b,c",     "x,y"    },
        {"+x,a",  "a,b,c",     "a,b,c,x"},
        {"^c,x",  "a,b,c",     "c,x,a,b"},
        {"-b",    "a,b,c",     "a,c"    },
        {"-a*,b", "a1,a2,b,c", "c"      },
        {"-*",    "a,b",       ""       },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO(strbuf_fini) struct strbuf out = STRBUF(100);

        assert_int_equal(ssh_config_algorithms(str_from(cases[i].list),
                                               str_from(cases[i].defaults),
                                               &out),
                         0);
        assert_string_equal(strbuf_cstr(&out), cases[i].made);
    }
}

static int clean_up(void **state)
{
    (void)state;
    ssh_config_fini(&config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_files_a_host_is_itself),
        cmocka_unit_test(the_first_value_wins),
        cmocka_unit_test(what_was_said_before_goes_first),
        cmocka_unit_test(the_users_file_goes_before_the_systems),
        cmocka_unit_test(an_include_is_below_the_users_directory),
        cmocka_unit_test(the_systems_file_has_no_home),
        cmocka_unit_test(a_file_that_others_can_write_to_is_refused),
        cmocka_unit_test(tokens_are_expanded),
        cmocka_unit_test(what_is_refused_says_where_and_why),
        cmocka_unit_test(what_is_not_meant_is_not_refused),
        cmocka_unit_test(what_is_not_followed_is_told_once),
        cmocka_unit_test(jump_hosts_come_in_order),
        cmocka_unit_test(every_limit_has_an_edge),
        cmocka_unit_test(algorithms_change_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
