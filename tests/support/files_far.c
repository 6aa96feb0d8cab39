/*
 * The far end alone, on standard input and output: with libc and nothing else,
 * as it runs beside an engine.
 *     files_far DIRECTORY
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/files/file_far.h"

int main(int argc, char **argv)
{
    static const int fds[] = {STDIN_FILENO, STDOUT_FILENO};
    static const struct file_limits limits;
    struct file_stream stream;
    int root = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
    int r;

    if (root < 0) {
        fprintf(stderr, "usage: files_far DIRECTORY\n");
        return 2;
    }
    file_stream_init_fds(&stream, fds);
    r = file_far_serve(root, &limits, &stream);
    file_stream_fini(&stream);
    close(root);
    if (r < 0)
        fprintf(stderr, "files_far: %s\n", strerror(-r));
    return r < 0;
}
