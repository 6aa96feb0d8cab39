#include "tests/unit/world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/docker/companion_name.h"
#include "policy/docker/lease_name.h"
#include "policy/docker/namespace.h"
#include "policy/isolation/push_lock.h"

/* ---- the engine ---- */

struct sim_engine engine;

static int64_t engine_now(void)
{
    return 1700000000 + (int64_t)(world_ms / 1000) + engine.offset_s;
}

static json_t *stamp(int64_t seconds)
{
    char text[64];
    time_t time = (time_t)seconds;
    struct tm tm;

    gmtime_r(&time, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

void engine_forget(struct sim_object *object)
{
    free(object->name);
    free(object->ns);
    free(object->lease);
    free(object->by);
    free(object->network);
    json_decref(object->labels);
    *object = engine.objects[--engine.count];
}

static struct sim_object *find(enum sim_kind kind, const char *name)
{
    for (size_t i = 0; i < engine.count; i++) {
        if (engine.objects[i].kind == kind &&
            !strcmp(engine.objects[i].name, name))
            return &engine.objects[i];
    }
    return NULL;
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static char *label(const json_t *labels, const char *name)
{
    return copy(json_string_value(json_object_get(labels, name)));
}

static struct sim_object *make(enum sim_kind kind, const char *name,
                               const json_t *asked)
{
    const json_t *labels = json_object_get(asked, "Labels");
    struct sim_object *object = find(kind, name);

    if (object)
        return object;
    if (engine.count == WORLD_OBJECTS)
        abort();
    object = &engine.objects[engine.count++];
    *object = (struct sim_object){
        .kind = kind,
        .name = xstrdup(name),
        .ns = label(labels, LABEL_NAMESPACE),
        .lease = label(labels, LABEL_LEASE),
        .by = label(labels, LABEL_PUSH_BY),
        .network = label(json_object_get(asked, "HostConfig"), "NetworkMode"),
        .labels = json_deep_copy(labels),
        .made = engine_now(),
        .number = ++engine.numbers,
    };
    return object;
}

#define IMAGE                                                                  \
    "sha256:0123456789012345678901234567890123456789012345678901234567890123"

static json_t *show(const struct sim_object *object)
{
    json_t *row = json_object();
    char text[300];

    if (object->labels)
        json_object_set(row, "Labels", object->labels);
    snprintf(text, sizeof(text), "%u", object->number);
    json_object_set_new(row, "Id", json_string(text));
    if (object->kind != SIM_CONTAINER) {
        json_object_set_new(row, "Name", json_string(object->name));
        json_object_set_new(row, "CreatedAt", stamp(object->made));
        return row;
    }
    snprintf(text, sizeof(text), "/%s", object->name);
    json_object_set_new(row, "Names", json_pack("[s]", text));
    json_object_set_new(row, "Image", json_string(IMAGE));
    json_object_set_new(row, "State", json_string("exited"));
    json_object_set_new(row, "Created", json_integer(object->made));
    return row;
}

static struct berth *served(const char *ns)
{
    for (size_t i = 0; i < WORLD_BERTHS; i++) {
        if (!strcmp(berths[i].ns, ns))
            return &berths[i];
    }
    return NULL;
}

const char *world_owner(const struct sim_object *object)
{
    static char ns[16];

    if (object->ns || object->by)
        return object->ns ? object->ns : object->by;
    if (!object->network)
        return NULL;
    snprintf(ns, sizeof(ns), "%.*s", (int)strcspn(object->network, "."),
             object->network);
    return ns;
}

/* What is removed was a living berth's? */
static void check_removal(const struct sim_object *object)
{
    const char *ns = world_owner(object);
    const struct berth *berth = ns ? served(ns) : NULL;

    /* a push may go on for an hour, by a clock that is set */
    if (!ns || object->by)
        return;
    world_result.swept++;
    if (berth && berth->alive && berth_admits(berth))
        world_result.touched++;
}

/* Does the filter in TARGET take an object whose LABEL is VALUE? */
static bool takes(const char *target, const char *label, const char *value)
{
    char want[300];

    snprintf(want, sizeof(want), "%%22%s%%3D%s%%22", label, value ? value : "");
    if (value && strstr(target, want))
        return true;
    snprintf(want, sizeof(want), "%%22%s%%22", label);
    return value && strstr(target, want);
}

static bool is_listed(const struct sim_object *object, const char *target)
{
    if (strstr(target, "%22network%22"))
        return object->network && strstr(target, object->network);
    return takes(target, LABEL_NAMESPACE, object->ns) ||
           takes(target, LABEL_LEASE, object->lease) ||
           takes(target, LABEL_PUSH_BY, object->by);
}

static json_t *list(enum sim_kind kind, const char *target)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < engine.count; i++) {
        const struct sim_object *object = &engine.objects[i];

        if (object->kind == kind && is_listed(object, target))
            json_array_append_new(rows, show(object));
    }
    return kind == SIM_VOLUME ? json_pack("{s:o}", "Volumes", rows) : rows;
}

static int inspect_companion(const char *target, json_t **reply)
{
    char name[1200];
    const struct companion_sim *companion;

    for (size_t i = 0; i < WORLD_BERTHS; i++) {
        snprintf(name, sizeof(name), "/containers/" COMPANION_NAME "%s/json",
                 berths[i].ns);
        if (strcmp(target, name) != 0)
            continue;
        companion = &berths[i].companion;
        if (!companion->exists)
            break;
        *reply = json_pack("{s:{s:s, s:i}}", "State", "Status",
                           companion->running ? "running" : "exited",
                           "ExitCode", companion->code);
        return 200;
    }
    return 404;
}

static int remove_object(const char *target)
{
    for (size_t i = 0; i < engine.count; i++) {
        struct sim_object *object = &engine.objects[i];
        char name[300];

        if (object->kind == SIM_VOLUME)
            snprintf(name, sizeof(name), "/volumes/%s", object->name);
        else if (object->kind == SIM_NETWORK)
            snprintf(name, sizeof(name), "/networks/%u", object->number);
        else
            snprintf(name, sizeof(name), "/containers/%u?force=1&v=1",
                     object->number);
        if (strcmp(name, target) != 0)
            continue;
        check_removal(object);
        engine_forget(object);
        return 204;
    }
    return 404;
}

static enum sim_kind kind_of(const char *target)
{
    if (!strncmp(target, "/volumes", 8))
        return SIM_VOLUME;
    return !strncmp(target, "/networks", 9) ? SIM_NETWORK : SIM_CONTAINER;
}

static int create(const char *target, const char *body, json_t **reply)
{
    json_auto_t *asked = json_loads(body, 0, NULL);
    const char *name = json_string_value(json_object_get(asked, "Name"));
    const char *network = json_string_value(
        json_object_get(json_object_get(asked, "HostConfig"), "NetworkMode"));

    if (network && !find(SIM_NETWORK, network))
        return 404;
    *reply = show(make(kind_of(target), name, asked));
    return 201;
}

int engine_answer(enum method method, const char *target, const char *body,
                  json_t **reply)
{
    if (method == METHOD_DELETE)
        return remove_object(target);
    if (method == METHOD_POST)
        return create(target, body, reply);
    if (!strcmp(target, "/info"))
        *reply = json_pack("{s:o}", "SystemTime", stamp(engine_now()));
    else if (!strncmp(target, "/volumes", 8) ||
             !strncmp(target, "/networks", 9) ||
             !strncmp(target, "/containers/json", 16))
        *reply = list(kind_of(target), target);
    else if (!strncmp(target, "/containers/", 12))
        return inspect_companion(target, reply);
    else
        *reply = json_array();
    return 200;
}
