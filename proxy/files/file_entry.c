#include "proxy/files/file_entry.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define SECOND_NS 1000000000LL

static bool part_is_good(struct str part)
{
    return part.len && part.len <= LIMIT_FILES_NAME && !str_eq(part, S(".")) &&
           !str_eq(part, S(".."));
}

bool file_path_is_good(struct str path)
{
    size_t parts = 0;
    struct str part;
    bool more;

    if (!path.len || path.len > LIMIT_FILES_PATH || str_find(path, '\0') >= 0)
        return false;
    do {
        more = str_cut(path, '/', &part, &path);
        if (!part_is_good(part) || ++parts > LIMIT_FILES_DEPTH)
            return false;
    } while (more);
    return true;
}

static int rank(char c)
{
    return c == '/' ? 0 : (unsigned char)c;
}

int file_path_order(struct str a, struct str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    size_t i = 0;

    while (i < shared && a.ptr[i] == b.ptr[i])
        i++;
    if (i < shared)
        return rank(a.ptr[i]) - rank(b.ptr[i]);
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

bool file_path_is_below(struct str path, struct str folder)
{
    if (!folder.len)
        return path.len > 0;
    return path.len > folder.len && path.ptr[folder.len] == '/' &&
           str_has_prefix(path, folder);
}

static size_t name_at(struct str path)
{
    size_t at = path.len;

    while (at && path.ptr[at - 1] != '/')
        at--;
    return at;
}

struct str file_path_parent(struct str path)
{
    size_t at = name_at(path);

    return str_head(path, at ? at - 1 : 0);
}

struct str file_path_name(struct str path)
{
    return str_from_index(path, name_at(path));
}

bool file_entry_is_good(const struct file_entry *entry)
{
    struct str target = entry->target;

    if (!file_path_is_good(entry->path) || entry->mode > 07777 ||
        entry->uid == UINT32_MAX || entry->gid == UINT32_MAX ||
        entry->stamp.size > INT64_MAX ||
        (entry->opaque && entry->kind != FILE_DIRECTORY))
        return false;
    switch (entry->kind) {
    case FILE_REGULAR:
    case FILE_DIRECTORY:
    case FILE_OTHER:
        return !target.len;
    case FILE_SYMLINK:
        return target.len && target.len <= LIMIT_FILES_PATH &&
               str_find(target, '\0') < 0;
    case FILE_HARD_LINK:
        return file_path_is_good(target);
    }
    return false;
}

bool file_name_is_temporary(struct str name)
{
    struct str prefix = S(FILE_TEMPORARY);
    struct str rest = str_from_index(name, prefix.len);

    if (!str_has_prefix(name, prefix) || rest.len != 16)
        return false;
    for (size_t i = 0; i < rest.len; i++) {
        if (hex_digit(rest.ptr[i]) < 0)
            return false;
    }
    return true;
}

struct file_entry *file_entry_new(const struct file_entry *model)
{
    size_t text = model->path.len + model->target.len;
    struct file_entry *entry = xcalloc(1, sizeof(*entry) + text);
    char *at = (char *)(entry + 1);

    *entry = *model;
    entry->refs = 1;
    if (model->path.len)
        memcpy(at, model->path.ptr, model->path.len);
    entry->path.ptr = at;
    at += model->path.len;
    if (model->target.len)
        memcpy(at, model->target.ptr, model->target.len);
    entry->target.ptr = at;
    return entry;
}

struct file_entry *file_entry_ref(struct file_entry *entry)
{
    entry->refs++;
    return entry;
}

void file_entry_unref(struct file_entry *entry)
{
    if (entry && --entry->refs == 0)
        free(entry);
}

/* Years that no clock shows are cut, so that nothing overflows. */
static int64_t nanoseconds(struct timespec t)
{
    const int64_t most = INT64_MAX / SECOND_NS - 1;

    if (t.tv_sec > most)
        t.tv_sec = most;
    if (t.tv_sec < -most)
        t.tv_sec = -most;
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static enum file_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return FILE_REGULAR;
    if (S_ISDIR(mode))
        return FILE_DIRECTORY;
    return S_ISLNK(mode) ? FILE_SYMLINK : FILE_OTHER;
}

void file_entry_fill(struct file_entry *entry, const struct stat *st,
                     int64_t now)
{
    int64_t ctime = nanoseconds(st->st_ctim);

    entry->kind = kind_of(st->st_mode);
    entry->mode = st->st_mode & 07777;
    entry->uid = st->st_uid;
    entry->gid = st->st_gid;
    entry->stamp = (struct file_stamp){.ino = st->st_ino};
    if (entry->kind == FILE_SYMLINK)
        entry->mode = 0777; /* it has none of its own */
    if (entry->kind != FILE_DIRECTORY) {
        entry->stamp.size = (uint64_t)st->st_size;
        entry->stamp.mtime = nanoseconds(st->st_mtim);
        entry->stamp.ctime = ctime;
    }
    entry->unsure = entry->kind == FILE_REGULAR && ctime > now - FILE_TICK_NS;
}

int64_t file_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

struct timespec file_time(int64_t time)
{
    int64_t second = time / SECOND_NS;
    int64_t rest = time % SECOND_NS;

    if (rest < 0) {
        rest += SECOND_NS;
        second--;
    }
    return (struct timespec){.tv_sec = second, .tv_nsec = rest};
}

bool file_stamp_eq(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->ino == b->ino && a->size == b->size && a->mtime == b->mtime &&
           a->ctime == b->ctime;
}

static bool is_like(const struct file_entry *a, const struct file_entry *b)
{
    return a->kind == b->kind || (file_is_content(a) && file_is_content(b));
}

bool file_entry_is_still(const struct file_entry *now,
                         const struct file_entry *before)
{
    return is_like(now, before) && now->mode == before->mode &&
           now->stamp.ino == before->stamp.ino &&
           now->stamp.size == before->stamp.size &&
           now->stamp.mtime == before->stamp.mtime;
}

bool file_entry_eq(const struct file_entry *a, const struct file_entry *b)
{
    return a->kind == b->kind && a->mode == b->mode && a->uid == b->uid &&
           a->gid == b->gid && a->opaque == b->opaque &&
           file_stamp_eq(&a->stamp, &b->stamp) && str_eq(a->path, b->path) &&
           str_eq(a->target, b->target);
}
