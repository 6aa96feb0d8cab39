/*
 * Asks an engine's socket the same thing over and over, on many connections
 * at once, and tells how long the answers took.
 * Usage: load SOCKET TARGET CONNECTIONS MILLISECONDS keep|fresh [BODY]
 *
 * With the file BODY, it is a POST of what is in there, as JSON.
 * keep: a connection takes its next request as soon as it was answered;
 * fresh: it is closed, and a new one takes its place. 0 milliseconds: one
 * request on each connection, all at once.
 *
 * Prints JSON: requests, seconds, errors, and of the answers' times, from
 * before a fresh connect on, the percentiles p50 and p99 and the longest, in
 * milliseconds. Kept connections are measured once all of them have answered.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#define CONNECTIONS_MAX 4096
#define SAMPLES_MAX     ((size_t)1 << 22)
#define REPLY_MAX       ((size_t)64 * 1024)
#define PATIENCE_MS     20000
#define BODY_MAX        ((size_t)64 * 1024)

struct connection {
    int fd;
    bool warm; /* it has answered before */
    uint64_t asked;
    size_t len;
    char reply[REPLY_MAX];
};

static struct {
    const char *path;
    char request[4096 + BODY_MAX];
    size_t request_len;
    bool fresh;
    bool once;
    uint64_t length, start; /* of the measurement; start 0: not yet */
    size_t cold;            /* connections that have not answered yet */
    int epoll;
    size_t open;
    unsigned long errors;
    uint64_t *samples;
    size_t count;
} load;

static void begin(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    c->asked = now_ns();
    c->fd = unix_connect(load.path);
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll");
    load.open++;
}

static void finish(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    load.open--;
}

static void ask(struct connection *c)
{
    c->len = 0;
    if (!write_all(c->fd, load.request, load.request_len))
        die("a connection broke");
}

/* Where the line of HEAD begins that starts with NAME, behind NAME. */
static const char *field(const char *head, const char *name)
{
    for (const char *at = head; (at = strstr(at, "\r\n")); at += 2)
        if (strncasecmp(at + 2, name, strlen(name)) == 0)
            return at + 2 + strlen(name);
    return NULL;
}

static bool is_whole(struct connection *c)
{
    const char *body, *length;
    size_t len;

    c->reply[c->len] = '\0';
    body = strstr(c->reply, "\r\n\r\n");
    if (!body)
        return false;
    body += 4;
    len = c->len - (size_t)(body - c->reply);
    length = field(c->reply, "Content-Length:");
    if (length && length < body)
        return len >= strtoul(length, NULL, 10);
    /* else chunked, and a body that could hold this end by itself is not what
     * we ask for */
    return len >= 5 && memcmp(c->reply + c->len - 5, "0\r\n\r\n", 5) == 0;
}

static void note(struct connection *c)
{
    if (strncmp(c->reply, "HTTP/1.1 20", 11) != 0) {
        if (load.errors++ == 0)
            fprintf(stderr, "load: %.400s\n", c->reply);
    } else if (load.start && c->asked >= load.start &&
               load.count < SAMPLES_MAX) {
        load.samples[load.count++] = now_ns() - c->asked;
    }
    if (!c->warm && --load.cold == 0 && !load.start)
        load.start = now_ns();
    c->warm = true;
}

static bool is_over(void)
{
    return load.once || (load.start && now_ns() >= load.start + load.length);
}

static void on_reply(struct connection *c)
{
    ssize_t n = recv(c->fd, c->reply + c->len, REPLY_MAX - 1 - c->len, 0);

    if (n <= 0)
        die("a connection ended without an answer");
    c->len += (size_t)n;
    if (!is_whole(c)) {
        if (c->len == REPLY_MAX - 1)
            die("the reply is too long");
        return;
    }
    note(c);
    if (is_over()) {
        finish(c);
        return;
    }
    if (load.fresh) {
        finish(c);
        begin(c);
    } else {
        c->asked = now_ns();
    }
    ask(c);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double percentile(unsigned percent)
{
    if (load.count == 0)
        return 0;
    return (double)load.samples[(load.count - 1) * percent / 100] / 1e6;
}

static void run(struct connection *connections, size_t count)
{
    double seconds;

    load.cold = count;
    if (load.fresh)
        load.start = now_ns();
    for (size_t i = 0; i < count; i++) {
        begin(&connections[i]);
        ask(&connections[i]);
    }
    while (load.open) {
        struct epoll_event events[64];
        int n = epoll_wait(load.epoll, events, 64, PATIENCE_MS);

        if (n < 0 && errno != EINTR)
            die("epoll");
        if (n == 0)
            die("no answer on %zu connections", load.open);
        for (int i = 0; i < n; i++)
            on_reply(events[i].data.ptr);
    }
    seconds = (double)(now_ns() - load.start) / 1e9;
    qsort(load.samples, load.count, sizeof(*load.samples), by_size);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"errors\": %lu, "
           "\"p50\": %.4f, \"p99\": %.4f, \"longest\": %.4f}\n",
           load.count, seconds, load.errors, percentile(50), percentile(99),
           percentile(100));
}

static void compose(const char *target, const char *body)
{
    static char text[BODY_MAX];
    size_t room = sizeof(load.request), len = 0;
    FILE *file = body ? fopen(body, "r") : NULL;

    if (file)
        len = fread(text, 1, sizeof(text), file);
    if (body && (!file || !feof(file)))
        die("%s: no body, or a long one", body);
    if (file)
        fclose(file);
    load.request_len = (size_t)snprintf(load.request, room,
                                        "%s %s HTTP/1.1\r\nHost: docker\r\n",
                                        body ? "POST" : "GET", target);
    if (body)
        load.request_len += (size_t)snprintf(
            load.request + load.request_len, room - load.request_len,
            "Content-Type: application/json\r\nContent-Length: %zu\r\n", len);
    if (load.request_len + 2 + len > room)
        die("the request is too long");
    memcpy(load.request + load.request_len, "\r\n", 2);
    memcpy(load.request + load.request_len + 2, text, len);
    load.request_len += 2 + len;
}

int main(int argc, char **argv)
{
    struct connection *connections;
    unsigned long count, milliseconds;

    if (argc < 6 || argc > 7 ||
        (strcmp(argv[5], "keep") && strcmp(argv[5], "fresh")))
        die("usage: load SOCKET TARGET CONNECTIONS MILLISECONDS keep|fresh "
            "[BODY]");
    raise_descriptor_limit();
    count = number(argv[3], 1, CONNECTIONS_MAX);
    milliseconds = number(argv[4], 0, 600000);
    load.path = argv[1];
    load.once = milliseconds == 0;
    load.length = (uint64_t)milliseconds * 1000000;
    load.fresh = load.once || strcmp(argv[5], "fresh") == 0;
    compose(argv[2], argv[6]);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.samples = malloc(SAMPLES_MAX * sizeof(*load.samples));
    connections = calloc(count, sizeof(*connections));
    if (load.epoll < 0 || !load.samples || !connections)
        die("memory");
    run(connections, count);
    free(connections);
    free(load.samples);
    return 0;
}
