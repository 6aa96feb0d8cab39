/*
 * The input is the files of a machine, one after the other with the byte 1
 * between: the user's, then those that an Include of /1, /2 ... can name.
 * Property: a refusal has a reason; an answer has a host that can be looked up
 * and no more of anything than there may be; and asked again, it is the same.
 */

#include <assert.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/ssh_world.h"

static const char *const paths[] = {"/0", "/1", "/2", "/3", "/4"};

static int ask(const struct ssh_world *world, const char *host,
               struct ssh_config *config, struct strbuf *why)
{
    const struct ssh_config_file file = {
        .path = "/0", .user = true, .required = true};
    const struct ssh_config_query query = {
        .host = host,
        .machine = &world->machine,
        .files = &file,
        .file_count = 1,
    };

    return ssh_config_resolve(&query, config, why);
}

static void check(const struct ssh_config *config)
{
    assert(config->host_name && *config->host_name);
    assert(strlen(config->host_name) <= LIMIT_HOST);
    assert(!strpbrk(config->host_name, " \t\r\n/@"));
    assert(config->port == -1 || (config->port > 0 && config->port < 65536));
    assert(config->hop_count <= LIMIT_JUMPS);
    assert(config->identities.count <= LIMIT_IDENTITIES);
    assert(config->identities.count == config->identity_words.count);
    assert(config->user_known_hosts.count <= LIMIT_KNOWN_HOSTS_FILES);
    for (size_t i = 0; i < config->hop_count; i++)
        assert(config->hops[i].host[0] && config->hops[i].host[0] != '-');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = {"dockerhost", "10.0.0.1"};
    struct str rest = str_of((const char *)data, size), one;
    struct ssh_world world;

    ssh_world_init(&world);
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        str_cut(rest, '\1', &one, &rest);
        ssh_world_add(&world, paths[i], one);
    }
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
        AUTO(strbuf_fini) struct strbuf again = STRBUF(64 * KIB);
        struct ssh_config config = {0}, other = {0};
        int r = ask(&world, hosts[i], &config, &why);

        assert(r == ask(&world, hosts[i], &other, &again));
        assert((r == 0) == (why.len == 0));
        assert(str_eq(strbuf_str(&why), strbuf_str(&again)));
        if (r == 0) {
            check(&config);
            assert(strcmp(config.host_name, other.host_name) == 0);
        }
        ssh_config_fini(&config);
        ssh_config_fini(&other);
    }
    return 0;
}
