#include "proxy/base/state_dir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *state_dir(void)
{
    static char path[PATH_MAX];
    const char *all = getenv("STATE_DIRECTORY");
    size_t len = all ? strcspn(all, ":") : 0;

    if (!len || *all != '/' || len >= sizeof(path) - sizeof("/copies"))
        return NULL;
    snprintf(path, sizeof(path), "%.*s/copies", (int)len, all);
    return path;
}

void state_dir_make(void)
{
    const char *path = state_dir();

    if (path)
        (void)!mkdirat(AT_FDCWD, path, 0700);
}
