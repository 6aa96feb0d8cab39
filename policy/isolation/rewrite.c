#include "policy/base/json_copy.h"
#include "policy/isolation/files_name.h"
#include "policy/isolation/rewrite_private.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Whose the objects are, operation by operation: names in the path and places
 * in the body by the tables, and a function for what is not in them. OURS is
 * how an operation is kept to its namespace; one that is not here is refused.
 */
static void no_objects(struct rewrite *rw)
{
    (void)rw;
}

/* A namespace is an engine without plugins, and in no swarm. */
static void no_plugin(struct rewrite *rw)
{
    char text[LIMIT_REASON];

    snprintf(text, sizeof(text), "plugin \"%.*s\" not found",
             STR_FMT(rw->match->params[0].value));
    rewrite_answer_with(rw, 404, json_pack("{s:s}", "message", text));
}

static void no_plugins(struct rewrite *rw)
{
    rewrite_answer_with(rw, 200, json_array());
}

static void no_swarm(struct rewrite *rw)
{
    rewrite_answer_with(
        rw, 503,
        json_pack("{s:s}", "message",
                  "This node is not a swarm manager. Use \"docker swarm "
                  "init\" or \"docker swarm join\" to connect this node to "
                  "swarm and try again."));
}

// clang-format off
static const struct {
    enum operation operation;
    void (*rewrite)(struct rewrite *rw);
    void (*after)(struct rewrite *rw);  /* a reply's head that is no error */
    void (*finish)(struct rewrite *rw); /* its end */
} rows[] = {
    {OP_SYSTEM_OPTIONS,             no_objects},
    {OP_SYSTEM_PING,                no_objects},
    {OP_SYSTEM_PING_HEAD,           no_objects},
    {OP_SYSTEM_VERSION,             no_objects},
    {OP_SYSTEM_AUTH,                no_objects},
    {OP_SYSTEM_INFO,                rewrite_info},
    {OP_SYSTEM_EVENTS,              rewrite_events},
    {OP_SYSTEM_DISK_USAGE,          no_objects}, /* the reply is cut down */
    {OP_SESSION,                    no_objects},
    {OP_GRPC,                       no_objects},
    {OP_IMAGE_BUILD,                rewrite_image_build, NULL, finish_image_build},
    {OP_BUILD_CANCEL,               no_objects}, /* the ID is its client's secret */
    {OP_BUILD_PRUNE,                rewrite_build_prune},
    {OP_DISTRIBUTION_INSPECT,       no_objects}, /* asks a registry */
    {OP_CONTAINER_LIST,             rewrite_container_list},
    {OP_CONTAINER_CREATE,           rewrite_container_create},
    {OP_CONTAINER_RENAME,           rewrite_container_rename, after_container_rename},
    {OP_CONTAINER_PRUNE,            rewrite_container_prune},
    {OP_CONTAINER_ARCHIVE_INFO,     rewrite_files_in},
    {OP_CONTAINER_ARCHIVE,          rewrite_files_in},
    {OP_PUT_CONTAINER_ARCHIVE,      rewrite_files_in, files_out},
    {OP_CONTAINER_EXPORT,           rewrite_by_tables},
    {OP_CONTAINER_CHANGES,          rewrite_by_tables},
    {OP_CONTAINER_INSPECT,          rewrite_by_tables, NULL, finish_container_inspect},
    {OP_CONTAINER_TOP,              rewrite_by_tables},
    {OP_CONTAINER_LOGS,             rewrite_by_tables, NULL, finish_container_logs},
    {OP_CONTAINER_STATS,            rewrite_by_tables},
    {OP_CONTAINER_ATTACH_WEBSOCKET, rewrite_by_tables, NULL, files_out},
    {OP_CONTAINER_ATTACH,           rewrite_by_tables, NULL, files_out},
    {OP_CONTAINER_KILL,             rewrite_by_tables, files_out},
    {OP_CONTAINER_PAUSE,            rewrite_by_tables, files_out},
    {OP_CONTAINER_UNPAUSE,          rewrite_by_tables},
    {OP_CONTAINER_RESTART,          rewrite_container_start},
    {OP_CONTAINER_START,            rewrite_container_start},
    {OP_CONTAINER_STOP,             rewrite_by_tables, files_out},
    {OP_CONTAINER_WAIT,             rewrite_by_tables, NULL, files_out},
    {OP_CONTAINER_RESIZE,           rewrite_by_tables},
    {OP_CONTAINER_UPDATE,           rewrite_by_tables},
    {OP_CONTAINER_DELETE,           rewrite_by_tables, files_out},
    {OP_CONTAINER_COPY,             rewrite_by_tables},
    {OP_CONTAINER_EXEC,             rewrite_by_tables},
    {OP_EXEC_INSPECT,               rewrite_by_tables, NULL, finish_exec_inspect},
    {OP_EXEC_START,                 rewrite_files_in, NULL, files_out},
    {OP_EXEC_RESIZE,                rewrite_by_tables},
    {OP_CHECKPOINT_LIST,            rewrite_by_tables},
    {OP_CHECKPOINT_CREATE,          rewrite_by_tables},
    {OP_CHECKPOINT_DELETE,          rewrite_by_tables},
    {OP_IMAGE_LIST,                 rewrite_image_list},
    {OP_IMAGE_SEARCH,               no_objects}, /* asks a registry */
    {OP_IMAGE_GET_ALL,              rewrite_image_get_all},
    {OP_IMAGE_GET,                  rewrite_image_get},
    {OP_IMAGE_HISTORY,              rewrite_by_tables},
    {OP_IMAGE_INSPECT,              rewrite_image_inspect},
    {OP_IMAGE_ATTESTATIONS,         rewrite_by_tables},
    {OP_IMAGE_LOAD,                 rewrite_image_load, NULL, finish_image_load},
    {OP_IMAGE_CREATE,               rewrite_image_create, NULL, finish_image_create},
    {OP_IMAGE_COMMIT,               rewrite_image_commit, NULL, finish_image_commit},
    {OP_IMAGE_PUSH,                 rewrite_image_push, NULL, finish_image_push},
    {OP_IMAGE_TAG,                  rewrite_image_tag, after_image_tag},
    {OP_IMAGE_PRUNE,                rewrite_image_prune},
    {OP_IMAGE_DELETE,               rewrite_image_delete},
    {OP_NETWORK_LIST,               rewrite_network_list},
    {OP_NETWORK_INSPECT,            rewrite_network_inspect},
    {OP_NETWORK_CREATE,             rewrite_network_create},
    {OP_NETWORK_CONNECT,            rewrite_network_connect},
    {OP_NETWORK_DISCONNECT,         rewrite_network_connect},
    {OP_NETWORK_PRUNE,              rewrite_network_prune},
    {OP_NETWORK_DELETE,             rewrite_network_delete},
    {OP_VOLUME_LIST,                rewrite_volume_list},
    {OP_VOLUME_INSPECT,             rewrite_by_tables},
    {OP_VOLUME_CREATE,              rewrite_volume_create},
    {OP_VOLUME_PRUNE,               rewrite_volume_prune},
    {OP_VOLUME_DELETE,              rewrite_by_tables},
    {OP_PLUGIN_LIST,                no_plugins},
    {OP_PLUGIN_INSPECT,             no_plugin},
    {OP_SWARM_INSPECT,               no_swarm},
    {OP_SERVICE_LIST,                no_swarm},
    {OP_SERVICE_INSPECT,             no_swarm},
    {OP_SERVICE_LOGS,                no_swarm},
    {OP_NODE_LIST,                   no_swarm},
    {OP_NODE_INSPECT,                no_swarm},
    {OP_TASK_LIST,                   no_swarm},
    {OP_TASK_INSPECT,                no_swarm},
    {OP_TASK_LOGS,                   no_swarm},
    {OP_SECRET_LIST,                 no_swarm},
    {OP_SECRET_INSPECT,              no_swarm},
    {OP_CONFIG_LIST,                 no_swarm},
    {OP_CONFIG_INSPECT,              no_swarm},
};
// clang-format on

/* ---- the passes ---- */

/* What the patterns took is the listener's to bear. */
static void charge_steps(struct rewrite *rw)
{
    if (rw->context.match_steps && rw->filter_count)
        *rw->context.match_steps -= (int64_t)(LIMIT_MATCH_ALL - rw->steps);
}

static void discard(struct rewrite *rw)
{
    charge_steps(rw);
    json_decref(rw->draft);
    rw->draft = NULL;
    json_decref(rw->wanted);
    rw->wanted = NULL;
    json_decref(rw->renamed);
    rw->renamed = NULL;
    json_decref(rw->stand_ins);
    rw->stand_ins = NULL;
    json_decref(rw->warnings);
    rw->warnings = NULL;
    rw->least_minor = 0;
    rewrite_answer_with(rw, 0, NULL);
    filters_forget(rw);
    rw->edit_count = 0;
    rw->has_limit = false;
    rw->missing = false;
    rw->lookups = 0;
    rw->steps = LIMIT_MATCH_ALL;
    json_decref(rw->images.own);
    json_decref(rw->images.made_from);
    json_decref(rw->images.hidden);
    json_decref(rw->images.parents);
    memset(&rw->images, 0, sizeof(rw->images));
    memset(&rw->pull, 0, sizeof(rw->pull));
    memset(&rw->push, 0, sizeof(rw->push));
}

static int apply(struct rewrite *rw, const struct edit *edit)
{
    struct str value;
    int r;

    if (edit->drop) {
        target_drop(rw->target, edit->key);
        return 0;
    }
    r = target_copy(rw->target, edit->value, &value);
    if (r < 0)
        return r;
    if (edit->param != EDIT_QUERY) {
        rw->match->params[edit->param].value = value;
        return 0;
    }
    if (!edit->add)
        return target_set(rw->target, edit->key, value);
    return target_add(rw->target, edit->key, value);
}

/* An engine that is older than what the request needs has to refuse it; a newer
 * one has to know that it is meant so. */
static void raise_version(struct rewrite *rw)
{
    struct target *target = rw->target;

    if (target->versioned ? target->minor >= rw->least_minor
                          : rw->least_minor == 0 || rw->context.engine_minor)
        return;
    target->versioned = true;
    target->major = 1;
    target->minor = rw->least_minor;
}

static enum rewrite_step commit(struct rewrite *rw)
{
    for (size_t i = 0; i < rw->edit_count; i++) {
        if (apply(rw, &rw->edits[i]) < 0) {
            rewrite_refuse(rw, 431,
                           "the request is too long to be written in the "
                           "engine's words");
            return REWRITE_REFUSED;
        }
    }
    raise_version(rw);
    if (rw->draft) {
        json_decref(*rw->body);
        *rw->body = rw->draft;
        rw->draft = NULL; /* handed over */
    }
    return REWRITE_DONE;
}

/* An answer in the engine's stead, in the runner's words. */
static enum rewrite_step answer(struct rewrite *rw)
{
    json_t *shown = json_copy_shared(rw->answer);

    json_decref(rw->answer);
    rw->answer = shown;
    if (rw->answer_status >= 400 && rw->answer)
        rewrite_reply(rw, rw->answer_status, rw->answer);
    return REWRITE_ANSWER;
}

enum rewrite_step rewrite_next(struct rewrite *rw)
{
    enum operation operation = rw->match->route->operation;

    discard(rw);
    rw->wanted = json_array();
    rw->draft = *rw->body ? json_copy_shared(*rw->body) : NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].operation != operation)
            continue;
        rows[i].rewrite(rw);
        if (rewrite_is_refused(rw))
            return REWRITE_REFUSED;
        if (rw->answer_status)
            return answer(rw);
        if (rw->missing || lookups_are_pending(rw->context.lookups) ||
            rewrite_ask_for_changes(rw))
            return rewrite_is_refused(rw) ? REWRITE_REFUSED : REWRITE_ASK;
        return commit(rw);
    }
    rewrite_refuse(rw, 403, "%s is of no namespace, so berth does not pass it",
                   operation_name(operation));
    return REWRITE_REFUSED;
}

enum rewrite_step rewrite_begin(struct rewrite *rw,
                                const struct rewrite_context *context,
                                struct route_match *match,
                                struct target *target, json_t **body)
{
    *rw = (struct rewrite){
        .context = *context, .match = match, .target = target, .body = body};
    verdict_allow(&rw->verdict, "namespace");
    return rewrite_next(rw);
}

void rewrite_begin_plain(struct rewrite *rw,
                         const struct rewrite_context *context,
                         struct route_match *match, struct target *target)
{
    *rw =
        (struct rewrite){.context = *context, .match = match, .target = target};
    rw->context.ns = S("");
    verdict_allow(&rw->verdict, "namespace");
}

/* ---- what follows ---- */

static void undo(struct rewrite *rw)
{
    const struct lookups *set = rw->context.lookups;

    if (rw->push.lock.len) { /* a name that was borrowed goes back */
        image_push_give_back(rw);
        return;
    }
    for (size_t n = 0; n < set->count; n++) {
        if (set->items[n].undo && set->items[n].status == 201)
            rewrite_do(rw, METHOD_DELETE, str_from(set->items[n].undo), NULL,
                       NULL);
    }
}

static enum rewrite_step begin_following(struct rewrite *rw,
                                         void (*follows)(struct rewrite *rw))
{
    rw->follows = follows;
    return follows ? rewrite_follow(rw) : REWRITE_DONE;
}

static size_t row_of(enum operation operation)
{
    size_t i = 0;

    while (rows[i].operation != operation)
        i++;
    return i;
}

enum rewrite_step rewrite_after(struct rewrite *rw, int status)
{
    rw->failed = status >= 400;
    if (rw->failed || status == 304) /* it runs already */
        ports_not_started(rw);
    return begin_following(
        rw,
        rw->failed ? undo : rows[row_of(rw->match->route->operation)].after);
}

enum rewrite_step rewrite_after_line(struct rewrite *rw)
{
    if (rw->brings) {
        rw->brings = false;
        lookups_fini(rw->context.lookups); /* of the one before */
        return begin_following(rw, files_out);
    }
    if (!rw->push.resolved || rw->push.returned)
        return REWRITE_DONE;
    rw->push.returned = true;
    return begin_following(rw, follow_image_push);
}

enum rewrite_step rewrite_finish(struct rewrite *rw, struct str body)
{
    size_t row = row_of(rw->match->route->operation);
    json_auto_t *made = NULL;

    if (rw->failed || !rows[row].finish)
        return REWRITE_DONE;
    if (body.len)
        made = reply_json_parse(body);
    if (json_is_string(json_object_get(made, "Id")))
        rw->made = rewrite_keep(rw, str_of_json(json_object_get(made, "Id")));
    rw->ended = files_have_ended(made);
    return begin_following(rw, rows[row].finish);
}

bool rewrite_reads_reply(const struct rewrite *rw)
{
    enum operation operation = rw->match->route->operation;

    return (operation == OP_CONTAINER_INSPECT ||
            operation == OP_EXEC_INSPECT) &&
           files_are_copied(rw->context.mounts);
}

bool rewrite_owes(const struct rewrite *rw)
{
    return rw->push.lock.len > 0;
}

enum rewrite_step rewrite_follow(struct rewrite *rw)
{
    rw->missing = false;
    rw->lookups = 0;
    json_array_clear(rw->wanted);
    rw->follows(rw);
    if (rewrite_is_refused(rw))
        return REWRITE_DONE; /* there is nobody to tell any more */
    return rw->missing || rewrite_ask_for_changes(rw) ? REWRITE_ASK
                                                      : REWRITE_DONE;
}

void rewrite_fini(struct rewrite *rw)
{
    discard(rw);
    json_decref(rw->pushes.tags);
    json_decref(rw->port_wish);
    json_decref(rw->told);
    json_decref(rw->last_line);
    json_decref(rw->ahead);
    json_decref(rw->behind);
    json_decref(rw->build.held);
    free(rw->build.error);
    for (size_t i = 0; i < rw->kept_count; i++)
        free(rw->kept[i]);
    free(rw->kept);
    free(rw->edits);
    *rw = (struct rewrite){0};
}
