#include "proxy/ssh/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int refuse_errno(struct strbuf *why, const char *path)
{
    strbuf_addf(why, "%s: %s", path, strerror(errno));
    return KEY_FILE_E_REFUSED;
}

int key_file_read(const char *path, size_t max, enum key_file_kind kind,
                  struct key_file *out, struct strbuf *why)
{
    /* not blocking, lest a FIFO in place of the file hold us up */
    AUTO(close_fd)
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    AUTO(key_file_fini) struct key_file file = {0};
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return refuse_errno(why, path);
    if (!S_ISREG(st.st_mode)) {
        strbuf_addf(why, "%s: not a regular file", path);
        return KEY_FILE_E_REFUSED;
    }
    if (kind == KEY_FILE_PRIVATE && st.st_uid == getuid() &&
        (st.st_mode & 077) != 0) {
        strbuf_addf(why,
                    "%s: others may read this file (mode %04o); chmod 600 it",
                    path, (unsigned)st.st_mode & 07777);
        return KEY_FILE_E_REFUSED;
    }
    file.data = xcalloc(1, max + 1);
    for (file.len = 0; file.len <= max; file.len += (size_t)n) {
        n = read(fd, file.data + file.len, max + 1 - file.len);
        if (n < 0)
            return refuse_errno(why, path);
        if (n == 0)
            break;
    }
    if (file.len > max) {
        strbuf_addf(why, "%s: longer than %zu bytes", path, max);
        return KEY_FILE_E_REFUSED;
    }
    file.data[file.len] = '\0';
    *out = file;
    file = (struct key_file){0}; /* handed over */
    return 0;
}

void key_file_fini(struct key_file *file)
{
    if (file->data)
        explicit_bzero(file->data, file->len);
    free(file->data);
    *file = (struct key_file){0};
}
