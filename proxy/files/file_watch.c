#include "proxy/files/file_watch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define WATCHED                                                                \
    (IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |          \
     IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
#define WHOLE_NS (60 * 1000000000LL) /* between two scans of everything */

enum {
    FEW = 1000, /* entries that are read in no time */
    READS = 64, /* of events at once; more are as good as lost */
    SHARE = 8,  /* of what the kernel lets this user watch */
};

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* File systems that change by this kernel's hand alone. */
static const unsigned long local[] = {
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC,
    TMPFS_MAGIC,      OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
};

static void rows_fini(struct watch_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->items[i].path);
    free(rows->items);
    *rows = (struct watch_rows){0};
}

static void rows_add(struct watch_rows *rows, struct watch_row row)
{
    if (rows->count == rows->room) {
        rows->room = rows->room ? 2 * rows->room : 64;
        rows->items = realloc(rows->items, rows->room * sizeof(*rows->items));
        assert(rows->items);
    }
    rows->items[rows->count++] = row;
}

void file_watch_init(struct file_watch *watch)
{
    *watch = (struct file_watch){.fd = -1};
}

void file_watch_forget(struct file_watch *watch)
{
    rows_fini(&watch->old);
    rows_fini(&watch->new);
    if (watch->fd >= 0)
        close(watch->fd); /* and its watches go with it */
    watch->fd = -1;
}

void file_watch_fini(struct file_watch *watch)
{
    file_watch_forget(watch);
}

/* The share of what the kernel lets this user watch. */
static size_t most_watches(void)
{
    int fd =
        open("/proc/sys/fs/inotify/max_user_watches", O_RDONLY | O_CLOEXEC);
    char text[32] = "";
    unsigned long all = 8192; /* where it is not shown: the least there is */

    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) > 0)
            all = strtoul(text, NULL, 10);
        close(fd);
    }
    all /= SHARE;
    return all < LIMIT_FILES_WATCHES ? all : LIMIT_FILES_WATCHES;
}

/* A row's number, and what it is found by. */
struct watch_key {
    int wd;
    size_t at;
};

static int by_wd(const void *a, const void *b)
{
    const struct watch_key *x = a, *y = b;

    return (x->wd > y->wd) - (x->wd < y->wd);
}

/* Those of all ROWS in order; the caller's. */
static struct watch_key *keys_of(const struct watch_rows *rows)
{
    struct watch_key *keys = xcalloc(rows->count + 1, sizeof(*keys));

    for (size_t i = 0; i < rows->count; i++)
        keys[i] = (struct watch_key){rows->items[i].wd, i};
    qsort(keys, rows->count, sizeof(*keys), by_wd);
    return keys;
}

/* The row of WD in ROWS, whose keys KEYS are; or NULL. */
static struct watch_row *find_wd(const struct watch_rows *rows,
                                 const struct watch_key *keys, int wd)
{
    const struct watch_key wanted = {.wd = wd};
    const struct watch_key *found =
        bsearch(&wanted, keys, rows->count, sizeof(*keys), by_wd);

    return found ? &rows->items[found->at] : NULL;
}

/* False: some were lost. */
static bool note_events(const struct watch_rows *rows,
                        const struct watch_key *keys, const char *bytes,
                        size_t len)
{
    struct inotify_event event;

    for (size_t at = 0; at + sizeof(event) <= len;
         at += sizeof(event) + event.len) {
        struct watch_row *row;

        memcpy(&event, bytes + at, sizeof(event));
        if (event.mask & IN_Q_OVERFLOW)
            return false;
        row = find_wd(rows, keys, event.wd);
        if (row)
            row->told = true;
    }
    return true;
}

/* All that was told since the last scan. False: it is not known to be all. */
static bool read_events(struct file_watch *watch)
{
    struct watch_key *keys = keys_of(&watch->old);
    char bytes[16 * KIB];
    bool all = false, good = true;

    for (unsigned i = 0; i < READS && good && !all; i++) {
        ssize_t n = read(watch->fd, bytes, sizeof(bytes));

        if (n > 0)
            good = note_events(&watch->old, keys, bytes, (size_t)n);
        else
            all = n < 0 && errno == EAGAIN;
    }
    free(keys);
    return good && all;
}

void file_watch_begin(struct file_watch *watch, size_t entries, int64_t now)
{
    watch->at = watch->clean = 0;
    watch->doubtful = true;
    rows_fini(&watch->new);
    if (watch->off || entries < FEW) {
        file_watch_forget(watch);
        return;
    }
    if (watch->fd < 0) {
        watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        watch->off = watch->fd < 0;
        watch->most = most_watches();
    } else {
        watch->doubtful = !read_events(watch) || now < watch->whole ||
                          now - watch->whole > WHOLE_NS;
    }
    if (watch->doubtful)
        watch->whole = now;
}

static bool is_local(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++) {
        if ((unsigned long)fs.f_type == local[i])
            return true;
    }
    return false;
}

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What was known of PATH, or NULL. */
static const struct watch_row *was_before(struct file_watch *watch,
                                          struct str path)
{
    const struct watch_rows *old = &watch->old;

    while (watch->at < old->count) {
        const struct watch_row *row = &old->items[watch->at];
        int order = file_path_order(str_from(row->path), path);

        if (order > 0)
            break;
        watch->at++;
        if (order == 0)
            return row;
    }
    return NULL;
}

static int add_watch(struct file_watch *watch, int fd)
{
    char path[64];

    if (watch->new.count >= watch->most || !is_local(fd))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return inotify_add_watch(watch->fd, path, WATCHED);
}

static bool is_clean(const struct file_watch *watch,
                     const struct watch_row *before,
                     const struct watch_row *now)
{
    return before && !watch->doubtful && !before->told && !before->again &&
           before->dev == now->dev && before->ino == now->ino &&
           before->mtime == now->mtime && before->ctime == now->ctime;
}

bool file_watch_enter(struct file_watch *watch, int fd, struct str path,
                      size_t *index)
{
    const struct watch_row *before;
    struct watch_row row = {.wd = -1};
    struct stat st;
    bool clean;

    *index = 0;
    if (watch->fd < 0 || fstat(fd, &st) < 0)
        return false;
    row.dev = st.st_dev;
    row.ino = st.st_ino;
    row.mtime = nanoseconds(st.st_mtim);
    row.ctime = nanoseconds(st.st_ctim);
    before = was_before(watch, path);
    clean = is_clean(watch, before, &row);
    row.wd = clean ? before->wd : add_watch(watch, fd);
    if (row.wd < 0)
        return false;
    row.path = xstr_dup(path);
    rows_add(&watch->new, row);
    *index = watch->new.count;
    watch->clean += clean;
    return clean;
}

void file_watch_again(struct file_watch *watch, size_t index)
{
    if (index)
        watch->new.items[index - 1].again = true;
}

/* What is told of a directory that is there twice is told of one. */
static void mark_doubles(struct watch_rows *rows, const struct watch_key *keys)
{
    for (size_t i = 1; i < rows->count; i++) {
        if (keys[i].wd != keys[i - 1].wd)
            continue;
        rows->items[keys[i].at].again = true;
        rows->items[keys[i - 1].at].again = true;
    }
}

void file_watch_end(struct file_watch *watch, bool failed)
{
    struct watch_key *keys;

    if (failed || watch->fd < 0) {
        file_watch_forget(watch);
        return;
    }
    keys = keys_of(&watch->new);
    mark_doubles(&watch->new, keys);
    for (size_t i = 0; i < watch->old.count; i++) {
        if (!find_wd(&watch->new, keys, watch->old.items[i].wd))
            inotify_rm_watch(watch->fd, watch->old.items[i].wd);
    }
    free(keys);
    rows_fini(&watch->old);
    watch->old = watch->new; /* handed over */
    watch->new = (struct watch_rows){0};
}
