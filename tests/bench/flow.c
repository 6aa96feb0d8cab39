/*
 * Streams through an engine's socket, as fast as they go; or holds them open.
 * Usage: flow SOCKET WHAT NAME STREAMS [BYTES], for the container NAME and so
 * many BYTES in all:
 *
 *   get    an archive, down, in a chunked reply
 *   put    an archive, up, in a chunked request
 *   pull   an attached output, down, hijacked
 *   push   an attached input, up, hijacked
 *   logs   follow the logs: hold the reply open
 *   attach hold a hijacked connection open
 *
 * Prints JSON: bytes, and the seconds from the first connect to the last end.
 * What holds says "ready" once all is open, and ends with standard input.
 * With get and pull, NAME-N is a container that has N bytes (see stand_in.c).
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

#define STREAMS_MAX 4096
#define BYTES_MAX   ((unsigned long)64 << 30)

#define HOST   " HTTP/1.1\r\nHost: docker\r\n"
#define HIJACK HOST "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

struct flow {
    const char *path;
    const char *name;
    unsigned long bytes;
    void (*run)(struct flow *flow);
    struct wire *wire;
    pthread_t thread;
};

static void expect(struct flow *flow, const char *status, struct head *head)
{
    if (!wire_head(flow->wire, head))
        die("no reply");
    if (strncmp(head->line + strlen("HTTP/1.1 "), status, strlen(status)) != 0)
        die("the reply is \"%s\"", head->line);
}

static void get(struct flow *flow)
{
    struct head head;
    unsigned long got;

    wire_say(flow->wire,
             "GET /v1.41/containers/%s-%lu/archive?path=%%2F" HOST "\r\n",
             flow->name, flow->bytes);
    expect(flow, "200", &head);
    got = wire_body(flow->wire, &head);
    if (got != flow->bytes)
        die("%lu bytes came", got);
}

static void put(struct flow *flow)
{
    struct head head;

    wire_say(flow->wire,
             "PUT /v1.41/containers/%s/archive?path=%%2F" HOST
             "Content-Type: application/x-tar\r\n"
             "Transfer-Encoding: chunked\r\n\r\n",
             flow->name);
    wire_chunks(flow->wire, flow->bytes);
    wire_say(flow->wire, "0\r\n\r\n");
    expect(flow, "200", &head);
    wire_body(flow->wire, &head);
}

static void attach_to(struct flow *flow, bool sized)
{
    char size[32] = "";
    struct head head;

    if (sized)
        snprintf(size, sizeof(size), "-%lu", flow->bytes);
    wire_say(
        flow->wire,
        "POST /v1.41/containers/%s%s/attach?stream=1&stdin=1&stdout=1" HIJACK,
        flow->name, size);
    expect(flow, "101", &head);
}

static void pull(struct flow *flow)
{
    unsigned long got;

    attach_to(flow, true);
    got = wire_rest(flow->wire);
    if (got != flow->bytes)
        die("%lu bytes came", got);
}

static void push(struct flow *flow)
{
    char ok = '0';

    attach_to(flow, true);
    wire_zeros(flow->wire, flow->bytes);
    shutdown(flow->wire->fd, SHUT_WR);
    if (recv(flow->wire->fd, &ok, 1, 0) != 1 || ok != '1')
        die("not all bytes came over there");
}

static void attach(struct flow *flow)
{
    attach_to(flow, false);
}

static void logs(struct flow *flow)
{
    struct head head;

    wire_say(flow->wire,
             "GET /v1.41/containers/%s/logs?follow=1&stdout=1" HOST "\r\n",
             flow->name);
    expect(flow, "200", &head);
}

static const struct kind {
    const char *name;
    void (*run)(struct flow *flow);
    bool holds;
} kinds[] = {
    {"get",    get,    false},
    {"put",    put,    false},
    {"pull",   pull,   false},
    {"push",   push,   false},
    {"logs",   logs,   true },
    {"attach", attach, true },
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    die("nobody knows \"%s\"", name);
}

static void *run_flow(void *arg)
{
    struct flow *flow = arg;

    flow->run(flow);
    return NULL;
}

static void measure(struct flow *flows, unsigned long count)
{
    uint64_t start = now_ns();
    unsigned long bytes = 0;

    for (unsigned long i = 0; i < count; i++) {
        flows[i].wire = wire_new(unix_connect(flows[i].path));
        if (pthread_create(&flows[i].thread, NULL, run_flow, &flows[i]) != 0)
            die("thread");
        bytes += flows[i].bytes;
    }
    for (unsigned long i = 0; i < count; i++)
        pthread_join(flows[i].thread, NULL);
    printf("{\"bytes\": %lu, \"seconds\": %.6f}\n", bytes,
           (double)(now_ns() - start) / 1e9);
}

static void hold(struct flow *flows, unsigned long count)
{
    char byte;

    for (unsigned long i = 0; i < count; i++) {
        flows[i].wire = wire_new(unix_connect(flows[i].path));
        flows[i].run(&flows[i]);
    }
    puts("ready");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    unsigned long count, bytes = 0;
    const struct kind *kind;
    struct flow *flows;

    if (argc < 5 || argc > 6)
        die("usage: flow SOCKET WHAT NAME STREAMS [BYTES]");
    raise_descriptor_limit();
    kind = find_kind(argv[2]);
    count = number(argv[4], 1, STREAMS_MAX);
    if (argc == 6)
        bytes = number(argv[5], count, BYTES_MAX);
    flows = calloc(count, sizeof(*flows));
    if (!flows)
        die("memory");
    for (unsigned long i = 0; i < count; i++)
        flows[i] = (struct flow){.path = argv[1],
                                 .name = argv[3],
                                 .bytes = bytes / count,
                                 .run = kind->run};
    if (kind->holds)
        hold(flows, count);
    else
        measure(flows, count);
    for (unsigned long i = 0; i < count; i++)
        wire_free(flows[i].wire);
    free(flows);
    return 0;
}
