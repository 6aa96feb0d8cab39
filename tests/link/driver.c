/*
 * Drives one upstream by commands on standard input, and reports on standard
 * output; the tests in run.py are its master.
 *
 *   stream ID up=LEN down=LEN    exchange patterns with the peer, both ways at
 *                                once, and compare every byte
 *   lazy ID down=LEN             the same, but read nothing until "read ID"
 *   raw ID TEXT                  open, send the line TEXT, tell what happens
 *   port ID PORT WHO             the same, without TEXT, to a TCP port over
 *                                there, for a runner
 *   send ID LEN                  LEN bytes more on a raw stream
 *   read ID | shut ID | close ID
 *   suicide ID                   when stream ID is open, free the upstream
 *   bench KIND COUNT LEN         up, down or ping; tell the rate
 *   stat | status | version | quit
 */

#include <assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <libssh2.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"
#include "proxy/base/log.h"
#include "proxy/server/upstream_new.h"

#define STREAMS 5000
#define LINE    512
#define CHUNK   65536

struct flow {
    struct stream *stream;
    unsigned id;
    unsigned long up, up_at;
    unsigned long down, down_at;
    bool raw;  /* count, do not compare */
    bool lazy; /* do not read */
    bool suicide;
    bool shut;
    bool silent; /* part of a benchmark: the content does not matter */
    bool opened;
    bool eof;
    bool bad;
    unsigned long pings; /* still to go */
    struct timespec sent;
    char head[2 * LINE];
    size_t head_at;
    char tail[64]; /* what came behind the pattern */
    size_t tail_len;
};

static struct event_base *base;
static struct upstream *upstream;
static struct flow flows[STREAMS];
static const char runners[STREAMS]; /* of their addresses alone is made use */
static struct {
    unsigned running;
    unsigned long bytes;
    struct timespec began;
    double *pings;
    size_t ping_count;
} bench;

static double since(struct timespec then)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then.tv_sec) +
           (double)(now.tv_nsec - then.tv_nsec) / 1e9;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void bench_over(void)
{
    double seconds = since(bench.began);

    if (bench.ping_count) {
        double sum = 0;

        for (size_t i = 0; i < bench.ping_count; i++)
            sum += bench.pings[i];
        qsort(bench.pings, bench.ping_count, sizeof(double), by_size);
        printf("bench ping p50=%.0f mean=%.0f p99=%.0f us\n",
               bench.pings[bench.ping_count / 2] * 1e6,
               sum / (double)bench.ping_count * 1e6,
               bench.pings[bench.ping_count * 99 / 100] * 1e6);
        bench.ping_count = 0;
        return;
    }
    printf("bench %.1f MiB/s %.3f s\n", (double)bench.bytes / seconds / 1048576,
           seconds);
}

static void finish(struct flow *f, const char *result)
{
    if (!f->silent || strcmp(result, "ok") != 0)
        printf("stream %u %s up=%lu down=%lu pristine=%d why=%s\n", f->id,
               result, f->up_at, f->down_at, f->stream->pristine,
               f->stream->why ? f->stream->why : "-");
    stream_close(f->stream);
    f->stream = NULL;
    if (f->silent && --bench.running == 0)
        bench_over();
}

static void give(struct flow *f)
{
    static char chunk[CHUNK];
    size_t len = strlen(f->head), n;

    while (f->head_at < len) {
        n = stream_write(f->stream,
                         str_of(f->head + f->head_at, len - f->head_at));
        if (n == 0)
            return;
        f->head_at += n;
    }
    while (f->up_at < f->up && (n = stream_room(f->stream)) > 0) {
        if (n > sizeof(chunk))
            n = sizeof(chunk);
        if (n > f->up - f->up_at)
            n = f->up - f->up_at;
        if (!f->silent)
            pattern_fill(f->id, f->up_at, chunk, n);
        f->up_at += stream_write(f->stream, str_of(chunk, n));
    }
    if (f->up_at == f->up && !f->shut && !f->raw && !f->pings) {
        stream_shutdown(f->stream);
        f->shut = true;
    }
}

static void take(struct flow *f)
{
    struct str s = stream_peek(f->stream), pattern;

    if (s.len == 0)
        return;
    if (f->raw) {
        f->down_at += s.len;
        stream_consume(f->stream, s.len);
        return;
    }
    pattern = str_head(s, f->down - f->down_at);
    if (!f->silent && !f->bad &&
        !pattern_is(f->id, f->down_at, pattern.ptr, pattern.len))
        f->bad = true;
    f->down_at += pattern.len;
    s = str_head(str_from_index(s, pattern.len),
                 sizeof(f->tail) - 1 - f->tail_len);
    memcpy(f->tail + f->tail_len, s.ptr, s.len);
    f->tail_len += s.len;
    stream_consume(f->stream, pattern.len + s.len);
}

static void ping(struct flow *f)
{
    struct str s = stream_peek(f->stream);
    static char kilo[1024];

    if (f->head_at == 0) {
        give(f);
    } else if (s.len < sizeof(kilo)) {
        return;
    } else {
        assert(s.len == sizeof(kilo));
        stream_consume(f->stream, s.len);
        bench.pings[bench.ping_count++] = since(f->sent);
        if (--f->pings == 0) {
            finish(f, "ok");
            return;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &f->sent);
    stream_write(f->stream, str_of(kilo, sizeof(kilo)));
}

static void on_change(struct stream *stream, void *arg)
{
    struct flow *f = arg;
    char want[32];

    if (!f->opened && stream->state == STREAM_OPEN) {
        f->opened = true;
        if (!f->silent)
            printf("stream %u open\n", f->id);
    }
    if (f->suicide && f->opened) {
        stream_close(stream);
        f->stream = NULL;
        upstream_free(upstream);
        upstream = NULL;
        return;
    }
    if (f->pings) {
        if (stream->state == STREAM_CLOSED)
            finish(f, "closed");
        else
            ping(f);
        return;
    }
    if (!f->lazy)
        take(f);
    if (stream->eof && !f->eof) {
        f->eof = true;
        if (f->raw)
            printf("stream %u eof\n", f->id);
    }
    if (stream->state == STREAM_CLOSED) {
        if (f->silent && f->up == 0)
            want[0] = '\0';
        else
            snprintf(want, sizeof(want), "ok %lu\n", f->up);
        if (f->raw)
            finish(f, "closed");
        else if (f->bad)
            finish(f, "corrupt");
        else if (f->down_at == f->down && f->up_at == f->up &&
                 strcmp(f->tail, want) == 0 && !stream->why)
            finish(f, "ok");
        else
            finish(f, "broken");
        return;
    }
    give(f);
}

static void on_status(struct upstream *u, void *arg)
{
    struct upstream_status status;

    (void)arg;
    upstream_get_status(u, &status);
    printf("status %s generation=%llu links=%u retry=%u why=%s\n",
           status.up ? "up" : "down", (unsigned long long)status.generation,
           status.links, status.retry_ms, status.why ? status.why : "-");
}

static struct flow *flow_open_to(unsigned id, unsigned port)
{
    struct flow *f = &flows[id];

    assert(id < STREAMS && !f->stream && upstream);
    *f = (struct flow){.id = id};
    f->stream =
        port ? upstream_open_port(upstream, "127.0.0.1", port, on_change, f)
             : upstream_open(upstream, on_change, f);
    if (f->stream)
        return f;
    printf("stream %u full\n", id);
    return NULL;
}

static struct flow *flow_open(unsigned id)
{
    return flow_open_to(id, 0);
}

static void start_bench(const char *kind, unsigned count, unsigned long len)
{
    bool up = strcmp(kind, "up") == 0, pings = strcmp(kind, "ping") == 0;

    bench.running = count;
    bench.bytes = count * len;
    if (pings) {
        free(bench.pings);
        bench.pings = calloc(count * len, sizeof(double));
    }
    clock_gettime(CLOCK_MONOTONIC, &bench.began);
    for (unsigned i = 0; i < count; i++) {
        struct flow *f = flow_open(STREAMS - 1 - i);

        if (!f)
            return;
        f->silent = true;
        f->pings = pings ? len : 0;
        f->up = up ? len : 0;
        f->down = up || pings ? 0 : len;
        if (pings)
            snprintf(f->head, sizeof(f->head), "echo\n");
        else if (up)
            snprintf(f->head, sizeof(f->head), "sink\n");
        else
            snprintf(f->head, sizeof(f->head), "zeros %lu\n", f->down);
        if (!pings)
            give(f);
    }
}

static void print_stat(void)
{
    struct mallinfo2 info = mallinfo2();
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    unsigned long rss = 0;

    while (file && fgets(line, sizeof(line), file))
        sscanf(line, "VmRSS: %lu", &rss);
    if (file)
        fclose(file);
    printf("stat used=%zu rss=%lu cpu=%.3f\n", info.uordblks + info.hblkhd,
           rss * 1024, (double)clock() / CLOCKS_PER_SEC);
}

static void command(const char *line)
{
    char text[LINE];
    unsigned id = 0, port = 0, who = 0;
    unsigned long up = 0, down = 0;
    struct flow *f;

    if (sscanf(line, "stream %u up=%lu down=%lu", &id, &up, &down) == 3 ||
        sscanf(line, "lazy %u down=%lu", &id, &down) == 2) {
        f = flow_open(id);
        if (!f)
            return;
        f->up = up;
        f->down = down;
        f->lazy = *line == 'l';
        snprintf(f->head, sizeof(f->head), "duplex %u %lu\n", id, down);
        give(f);
    } else if (sscanf(line, "raw %u %400[^\n]", &id, text) == 2) {
        f = flow_open(id);
        if (!f)
            return;
        f->raw = true;
        snprintf(f->head, sizeof(f->head), "%s\n", text);
        give(f);
    } else if (sscanf(line, "port %u %u %u", &id, &port, &who) == 3) {
        f = flow_open_to(id, port);
        if (!f)
            return;
        f->raw = true;
        f->stream->who = &runners[who];
    } else if (sscanf(line, "send %u %lu", &id, &up) == 2) {
        flows[id].up += up;
        give(&flows[id]);
    } else if (sscanf(line, "read %u", &id) == 1) {
        flows[id].lazy = false;
        take(&flows[id]);
    } else if (sscanf(line, "shut %u", &id) == 1) {
        stream_shutdown(flows[id].stream);
    } else if (sscanf(line, "suicide %u", &id) == 1) {
        f = flow_open(id);
        if (!f)
            return;
        f->suicide = true;
    } else if (sscanf(line, "close %u", &id) == 1) {
        stream_close(flows[id].stream);
        flows[id].stream = NULL;
    } else if (sscanf(line, "bench %63s %u %lu", text, &id, &up) == 3) {
        start_bench(text, id, up);
    } else if (strncmp(line, "status", 6) == 0) {
        on_status(upstream, NULL);
    } else if (strncmp(line, "version", 7) == 0) {
        printf("version %s\n", libssh2_version(0));
    } else if (strncmp(line, "stat", 4) == 0) {
        print_stat();
    } else if (strncmp(line, "quit", 4) == 0) {
        upstream_free(upstream);
        upstream = NULL;
        for (size_t i = 0; i < STREAMS; i++)
            stream_close(flows[i].stream);
        /* what is freed in a later turn has its turn */
        event_base_loopexit(base, &(struct timeval){.tv_usec = 50000});
    } else {
        printf("what? %s", line);
    }
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    static char buffer[1 << 16];
    static size_t len;
    ssize_t n = read(fd, buffer + len, sizeof(buffer) - 1 - len);
    char *end;

    (void)what;
    (void)arg;
    if (n <= 0) {
        command("quit");
        return;
    }
    len += (size_t)n;
    buffer[len] = '\0';
    while ((end = strchr(buffer, '\n'))) {
        *end = '\0';
        command(buffer);
        len -= (size_t)(end + 1 - buffer);
        memmove(buffer, end + 1, len + 1);
    }
}

static void configure(struct upstream_config *config, const char *key,
                      char *value)
{
    const struct {
        const char *key;
        char **text;
        unsigned *number;
    } table[] = {
        {"url",                &config->url,               NULL                       },
        {"user",               &config->user,              NULL                       },
        {"host",               &config->host,              NULL                       },
        {"path",               &config->path,              NULL                       },
        {"port",               NULL,                       &config->port              },
        {"proxy_host",         &config->proxy.host,        NULL                       },
        {"proxy_port",         NULL,                       &config->proxy.port        },
        {"proxy_credentials",  &config->proxy.credentials, NULL                       },
        {"agent_socket",       &config->agent_socket,      NULL                       },
        {"ciphers",            &config->ciphers,           NULL                       },
        {"host_key_alias",     &config->host_key_alias,    NULL                       },
        {"passphrase_file",    &config->passphrase_file,   NULL                       },
        {"host_key",           &config->host_key,          NULL                       },
        {"connect_timeout_ms", NULL,                       &config->connect_timeout_ms},
        {"dead_after_ms",      NULL,                       &config->dead_after_ms     },
        {"spare_channels",     NULL,                       &config->spare_channels    },
        {"links",              NULL,                       &config->links             },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        if (strcmp(key, table[i].key) != 0)
            continue;
        if (table[i].text)
            *table[i].text = value;
        else
            *table[i].number = (unsigned)strtoul(value, NULL, 10);
        return;
    }
    if (strcmp(key, "identity") == 0)
        config->identities[config->identity_count++] = value;
    else if (strcmp(key, "known_hosts") == 0)
        strings_add(&config->known_hosts, str_from(value));
    else if (strcmp(key, "agent") == 0)
        config->agent = true;
    else if (strcmp(key, "identities_only") == 0)
        config->identities_only = true;
    else if (strcmp(key, "proxy") == 0)
        config->proxy.kind = *value == 'h' ? PROXY_HTTP : PROXY_SOCKS5;
    else if (strcmp(key, "kind") == 0)
        config->kind = *value == 'u'   ? UPSTREAM_UNIX
                       : *value == 't' ? UPSTREAM_TCP
                                       : UPSTREAM_SSH;
    else if (strcmp(key, "channel") == 0)
        config->channel = *value == 'f'   ? SSH_CHANNEL_FORWARD
                          : *value == 'd' ? SSH_CHANNEL_DIAL_STDIO
                                          : SSH_CHANNEL_AUTO;
    else if (strcmp(key, "debug") == 0)
        log_set_level(LOG_LEVEL_DEBUG);
    else
        abort();
}

/* What comes from here on is about the jump host before AT. */
static struct upstream_config *jump_before(struct upstream_config *at)
{
    struct upstream_config *jump = xcalloc(1, sizeof(*jump));

    *jump = (struct upstream_config){
        .kind = UPSTREAM_SSH,
        .url = at->url,
        .channel = SSH_CHANNEL_FORWARD,
        .connect_timeout_ms = at->connect_timeout_ms,
        .dead_after_ms = at->dead_after_ms,
        .forward_host = at->host,
        .forward_port = at->port,
    };
    at->jump = jump;
    return jump;
}

/* What jump hosts and lists own; words are main's. */
static void free_config(struct upstream_config *config)
{
    strings_fini(&config->known_hosts);
    if (config->jump)
        free_config(config->jump);
    free(config->jump);
}

int main(int argc, char **argv)
{
    static char url[] = "test://";
    struct upstream_config config = {
        .kind = UPSTREAM_SSH,
        .url = url,
        .connect_timeout_ms = 10000,
        .dead_after_ms = 15000,
    };
    struct upstream_config *at = &config;
    struct event *input;

    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (!value)
            return 2;
        *value++ = '\0';
        if (strcmp(argv[i], "jump") == 0)
            at = jump_before(at);
        else
            configure(at, argv[i], value);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    base = event_base_new();
    upstream = upstream_new(base, &config);
    upstream->on_status = on_status;
    input = event_new(base, 0, EV_READ | EV_PERSIST, on_input, NULL);
    event_add(input, NULL);
    event_base_dispatch(base);
    event_free(input);
    event_base_free(base);
    free_config(&config);
    libevent_global_shutdown();
    return 0;
}
