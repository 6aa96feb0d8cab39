#include "policy/isolation/port_wish.h"

#include <stdio.h>

#include "policy/base/json_str.h"
#include "policy/base/limits.h"
#include "policy/docker/namespace.h"

json_t *port_wish_read(const json_t *labels)
{
    const json_t *label = json_object_get(labels, LABEL_PORTS);
    json_t *wish;

    if (!json_is_string(label) || json_string_length(label) > LIMIT_PORT_LABEL)
        return NULL;
    wish = json_loads(json_string_value(label), 0, NULL);
    if (json_is_object(json_object_get(wish, "bindings")))
        return wish;
    json_decref(wish);
    return NULL;
}

bool port_is_fixed(struct str text, uint16_t *port)
{
    uint64_t number;

    if (str_to_u64(text, &number) || number == 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

bool port_name_read(struct str text, char to[PORT_NAME])
{
    struct str number, protocol;
    uint16_t port;
    bool udp;

    if (!str_cut(text, '/', &number, &protocol))
        protocol = S("tcp");
    udp = str_eq_nocase(protocol, S("udp"));
    if ((!udp && !str_eq_nocase(protocol, S("tcp"))) ||
        !port_is_fixed(number, &port))
        return false;
    snprintf(to, PORT_NAME, "%u/%s", port, udp ? "udp" : "tcp");
    return true;
}

bool port_name_is_udp(const char *name)
{
    struct str number, protocol;

    return str_cut(str_from(name), '/', &number, &protocol) &&
           str_eq(protocol, S("udp"));
}

static json_t *list_at(json_t *object, const char *key)
{
    json_t *list = json_object_get(object, key);

    if (!list) {
        list = json_array();
        json_object_set_new(object, key, list);
    }
    return list;
}

static void add(json_t *list, struct str ip, struct str port)
{
    if (str_eq(port, S("0")))
        port = S("");
    json_array_append_new(
        list, json_pack("{s:s%, s:s%}", "HostIp", ip.ptr ? ip.ptr : "", ip.len,
                        "HostPort", port.ptr ? port.ptr : "", port.len));
}

json_t *port_wish_listens(const json_t *wish)
{
    json_t *all = json_object(), *bindings, *given;
    const json_t *binding;
    char name[PORT_NAME];
    const char *key;
    size_t i;

    bindings = json_object_get(wish, "bindings");
    json_object_foreach(bindings, key, given)
    {
        if (!port_name_read(str_from(key), name))
            continue;
        json_array_foreach(given, i, binding)
        {
            add(list_at(all, name),
                str_of_json(json_object_get(binding, "HostIp")),
                str_of_json(json_object_get(binding, "HostPort")));
        }
        if (json_array_size(given) == 0)
            add(list_at(all, name), S(""), S(""));
    }
    json_array_foreach(json_object_get(wish, "exposed"), i, binding)
    {
        if (port_name_read(str_of_json(binding), name) &&
            !json_object_get(all, name))
            add(list_at(all, name), S(""), S(""));
    }
    return all;
}
