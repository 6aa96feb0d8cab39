/*
 * The far end of the link tests, in place of the engine: listens on a Unix
 * socket, and each connection says in its first line what it wants.
 *
 *   duplex SEED LEN   LEN bytes of the pattern down, while what comes up is
 *                     checked against it; after both ends: "ok UP" or "bad AT"
 *   echo              all comes back, until EOF
 *   sink              what comes up is counted, until EOF: "ok UP"
 *   zeros LEN         LEN bytes of no interest down
 *   hold              neither reads nor writes, until the peer goes
 *   close LEN         reads LEN bytes, then closes
 *   GET ...           a head of HTTP: the answer tells an engine's ID, which is
 *                     the next line of the file SOCKET.ids, the last one again
 *                     and again; or "one"
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pattern.h"

#define BUFFER 65536

static char ids[256]; /* the path of SOCKET.ids */

struct job {
    int fd;
    unsigned long seed;
    unsigned long len;
};

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static void *send_down(void *arg)
{
    const struct job *job = arg;
    char *buffer = malloc(BUFFER);
    unsigned long at = 0;

    while (at < job->len) {
        size_t n = job->len - at < BUFFER ? job->len - at : BUFFER;

        pattern_fill(job->seed, at, buffer, n);
        if (!write_all(job->fd, buffer, n))
            break;
        at += n;
    }
    free(buffer);
    return NULL;
}

static void duplex(struct job *job)
{
    char *buffer = malloc(BUFFER), verdict[64];
    unsigned long at = 0;
    long bad = -1;
    pthread_t down;
    ssize_t n;

    pthread_create(&down, NULL, send_down, job);
    while ((n = read(job->fd, buffer, BUFFER)) > 0) {
        if (bad < 0 && !pattern_is(job->seed, at, buffer, (size_t)n))
            bad = (long)at;
        at += (unsigned long)n;
    }
    pthread_join(down, NULL);
    free(buffer);
    if (bad >= 0)
        snprintf(verdict, sizeof(verdict), "bad %ld\n", bad);
    else
        snprintf(verdict, sizeof(verdict), "ok %lu\n", at);
    write_all(job->fd, verdict, strlen(verdict));
}

static void echo(int fd)
{
    char *buffer = malloc(BUFFER);
    ssize_t n;

    while ((n = read(fd, buffer, BUFFER)) > 0)
        if (!write_all(fd, buffer, (size_t)n))
            break;
    free(buffer);
}

static void sink(int fd)
{
    char *buffer = malloc(BUFFER), verdict[64];
    unsigned long at = 0;
    ssize_t n;

    while ((n = read(fd, buffer, BUFFER)) > 0)
        at += (unsigned long)n;
    free(buffer);
    snprintf(verdict, sizeof(verdict), "ok %lu\n", at);
    write_all(fd, verdict, strlen(verdict));
}

static void zeros(int fd, unsigned long len)
{
    char *buffer = calloc(1, BUFFER);

    for (size_t n; len; len -= n) {
        n = len < BUFFER ? len : BUFFER;
        if (!write_all(fd, buffer, n))
            break;
    }
    free(buffer);
}

static void hold(int fd)
{
    char byte;

    /* the peer's end shows without reading: peeking sees only what is first */
    while (recv(fd, &byte, 1, MSG_PEEK) > 0)
        usleep(100000);
}

static void swallow(int fd, unsigned long len)
{
    char byte;

    while (len-- && read(fd, &byte, 1) == 1)
        ;
}

/* Called under the lock: the ID that comes next. */
static void next_id(char *id, size_t size)
{
    static unsigned long asked;
    FILE *file = fopen(ids, "r");
    unsigned long at = 0;

    snprintf(id, size, "one");
    asked++;
    while (file && at++ < asked && fgets(id, (int)size, file))
        id[strcspn(id, "\n")] = '\0';
    if (file)
        fclose(file);
}

static void tell_id(int fd)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    char id[64], answer[256], last[4] = "", byte;

    while (memcmp(last, "\n\r\n", 3) != 0 && read(fd, &byte, 1) == 1) {
        memmove(last, last + 1, 2);
        last[2] = byte;
    }
    pthread_mutex_lock(&lock);
    next_id(id, sizeof(id));
    pthread_mutex_unlock(&lock);
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
             "Connection: close\r\n\r\n{\"ID\":\"%s\"}",
             strlen("{\"ID\":\"\"}") + strlen(id), id);
    write_all(fd, answer, strlen(answer));
}

static void *serve(void *arg)
{
    struct job *job = arg;
    char line[256];
    size_t len = 0;

    while (len < sizeof(line) - 1 && read(job->fd, line + len, 1) == 1 &&
           line[len] != '\n')
        len++;
    line[len] = '\0';
    if (sscanf(line, "duplex %lu %lu", &job->seed, &job->len) == 2)
        duplex(job);
    else if (strcmp(line, "echo") == 0)
        echo(job->fd);
    else if (strcmp(line, "sink") == 0)
        sink(job->fd);
    else if (sscanf(line, "zeros %lu", &job->len) == 1)
        zeros(job->fd, job->len);
    else if (strcmp(line, "hold") == 0)
        hold(job->fd);
    else if (sscanf(line, "close %lu", &job->len) == 1)
        swallow(job->fd, job->len);
    else if (strncmp(line, "GET ", 4) == 0)
        tell_id(job->fd);
    close(job->fd);
    free(job);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_attr_t attr;
    int fd;

    if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
        return 2;
    signal(SIGPIPE, SIG_IGN);
    snprintf(ids, sizeof(ids), "%s.ids", argv[1]);
    memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 4096) < 0) {
        perror(argv[1]);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    for (;;) {
        struct job *job = calloc(1, sizeof(*job));
        pthread_t thread;

        if (!job)
            return 1;
        job->fd = accept(fd, NULL, NULL);
        if (job->fd < 0 || pthread_create(&thread, &attr, serve, job) != 0) {
            perror("accept");
            close(job->fd);
            free(job);
        }
    }
}
