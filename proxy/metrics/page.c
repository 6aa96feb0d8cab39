#include "proxy/metrics/page.h"

#include <stdio.h>
#include <time.h>

#include "policy/base/sha256.h"
#include "proxy/base/base64.h"

/* Between two looks. */
#define REFRESH_S "10"

/* Its hash is in the Content-Security-Policy, so it is one text. */
#define STYLE                                                                  \
    ":root{color-scheme:light dark;--b:#fff;--t:#1c2330;--m:#5b6575;"          \
    "--l:#d8dde5;--h:#f3f5f8;--g:#14743a;--r:#b3261e;--y:#8a5a00}"             \
    "@media(prefers-color-scheme:dark){:root{--b:#12161d;--t:#e3e8f0;"         \
    "--m:#98a3b5;--l:#2b3340;--h:#1a202a;--g:#5fce8a;--r:#ff8a80;"             \
    "--y:#f0b95b}}"                                                            \
    "body{margin:0 auto;max-width:80rem;padding:1rem 1.25rem 3rem;"            \
    "background:var(--b);color:var(--t);"                                      \
    "font:15px/1.45 system-ui,sans-serif}"                                     \
    "h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.1rem;"                  \
    "margin:2rem 0 .5rem}p{margin:.3rem 0}"                                    \
    "div{overflow-x:auto}"                                                     \
    "table{border-collapse:collapse;width:100%}"                               \
    "th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;"  \
    "border-bottom:1px solid var(--l)}th{color:var(--m);font-weight:600}"      \
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;"            \
    "white-space:nowrap}"                                                      \
    "code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}"    \
    "pre{margin:.3rem 0 0;padding:.35rem .5rem;background:var(--h);"           \
    "white-space:pre-wrap}"                                                    \
    ".g{color:var(--g)}.r{color:var(--r)}.y{color:var(--y)}.m{color:var(--m)}" \
    "ul{margin:.3rem 0;padding-left:1.2rem}"

/* What is being written; once OUT is full, nothing more is. */
struct page {
    struct strbuf *out;
    int error;
};

static void put(struct page *page, const char *html)
{
    if (!page->error)
        page->error = strbuf_add(page->out, str_from(html));
}

/* TEXT of anybody's, so that no markup is in it. */
static void put_text(struct page *page, struct str text)
{
    for (size_t i = 0; i < text.len && !page->error; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '&')
            put(page, "&amp;");
        else if (c == '<')
            put(page, "&lt;");
        else if (c == '>')
            put(page, "&gt;");
        else if (c == '"')
            put(page, "&quot;");
        else if (c == '\'')
            put(page, "&#39;");
        else if ((c < ' ' && c != '\n') || c == 0x7f)
            put(page, "\xef\xbf\xbd");
        else
            page->error = strbuf_add_char(page->out, (char)c);
    }
}

static void put_words(struct page *page, const char *text)
{
    put_text(page, str_from(text ? text : ""));
}

__attribute__((format(printf, 2, 3))) static void
put_number(struct page *page, const char *format, ...)
{
    char text[64];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put(page, text);
}

/* A cell with a number in it. */
static void put_count(struct page *page, uint64_t count)
{
    put_number(page, "<td class=n>%llu</td>", (unsigned long long)count);
}

static void put_bytes(struct page *page, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
        value /= 1024;
    put_number(page, unit ? "%.1f " : "%.0f ", value);
    put(page, units[unit]);
}

static void put_bytes_cell(struct page *page, uint64_t bytes)
{
    put(page, "<td class=n>");
    put_bytes(page, bytes);
    put(page, "</td>");
}

static void put_seconds(struct page *page, double seconds)
{
    if (seconds < 0) /* the clock was set */
        seconds = 0;
    if (seconds < 120)
        put_number(page, "%.1f s", seconds);
    else if (seconds < 7200)
        put_number(page, "%.0f min", seconds / 60);
    else
        put_number(page, "%.1f h", seconds / 3600);
}

static void put_time(struct page *page, double seconds)
{
    time_t then = (time_t)seconds;
    char text[40];
    struct tm tm;

    gmtime_r(&then, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    put(page, text);
}

static void put_name(struct page *page, const struct frontend_view *f)
{
    put(page, "<td><bdi>");
    put_words(page, f->runner ? f->runner : f->namespace);
    put(page, "</bdi>");
    if (f->runner && strcmp(f->runner, f->namespace) != 0) {
        put(page, "<br><span class=m>");
        put_words(page, f->namespace);
        put(page, "</span>");
    }
    put(page, "</td>");
}

/* ---- the parts ---- */

static void put_engine(struct page *page, const struct backend_view *b)
{
    put(page, "<tr><td><code>");
    put_words(page, b->upstream);
    if (b->twin)
        put_number(page, " #%u", b->twin + 1);
    put(page, "</code></td><td>");
    if (b->link_up) {
        put(page, "<span class=g>up</span>");
    } else {
        put(page, "<span class=r>down</span> ");
        put_words(page, b->why ? b->why : "there is no link");
    }
    put(page, b->engine_up ? "</td><td><span class=g>yes</span></td>"
                           : "</td><td><span class=r>no</span></td>");
    if (b->engine_id && *b->engine_id) {
        put(page, "<td><code>");
        put_words(page, b->engine_id);
        put(page, "</code></td>");
    } else {
        put(page, "<td></td>");
    }
    put_count(page, b->links);
    put_count(page, b->connects ? b->connects - 1 : 0);
    put_count(page, b->channels);
    put_count(page, b->used);
    put_count(page, b->idle);
    put_count(page, b->waiting);
    put(page, "</tr>\n");
}

static void put_engines(struct page *page, const struct picture *picture)
{
    put(page,
        "<h2>Engines</h2>\n<div><table><tr><th>Engine<th>Link<th>Answers<th>ID"
        "<th class=n>Links<th class=n>Reconnects<th class=n>Channels<th "
        "class=n>Streams "
        "used<th class=n>idle<th class=n>waited for</tr>\n");
    for (size_t i = 0; i < picture->backend_count; i++)
        put_engine(page, &picture->backends[i]);
    put(page, "</table></div>\n");
}

static void put_runner(struct page *page, const struct frontend_view *f)
{
    const struct counters *c = f->counters;

    put(page, "<tr>");
    put_name(page, f);
    put(page, "<td><code>");
    put_words(page, f->listener);
    put(page, "</code></td>");
    put_number(page, "<td class=n>%u of %u</td>", f->clients, f->clients_max);
    put_count(page, f->open[ACCESS_READ] + f->open[ACCESS_WRITE]);
    put_count(page, f->open[ACCESS_STREAM] + f->open[ACCESS_UPGRADE]);
    put_count(page, counters_requests(c, AUDIT_VERDICT_ALLOW));
    put_count(page, counters_requests(c, AUDIT_VERDICT_DENY));
    put_count(page, counters_requests(c, AUDIT_VERDICT_WOULD_DENY));
    put_bytes_cell(page, c->bytes_in + f->bytes_in);
    put_bytes_cell(page, c->bytes_out + f->bytes_out);
    put_count(page, c->audit_failures);
    put(page, "</tr>\n");
}

static void put_runners(struct page *page, const struct picture *picture)
{
    put(page,
        "<h2>Runners</h2>\n<div><table><tr><th>Runner<th>Listener<th "
        "class=n>Clients<th class=n>Requests open<th class=n>Streams open<th "
        "class=n>Allowed<th class=n>Denied<th class=n>Would be denied<th "
        "class=n>In<th class=n>Out<th class=n>Records lost</tr>\n");
    for (size_t i = 0; i < picture->frontend_count; i++)
        put_runner(page, &picture->frontends[i]);
    put(page, "</table></div>\n");
}

static void put_has(struct page *page, const struct frontend_view *f)
{
    const struct objects_view *o = &f->objects;

    put(page, "<tr>");
    put_name(page, f);
    put(page, "<td><code>");
    put_words(page, f->host ? f->host : "no host yet");
    put(page, "</code></td>");
    if (o->known) {
        put_count(page, o->containers);
        put_count(page, o->networks);
        put_count(page, o->volumes);
        put_count(page, o->images);
        put_bytes_cell(page, o->image_bytes);
        put_count(page, o->ports);
    } else {
        put(page, "<td class=m colspan=6>not known</td>");
    }
    put_count(page, f->builds);
    put(page, f->waits_for_lease ? "<td class=y>" : "<td>");
    put_words(page, f->lease ? f->lease : "none");
    put(page, "</td></tr>\n");
}

/* What each has on its engine. */
static void put_objects(struct page *page, const struct picture *picture)
{
    put(page,
        "<h2>What they have</h2>\n<div><table><tr><th>Runner<th>Host<th "
        "class=n>Containers<th class=n>Networks<th class=n>Volumes<th class=n>"
        "Images<th class=n>their bytes<th class=n>Ports<th class=n>Builds "
        "that run<th>Lease</tr>\n");
    for (size_t i = 0; i < picture->frontend_count; i++)
        put_has(page, &picture->frontends[i]);
    put(page, "</table></div>\n");
}

static unsigned open_of(const struct frontend_view *f)
{
    unsigned open = 0;

    for (unsigned i = 0; i < ACCESS_COUNT; i++)
        open += f->open[i];
    return open;
}

static void put_call(struct page *page, const struct frontend_view *f,
                     const struct call_view *call)
{
    put(page, "<tr>");
    put_name(page, f);
    put(page, "<td>");
    put_words(page, operation_name(call->operation));
    put(page, "</td><td><code>");
    put_text(page, str_head(call->path, REFUSAL_PATH));
    put(page, "</code></td><td class=n>");
    put_seconds(page, call->seconds);
    put(page, "</td>");
    put_bytes_cell(page, call->bytes_in);
    put_bytes_cell(page, call->bytes_out);
    put(page, "</tr>\n");
}

static void put_calls(struct page *page, const struct picture *picture)
{
    unsigned more = 0;

    put(page,
        "<h2>Calls that run</h2>\n<div><table><tr><th>Runner<th>Operation<th>"
        "Path<th class=n>Since<th class=n>In<th class=n>Out</tr>\n");
    for (size_t i = 0; i < picture->frontend_count; i++) {
        const struct frontend_view *f = &picture->frontends[i];
        unsigned open = open_of(f);

        for (unsigned k = 0; k < f->call_count; k++)
            put_call(page, f, &f->calls[k]);
        more += open > f->call_count ? open - f->call_count : 0;
    }
    put(page, "</table></div>\n");
    if (more)
        put_number(page, "<p class=m>and %u more</p>\n", more);
}

static void put_refusal(struct page *page, const struct frontend_view *f,
                        const struct refusal *r)
{
    put(page, "<tr><td>");
    put_time(page, (double)r->time_ns / 1e9);
    if (r->count > 1)
        put_number(page, "<br><span class=m>%llu times</span>",
                   (unsigned long long)r->count);
    put(page, "</td>");
    put_name(page, f);
    put(page, r->verdict == AUDIT_VERDICT_DENY
                  ? "<td><span class=r>denied</span><br>"
                  : "<td><span class=y>would be denied</span><br>");
    put_words(page, operation_name(r->operation));
    put(page, "</td><td><code>");
    put_words(page, r->path);
    put(page, "</code><br>");
    put_words(page, r->reason);
    put(page, "<br><span class=m>rule ");
    put_words(page, r->rule);
    if (*r->field) {
        put(page, ", ");
        put_words(page, r->field);
    }
    put(page, "</span></td><td>");
    if (*r->allow) {
        put(page, "<pre>");
        put_words(page, r->allow);
        put(page, "</pre>");
    } else {
        put(page, "<span class=m>see the text</span>");
    }
    put(page, "</td></tr>\n");
}

static void put_refusals(struct page *page, const struct picture *picture)
{
    const struct refusal *refusal;

    put(page, "<h2>Last refusals</h2>\n<div><table><tr><th>Last, UTC<th>Runner"
              "<th>Call<th>Why<th>In the policy, to allow it</tr>\n");
    for (size_t i = 0; i < picture->frontend_count; i++) {
        const struct frontend_view *f = &picture->frontends[i];

        for (size_t k = 0;
             f->refusals && (refusal = refusals_at(f->refusals, k)) != NULL;
             k++)
            put_refusal(page, f, refusal);
    }
    put(page, "</table></div>\n");
}

static void put_process(struct page *page, const struct process_view *p)
{
    put(page, "<h2>Process</h2>\n<p>berth ");
    put_words(page, p->version);
    put(page, ", libssh2 ");
    put_words(page, p->libssh2);
    put(page, ", libevent ");
    put_words(page, p->libevent);
    put(page, "; up ");
    put_seconds(page, p->now - p->start_time);
    put_number(page, ", %.1f s of CPU, ", p->cpu_seconds);
    put_bytes(page, p->memory);
    put_number(page, " of memory, %u of %u descriptors", p->descriptors,
               p->descriptors_max);
    put_number(page, "; %llu reloads, %llu refused</p>\n<ul>",
               (unsigned long long)p->reloads,
               (unsigned long long)p->reloads_refused);
    for (const char *const *at = p->defences; at && *at; at++) {
        put(page, "<li>");
        put_words(page, *at);
        put(page, "</li>");
    }
    put(page, "</ul>\n");
}

int page_put(struct strbuf *out, const struct picture *picture)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(64 * KIB);
    struct page page = {.out = out};

    put(&page, "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
               "<meta name=viewport content=\"width=device-width\">"
               "<meta http-equiv=refresh content=" REFRESH_S ">"
               "<title>berth</title><style>" STYLE "</style></head>\n<body>\n"
               "<h1>berth</h1>\n<p>");
    put(&page, metrics_ready(picture, &why) ? "<span class=g>ready</span>"
                                            : "<span class=r>not ready</span>");
    put_number(&page, ": runners %zu, engines %zu; ", picture->frontend_count,
               picture->backend_count);
    put_time(&page, picture->process.now);
    put(&page, " UTC</p>\n");
    put_engines(&page, picture);
    put_runners(&page, picture);
    put_objects(&page, picture);
    put_calls(&page, picture);
    put_refusals(&page, picture);
    put_process(&page, &picture->process);
    put(&page, "</body></html>\n");
    return page.error;
}

int page_put_policy(struct strbuf *out)
{
    unsigned char digest[SHA256_BYTES];
    int r;

    sha256(S(STYLE), digest);
    r = strbuf_add(out,
                   S("default-src 'none'; base-uri 'none'; form-action "
                     "'none'; frame-ancestors 'none'; style-src 'sha256-"));
    if (r == 0)
        r = base64_encode(str_of((const char *)digest, sizeof(digest)), out);
    return r == 0 ? strbuf_add(out, S("'")) : r;
}
