#include "policy/judge/host_source.h"

#include "policy/base/pattern.h"
#include "policy/config/host_path.h"

static bool refuse_source(struct judge *judge, const struct place *place,
                          struct str source, bool read_only)
{
    AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_JSON_BODY);
    const char *mode = read_only ? "ro" : "rw";
    struct str shown = str_head(source, 100);

    strbuf_addf(&word, "%.*s:%s", STR_FMT(source), mode);
    return judge_lack(
        judge, "container.mounts", strbuf_str(&word), place,
        "\"%.*s\" %s; to allow it, add {\"source\": \"%.*s\", \"mode\": "
        "\"%s\"} to container.mounts in the policy, with \"host\" if the same "
        "directory is called otherwise where the engine runs",
        STR_FMT(shown),
        judge->rules->container.mounts.count
            ? "is not within a path that may be mounted here"
            : "is a path, and no path of the host may be mounted here; use a "
              "named volume",
        STR_FMT(shown), mode);
}

static bool refuse_socket(struct judge *judge, const struct place *place)
{
    return judge_refuse(judge, 403, "container.mounts", place,
                        "the socket of a container engine is the whole host "
                        "and is never mounted; reach the engine from the "
                        "runner instead");
}

/* The policy may have something else for docker.sock, and nothing for the
 * sockets of other engines. */
static bool judge_socket(struct judge *judge, const struct place *place,
                         struct bind_wish *wish)
{
    struct str instead = str_from(judge->rules->container.engine_socket);

    if (!str_has_suffix(path_trim(wish->source), S("/docker.sock")))
        return refuse_socket(judge, place);
    if (instead.len == 0)
        return judge_refuse(
            judge, 403, "container.engine_socket", place,
            "docker.sock is the whole host, so it is not mounted; leave it out "
            "(for Testcontainers: TESTCONTAINERS_RYUK_DISABLED=true), or have "
            "the policy say in container.engine_socket what takes its place");
    wish->leads_back = str_eq(instead, S(MOUNT_BERTH));
    if (wish->leads_back)
        return true;
    wish->left_out = str_eq(instead, S(MOUNT_NOTHING));
    wish->listed = !wish->left_out;
    if (wish->left_out)
        judge_warn(judge,
                   "%.*s is not mounted: it is the whole host, and the "
                   "policy says \"" MOUNT_NOTHING
                   "\" in container.engine_socket",
                   STR_FMT(str_head(wish->source, 100)));
    else
        judge_warn(judge,
                   "%.*s is the socket that the policy has in its place "
                   "(container.engine_socket)",
                   STR_FMT(str_head(wish->source, 100)));
    return wish->left_out || strbuf_add(&wish->host, instead) == 0;
}

bool judge_host_source(struct judge *judge, const struct place *place,
                       struct bind_wish *wish)
{
    struct str source = path_trim(wish->source);
    const char *fault = path_fault(source);
    const struct mount_rule *rule;

    if (fault)
        return judge_refuse(judge, 403, "container.mounts", place,
                            "the path \"%.*s\" %s; write an absolute path "
                            "without detours",
                            STR_FMT(str_head(source, 200)), fault);
    if (path_is_engine_socket(source))
        return judge_socket(judge, place, wish);
    rule = mount_rule_find(&judge->rules->container.mounts, source);
    if (!rule)
        return refuse_source(judge, place, source, wish->read_only);
    wish->shared_read_only = rule->mode == MOUNT_READ_ONLY;
    wish->force_read_only = wish->shared_read_only && !wish->read_only;
    wish->listed = true;
    wish->of_runner = rule->by == MOUNT_BY_CONTAINER;
    if (rule->by == MOUNT_BY_COPY)
        wish->copied = path_trim(str_from(rule->source));
    /* what may only be read is not created either */
    wish->create = rule->create && !wish->shared_read_only;
    if (wish->shared_read_only && (wish->read_write || wish->relabel) &&
        !judge_refuse(judge, 403, "container.mounts", place,
                      "\"%.*s\" may be mounted read-only; ask for ro, and "
                      "leave out z and Z",
                      STR_FMT(str_head(source, 200))))
        return false;
    if (wish->force_read_only)
        judge_warn(judge,
                   "%.*s is mounted read-only, as the policy has it in "
                   "container.mounts",
                   STR_FMT(str_head(source, 200)));
    if (mount_rule_map(rule, source, &wish->host) != 0)
        return judge_refuse(judge, 403, "container.mounts", place,
                            "the path is too long once it is mapped");
    return !path_is_engine_socket(strbuf_str(&wish->host)) ||
           refuse_socket(judge, place);
}

bool propagation_is_good(struct judge *judge, const struct place *place,
                         struct str mode)
{
    return mode.len == 0 ||
           strings_match(&judge->rules->container.propagation, mode) ||
           judge_lack(judge, "container.propagation", mode, place,
                      "mounts that propagate as \"%.*s\" are not allowed "
                      "here; leave it out, or have the policy add it to "
                      "container.propagation",
                      STR_FMT(str_head(mode, 40)));
}

bool check_propagation(struct judge *judge, const struct field *field,
                       const struct place *place, json_t *value)
{
    (void)field;
    return propagation_is_good(judge, place, json_text(value));
}

/* ---- what becomes of it ---- */

void bind_wish_fini(struct bind_wish *wish)
{
    strbuf_fini(&wish->host);
}

bool bind_is_mapped(const struct bind_wish *wish)
{
    return wish->host.len && !str_eq(strbuf_str(&wish->host), wish->source);
}

void bind_note_asked(struct judge *judge, struct str target, const char *key,
                     json_t *asked)
{
    struct judgement *out = judge->out;

    if (!out->binds)
        out->binds = json_array();
    json_array_append_new(
        out->binds,
        json_pack("{s:s%, s:o}", "target", target.ptr, target.len, key, asked));
}

bool bind_leave_out(struct judge *judge, const struct place *place)
{
    judge_note(judge, CHANGE_DROPPED, place);
    place_set(place, json_null());
    return true;
}

void binds_remove_left_out(json_t *list)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        if (json_is_null(json_array_get(list, i)))
            json_array_remove(list, i);
    }
}

static bool is_private(struct str propagation)
{
    return propagation.len == 0 || str_eq(propagation, S("private")) ||
           str_eq(propagation, S("rprivate"));
}

bool bind_is_elsewhere(const struct bind_wish *wish)
{
    return wish->of_runner || wish->copied.len;
}

void bind_mark_elsewhere(struct judge *judge, const struct bind_wish *wish,
                         json_t *mount, struct str propagation, bool make)
{
    struct str source = str_head(member_text(mount, "Source"), 100);
    const char *from =
        wish->of_runner ? "the runner's container" : "the runner";

    if (wish->of_runner)
        json_object_set_new(mount, MOUNT_OF_RUNNER, json_true());
    else
        json_object_set_new(mount, MOUNT_BY_COPY_OF,
                            json_pack("{s:s%, s:b}", "root", wish->copied.ptr,
                                      wish->copied.len, "make",
                                      make && !wish->shared_read_only));
    if (wish->relabel)
        judge_warn(judge,
                   "%.*s keeps its SELinux label: z and Z are left out of "
                   "what comes from %s",
                   STR_FMT(source), from);
    if (!is_private(propagation))
        judge_warn(judge,
                   "%.*s is mounted as private, not as %.*s, since it comes "
                   "from %s",
                   STR_FMT(source), STR_FMT(str_head(propagation, 40)), from);
}
