#include "proxy/files/file_apply_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

void file_apply_init(struct file_apply *apply, int root)
{
    *apply = (struct file_apply){
        .root = root,
        .modes = 07777,
        .folder = STRBUF(LIMIT_FILES_PATH),
        .folder_fd = -1,
        .fd = -1,
    };
}

void file_apply_forget(struct file_apply *apply)
{
    file_close(&apply->folder_fd);
    apply->folder_fd = -1;
}

void file_apply_fini(struct file_apply *apply)
{
    file_apply_abandon(apply);
    file_apply_forget(apply);
    strbuf_fini(&apply->folder);
}

struct apply_name apply_name_of(struct str path)
{
    struct str name = file_path_name(path);
    struct apply_name out = {.text = ""};

    memcpy(out.text, name.ptr, name.len);
    return out;
}

int apply_folder(struct file_apply *apply, struct str path)
{
    struct str folder = file_path_parent(path);

    if (apply->folder_fd >= 0 && str_eq(strbuf_str(&apply->folder), folder))
        return apply->folder_fd;
    file_close(&apply->folder_fd);
    strbuf_clear(&apply->folder);
    if (strbuf_add(&apply->folder, folder) < 0)
        return -ENAMETOOLONG;
    apply->folder_fd =
        file_open_beneath(apply->root, folder, O_RDONLY | O_DIRECTORY);
    if (apply->folder_fd == -EACCES) /* to be worked in, not to be listed */
        apply->folder_fd =
            file_open_beneath(apply->root, folder, O_PATH | O_DIRECTORY);
    return apply->folder_fd;
}

int apply_temporary(struct file_apply *apply, struct str path)
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return -EIO;
    snprintf(apply->temporary, sizeof(apply->temporary),
             FILE_TEMPORARY "%016llx", (unsigned long long)random);
    return apply_folder(apply, path);
}

enum file_status apply_check(int folder, const char *name,
                             const struct file_entry *before, unsigned flags,
                             struct stat *st)
{
    struct file_entry now = {.refs = 0};

    if (fstatat(folder, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT && !(flags & FILE_BEFORE))
            return FILE_DONE;
        return file_status_of(errno);
    }
    if (!(flags & FILE_BEFORE))
        return FILE_CHANGED;
    file_entry_fill(&now, st, 0);
    return file_entry_is_still(&now, before) ? FILE_DONE : FILE_CHANGED;
}

enum file_status apply_rename(struct file_apply *apply, int folder,
                              const char *name, unsigned flags)
{
    const char *temporary = apply->temporary;
    int r;

    if (flags & FILE_BEFORE) {
        r = renameat(folder, temporary, folder, name);
    } else {
        r = renameat2(folder, temporary, folder, name, RENAME_NOREPLACE);
        if (r < 0 && errno == EINVAL) /* a file system that cannot */
            r = renameat(folder, temporary, folder, name);
    }
    return r < 0 ? file_status_of(errno) : FILE_DONE;
}

int apply_owner(const struct file_apply *apply, int fd,
                const struct file_entry *entry, const struct stat *replaced)
{
    uid_t uid = replaced ? replaced->st_uid : entry->uid;
    gid_t gid = replaced ? replaced->st_gid : entry->gid;
    struct stat st;

    if (apply->owner == FILE_OWNER_OURS)
        return 0;
    if (apply->owner == FILE_OWNER_FIXED) {
        uid = apply->uid;
        gid = apply->gid;
    }
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid == uid && st.st_gid == gid)
        return 0;
    return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

enum file_status file_apply_delete(struct file_apply *apply, struct str path,
                                   const struct file_entry *before)
{
    struct apply_name name = apply_name_of(path);
    bool is_folder = before->kind == FILE_DIRECTORY;
    int folder = apply_folder(apply, path);
    enum file_status status;
    struct stat st;

    if (folder == -ENOENT)
        return FILE_DONE;
    if (folder < 0)
        return file_status_of(folder);
    if (fstatat(folder, name.text, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? FILE_DONE : file_status_of(errno);
    status = apply_check(folder, name.text, before, FILE_BEFORE, &st);
    if (status != FILE_DONE)
        return status;
    if (unlinkat(folder, name.text, is_folder ? AT_REMOVEDIR : 0) < 0)
        return errno == EBUSY ? FILE_DENIED : file_status_of(errno);
    return FILE_DONE;
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

/*
 * Is FD the directory that we have just made? Whoever may rename here can have
 * put one of somebody else's in its place, of which we must not change a thing.
 */
static bool is_our_folder(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(close_folder) DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    struct stat st;

    if (!folder) {
        file_close(&copy);
        return false;
    }
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
        (st.st_mode & 0777) != 0700)
        return false;
    while ((entry = readdir(folder))) {
        if (!str_eq(str_from(entry->d_name), S(".")) &&
            !str_eq(str_from(entry->d_name), S("..")))
            return false;
    }
    return true;
}

static int make_folder(const struct file_apply *apply, int folder,
                       const struct file_entry *entry)
{
    AUTO(file_close) int fd = -1;
    int r;

    if (mkdirat(folder, apply->temporary, 0700) < 0)
        return -errno;
    fd = openat(folder, apply->temporary,
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (!is_our_folder(fd))
        return -ESTALE;
    r = apply_owner(apply, fd, entry, NULL);
    if (r == 0 && fchmod(fd, entry->mode & apply->modes) < 0)
        r = -errno;
    return r;
}

static int make_symlink(const struct file_apply *apply, int folder,
                        const struct file_entry *entry,
                        const struct stat *replaced)
{
    char target[LIMIT_FILES_PATH + 1];
    AUTO(file_close) int fd = -1;
    struct stat st;

    memcpy(target, entry->target.ptr, entry->target.len);
    target[entry->target.len] = '\0';
    if (symlinkat(target, folder, apply->temporary) < 0)
        return -errno;
    /* a link's owner may be changed, whoever's it is; not that of a file which
     * was put in its place */
    fd = openat(folder, apply->temporary, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return S_ISLNK(st.st_mode) ? apply_owner(apply, fd, entry, replaced)
                               : -ESTALE;
}

/* Another name for the file whose inode ENTRY's stamp has. */
static int make_hard_link(const struct file_apply *apply, int folder,
                          const struct file_entry *entry)
{
    struct apply_name name = apply_name_of(entry->target);
    AUTO(file_close)
    int other = file_open_beneath(apply->root, file_path_parent(entry->target),
                                  O_PATH | O_DIRECTORY);
    struct stat st;

    if (other < 0)
        return other;
    if (linkat(other, name.text, folder, apply->temporary, 0) < 0)
        return -errno;
    if (fstatat(folder, apply->temporary, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISREG(st.st_mode) && st.st_ino == entry->stamp.ino ? 0 : -ESTALE;
}

static int make(const struct file_apply *apply, int folder,
                const struct file_entry *entry, const struct stat *replaced)
{
    switch (entry->kind) {
    case FILE_DIRECTORY:
        return make_folder(apply, folder, entry);
    case FILE_SYMLINK:
        return make_symlink(apply, folder, entry, replaced);
    case FILE_HARD_LINK:
        return make_hard_link(apply, folder, entry);
    case FILE_REGULAR:
    case FILE_OTHER:
        break;
    }
    return -EINVAL;
}

static enum file_status what_is(int folder, const char *name,
                                const struct file_entry *entry,
                                struct file_entry *now)
{
    struct stat st;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return file_status_of(errno);
    *now = (struct file_entry){.path = entry->path, .target = entry->target};
    file_entry_fill(now, &st, file_clock());
    if (now->kind == FILE_REGULAR && entry->kind == FILE_HARD_LINK)
        now->kind = FILE_HARD_LINK;
    return now->kind == entry->kind ? FILE_DONE : FILE_CHANGED;
}

enum file_status file_apply_put(struct file_apply *apply,
                                const struct file_entry *entry,
                                const struct file_entry *before, unsigned flags,
                                struct file_entry *now)
{
    struct apply_name name = apply_name_of(entry->path);
    int folder = apply_temporary(apply, entry->path);
    enum file_status status;
    struct stat st;
    int r;

    if (folder < 0)
        return file_status_of(folder);
    status = apply_check(folder, name.text, before, flags, &st);
    if (status != FILE_DONE)
        return status;
    r = make(apply, folder, entry, flags & FILE_BEFORE ? &st : NULL);
    status = r < 0 ? file_status_of(r)
                   : apply_rename(apply, folder, name.text, flags);
    /* renaming onto another link of the same file does nothing */
    if (status != FILE_DONE || entry->kind == FILE_HARD_LINK) {
        if (unlinkat(folder, apply->temporary, 0) < 0 && errno == EISDIR)
            unlinkat(folder, apply->temporary, AT_REMOVEDIR);
    }
    return status == FILE_DONE ? what_is(folder, name.text, entry, now)
                               : status;
}

/* Open PATH, which must be what BEFORE says, so that FD can be changed. */
static int open_still(struct file_apply *apply, struct str path,
                      const struct file_entry *before, struct stat *st)
{
    int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
                (before->kind == FILE_DIRECTORY ? O_DIRECTORY : 0);
    int fd = file_open_beneath(apply->root, path, O_RDONLY | flags);
    struct file_entry now = {.refs = 0};

    if (fd == -EACCES && before->kind != FILE_DIRECTORY)
        fd = file_open_beneath(apply->root, path, O_WRONLY | flags);
    if (fd < 0)
        return fd;
    if (fstat(fd, st) < 0) {
        close(fd);
        return -EIO;
    }
    file_entry_fill(&now, st, 0);
    if (!file_entry_is_still(&now, before)) {
        close(fd);
        return -ESTALE;
    }
    return fd;
}

enum file_status file_apply_meta(struct file_apply *apply,
                                 const struct file_entry *entry,
                                 const struct file_entry *before,
                                 struct file_entry *now)
{
    struct stat st;
    AUTO(file_close) int fd = open_still(apply, entry->path, before, &st);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

    if (fd < 0)
        return file_status_of(fd);
    if (fchmod(fd, entry->mode & apply->modes) < 0)
        return file_status_of(errno);
    times[1] = file_time(entry->stamp.mtime);
    if (file_is_content(entry) && futimens(fd, times) < 0)
        return file_status_of(errno);
    if (fstat(fd, &st) < 0)
        return FILE_TROUBLE;
    *now = (struct file_entry){.path = entry->path, .target = entry->target};
    file_entry_fill(now, &st, file_clock());
    if (now->kind == FILE_REGULAR)
        now->kind = entry->kind;
    return FILE_DONE;
}
