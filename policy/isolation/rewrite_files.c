#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/base/sha256.h"
#include "policy/config/host_path.h"
#include "policy/docker/companion_name.h"
#include "policy/isolation/files_name.h"
#include "policy/judge/judge.h"

/*
 * Directories of the runner's machine that are copied ("by": "copy"). A bind
 * becomes a part of a volume of berth's, which is brought into step with the
 * directory before anything of the namespace starts, and before its client
 * hears that anything has ended. Who brings it is asked for that as the engine
 * is for other things.
 */

#define RULE  "container.mounts"
#define FIELD "HostConfig"

enum {
    SHOWN = 100,     /* bytes of a path */
    NO_RESULT = 125, /* as docker itself ends when the fault is not the
                        command's */
};

int files_put_name(struct strbuf *out, struct str ns, struct str root)
{
    char digits[SHA256_HEX + 1];

    sha256_hex(root, digits);
    return strbuf_addf(out, FILES_NAME "%.*s.%.*s", STR_FMT(ns),
                       (int)FILES_DIGITS, digits);
}

bool files_name_is_of(struct str name, struct str ns)
{
    struct str intro = S(FILES_NAME), rest;

    if (!str_has_prefix(name, intro))
        return false;
    rest = str_from_index(name, intro.len);
    return rest.len == ns.len + 1 + FILES_DIGITS && str_has_prefix(rest, ns) &&
           rest.ptr[ns.len] == '.';
}

bool files_are_copied(const struct objects *mounts)
{
    const struct mount_rule *rules = mounts ? mounts->items : NULL;

    for (size_t i = 0; mounts && i < mounts->count; i++) {
        if (rules[i].by == MOUNT_BY_COPY)
            return true;
    }
    return false;
}

/* ---- into step ---- */

/* The rule that ASK was refused by. */
static const char *rule_of(const struct lookup *ask)
{
    return str_eq(str_at(ask->reply, "rule"), S(FILES_LIMIT_RULE))
               ? FILES_LIMIT_RULE
               : RULE;
}

/* Unless it is not known yet what came of it, it must have gone well. */
static void expect_in_step(struct rewrite *rw, const struct lookup *ask)
{
    struct str why = ask ? str_at(ask->reply, "message") : S("");

    if (!ask || ask->status == 200 || rewrite_is_refused(rw))
        return;
    if (why.len == 0)
        why = S("this berth has no way to copy files");
    verdict_deny(&rw->verdict, ask->status ? ask->status : 503, rule_of(ask),
                 FIELD, "%.*s", STR_FMT(str_head(why, LIMIT_REASON / 2)));
}

static const struct lookup *bring(struct rewrite *rw, const char *turn,
                                  json_t *binds)
{
    return rewrite_do(rw, METHOD_POST, S(LOOKUP_FILES),
                      json_pack("{s:s, s:o*}", "turn", turn, "binds", binds),
                      NULL);
}

void files_in(struct rewrite *rw)
{
    if (files_are_copied(rw->context.mounts) && !rewrite_is_refused(rw) &&
        !rw->answer_status)
        expect_in_step(rw, bring(rw, "in", NULL));
}

/* What came of ASK, unless it is not known yet: what has ended has ended, but
 * its client is to hear that its files are not there. */
static void note_brought(struct rewrite *rw, const struct lookup *ask)
{
    struct str why = ask ? str_at(ask->reply, "message") : S("");

    if (!ask || ask->status == 200)
        return;
    if (why.len == 0)
        why = S("this berth has no way to copy files at the moment");
    rw->not_brought = rewrite_keep(rw, str_head(why, LIMIT_REASON / 2));
}

void files_out(struct rewrite *rw)
{
    if (files_are_copied(rw->context.mounts))
        note_brought(rw, bring(rw, "out", NULL));
}

/* The end of its start has brought them, or has not. */
void finish_exec_inspect(struct rewrite *rw)
{
    if (files_are_copied(rw->context.mounts))
        note_brought(rw, bring(rw, "last", NULL));
}

void files_tell_exec(const struct rewrite *rw, json_t *reply)
{
    const json_t *code = json_object_get(reply, "ExitCode");

    if (rw->not_brought.len && json_is_integer(code) &&
        json_integer_value(code) == 0 &&
        json_is_false(json_object_get(reply, "Running")))
        json_object_set_new(reply, "ExitCode", json_integer(NO_RESULT));
}

/* The API's own place for "it has ended, but" (ContainerWaitResponse.Error):
 * docker run and start say it, and end with 125. */
void files_tell_wait(const struct rewrite *rw, json_t *reply)
{
    if (rw->not_brought.len)
        json_object_set_new(reply, "Error",
                            json_pack("{s:s%}", "Message", rw->not_brought.ptr,
                                      rw->not_brought.len));
}

void rewrite_files_in(struct rewrite *rw)
{
    rewrite_by_tables(rw);
    files_in(rw);
}

void finish_container_logs(struct rewrite *rw)
{
    struct str follow = rewrite_query(rw, S("follow"));

    if (follow.len && !str_eq(follow, S("0")) && !str_eq(follow, S("false")))
        files_out(rw);
}

bool files_have_ended(const json_t *container)
{
    const json_t *state = json_object_get(container, "State");
    const json_t *labels =
        json_object_get(json_object_get(container, "Config"), "Labels");

    return json_is_false(json_object_get(state, "Running")) &&
           !str_eq(str_at(state, "Status"), S("created")) &&
           str_at(labels, LABEL_FILES).len > 0;
}

void finish_container_inspect(struct rewrite *rw)
{
    if (rw->ended)
        files_out(rw);
}

/* ---- a container is made ---- */

static void become_volume(struct rewrite *rw, json_t *mount, struct str root,
                          struct str path)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME + 64);
    json_t *options = json_pack("{s:b}", "NoCopy", 1);

    if (path.len && !mounts_have_subpaths(rw)) {
        rewrite_refuse_by(rw, RULE, FIELD,
                          "\"%.*s\" is below \"%.*s\", which is copied, and "
                          "only Engine 26 and later can mount a part of a "
                          "volume; mount all of it, or have the policy list "
                          "this very directory",
                          STR_FMT(str_head(path, SHOWN)),
                          STR_FMT(str_head(root, SHOWN)));
    }
    if (path.len) {
        json_object_set_new(options, "Subpath", json_of_str(path));
        mounts_need_subpaths(rw);
    }
    files_put_name(&name, rw->context.ns, root);
    json_object_set_new(mount, "Type", json_string("volume"));
    json_object_set_new(mount, "Source", json_of_str(strbuf_str(&name)));
    json_object_set_new(mount, "VolumeOptions", options);
}

/* MOUNT, which the judge has marked, becomes one of a volume; what has to be
 * brought into step for it goes to BINDS, and to the label to LABEL. */
static void place(struct rewrite *rw, json_t *mount, json_t *binds,
                  json_t *label)
{
    const json_t *mark = json_object_get(mount, MOUNT_BY_COPY_OF);
    struct str root = rewrite_keep(rw, str_at(mark, "root"));
    struct str source = rewrite_keep(rw, str_at(mount, "Source"));
    struct str path = str_from_index(source, root.len);
    json_t *make = json_object_get(mark, "make");

    if (path.len)
        path = str_from_index(path, 1);
    json_array_append_new(
        binds, json_pack("{s:s%, s:s%, s:O, s:s%}", "root", root.ptr, root.len,
                         "path", path.len ? path.ptr : "", path.len, "make",
                         make, "here", source.ptr, source.len));
    json_array_append_new(label, json_pack("{s:s%, s:s%}", "root", root.ptr,
                                           root.len, "path",
                                           path.len ? path.ptr : "", path.len));
    json_object_del(mount, MOUNT_BY_COPY_OF);
    become_volume(rw, mount, root, path);
}

/* Who has another's mounts, has them also when that one is gone. */
static void inherit(struct rewrite *rw, const json_t *host, json_t *label)
{
    const json_t *source;
    size_t i;

    json_array_foreach(json_object_get(host, "VolumesFrom"), i, source)
    {
        const struct lookup *ask = rewrite_mounts_of(rw, source);
        const json_t *theirs = json_object_get(
            json_object_get(ask ? ask->reply : NULL, "Config"), "Labels");
        json_auto_t *list = files_label_read(theirs);

        json_array_extend(label, list);
    }
}

json_t *files_label_read(const json_t *labels)
{
    struct str text = str_at(labels, LABEL_FILES);
    json_t *list = text.len && text.len <= LIMIT_MOUNT_LABEL
                       ? json_loadb(text.ptr, text.len, 0, NULL)
                       : NULL;

    if (json_is_array(list))
        return list;
    json_decref(list);
    return NULL;
}

void files_create(struct rewrite *rw, json_t *host)
{
    json_auto_t *binds = json_array(), *label = json_array();
    json_t *mount;
    size_t i;

    if (!files_are_copied(rw->context.mounts))
        return;
    json_array_foreach(json_object_get(host, "Mounts"), i, mount)
    {
        if (json_object_get(mount, MOUNT_BY_COPY_OF))
            place(rw, mount, binds, label);
    }
    inherit(rw, host, label);
    if (json_array_size(label))
        rewrite_put_label(rw, LABEL_FILES, label, LIMIT_MOUNT_LABEL, "mounts",
                          "mount less");
    if (json_array_size(binds) && !rewrite_is_refused(rw))
        expect_in_step(rw, bring(rw, "in", json_incref(binds)));
}
