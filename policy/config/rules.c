#include "policy/config/rules.h"

#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/base/subnet.h"

/* All sections but the one of containers, which has a file of its own. */

static bool check_address(struct str text, struct strbuf *why)
{
    struct subnet subnet;

    if (str_find(text, '/') < 0 && subnet_parse(text, &subnet))
        return true;
    strbuf_addf(why, "is no address; write one like \"127.0.0.1\"");
    return false;
}

static bool check_address_or_star(struct str text, struct strbuf *why)
{
    return str_eq(text, S("*")) || check_address(text, why);
}

static bool check_range(struct str text, struct strbuf *why)
{
    struct subnet subnet;

    if (subnet_parse(text, &subnet))
        return true;
    strbuf_addf(why, "is no subnet; write one like \"10.42.0.0/16\"");
    return false;
}

#define PATTERN_IMAGE "^(?!https?:)[!-~]*[!-.0-~]$"
static bool check_image_pattern(struct str text, struct strbuf *why)
{
    bool good = text.len > 0;

    for (size_t i = 0; good && i < text.len; i++)
        good = text.ptr[i] > ' ' && text.ptr[i] < 0x7f;
    if (good && !str_has_prefix(text, S("http:")) &&
        !str_has_prefix(text, S("https:")) && text.ptr[text.len - 1] != '/')
        return true;
    strbuf_addf(why, "is no registry, repository or image; write one like "
                     "\"ghcr.io\", \"ghcr.io/acme\" or \"alpine\"");
    return false;
}

static bool check_ports(const void *object, const char **key,
                        struct strbuf *why)
{
    const struct port_rules *rules = object;

    if (rules->lowest <= rules->highest)
        return true;
    *key = "lowest";
    strbuf_addf(why, "is above highest; write no more than that");
    return false;
}

/* A group of caches becomes part of a host name. */
#define PATTERN_GROUP "^[a-z0-9](-?[a-z0-9])*$"
static bool check_group(struct str text, struct strbuf *why)
{
    bool good = text.len > 0 && text.len <= LIMIT_NAMESPACE;

    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.ptr[i];
        bool edge = i == 0 || i + 1 == text.len || text.ptr[i - 1] == '-';

        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               (c == '-' && !edge);
    }
    if (!good)
        strbuf_addf(why,
                    "is no name for a group; write one like \"team-a\", "
                    "of small letters, digits and single \"-\", %d at "
                    "most",
                    LIMIT_NAMESPACE);
    return good;
}

static const char *const unknown_words[] = {"refuse", "drop", NULL};
static const char *const port_places[] = {"runner", "host", "nowhere", NULL};
static const char *const provenance_words[] = {"keep", "drop", NULL};

// clang-format off
static const struct setting exec_rows[] = {
    {"privileged", BOOL_AT(struct exec_rules, privileged), "false",
     .help = "commands that own the host (exec --privileged)"},
    {"root", BOOL_AT(struct exec_rules, root), "true",
     .help = "commands that ask to be root in their container"},
};
const struct shape exec_rules_shape = SHAPE(struct exec_rules, exec_rows);

static const struct setting port_rows[] = {
    {"publish", ENUM_AT(struct port_rules, publish), "\"host\"", .words = port_places,
     .help = "where the ports that containers publish answer: on the runner's "
             "localhost, from where berth carries connections to the engine's "
             "host; on the engine's host; or none may be published"},
    {"listen", STRINGS_AT(struct port_rules, listen), "[\"127.0.0.1\", \"::1\"]",
     .check = check_address, .pattern = "^[0-9a-fA-F:.]+$",
     .help = "with publish \"runner\": this machine's addresses on which ports "
             "answer that are asked for on no address, or on all of them; one "
             "of IPv6 that there is not is passed over; the first of IPv4 is "
             "shown as the gateway of bridge (docs/near.md)"},
    {"addresses", STRINGS_AT(struct port_rules, addresses),
     "[\"0.0.0.0\", \"::\", \"127.0.0.1\", \"::1\"]",
     .check = check_address_or_star, .pattern = "^([0-9a-fA-F:.]+|\\*)$",
     .help = "addresses that may be given; with publish \"runner\" they are "
             "this machine's, and its loopback addresses always may"},
    {"bind", STRING_AT(struct port_rules, bind), "null",
     .check = check_address, .pattern = "^[0-9a-fA-F:.]+$",
     .help = "where ports go on the host that are asked for on no address, or "
             "on all of them; null: on all, or with publish \"runner\" on a "
             "loopback address of the namespace's own"},
    {"lowest", INTEGER_AT(struct port_rules, lowest), "1024", .min = 1, .max = 65535,
     .help = "the lowest port that may be asked for on the host; on the "
             "runner's localhost, any may"},
    {"highest", INTEGER_AT(struct port_rules, highest), "65535", .min = 1, .max = 65535,
     .help = "the highest; a free port, found by the engine, is always fine"},
};
const struct shape port_rules_shape = {
    port_rows, sizeof(port_rows) / sizeof(port_rows[0]),
    sizeof(struct port_rules), check_ports,
};

static const struct setting network_rows[] = {
    {"drivers", STRINGS_AT(struct network_rules, drivers), "[\"bridge\"]",
     .help = "drivers that networks may have"},
    {"options", STRINGS_AT(struct network_rules, options),
     "[\"com.docker.network.bridge.enable_icc=*\", \"com.docker.network.bridge.enable_ip_masquerade=true\", "
     "\"com.docker.network.driver.mtu=*\"]",
     .help = "options of these drivers, as \"name=value\""},
    {"endpoint_options", STRINGS_AT(struct network_rules, endpoint_options), "[]",
     .help = "driver options of a container's place on a network"},
    {"subnets", STRINGS_AT(struct network_rules, subnets), "[]",
     .check = check_range, .pattern = "^[0-9a-fA-F:.]+(/[0-9]+)?$",
     .help = "where networks may choose their own addresses"},
    {"attachable", BOOL_AT(struct network_rules, attachable), "true",
     .help = "networks that say they are attachable, which means nothing without a swarm"},
    {"ingress", BOOL_AT(struct network_rules, ingress), "false",
     .help = "ingress networks of a swarm"},
    {"config_only", BOOL_AT(struct network_rules, config_only), "false",
     .help = "networks that are only a configuration for others, or use one"},
    {"ipv6", BOOL_AT(struct network_rules, ipv6), "false",
     .help = "networks with IPv6"},
    {"static_addresses", BOOL_AT(struct network_rules, static_addresses), "false",
     .help = "containers that choose their address"},
    {"mac_addresses", BOOL_AT(struct network_rules, mac_addresses), "false",
     .help = "containers that choose their MAC address"},
};
const struct shape network_rules_shape = SHAPE(struct network_rules, network_rows);

static const struct setting volume_rows[] = {
    {"drivers", STRINGS_AT(struct volume_rules, drivers), "[\"local\"]",
     .help = "drivers that volumes may have"},
    {"options", STRINGS_AT(struct volume_rules, options), "[\"size=*\"]",
     .help = "options of these drivers, as \"name=value\"; with type, device and "
             "o, the driver local mounts any part of the host"},
};
const struct shape volume_rules_shape = SHAPE(struct volume_rules, volume_rows);

static const struct setting image_rows[] = {
    {"registries", STRINGS_AT(struct image_rules, registries), "[\"*\"]",
     .check = check_image_pattern, .pattern = PATTERN_IMAGE,
     .help = "where images may come from: \"ghcr.io\", \"ghcr.io/acme\", "
             "\"alpine\"; \"*\" alone for everywhere but the engine's own "
             "host, whose registries are named beside it: \"localhost:5000\""},
    {"push", STRINGS_AT(struct image_rules, push), "[\"*\"]",
     .check = check_image_pattern, .pattern = PATTERN_IMAGE,
     .help = "where they may be pushed to, likewise"},
    {"tags", STRINGS_AT(struct image_rules, tags), "[\"*\"]",
     .check = check_image_pattern, .pattern = PATTERN_IMAGE,
     .help = "what names builds, tags, commits and imports may give"},
    {"shared", STRINGS_AT(struct image_rules, shared), "[\"*\"]",
     .check = check_image_pattern, .pattern = PATTERN_IMAGE,
     .help = "images on the engine that the runner sees without having pulled "
             "or made them; [] for none"},
    {"digests_only", BOOL_AT(struct image_rules, digests_only), "false",
     .help = "images that others made are named by their digest"},
    {"all_tags", BOOL_AT(struct image_rules, all_tags), "false",
     .help = "pulls of all tags at once"},
    {"import_urls", BOOL_AT(struct image_rules, import_urls), "false",
     .help = "imports that the engine fetches from a URL"},
};
const struct shape image_rules_shape = SHAPE(struct image_rules, image_rows);

static const struct setting build_rows[] = {
    {"buildkit", BOOL_AT(struct build_rules, buildkit), "true",
     .help = "builds with BuildKit by way of /build (version 2)"},
    {"host_network", BOOL_AT(struct build_rules, host_network), "false",
     .help = "builds whose steps use the network of the host"},
    {"remotes", STRINGS_AT(struct build_rules, remotes), "[]",
     .help = "URLs that the engine may fetch for a build: an ADD of its "
             "Dockerfile, or its context, like "
             "\"https://github.com/acme/*\""},
    {"outputs", STRINGS_AT(struct build_rules, outputs), "[\"local\", \"tar\", \"docker\", \"oci\"]",
     .help = "what a build may put out besides its image (buildx's --output)"},
    {"arguments", STRINGS_AT(struct build_rules, arguments), "[\"*\"]",
     .help = "names of build arguments"},
    {"insecure", BOOL_AT(struct build_rules, insecure), "false",
     .help = "steps that own the host (RUN --security=insecure)"},
    {"devices", STRINGS_AT(struct build_rules, devices), "[]",
     .help = "devices that steps may use (RUN --device), like \"vendor.com/gpu=*\"; \"*\" alone for all"},
    {"frontends", STRINGS_AT(struct build_rules, frontends), "[\"docker/dockerfile\"]",
     .check = check_image_pattern, .pattern = PATTERN_IMAGE,
     .help = "images that may read a Dockerfile in the engine's stead (# syntax=); what they do there is not seen"},
    {"llb", BOOL_AT(struct build_rules, llb), "false",
     .help = "steps that a client has written itself (buildctl), instead of a Dockerfile; they are not kept out of the "
             "cache of others"},
    {"interactive", BOOL_AT(struct build_rules, interactive), "false",
     .help = "containers to debug a build in (buildx debug)"},
    {"cache", STRING_AT(struct build_rules, cache), "null",
     .check = check_group, .pattern = PATTERN_GROUP,
     .help = "the group of runners that share results of steps and cache mounts; null: the namespace alone"},
    {"caches", STRINGS_AT(struct build_rules, caches), "[\"inline\", \"local\", \"registry\", \"gha\"]",
     .help = "types of caches that builds may read and write besides (--cache-from, --cache-to)"},
    {"cache_hosts", STRINGS_AT(struct build_rules, cache_hosts), "[\"*.actions.githubusercontent.com\"]",
     .help = "hosts that the engine may keep caches of type gha on"},
    {"provenance", ENUM_AT(struct build_rules, provenance), "\"keep\"", .words = provenance_words,
     .help = "what becomes of the record of how an image was built, which names the namespace where the image was built "
             "from one of the runner's own: keep it in the image, or drop it"},
};
const struct shape build_rules_shape = SHAPE(struct build_rules, build_rows);

static const struct setting label_rows[] = {
    {"reserved", STRINGS_AT(struct label_rules, reserved), "[]",
     .help = "labels that the runner may not set, besides berth's own; for "
             "other programs on the host that obey them, like \"traefik.*\""},
};
const struct shape label_rules_shape = SHAPE(struct label_rules, label_rows);

static const struct setting request_rows[] = {
    {"unknown_fields", ENUM_AT(struct request_rules, unknown_fields), "\"refuse\"", .words = unknown_words,
     .help = "what happens to fields of a request that berth does not know: "
             "refuse it, or drop them and go on"},
};
const struct shape request_rules_shape = SHAPE(struct request_rules, request_rows);

static const struct setting rules_rows[] = {
    {"container", OBJECT_AT(struct rules, container), .of = &container_rules_shape, .help = "what a container may be"},
    {"exec", OBJECT_AT(struct rules, exec), .of = &exec_rules_shape, .help = "what may be run in one"},
    {"ports", OBJECT_AT(struct rules, ports), .of = &port_rules_shape, .help = "ports that containers publish"},
    {"network", OBJECT_AT(struct rules, network), .of = &network_rules_shape, .help = "what a network may be"},
    {"volume", OBJECT_AT(struct rules, volume), .of = &volume_rules_shape, .help = "what a volume may be"},
    {"images", OBJECT_AT(struct rules, images), .of = &image_rules_shape, .help = "which images"},
    {"build", OBJECT_AT(struct rules, build), .of = &build_rules_shape, .help = "what a build may do"},
    {"labels", OBJECT_AT(struct rules, labels), .of = &label_rules_shape, .help = "labels of all of them"},
    {"request", OBJECT_AT(struct rules, request), .of = &request_rules_shape, .help = "how requests are read"},
};
const struct shape rules_shape = SHAPE(struct rules, rules_rows);
// clang-format on

void rules_leave_socket_out(struct rules *rules)
{
    char **socket = &rules->container.engine_socket;

    if (!*socket || strcmp(*socket, MOUNT_BERTH) != 0)
        return;
    free(*socket);
    *socket = xstrdup(MOUNT_NOTHING);
}
