#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/docker/companion_name.h"
#include "policy/isolation/socket_wish.h"

/*
 * Where a container asks for docker.sock, and the policy has it lead back to
 * this berth, it gets a socket of the namespace's companion. The judge has left
 * a mark where that goes, with what its client wrote. The engine is asked for a
 * bind of the file, by its place in the companion's volume: every engine and
 * every version of its API knows that, whereas a part of a volume needs Engine
 * 26 and a client of API 1.45. Nobody but the companion can write there.
 */

/* ---- the label ---- */

json_t *socket_wish_read(const json_t *labels)
{
    const json_t *label = json_object_get(labels, LABEL_SOCKET);
    json_t *wish;

    if (!json_is_string(label) || json_string_length(label) > LIMIT_PORT_LABEL)
        return NULL;
    wish = json_loads(json_string_value(label), 0, NULL);
    if (json_is_integer(json_object_get(wish, "socket")))
        return wish;
    json_decref(wish);
    return NULL;
}

bool socket_wish_number(const json_t *labels, unsigned most, unsigned *number)
{
    json_auto_t *wish = socket_wish_read(labels);
    json_int_t value = json_integer_value(json_object_get(wish, "socket"));

    if (!wish || value < 0 || value >= (json_int_t)most)
        return false;
    *number = (unsigned)value;
    return true;
}

/* ---- a container is made ---- */

/* What the judge's mark says of MOUNT: {"target", "bind" or "source"}; or NULL,
 * it has none. */
static json_t *read_mark(const json_t *mount)
{
    struct str source = str_at(mount, "Source"), bind = S(SOCKET_MARK_BIND),
               plain = S(SOCKET_MARK_MOUNT);
    json_t *entry;

    if (!str_has_prefix(source, bind) && !str_has_prefix(source, plain))
        return NULL;
    entry = json_object();
    json_object_set(entry, "target", json_object_get(mount, "Target"));
    if (json_is_true(json_object_get(mount, "ReadOnly")))
        json_object_set_new(entry, "ro", json_true());
    if (str_has_prefix(source, bind))
        json_object_set_new(entry, "bind",
                            json_of_str(str_from_index(source, bind.len)));
    else
        json_object_set_new(entry, "source",
                            json_of_str(str_from_index(source, plain.len)));
    return entry;
}

static json_t *find_marks(const json_t *mounts)
{
    json_t *marks = json_array(), *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        json_t *mark = read_mark(mount);

        if (mark)
            json_array_append_new(marks, mark);
    }
    return marks;
}

/* Who may write may change the mode and the owner of the file, which its next
 * container has as well. What is read-only can be connected to. */
static void fill_in(const json_t *mounts, json_t *path)
{
    json_t *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        json_auto_t *mark = read_mark(mount);

        if (mark) {
            json_object_set(mount, "Source", path);
            json_object_set_new(mount, "ReadOnly", json_true());
        }
    }
}

/* The image is not there, so the engine is to say that, and nothing else. */
static void drop_marked(json_t *mounts)
{
    for (size_t i = json_array_size(mounts); i-- > 0;) {
        json_auto_t *mark = read_mark(json_array_get(mounts, i));

        if (mark)
            json_array_remove(mounts, i);
    }
}

/* An image made of a container has its labels. */
static void forget_images(struct rewrite *rw, const json_t *image)
{
    const json_t *labels =
        json_object_get(json_object_get(image, "Config"), "Labels");

    if (json_object_get(labels, LABEL_SOCKET))
        json_object_set_new(json_object_get(rw->draft, "Labels"), LABEL_SOCKET,
                            json_string(""));
}

/* The label of CONTAINER, one that is inspected, if it has its socket. */
static json_t *label_of(const json_t *container)
{
    json_t *labels =
        json_object_get(json_object_get(container, "Config"), "Labels");
    json_auto_t *wish = socket_wish_read(labels);
    const json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(container, "Mounts"), i, mount)
    {
        if (wish && str_eq(str_at(mount, "Source"), str_at(wish, "path")))
            return json_object_get(labels, LABEL_SOCKET);
    }
    return NULL;
}

/* Who has another's mounts has its socket as long as it lives itself. */
static bool inherit(struct rewrite *rw, const json_t *host)
{
    const json_t *source;
    size_t i;

    json_array_foreach(json_object_get(host, "VolumesFrom"), i, source)
    {
        const struct lookup *ask = rewrite_mounts_of(rw, source);
        json_t *label = ask && ask->status == 200 ? label_of(ask->reply) : NULL;

        if (label) {
            json_object_set(json_object_get(rw->draft, "Labels"), LABEL_SOCKET,
                            label);
            return true;
        }
    }
    return false;
}

void socket_create(struct rewrite *rw, json_t *host, const json_t *image)
{
    json_t *mounts = json_object_get(host, "Mounts"), *path;
    json_auto_t *marks = find_marks(mounts), *wish = NULL;
    const struct lookup *ask;

    if (json_array_size(marks) == 0) {
        if (!inherit(rw, host))
            forget_images(rw, image);
        return;
    }
    if (!image) {
        drop_marked(mounts);
        return;
    }
    ask = rewrite_do(rw, METHOD_POST, S(LOOKUP_SOCKET), NULL, NULL);
    if (!ask)
        return; /* once the rest is known */
    rewrite_fail(rw, ask, NULL);
    path = json_object_get(ask->reply, "Path");
    if (!str_has_prefix(str_of_json(path), S("/")))
        rewrite_refuse(rw, 503, "the companion has no socket");
    if (rewrite_is_refused(rw))
        return;
    fill_in(mounts, path);
    wish = json_pack("{s:O, s:O, s:O}", "socket",
                     json_object_get(ask->reply, "Socket"), "path", path,
                     "mounts", marks);
    rewrite_put_label(rw, LABEL_SOCKET, wish, LIMIT_PORT_LABEL,
                      "mounts as docker.sock", "mount it fewer times");
}

/* ---- what is shown ---- */

/* The entry of WISH for TARGET; if none is written so, the first. */
static const json_t *entry_for(const json_t *wish, struct str target)
{
    const json_t *entries = json_object_get(wish, "mounts"), *entry;
    size_t i;

    json_array_foreach(entries, i, entry)
    {
        if (str_eq(str_at(entry, "target"), target))
            return entry;
    }
    return json_array_get(entries, 0);
}

/* What of a bind is before its first colon, and behind the second. */
static void cut_bind(struct str bind, struct str *source, struct str *options)
{
    struct str target, rest;

    str_cut(bind, ':', source, &rest);
    str_cut(rest, ':', &target, options);
}

/* An engine insists on "rslave" for what is below its own directory. */
static void show_mounted(json_t *mount, const json_t *entry)
{
    struct str bind = str_at(entry, "bind"), source, options;

    if (json_object_get(mount, "Propagation"))
        json_object_set_new(mount, "Propagation", json_string("rprivate"));
    if (json_object_get(mount, "RW"))
        json_object_set_new(mount, "RW",
                            json_boolean(!json_object_get(entry, "ro")));
    if (bind.len == 0) {
        json_object_set(mount, "Source", json_object_get(entry, "source"));
        return;
    }
    cut_bind(bind, &source, &options);
    json_object_set_new(mount, "Source", json_of_str(source));
    json_object_set_new(mount, "Mode", json_of_str(options));
}

/* Those that came as binds are binds again. */
static void show_asked(json_t *host, const json_t *wish)
{
    json_t *mounts = json_object_get(host, "Mounts");
    json_t *binds = json_object_get(host, "Binds");

    for (size_t i = 0; i < json_array_size(mounts);) {
        json_t *mount = json_array_get(mounts, i);
        const json_t *entry = entry_for(wish, str_at(mount, "Target"));
        json_t *bind = json_object_get(entry, "bind");

        if (!str_eq(str_at(mount, "Source"), str_at(wish, "path"))) {
            i++;
            continue;
        }
        if (!bind) {
            json_object_set(mount, "Source", json_object_get(entry, "source"));
            if (!json_object_get(entry, "ro"))
                json_object_del(mount, "ReadOnly");
            i++;
            continue;
        }
        if (!json_is_array(binds)) {
            binds = json_array();
            json_object_set_new(host, "Binds", binds);
        }
        json_array_append(binds, bind);
        json_array_remove(mounts, i);
    }
}

void socket_restore(json_t *container, const json_t *labels, bool inspected)
{
    json_auto_t *wish = socket_wish_read(labels);
    json_t *mount;
    size_t i;

    if (!wish)
        return;
    json_array_foreach(json_object_get(container, "Mounts"), i, mount)
    {
        if (str_eq(str_at(mount, "Source"), str_at(wish, "path")))
            show_mounted(mount, entry_for(wish, str_at(mount, "Destination")));
    }
    if (inspected)
        show_asked(json_object_get(container, "HostConfig"), wish);
}
