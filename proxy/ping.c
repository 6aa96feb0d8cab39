#include "proxy/command.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/http_reader.h"

enum {
    PATIENCE = 5, /* seconds, for each step */
    REPLY_MAX = 64 * KIB,
};

static const char usage[] =
    "usage: berth ping [unix:PATH]\n"
    "\n"
    "Does a berth answer on this socket, and the engine behind it? Says why\n"
    "if not. PATH is /run/berth/docker.sock unless given. Exit code 0 when "
    "the\n"
    "engine answers, else 1: a health check that needs no shell.\n";

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void free_reader(struct http_reader **reader)
{
    http_reader_free(*reader);
}

static int connect_to(const char *path, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE};
    AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)))
        return -errno;
    *out = fd;
    fd = -1; /* handed over */
    return 0;
}

/* Reads BYTES, and says with HTTP_MORE that the reply goes on. */
static enum http_event take(struct http_reader *reader, struct str bytes,
                            int *status, struct strbuf *body)
{
    for (;;) {
        struct str data = {0};
        size_t used = 0;
        enum http_event event = http_reader_next(reader, bytes, &used, &data);

        bytes = str_from_index(bytes, used);
        if (event == HTTP_HEAD)
            *status = http_reader_head(reader)->status;
        else if (event == HTTP_DATA)
            strbuf_add(body, data);
        else
            return event;
    }
}

static int ask(int fd, int *status, struct strbuf *body)
{
    static const char request[] =
        "GET /_ping HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n";
    AUTO(free_reader)
    struct http_reader *reader = http_reader_new(HTTP_RESPONSES);
    enum http_event event;
    char bytes[4 * KIB];
    ssize_t n;

    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
        return -errno;
    http_reader_expect(reader, METHOD_GET);
    do {
        n = recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0)
            return n < 0 ? -errno : -ECONNRESET;
        event = take(reader, str_of(bytes, (size_t)n), status, body);
    } while (event == HTTP_MORE);
    return event == HTTP_END ? 0 : -EPROTO;
}

/* What berth's answer says, or all of it when it is no answer of berth's. */
static void complain(const char *path, int status, struct strbuf *body)
{
    json_auto_t *reply = json_loads(strbuf_cstr(body), 0, NULL);
    const char *message = json_string_value(json_object_get(reply, "message"));

    fprintf(stderr, "berth: %s answers %d: %s\n", path, status,
            message ? message : strbuf_cstr(body));
}

static int ping(const char *path)
{
    AUTO(strbuf_fini) struct strbuf body = STRBUF(REPLY_MAX);
    AUTO(close_fd) int fd = -1;
    int status = 0;
    int r = connect_to(path, &fd);

    if (r < 0) {
        fprintf(stderr, "berth: nobody serves %s: %s\n", path, strerror(-r));
        return EXIT_DENIED;
    }
    r = ask(fd, &status, &body);
    if (r == -EAGAIN)
        fprintf(stderr,
                "berth: no answer on %s within %d seconds; berth's log says "
                "what it waits for\n",
                path, PATIENCE);
    else if (r < 0)
        fprintf(stderr, "berth: no answer on %s: %s\n", path, strerror(-r));
    else if (status != 200)
        complain(path, status, &body);
    return r < 0 || status != 200 ? EXIT_DENIED : EXIT_OK;
}

int command_ping(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {NULL,   0,           NULL, 0  },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        fputs(usage, option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_OK : EXIT_TROUBLE;
    }
    if (optind + 1 < argc) {
        fputs(usage, stderr);
        return EXIT_TROUBLE;
    }
    return ping(optind < argc ? socket_path(argv[optind])
                              : "/run/berth/docker.sock");
}
