#pragma once

/*
 * What a container's client asked for of ports, where they go to the runner's
 * localhost: the engine is asked for other ones, so this is in a label of
 * the container, and everything that shows ports goes by it. And who listens
 * there: whoever has sockets (proxy/near) gives the functions for it.
 */

#include <jansson.h>

#include "policy/base/str.h"

/*
 * The wish in LABELS (NULL is fine), as
 *     {"bindings": HostConfig.PortBindings, "all": PublishAllPorts,
 *      "exposed": ["80/tcp"], of those that this publishes}
 * The caller's; NULL when there is none that makes sense.
 */
json_t *port_wish_read(const json_t *labels);

/*
 * What is to be listened on: {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
 * TCP and UDP only, at least one element each; HostPort is a port, a range, or
 * "" for any. The caller's; never NULL.
 */
json_t *port_wish_listens(const json_t *wish);

/* "80/TCP" or "80" as engines write it, "80/tcp", into TO; false when TEXT is
 * no port of TCP or UDP: no other ones are carried. */
enum { PORT_NAME = 16 };
bool port_name_read(struct str text, char to[PORT_NAME]);

/* Is it one of UDP, as port_name_read() writes it? */
bool port_name_is_udp(const char *name);

/* One port, not 0 and no range? */
bool port_is_fixed(struct str text, uint16_t *port);

enum port_open {
    PORT_OPEN,    /* all of them are listened on */
    PORT_IN_USE,  /* one is another container's of the namespace, which may
                     have ended by now */
    PORT_REFUSED, /* one cannot be opened */
};

struct port_book {
    /*
     * The container ID, called NAME, is about to start or to restart: listen
     * for what WISH wants. Again for the same ID changes nothing. Else WHY has
     * an engine's words, and for PORT_IN_USE, *OTHER is that container.
     */
    enum port_open (*open)(void *arg, struct str id, struct str name,
                           const json_t *wish, struct str *other,
                           struct strbuf *why);
    /* It came to nothing: see whether ID runs, and go by that. */
    void (*doubt)(void *arg, struct str id);
    /* What an inspect of the container ID says; NULL: there is none. */
    void (*learn)(void *arg, struct str id, const json_t *inspected);
    /*
     * What is listened on for the container ID: {"80/tcp": [{"HostIp":
     * "0.0.0.0", "HostPort": "8080"}]}; or NULL. Good until the next call.
     */
    const json_t *(*shown)(void *arg, struct str id);
    /* A container was made, with WISH or NULL; and what was said then: false
     * when it is not remembered. */
    void (*note)(void *arg, struct str id, struct str name, const json_t *wish);
    bool (*noted)(void *arg, struct str id, struct str *name, json_t **wish);
    void *arg;
};
