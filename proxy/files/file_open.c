#include "proxy/files/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int file_open_beneath(int root, struct str path, int flags)
{
    char text[LIMIT_FILES_PATH + 1] = ".";
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    if (path.len > LIMIT_FILES_PATH)
        return -ENAMETOOLONG;
    if (path.len) {
        memcpy(text, path.ptr, path.len);
        text[path.len] = '\0';
    }
    fd = syscall(SYS_openat2, root, text, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

int file_open_root(const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

enum file_status file_status_of(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return FILE_DONE;
    case EACCES:
    case EPERM:
    case EROFS:
        return FILE_DENIED;
    case ENOENT:
    case EEXIST:
    case ENOTEMPTY:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
    case ESTALE:
    case EAGAIN:
    case ENXIO:
        return FILE_CHANGED;
    default:
        return FILE_TROUBLE;
    }
}

void file_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
