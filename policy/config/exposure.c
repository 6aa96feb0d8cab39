#include "policy/config/exposure.h"

#include <stdio.h>

#include "policy/base/pattern.h"
#include "policy/base/subnet.h"
#include "policy/config/host_path.h"

enum {
    SHOWN = 200, /* bytes of an entry */
    MOUNTS = 32, /* that are looked at */
};

enum kind {
    IF_TRUE,  /* a flag that is set */
    IF_TAKES, /* entries of a list that let one of WORDS pass */
    IF_OTHER, /* entries that let more pass than one of WORDS, patterns of
                 what is known to be harmless */
};

struct row {
    const char *key;
    enum kind kind;
    size_t at;         /* in struct rules */
    const char *words; /* with "|" between them */
    const char *means;
};

#define TAKES_OVER                                                             \
    "ALL|SYS_ADMIN|SYS_MODULE|SYS_RAWIO|SYS_PTRACE|SYS_BOOT|DAC_READ_SEARCH|"  \
    "BPF"
/* what every container has */
#define HARMLESS_CAPABILITIES                                                  \
    "AUDIT_WRITE|CHOWN|DAC_OVERRIDE|FOWNER|FSETID|KILL|MKNOD|"                 \
    "NET_BIND_SERVICE|NET_RAW|SETFCAP|SETGID|SETPCAP|SETUID|SYS_CHROOT"

// clang-format off
#define FLAG(member)        .key = #member, .kind = IF_TRUE, .at = SETTING_FIELD(struct rules, member, bool)
#define TAKES(member, list) .key = #member, .kind = IF_TAKES, .words = (list), .at = SETTING_FIELD(struct rules, member, struct strings)
#define OTHER(member, list) .key = #member, .kind = IF_OTHER, .words = (list), .at = SETTING_FIELD(struct rules, member, struct strings)
static const struct row rows[] = {
    {FLAG(container.privileged), .means = "a container that asks for it owns the host"},
    {FLAG(exec.privileged), .means = "a command that asks for it owns the host"},
    {TAKES(container.host_namespaces, "pid"), .means = "lets containers see the host's processes, and take over some"},
    {TAKES(container.host_namespaces, "network"), .means = "lets containers reach what listens on the host alone, and other runners' containers"},
    {TAKES(container.host_namespaces, "user"), .means = "makes root in a container root on the host"},
    {TAKES(container.host_namespaces, "ipc|uts|cgroup"), .means = "is shared with the host and all who share it"},
    {TAKES(container.capabilities, TAKES_OVER), .means = "is a known way from a container to the host"},
    {OTHER(container.capabilities, HARMLESS_CAPABILITIES "|" TAKES_OVER), .means = "is more than containers have by themselves, and reaches the host's kernel"},
    {OTHER(container.devices, "/dev/kvm|/dev/fuse|/dev/net/tun|/dev/null|/dev/zero|/dev/dri|/dev/snd|/dev/vhost-net|/dev/vsock"), .means = "may be the host's disk, memory or hardware, and then the host"},
    {OTHER(container.device_requests, "gpu|nvidia|amd"), .means = "is a driver on the host that decides what of the host a container gets"},
    {OTHER(container.device_cgroup_rules, "c 1:3 *|c 1:5 *|c 1:7 *|c 1:8 *|c 1:9 *|c 5:0 *|c 10:200 *|c 10:229 *|c 10:232 *|c 226:* *|c 116:* *"), .means = "may be the host's disks, memory or hardware: a container can make the file for any device of that number"},
    {OTHER(container.security_options, "no-new-privileges|no-new-privileges=true|no-new-privileges:true|seccomp=builtin|apparmor=docker-default"), .means = "may take away what confines a container"},
    {FLAG(container.unmasked_paths), .means = "containers can see and change settings of the host's kernel"},
    {OTHER(container.runtimes, "runc|io.containerd.runc.v2|runsc|kata"), .means = "is a program that containers choose on the host"},
    {OTHER(container.annotations, ""), .means = "is up to the runtime, which runs as root on the host"},
    {FLAG(container.oom_protected), .means = "when memory runs out, the kernel ends the host's own processes in place of such a container's"},
    {FLAG(container.realtime), .means = "a container can keep the host's CPUs from all others"},
    {FLAG(container.checkpoints), .means = "a process is restored from files, with whatever they say it may do"},
    {OTHER(container.propagation, "private|rprivate|slave|rslave"), .means = "makes what a container mounts appear on the host"},
    {OTHER(container.storage_options, "size=*"), .means = "is up to the storage driver of the host"},
    {OTHER(container.log_drivers, "json-file|local|none|journald"), .means = "sends what a container writes from the host to wherever its options say, the host's own sockets among it"},
    {OTHER(container.log_options, "max-size=*|max-file=*|max-buffer-size=*|mode=*|compress=*|labels=*|labels-regex=*|env=*|env-regex=*|tag=*"), .means = "may be an address that the host reaches, or a file of the host"},
    {OTHER(volume.drivers, "local"), .means = "is a program on the host, and what it does with a volume's name and options is up to it"},
    {OTHER(volume.options, "size=*|type=tmpfs|device=tmpfs"), .means = "is a way to mount any path of the host as a volume"},
    {OTHER(network.drivers, "bridge|null"), .means = "puts containers on the host's own network"},
    {OTHER(network.options, "com.docker.network.bridge.enable_icc=*|com.docker.network.bridge.enable_ip_masquerade=true|com.docker.network.driver.mtu=*"), .means = "may name an interface or an address of the host, or change its firewall"},
    {OTHER(network.endpoint_options, ""), .means = "is up to the network's driver, which may change the host"},
    {FLAG(network.ingress), .means = "is a network of all machines of a swarm"},
    {FLAG(network.config_only), .means = "such a network hides from the rules what it is made of"},
    {FLAG(images.import_urls), .means = "the engine fetches any URL that the host reaches"},
    {OTHER(build.remotes, "https://github.com/*|https://gitlab.com/*|https://bitbucket.org/*"), .means = "lets the engine fetch what perhaps only the host reaches"},
    {OTHER(build.outputs, "local|tar|docker|oci|cacheonly"), .means = "puts images where images.push does not look"},
    {FLAG(build.host_network), .means = "a step of a build reaches what listens on the host alone"},
};
// clang-format on

/* The first word of *WORDS, which then is what follows. */
static struct str next_word(struct str *words)
{
    struct str word;

    str_cut(*words, '|', &word, words);
    return word;
}

static bool is_exposed(const struct row *row, struct str entry)
{
    struct str words = str_from(row->words), rest;

    if (str_eq_nocase(str_head(entry, 4), S("CAP_")))
        entry = str_from_index(entry, 4);
    if (str_has_prefix(entry, S("/dev/")))
        str_cut(entry, ':', &entry, &rest); /* "/dev/kvm:rw" */
    while (words.len) {
        struct str word = next_word(&words);

        if (str_eq_nocase(entry, word) ||
            (row->kind == IF_TAKES ? pattern_matches(entry, word)
                                   : pattern_matches(word, entry)))
            return row->kind == IF_TAKES;
    }
    return row->kind == IF_OTHER;
}

static int put_row(const struct row *row, const struct rules *rules,
                   struct strbuf *out)
{
    const void *value = (const char *)rules + row->at;
    const struct strings *list = value;
    struct str first = S("");
    size_t count = 0;

    if (row->kind == IF_TRUE)
        return *(const bool *)value
                   ? strbuf_addf(out, "%s: %s\n", row->key, row->means)
                   : 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!is_exposed(row, str_from(list->items[i])))
            continue;
        if (count++ == 0)
            first = str_head(str_from(list->items[i]), SHOWN);
    }
    if (count == 0)
        return 0;
    if (count == 1)
        return strbuf_addf(out, "%s: \"%.*s\" %s\n", row->key, STR_FMT(first),
                           row->means);
    return strbuf_addf(out, "%s: \"%.*s\" (and %zu more) %s\n", row->key,
                       STR_FMT(first), count - 1, row->means);
}

/* ---- what takes more than a list of words ---- */

/* Where private networks are (RFC 1918, 4193 and 6598); any other range takes
 * the host's way to what is there. */
static bool is_private(struct str text)
{
    static const struct str ranges[] = {
        STR("10.0.0.0/8"),    STR("172.16.0.0/12"), STR("192.168.0.0/16"),
        STR("100.64.0.0/10"), STR("fc00::/7"),
    };
    struct subnet inner, outer;

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (subnet_parse(text, &inner) && subnet_parse(ranges[i], &outer) &&
            subnet_is_within(&inner, &outer))
            return true;
    }
    return false;
}

static int put_subnets(const struct strings *subnets, struct strbuf *out)
{
    int r = 0;

    for (size_t i = 0; i < subnets->count && r == 0; i++) {
        struct str text = str_from(subnets->items[i]);

        if (!is_private(text))
            r = strbuf_addf(out,
                            "network.subnets: \"%.*s\" is not private: such a "
                            "network takes the host's way to these addresses\n",
                            STR_FMT(str_head(text, SHOWN)));
    }
    return r;
}

static int put_rest(const struct rules *rules, struct strbuf *out)
{
    const char *socket = rules->container.engine_socket;
    int r = put_subnets(&rules->network.subnets, out);

    if (r == 0 && rules->ports.publish == PORTS_HOST &&
        rules->ports.lowest < 1024)
        r = strbuf_addf(out,
                        "ports.lowest: %u lets containers take ports of the "
                        "host's own services\n",
                        rules->ports.lowest);
    if (r == 0 && socket && path_is_engine_socket(str_from(socket)))
        r = strbuf_addf(out,
                        "container.engine_socket: %s is the engine itself by "
                        "its name; it has to be the socket of a berth\n",
                        socket);
    if (r == 0 && !rules->container.root && rules->exec.root)
        r = strbuf_addf(out,
                        "exec.root: an exec may be root in a container that "
                        "may not (container.root); set it to false, too\n");
    return r;
}

/* ---- mounts ---- */

struct host_place {
    struct str path;
    bool above_only; /* what is below it is somebody else's */
    bool written;    /* it matters only if it may be written to */
    const char *means;
};

#define SOCKET                                                                 \
    "has the engine's socket in it, and whoever mounts that owns the host"
#define STORE    "holds the files of all containers, of every runner"
#define PROGRAMS "is what the host runs"

/* The worst first. */
// clang-format off
static const struct host_place host_places[] = {
    {STR("/run/docker.sock"),               .means = SOCKET},
    {STR("/var/run/docker.sock"),           .means = SOCKET},
    {STR("/run/containerd/containerd.sock"), .means = SOCKET},
    {STR("/var/lib/docker"),                .means = STORE},
    {STR("/var/lib/containerd"),            .means = STORE},
    {STR("/proc"),                          .means = "is the host's kernel and processes"},
    {STR("/sys"),                           .means = "is the host's kernel and hardware"},
    {STR("/dev"),                           .means = "is the host's hardware, its disks among it"},
    {STR("/etc"),                           .means = "is how the host is set up, passwords among it"},
    {STR("/root"),                          .means = "is the home of the host's root"},
    {STR("/boot"), .written = true,         .means = "is what the host starts from"},
    {STR("/usr"),  .written = true,         .means = PROGRAMS},
    {STR("/bin"),  .written = true,         .means = PROGRAMS},
    {STR("/sbin"), .written = true,         .means = PROGRAMS},
    {STR("/lib"),  .written = true,         .means = PROGRAMS},
    {STR("/opt"),  .written = true,         .means = PROGRAMS},
    {STR("/home"), .above_only = true,      .means = "is everybody's home on the host, keys among it"},
};
// clang-format on

static const char *find_place(struct str path, bool written)
{
    for (size_t i = 0; i < sizeof(host_places) / sizeof(host_places[0]); i++) {
        const struct host_place *row = &host_places[i];

        if (row->written && !written)
            continue;
        if (path_is_within(row->path, path) ||
            (!row->above_only && path_is_within(path, row->path)))
            return row->means;
    }
    return NULL;
}

/* What is in the runner's container, the runner has; all of it may be more than
 * its jobs are to have. */
static int put_runner_mount(const struct rules *rules,
                            const struct mount_rule *rule, size_t index,
                            struct strbuf *out)
{
    if (strcmp(rule->source, "/") != 0)
        return 0;
    return strbuf_addf(
        out,
        "container.mounts[%zu]: / is whatever %.*s mounts: see "
        "that no socket of the engine, no key and no directory "
        "of the host that its jobs must not have is there\n",
        index, STR_FMT(str_head(str_from(rules->container.runner), SHOWN)));
}

/* What is copied is this machine's, on which the runner is. */
static int put_copy(const struct mount_rule *rule, size_t index,
                    struct strbuf *out)
{
    bool written = rule->mode == MOUNT_READ_WRITE;
    struct str source = path_trim(str_from(rule->source));
    const char *means = find_place(source, written);

    if (!means)
        return 0;
    return strbuf_addf(out,
                       "container.mounts[%zu]: %.*s of the machine that berth "
                       "runs on %s\n",
                       index, STR_FMT(str_head(source, SHOWN)), means);
}

static int put_mount(const struct rules *rules, const struct mount_rule *rule,
                     size_t index, struct strbuf *out)
{
    bool written = rule->mode == MOUNT_READ_WRITE;
    struct str host =
        path_trim(str_from(rule->host ? rule->host : rule->source));
    const char *means = find_place(host, written);

    if (rule->by == MOUNT_BY_CONTAINER)
        return put_runner_mount(rules, rule, index, out);
    if (rule->by == MOUNT_BY_COPY)
        return put_copy(rule, index, out);
    host = str_head(host, SHOWN);
    if (means)
        return strbuf_addf(out, "container.mounts[%zu]: %.*s %s\n", index,
                           STR_FMT(host), means);
    if (!written)
        return 0;
    return strbuf_addf(
        out,
        "container.mounts[%zu]: %.*s may be written to, and a symbolic link "
        "that a container makes there leads the next mount anywhere on the "
        "host%s\n",
        index, STR_FMT(host),
        rule->create
            ? ", which \"create\": false prevents on Engine 26 and later"
            : ", if that has an engine before 26 or \"isolation\" is "
              "\"none\"");
}

int exposure_put(const struct rules *rules, struct strbuf *out)
{
    const struct objects *mounts = &rules->container.mounts;
    const struct mount_rule *mount = mounts->items;
    size_t shown = mounts->count < MOUNTS ? mounts->count : MOUNTS;
    int r = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && r == 0; i++)
        r = put_row(&rows[i], rules, out);
    if (r == 0)
        r = put_rest(rules, out);
    for (size_t i = 0; i < shown && r == 0; i++)
        r = put_mount(rules, &mount[i], i, out);
    if (r == 0 && shown < mounts->count)
        r = strbuf_addf(out, "container.mounts: %zu more are not looked at\n",
                        mounts->count - shown);
    return r;
}
