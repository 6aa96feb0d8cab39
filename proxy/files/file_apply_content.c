#include "proxy/files/file_apply_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

void file_apply_begin(struct file_apply *apply, const struct file_entry *entry,
                      const struct file_entry *before, unsigned flags)
{
    int folder;

    assert(apply->fd < 0 && !apply->entry);
    apply->entry = file_entry_new(entry);
    apply->before = before ? *before : (struct file_entry){.refs = 0};
    apply->flags = flags;
    apply->written = 0;
    apply->status = FILE_DONE;
    folder = apply_temporary(apply, entry->path);
    if (folder >= 0)
        apply->fd =
            openat(folder, apply->temporary,
                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (apply->fd < 0)
        apply->status = file_status_of(folder < 0 ? folder : errno);
    else /* file systems without locks have one end to each directory */
        (void)flock(apply->fd, LOCK_EX | LOCK_NB);
}

/* Count LEN bytes more; false when they are not to be written. */
static bool may_write(struct file_apply *apply, uint64_t len)
{
    if (apply->status != FILE_DONE)
        return false;
    if (len > apply->entry->stamp.size - apply->written) {
        apply->status = FILE_TROUBLE; /* longer than was said */
        return false;
    }
    apply->written += len;
    return true;
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes = str_from_index(bytes, (size_t)n);
    }
    return 0;
}

void file_apply_data(struct file_apply *apply, struct str bytes)
{
    if (may_write(apply, bytes.len))
        apply->status = file_status_of(write_all(apply->fd, bytes));
}

void file_apply_hole(struct file_apply *apply, uint64_t len)
{
    if (may_write(apply, len) && lseek(apply->fd, (off_t)len, SEEK_CUR) < 0)
        apply->status = file_status_of(errno);
}

static int set_times(int fd, const struct file_entry *entry)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                file_time(entry->stamp.mtime)};

    return futimens(fd, times) < 0 ? -errno : 0;
}

/* Write the content of FROM over that of TO. */
static int copy_over(int from, int to, uint64_t size)
{
    char bytes[LIMIT_FILES_PIECE];
    uint64_t at = 0;

    while (at < size) {
        ssize_t n = pread(from, bytes, sizeof(bytes), (off_t)at);
        int r;

        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        r = write_all(to, str_of(bytes, (size_t)n));
        if (r < 0)
            return r;
        at += (uint64_t)n;
    }
    return ftruncate(to, (off_t)size) < 0 ? -errno : 0;
}

/* All that a new file needs before it has its name. */
static int finish_new(const struct file_apply *apply,
                      const struct stat *replaced)
{
    const struct file_entry *entry = apply->entry;
    int r = apply_owner(apply, apply->fd, entry, replaced);

    /* after the owner, which takes setuid away */
    if (r == 0 && fchmod(apply->fd, entry->mode & apply->modes) < 0)
        r = -errno;
    return r < 0 ? r : set_times(apply->fd, entry);
}

static enum file_status commit_in_place(struct file_apply *apply, int *fd,
                                        struct stat *ready)
{
    const struct file_entry *entry = apply->entry;
    struct file_entry now = {.refs = 0};
    struct stat st;
    int r;

    *fd = file_open_beneath(apply->root, entry->path,
                            O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return file_status_of(*fd);
    if (fstat(*fd, &st) < 0)
        return FILE_TROUBLE;
    file_entry_fill(&now, &st, 0);
    if (!file_entry_is_still(&now, &apply->before) || now.kind != FILE_REGULAR)
        return FILE_CHANGED;
    r = copy_over(apply->fd, *fd, entry->stamp.size);
    if (r == 0 && fchmod(*fd, entry->mode & apply->modes) < 0)
        r = -errno;
    r = r < 0 ? r : set_times(*fd, entry);
    if (r == 0 && fstat(*fd, ready) < 0)
        r = -errno;
    return file_status_of(r);
}

static enum file_status commit_renamed(struct file_apply *apply, int folder,
                                       const char *name,
                                       const struct stat *replaced,
                                       struct stat *ready)
{
    int r = finish_new(apply, replaced);
    enum file_status status;

    if (r == 0 && fstat(apply->fd, ready) < 0)
        r = -errno;
    if (r < 0)
        return file_status_of(r);
    status = apply_rename(apply, folder, name, apply->flags);
    if (status == FILE_DONE)
        apply->temporary[0] = '\0'; /* it has its name */
    return status;
}

/*
 * What FD is now, which was READY when its content was complete: if it is not
 * that any more, somebody has written to it already.
 */
static enum file_status what_is(int fd, const struct stat *ready,
                                struct file_entry *now)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return FILE_TROUBLE;
    *now = (struct file_entry){.refs = 0};
    file_entry_fill(now, &st, file_clock());
    /* it has a time of its own: a later write shows, if that is old enough */
    now->unsure = now->stamp.mtime > now->stamp.ctime - FILE_TICK_NS;
    return st.st_size == ready->st_size && st.st_mode == ready->st_mode &&
                   st.st_mtim.tv_sec == ready->st_mtim.tv_sec &&
                   st.st_mtim.tv_nsec == ready->st_mtim.tv_nsec
               ? FILE_DONE
               : FILE_CHANGED;
}

/* Is everything here that the name needs? */
static enum file_status complete(struct file_apply *apply)
{
    if (apply->status != FILE_DONE)
        return apply->status;
    if (apply->written != apply->entry->stamp.size)
        return FILE_TROUBLE;
    return ftruncate(apply->fd, (off_t)apply->entry->stamp.size) < 0
               ? file_status_of(errno)
               : FILE_DONE;
}

static enum file_status commit(struct file_apply *apply, struct file_entry *now)
{
    struct apply_name name = apply_name_of(apply->entry->path);
    int folder = apply_folder(apply, apply->entry->path);
    AUTO(file_close) int old = -1;
    enum file_status status = complete(apply);
    struct stat there = {.st_ino = 0}, ready = {.st_ino = 0};

    if (status == FILE_DONE && folder < 0)
        status = file_status_of(folder);
    if (status == FILE_DONE)
        status = apply_check(folder, name.text, &apply->before, apply->flags,
                             &there);
    if (status != FILE_DONE)
        return status;
    if ((apply->flags & FILE_IN_PLACE) && (apply->flags & FILE_BEFORE)) {
        status = commit_in_place(apply, &old, &ready);
        return status == FILE_DONE ? what_is(old, &ready, now) : status;
    }
    status = commit_renamed(apply, folder, name.text,
                            apply->flags & FILE_BEFORE ? &there : NULL, &ready);
    return status == FILE_DONE ? what_is(apply->fd, &ready, now) : status;
}

enum file_status file_apply_commit(struct file_apply *apply,
                                   struct file_entry *now)
{
    enum file_status status = commit(apply, now);

    file_apply_abandon(apply);
    return status;
}

void file_apply_abandon(struct file_apply *apply)
{
    if (apply->fd >= 0 && apply->temporary[0]) {
        int folder = apply_folder(apply, apply->entry->path);

        if (folder >= 0)
            unlinkat(folder, apply->temporary, 0);
    }
    file_close(&apply->fd);
    file_entry_unref(apply->entry);
    apply->entry = NULL;
}
