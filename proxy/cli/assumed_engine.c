#include "proxy/cli/assumed_engine.h"

#include <errno.h>

#include "policy/docker/companion_name.h"
#include "policy/docker/namespace.h"
#include "policy/docker/own_tag.h"

void assumptions_init(struct assumptions *assumptions)
{
    *assumptions =
        (struct assumptions){.given = json_object(), .made = json_array()};
}

void assumptions_fini(struct assumptions *assumptions)
{
    json_decref(assumptions->given);
    json_decref(assumptions->made);
    *assumptions = (struct assumptions){0};
}

int assumptions_add(struct assumptions *assumptions, const char *text)
{
    struct str method, target, status, reply, rest = str_from(text);
    json_t *answer, *body = NULL;
    uint64_t number;

    if (!str_cut(rest, ' ', &method, &rest) ||
        !str_cut(rest, ' ', &target, &rest))
        return -EINVAL;
    str_cut(rest, ' ', &status, &reply);
    if (str_to_u64(status, &number) || number < 200 || number > 599)
        return -EINVAL;
    if (reply.len) {
        body = reply_json_parse(reply);
        if (!body)
            return -EINVAL;
    }
    answer =
        json_pack("{s:I, s:o*}", "status", (json_int_t)number, "reply", body);
    json_object_setn_new(assumptions->given, text, method.len + 1 + target.len,
                         answer);
    return 0;
}

/* What an engine is asked about, by its own name, and in which namespace. */
struct about {
    const struct target *target;
    struct str name;
    const char *ns;
    const struct container_rules *container;
};

static const char id[] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static json_t *own_object(struct str name, const char *ns)
{
    return json_pack("{s:s%, s:s%, s:{s:s}}", "Id", name.ptr, name.len, "Name",
                     name.ptr, name.len, "Labels", LABEL_NAMESPACE, ns);
}

/* The same of what was asked for by its ID: it has a name of the runner's. */
static json_t *own_listed(struct str object, const char *ns)
{
    json_t *own = own_object(object, ns);
    json_t *name = json_sprintf("%s.assumed", ns);

    json_object_set_new(own, "Name", name);
    json_object_set_new(own, "Names",
                        json_pack("[o]", json_sprintf("/%s.assumed", ns)));
    return own;
}

/* What is asked for by ID or name in the filters of a list, or nothing. */
static json_t *listed(const struct about *about, const char *key,
                      json_t *(*object)(struct str, const char *))
{
    const struct str *text = target_get(about->target, S("filters"));
    json_auto_t *filters = text ? reply_json_parse(*text) : NULL;
    json_t *all = json_array(), *value;
    const char *name;

    json_object_foreach(json_object_get(filters, key), name, value)
    {
        json_array_append_new(all, object(str_from(name), about->ns));
    }
    return all;
}

static json_t *put_container_list(const struct about *about)
{
    return listed(about, "id", own_listed);
}

static json_t *put_volume_list(const struct about *about)
{
    return json_pack("{s:o}", "Volumes", listed(about, "name", own_object));
}

static json_t *put_network_list(const struct about *about)
{
    return listed(about, "id", own_listed);
}

static json_t *put_own(const struct about *about)
{
    return own_object(about->name, about->ns);
}

static json_t *put_container(const struct about *about)
{
    return json_pack("{s:s%, s:o, s:{s:{s:s}}, s:{}}", "Id", about->name.ptr,
                     about->name.len, "Name",
                     json_sprintf("/%.*s", STR_FMT(about->name)), "Config",
                     "Labels", LABEL_NAMESPACE, about->ns, "HostConfig");
}

/* The runner's own container has a volume at each path that is to come from it.
 */
static json_t *put_runner(const struct about *about)
{
    const struct objects *mounts = &about->container->mounts;
    const struct mount_rule *rules = mounts->items;
    json_t *all = json_array();

    for (size_t i = 0; i < mounts->count; i++) {
        if (rules[i].by != MOUNT_BY_CONTAINER)
            continue;
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:b}", "Type",
                                             "volume", "Name", "assumed",
                                             "Destination", rules[i].source,
                                             "RW", true));
    }
    return json_pack("{s:s, s:o, s:o}", "Id", id, "Name",
                     json_sprintf("/%.*s", STR_FMT(about->name)), "Mounts",
                     all);
}

static json_t *put_exec(const struct about *about)
{
    (void)about;
    return json_pack("{s:s}", "ContainerID", id);
}

static json_t *put_image(const struct about *about)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(OWN_TAG_MAX);
    struct image_ref ref;

    if (image_ref_parse(about->name, &ref) == 0) {
        ref.digest = S("");
        image_ref_complete(&ref);
        image_ref_put(&name, &ref, IMAGE_SHORT);
    } else {
        strbuf_add(&name, about->name);
    }
    return json_pack("{s:s+, s:[s%], s:{}}", "Id", "sha256:", id, "RepoTags",
                     name.ptr, name.len, "Config");
}

static json_t *put_info(const struct about *about)
{
    (void)about;
    return json_pack("{s:s, s:s, s:s}", "DefaultRuntime", "runc",
                     "LoggingDriver", "json-file", "CgroupVersion", "2");
}

static json_t *put_created(const struct about *about)
{
    (void)about;
    return json_pack("{s:s}", "Id", id);
}

static json_t *put_socket(const struct about *about)
{
    return json_pack("{s:i, s:o}", "Socket", 0, "Path",
                     json_sprintf("/var/lib/docker/volumes/" COMPANION_NAME
                                  "%s/_data/0",
                                  about->ns));
}

static const struct row {
    enum operation operation;
    int status;
    json_t *(*reply)(const struct about *about);
    const char *means;
} rows[] = {
    {OP_SYSTEM_INFO,       200, put_info,           "it is set up as engines are"           },
    {OP_CONTAINER_LIST,    200, put_container_list,
     "there are none but those shown"                                                       },
    {OP_CONTAINER_INSPECT, 200, put_container,
     "it is there, and the runner's own"                                                    },
    {OP_EXEC_INSPECT,      200, put_exec,           "it runs in a container of the runner's"},
    {OP_NETWORK_LIST,      200, put_network_list,   "there are none but those shown"        },
    {OP_NETWORK_INSPECT,   200, put_own,            "it is there, and the runner's own"     },
    {OP_VOLUME_LIST,       200, put_volume_list,    "it is there, and the runner's own"     },
    {OP_VOLUME_INSPECT,    200, put_own,            "it is there, and the runner's own"     },
    {OP_IMAGE_INSPECT,     200, put_image,
     "it is there, pulled by this name, and not of the runner's making"                     },
};
static const struct row runner = {
    .status = 200,
    .reply = put_runner,
    .means = "it is the runner's own container, with a volume at each path "
             "that the policy takes from it"};
static const struct row change = {
    .status = 201, .reply = put_created, .means = "it is made"};
static const struct row socket_row = {
    .status = 201,
    .reply = put_socket,
    .means = "its companion has a socket in place of docker.sock"};
static const struct row files_row = {.status = 200,
                                     .means = "what is copied is in step"};
static const struct row nothing = {.status = 404, .means = "there is none"};

static const struct row *find_row(const struct lookup *lookup,
                                  enum operation operation)
{
    if (lookup->changes)
        return &change;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].operation == operation)
            return &rows[i];
    }
    return &nothing;
}

/* Is it about the runner's own container? */
static bool is_runner(const struct about *about,
                      const struct route_match *match)
{
    return about->container && about->container->runner &&
           match->route->operation == OP_CONTAINER_INSPECT &&
           str_eq(about->name, str_from(about->container->runner));
}

/* The answer of our own: {"status", "reply", "means"}. */
static json_t *presume(const struct assumptions *assumptions,
                       const struct lookup *lookup, const char *ns)
{
    AUTO(target_fini) struct target target;
    struct route_match match = {0};
    struct verdict why;
    const struct row *row;
    struct about about = {
        .target = &target, .ns = ns, .container = assumptions->container};

    target_init(&target);
    if (str_eq(str_from(lookup->target), S(LOOKUP_SOCKET)))
        row = &socket_row;
    else if (str_eq(str_from(lookup->target), S(LOOKUP_FILES)))
        row = &files_row;
    else if (target_parse(&target, str_from(lookup->target), &why) ||
             route_find(lookup->method, &target, &match))
        row = &nothing;
    else
        row = find_row(lookup, match.route->operation);
    if (match.param_count)
        about.name = match.params[0].value;
    if (match.route && is_runner(&about, &match))
        row = &runner;
    if (own_name_read(about.name).kind != OWN_NAME_REAL)
        row = &nothing; /* no own tag goes before the name that was pulled */
    return json_pack("{s:i, s:o*, s:s}", "status", row->status, "reply",
                     row->reply ? row->reply(&about) : NULL, "means",
                     row->means);
}

void assume(struct assumptions *assumptions, const struct lookup *lookup,
            const char *ns, int *status, json_t **reply)
{
    json_t *asked = json_sprintf("%s %.*s", method_name(lookup->method),
                                 STR_FMT(str_from(lookup->target)));
    const json_t *given =
        json_object_get(assumptions->given, json_string_value(asked));
    json_t *row =
        given ? json_deep_copy(given) : presume(assumptions, lookup, ns);

    json_object_set_new(row, "question", asked);
    if (lookup->body)
        json_object_set_new(row, "body", json_deep_copy(lookup->body));
    *status = (int)json_integer_value(json_object_get(row, "status"));
    *reply = json_incref(json_object_get(row, "reply"));
    json_array_append_new(assumptions->made, row);
}
