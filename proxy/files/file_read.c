#include "proxy/files/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* Of a hole, hashed at once: whoever reads looks up after it. */
#define HASHED_HOLE (64 * (uint64_t)MIB)

/*
 * Has somebody opened it for writing? A write that takes long, or goes through
 * mmap(), changes content after the stamps. No lease can be got then; else it
 * is given back at once. SIGURG, because nobody dies of it, would tell of a
 * writer that came meanwhile.
 */
static bool is_being_written(int fd)
{
    if (fcntl(fd, F_SETSIG, SIGURG) < 0)
        return false;
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        return errno == EAGAIN;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

enum file_status file_reader_open(struct file_reader *reader, int root,
                                  struct str path, bool hash)
{
    /* what is not a regular file any more must neither block nor be ours */
    int fd = file_open_beneath(root, path,
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return file_status_of(fd);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return FILE_CHANGED;
    }
    *reader = (struct file_reader){.fd = fd, .first = st};
    reader->entry.path = path;
    file_entry_fill(&reader->entry, &st, file_clock());
    if (is_being_written(fd))
        reader->entry.unsure = true;
    reader->hashing = hash || reader->entry.unsure;
    blake2b_init(&reader->hash);
    return FILE_DONE;
}

void file_reader_close(struct file_reader *reader)
{
    file_close(&reader->fd);
}

static bool is_same(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* All was read: is the file still what it was when it was opened? */
static enum file_status finish(struct file_reader *reader)
{
    struct stat st;

    if (fstat(reader->fd, &st) < 0)
        return FILE_TROUBLE;
    if (st.st_size != reader->first.st_size ||
        st.st_mode != reader->first.st_mode ||
        !is_same(st.st_mtim, reader->first.st_mtim) ||
        !is_same(st.st_ctim, reader->first.st_ctim))
        return FILE_CHANGED;
    if (reader->hashing) {
        blake2b_end(&reader->hash, reader->entry.hash);
        reader->entry.has_hash = true;
    }
    return FILE_DONE;
}

/* Bytes of a hole at AT, 0 for none; *DATA is how many bytes follow it. */
static uint64_t hole_at(const struct file_reader *reader, uint64_t *data)
{
    uint64_t left = reader->entry.stamp.size - reader->at;
    off_t from, to;

    *data = left;
    if (reader->first.st_blocks >= (reader->first.st_size + 511) / 512)
        return 0;
    from = lseek(reader->fd, (off_t)reader->at, SEEK_DATA);
    if (from < 0)
        return errno == ENXIO ? left : 0;
    if ((uint64_t)from - reader->at >= left)
        return left;
    to = lseek(reader->fd, from, SEEK_HOLE);
    if (to > from && (uint64_t)(to - from) < left)
        *data = (uint64_t)(to - from);
    return (uint64_t)from - reader->at;
}

static void hash_zeros(struct file_reader *reader, uint64_t len)
{
    static const char zeros[4096];

    while (reader->hashing && len) {
        size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

        blake2b_add(&reader->hash, zeros, part);
        len -= part;
    }
}

enum file_status file_reader_next(struct file_reader *reader, char *bytes,
                                  size_t room, struct str *piece,
                                  uint64_t *hole)
{
    uint64_t data;
    ssize_t n;

    *piece = S("");
    *hole = 0;
    if (reader->at == reader->entry.stamp.size)
        return finish(reader);
    *hole = hole_at(reader, &data);
    if (reader->hashing && *hole > HASHED_HOLE)
        *hole = HASHED_HOLE;
    if (*hole) {
        hash_zeros(reader, *hole);
        reader->at += *hole;
        return FILE_DONE;
    }
    n = pread(reader->fd, bytes, data < room ? (size_t)data : room,
              (off_t)reader->at);
    if (n < 0)
        return file_status_of(errno);
    if (n == 0)
        return FILE_CHANGED; /* it became shorter */
    if (reader->hashing)
        blake2b_add(&reader->hash, bytes, (size_t)n);
    reader->at += (uint64_t)n;
    *piece = str_of(bytes, (size_t)n);
    return FILE_DONE;
}

enum file_status file_hash(int root, struct str path,
                           const struct file_limits *limits,
                           struct file_entry *entry)
{
    char bytes[LIMIT_FILES_PIECE];
    struct file_reader reader = {.fd = -1};
    struct str piece;
    uint64_t hole;
    enum file_status status = file_reader_open(&reader, root, path, true);

    if (status != FILE_DONE)
        return status;
    do {
        status = file_limits_stop(limits)
                     ? FILE_TROUBLE
                     : file_reader_next(&reader, bytes, sizeof(bytes), &piece,
                                        &hole);
    } while (status == FILE_DONE && (piece.len || hole));
    file_reader_close(&reader);
    if (status == FILE_DONE)
        *entry = reader.entry;
    return status;
}
