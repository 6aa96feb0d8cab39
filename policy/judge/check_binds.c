#include "policy/base/pattern.h"
#include "policy/config/host_path.h"
#include "policy/docker/bind_spec.h"
#include "policy/docker/companion_name.h"
#include "policy/judge/check.h"

/*
 * What of the host a container gets to see. There are three ways to ask for
 * it: a string in Binds, a Mount of type bind, and a volume whose driver has
 * options (the rules of section volume judge these).
 */

/* One wish for a path of the host, and what becomes of it. */
struct bind_wish {
    struct str text; /* all of it, of a string */
    struct str source;
    bool read_only, read_write; /* as the client said, if it did */
    bool relabel;
    bool shared_read_only; /* the policy says so */
    bool force_read_only;  /* and the client did not */
    bool left_out;         /* it is not mounted at all */
    bool leads_back;       /* to this berth: a socket takes its place */
    bool listed;           /* the policy has a path for it */
    bool create;           /* which the engine may make */
    bool of_runner;        /* it is a path of the runner's own container */
    struct str copied;     /* the rule's source, where it is copied; or empty */
    struct strbuf host;    /* the path on the host */
};

static void bind_wish_fini(struct bind_wish *wish)
{
    strbuf_fini(&wish->host);
}

/* Where the policy has no word for the source, it stays what it is. */
static bool is_mapped(const struct bind_wish *wish)
{
    return wish->host.len && !str_eq(strbuf_str(&wish->host), wish->source);
}

/* Remember what was asked for at TARGET: ASKED (taken over) as KEY. */
static void note_asked(struct judge *judge, struct str target, const char *key,
                       json_t *asked)
{
    struct judgement *out = judge->out;

    if (!out->binds)
        out->binds = json_array();
    json_array_append_new(
        out->binds,
        json_pack("{s:s%, s:o}", "target", target.ptr, target.len, key, asked));
}

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

/* What is left out is taken from its list when all have been judged, and is
 * null until then. */
static bool leave_out(struct judge *judge, const struct place *place)
{
    judge_note(judge, CHANGE_DROPPED, place);
    place_set(place, json_null());
    return true;
}

static void remove_left_out(json_t *list)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        if (json_is_null(json_array_get(list, i)))
            json_array_remove(list, i);
    }
}

static bool judge_source(struct judge *judge, const struct place *place,
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

static bool propagation_is_good(struct judge *judge, const struct place *place,
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

/* SPEC with another source, in a Binds string. */
static void put_bind(struct strbuf *out, const struct bind_spec *spec,
                     const struct bind_wish *wish)
{
    bool good = strbuf_add(out, strbuf_str(&wish->host)) == 0 &&
                strbuf_add_char(out, ':') == 0 &&
                strbuf_add(out, spec->target) == 0;

    if (good && (spec->options.len || wish->force_read_only))
        good = strbuf_add_char(out, ':') == 0 &&
               strbuf_add(out, spec->options) == 0;
    if (good && wish->force_read_only)
        good = strbuf_add(out, spec->options.len ? S(",ro") : S("ro")) == 0;
    if (!good)
        strbuf_clear(out);
}

static bool rewrite_bind(struct judge *judge, const struct place *place,
                         const struct bind_spec *spec,
                         const struct bind_wish *wish)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_JSON_BODY);
    bool mapped = is_mapped(wish);

    if (!mapped && !wish->force_read_only)
        return true;
    put_bind(&text, spec, wish);
    if (text.len == 0)
        return judge_refuse(judge, 413, "container.mounts", place, "too long");
    if (mapped) {
        note_asked(judge, spec->target, "bind",
                   json_stringn(wish->text.ptr, wish->text.len));
        judge_note(judge, CHANGE_MAPPED, place);
    }
    if (wish->force_read_only)
        judge_note(judge, CHANGE_INJECTED, place);
    place_set(place, json_stringn(text.ptr, text.len));
    return true;
}

static bool is_private(struct str propagation)
{
    return propagation.len == 0 || str_eq(propagation, S("private")) ||
           str_eq(propagation, S("rprivate"));
}

/* Is it no path of the engine's host? */
static bool is_elsewhere(const struct bind_wish *wish)
{
    return wish->of_runner || wish->copied.len;
}

/* What MOUNT is on the host is left to be found; it may become a volume, which
 * has neither labels of its own nor a propagation. MAKE: what is missing of a
 * copied one may be made. */
static void mark_elsewhere(struct judge *judge, const struct bind_wish *wish,
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

/*
 * An engine makes what is missing of a path in Binds, as root, and takes a
 * symbolic link on the way for what it leads to; of a Mount it says that it is
 * not there. So a bind becomes one, here in its place among the Binds.
 */
static bool put_mount(struct judge *judge, const struct place *place,
                      const struct bind_spec *spec,
                      const struct bind_wish *wish)
{
    bool read_only = spec->read_only || wish->force_read_only;
    json_t *mount;

    if (spec->relabel && !is_elsewhere(wish) &&
        !judge_refuse(judge, 403, "container.mounts", place,
                      "z and Z go only with a mount that the policy lets the "
                      "engine create; leave them out, or have the policy say "
                      "\"create\": true in container.mounts"))
        return false;
    mount =
        json_pack("{s:s, s:s%, s:s%}", "Type", "bind", "Source", wish->host.ptr,
                  wish->host.len, "Target", spec->target.ptr, spec->target.len);
    if (read_only)
        json_object_set_new(mount, "ReadOnly", json_true());
    if (is_elsewhere(wish))
        mark_elsewhere(judge, wish, mount, spec->propagation, true);
    else if (spec->propagation.len)
        json_object_set_new(mount, "BindOptions",
                            json_pack("{s:s%}", "Propagation",
                                      spec->propagation.ptr,
                                      spec->propagation.len));
    note_asked(judge, spec->target, "bind",
               json_stringn(wish->text.ptr, wish->text.len));
    judge_note(judge, CHANGE_MOVED, place);
    if (is_mapped(wish) || is_elsewhere(wish))
        judge_note(judge, CHANGE_MAPPED, place);
    if (wish->force_read_only)
        judge_note(judge, CHANGE_INJECTED, place);
    place_set(place, mount);
    return true;
}

/* Isolation puts the socket's place there, and shows what its client wrote. */
static bool mark_bind(struct judge *judge, const struct place *place,
                      struct str text, const struct bind_spec *spec)
{
    json_t *mount = json_pack("{s:s, s:s+%, s:s%}", "Type", "bind", "Source",
                              SOCKET_MARK_BIND, text.ptr, text.len, "Target",
                              spec->target.ptr, spec->target.len);

    if (spec->read_only)
        json_object_set_new(mount, "ReadOnly", json_true());
    judge_note(judge, CHANGE_MOVED, place);
    judge_note(judge, CHANGE_MAPPED, place);
    place_set(place, mount);
    return true;
}

void move_binds(json_t *host_config)
{
    json_t *binds = json_object_get(host_config, "Binds");
    json_t *mounts = json_object_get(host_config, "Mounts");

    for (size_t i = 0; i < json_array_size(binds);) {
        json_t *bind = json_array_get(binds, i);

        if (!json_is_object(bind)) {
            i++;
            continue;
        }
        if (!mounts) {
            mounts = json_array();
            json_object_set_new(host_config, "Mounts", mounts);
        }
        json_array_append(mounts, bind);
        json_array_remove(binds, i);
    }
}

static bool check_bind(struct judge *judge, const struct field *field,
                       const struct place *place, struct str text)
{
    struct bind_spec spec;
    AUTO(bind_wish_fini)
    struct bind_wish wish = {.host = STRBUF(2 * LIMIT_PATH)};
    const char *fault = bind_spec_parse(text, &spec);

    (void)field;
    if (fault)
        return judge_refuse(judge, 400, "container.mounts", place,
                            "\"%.*s\" %s; write SOURCE:TARGET[:OPTIONS]",
                            STR_FMT(str_head(text, 200)), fault);
    if (!inner_path_is_good(judge, "container.mounts", place, spec.target) ||
        !propagation_is_good(judge, place, spec.propagation))
        return false;
    if (spec.source.len == 0)
        return true; /* an anonymous volume */
    if (spec.source.ptr[0] != '/')
        return object_name_is_good(spec.source) ||
               judge_refuse(judge, 400, "container.mounts", place,
                            "\"%.*s\" is neither an absolute path nor the name "
                            "of a volume",
                            STR_FMT(str_head(spec.source, 200)));
    wish.text = text;
    wish.source = spec.source;
    wish.read_only = spec.read_only;
    wish.read_write = spec.read_write;
    wish.relabel = spec.relabel;
    if (!judge_source(judge, place, &wish))
        return false;
    if (wish.left_out)
        return leave_out(judge, place);
    if (wish.leads_back)
        return mark_bind(judge, place, text, &spec);
    return wish.listed && !wish.create
               ? put_mount(judge, place, &spec, &wish)
               : rewrite_bind(judge, place, &spec, &wish);
}

bool check_binds(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *list)
{
    if (!each_text(judge, field, place, list, check_bind))
        return false;
    remove_left_out(list);
    return true;
}

/* MOUNT becomes one of what the runner or its container has. */
static void take_elsewhere(struct judge *judge, const struct place *source_at,
                           const struct bind_wish *wish, json_t *mount,
                           bool make)
{
    json_t *options = json_object_get(mount, "BindOptions");

    json_object_set_new(mount, "Source",
                        json_stringn(wish->host.ptr, wish->host.len));
    mark_elsewhere(judge, wish, mount, member_text(options, "Propagation"),
                   make);
    json_object_del(mount, "BindOptions");
    judge_note(judge, CHANGE_MAPPED, source_at);
}

static bool judge_bind_mount(struct judge *judge, const struct place *place,
                             json_t *mount)
{
    json_t *options = json_object_get(mount, "BindOptions");
    struct place source_at = place_field(place, mount, "Source");
    struct place options_at = place_field(place, mount, "BindOptions");
    struct place create_at =
        place_field(&options_at, options, "CreateMountpoint");
    struct place access_at = place_field(place, mount, "ReadOnly");
    json_auto_t *asked = json_deep_copy(mount);
    bool make = json_is_true(json_object_get(options, "CreateMountpoint"));
    AUTO(bind_wish_fini)
    struct bind_wish wish = {
        .source = member_text(asked, "Source"),
        .read_only = json_is_true(json_object_get(mount, "ReadOnly")),
        .host = STRBUF(2 * LIMIT_PATH),
    };

    if (!judge_source(judge, &source_at, &wish))
        return false;
    if (wish.left_out)
        return leave_out(judge, place);
    if (wish.leads_back) {
        strbuf_add(&wish.host, S(SOCKET_MARK_MOUNT));
        strbuf_add(&wish.host, wish.source);
        json_object_del(mount, "BindOptions");
    }
    if (wish.force_read_only) {
        json_object_set_new(mount, "ReadOnly", json_true());
        judge_note(judge, CHANGE_INJECTED, &access_at);
    }
    if (wish.shared_read_only &&
        json_is_true(json_object_get(options, "ReadOnlyNonRecursive")) &&
        !judge_refuse(judge, 403, "container.mounts", &options_at,
                      "ReadOnlyNonRecursive leaves what is mounted further "
                      "down writable; leave it out"))
        return false;
    if (wish.listed && !wish.create && !wish.copied.len && make) {
        json_object_set_new(options, "CreateMountpoint", json_false());
        judge_note(judge, CHANGE_INJECTED, &create_at);
    }
    if (is_elsewhere(&wish)) {
        take_elsewhere(judge, &source_at, &wish, mount, make);
    } else if (is_mapped(&wish)) {
        json_object_set_new(mount, "Source",
                            json_stringn(wish.host.ptr, wish.host.len));
        judge_note(judge, CHANGE_MAPPED, &source_at);
    } else {
        return true;
    }
    note_asked(judge, member_text(mount, "Target"), "mount",
               json_incref(asked));
    return true;
}

static bool judge_volume_mount(struct judge *judge, const struct place *place,
                               json_t *mount)
{
    struct str name = member_text(mount, "Source");
    struct place at = place_field(place, mount, "Source");

    return name.len == 0 || object_name_is_good(name) ||
           judge_refuse(judge, 400, "container.mounts", &at,
                        "\"%.*s\" is no name of a volume; for a path of the "
                        "host, the type is bind",
                        STR_FMT(str_head(name, 200)));
}

static bool judge_image_mount(struct judge *judge, const struct place *place,
                              json_t *mount)
{
    struct place at = place_field(place, mount, "Source");

    return judge_image(judge, &at, member_text(mount, "Source"));
}

bool check_mount(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *mount)
{
    static const struct {
        struct str type;
        bool (*judge)(struct judge *, const struct place *, json_t *);
    } types[] = {
        {STR("bind"),   judge_bind_mount  },
        {STR("volume"), judge_volume_mount},
        {STR("tmpfs"),  judge_tmpfs_mount },
        {STR("image"),  judge_image_mount },
    };
    struct str type = member_text(mount, "Type");
    struct place at = place_field(place, mount, "Type");

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq(type, types[i].type))
            return types[i].judge(judge, place, mount);
    }
    return judge_forbid(judge, field->rule, &at,
                        "mounts of type \"%.*s\" are not allowed; use volume, "
                        "tmpfs, image or bind",
                        STR_FMT(str_head(type, 40)));
}

bool check_mounts(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *list)
{
    (void)judge;
    (void)field;
    (void)place;
    remove_left_out(list);
    return true;
}

static bool check_volume_source(struct judge *judge, const struct field *field,
                                const struct place *place, struct str text)
{
    struct str ref, mode;

    str_cut(text, ':', &ref, &mode);
    if (str_has_prefix(ref, S("/")))
        ref = str_from_index(ref, 1);
    return object_name_is_good(ref) ||
           judge_refuse(judge, 400, field->rule, place,
                        "\"%.*s\" names no container; write NAME or NAME:ro",
                        STR_FMT(str_head(text, 200)));
}

bool check_volumes_from(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *list)
{
    return each_text(judge, field, place, list, check_volume_source);
}
