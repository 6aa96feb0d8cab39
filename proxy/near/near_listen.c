#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/base/json_str.h"
#include "proxy/near/near_private.h"

enum {
    BACKLOG = 128,
    ANY_TRIES = 16, /* for a number that is free on all addresses */
    TARGETS = 16,   /* addresses of one binding */
};

/* One binding of a container's port: "127.0.0.1" and "8000-8010", say. */
struct binding {
    struct near_port *port;
    struct str ip, number; /* as its client wrote them */
    union near_address to[TARGETS];
    size_t count;
    union near_address failed; /* at this one */
    struct near_entry *holder; /* that has what it wants, or NULL */
};

/* ---- addresses ---- */

static bool parse_address(const char *text, union near_address *to)
{
    *to = (union near_address){0};
    if (inet_pton(AF_INET, text, &to->v4.sin_addr) == 1)
        to->any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &to->v6.sin6_addr) == 1)
        to->any.sa_family = AF_INET6;
    else
        return false;
    return true;
}

static void set_number(union near_address *address, unsigned number)
{
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = htons((uint16_t)number);
    else
        address->v6.sin6_port = htons((uint16_t)number);
}

/* Where the binding is to be listened on. */
static void find_targets(struct binding *b)
{
    const struct strings *listen = &b->port->entry->near->listen;
    char *text = xstr_dup(b->ip);
    union near_address address;

    if (b->ip.len && !str_eq(b->ip, S("0.0.0.0")) && !str_eq(b->ip, S("::"))) {
        b->count = parse_address(text, &b->to[0]);
        free(text);
        return;
    }
    for (size_t i = 0; i < listen->count && b->count < TARGETS; i++) {
        if (parse_address(listen->items[i], &address) &&
            (b->ip.len == 0 ||
             (address.any.sa_family == AF_INET) == (*text == '0')))
            b->to[b->count++] = address;
    }
    free(text);
}

/* ---- sockets ---- */

static bool is_any(const union near_address *address)
{
    return address->any.sa_family == AF_INET
               ? address->v4.sin_addr.s_addr == htonl(INADDR_ANY)
               : IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

static void drop_listener(struct near_listener *l)
{
    struct near_entry *entry = l->port->entry;

    TAILQ_REMOVE(&entry->listeners, l, link);
    entry->near->counts.listeners--;
    near_flow_unlisten(l);
    turn_cancel(&l->turn);
    event_free(l->event);
    event_free(l->pause);
    close(l->fd);
    free(l);
}

static void add_listener(struct near_port *port, int fd,
                         const union near_address *address)
{
    struct near_listener *l = xcalloc(1, sizeof(*l));
    struct near *near = port->entry->near;

    l->port = port;
    l->fd = fd;
    l->address = *address;
    l->any = port->udp && is_any(address);
    turn_init(&l->turn, near->turns, near_flow_turn);
    l->event = event_new(near->base, fd, EV_READ | EV_PERSIST,
                         port->udp ? near_on_datagrams : near_on_accept, l);
    l->pause = event_new(near->base, -1, 0, near_on_pause_end, l);
    event_add(l->event, NULL);
    TAILQ_INSERT_TAIL(&port->entry->listeners, l, link);
    near->counts.listeners++;
}

/* ---- bindings ---- */

static struct near_entry *holder_of(const struct near *near, bool udp,
                                    const union near_address *address)
{
    struct near_entry *entry;
    struct near_listener *l;

    TAILQ_FOREACH(entry, &near->entries, link)
    {
        TAILQ_FOREACH(l, &entry->listeners, link)
        {
            if (l->port->udp == udp && near_is_same(&l->address, address))
                return entry;
        }
    }
    return NULL;
}

/* One of IPv6 that there is not is passed over, unless it was asked for. */
static bool may_lack(const struct binding *b, const union near_address *address,
                     int error)
{
    return b->ip.len == 0 && address->any.sa_family == AF_INET6 &&
           (error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT);
}

/* Listen at NUMBER (0: any) on all addresses of the binding. Returns the
 * number; or -errno, and nothing is. */
static int listen_at(struct binding *b, unsigned number)
{
    struct near_entry *entry = b->port->entry;
    struct near_listener *last = TAILQ_LAST(&entry->listeners, near_listeners);
    int r = -EADDRNOTAVAIL;
    bool any = false;

    for (size_t i = 0; i < b->count; i++) {
        union near_address address = b->to[i];

        set_number(&address, number);
        r = near_open_socket(&address, b->port->udp);
        if (r < 0 && may_lack(b, &address, r))
            continue;
        b->failed = address;
        if (r < 0) {
            any = false;
            break;
        }
        add_listener(b->port, r, &address);
        number = near_number(&address);
        any = true;
    }
    if (any)
        return (int)number;
    while (TAILQ_LAST(&entry->listeners, near_listeners) != last)
        drop_listener(TAILQ_LAST(&entry->listeners, near_listeners));
    if (r == -EADDRINUSE)
        b->holder = holder_of(entry->near, b->port->udp, &b->failed);
    return r;
}

static bool read_range(struct str text, unsigned *low, unsigned *high)
{
    uint16_t from, to;
    struct str first, last;

    if (!str_cut(text, '-', &first, &last))
        last = first;
    if (!port_is_fixed(first, &from) || !port_is_fixed(last, &to) || from > to)
        return false;
    *low = from;
    *high = to;
    return true;
}

/* The number that it got, or -errno. */
static int listen_for(struct binding *b)
{
    unsigned low, high;
    int r = -EADDRINUSE;

    find_targets(b);
    if (b->count == 0)
        return -EADDRNOTAVAIL;
    if (b->number.len == 0) {
        for (int i = 0; i < ANY_TRIES && r == -EADDRINUSE; i++)
            r = listen_at(b, 0);
        return r;
    }
    if (!read_range(b->number, &low, &high))
        return -EINVAL;
    for (unsigned number = low; number <= high && r == -EADDRINUSE; number++)
        r = listen_at(b, number);
    return r;
}

static void show(struct near_entry *entry, const char *name, const char *ip,
                 int number)
{
    json_t *list = json_object_get(entry->shown, name);
    char text[16];

    if (!list) {
        list = json_array();
        json_object_set_new(entry->shown, name, list);
    }
    snprintf(text, sizeof(text), "%d", number);
    json_array_append_new(
        list, json_pack("{s:s, s:s}", "HostIp", ip, "HostPort", text));
}

/* As an engine shows it: one that is asked for on all addresses is on all of
 * each family. */
static void show_binding(struct binding *b, int number)
{
    struct near_entry *entry = b->port->entry;
    const struct near_listener *l;
    bool v4 = false, v6 = false;

    if (b->ip.len) {
        char *ip = xstr_dup(b->ip);

        show(entry, b->port->name, ip, number);
        free(ip);
        return;
    }
    TAILQ_FOREACH(l, &entry->listeners, link)
    {
        if (l->port != b->port || near_number(&l->address) != (unsigned)number)
            continue;
        v4 = v4 || l->address.any.sa_family == AF_INET;
        v6 = v6 || l->address.any.sa_family == AF_INET6;
    }
    if (v4)
        show(entry, b->port->name, "0.0.0.0", number);
    if (v6)
        show(entry, b->port->name, "::", number);
}

/* What an engine says of a port that it cannot publish. */
static void explain(const struct binding *b, int error, struct strbuf *why)
{
    const struct near_entry *entry = b->port->entry;
    bool v6 = b->failed.any.sa_family == AF_INET6;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    struct str ip = b->ip.len ? b->ip : S("0.0.0.0");

    strbuf_addf(why,
                "driver failed programming external connectivity on endpoint "
                "%s (%s): ",
                entry->name, entry->id);
    if (error == -EADDRINUSE && str_find(b->number, '-') >= 0)
        strbuf_addf(why, "Bind for %.*s:%.*s failed: all ports are allocated",
                    STR_FMT(ip), STR_FMT(b->number));
    else if (error == -EADDRINUSE && b->holder)
        strbuf_addf(why, "Bind for %.*s:%.*s failed: port is already allocated",
                    STR_FMT(ip), STR_FMT(b->number));
    else
        strbuf_addf(why,
                    "Error starting userland proxy: listen %s%c %s%.*s%s:%.*s: "
                    "bind: %s",
                    b->port->udp ? "udp" : "tcp", v6 ? '6' : '4', open,
                    STR_FMT(ip), close, STR_FMT(b->number),
                    error == -EADDRINUSE ? "address already in use"
                    : error == -EADDRNOTAVAIL
                        ? "cannot assign requested address"
                    : error == -EACCES ? "permission denied"
                                       : strerror(-error));
}

static enum port_open listen_for_port(struct near_port *port,
                                      const json_t *bindings, struct str *other,
                                      struct strbuf *why)
{
    const json_t *given;
    size_t i;

    json_array_foreach(bindings, i, given)
    {
        struct binding b = {.port = port,
                            .ip = str_at(given, "HostIp"),
                            .number = str_at(given, "HostPort")};
        int r = -EMFILE;

        if (port->entry->near->counts.listeners + TARGETS <=
            LIMIT_PORT_LISTENERS)
            r = listen_for(&b);
        if (r >= 0) {
            show_binding(&b, r);
            continue;
        }
        explain(&b, r, why);
        if (!b.holder || b.holder == port->entry)
            return PORT_REFUSED;
        *other = str_from(b.holder->id);
        return PORT_IN_USE;
    }
    return PORT_OPEN;
}

enum port_open near_listen(struct near_entry *entry, struct str *other,
                           struct strbuf *why)
{
    json_auto_t *listens = port_wish_listens(entry->wish);
    enum port_open r = PORT_OPEN;
    const char *name;
    json_t *bindings;

    entry->ports =
        xcalloc(json_object_size(listens) + 1, sizeof(*entry->ports));
    entry->shown = json_object();
    if (entry->near->yielded)
        return PORT_OPEN;
    json_object_foreach(listens, name, bindings)
    {
        struct near_port *port = &entry->ports[entry->port_count++];

        port->entry = entry;
        snprintf(port->name, sizeof(port->name), "%s", name);
        port->udp = port_name_is_udp(name);
        r = listen_for_port(port, bindings, other, why);
        if (r != PORT_OPEN)
            break;
    }
    return r;
}

void near_unlisten(struct near_entry *entry)
{
    while (!TAILQ_EMPTY(&entry->listeners))
        /* the analyzer does not see what TAILQ_REMOVE takes out */
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        drop_listener(TAILQ_FIRST(&entry->listeners));
}
