#include "policy/isolation/rewrite_private.h"

#include "policy/docker/older_client.h"
#include "policy/judge/judge.h"

/*
 * The creation of a container: what the table of references cannot say.
 */

/*
 * What a container says of its health, the judge has held to the policy; what
 * it leaves out, an engine takes from the image, which may come from anywhere.
 */
static void hold_health(struct rewrite *rw, const json_t *image)
{
    static const char *const keys[] = {"Interval", "StartInterval"};
    const json_t *theirs =
        json_object_get(json_object_get(image, "Config"), "Healthcheck");
    const json_t *ours = json_object_get(rw->draft, "Healthcheck");
    json_int_t least = (json_int_t)rw->context.health_interval * 1000000;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        json_int_t asked = json_integer_value(json_object_get(ours, keys[i]));
        json_int_t given = json_integer_value(json_object_get(theirs, keys[i]));

        if (asked == 0 && given != 0 && given < least)
            json_object_set_new(object_at(rw->draft, "Healthcheck"), keys[i],
                                json_integer(least));
    }
}

/* A container has the labels of its image, of a Dockerfile's or a container's
 * making: those that are berth's to set say nothing about this one. */
static void disown_labels(struct rewrite *rw, const json_t *image)
{
    json_t *of_image =
        json_object_get(json_object_get(image, "Config"), "Labels");
    json_t *labels = object_at(rw->draft, "Labels"), *value;
    const char *key;

    json_object_foreach(of_image, key, value)
    {
        if (label_is_ours(str_from(key)) && !json_object_get(labels, key))
            json_object_set_new(labels, key, json_string(""));
    }
}

/* What is going to say that it is newer than its client, says no more by that:
 * what the client's version has no words for is taken away. */
static void stay_as_old(struct rewrite *rw)
{
    unsigned minor = rw->target->minor;

    if (!rw->target->versioned || minor >= rw->least_minor)
        return;
    older_client_request(OP_CONTAINER_CREATE, minor, rw->least_minor,
                         rw->target, rw->draft); /* adds nothing to a query */
    rw->target->minor = minor;                   /* until it is sent */
}

/* May what comes behind the table have a question of its own, to be asked along
 * with the others, or a refusal that hangs on no answer? */
static bool asks_more(const json_t *host)
{
    const json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(host, "Mounts"), i, mount)
    {
        if (json_object_get(mount, MOUNT_OF_RUNNER) ||
            json_object_get(mount, MOUNT_BY_COPY_OF))
            return true;
    }
    return json_array_size(json_object_get(host, "VolumesFrom")) > 0;
}

void rewrite_container_create(struct rewrite *rw)
{
    struct str name, given, typed;
    const json_t *image;
    bool is_default;
    json_t *host;

    if (!json_is_object(rw->draft)) {
        rewrite_refuse(rw, 400, "a container is created from an object");
        return;
    }
    name = container_new_name(rw);
    rewrite_set_query(rw, S("name"), rewrite_prefix(rw, name));
    host = object_at(rw->draft, "HostConfig");
    given = str_at(host, "NetworkMode");
    is_default = given.len == 0 || str_eq(given, S("default"));
    if (is_default)
        json_object_set_new(host, "NetworkMode", json_string("default"));
    typed = rewrite_keep(rw, str_at(rw->draft, "Image"));
    image = typed.len ? image_look_up(rw, typed).inspected : NULL;
    rewrite_body(rw);
    if (rewrite_is_refused(rw) || (rw->missing && !asks_more(host)))
        return; /* the rest is for the pass in which all is known */
    mounts_create(rw, host, image);
    stay_as_old(rw);
    anonymous_volumes_create(rw, host, image);
    hold_health(rw, image);
    rw->port_name = name;
    ports_create(rw, host, image);
    socket_create(rw, host, image);
    if (rewrite_is_refused(rw))
        return;
    if (typed.len)
        json_object_set_new(object_at(rw->draft, "Labels"), LABEL_IMAGE,
                            json_of_str(typed));
    if (is_default)
        json_object_set_new(object_at(rw->draft, "Labels"), LABEL_NETWORK,
                            json_string("default"));
    disown_labels(rw, image);
    if (!rw->missing) /* else names of networks may still be missing */
        endpoints_create(rw, host, name);
    if (!rw->missing && !image)
        json_array_clear(rw->wanted); /* it will fail: prepare nothing */
}
