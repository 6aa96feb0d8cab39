#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/base/sha256.h"
#include "policy/config/host_path.h"
#include "policy/docker/bind_spec.h"
#include "policy/docker/older_client.h"
#include "policy/isolation/mount_base.h"
#include "policy/isolation/runner_mount.h"
#include "policy/judge/judge.h"

/*
 * Mounts of what the runner's own container has, and of what is below a
 * directory of the host that may be written to; and how a mount that came out
 * otherwise than its client wrote it, is shown again as it was written. What
 * was written is kept in a label.
 */

#define RULE  "container.mounts"
#define FIELD "HostConfig"

enum {
    NAME_DIGITS = 40,
    SHOWN = 100, /* bytes of a path */
};

static void warn(struct rewrite *rw, json_t *text)
{
    if (!rw->warnings)
        rw->warnings = json_array();
    if (text && json_array_size(rw->warnings) < LIMIT_WARNINGS)
        json_array_append_new(rw->warnings, text);
    else
        json_decref(text);
}

/* ---- the runner's container ---- */

/* What an inspect says of it; NULL: missing, or the request is refused. */
static const json_t *inspect_runner(struct rewrite *rw)
{
    struct str runner = rw->context.runner;
    const struct lookup *ask = container_inspected(rw, runner);

    if (!ask)
        return NULL;
    if (ask->status == 200 && runner_is_named(ask->reply, runner) &&
        runner_is_foreign(ask->reply))
        return ask->reply;
    rewrite_refuse_by(rw, RULE, FIELD,
                      "the engine has no container \"%.*s\" of which the "
                      "paths could be mounted%s; have the policy say in "
                      "container.runner what the runner's own is called there",
                      STR_FMT(runner),
                      ask->status == 200
                          ? " (the one it has is made by a runner, or is not "
                            "called so)"
                          : "");
    return NULL;
}

static void refuse_place(struct rewrite *rw, struct str path,
                         const struct runner_mount *found)
{
    path = str_head(path, SHOWN);
    if (found->kind == RUNNER_MOUNT_NONE)
        rewrite_refuse_by(rw, RULE, FIELD,
                          "\"%.*s\" is in the file system of the runner's own "
                          "container, where the engine cannot get at it; work "
                          "below a path at which that container mounts a "
                          "volume or a directory of the host, or give it such "
                          "a mount there",
                          STR_FMT(path));
    else
        rewrite_refuse_by(rw, RULE, FIELD,
                          "\"%.*s\" is at \"%.*s\" of the runner's own "
                          "container, which is no volume and no directory of "
                          "the host, so that nobody else can have it; give "
                          "that container one of these there",
                          STR_FMT(path),
                          STR_FMT(str_head(found->destination, SHOWN)));
}

/* ---- what a mount becomes ---- */

/* MOUNT is of the volume NAME, at the subpath that was FOUND. */
static json_t *become_volume(struct rewrite *rw, json_t *mount, struct str name,
                             const struct runner_mount *found)
{
    json_t *options = json_pack("{s:b}", "NoCopy", 1);

    if (found->subpath.len) {
        json_object_set_new(options, "Subpath",
                            json_of_str(strbuf_str(&found->subpath)));
        mounts_need_subpaths(rw);
    }
    json_object_set_new(mount, "Type", json_string("volume"));
    json_object_set_new(mount, "Source", json_of_str(name));
    json_object_set_new(mount, "VolumeOptions", options);
    return options;
}

/*
 * A directory of the host as a volume, whose subpaths do not lead out of it.
 * What is mounted further down there is part of it, as it is of a bind, unless
 * it is read-only: a mount further down would not be. The name says all of it,
 * so it is never another; no runner can name it, nor does its label make it one
 * that a runner sees.
 */
static void become_directory(struct rewrite *rw, json_t *mount,
                             const struct runner_mount *found)
{
    AUTO(strbuf_fini) struct strbuf all = STRBUF(LIMIT_REPLY);
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME);
    bool flat = json_is_true(json_object_get(mount, "ReadOnly")) ||
                json_is_true(json_object_get(
                    json_object_get(mount, "BindOptions"), "NonRecursive"));
    const char *how = flat ? "bind" : "rbind";
    char digits[SHA256_HEX + 1];
    json_t *options;

    strbuf_addf(&all, "%.*s\n%s\n%.*s", STR_FMT(rw->context.ns), how,
                STR_FMT(found->source));
    sha256_hex(strbuf_str(&all), digits);
    strbuf_addf(&name, BINDS_PREFIX "%.*s", NAME_DIGITS, digits);
    options = become_volume(rw, mount, strbuf_str(&name), found);
    json_object_set_new(options, "Labels",
                        json_pack("{s:s%}", LABEL_BINDS, rw->context.ns.ptr,
                                  rw->context.ns.len));
    json_object_set_new(options, "DriverConfig",
                        json_pack("{s:s, s:{s:s, s:s, s:s%}}", "Name", "local",
                                  "Options", "type", "none", "o", how, "device",
                                  found->source.ptr, found->source.len));
}

static void become(struct rewrite *rw, json_t *mount, struct str path,
                   const struct runner_mount *found)
{
    struct str source = found->source;

    if (found->subpath.len && !mounts_have_subpaths(rw)) {
        rewrite_refuse_by(rw, RULE, FIELD,
                          "\"%.*s\" is below \"%.*s\" of the runner's own "
                          "container, and only Engine 26 and later can mount a "
                          "part of a volume; mount all of it",
                          STR_FMT(str_head(path, SHOWN)),
                          STR_FMT(str_head(found->destination, SHOWN)));
        return;
    }
    if (path_is_engine_socket(source) ||
        path_is_engine_socket(strbuf_str(&found->subpath))) {
        rewrite_refuse_by(rw, RULE, FIELD,
                          "the socket of a container engine is the whole host "
                          "and is never mounted");
        return;
    }
    if (found->kind == RUNNER_MOUNT_VOLUME)
        become_volume(rw, mount, source, found);
    else if (found->kind == RUNNER_MOUNT_BELOW)
        become_directory(rw, mount, found);
    else
        json_object_set_new(mount, "Source", json_of_str(source));
}

/* What of the runner's lies where containers may write by another rule, is a
 * part of that directory. */
static void take_written(struct rewrite *rw, struct runner_mount *found)
{
    AUTO(strbuf_fini) struct strbuf part = STRBUF(2 * LIMIT_PATH);
    struct str base = S("");
    int r;

    if (found->kind == RUNNER_MOUNT_PATH || found->kind == RUNNER_MOUNT_BELOW)
        base = mount_base_written(rw->context.mounts, found->source);
    if (base.len == 0 || !mounts_have_subpaths(rw))
        return;
    r = strbuf_add(&part, mount_base_rest(found->source, base));
    if (r == 0 && found->subpath.len)
        r = strbuf_addf(&part, "/%.*s", STR_FMT(strbuf_str(&found->subpath)));
    if (r == 0) {
        strbuf_clear(&found->subpath);
        r = strbuf_add(&found->subpath, strbuf_str(&part));
    }
    if (r != 0)
        rewrite_refuse_by(rw, RULE, FIELD, "the path is too long");
    found->source = base;
    found->kind = RUNNER_MOUNT_BELOW;
}

/* What lies further down in the runner's container, its jobs do not get round.
 * False: refused. */
static bool judge_hidden(struct rewrite *rw, struct str path,
                         const struct runner_mount *found)
{
    struct str hidden = str_head(found->hidden, SHOWN);

    path = str_head(path, SHOWN);
    if (found->guarded) {
        rewrite_refuse_by(rw, RULE, FIELD,
                          "the runner's own container has something mounted at "
                          "\"%.*s\" that is read-only, in memory or of the "
                          "same directory, and \"%.*s\" would come without "
                          "it; mount what is beside it",
                          STR_FMT(hidden), STR_FMT(path));
        return false;
    }
    if (hidden.len)
        warn(rw, json_sprintf("%.*s comes without what the runner's own "
                              "container mounts at %.*s",
                              STR_FMT(path), STR_FMT(hidden)));
    return true;
}

/* ---- what is at a path of the runner ---- */

static void place_mount(struct rewrite *rw, const json_t *runner, json_t *mount)
{
    struct str path = rewrite_keep(rw, str_at(mount, "Source"));
    struct runner_mount found;

    json_object_del(mount, MOUNT_OF_RUNNER);
    runner_mount_find(runner, path, &found);
    if (found.kind == RUNNER_MOUNT_NONE || found.kind == RUNNER_MOUNT_OTHER) {
        refuse_place(rw, path, &found);
        runner_mount_fini(&found);
        return;
    }
    if (found.read_only && !json_is_true(json_object_get(mount, "ReadOnly"))) {
        json_object_set_new(mount, "ReadOnly", json_true());
        warn(rw, json_sprintf("%.*s is mounted read-only, as the runner's own "
                              "container has it",
                              STR_FMT(str_head(path, SHOWN))));
    }
    if (judge_hidden(rw, path, &found)) {
        take_written(rw, &found);
        become(rw, mount, path, &found);
    }
    runner_mount_fini(&found);
}

/* ---- below a directory of the host ---- */

/* Has the judge noted what stood at TARGET? */
static bool is_noted(const json_t *binds, struct str target)
{
    const json_t *wish;
    size_t i;

    json_array_foreach(binds, i, wish)
    {
        if (str_eq(str_at(wish, "target"), target))
            return true;
    }
    return false;
}

/* An engine follows symbolic links in the source of a bind, and none out of a
 * volume. */
static void place_bind(struct rewrite *rw, json_t *mount, json_t *binds)
{
    struct str path = rewrite_keep(rw, str_at(mount, "Source"));
    struct runner_mount found = {
        .kind = RUNNER_MOUNT_BELOW,
        .source = mount_base_written(rw->context.mounts, path),
        .subpath = STRBUF(2 * LIMIT_PATH)};
    struct str propagation =
        str_at(json_object_get(mount, "BindOptions"), "Propagation");

    if (found.source.len == 0)
        found.source = mount_base_listed(rw->context.mounts, path);
    if (found.source.len == 0)
        return;
    if (!is_noted(binds, str_at(mount, "Target")))
        json_array_append_new(binds, json_pack("{s:O, s:o}", "target",
                                               json_object_get(mount, "Target"),
                                               "mount", json_deep_copy(mount)));
    if (propagation.len && !str_has_suffix(propagation, S("private")))
        warn(rw,
             json_sprintf("what is mounted at %s is private, not %.*s",
                          json_string_value(json_object_get(mount, "Target")),
                          STR_FMT(str_head(propagation, SHOWN))));
    strbuf_add(&found.subpath, mount_base_rest(path, found.source));
    become_directory(rw, mount, &found);
    json_object_del(mount, "BindOptions");
    runner_mount_fini(&found);
}

static void place_binds(struct rewrite *rw, json_t *mounts, json_t *binds)
{
    json_t *mount;
    size_t i;

    if (!mounts_have_subpaths(rw))
        return;
    json_array_foreach(mounts, i, mount)
    {
        if (str_eq(str_at(mount, "Type"), S("bind")) &&
            !json_object_get(mount, MOUNT_OF_RUNNER) &&
            !json_object_get(mount, MOUNT_BY_COPY_OF))
            place_bind(rw, mount, binds);
    }
}

/* ---- what was written ---- */

void mounts_create(struct rewrite *rw, json_t *host, const json_t *image)
{
    const json_t *theirs =
        json_object_get(json_object_get(image, "Config"), "Labels");
    json_auto_t *binds =
        rw->context.binds ? json_deep_copy(rw->context.binds) : json_array();
    json_t *mounts = json_object_get(host, "Mounts"), *mount;
    size_t i;

    place_binds(rw, mounts, binds);
    if (json_array_size(binds))
        rewrite_put_label(rw, LABEL_MOUNTS, binds, LIMIT_MOUNT_LABEL, "mounts",
                          "mount less");
    else if (json_object_get(theirs, LABEL_MOUNTS)) /* of another container */
        json_object_set_new(json_object_get(rw->draft, "Labels"), LABEL_MOUNTS,
                            json_string(""));
    json_array_foreach(mounts, i, mount)
    {
        const json_t *runner;

        if (!json_object_get(mount, MOUNT_OF_RUNNER))
            continue;
        runner = inspect_runner(rw);
        if (!runner)
            return;
        place_mount(rw, runner, mount);
    }
    files_create(rw, host);
    rewrite_need_minor(
        rw, older_client_read_only(rw->draft, rw->context.engine_minor));
}

/* ---- and is shown ---- */

static bool is_at(struct str path, struct str target)
{
    return str_eq(path_trim(path), path_trim(target));
}

/* How the engine shows MOUNT, which was ASKED for. */
static void restore_shown(json_t *mount, struct str source, struct str options)
{
    json_object_set_new(mount, "Type", json_string("bind"));
    json_object_set_new(mount, "Source", json_of_str(source));
    json_object_set_new(mount, "Mode", json_of_str(options));
    if (str_at(mount, "Propagation").len == 0)
        json_object_set_new(mount, "Propagation", json_string("rprivate"));
    json_object_del(mount, "Name");
    json_object_del(mount, "Driver");
}

static void restore_all_shown(json_t *container, struct str target,
                              struct str source, struct str options)
{
    json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(container, "Mounts"), i, mount)
    {
        if (is_at(str_at(mount, "Destination"), target))
            restore_shown(mount, source, options);
    }
}

/* What was sent for TARGET goes out of HOST. */
static void take_out(json_t *host, struct str target)
{
    json_t *mounts = json_object_get(host, "Mounts");
    json_t *binds = json_object_get(host, "Binds");
    struct bind_spec spec;

    for (size_t i = json_array_size(mounts); i-- > 0;) {
        if (str_eq(str_at(json_array_get(mounts, i), "Target"), target))
            json_array_remove(mounts, i);
    }
    for (size_t i = json_array_size(binds); i-- > 0;) {
        if (!bind_spec_parse(str_of_json(json_array_get(binds, i)), &spec) &&
            str_eq(spec.target, target))
            json_array_remove(binds, i);
    }
}

static void restore_bind(json_t *container, json_t *host, const json_t *wish)
{
    json_t *bind = json_object_get(wish, "bind");
    json_t *mount = json_object_get(wish, "mount");
    struct str target = str_at(wish, "target");
    struct bind_spec spec = {0};

    if (json_is_string(bind) && bind_spec_parse(str_of_json(bind), &spec))
        return;
    restore_all_shown(container, target,
                      bind ? spec.source : str_at(mount, "Source"),
                      spec.options);
    if (!json_is_object(host))
        return;
    take_out(host, target);
    if (json_is_string(bind))
        json_array_append(list_at(host, "Binds"), bind);
    else if (json_is_object(mount))
        json_array_append(list_at(host, "Mounts"), mount);
}

void mounts_restore(json_t *container, const json_t *labels, bool inspected)
{
    struct str text = str_at(labels, LABEL_MOUNTS);
    json_auto_t *binds = NULL;
    const json_t *wish;
    size_t i;

    if (text.len == 0 || text.len > LIMIT_MOUNT_LABEL)
        return;
    binds = json_loadb(text.ptr, text.len, 0, NULL);
    json_array_foreach(binds, i, wish)
    {
        restore_bind(
            container,
            inspected ? json_object_get(container, "HostConfig") : NULL, wish);
    }
}
