#include "proxy/server/chained_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "policy/record/audit_chain.h"

/* What is looked through for the last line: it, and cut ones behind it. */
#define TAIL_MAX ((off_t)(2 * LIMIT_AUDIT_LINE))

/* One chain for all files of a path. */
struct chained_file {
    struct chained_file *next;
    unsigned refs;
    char *path;
    struct audit_chain last;
    /* The file in which LAST is the last line, as long as it has this size. */
    dev_t device;
    ino_t inode;
    off_t size;
};

static struct chained_file *all;

struct chained_file *chained_file_new(const char *path)
{
    struct chained_file *file = all;

    while (file && strcmp(file->path, path) != 0)
        file = file->next;
    if (!file) {
        file = xcalloc(1, sizeof(*file));
        file->path = xstrdup(path);
        file->size = -1;
        file->next = all;
        all = file;
    }
    file->refs++;
    return file;
}

struct chained_file *chained_file_free(struct chained_file *file)
{
    struct chained_file **at = &all;

    if (!file || --file->refs > 0)
        return NULL;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    free(file->path);
    free(file);
    return NULL;
}

static int lock(int fd, int how)
{
    for (int i = 0; flock(fd, how | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (i == CHAINED_FILE_WAIT_MS)
            return -EBUSY;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return 0;
}

/* The last SIZE bytes or fewer of the file, which has END. */
static int read_tail(int fd, off_t end, struct strbuf *out)
{
    off_t at = end > TAIL_MAX ? end - TAIL_MAX : 0;
    char part[16 * KIB];

    while (at < end) {
        size_t wanted = sizeof(part);
        ssize_t got;

        if ((off_t)wanted > end - at)
            wanted = (size_t)(end - at);
        got = pread(fd, part, wanted, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO; /* it shrinks */
        if (strbuf_add(out, str_of(part, (size_t)got)) < 0)
            return -ENOMEM;
        at += got;
    }
    return 0;
}

/* The last line of the file, if it has one of a chain. *TORN: after it there is
 * one without an end. */
static int find_last(int fd, off_t size, struct audit_chain *last, bool *torn)
{
    AUTO(strbuf_fini) struct strbuf tail = STRBUF((size_t)TAIL_MAX);
    int r = read_tail(fd, size, &tail);

    if (r < 0)
        return r;
    *torn = tail.len > 0 && tail.ptr[tail.len - 1] != '\n';
    audit_chain_find_last(strbuf_str(&tail), last);
    return 0;
}

/* The same of PATH.1, as far as it can be read. */
static void find_last_before(const struct chained_file *file,
                             struct audit_chain *last)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_POLICY_TEXT + 8);
    struct audit_chain found = {0};
    struct stat st;
    bool torn;
    int fd;

    if (strbuf_addf(&path, "%s.1", file->path) < 0)
        return;
    fd = open(strbuf_cstr(&path),
              O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && lock(fd, LOCK_SH) == 0 &&
        fstat(fd, &st) == 0 && find_last(fd, st.st_size, &found, &torn) == 0 &&
        found.line > last->line)
        *last = found;
    close(fd);
}

/* Bring FILE's last line up to date with what FD has. */
static int catch_up(struct chained_file *file, int fd, const struct stat *st,
                    bool *torn)
{
    struct audit_chain last = {0};
    int r;

    if (file->size == st->st_size && file->device == st->st_dev &&
        file->inode == st->st_ino)
        return 0;
    if (st->st_size == 0) {
        find_last_before(file, &file->last);
        return 0;
    }
    r = find_last(fd, st->st_size, &last, torn);
    if (r == 0 && last.line)
        file->last = last;
    return r;
}

static int write_all(int fd, struct str text)
{
    while (text.len) {
        ssize_t done = write(fd, text.ptr, text.len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        text = str_from_index(text, (size_t)done);
    }
    return 0;
}

static int write_locked(struct chained_file *file, int fd, struct str line)
{
    AUTO(strbuf_fini)
    struct strbuf out = STRBUF(LIMIT_AUDIT_LINE + AUDIT_CHAIN_ADDS);
    struct audit_chain next;
    struct stat st;
    bool torn = false;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ESPIPE;
    r = catch_up(file, fd, &st, &torn);
    next = file->last;
    if (r == 0 && torn)
        r = strbuf_add_char(&out, '\n');
    if (r == 0)
        r = audit_chain_add(&next, line, &out);
    file->size = -1;
    if (r == 0)
        r = write_all(fd, strbuf_str(&out));
    if (r < 0)
        return r;
    file->last = next;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    file->size = st.st_size + (off_t)out.len;
    return 0;
}

/* A line for a file that was rotated away would fork the chain. */
static bool was_rotated(const struct chained_file *file, int fd)
{
    struct stat now, then;

    if (fstat(fd, &then) < 0)
        return false;
    if (lstat(file->path, &now) < 0)
        return errno == ENOENT;
    return now.st_dev != then.st_dev || now.st_ino != then.st_ino;
}

int chained_file_write(struct chained_file *file, int fd, struct str line,
                       bool anyway)
{
    int r = lock(fd, LOCK_EX);

    if (r < 0)
        return r;
    r = !anyway && was_rotated(file, fd) ? -ESTALE
                                         : write_locked(file, fd, line);
    flock(fd, LOCK_UN);
    return r;
}
