/*
 * Takes the engine's place where the way to it is to be measured and not the
 * engine: it answers at once, and streams as fast as it is read.
 * Usage: stand_in SOCKET [OWN OTHERS IMAGES]. Says "ready" on standard output.
 *
 *   GET  /containers/json                 OWN containers of the namespace that
 *                                         the label filtered for names; without
 *                                         one, OTHERS of another's
 *   GET  /images/json                     IMAGES images that all may use
 *   GET  /events                          a line for each of OTHERS, then EOF
 *   GET  /_ping, /version, .../json       what an engine says, about 1 KiB
 *   POST /containers/create               201, and an ID
 *   GET  /volumes/NAME, /networks/NAME    the namespace's, but for new-N: none
 *   POST /volumes/create                  201
 *   GET  /containers/source-N/archive     N bytes
 *   PUT  /containers/NAME/archive         swallows the body
 *   GET  /containers/NAME/logs            a head, then silence until EOF
 *   POST /containers/source-N/attach      hijacked: N bytes, then EOF
 *   POST /containers/sink-N/attach        hijacked: at EOF, 1 if N bytes came
 *   POST /containers/NAME/attach          hijacked: silence until EOF
 *   POST /containers/NAME/wait            a head, then silence until EOF
 *   POST /containers/NAME/start           204
 *
 * A namespace before NAME, and a version before the path, change nothing.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

#define LIST_MOST 1000000

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Every reply carries what clients look for in the first. */
#define HEADERS                                                                \
    "Api-Version: 1.45\r\nDocker-Experimental: false\r\nOstype: linux\r\n"     \
    "Server: Docker/26.1.5 (linux)\r\n"
#define OK "HTTP/1.1 200 OK\r\n" HEADERS
#define CREATED                                                                \
    "HTTP/1.1 201 Created\r\n" HEADERS "Content-Type: application/json\r\n"
#define JSON       OK "Content-Type: application/json\r\n"
#define CHUNKED    "Transfer-Encoding: chunked\r\n\r\n"
#define LAST_CHUNK "0\r\n\r\n"
#define SWITCHED                                                               \
    "HTTP/1.1 101 UPGRADED\r\n"                                                \
    "Content-Type: application/vnd.docker.raw-stream\r\n"                      \
    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

/* 64 bytes, of which a reply can be made as long as it is to be */
#define PADDING                                                                \
    "################################################################"

static const char version[] =
    "{\"ID\":\"stand-in\",\"Version\":\"26.1.5\",\"ApiVersion\":\"1.45\","
    "\"MinAPIVersion\":"
    "\"1.24\",\"Os\":\"linux\",\"Arch\":\"amd64\",\"KernelVersion\":\"" PADDING
        PADDING PADDING PADDING PADDING PADDING PADDING PADDING PADDING PADDING
            PADDING PADDING "\"}\n";
/* of the namespace and the name that were asked for */
#define CONTAINER                                                              \
    "{\"Id\":\"" ID "\",\"Name\":\"/%s.box\",\"Image\":\"sha256:" ID           \
    "\",\"State\":{\"Status\":\"running\",\"Running\":true,\"Pid\":42},"       \
    "\"Config\":{\"Image\":\"busybox\",\"Labels\":{\"berth.namespace\":"       \
    "\"%s\"},\"Env\":[\"PAD=" PADDING PADDING PADDING PADDING PADDING PADDING  \
        PADDING "\"]},\"NetworkSettings\":{\"Networks\":{}}}\n"

/* a volume or a network */
#define NAMED                                                                  \
    "{\"Name\":\"%.*s\",\"Id\":\"" ID "\",\"Driver\":\"local\",\"Labels\":"    \
    "{\"berth.namespace\":\"%.*s\"}}\n"

/* So many of each are in lists. */
static struct {
    unsigned long own, others, images;
} has;

static const char created[] = "{\"Id\":\"" ID "\",\"Warnings\":[]}\n";

/* What N is in source-N and sink-N. */
static unsigned long size_in(const char *name)
{
    return strtoul(strchr(name, '-') + 1, NULL, 10);
}

static bool hold(struct wire *wire)
{
    wire_rest(wire);
    return false;
}

static bool say_json(struct wire *wire, const char *text)
{
    return wire_say(wire, JSON "Content-Length: %zu\r\n\r\n%s", strlen(text),
                    text);
}

static bool inspect(struct wire *wire, const char *path)
{
    char namespace[64] = "bench", text[sizeof(CONTAINER) + 128], end;
    const char *name = strstr(path, "/containers/");

    if (!name ||
        sscanf(name, "/containers/%63[a-z0-9]%c", namespace, &end) != 2 ||
        end != '.')
        strcpy(namespace, "bench");
    snprintf(text, sizeof(text), CONTAINER, namespace, namespace);
    return say_json(wire, text);
}

/* PATH is KIND, then a name. */
static bool inspect_named(struct wire *wire, const char *path, const char *kind)
{
    const char *name = strstr(path, kind) + strlen(kind);
    char text[2 * WIRE_LINE + sizeof(NAMED)];

    if (strstr(name, "new-"))
        return wire_say(wire, "HTTP/1.1 404 Not Found\r\n" HEADERS
                              "Content-Type: application/json\r\n"
                              "Content-Length: 28\r\n\r\n"
                              "{\"message\":\"no such volume\"}");
    snprintf(text, sizeof(text), NAMED, (int)strcspn(name, "?"), name,
             (int)strcspn(name, "."), name);
    return say_json(wire, text);
}

/* The namespace that a filter on labels in PATH asks for. */
static bool asked_namespace(const char *path, char name[64])
{
    static const char label[] = "berth.namespace%3D";
    const char *at = strstr(path, label);

    return at && sscanf(at + strlen(label), "%63[a-z0-9]", name) == 1;
}

static bool begin_list(struct wire *wire)
{
    return wire_say(wire, JSON "Connection: close\r\n\r\n[");
}

/* A list ends with its connection. */
static bool end_list(struct wire *wire)
{
    wire_say(wire, "]\n");
    return false;
}

static bool containers(struct wire *wire, const char *path)
{
    char namespace[64];
    bool filtered = asked_namespace(path, namespace);
    unsigned long count = filtered ? has.own : has.others;

    if (!begin_list(wire))
        return false;
    for (unsigned long i = 0; i < count; i++) {
        const char *ns = filtered ? namespace : "other";

        if (!wire_say(wire,
                      "%s{\"Id\":\"%064lx\",\"Names\":[\"/%s.c%lu\"],"
                      "\"Image\":\"busybox\",\"ImageID\":\"sha256:" ID
                      "\",\"Command\":\"sleep 99999\",\"Created\":1,"
                      "\"Ports\":[],\"Labels\":{\"berth.namespace\":\"%s\","
                      "\"com.docker.compose.project\":\"app\","
                      "\"com.docker.compose.service\":\"c%lu\"},"
                      "\"State\":\"running\",\"Status\":\"Up 2 hours\","
                      "\"HostConfig\":{\"NetworkMode\":\"none\"},"
                      "\"NetworkSettings\":{\"Networks\":{}},\"Mounts\":[]}",
                      i ? "," : "", i + 1, ns, i, ns, i))
            return false;
    }
    return end_list(wire);
}

static bool images(struct wire *wire)
{
    if (!begin_list(wire))
        return false;
    for (unsigned long i = 0; i < has.images; i++) {
        if (!wire_say(wire,
                      "%s{\"Id\":\"sha256:%064lx\",\"ParentId\":\"\","
                      "\"RepoTags\":[\"registry.example/app:%lu\"],"
                      "\"RepoDigests\":[],\"Created\":1,\"Size\":1,"
                      "\"SharedSize\":-1,\"Containers\":-1,\"Labels\":null}",
                      i ? "," : "", i + 1, i))
            return false;
    }
    return end_list(wire);
}

static bool events(struct wire *wire)
{
    if (!wire_say(wire, JSON "Connection: close\r\n\r\n"))
        return false;
    for (unsigned long i = 0; i < has.others; i++) {
        if (!wire_say(wire,
                      "{\"status\":\"start\",\"id\":\"%064lx\","
                      "\"from\":\"busybox\",\"Type\":\"container\","
                      "\"Action\":\"start\",\"Actor\":{\"ID\":\"%064lx\","
                      "\"Attributes\":{\"berth.namespace\":\"other\","
                      "\"image\":\"busybox\",\"name\":\"other.c%lu\"}},"
                      "\"scope\":\"local\",\"time\":1,\"timeNano\":1}\n",
                      i + 1, i + 1, i))
            return false;
    }
    return false;
}

static bool attach(struct wire *wire, const char *path)
{
    const char *source = strstr(path, "source-");
    const char *sink = strstr(path, "sink-");

    if (!wire_say(wire, SWITCHED))
        return false;
    if (source)
        wire_zeros(wire, size_in(source));
    else if (sink)
        wire_say(wire, "%d", wire_rest(wire) == size_in(sink));
    else
        hold(wire);
    return false; /* a tunnel never speaks HTTP again */
}

static bool archive(struct wire *wire, const char *path)
{
    const char *source = strstr(path, "source-");

    return source &&
           wire_say(wire, OK "Content-Type: application/x-tar\r\n" CHUNKED) &&
           wire_chunks(wire, size_in(source)) && wire_say(wire, LAST_CHUNK);
}

/* Answer a request whose body is read; false: the connection is over. */
static bool answer(struct wire *wire, const struct head *head)
{
    char path[WIRE_LINE];

    if (sscanf(head->line, "%*s %4095s", path) != 1)
        return false;
    if (strncmp(head->line, "HEAD", 4) == 0)
        return wire_say(wire, OK "Content-Length: 0\r\n\r\n");
    if (strstr(path, "/_ping"))
        return wire_say(wire, OK "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Length: 2\r\n\r\nOK");
    if (strstr(path, "/containers/create"))
        return wire_say(wire, CREATED "Content-Length: %zu\r\n\r\n%s",
                        sizeof(created) - 1, created);
    if (strstr(path, "/volumes/create"))
        return wire_say(wire, CREATED "Content-Length: 3\r\n\r\n{}\n");
    if (strstr(path, "/volumes/"))
        return inspect_named(wire, path, "/volumes/");
    if (strstr(path, "/networks/"))
        return inspect_named(wire, path, "/networks/");
    if (strstr(path, "/attach"))
        return attach(wire, path);
    if (strstr(path, "/wait"))
        return wire_say(wire, JSON CHUNKED) && hold(wire);
    if (strstr(path, "/start"))
        return wire_say(wire, "HTTP/1.1 204 No Content\r\n" HEADERS "\r\n");
    if (strncmp(head->line, "PUT", 3) == 0)
        return wire_say(wire, OK "Content-Length: 0\r\n\r\n");
    if (strstr(path, "/archive"))
        return archive(wire, path);
    if (strstr(path, "/logs"))
        return wire_say(wire, OK "Content-Type: application/vnd.docker."
                                 "multiplexed-stream\r\n" CHUNKED) &&
               hold(wire);
    if (strstr(path, "/containers/json"))
        return containers(wire, path);
    if (strstr(path, "/images/json"))
        return images(wire);
    if (strstr(path, "/events"))
        return events(wire);
    if (strstr(path, "/json"))
        return inspect(wire, path);
    return say_json(wire, version);
}

static void *serve(void *arg)
{
    struct wire *wire = arg;
    struct head head;

    do {
        if (!wire_head(wire, &head))
            break;
        wire_body(wire, &head);
    } while (answer(wire, &head));
    wire_free(wire);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t attr;
    pthread_t thread;
    int fd;

    if (argc != 2 && argc != 5)
        die("usage: stand_in SOCKET [OWN OTHERS IMAGES]");
    if (argc == 5) {
        has.own = number(argv[2], 0, LIST_MOST);
        has.others = number(argv[3], 0, LIST_MOST);
        has.images = number(argv[4], 0, LIST_MOST);
    }
    raise_descriptor_limit();
    fd = unix_listen(argv[1]);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, (size_t)128 * 1024);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int client = accept(fd, NULL, NULL);

        if (client < 0)
            die("accept");
        if (pthread_create(&thread, &attr, serve, wire_new(client)) != 0)
            die("thread");
    }
}
