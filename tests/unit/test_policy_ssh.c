#include "tests/unit/unit.h"

#include "policy/config/policy.h"
#include "tests/support/ssh_world.h"
#include "tests/unit/policy_environment.h"

/* The upstream of a policy, where OpenSSH's files say what its URL means. */

static struct ssh_world world;

/* The policy "upstream": {UPSTREAM}, or none, where the files of WORLD are. */
static int load_in_world(const char *upstream, struct policy **policy,
                         struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
    static const struct policy_override url = {"upstream.url",
                                               "ssh://dockerhost"};
    struct policy_source source = {
        .name = "p", .environment = &environment, .machine = &world.machine};

    if (upstream) {
        strbuf_addf(
            &text,
            "{\"version\": 1, \"namespace\": \"r1\", \"upstream\": {%s}}",
            upstream);
        source.text = strbuf_str(&text);
    } else {
        source.overrides = &url;
        source.override_count = 1;
    }
    return policy_load(&source, policy, why);
}

#define ALIAS "\"url\": \"ssh://dockerhost\", \"ssh_config\": \"/c\""

static void an_alias_means_what_ssh_makes_of_it(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    const struct upstream_config *config;
    struct policy *policy = NULL;

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, "/c",
                  S("Host dockerhost\n HostName 10.0.0.7\n User ops\n"
                    " Port 2222\n IdentityFile ~/key\n IdentitiesOnly yes\n"
                    " UserKnownHostsFile ~/known\n GlobalKnownHostsFile none\n"
                    " HostKeyAlias docker\n ConnectTimeout 7\n"
                    " ServerAliveInterval 5\n ServerAliveCountMax 4\n"
                    " AddressFamily inet\n BindAddress 10.0.0.1\n"
                    " IdentityAgent ~/agent\n Compression yes\n"));
    assert_int_equal(load_in_world(ALIAS, &policy, &why), 0);
    config = &policy->upstream;
    assert_string_equal(config->url, "ssh://dockerhost");
    assert_string_equal(config->host, "10.0.0.7");
    assert_string_equal(config->user, "ops");
    assert_int_equal(config->port, 2222);
    assert_int_equal(config->identity_count, 1);
    assert_string_equal(config->identities[0], "/home/me/key");
    assert_true(config->identities_only);
    assert_int_equal(config->known_hosts.count, 1);
    assert_string_equal(config->known_hosts.items[0], "/home/me/known");
    assert_string_equal(config->host_key_alias, "docker");
    assert_int_equal(config->connect_timeout_ms, 7000);
    assert_int_equal(config->dead_after_ms, 20000);
    assert_int_equal(config->ip_version, 4);
    assert_string_equal(config->bind_address, "10.0.0.1");
    assert_string_equal(config->agent_socket, "/home/me/agent");
    assert_int_equal(config->not_followed.count, 1);
    assert_null(config->jump);
    policy_unref(policy);
}

static void what_the_policy_says_goes_before_the_file(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    const struct upstream_config *config;
    struct policy *policy = NULL;

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, "/c",
                  S("User ops\nPort 2222\nIdentityFile ~/key\n"
                    "UserKnownHostsFile ~/known\nConnectTimeout 7\n"
                    "ServerAliveInterval 5\nIdentityAgent none\n"
                    "ProxyJump bastion\n"));
    assert_int_equal(
        load_in_world(
            "\"url\": \"ssh://boss@dockerhost:44\", "
            "\"ssh_config\": \"/c\", \"identity\": \"/k\", "
            "\"known_hosts\": \"/h\", \"agent\": true, "
            "\"connect_timeout\": \"2s\", \"dead_after\": \"9s\", "
            "\"jump\": [\"ssh://me@other:2200\", "
            "{\"url\": \"ssh://last\", \"host_key\": null, "
            "\"known_hosts\": \"/own\", \"identity\": [\"/own_key\"]}]",
            &policy, &why),
        0);
    config = &policy->upstream;
    assert_string_equal(config->user, "boss");
    assert_int_equal(config->port, 44);
    assert_string_equal(config->identities[0], "/k");
    assert_int_equal(config->identity_count, 1);
    assert_string_equal(config->known_hosts.items[0], "/h");
    assert_int_equal(config->known_hosts.count, 1);
    assert_true(config->agent);
    assert_int_equal(config->connect_timeout_ms, 2000);
    assert_int_equal(config->dead_after_ms, 9000);
    config = config->jump;
    assert_string_equal(config->host, "last");
    assert_string_equal(config->user, "ops");
    assert_string_equal(config->known_hosts.items[0], "/own");
    assert_string_equal(config->identities[0], "/own_key");
    assert_string_equal(config->forward_host, "dockerhost");
    assert_int_equal(config->forward_port, 44);
    config = config->jump;
    assert_string_equal(config->host, "other");
    assert_string_equal(config->user, "me");
    assert_int_equal(config->port, 2200);
    assert_string_equal(config->forward_host, "last");
    assert_int_equal(config->spare_channels, 0);
    assert_int_equal(config->links, 1); /* of a jump host */
    assert_int_equal(config->connect_timeout_ms, 2000);
    assert_null(config->jump);
    policy_unref(policy);
}

static void jump_hosts_have_blocks_of_their_own(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    const struct upstream_config *config;
    struct policy *policy = NULL;

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, "/c",
                  S("Host dockerhost\n ProxyJump x@inner:3,middle\n"
                    "Host inner\n HostName in.example\n User no\n"
                    " ProxyJump outer\n IdentityFile ~/inner\n"
                    "Host middle\n Port 4\n ProxyJump nowhere\n"
                    "Host outer\n User first\n"));
    assert_int_equal(load_in_world(ALIAS, &policy, &why), 0);
    config = policy->upstream.jump;
    assert_string_equal(config->url, "ssh://me@middle:4");
    config = config->jump;
    assert_string_equal(config->url, "ssh://x@in.example:3");
    assert_string_equal(config->identities[0], "/home/me/inner");
    config = config->jump;
    assert_string_equal(config->url, "ssh://first@outer:22");
    assert_null(config->jump);
    policy_unref(policy);

    ssh_world_init(&world);
    ssh_world_add(&world, "/c",
                  S("Host a\n ProxyJump b\nHost b\n ProxyJump a\n"
                    "Host dockerhost\n ProxyJump a\n"));
    assert_int_equal(load_in_world(ALIAS, &policy, &why), POLICY_E_INVALID);
    assert_non_null(strstr(strbuf_cstr(&why), "more than 8 jump hosts"));
}

static void a_file_of_ssh_is_refused_with_its_line(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct policy *policy = NULL;

    (void)state;
    ssh_world_init(&world);
    assert_int_equal(load_in_world(ALIAS, &policy, &why), POLICY_E_INVALID);
    assert_string_equal(strbuf_cstr(&why),
                        "p: upstream.url: /c: No such file or directory\n");
    strbuf_clear(&why);
    ssh_world_add(&world, "/c", S("Host *\n ProxyCommand nc %h %p\n"));
    assert_int_equal(load_in_world(ALIAS, &policy, &why), POLICY_E_INVALID);
    assert_string_equal(strbuf_cstr(&why),
                        "p: upstream.url: /c:2: ProxyCommand would run a "
                        "program, which berth never does; write ProxyJump, or "
                        "upstream.jump, for a jump host, and "
                        "upstream.proxy for a proxy\n");
}

static void without_a_policy_the_users_own_files_are_read(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct policy *policy = NULL;

    (void)state;
    ssh_world_init(&world);
    ssh_world_add(&world, "/root/.ssh/config", S("User one\n"));
    ssh_world_add(&world, "/etc/ssh/ssh_config", S("User two\nPort 2200\n"));
    assert_int_equal(load_in_world(NULL, &policy, &why), 0);
    assert_string_equal(policy->upstream.user, "one");
    assert_int_equal(policy->upstream.port, 2200);
    assert_string_equal(policy->upstream.known_hosts.items[0],
                        "/home/me/.ssh/known_hosts");
    assert_true(policy->upstream.known_hosts_may_miss);
    assert_string_equal(policy->upstream.identities[0],
                        "/home/me/.ssh/id_ed25519");
    policy_unref(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_means_what_ssh_makes_of_it),
        cmocka_unit_test(what_the_policy_says_goes_before_the_file),
        cmocka_unit_test(jump_hosts_have_blocks_of_their_own),
        cmocka_unit_test(a_file_of_ssh_is_refused_with_its_line),
        cmocka_unit_test(without_a_policy_the_users_own_files_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
