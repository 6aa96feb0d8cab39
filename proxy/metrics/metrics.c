#include "proxy/metrics/metrics.h"

enum { LABELS_MAX = 16 * KIB };

/* What is being written; once OUT is full, nothing more is. */
struct page {
    struct strbuf *out;
    int error;
};

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

static void label_berth(struct strbuf *labels, const struct berth_view *berth)
{
    put_label(labels, "namespace", berth->namespace);
    put_label(labels, "listener", berth->listener);
}

static void label_harbour(struct strbuf *labels, const struct harbour_view *h)
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
VALUE(clients, berth_view, of->clients)
VALUE(clients_max, berth_view, of->clients_max)
VALUE(lookups, berth_view, of->counters->lookups)
VALUE(audit_failures, berth_view, of->counters->audit_failures)
VALUE(cache_asked, berth_view, of->cache_asked)
VALUE(cache_known, berth_view, of->cache_known)
VALUE(link_up, harbour_view, of->link_up)
VALUE(engine_up, harbour_view, of->engine_up)
VALUE(reconnects, harbour_view, of->connects ? of->connects - 1 : 0)
VALUE(channels, harbour_view, of->channels)
VALUE(waiting, harbour_view, of->waiting)
VALUE(start_time, process_view, of->start_time)
VALUE(cpu_seconds, process_view, of->cpu_seconds)
VALUE(memory, process_view, of->memory)
VALUE(descriptors, process_view, of->descriptors)
VALUE(descriptors_max, process_view, of->descriptors_max)

/* ---- and those with labels of their own ---- */

static void put_requests(struct page *page, const char *name,
                         const struct berth_view *berth)
{
    for (unsigned op = 0; op < OP_COUNT; op++) {
        for (unsigned v = 0; v < AUDIT_VERDICT_COUNT; v++) {
            AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);
            uint64_t n = berth->counters->operations[op].verdicts[v];

            if (!n)
                continue;
            label_berth(&labels, berth);
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
                          const struct berth_view *berth)
{
    for (unsigned op = 0; op < OP_COUNT; op++) {
        AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);
        const struct operation_counters *counters =
            &berth->counters->operations[op];

        if (!operation_requests(counters))
            continue;
        label_berth(&labels, berth);
        put_label(&labels, "operation", operation_name(op));
        put_histogram(page, name, &labels, counters);
    }
}

static void put_word(struct page *page, const char *name,
                     const struct berth_view *berth, const char *key,
                     const char *word, uint64_t value)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    label_berth(&labels, berth);
    put_label(&labels, key, word);
    put_sample(page, name, "", &labels, (double)value);
}

static void put_closes(struct page *page, const char *name,
                       const struct berth_view *berth)
{
    for (unsigned i = AUDIT_CLOSE_DONE; i < AUDIT_CLOSE_COUNT; i++)
        put_word(page, name, berth, "close", audit_close_name(i),
                 berth->counters->closes[i]);
}

static void put_bytes(struct page *page, const char *name,
                      const struct berth_view *berth)
{
    put_word(page, name, berth, "direction", "in",
             berth->counters->bytes_in + berth->bytes_in);
    put_word(page, name, berth, "direction", "out",
             berth->counters->bytes_out + berth->bytes_out);
}

static void put_open(struct page *page, const char *name,
                     const struct berth_view *berth)
{
    for (unsigned i = 0; i < ACCESS_COUNT; i++)
        put_word(page, name, berth, "kind", operation_access_name(i),
                 berth->open[i]);
}

static void put_state(struct page *page, const char *name,
                      const struct harbour_view *harbour, const char *state,
                      unsigned count)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    label_harbour(&labels, harbour);
    put_label(&labels, "state", state);
    put_sample(page, name, "", &labels, count);
}

static void put_streams(struct page *page, const char *name,
                        const struct harbour_view *harbour)
{
    put_state(page, name, harbour, "used", harbour->used);
    put_state(page, name, harbour, "idle", harbour->idle);
    put_state(page, name, harbour, "opening", harbour->opening);
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
    double (*of_berth)(const struct berth_view *berth);
    double (*of_harbour)(const struct harbour_view *harbour);
    double (*of_process)(const struct process_view *process);
    void (*put_berth)(struct page *page, const char *name,
                      const struct berth_view *berth);
    void (*put_harbour)(struct page *page, const char *name,
                        const struct harbour_view *harbour);
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
    {"berth_link_up", "gauge", "Is the way to the engine's host open?",
     .of_harbour = link_up},
    {"berth_link_reconnects_total", "counter",
     "Times it was opened again.", .of_harbour = reconnects},
    {"berth_engine_up", "gauge", "Does the engine answer?",
     .of_harbour = engine_up},
    {"berth_channels", "gauge",
     "Channels to the engine's host, spare ones too.", .of_harbour = channels},
    {"berth_streams", "gauge", "Streams to the engine, by what they do.",
     .put_harbour = put_streams},
    {"berth_streams_waited_for", "gauge", "Requests that wait for a stream.",
     .of_harbour = waiting},
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
                         const struct berth_view *berth)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    if (family->put_berth)
        family->put_berth(page, family->name, berth);
    if (!family->of_berth)
        return;
    label_berth(&labels, berth);
    put_sample(page, family->name, "", &labels, family->of_berth(berth));
}

static void put_of_harbour(struct page *page, const struct family *family,
                           const struct harbour_view *harbour)
{
    AUTO(strbuf_fini) struct strbuf labels = STRBUF(LABELS_MAX);

    if (family->put_harbour)
        family->put_harbour(page, family->name, harbour);
    if (!family->of_harbour)
        return;
    label_harbour(&labels, harbour);
    put_sample(page, family->name, "", &labels, family->of_harbour(harbour));
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
        for (size_t b = 0; b < picture->berth_count; b++)
            put_of_berth(&page, family, &picture->berths[b]);
        for (size_t h = 0; h < picture->harbour_count; h++)
            put_of_harbour(&page, family, &picture->harbours[h]);
        put_of_process(&page, family, &picture->process);
    }
    return page.error;
}
