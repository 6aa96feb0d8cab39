#include "policy/base/pattern.h"
#include "policy/base/subnet.h"
#include "policy/judge/check.h"

/* Ports that a container opens on the host, and the networks it is on. */

static bool refuse_publishing(struct judge *judge, const struct place *place)
{
    return judge_lack(judge, "ports.publish", S("runner"), place,
                      "no port may be published here; reach the container "
                      "over a network instead, or have the policy set "
                      "ports.publish to \"runner\"");
}

/* "80", "80-90", "80/tcp" */
static bool is_port(struct str text)
{
    struct str port, protocol, from, to;
    uint64_t low, high;

    if (str_cut(text, '/', &port, &protocol) &&
        !str_eq_nocase(protocol, S("tcp")) &&
        !str_eq_nocase(protocol, S("udp")) &&
        !str_eq_nocase(protocol, S("sctp")))
        return false;
    if (!str_cut(port, '-', &from, &to))
        to = from;
    return str_to_u64(from, &low) == 0 && str_to_u64(to, &high) == 0 &&
           low <= high && high <= UINT16_MAX;
}

static bool host_port_is_good(struct judge *judge, const struct place *place,
                              struct str text, bool runner)
{
    const struct port_rules *rules = &judge->rules->ports;
    struct str from, to;
    uint64_t low, high;

    if (text.len == 0 || str_eq(text, S("0")))
        return true; /* one that is free */
    if (!str_cut(text, '-', &from, &to))
        to = from;
    if (str_to_u64(from, &low) != 0 || str_to_u64(to, &high) != 0 ||
        low > high || high > UINT16_MAX)
        return judge_refuse(judge, 400, "ports.lowest", place,
                            "\"%.*s\" is no port", STR_FMT(str_head(text, 40)));
    if (runner)
        return true;
    return (low >= rules->lowest && high <= rules->highest) ||
           judge_lack(
               judge, low < rules->lowest ? "ports.lowest" : "ports.highest",
               low < rules->lowest ? from : to, place,
               "the port %.*s of the host is not for containers here; "
               "take one from %u to %u, leave it to the engine to find one "
               "that is free, or have the policy set %s to %.*s",
               STR_FMT(str_head(text, 40)), rules->lowest, rules->highest,
               low < rules->lowest ? "ports.lowest" : "ports.highest",
               STR_FMT(str_head(low < rules->lowest ? from : to, 10)));
}

static bool is_any_address(struct str text)
{
    return text.len == 0 || str_eq(text, S("0.0.0.0")) || str_eq(text, S("::"));
}

/* Does the binding at PLACE, of the port that it is under, go to the
 * runner's localhost? Those of SCTP go to the host all the same. */
static bool goes_to_runner(const struct judge *judge, const struct place *place)
{
    struct str port, protocol;

    return judge->rules->ports.publish == PORTS_RUNNER &&
           (!str_cut(str_from(place->up->key), '/', &port, &protocol) ||
            str_eq_nocase(protocol, S("tcp")) ||
            str_eq_nocase(protocol, S("udp")));
}

static bool is_loopback(struct str text)
{
    struct subnet local4, local6, address;

    subnet_parse(S("127.0.0.0/8"), &local4);
    subnet_parse(S("::1"), &local6);
    return str_find(text, '/') < 0 && subnet_parse(text, &address) &&
           (subnet_is_within(&address, &local4) ||
            subnet_is_within(&address, &local6));
}

bool check_port_binding(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *binding)
{
    const struct port_rules *rules = &judge->rules->ports;
    struct place ip_at = place_field(place, binding, "HostIp");
    struct place port_at = place_field(place, binding, "HostPort");
    struct str ip = member_text(binding, "HostIp");
    bool runner = goes_to_runner(judge, place);

    (void)field;
    if (!host_port_is_good(judge, &port_at, member_text(binding, "HostPort"),
                           runner))
        return false;
    if (rules->bind && !runner && is_any_address(ip)) {
        json_object_set_new(binding, "HostIp", json_string(rules->bind));
        judge_note(judge, CHANGE_MAPPED, &ip_at);
        return true;
    }
    return ip.len == 0 || strings_match(&rules->addresses, ip) ||
           (runner && is_loopback(ip)) ||
           (rules->bind && !runner && str_eq(ip, str_from(rules->bind))) ||
           judge_lack(judge, "ports.addresses", ip, &ip_at,
                      "ports may not be published on the address %.*s here; "
                      "leave it out, or have the policy add it to "
                      "ports.addresses",
                      STR_FMT(str_head(ip, 60)));
}

bool check_port_bindings(struct judge *judge, const struct field *field,
                         const struct place *place, json_t *map)
{
    const struct port_rules *rules = &judge->rules->ports;
    const char *port;
    json_t *list;

    (void)field;
    if (json_object_size(map) && rules->publish == PORTS_NOWHERE)
        return refuse_publishing(judge, place);
    json_object_foreach(map, port, list)
    {
        struct place at = place_key(place, map, port);
        struct place element = place_element(&at, list, 0);

        if (!is_port(str_from(port)))
            return judge_refuse(judge, 400, "ports.publish", &at,
                                "\"%s\" is no port of a container", port);
        /* an engine publishes these too, on all addresses */
        if (rules->bind && json_array_size(list) == 0 &&
            !goes_to_runner(judge, &element)) {
            json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp",
                                                  rules->bind, "HostPort", ""));
            judge_note(judge, CHANGE_MAPPED, &at);
        }
    }
    return true;
}

bool check_publish_all(struct judge *judge, const struct field *field,
                       const struct place *place, json_t *value)
{
    const struct port_rules *rules = &judge->rules->ports;

    (void)field;
    if (json_is_empty(value))
        return true;
    if (rules->publish == PORTS_NOWHERE)
        return refuse_publishing(judge, place);
    /* to the runner's localhost, they go one by one (rewrite_ports.c) */
    return !rules->bind || rules->publish == PORTS_RUNNER ||
           judge_refuse(judge, 403, "ports.bind", place,
                        "this would publish ports on all addresses of the "
                        "host, and the policy wants them on %s; publish the "
                        "ports one by one",
                        rules->bind);
}

bool check_endpoints(struct judge *judge, const struct field *field,
                     const struct place *place, json_t *map)
{
    const char *name;
    json_t *endpoint;

    (void)field;
    json_object_foreach(map, name, endpoint)
    {
        struct place at = place_key(place, map, name);

        if (!namespace_mode_is_good(judge, &at, S("network"), str_from(name)))
            return false;
    }
    return true;
}

bool check_aliases(struct judge *judge, const struct field *field,
                   const struct place *place, json_t *list)
{
    (void)field;
    return json_array_size(list) <= LIMIT_ALIASES ||
           judge_refuse(judge, 400, "request.body", place,
                        "a container has %d aliases on a network at most",
                        LIMIT_ALIASES);
}

static bool check_range(struct judge *judge, const struct field *field,
                        const struct place *place, struct str text)
{
    const struct strings *list = field_rule(judge, field);
    struct subnet wanted, allowed;

    if (text.len == 0)
        return true;
    if (!subnet_parse(text, &wanted))
        return judge_refuse(judge, 400, field->rule, place,
                            "\"%.*s\" is no address or subnet",
                            STR_FMT(str_head(text, 60)));
    for (size_t i = 0; i < list->count; i++) {
        if (subnet_parse(str_from(list->items[i]), &allowed) &&
            subnet_is_within(&wanted, &allowed))
            return true;
    }
    return judge_lack(judge, field->rule, text, place,
                      "networks may not choose the addresses %.*s here, "
                      "where others may live; leave it to the engine, or "
                      "have the policy add them to %s",
                      STR_FMT(str_head(text, 60)), field->rule);
}

bool check_subnet(struct judge *judge, const struct field *field,
                  const struct place *place, json_t *value)
{
    return each_text(judge, field, place, value, check_range);
}

bool check_network_name(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *value)
{
    struct str name = json_text(value);
    bool good = name.len <= 255 && str_trim(name).len == name.len;

    (void)field;
    for (size_t i = 0; i < name.len; i++)
        good = good && (unsigned char)name.ptr[i] >= 0x20 &&
               name.ptr[i] != 0x7f && name.ptr[i] != ':';
    return good || judge_refuse(judge, 400, "request.body", place,
                                "the name of a network has 255 characters at "
                                "most, no control characters and no colon, "
                                "and no blanks at its ends");
}

bool check_network_create(struct judge *judge, const struct place *place,
                          json_t *object)
{
    struct place at = place_field(place, object, "CheckDuplicate");

    /* engines before 25 would make a second network of the same name, and then
     * nobody could say which is meant */
    if (!json_is_true(json_object_get(object, "CheckDuplicate"))) {
        json_object_set_new(object, "CheckDuplicate", json_true());
        judge_note(judge, CHANGE_INJECTED, &at);
    }
    return true;
}
