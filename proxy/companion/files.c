#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/companion/companion.h"
#include "proxy/files/file_far.h"

int companion_files(const struct companion_folder *folder)
{
    const struct file_limits limits = {.entries = folder->entries,
                                       .bytes = folder->bytes};
    static const int fds[] = {STDIN_FILENO, STDOUT_FILENO};
    struct file_stream stream;
    int root = open(folder->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    signal(SIGPIPE, SIG_IGN);
    umask(0);
    if (root < 0 || fchown(root, folder->uid, folder->gid) < 0 ||
        fchmod(root, folder->mode & 07777) < 0)
        return companion_say(COMPANION_FAILED, "the volume cannot be used");
    file_stream_init_fds(&stream, fds);
    r = file_far_serve(root, &limits, &stream);
    file_stream_fini(&stream);
    close(root);
    return r < 0 ? companion_say(COMPANION_FAILED, strerror(-r)) : 0;
}
