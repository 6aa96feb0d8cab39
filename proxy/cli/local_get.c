#include "proxy/cli/local_get.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "proxy/http/http_reader.h"
#include "proxy/net/local_address.h"

enum {
    PATIENCE = 5, /* seconds, for each step */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void free_reader(struct http_reader **reader)
{
    http_reader_free(*reader);
}

static int connect_to(const char *place, int *out)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    struct local_address address;
    int r = local_address_of(place, &address);
    AUTO(close_fd) int fd = -1;

    if (r < 0)
        return r;
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
        connect(fd, &address.any, address.size))
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
        else if (event != HTTP_DATA)
            return event;
        else if (strbuf_add(body, data))
            return HTTP_ERROR;
    }
}

static int ask(int fd, struct str target, int *status, struct strbuf *body)
{
    AUTO(strbuf_fini) struct strbuf request = STRBUF(4 * KIB);
    AUTO(free_reader)
    struct http_reader *reader = http_reader_new(HTTP_RESPONSES);
    enum http_event event;
    char bytes[4 * KIB];
    ssize_t n;

    http_put_request_line(&request, METHOD_GET, target);
    http_put_header(&request, S("Host"), S("berth"));
    http_put_header(&request, S("Connection"), S("close"));
    http_put_end_of_head(&request);
    if (send(fd, request.ptr, request.len, MSG_NOSIGNAL) < 0)
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

int local_get(const char *place, struct str target, int *status,
              struct strbuf *body)
{
    AUTO(close_fd) int fd = -1;
    int r = connect_to(place, &fd);

    return r < 0 ? r : ask(fd, target, status, body);
}
