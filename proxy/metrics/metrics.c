#include "proxy/metrics/metrics_private.h"

enum { LABELS_MAX = 16 * KIB };

static void put_escaped(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            strbuf_add(out, S("\\n"));
            continue;
        }
        if (*text == '"' || *text == '\\')
            strbuf_add_char(out, '\\');
        strbuf_add_char(out, *text);
    }
}

static void put_label(struct strbuf *labels, const char *key, const char *value)
{
    strbuf_addf(labels, "%s%s=\"", labels->len ? "," : "", key);
    put_escaped(labels, value);
    strbuf_add_char(labels, '"');
}

static void put_sample(struct page *page, const char *name, const char *suffix,
                       const struct strbuf *labels, double value)
{
    if (page->error)
        return;
    page->error =
        labels ? strbuf_addf(page->out, "%s%s{%.*s} %.15g\n", name, suffix,
                             STR_FMT(strbuf_str(labels)), value)
               : strbuf_addf(page->out, "%s%s %.15g\n", name, suffix, value);
}

static void label_berth(struct strbuf *labels,
                        const struct frontend_view *frontend)
{
    put_label(labels, "namespace", frontend->namespace);
    put_label(labels, "listener", frontend->listener);
}

static void label_backend(struct strbuf *labels, const struct backend_view *h)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LABELS_MAX);

    strbuf_addf(&name, "%s", h->upstream);
    if (h->twin)
        strbuf_addf(&name, "#%u", h->twin + 1);
    put_label(labels, "upstream", strbuf_cstr(&name));
}

/* ---- where plain values come from ---- */

#define VALUE(name, view, expression)                                          \
    static double name(const struct view *of)                                  \
    {                                                                          \
        return (double)(expression);                                           \
    }
VALUE(clients, frontend_view, of->clients)
VALUE(clients_max, frontend_view, of->clients_max)
VALUE(builds, frontend_view, of->builds)
VALUE(lookups, frontend_view, of->counters->lookups)
VALUE(audit_failures, frontend_view, of->counters->audit_failures)
VALUE(audit_summed_up, frontend_view, of->counters->audit_summed_up)
VALUE(cache_asked, frontend_view, of->cache_asked)
VALUE(cache_known, frontend_view, of->cache_known)
VALUE(port_connections, frontend_view, of->port_connections)
VALUE(port_listeners, frontend_view, of->port_listeners)
VALUE(ports_carried, frontend_view, of->ports_carried)
VALUE(ports_refused, frontend_view, of->ports_refused)
VALUE(port_flows, frontend_view, of->port_flows)
VALUE(flows_carried, frontend_view, of->flows_carried)
VALUE(flows_refused, frontend_view, of->flows_refused)
VALUE(datagrams_lost, frontend_view, of->datagrams_lost)
VALUE(copied_directories, frontend_view, of->copies.directories)
VALUE(copies_lost, frontend_view, of->copies.lost)
VALUE(copies_left, frontend_view, of->copies.left)
VALUE(waits_for_lease, frontend_view, of->waits_for_lease)
VALUE(swept, backend_view, of->swept)
VALUE(swept_objects, backend_view, of->swept_objects)
VALUE(sweep_failures, backend_view, of->sweep_failures)
VALUE(link_up, backend_view, of->link_up)
VALUE(engine_up, backend_view, of->engine_up)
VALUE(reconnects, backend_view, of->connects ? of->connects - 1 : 0)
VALUE(links, backend_view, of->links)
VALUE(channels, backend_view, of->channels)
VALUE(waiting, backend_view, of->waiting)
VALUE(start_time, process_view, of->start_time)
VALUE(cpu_seconds, process_view, of->cpu_seconds)
VALUE(memory, process_view, of->memory)
VALUE(descriptors, process_view, of->descriptors)
VALUE(descriptors_max, process_view, of->descriptors_max)

/* ---- and those with labels of their own ---- */

static void put_requests(struct page *page, const char *name,
                         const struct frontend_view *frontend)
{
    for (unsigned op = 0; op < OP_COUNT; op++) {
        for (unsigned v = 0; v < AUDIT_VERDICT_COUNT; v++) {
            AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);
            uint64_t n = frontend->counters->operations[op].verdicts[v];

            if (!n)
                continue;
            label_berth(&labels, frontend);
            put_label(&labels, "operation", operation_name(op));
            put_label(&labels, "verdict", audit_verdict_name(v));
            put_sample(page, name, "", &labels, (double)n);
        }
    }
}

static void put_histogram(struct page *page, const char *name,
                          const struct strbuf *labels,
                          const struct operation_counters *operation)
{
    uint64_t all = operation_requests(operation);

    for (size_t i = 0; i <= DURATION_COUNT; i++) {
        AUTO(strbuf_fini) struct strbuf bound = STRBUF(LABELS_MAX);
        bool last = i == DURATION_COUNT;

        strbuf_add(&bound, strbuf_str(labels));
        put_label(&bound, "le", last ? "+Inf" : duration_bound(i));
        put_sample(page, name, "_bucket", &bound,
                   (double)(last ? all : operation->within[i]));
    }
    put_sample(page, name, "_sum", labels,
               (double)operation->duration_ns / 1e9);
    put_sample(page, name, "_count", labels, (double)all);
}

static void put_durations(struct page *page, const char *name,
                          const struct frontend_view *frontend)
{
    for (unsigned op = 0; op < OP_COUNT; op++) {
        AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);
        const struct operation_counters *counters =
            &frontend->counters->operations[op];

        if (!operation_requests(counters))
            continue;
        label_berth(&labels, frontend);
        put_label(&labels, "operation", operation_name(op));
        put_histogram(page, name, &labels, counters);
    }
}

void metrics_put_word(struct page *page, const char *name,
                      const struct frontend_view *frontend, const char *key,
                      const char *word, uint64_t value)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    label_berth(&labels, frontend);
    put_label(&labels, key, word);
    put_sample(page, name, "", &labels, (double)value);
}

static void put_closes(struct page *page, const char *name,
                       const struct frontend_view *frontend)
{
    for (unsigned i = AUDIT_CLOSE_DONE; i < AUDIT_CLOSE_COUNT; i++)
        metrics_put_word(page, name, frontend, "close", audit_close_name(i),
                         frontend->counters->closes[i]);
}

static void put_bytes(struct page *page, const char *name,
                      const struct frontend_view *frontend)
{
    metrics_put_word(page, name, frontend, "direction", "in",
                     frontend->counters->bytes_in + frontend->bytes_in);
    metrics_put_word(page, name, frontend, "direction", "out",
                     frontend->counters->bytes_out + frontend->bytes_out);
}

static void put_objects(struct page *page, const char *name,
                        const struct frontend_view *frontend)
{
    const struct objects_view *o = &frontend->objects;
    const struct {
        const char *kind;
        unsigned count;
    } rows[] = {
        {"container", o->containers},
        {"network",   o->networks  },
        {"volume",    o->volumes   },
        {"image",     o->images    },
        {"port",      o->ports     },
    };

    for (size_t i = 0; o->known && i < sizeof(rows) / sizeof(*rows); i++)
        metrics_put_word(page, name, frontend, "kind", rows[i].kind,
                         rows[i].count);
}

static void put_host(struct page *page, const char *name,
                     const struct frontend_view *frontend)
{
    if (frontend->host)
        metrics_put_word(page, name, frontend, "upstream", frontend->host, 1);
}

static void put_image_bytes(struct page *page, const char *name,
                            const struct frontend_view *frontend)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    label_berth(&labels, frontend);
    if (frontend->objects.known)
        put_sample(page, name, "", &labels,
                   (double)frontend->objects.image_bytes);
}

static void put_open(struct page *page, const char *name,
                     const struct frontend_view *frontend)
{
    for (unsigned i = 0; i < ACCESS_COUNT; i++)
        metrics_put_word(page, name, frontend, "kind", operation_access_name(i),
                         frontend->open[i]);
}

static void put_state(struct page *page, const char *name,
                      const struct backend_view *backend, const char *state,
                      unsigned count)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    label_backend(&labels, backend);
    put_label(&labels, "state", state);
    put_sample(page, name, "", &labels, count);
}

static void put_streams(struct page *page, const char *name,
                        const struct backend_view *backend)
{
    put_state(page, name, backend, "used", backend->used);
    put_state(page, name, backend, "idle", backend->idle);
    put_state(page, name, backend, "opening", backend->opening);
}

static void put_reloads(struct page *page, const char *name,
                        const struct process_view *process)
{
    AUTO(strbuf_fini) struct strbuf done = STRBUF(LABELS_MAX);
    AUTO(strbuf_fini) struct strbuf refused = STRBUF(LABELS_MAX);

    put_label(&done, "result", "done");
    put_sample(page, name, "", &done, (double)process->reloads);
    put_label(&refused, "result", "refused");
    put_sample(page, name, "", &refused, (double)process->reloads_refused);
}

static void put_build(struct page *page, const char *name,
                      const struct process_view *process)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    put_label(&labels, "version", process->version);
    put_label(&labels, "libssh2", process->libssh2);
    put_label(&labels, "libevent", process->libevent);
    put_sample(page, name, "", &labels, 1);
}

/* ---- all there are ---- */

// clang-format off
static const struct family {
    const char *name, *type, *help;
    /* one of these */
    double (*of_berth)(const struct frontend_view *frontend);
    double (*of_backend)(const struct backend_view *backend);
    double (*of_process)(const struct process_view *process);
    void (*put_berth)(struct page *page, const char *name,
                      const struct frontend_view *frontend);
    void (*put_backend)(struct page *page, const char *name,
                        const struct backend_view *backend);
    void (*put_process)(struct page *page, const char *name,
                        const struct process_view *process);
} families[] = {
    {"berth_build_info", "gauge",
     "1, with the versions of berth and its libraries.",
     .put_process = put_build},
    {"berth_requests_total", "counter",
     "Requests that are over, by operation and verdict.",
     .put_berth = put_requests},
    {"berth_request_duration_seconds", "histogram",
     "From the head of a request to its end; streams last.",
     .put_berth = put_durations},
    {"berth_requests_closed_total", "counter",
     "Requests that are over, by why they ended.", .put_berth = put_closes},
    {"berth_bytes_total", "counter",
     "Of bodies and streams; in: from clients, out: from the engine.",
     .put_berth = put_bytes},
    {"berth_requests_open", "gauge",
     "Requests that run, by kind; stream and upgrade are open streams.",
     .put_berth = put_open},
    {"berth_host", "gauge", "1, for the host that the namespace is on.",
     .put_berth = put_host},
    {"berth_objects", "gauge",
     "What the namespace has on the engine, by kind.",
     .put_berth = put_objects},
    {"berth_image_bytes", "gauge",
     "Of the namespace's images, what they share counted for each.",
     .put_berth = put_image_bytes},
    {"berth_builds", "gauge", "Builds that run.", .of_berth = builds},
    {"berth_clients", "gauge", "Connected clients.", .of_berth = clients},
    {"berth_clients_limit", "gauge", "Clients that may be connected.",
     .of_berth = clients_max},
    {"berth_lookups_total", "counter",
     "Questions that berth itself asked the engine.", .of_berth = lookups},
    {"berth_cache_requests_total", "counter",
     "Times it mattered whether an object is the namespace's own.",
     .of_berth = cache_asked},
    {"berth_cache_hits_total", "counter",
     "Those of them when that was known without asking the engine.",
     .of_berth = cache_known},
    {"berth_audit_failures_total", "counter",
     "Audit records that could not be written.", .of_berth = audit_failures},
    {"berth_audit_summed_up_total", "counter",
     "Calls that changed nothing and have no audit record of their own.",
     .of_berth = audit_summed_up},
    {"berth_port_listeners", "gauge",
     "Sockets of published ports on the runner's localhost.",
     .of_berth = port_listeners},
    {"berth_port_connections", "gauge", "Connections to them.",
     .of_berth = port_connections},
    {"berth_port_connections_carried_total", "counter",
     "Connections to them that reached their container.",
     .of_berth = ports_carried},
    {"berth_port_connections_refused_total", "counter",
     "Connections to them that did not.", .of_berth = ports_refused},
    {"berth_port_flows", "gauge",
     "Clients' addresses that have sent datagrams to ports of UDP.",
     .of_berth = port_flows},
    {"berth_port_flows_carried_total", "counter",
     "Those whose datagrams reached their container.",
     .of_berth = flows_carried},
    {"berth_port_flows_refused_total", "counter",
     "Those whose datagrams did not.", .of_berth = flows_refused},
    {"berth_port_datagrams_total", "counter",
     "Datagrams that were carried; in: from clients, out: to them.",
     .put_berth = metrics_put_datagrams},
    {"berth_port_datagrams_lost_total", "counter",
     "Datagrams for which there was no room, or no way.",
     .of_berth = datagrams_lost},
    {"berth_copied_directories", "gauge",
     "Directories of the runner that containers mount by copy.",
     .of_berth = copied_directories},
    {"berth_copied_bytes_total", "counter",
     "Contents of files that were copied, by where to.",
     .put_berth = metrics_put_copied_bytes},
    {"berth_copied_files_total", "counter",
     "Files, directories and links that were made or changed.",
     .put_berth = metrics_put_copied_files},
    {"berth_copied_removals_total", "counter",
     "Names that were removed, since the other side had removed them.",
     .put_berth = metrics_put_removed_files},
    {"berth_copy_rounds_total", "counter",
     "Times that a directory was brought into step, or not.",
     .put_berth = metrics_put_copy_rounds},
    {"berth_copy_conflicts_total", "counter",
     "Files that both sides had changed, of which one side's is kept.",
     .of_berth = copies_lost},
    {"berth_copy_postponed_total", "counter",
     "Times that a file could not be copied, and was left for the next round.",
     .of_berth = copies_left},
    {"berth_lease_missing", "gauge",
     "Do requests wait, for berth has no lease on the namespace?",
     .of_berth = waits_for_lease},
    {"berth_swept_namespaces_total", "counter",
     "Namespaces of berths that died, of which nothing is left.",
     .of_backend = swept},
    {"berth_swept_objects_total", "counter",
     "Objects of such, and of no namespace any more, that were removed.",
     .of_backend = swept_objects},
    {"berth_sweep_failures_total", "counter",
     "Such objects that could not be, each time.",
     .of_backend = sweep_failures},
    {"berth_link_up", "gauge", "Is the way to the engine's host open?",
     .of_backend = link_up},
    {"berth_link_reconnects_total", "counter",
     "Times it was opened again.", .of_backend = reconnects},
    {"berth_engine_up", "gauge", "Does the engine answer?",
     .of_backend = engine_up},
    {"berth_links", "gauge", "SSH connections to the engine's host.",
     .of_backend = links},
    {"berth_channels", "gauge",
     "Channels to the engine's host, spare ones too.", .of_backend = channels},
    {"berth_streams", "gauge", "Streams to the engine, by what they do.",
     .put_backend = put_streams},
    {"berth_streams_waited_for", "gauge", "Requests that wait for a stream.",
     .of_backend = waiting},
    {"berth_reloads_total", "counter",
     "Times the policies were read again; refused: nothing changed.",
     .put_process = put_reloads},
    {"process_start_time_seconds", "gauge", "Since the epoch.",
     .of_process = start_time},
    {"process_cpu_seconds_total", "counter", "Of user and system.",
     .of_process = cpu_seconds},
    {"process_resident_memory_bytes", "gauge", "Memory in use.",
     .of_process = memory},
    {"process_open_fds", "gauge", "Open file descriptors.",
     .of_process = descriptors},
    {"process_max_fds", "gauge", "File descriptors that may be open.",
     .of_process = descriptors_max},
};
// clang-format on

static void put_of_berth(struct page *page, const struct family *family,
                         const struct frontend_view *frontend)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    if (family->put_berth)
        family->put_berth(page, family->name, frontend);
    if (!family->of_berth)
        return;
    label_berth(&labels, frontend);
    put_sample(page, family->name, "", &labels, family->of_berth(frontend));
}

static void put_of_backend(struct page *page, const struct family *family,
                           const struct backend_view *backend)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    if (family->put_backend)
        family->put_backend(page, family->name, backend);
    if (!family->of_backend)
        return;
    label_backend(&labels, backend);
    put_sample(page, family->name, "", &labels, family->of_backend(backend));
}

static void put_of_process(struct page *page, const struct family *family,
                           const struct process_view *process)
{
    if (family->put_process)
        family->put_process(page, family->name, process);
    if (family->of_process)
        put_sample(page, family->name, "", NULL, family->of_process(process));
}

int metrics_put(struct strbuf *out, const struct picture *picture)
{
    struct page page = {.out = out};

    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
        const struct family *family = &families[i];

        if (!page.error)
            page.error =
                strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name,
                            family->help, family->name, family->type);
        for (size_t b = 0; b < picture->frontend_count; b++)
            put_of_berth(&page, family, &picture->frontends[b]);
        for (size_t h = 0; h < picture->backend_count; h++)
            put_of_backend(&page, family, &picture->backends[h]);
        put_of_process(&page, family, &picture->process);
    }
    return page.error;
}
