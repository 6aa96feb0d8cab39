#include "policy/judge/share.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "policy/base/json_str.h"
#include "policy/docker/namespace.h"
#include "policy/docker/own_tag.h"
#include "policy/judge/amounts.h"

static const double NANO = 1e9;

/* In the order in which they are in the label. */
static const enum share labelled[] = {SHARE_PORTS, SHARE_MEMORY, SHARE_CPUS,
                                      SHARE_PIDS};
enum { LABELLED = sizeof(labelled) / sizeof(labelled[0]) };

static uint64_t of_number(unsigned n)
{
    return n == UINT_MAX ? SHARE_UNLIMITED : n;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void shares_allowed(const struct policy *policy, struct shares *limits)
{
    const struct namespace_limits *most = &policy->limits;
    const struct limit_rules *each = &policy->rules.container.limits;

    *limits = (struct shares){
        {
         [SHARE_CONTAINERS] =
                lower(of_number(most->containers), of_number(each->count)),
         [SHARE_NETWORKS] = of_number(most->networks),
         [SHARE_VOLUMES] = of_number(most->volumes),
         [SHARE_IMAGES] = of_number(most->images),
         [SHARE_PORTS] = of_number(most->ports),
         [SHARE_MEMORY] = most->memory,
         [SHARE_CPUS] = isinf(most->cpus)
                               ? SHARE_UNLIMITED
                               : (uint64_t)(most->cpus * NANO + 0.5),
         [SHARE_PIDS] = of_number(most->pids),
         [SHARE_EXECS] = of_number(each->execs),
         [SHARE_BUILDS] = of_number(most->builds),
         [SHARE_PULLS] = of_number(most->pulls),
         }
    };
    if (policy->isolation == POLICY_NAMESPACE)
        return;
    for (size_t i = 0; i < LABELLED; i++) /* nothing says how much it is */
        limits->of[labelled[i]] = SHARE_UNLIMITED;
    limits->of[SHARE_IMAGES] = SHARE_UNLIMITED; /* nor whose name it is */
}

const char *share_rule(const struct policy *policy, enum share share)
{
    static const char *const rules[] = {
#define X(id, rule, noun) [id] = (rule),
        SHARES(X)
#undef X
    };

    /* one thing under two keys: the lower one is what holds */
    if (share == SHARE_CONTAINERS &&
        policy->rules.container.limits.count < policy->limits.containers)
        return "container.limits.count";
    return rules[share];
}

const char *share_noun(enum share share)
{
    static const char *const nouns[] = {
#define X(id, rule, noun) [id] = (noun),
        SHARES(X)
#undef X
    };

    return nouns[share];
}

bool share_lasts_as_request(enum share share)
{
    return share == SHARE_BUILDS || share == SHARE_PULLS;
}

/* What to do about a share that is used up. */
static const char *remedy_of(enum share share)
{
    switch (share) {
    case SHARE_CONTAINERS:
    case SHARE_NETWORKS:
    case SHARE_VOLUMES:
    case SHARE_IMAGES:
        return "remove some";
    case SHARE_PORTS:
        return "publish fewer, or stop a container";
    case SHARE_MEMORY:
    case SHARE_CPUS:
    case SHARE_PIDS:
        return "ask for less, or stop a container";
    case SHARE_EXECS:
    case SHARE_BUILDS:
    case SHARE_PULLS:
    case SHARE_COUNT:
        break;
    }
    return "wait until one has ended";
}

static void put_amount(struct strbuf *out, enum share share, uint64_t amount)
{
    if (share == SHARE_CPUS)
        strbuf_addf(out, "%g", (double)amount / NANO);
    else
        strbuf_addf(out, "%" PRIu64, amount);
}

void share_put_refusal(struct strbuf *out, enum share share, const char *rule,
                       uint64_t used, uint64_t wants, uint64_t limit)
{
    if (wants == SHARE_UNLIMITED) {
        strbuf_addf(out,
                    "a container without a limit of its own does not fit into "
                    "%s in the policy, which is ",
                    rule);
        put_amount(out, share, limit);
        strbuf_addf(out,
                    " %s for all together; ask for an amount when you create "
                    "it, or have the operator set container.defaults",
                    share_noun(share));
        return;
    }
    put_amount(out, share, used);
    strbuf_add(out, S(" of the "));
    put_amount(out, share, limit);
    strbuf_addf(out,
                " %s that %s in the policy allows are taken, and this "
                "needs ",
                share_noun(share), rule);
    put_amount(out, share, wants);
    strbuf_addf(out, " more; %s", remedy_of(share));
}

/* ---- what a container takes while it runs ---- */

static uint64_t amount_or_all(json_int_t amount)
{
    return amount > 0 ? (uint64_t)amount : SHARE_UNLIMITED;
}

static json_int_t integer_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static uint64_t cpus_of(const json_t *host)
{
    json_int_t nano = integer_at(host, "NanoCpus");
    json_int_t quota = integer_at(host, "CpuQuota");
    json_int_t period = integer_at(host, "CpuPeriod");

    if (nano > 0)
        return (uint64_t)nano;
    if (quota <= 0)
        return SHARE_UNLIMITED;
    if (period <= 0)
        period = AMOUNT_PERIOD;
    return (uint64_t)((double)quota / (double)period * NANO + 0.5);
}

/* One for each binding, and with PublishAllPorts one for each port that is
 * exposed and has none. */
static uint64_t ports_of(const json_t *body, json_t *exposed)
{
    const json_t *host = json_object_get(body, "HostConfig");
    json_t *bindings = json_object_get(host, "PortBindings"), *list;
    json_auto_t *all = NULL;
    const char *port;
    uint64_t count = 0;

    json_object_foreach(bindings, port, list)
    {
        size_t n = json_array_size(list);

        count += n ? n : 1; /* none given: the engine takes one */
    }
    if (!json_is_true(json_object_get(host, "PublishAllPorts")))
        return count;
    all = json_object();
    json_object_update(all, json_object_get(body, "ExposedPorts"));
    json_object_update_missing(all, exposed);
    json_object_foreach(all, port, list)
    {
        count += json_object_get(bindings, port) == NULL;
    }
    return count;
}

void share_of_create(const json_t *body, json_t *exposed, struct shares *takes)
{
    const json_t *host = json_object_get(body, "HostConfig");

    *takes = (struct shares){
        {
         [SHARE_PORTS] = ports_of(body, exposed),
         [SHARE_MEMORY] = amount_or_all(integer_at(host, "Memory")),
         [SHARE_CPUS] = cpus_of(host),
         [SHARE_PIDS] = amount_or_all(integer_at(host, "PidsLimit")),
         }
    };
}

void share_put_label(struct strbuf *out, const struct shares *takes)
{
    for (size_t i = 0; i < LABELLED; i++)
        strbuf_addf(out, "%s%" PRIu64, i ? "," : "", takes->of[labelled[i]]);
}

bool share_read_label(struct str text, struct shares *takes)
{
    struct str word;

    *takes = (struct shares){{0}};
    for (size_t i = 0; i < LABELLED; i++) {
        bool more = str_cut(text, ',', &word, &text);

        if (str_to_u64(word, &takes->of[labelled[i]]) < 0 ||
            more != (i + 1 < LABELLED))
            return false;
    }
    return true;
}

void share_of_update(const json_t *body, struct shares *asks)
{
    json_int_t memory = integer_at(body, "Memory");
    bool pids = json_is_integer(json_object_get(body, "PidsLimit"));
    bool cpus = integer_at(body, "NanoCpus") || integer_at(body, "CpuQuota") ||
                integer_at(body, "CpuPeriod");

    *asks = (struct shares){{0}};
    if (memory)
        asks->of[SHARE_MEMORY] = amount_or_all(memory);
    if (pids) /* here a 0 takes the limit away */
        asks->of[SHARE_PIDS] = amount_or_all(integer_at(body, "PidsLimit"));
    if (cpus)
        asks->of[SHARE_CPUS] = cpus_of(body);
}

/* ---- what is there ---- */

bool share_is_own(struct str ns, const json_t *labels, struct str name)
{
    if (ns.len == 0)
        return true;
    if (name.len && name.ptr[0] == '/')
        name = str_from_index(name, 1);
    return str_eq(str_at(labels, LABEL_NAMESPACE), ns) &&
           namespace_has(ns, name);
}

static bool row_has_name(const json_t *row, struct str name)
{
    const json_t *names = json_object_get(row, "Names"), *one;
    size_t i;

    json_array_foreach(names, i, one)
    {
        struct str text =
            str_of(json_string_value(one), json_string_length(one));

        if (text.len && str_eq(str_from_index(text, 1), name))
            return true;
    }
    return false;
}

static bool row_is_own(struct str ns, const json_t *row)
{
    const json_t *names = json_object_get(row, "Names"), *name;
    size_t i;

    /* links give it names of others, too */
    json_array_foreach(names, i, name)
    {
        if (share_is_own(
                ns, json_object_get(row, "Labels"),
                str_of(json_string_value(name), json_string_length(name))))
            return true;
    }
    return ns.len == 0;
}

bool share_is_running(const json_t *row)
{
    struct str state = str_at(row, "State");

    return !str_eq(state, S("created")) && !str_eq(state, S("exited")) &&
           !str_eq(state, S("dead"));
}

void share_count_containers(struct str ns, const json_t *list, struct str ref,
                            struct shares *used, const json_t **target)
{
    const json_t *row;
    size_t i;

    *target = NULL;
    json_array_foreach(list, i, row)
    {
        struct shares takes;

        if (!row_is_own(ns, row))
            continue;
        used->of[SHARE_CONTAINERS]++;
        if (ref.len &&
            (str_eq(str_at(row, "Id"), ref) || row_has_name(row, ref)))
            *target = row;
        if (!share_is_running(row) ||
            !share_read_label(
                str_at(json_object_get(row, "Labels"), LABEL_TAKES), &takes))
            continue;
        for (size_t n = 0; n < LABELLED; n++) {
            /* one without a limit was made before there was one to keep */
            if (takes.of[labelled[n]] != SHARE_UNLIMITED)
                used->of[labelled[n]] += takes.of[labelled[n]];
        }
    }
}

void share_count_networks(struct str ns, const json_t *list,
                          struct shares *used)
{
    const json_t *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        struct str name = str_at(row, "Name");

        if (share_is_own(ns, json_object_get(row, "Labels"), name) &&
            !(ns.len && str_eq(namespace_strip(ns, name), S(BRIDGE_NAME))))
            used->of[SHARE_NETWORKS]++;
    }
}

/* An image counts by its tags and digests, and once if it has none. */
static uint64_t places_of(struct str ns, const json_t *image)
{
    const json_t *name;
    uint64_t named = 0;
    bool anchored = false;
    size_t i;

    json_array_foreach(json_object_get(image, "RepoTags"), i, name)
    {
        struct own_name own = own_name_read(
            str_of(json_string_value(name), json_string_length(name)));

        if (!str_eq(own.ns, ns))
            continue;
        named += own.kind == OWN_NAME_TAG || own.kind == OWN_NAME_DIGEST;
        anchored |= own.kind == OWN_NAME_ANCHOR;
    }
    return named ? named : anchored;
}

void share_count_images(struct str ns, const json_t *list, struct shares *used)
{
    const json_t *image;
    size_t i;

    json_array_foreach(list, i, image)
    {
        used->of[SHARE_IMAGES] += places_of(ns, image);
    }
}

/* Is there a volume NAME in LIST? */
static bool has_volume(const json_t *list, struct str name)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(list, i, volume)
    {
        if (str_eq(str_at(volume, "Name"), name))
            return true;
    }
    return false;
}

/* The volume NAME of a create: another one, unless it is there or was counted
 * before. */
static void need_volume(const json_t *list, struct str name, json_t *counted,
                        uint64_t *needed)
{
    if (name.len) {
        if (has_volume(list, name) ||
            json_object_getn(counted, name.ptr, name.len))
            return;
        json_object_setn_new(counted, name.ptr, name.len, json_true());
    }
    ++*needed;
}

static void need_volumes_of_container(const json_t *list, const json_t *body,
                                      uint64_t *needed)
{
    const json_t *host = json_object_get(body, "HostConfig"), *one;
    json_auto_t *counted = json_object();
    size_t i;

    json_array_foreach(json_object_get(host, "Mounts"), i, one)
    {
        if (str_eq(str_at(one, "Type"), S("volume")))
            need_volume(list, str_at(one, "Source"), counted, needed);
    }
    json_array_foreach(json_object_get(host, "Binds"), i, one)
    {
        struct str bind =
            str_of(json_string_value(one), json_string_length(one));
        struct str source, target;

        if (!str_cut(bind, ':', &source, &target))
            need_volume(list, S(""), counted, needed);
        else if (source.len && source.ptr[0] != '/')
            need_volume(list, source, counted, needed);
    }
}

void share_count_volumes(struct str ns, const json_t *reply,
                         const json_t *wanted, enum operation operation,
                         struct shares *used, uint64_t *needed)
{
    const json_t *list = json_object_get(reply, "Volumes"), *volume;
    size_t i;

    *needed = 0;
    json_array_foreach(list, i, volume)
    {
        struct str name = str_at(volume, "Name");
        const json_t *labels = json_object_get(volume, "Labels");

        /* an engine gives a full ID to those without a name */
        used->of[SHARE_VOLUMES] +=
            share_is_own(ns, labels, name) ||
            (is_full_id(name) && str_eq(str_at(labels, LABEL_NAMESPACE), ns));
    }
    if (operation == OP_CONTAINER_CREATE) {
        need_volumes_of_container(list, wanted, needed);
    } else {
        json_auto_t *counted = json_object();

        need_volume(list, str_at(wanted, "Name"), counted, needed);
    }
}
