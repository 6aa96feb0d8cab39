#include "proxy/files/file_scan.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a file with several links was seen first. */
struct link_seen {
    dev_t dev;
    ino_t ino;
    size_t row; /* in the table, counted from 1; 0 is an empty slot */
};

struct scan {
    const struct file_mounts *mounts;
    const struct file_limits *limits;
    const struct file_table *old; /* what was there before */
    size_t at;                    /* its first row that is not passed yet */
    struct file_watch *watch;     /* or NULL */
    size_t watched;               /* the directory that is being read, there */
    bool is_old;                  /* the last entry is as it was */
    bool relinked;                /* a name of a file with several is new */
    struct file_table *table;
    int64_t now;
    struct strbuf path; /* of the directory that is being read */
    struct link_seen *links;
    size_t link_count;
    size_t link_room; /* a power of two */
};

/* The names of one directory, in order; each ends with a NUL. */
struct names {
    struct strbuf text;
    const char **list;
    size_t count;
};

static void names_fini(struct names *names)
{
    strbuf_fini(&names->text);
    free(names->list);
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Trouble of this process or machine, not of the name that was looked at. */
static bool is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

static int by_bytes(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

static void names_sort(struct names *names)
{
    const char *at = names->text.ptr;

    names->list = xcalloc(names->count + 1, sizeof(*names->list));
    for (size_t i = 0; i < names->count; i++) {
        names->list[i] = at;
        at += strlen(at) + 1;
    }
    qsort(names->list, names->count, sizeof(*names->list), by_bytes);
}

/* Another end, which keeps this directory in step, too, has the file in hand:
 * the lock is of file_apply_begin, and goes with the process. */
static bool is_being_written(int fd, const char *name)
{
    AUTO(close_fd)
    int file = openat(
        fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    return file >= 0 && flock(file, LOCK_EX | LOCK_NB) < 0 &&
           errno == EWOULDBLOCK;
}

/* What a killed transfer left. A directory of ours is empty. */
static void remove_leftover(int fd, const char *name)
{
    if (is_being_written(fd, name))
        return;
    if (unlinkat(fd, name, 0) < 0 && errno == EISDIR)
        unlinkat(fd, name, AT_REMOVEDIR);
}

/* Returns 0, 1 when the directory cannot be read, or an error. */
static int names_read(int fd, struct names *names)
{
    /* not a duplicate, which would share its position with the last scan */
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(close_folder) DIR *folder = copy < 0 ? NULL : fdopendir(copy);

    if (!folder) {
        int error = errno;

        close_fd(&copy);
        return is_exhausted(error) ? -error : 1;
    }
    for (;;) {
        struct dirent *entry;
        struct str name;

        errno = 0;
        entry = readdir(folder);
        if (!entry)
            break;
        name = str_from(entry->d_name);
        if (str_eq(name, S(".")) || str_eq(name, S("..")))
            continue;
        if (file_name_is_temporary(name)) {
            remove_leftover(fd, entry->d_name);
            continue;
        }
        /* the table refuses what is too much; this only bounds the memory */
        if (names->count > LIMIT_FILES_ENTRIES ||
            strbuf_add(&names->text, str_of(name.ptr, name.len + 1)) < 0)
            return -EFBIG;
        names->count++;
    }
    if (errno)
        return is_exhausted(errno) ? -errno : 1;
    names_sort(names);
    return 0;
}

static size_t link_slot(const struct scan *scan, dev_t dev, ino_t ino)
{
    uint64_t mixed = ((uint64_t)ino ^ (uint64_t)dev << 32) *
                     0x9e3779b97f4a7c15; /* the golden ratio, for spread */
    size_t at = (size_t)(mixed >> 20) & (scan->link_room - 1);

    while (scan->links[at].row &&
           (scan->links[at].dev != dev || scan->links[at].ino != ino))
        at = (at + 1) & (scan->link_room - 1);
    return at;
}

static void links_grow(struct scan *scan)
{
    struct link_seen *old = scan->links;
    size_t room = scan->link_room;

    if (scan->link_count < room / 2)
        return;
    scan->link_room = room ? 2 * room : 64;
    scan->links = xcalloc(scan->link_room, sizeof(*scan->links));
    for (size_t i = 0; i < room; i++) {
        if (old[i].row)
            scan->links[link_slot(scan, old[i].dev, old[i].ino)] = old[i];
    }
    free(old);
}

/* The path under which the file of ST was seen, or "" the first time. */
static struct str link_before(struct scan *scan, const struct stat *st)
{
    struct link_seen *seen;

    links_grow(scan);
    seen = &scan->links[link_slot(scan, st->st_dev, st->st_ino)];
    if (seen->row)
        return scan->table->rows[seen->row - 1]->path;
    *seen = (struct link_seen){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .row = scan->table->count + 1,
    };
    scan->link_count++;
    return S("");
}

/* What PATH was before, or NULL. Paths come in the order of trees. */
static struct file_entry *was_before(struct scan *scan, struct str path)
{
    const struct file_table *old = scan->old;

    while (scan->at < old->count) {
        struct file_entry *entry = old->rows[scan->at];

        if (str_eq(entry->path, path)) {
            scan->at++;
            return entry;
        }
        if (file_path_order(entry->path, path) > 0)
            break;
        scan->at++;
    }
    return NULL;
}

static int add_entry(struct scan *scan, const struct file_entry *model)
{
    struct file_entry *before = was_before(scan, model->path), *entry;
    int r;

    scan->is_old = before && file_entry_eq(before, model);
    if (scan->is_old && before->unsure == model->unsure)
        return file_table_share(scan->table, before, scan->limits);
    entry = file_entry_new(model);
    r = file_table_add(scan->table, entry, scan->limits);
    file_entry_unref(entry);
    return r;
}

/* The last row is a directory that could be opened but not read. */
static void make_opaque(struct scan *scan)
{
    struct file_entry **last = &scan->table->rows[scan->table->count - 1];
    struct file_entry model = **last;

    model.opaque = true;
    scan->table->shared -= scan->table->shared == scan->table->count;
    file_entry_unref(*last);
    *last = file_entry_new(&model);
}

/* What was just looked at may change without a word of the kernel's. */
static void look_again(struct scan *scan)
{
    if (scan->watch)
        file_watch_again(scan->watch, scan->watched);
}

static int scan_folder(struct scan *scan, int fd, bool inside);

/* Go into the directory NAME of FD, which MODEL tells of. */
static int add_folder(struct scan *scan, int fd, const char *name,
                      struct file_entry *model, bool inside)
{
    AUTO(close_fd)
    int inner =
        openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    size_t depth = 1;
    int r;

    for (size_t i = 0; i < model->path.len; i++)
        depth += model->path.ptr[i] == '/';
    if (inner < 0 && is_exhausted(errno))
        return -errno;
    if (inner < 0 && errno == ENOENT)
        return 0;
    if (inner < 0 && errno != EACCES && errno != EPERM) {
        model->kind = FILE_OTHER; /* it was a directory a moment ago */
    } else if (inner < 0 || depth == LIMIT_FILES_DEPTH ||
               model->path.len + 1 + LIMIT_FILES_NAME > LIMIT_FILES_PATH) {
        model->opaque = true;
    } else if (fstat(inner, &st) == 0) {
        file_entry_fill(model, &st, scan->now);
    }
    r = add_entry(scan, model);
    if (r < 0 || model->kind != FILE_DIRECTORY || model->opaque)
        return r;
    r = scan_folder(scan, inner, inside);
    if (r != 1)
        return r;
    make_opaque(scan); /* nothing below it was added */
    return 0;
}

static int add_symlink(struct scan *scan, int fd, const char *name,
                       struct file_entry *model)
{
    char target[LIMIT_FILES_PATH + 1];
    ssize_t len = readlinkat(fd, name, target, sizeof(target));
    int r;

    if (len < 0 && errno == ENOENT)
        return 0;
    if (len <= 0 || (size_t)len > LIMIT_FILES_PATH)
        model->kind = FILE_OTHER; /* it was a link a moment ago */
    else
        model->target = str_of(target, (size_t)len);
    r = add_entry(scan, model);
    model->target = S(""); /* it ends with this function */
    return r;
}

static int add_link(struct scan *scan, const struct stat *st,
                    struct file_entry *model)
{
    int r;

    model->target = link_before(scan, st);
    if (model->target.len)
        model->kind = FILE_HARD_LINK;
    r = add_entry(scan, model);
    scan->relinked = scan->relinked || !scan->is_old;
    return r;
}

static int add_name(struct scan *scan, int fd, const char *name, bool inside)
{
    struct file_entry model = {.path = strbuf_str(&scan->path)};
    struct stat st;

    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT || is_exhausted(errno))
            return errno == ENOENT ? 0 : -errno;
        model.kind = FILE_OTHER; /* it is there, and no more is known */
        look_again(scan);
        return add_entry(scan, &model);
    }
    file_entry_fill(&model, &st, scan->now);
    if (model.kind == FILE_DIRECTORY)
        return add_folder(scan, fd, name, &model, inside);
    if (model.unsure || st.st_nlink > 1)
        look_again(scan);
    if (model.kind == FILE_SYMLINK)
        return add_symlink(scan, fd, name, &model);
    if (model.kind == FILE_REGULAR && st.st_nlink > 1)
        return add_link(scan, &st, &model);
    return add_entry(scan, &model);
}

/* The directory FD has not changed: what OLD has of it is there, but that
 * directories in it are to be looked at. */
static int scan_clean(struct scan *scan, int fd)
{
    const struct file_table *old = scan->old;
    size_t len = scan->path.len;
    int r = 0;

    while (r == 0 && scan->at < old->count) {
        struct file_entry *entry = old->rows[scan->at];

        if (!file_path_is_below(entry->path,
                                str_head(strbuf_str(&scan->path), len)))
            break;
        if (entry->kind != FILE_DIRECTORY) {
            r = file_table_share(scan->table, entry, scan->limits);
            scan->at++;
            continue;
        }
        strbuf_add(&scan->path, str_from_index(entry->path, len));
        r = add_name(scan, fd, strbuf_cstr(&scan->path) + len + (len > 0),
                     true);
        scan->path.len = len;
        while (scan->at < old->count &&
               (old->rows[scan->at] == entry ||
                file_path_is_below(old->rows[scan->at]->path, entry->path)))
            scan->at++;
    }
    return r;
}

/* Everything in the directory FD. INSIDE: all below it is within the mounts.
 * Returns 0, 1 when the directory cannot be read, or an error. */
static int scan_names(struct scan *scan, int fd, bool inside)
{
    AUTO(names_fini)
    struct names names = {.text = STRBUF(LIMIT_FILES_NAMES)};
    size_t before = scan->path.len;
    int r = names_read(fd, &names);

    for (size_t i = 0; r == 0 && i < names.count; i++) {
        enum file_scope scope = FILE_INSIDE;

        if (before)
            strbuf_add_char(&scan->path, '/');
        if (strbuf_add(&scan->path, str_from(names.list[i])) < 0)
            return -ENAMETOOLONG;
        if (!inside)
            scope = file_mounts_scope(scan->mounts, strbuf_str(&scan->path));
        if (scope != FILE_OUTSIDE)
            r = add_name(scan, fd, names.list[i], scope == FILE_INSIDE);
        scan->path.len = before;
    }
    return r;
}

static int scan_folder(struct scan *scan, int fd, bool inside)
{
    size_t outer = scan->watched;
    bool clean = false;
    int r;

    scan->watched = 0;
    if (inside && scan->watch)
        clean = file_watch_enter(scan->watch, fd, strbuf_str(&scan->path),
                                 &scan->watched);
    r = clean ? scan_clean(scan, fd) : scan_names(scan, fd, inside);
    scan->watched = outer;
    return r;
}

static int scan_root(struct scan *scan, int root)
{
    struct stat st;

    if (fstat(root, &st) < 0)
        return -errno;
    if (st.st_nlink == 0)
        return -ENOENT; /* a removed directory looks empty */
    return scan_folder(scan, root,
                       scan->mounts->count == 0 ||
                           file_mounts_have(scan->mounts, S("")));
}

int file_scan(int root, const struct file_mounts *mounts,
              const struct file_limits *limits, const struct file_table *old,
              struct file_watch *watch, struct file_table *table)
{
    static const struct file_table none;
    struct scan scan = {
        .mounts = mounts,
        .limits = limits,
        .old = old ? old : &none,
        .watch = watch,
        .table = table,
        .now = file_clock(),
        .path = STRBUF(LIMIT_FILES_PATH + 1),
    };
    bool again;
    int r;

    assert(table->count == 0);
    if (watch)
        file_watch_begin(watch, scan.old->count, scan.now);
    r = scan_root(&scan, root);
    strbuf_fini(&scan.path);
    free(scan.links);
    /* its other name may be in what was not looked at */
    again = r == 0 && watch && watch->clean && scan.relinked;
    if (watch)
        file_watch_end(watch, r != 0 || again);
    if (again) {
        file_table_fini(table);
        return file_scan(root, mounts, limits, old, watch, table);
    }
    /* what cannot be listed at all must not pass for an empty tree */
    return r == 1 ? -EACCES : r;
}
