#include "proxy/sandbox/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Those that older headers lack. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif

#define READ  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE LANDLOCK_ACCESS_FS_WRITE_FILE
#define MAKE  LANDLOCK_ACCESS_FS_MAKE_REG

static const uint64_t accesses[] = {
    [SANDBOX_READ] = READ,
    [SANDBOX_APPEND] = WRITE | MAKE,
    [SANDBOX_SOCKETS] = LANDLOCK_ACCESS_FS_READ_FILE | WRITE | MAKE |
                        LANDLOCK_ACCESS_FS_MAKE_SOCK |
                        LANDLOCK_ACCESS_FS_REMOVE_FILE,
    [SANDBOX_FILES] = READ | WRITE | MAKE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                      LANDLOCK_ACCESS_FS_REMOVE_DIR |
                      LANDLOCK_ACCESS_FS_MAKE_DIR |
                      LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER |
                      LANDLOCK_ACCESS_FS_TRUNCATE,
};

/* What may be granted on a file that is no directory. */
#define OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | WRITE)

/* All that version ABI can forbid: what is not granted, is. */
static uint64_t handled_by(long abi)
{
    uint64_t handled = LANDLOCK_ACCESS_FS_REFER - 1; /* the first version's */

    if (abi >= 2)
        handled |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        handled |= LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi >= 5)
        handled |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    return handled;
}

static int grant(int ruleset, const struct sandbox_path *path, uint64_t handled)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = accesses[path->access] & handled,
        .parent_fd = open(path->path, O_PATH | O_CLOEXEC),
    };
    struct stat st;
    int r = 0;

    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0
                                                                      : -errno;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_FILES;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                &rule, 0) < 0)
        r = -errno;
    close(rule.parent_fd);
    return r;
}

int sandbox_landlock(const struct sandbox_paths *paths)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
                       LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attr = {.handled_access_fs = handled_by(abi)};
    int ruleset, r = 0;

    if (abi < 0)
        return -errno;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset < 0)
        return -errno;
    for (size_t i = 0; r == 0 && i < paths->count; i++)
        r = grant(ruleset, &paths->items[i], attr.handled_access_fs);
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        r = -errno;
    close(ruleset);
    return r < 0 ? r : (int)abi;
}
