#include "policy/isolation/leftovers.h"

#include "policy/base/json_str.h"
#include "policy/base/rfc3339.h"
#include "policy/docker/companion_name.h"
#include "policy/docker/lease_name.h"
#include "policy/docker/namespace.h"
#include "policy/docker/own_tag.h"
#include "policy/docker/target.h"
#include "policy/isolation/files_name.h"
#include "policy/isolation/push_lock.h"
#include "policy/isolation/relay_name.h"

/* A tag's name has so many parts at most that it is looked for. */
enum { IMAGE_PARTS = 8 };

#define CONTAINERS "/containers/json?all=1&filters="
#define VOLUMES    "/volumes?filters="

// clang-format off
static const struct {
    const char *word;
    const char *label;
    enum operation operation;
    const char *list;    /* a label filter follows */
    const char *removal; /* the reference follows */
    const char *query;   /* and then this */
} kinds[] = {
    [LEFTOVER_CONTAINER] = {"container", LABEL_NAMESPACE, OP_CONTAINER_DELETE, CONTAINERS, "/containers/", "?force=1&v=1"},
    [LEFTOVER_STEP] = {"build step", NULL, OP_CONTAINER_DELETE, CONTAINERS, "/containers/", "?force=1&v=1"},
    [LEFTOVER_PUSH] = {"push", LABEL_PUSH_BY, OP_CONTAINER_DELETE, CONTAINERS, "/containers/", "?force=1&v=1"},
    [LEFTOVER_NETWORK] = {"network", LABEL_NAMESPACE, OP_NETWORK_DELETE, "/networks?filters=", "/networks/", ""},
    [LEFTOVER_VOLUME] = {"volume", LABEL_NAMESPACE, OP_VOLUME_DELETE, VOLUMES, "/volumes/", ""},
    [LEFTOVER_BIND] = {"bind", LABEL_BINDS, OP_VOLUME_DELETE, VOLUMES, "/volumes/", ""},
    [LEFTOVER_IMAGE] = {"image", NULL, OP_IMAGE_DELETE, "/images/json?filters=", "/images/", "?force=1"},
    [LEFTOVER_COMPANION] = {"companion", LABEL_COMPANION, OP_CONTAINER_DELETE, CONTAINERS, "/containers/", "?force=1&v=1"},
    [LEFTOVER_SOCKETS] = {"companion's volume", LABEL_COMPANION, OP_VOLUME_DELETE, VOLUMES, "/volumes/", ""},
    [LEFTOVER_LEASE] = {"lease", LABEL_LEASE, OP_VOLUME_DELETE, VOLUMES, "/volumes/", ""},
};
// clang-format on

const char *leftover_word(enum leftover_kind kind)
{
    return kinds[kind].word;
}

enum leftover_kind leftover_next(enum leftover_kind kind)
{
    kind++;
    return kind == LEFTOVER_STEP ? kind + 1 : kind;
}

enum operation leftover_operation(enum leftover_kind kind)
{
    return kinds[kind].operation;
}

/* By patterns of references, in which a star is one part of a name: one for
 * each number of parts. Anchors and what was pulled by digest are below hosts
 * of their own. */
static int put_image_list(struct strbuf *out, struct str ns)
{
    static const char *const hosts[] = {"." OWN_TAG_DOMAIN,
                                        ".anchor." OWN_TAG_DOMAIN,
                                        ".digest." OWN_TAG_DOMAIN};
    int r = strbuf_addf(out, "%s%%7B%%22reference%%22%%3A%%5B",
                        kinds[LEFTOVER_IMAGE].list);

    for (size_t host = 0; host < sizeof(hosts) / sizeof(*hosts); host++) {
        for (size_t parts = 1; r == 0 && parts <= IMAGE_PARTS; parts++) {
            r = strbuf_addf(out, "%s%%22%.*s%s", host || parts > 1 ? "," : "",
                            STR_FMT(ns.len ? ns : S("*")), hosts[host]);
            for (size_t i = 0; r == 0 && i < parts; i++)
                r = strbuf_add(out, S("%2F*"));
            if (r == 0)
                r = strbuf_add(out, S("%22"));
        }
    }
    return r ? r : strbuf_add(out, S("%5D%7D"));
}

int leftover_put_list(struct strbuf *out, enum leftover_kind kind,
                      struct str ns)
{
    int r;

    if (kind == LEFTOVER_IMAGE)
        return put_image_list(out, ns);
    r = strbuf_addf(out, "%s%%7B%%22label%%22%%3A%%5B%%22%s", kinds[kind].list,
                    kinds[kind].label);

    if (r == 0 && ns.len)
        r = strbuf_addf(out, "%%3D%.*s", STR_FMT(ns));
    return r ? r : strbuf_add(out, S("%22%5D%7D"));
}

struct networks {
    struct str ns;
    struct str names[LEFTOVER_NETWORKS];
    size_t count;
};

static void note_network(void *arg, struct str ns,
                         const struct leftover *leftover)
{
    struct networks *networks = arg;
    struct str *last;

    if (!str_eq(ns, networks->ns))
        return;
    if (networks->count < LEFTOVER_NETWORKS)
        networks->count++;
    last = &networks->names[networks->count - 1];
    if (leftover->is_bridge) {
        *last = networks->names[0];
        last = &networks->names[0];
    }
    *last = leftover->name;
}

size_t leftover_put_steps(struct strbuf *out, const json_t *list, struct str ns)
{
    struct networks networks = {.ns = ns};
    int r = strbuf_addf(out, "%s%%7B%%22network%%22%%3A%%5B", CONTAINERS);

    leftovers_walk(LEFTOVER_NETWORK, list, note_network, &networks);
    for (size_t i = 0; r == 0 && i < networks.count; i++) {
        r = strbuf_add(out, i ? S("%2C%22") : S("%22"));
        r = r ? r : target_put_query(out, networks.names[i]);
        r = r ? r : strbuf_add(out, S("%22"));
    }
    r = r ? r : strbuf_add(out, S("%5D%7D"));
    return r ? 0 : networks.count;
}

int leftover_put_removal(struct strbuf *out, enum leftover_kind kind,
                         struct str ref, bool force)
{
    int r = strbuf_add(out, str_from(kinds[kind].removal));

    if (r == 0)
        r = target_put_segment(out, ref);
    if (r == 0 && force)
        r = strbuf_add(out, str_from(kinds[kind].query));
    return r;
}

/* ---- lists ---- */

static int64_t time_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value)
                                  : rfc3339_seconds(str_of_json(value));
}

static struct str without_slash(struct str name)
{
    return name.len && name.ptr[0] == '/' ? str_from_index(name, 1) : name;
}

/* INTRO, NS, a dot and more? */
static bool is_lease(struct str intro, struct str ns, struct str name)
{
    return str_has_prefix(name, intro) &&
           namespace_has(ns, str_from_index(name, intro.len));
}

static bool is_companions(struct str ns, struct str name)
{
    struct str intro = S(COMPANION_NAME);

    return files_name_is_of(name, ns) || relay_name_is_of(name, ns) ||
           (str_has_prefix(name, intro) &&
            str_eq(str_from_index(name, intro.len), ns));
}

/* The name of a container for which IS_OWN holds: links give it others'. */
static struct str own_name(const json_t *container, struct str ns,
                           bool (*is_own)(struct str ns, struct str name))
{
    const json_t *names = json_object_get(container, "Names"), *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        struct str text = without_slash(str_of_json(name));

        if (is_own(ns, text))
            return text;
    }
    return S("");
}

static bool is_lock(struct str ns, struct str name)
{
    (void)ns;
    return str_has_prefix(name, S(PUSH_LOCK_NAME));
}

/* Names that an engine chooses have no dot, and all of berth's have. */
static bool is_engines_choice(struct str ns, struct str name)
{
    (void)ns;
    return name.len && str_find(name, '.') < 0;
}

/* The builder's containers have an ID for an image and a name that the engine
 * chose. One that runs ends by itself. */
static bool is_step(const json_t *row)
{
    struct str state = str_at(row, "State");

    return image_ref_is_full_id(str_at(row, "Image")) &&
           (str_eq(state, S("exited")) || str_eq(state, S("created")) ||
            str_eq(state, S("dead")));
}

/* Fill LEFTOVER from ROW; false when it is not NS's own, whatever its label
 * says. */
static bool read_row(enum leftover_kind kind, const json_t *row, struct str ns,
                     struct leftover *leftover)
{
    const struct str id = str_at(row, "Id");
    struct str name = str_at(row, "Name");
    struct push_lock lock;

    leftover->made = time_at(row, "Created");
    leftover->ref = id;
    switch (kind) {
    case LEFTOVER_CONTAINER:
        name = own_name(row, ns, namespace_has);
        leftover->name = name;
        return id.len && name.len;
    case LEFTOVER_COMPANION:
        name = own_name(row, ns, is_companions);
        leftover->name = name;
        return id.len && name.len;
    case LEFTOVER_STEP:
        name = own_name(row, ns, is_engines_choice);
        leftover->name = name;
        return id.len && name.len && is_step(row);
    case LEFTOVER_PUSH:
        name = own_name(row, ns, is_lock);
        leftover->name = name;
        return id.len && name.len &&
               push_lock_read(&lock, json_object_get(row, "Labels"));
    case LEFTOVER_NETWORK:
        leftover->name = name;
        leftover->is_bridge = str_eq(namespace_strip(ns, name), S(BRIDGE_NAME));
        return id.len && namespace_has(ns, name);
    case LEFTOVER_VOLUME:
        leftover->ref = name;
        leftover->name = name;
        leftover->made = time_at(row, "CreatedAt");
        return namespace_has(ns, name) || is_full_id(name);
    case LEFTOVER_BIND:
        leftover->ref = name;
        leftover->name = name;
        leftover->made = time_at(row, "CreatedAt");
        return str_has_prefix(name, S(BINDS_PREFIX));
    case LEFTOVER_SOCKETS:
        leftover->ref = name;
        leftover->name = name;
        leftover->made = time_at(row, "CreatedAt");
        return is_companions(ns, name);
    case LEFTOVER_LEASE:
        leftover->ref = name;
        leftover->name = name;
        leftover->made = time_at(row, "CreatedAt");
        return is_lease(S(LEASE_NAME), ns, name) ||
               is_lease(S(LEASE_MARK_NAME), ns, name) ||
               is_lease(S(LEASE_WATCH_NAME), ns, name);
    case LEFTOVER_IMAGE: /* tag by tag */
    case LEFTOVER_COUNT:
        break;
    }
    return false;
}

static void walk_tags(const json_t *image,
                      void (*visit)(void *arg, struct str ns,
                                    const struct leftover *leftover),
                      void *arg)
{
    const json_t *tags = json_object_get(image, "RepoTags"), *tag;
    bool one = json_array_size(tags) == 1;
    size_t i;

    json_array_foreach(tags, i, tag)
    {
        struct own_name name = own_name_read(str_of_json(tag));
        const struct leftover leftover = {.ref = str_of_json(tag),
                                          .name = str_of_json(tag),
                                          .row = image,
                                          .is_last_name = one};

        if (name.kind == OWN_NAME_TAG || name.kind == OWN_NAME_ANCHOR ||
            name.kind == OWN_NAME_DIGEST)
            visit(arg, name.ns, &leftover);
    }
}

static bool is_volume(enum leftover_kind kind)
{
    return kind == LEFTOVER_VOLUME || kind == LEFTOVER_BIND ||
           kind == LEFTOVER_SOCKETS || kind == LEFTOVER_LEASE;
}

bool leftovers_walk(enum leftover_kind kind, const json_t *reply,
                    void (*visit)(void *arg, struct str ns,
                                  const struct leftover *leftover),
                    void *arg)
{
    const json_t *list =
        is_volume(kind) ? json_object_get(reply, "Volumes") : reply;
    const json_t *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        struct str ns =
            kinds[kind].label
                ? str_at(json_object_get(row, "Labels"), kinds[kind].label)
                : S("");
        struct leftover leftover = {.ref = S(""), .name = S(""), .row = row};

        bool has_owner = ns.len || kind == LEFTOVER_STEP;

        if (kind == LEFTOVER_IMAGE)
            walk_tags(row, visit, arg);
        else if (has_owner && read_row(kind, row, ns, &leftover))
            visit(arg, ns, &leftover);
    }
    return json_is_array(list) || (is_volume(kind) && json_is_null(list));
}
