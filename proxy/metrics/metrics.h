#pragma once

/*
 * What an operator may see of a running berth: one picture of it, and the two
 * ways to write it, for Prometheus and as JSON for "berth status". Plain
 * values; monitors.c takes the picture.
 *
 * Labels are few and fixed: a policy's namespace and listener, an upstream's
 * URL, and words of berth's own tables. Nothing that a client sends is one.
 */

#include "proxy/metrics/counters.h"
#include "proxy/metrics/refusals.h"

enum { CALLS_SHOWN = 8 };

/* A call that runs. */
struct call_view {
    enum operation operation;
    struct str path; /* as asked, good as long as the picture is */
    uint64_t bytes_in, bytes_out;
    double seconds; /* since it began */
};

/* What a namespace has on the engine, a moment ago. */
struct objects_view {
    bool known;
    unsigned containers, networks, volumes, images;
    unsigned ports;       /* published by containers that run */
    uint64_t image_bytes; /* of images with a name of its own, shared layers
                             counted for each */
};

/* What was copied of the runner's directories, to the engine (OUT) and back. */
struct copies_view {
    unsigned directories; /* that containers mount */
    uint64_t files_out, files_in, removed_out, removed_in;
    uint64_t bytes_out, bytes_in;
    uint64_t rounds, failed, lost, left;
};

/* A policy at work. */
struct frontend_view {
    const char *runner; /* its name, of which the namespace is made */
    const char *namespace;
    const char *listener;
    const char *host; /* the URL of its engine, or NULL: it has none yet */
    const struct counters *counters;
    unsigned clients, clients_max;
    unsigned open[ACCESS_COUNT]; /* requests that run, by kind */
    /* of the same, not yet among the counters */
    uint64_t bytes_in, bytes_out;
    uint64_t cache_asked, cache_known;
    /* of ports on the runner's localhost: connections and sockets now, and all
     * that were carried or could not be */
    unsigned port_connections, port_listeners;
    uint64_t ports_carried, ports_refused;
    /* the same of UDP: clients' addresses, and datagrams */
    unsigned port_flows;
    uint64_t flows_carried, flows_refused;
    uint64_t datagrams_in, datagrams_out, datagrams_lost;
    struct copies_view copies;
    struct objects_view objects;
    const char *lease;                   /* on its namespace, in words */
    bool waits_for_lease;                /* its requests do */
    unsigned builds;                     /* that run */
    struct call_view calls[CALLS_SHOWN]; /* of those that run */
    unsigned call_count;
    const struct refusals *refusals; /* or NULL */
};

/* A way to an engine. */
struct backend_view {
    const char *upstream;
    unsigned twin; /* 0; or it is so many before have the same URL */
    bool link_up;
    const char *why; /* !link_up */
    bool engine_up;
    const char *engine_id; /* "": not known */
    uint64_t connects;     /* of the link, up to now */
    unsigned links;        /* ssh: connections that are up */
    /* of runners whose berth died: namespaces of which nothing is left, their
     * objects, and removals that failed */
    uint64_t swept, swept_objects, sweep_failures;
    unsigned channels;
    unsigned used, idle, opening,
        waiting; /* streams; waiting: takers in the queue */
};

struct process_view {
    const char *version;
    const char *libssh2, *libevent; /* versions */
    const char *const *defences;    /* sentences; NULL at the end */
    double start_time;              /* seconds since the epoch */
    double now;
    double cpu_seconds;
    uint64_t memory; /* resident, bytes */
    unsigned descriptors, descriptors_max;
    uint64_t reloads, reloads_refused;
};

struct picture {
    struct process_view process;
    const struct frontend_view *frontends;
    size_t frontend_count;
    const struct backend_view *backends;
    size_t backend_count;
};

/* Prometheus's text format, version 0.0.4. 0 or -ENOBUFS. */
int metrics_put(struct strbuf *out, const struct picture *picture);

/* The same, shorter, as one JSON object. 0 or -ENOBUFS. */
int metrics_put_status(struct strbuf *out, const struct picture *picture);

/*
 * Can clients be served: is every link up, and did each engine answer? If not,
 * say in WHY what is missing, a line each.
 */
bool metrics_ready(const struct picture *picture, struct strbuf *why);
