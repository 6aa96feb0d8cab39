/*
 * What berth makes of a host by a file, in the words of "ssh -G", for
 * against_ssh.py:  resolve FILE HOST
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/base/ssh_files.h"

static const char *get_variable(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static void put(const char *key, const char *value)
{
    if (value)
        printf("%s %s\n", key, value);
}

static void put_each(const char *key, const struct strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        put(key, list->items[i]);
}

static void put_line(const char *key, const struct strings *list)
{
    if (list->count == 0)
        return;
    printf("%s", key);
    for (size_t i = 0; i < list->count; i++)
        printf(" %s", list->items[i]);
    printf("\n");
}

static void put_number(const char *key, long long value)
{
    if (value >= 0)
        printf("%s %lld\n", key, value);
}

static void put_word(const char *key, int value, const char *const *words)
{
    if (value >= 0)
        printf("%s %s\n", key, words[value]);
}

static void put_hops(const struct ssh_config *config)
{
    for (size_t i = 0; i < config->hop_count; i++) {
        const struct ssh_config_hop *hop = &config->hops[i];

        printf("%s%s%s%s", i ? "," : "proxyjump ", hop->user ? hop->user : "",
               hop->user ? "@" : "", hop->host);
        if (hop->port)
            printf(":%u", hop->port);
    }
    if (config->hop_count)
        printf("\n");
}

int main(int argc, char **argv)
{
    static const char *const flags[] = {"no", "yes"};
    static const char *const families[] = {"any", "inet", "inet6"};
    static const char *const stricts[] = {"false", "true", "ask", "accept-new"};
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_SSH_CONFIG_LINE);
    char host[256] = "";
    struct environment environment = {.get = get_variable};
    struct ssh_config_file file = {.user = true, .required = true};
    struct ssh_config_query query = {.files = &file, .file_count = 1};
    struct ssh_config config;
    struct ssh_files files;

    if (argc != 3)
        return 2;
    gethostname(host, sizeof(host) - 1);
    environment.host_name = host;
    ssh_files_init(&files, &environment);
    file.path = argv[1];
    query.host = argv[2];
    query.machine = &files.machine;
    if (ssh_config_resolve(&query, &config, &why)) {
        fprintf(stderr, "%.*s\n", STR_FMT(strbuf_str(&why)));
        ssh_files_fini(&files);
        return 1;
    }
    put("hostname", config.host_name);
    put("user", config.user ? config.user : files.user);
    put_number("port", config.port > 0 ? config.port : 22);
    put_each("identityfile", &config.identity_words);
    put_each("certificatefile", &config.certificate_words);
    put_word("identitiesonly", config.identities_only, flags);
    put("identityagent", config.identity_agent);
    put_line("userknownhostsfile", &config.user_known_hosts);
    put_line("globalknownhostsfile", &config.global_known_hosts);
    put("hostkeyalias", config.host_key_alias);
    put("hostkeyalgorithms", config.host_key_algorithms);
    put("ciphers", config.ciphers);
    put("macs", config.macs);
    put("kexalgorithms", config.kex_algorithms);
    put_number("connecttimeout", config.connect_timeout);
    put_number("serveraliveinterval", config.alive_interval);
    put_number("serveralivecountmax", config.alive_count);
    put_word("addressfamily", config.family, families);
    put("bindaddress", config.bind_address);
    put_word("tcpkeepalive", config.tcp_keep_alive, flags);
    put_word("stricthostkeychecking", config.strict, stricts);
    if (config.rekey_bytes >= 0 || config.rekey_seconds >= 0)
        printf("rekeylimit %lld %d\n",
               config.rekey_bytes < 0 ? 0 : config.rekey_bytes,
               config.rekey_seconds < 0 ? 0 : config.rekey_seconds);
    put_hops(&config);
    put_each("#", &config.not_followed);
    ssh_config_fini(&config);
    ssh_files_fini(&files);
    return 0;
}
