/*
 * What libssh2 itself can do, with nothing above it: a loop that moves bytes
 * on channels of one session, out of and into thin air.
 * Usage: bare_loop HOST PORT USER KEY SOCKET up|down STREAMS BYTES
 *
 * SOCKET, over there, is a stand_in's. Prints JSON as flow does, with the CPU
 * seconds of the transfer. The host's key is not checked: no secret passes.
 */

#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tool.h"

#define STREAMS_MAX 64
#define BYTES_MAX   ((unsigned long)64 << 30)
#define WINDOW      (2 * MIB)
#define PACKET      32768
#define WRITE_SIZE  32700
#define READ_SIZE   ((size_t)256 * 1024)
#define OUTPUT_FULL MIB
#define OUTPUT_MAX  (4 * MIB)

/* what berth prefers */
#if LIBSSH2_VERSION_NUM >= 0x010b01
#define CIPHER "aes128-gcm@openssh.com"
#else
#define CIPHER "aes128-ctr"
#endif

struct flow {
    LIBSSH2_CHANNEL *channel;
    char head[512]; /* what is sent first */
    size_t head_at;
    unsigned long bytes; /* still to be sent, or come in */
    bool done;
};

/* libssh2 breaks when a packet is half sent, so it never is: SEND takes all. */
static struct {
    int fd;
    LIBSSH2_SESSION *session;
    char out[OUTPUT_MAX];
    size_t out_at, out_len;
} ssh;

static LIBSSH2_SEND_FUNC(on_send)
{
    (void)socket;
    (void)flags;
    (void)abstract;
    if (ssh.out_len + length > OUTPUT_MAX)
        die("too much output");
    memcpy(ssh.out + ssh.out_len, buffer, length);
    ssh.out_len += length;
    return (ssize_t)length;
}

static LIBSSH2_RECV_FUNC(on_recv)
{
    ssize_t n = recv(socket, buffer, length, 0);

    (void)flags;
    (void)abstract;
    return n < 0 ? -errno : n;
}

static void set_callbacks(void)
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(ssh.session, LIBSSH2_CALLBACK_SEND,
                                  (libssh2_cb_generic *)on_send);
    libssh2_session_callback_set2(ssh.session, LIBSSH2_CALLBACK_RECV,
                                  (libssh2_cb_generic *)on_recv);
#else
    union { /* the old interface wants a function as a void pointer */
        LIBSSH2_SEND_FUNC((*send));
        LIBSSH2_RECV_FUNC((*recv));
        void *pointer;
    } callback;

    callback.send = on_send;
    libssh2_session_callback_set(ssh.session, LIBSSH2_CALLBACK_SEND,
                                 callback.pointer);
    callback.recv = on_recv;
    libssh2_session_callback_set(ssh.session, LIBSSH2_CALLBACK_RECV,
                                 callback.pointer);
#endif
}

static void flush(void)
{
    while (ssh.out_at < ssh.out_len) {
        ssize_t n = send(ssh.fd, ssh.out + ssh.out_at, ssh.out_len - ssh.out_at,
                         MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            die("the connection broke");
        ssh.out_at += (size_t)n;
    }
    if (ssh.out_at == ssh.out_len) {
        ssh.out_at = ssh.out_len = 0;
    } else if (ssh.out_at > OUTPUT_MAX / 2) {
        ssh.out_len -= ssh.out_at;
        memmove(ssh.out, ssh.out + ssh.out_at, ssh.out_len);
        ssh.out_at = 0;
    }
}

static size_t pending(void)
{
    return ssh.out_len - ssh.out_at;
}

/* Wait until the socket has something for us, or takes something. */
static void rest(void)
{
    struct pollfd polled = {.fd = ssh.fd, .events = POLLIN};

    flush();
    if (pending())
        polled.events |= POLLOUT;
    if (poll(&polled, 1, -1) < 0 && errno != EINTR)
        die("poll");
    flush();
}

static void check(int r, const char *what)
{
    char *why;

    if (r == 0)
        return;
    errno = 0;
    libssh2_session_last_error(ssh.session, &why, NULL, 0);
    die("%s: %s", what, why);
}

static void reach(const char *name, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *host;
    int r = getaddrinfo(name, port, &hints, &host), on = 1;

    if (r != 0)
        die("%s: %s", name, gai_strerror(r));
    ssh.fd = socket(host->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(ssh.fd, host->ai_addr, host->ai_addrlen) < 0)
        die("%s port %s", name, port);
    freeaddrinfo(host);
    setsockopt(ssh.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (fcntl(ssh.fd, F_SETFL, O_NONBLOCK) < 0)
        die("fcntl");
}

static void prefer(int method, const char *names)
{
    check(libssh2_session_method_pref(ssh.session, method, names), names);
}

static void log_in(const char *user, const char *key)
{
    int r;

    libssh2_init(0);
    ssh.session = libssh2_session_init();
    libssh2_session_set_blocking(ssh.session, 0);
    set_callbacks();
    prefer(LIBSSH2_METHOD_CRYPT_CS, CIPHER);
    prefer(LIBSSH2_METHOD_CRYPT_SC, CIPHER);
    prefer(LIBSSH2_METHOD_MAC_CS, "hmac-sha2-256");
    prefer(LIBSSH2_METHOD_MAC_SC, "hmac-sha2-256");
    while ((r = libssh2_session_handshake(ssh.session, ssh.fd)) ==
           LIBSSH2_ERROR_EAGAIN)
        rest();
    check(r, "handshake");
    while ((r = libssh2_userauth_publickey_fromfile(
                ssh.session, user, NULL, key, "")) == LIBSSH2_ERROR_EAGAIN)
        rest();
    check(r, key);
}

static void open_flow(struct flow *flow, const char *path)
{
    unsigned char message[512];
    uint32_t len = (uint32_t)strlen(path);
    size_t size = len + 12;

    if (size > sizeof(message))
        die("%s is too long", path);
    memset(message, 0, sizeof(message));
    for (int i = 0; i < 4; i++)
        message[i] = (unsigned char)(len >> (24 - 8 * i));
    memcpy(message + 4, path, len);
    while (!(flow->channel = libssh2_channel_open_ex(
                 ssh.session, "direct-streamlocal@openssh.com",
                 sizeof("direct-streamlocal@openssh.com") - 1, WINDOW, PACKET,
                 (char *)message, (unsigned)size))) {
        int r = libssh2_session_last_errno(ssh.session);

        if (r != LIBSSH2_ERROR_EAGAIN)
            check(r, path);
        rest();
    }
}

/* Both return whether anything moved. */
static bool push(struct flow *flow)
{
    static const char zeros[WRITE_SIZE];
    size_t head = strlen(flow->head);
    bool moved = false;

    while (!flow->done && pending() < OUTPUT_FULL) {
        const char *from = zeros;
        size_t len = flow->bytes < WRITE_SIZE ? flow->bytes : WRITE_SIZE;
        ssize_t n;

        if (flow->head_at < head) {
            from = flow->head + flow->head_at;
            len = head - flow->head_at;
        } else if (len == 0) {
            break;
        }
        n = libssh2_channel_write(flow->channel, from, len);
        if (n == LIBSSH2_ERROR_EAGAIN)
            break;
        if (n < 0)
            check((int)n, "write");
        moved = true;
        if (from == zeros)
            flow->bytes -= (size_t)n;
        else
            flow->head_at += (size_t)n;
    }
    return moved;
}

static bool pull(struct flow *flow, bool down)
{
    static char buffer[READ_SIZE];
    bool moved = false;
    ssize_t n;

    while (!flow->done &&
           (n = libssh2_channel_read(flow->channel, buffer, READ_SIZE)) !=
               LIBSSH2_ERROR_EAGAIN) {
        if (n < 0)
            check((int)n, "read");
        moved = true;
        if (!down || (size_t)n >= flow->bytes) {
            flow->done = true; /* the reply; or, close enough, all of it */
        } else if (n == 0) {
            errno = 0;
            die("a stream ended early");
        } else {
            flow->bytes -= (size_t)n;
        }
    }
    return moved;
}

static void transfer(struct flow *flows, size_t count, bool down)
{
    for (;;) {
        bool moved = false;
        size_t done = 0;

        for (size_t i = 0; i < count; i++) {
            if (!down || flows[i].head_at < strlen(flows[i].head))
                moved |= push(&flows[i]);
            moved |= pull(&flows[i], down);
            done += flows[i].done;
        }
        if (done == count)
            return;
        flush();
        if (!moved)
            rest();
    }
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    struct flow flows[STREAMS_MAX] = {0};
    unsigned long count, bytes;
    double cpu;
    bool down;
    uint64_t start;

    if (argc != 9 || (strcmp(argv[6], "up") && strcmp(argv[6], "down")))
        die("usage: bare_loop HOST PORT USER KEY SOCKET up|down STREAMS BYTES");
    down = strcmp(argv[6], "down") == 0;
    count = number(argv[7], 1, STREAMS_MAX);
    bytes = number(argv[8], count, BYTES_MAX) / count;
    reach(argv[1], argv[2]);
    log_in(argv[3], argv[4]);
    cpu = cpu_seconds();
    start = now_ns();
    for (size_t i = 0; i < count; i++) {
        open_flow(&flows[i], argv[5]);
        if (down)
            snprintf(flows[i].head, sizeof(flows[i].head),
                     "GET /containers/source-%lu/archive HTTP/1.1\r\n\r\n",
                     bytes);
        else
            snprintf(flows[i].head, sizeof(flows[i].head),
                     "PUT /containers/box/archive HTTP/1.1\r\n"
                     "Content-Length: %lu\r\n\r\n",
                     bytes);
        flows[i].bytes = bytes;
    }
    transfer(flows, count, down);
    printf("{\"bytes\": %lu, \"seconds\": %.6f, \"cpu\": %.6f}\n",
           bytes * count, (double)(now_ns() - start) / 1e9,
           cpu_seconds() - cpu);
    return 0;
}
