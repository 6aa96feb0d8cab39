#include "policy/isolation/rewrite_private.h"

#include <stdlib.h>

#include "policy/isolation/port_wish.h"

/*
 * Ports that go to the runner's localhost. The engine is asked for one of its
 * own choosing, on a loopback address of the namespace's own, for each port of
 * the container; so two runners' wishes never meet there. What was wished for
 * is in a label, and replies show that.
 */

bool ports_are_runners(const struct rewrite *rw)
{
    return rw->context.port_address.len > 0;
}

/* ---- a container is made ---- */

/* One binding on the engine's host, at any port of ADDRESS. */
static json_t *anywhere_on(struct str address)
{
    return json_pack("[{s:s%, s:s}]", "HostIp", address.ptr ? address.ptr : "",
                     address.len, "HostPort", "");
}

/* PublishAllPorts would publish on all addresses of the host, so each port that
 * is exposed and has no binding is given one. Those that are carried go to
 * EXPOSED. */
static void write_out(const struct rewrite *rw, json_t *bindings,
                      json_t *exposes, json_t *exposed)
{
    const char *key;
    json_t *value;

    json_object_foreach(exposes, key, value)
    {
        char name[PORT_NAME];
        bool carried = port_name_read(str_from(key), name);

        if (json_object_get(bindings, key) ||
            (carried && json_object_get(bindings, name)))
            continue;
        json_object_set_new(bindings, key,
                            anywhere_on(carried ? rw->context.port_address
                                                : rw->context.port_bind));
        if (carried)
            json_array_append_new(exposed, json_string(name));
    }
}

void ports_create(struct rewrite *rw, json_t *host, const json_t *image)
{
    json_t *given = json_object_get(host, "PortBindings"), *value;
    bool all = json_is_true(json_object_get(host, "PublishAllPorts"));
    json_t *bindings, *exposed;
    const char *key;
    char name[PORT_NAME];

    rw->publishes = json_object_size(given) > 0 || all;
    json_decref(rw->port_wish);
    rw->port_wish = NULL;
    if (!ports_are_runners(rw) || (json_object_size(given) == 0 && !all))
        return;
    rw->port_wish = json_pack("{s:O*, s:b, s:[]}", "bindings", given, "all",
                              all, "exposed");
    if (!given)
        json_object_set_new(rw->port_wish, "bindings", json_object());
    exposed = json_object_get(rw->port_wish, "exposed");
    bindings = json_object();
    json_object_foreach(given, key, value)
    {
        if (port_name_read(str_from(key), name))
            json_object_set_new(bindings, key,
                                anywhere_on(rw->context.port_address));
        else
            json_object_set(bindings, key, value);
    }
    if (all) {
        write_out(rw, bindings, json_object_get(rw->draft, "ExposedPorts"),
                  exposed);
        write_out(
            rw, bindings,
            json_object_get(json_object_get(image, "Config"), "ExposedPorts"),
            exposed);
        json_object_set_new(host, "PublishAllPorts", json_false());
    }
    json_object_set_new(host, "PortBindings", bindings);
    rewrite_put_label(rw, LABEL_PORTS, rw->port_wish, LIMIT_PORT_LABEL,
                      "publishes", "publish fewer ports");
}

void ports_created(struct rewrite *rw, struct str id)
{
    const struct port_book *book = rw->context.ports;

    if (book && ports_are_runners(rw) && is_full_id(id))
        book->note(book->arg, id, rw->port_name, rw->port_wish);
}

/* ---- it starts ---- */

/* What the container that is started, as the engine knows it, wishes: false as
 * long as it is not known, or when there is nothing to listen for. */
static bool find_wish(struct rewrite *rw, struct str *name, json_t **wish)
{
    const struct port_book *book = rw->context.ports;
    struct str ref = resolve_container(rw, rw->match->params[0].value);
    const struct lookup *ask;
    json_t *noted;

    if (ref.len == 0)
        return false;
    if (is_full_id(ref) && book->noted(book->arg, ref, name, &noted)) {
        rw->port_id = ref;
        *wish = json_incref(noted);
        return *wish != NULL;
    }
    ask = container_inspected(rw, ref);
    if (!ask || ask->status != 200 || !container_is_own(rw, ask->reply))
        return false;
    rw->port_id = rewrite_keep(rw, str_at(ask->reply, "Id"));
    *name = namespace_strip(rw->context.ns,
                            str_from_index(str_at(ask->reply, "Name"), 1));
    *wish = port_wish_read(
        json_object_get(json_object_get(ask->reply, "Config"), "Labels"));
    return *wish != NULL;
}

/* Before it starts: so what is taken is told as the engine would, and whoever
 * has heard that it runs finds its ports. */
static void open_ports(struct rewrite *rw)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(2 * LIMIT_REASON);
    const struct port_book *book = rw->context.ports;
    json_auto_t *wish = NULL;
    struct str name, other = S("");
    const struct lookup *ask;
    enum port_open opened;

    rw->port_id = S("");
    if (!book || !ports_are_runners(rw) || rewrite_is_refused(rw) ||
        !find_wish(rw, &name, &wish) || rw->missing)
        return;
    opened = book->open(book->arg, rw->port_id, name, wish, &other, &why);
    if (opened == PORT_IN_USE) { /* by one that has ended a moment ago? */
        other = rewrite_keep(rw, other);
        ask = container_inspected(rw, other);
        if (!ask)
            return;
        book->learn(book->arg, other, ask->status == 200 ? ask->reply : NULL);
        strbuf_clear(&why);
        opened = book->open(book->arg, rw->port_id, name, wish, &other, &why);
    }
    if (opened != PORT_OPEN)
        rewrite_answer_with(
            rw, 500,
            json_pack("{s:s%}", "message", strbuf_cstr(&why), why.len));
}

void rewrite_container_start(struct rewrite *rw)
{
    rewrite_by_tables(rw);
    open_ports(rw);
    files_in(rw);
}

void ports_not_started(struct rewrite *rw)
{
    const struct port_book *book = rw->context.ports;

    if (book && rw->port_id.len)
        book->doubt(book->arg, rw->port_id);
}

/* ---- what is shown ---- */

/* What is fixed is known also while nobody listens. */
static json_t *guess(const json_t *listens, const char *name)
{
    json_t *list = json_array();
    const json_t *binding;
    size_t i;

    json_array_foreach(json_object_get(listens, name), i, binding)
    {
        struct str ip = str_at(binding, "HostIp");
        const char *port =
            json_string_value(json_object_get(binding, "HostPort"));
        uint16_t number;

        if (!port_is_fixed(str_from(port), &number))
            continue;
        if (ip.len) {
            json_array_append_new(list,
                                  json_pack("{s:s%, s:s}", "HostIp", ip.ptr,
                                            ip.len, "HostPort", port));
            continue;
        }
        json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp", "0.0.0.0",
                                              "HostPort", port));
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "HostIp", "::", "HostPort", port));
    }
    return list;
}

/* Where the runner finds the port NAME of the container ID. The caller's. */
static json_t *shown_at(const struct rewrite *rw, struct str id,
                        const json_t *listens, const char *name)
{
    const struct port_book *book = rw->context.ports;
    const json_t *shown = book ? book->shown(book->arg, id) : NULL;

    return shown ? json_deep_copy(json_object_get(shown, name))
                 : guess(listens, name);
}

/* Is the port published where the runner's are? One of a container that was
 * made under another policy may not be. */
static bool is_at_address(const struct rewrite *rw, const json_t *bindings)
{
    const json_t *binding;
    size_t i;

    json_array_foreach(bindings, i, binding)
    {
        if (str_eq(str_at(binding, "HostIp"), rw->context.port_address))
            return true;
    }
    return false;
}

static void restore_inspect(const struct rewrite *rw, json_t *container,
                            const json_t *wish, const json_t *listens)
{
    json_t *host = json_object_get(container, "HostConfig");
    json_t *ports =
        json_object_get(json_object_get(container, "NetworkSettings"), "Ports");
    json_t *value;
    const char *key;

    json_object_set(host, "PortBindings", json_object_get(wish, "bindings"));
    json_object_set_new(
        host, "PublishAllPorts",
        json_boolean(json_is_true(json_object_get(wish, "all"))));
    json_object_foreach(ports, key, value)
    {
        json_t *shown;

        if (!is_at_address(rw, value) || !json_object_get(listens, key))
            continue;
        shown = shown_at(rw, str_at(container, "Id"), listens, key);
        json_object_set_new(ports, key, shown ? shown : json_array());
    }
}

static void add_row(json_t *rows, const json_t *row, const json_t *shown)
{
    const json_t *binding;
    size_t i;

    json_array_foreach(shown, i, binding)
    {
        json_t *copy = json_deep_copy(row);
        uint16_t number = 0;

        port_is_fixed(str_at(binding, "HostPort"), &number);
        json_object_set(copy, "IP", json_object_get(binding, "HostIp"));
        json_object_set_new(copy, "PublicPort", json_integer(number));
        json_array_append_new(rows, copy);
    }
}

static void restore_listed(const struct rewrite *rw, json_t *container,
                           const json_t *listens)
{
    json_t *rows = json_array(), *row;
    size_t i;

    json_array_foreach(json_object_get(container, "Ports"), i, row)
    {
        AUTO(strbuf_fini) struct strbuf name = STRBUF(64);
        json_auto_t *shown = NULL;

        strbuf_addf(&name, "%" JSON_INTEGER_FORMAT "/%.*s",
                    json_integer_value(json_object_get(row, "PrivatePort")),
                    STR_FMT(str_head(str_at(row, "Type"), PORT_NAME)));
        if (!json_object_get(row, "PublicPort") ||
            !str_eq(str_at(row, "IP"), rw->context.port_address) ||
            !json_object_get(listens, strbuf_cstr(&name))) {
            json_array_append(rows, row);
            continue;
        }
        shown =
            shown_at(rw, str_at(container, "Id"), listens, strbuf_cstr(&name));
        add_row(rows, row, shown);
    }
    json_object_set_new(container, "Ports", rows);
}

void ports_restore(const struct rewrite *rw, json_t *container,
                   const json_t *labels, bool inspected)
{
    json_auto_t *wish = ports_are_runners(rw) ? port_wish_read(labels) : NULL;
    json_auto_t *listens = NULL;

    if (!wish)
        return;
    listens = port_wish_listens(wish);
    if (inspected)
        restore_inspect(rw, container, wish, listens);
    else if (json_is_array(json_object_get(container, "Ports")))
        restore_listed(rw, container, listens);
}

/* ---- filters ---- */

/* "8080", "8080/tcp", "8000-8010/udp" */
static bool is_within(struct str range, json_int_t port, struct str type)
{
    struct str ports, protocol, from, to;
    uint64_t low, high;

    if (!str_cut(range, '/', &ports, &protocol))
        protocol = S("tcp");
    if (!str_cut(ports, '-', &from, &to))
        to = from;
    return str_eq_nocase(protocol, type) && str_to_u64(from, &low) == 0 &&
           str_to_u64(to, &high) == 0 && (json_int_t)low <= port &&
           port <= (json_int_t)high;
}

bool ports_match(json_t *values, const json_t *container)
{
    json_t *row, *yes;
    const char *range;
    size_t i;

    json_array_foreach(json_object_get(container, "Ports"), i, row)
    {
        json_int_t port =
            json_integer_value(json_object_get(row, "PublicPort"));

        json_object_foreach(values, range, yes)
        {
            if (port && is_within(str_from(range), port, str_at(row, "Type")))
                return true;
        }
    }
    return false;
}
