#include "proxy/files/file_mounts.h"

#include <errno.h>
#include <stdlib.h>

void file_mounts_fini(struct file_mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++)
        free(mounts->paths[i]);
    mounts->count = 0;
}

bool file_mounts_have(const struct file_mounts *mounts, struct str path)
{
    for (size_t i = 0; i < mounts->count; i++) {
        if (str_eq(str_from(mounts->paths[i]), path))
            return true;
    }
    return false;
}

int file_mounts_add(struct file_mounts *mounts, struct str path)
{
    if (path.len && !file_path_is_good(path))
        return -EINVAL;
    if (file_mounts_have(mounts, path))
        return 0;
    if (mounts->count == LIMIT_FILES_MOUNTS)
        return -ENOBUFS;
    mounts->paths[mounts->count++] = xstr_dup(path);
    return 0;
}

void file_mounts_remove(struct file_mounts *mounts, struct str path)
{
    for (size_t i = 0; i < mounts->count; i++) {
        if (!str_eq(str_from(mounts->paths[i]), path))
            continue;
        free(mounts->paths[i]);
        mounts->paths[i] = mounts->paths[--mounts->count];
        return;
    }
}

enum file_scope file_mounts_scope(const struct file_mounts *mounts,
                                  struct str path)
{
    enum file_scope scope = mounts->count ? FILE_OUTSIDE : FILE_INSIDE;

    for (size_t i = 0; i < mounts->count; i++) {
        struct str mount = str_from(mounts->paths[i]);

        if (str_eq(path, mount) || file_path_is_below(path, mount))
            return FILE_INSIDE;
        if (file_path_is_below(mount, path))
            scope = FILE_ABOVE;
    }
    return scope;
}

bool file_mounts_pin(const struct file_mounts *mounts, struct str path)
{
    for (size_t i = 0; i < mounts->count; i++) {
        struct str mount = str_from(mounts->paths[i]);

        if (str_eq(path, mount) || file_path_is_below(mount, path))
            return true;
    }
    return false;
}
