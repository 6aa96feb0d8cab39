#include "http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire *wire_new(int fd)
{
    struct wire *wire = malloc(sizeof(*wire));

    if (!wire)
        die("memory");
    wire->fd = fd;
    wire->at = wire->len = 0;
    return wire;
}

struct wire *wire_free(struct wire *wire)
{
    if (wire)
        close(wire->fd);
    free(wire);
    return NULL;
}

/* At least one byte in the buffer; false at EOF. */
static bool fill(struct wire *wire)
{
    ssize_t n;

    if (wire->at < wire->len)
        return true;
    do
        n = recv(wire->fd, wire->buffer, sizeof(wire->buffer), 0);
    while (n < 0 && errno == EINTR);
    wire->at = 0;
    wire->len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static size_t take(struct wire *wire, unsigned long most)
{
    size_t n = wire->len - wire->at;

    if (n > most)
        n = most;
    wire->at += n;
    return n;
}

static bool read_line(struct wire *wire, char *line)
{
    size_t len = 0;

    while (fill(wire)) {
        char c = wire->buffer[wire->at++];

        if (c == '\n') {
            line[len] = '\0';
            return true;
        }
        if (c != '\r' && len < WIRE_LINE - 1)
            line[len++] = c;
    }
    return false;
}

bool wire_head(struct wire *wire, struct head *head)
{
    char line[WIRE_LINE];

    *head = (struct head){0};
    if (!read_line(wire, head->line))
        return false;
    while (read_line(wire, line)) {
        if (!*line)
            return true;
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            head->length = strtoul(line + 15, NULL, 10);
        else if (strncasecmp(line, "Transfer-Encoding:", 18) == 0)
            head->chunked = true;
        else if (strncasecmp(line, "Upgrade:", 8) == 0)
            head->upgrade = true;
    }
    return false;
}

static void skip(struct wire *wire, unsigned long len)
{
    while (len) {
        if (!fill(wire))
            die("a body ends %lu bytes early", len);
        len -= take(wire, len);
    }
}

unsigned long wire_body(struct wire *wire, const struct head *head)
{
    unsigned long total = 0, len;
    char line[WIRE_LINE];

    if (!head->chunked) {
        skip(wire, head->length);
        return head->length;
    }
    do {
        if (!read_line(wire, line))
            die("a body ends between two chunks");
        len = strtoul(line, NULL, 16);
        skip(wire, len);
        total += len;
        if (!read_line(wire, line) || *line)
            die("a chunk does not end where it should");
    } while (len);
    return total;
}

unsigned long wire_rest(struct wire *wire)
{
    unsigned long total = 0;

    while (fill(wire))
        total += take(wire, sizeof(wire->buffer));
    return total;
}

bool wire_say(struct wire *wire, const char *format, ...)
{
    char text[WIRE_LINE];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return write_all(wire->fd, text, (size_t)n);
}

bool wire_zeros(struct wire *wire, unsigned long len)
{
    static const char zeros[CHUNK];

    while (len) {
        size_t n = len < CHUNK ? len : CHUNK;

        if (!write_all(wire->fd, zeros, n))
            return false;
        len -= n;
    }
    return true;
}

bool wire_chunks(struct wire *wire, unsigned long len)
{
    static const char zeros[CHUNK];
    char size[16];

    while (len) {
        size_t n = len < CHUNK ? len : CHUNK;
        int digits = snprintf(size, sizeof(size), "%zx\r\n", n);
        struct iovec parts[] = {
            {size,                       (size_t)digits},
            {(void *)(uintptr_t)zeros,   n             },
            {(void *)(uintptr_t) "\r\n", 2             },
        };
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};

        /* a blocking socket takes it all, or the peer is gone */
        if (sendmsg(wire->fd, &message, MSG_NOSIGNAL) !=
            (ssize_t)n + digits + 2)
            return false;
        len -= n;
    }
    return true;
}
