/*
 * The far end alone, on standard input and output: with libc and nothing else,
 * as it runs beside an engine.
 *     files_far DIRECTORY
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/files/file_far.h"

static ssize_t take(void *arg, char *bytes, size_t len)
{
    ssize_t n;

    (void)arg;
    do {
        n = read(STDIN_FILENO, bytes, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t give(void *arg, const char *bytes, size_t len)
{
    ssize_t n;

    (void)arg;
    do {
        n = write(STDOUT_FILENO, bytes, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int main(int argc, char **argv)
{
    static const struct file_limits limits;
    struct file_stream stream;
    int root = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
    int r;

    if (root < 0) {
        fprintf(stderr, "usage: files_far DIRECTORY\n");
        return 2;
    }
    file_stream_init(&stream, take, give, NULL);
    r = file_far_serve(root, &limits, &stream);
    file_stream_fini(&stream);
    close(root);
    if (r < 0)
        fprintf(stderr, "files_far: %s\n", strerror(-r));
    return r < 0;
}
