#include "proxy/files/file_saved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The messages of file_wire.h: HELLO with the version, DATA with what it is
 * about, two ENTRYs for each path, the near one first, and LISTED with their
 * number.
 */
#define SAVED_VERSION (FILE_WIRE_VERSION * 1000 + 1)

struct saved {
    int fd;
    size_t left; /* bytes that may still be written */
};

static ssize_t saved_take(void *arg, char *bytes, size_t len)
{
    const struct saved *saved = arg;
    ssize_t n;

    do {
        n = read(saved->fd, bytes, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t saved_give(void *arg, const char *bytes, size_t len)
{
    struct saved *saved = arg;
    ssize_t n;

    if (len > saved->left)
        return -EFBIG;
    do {
        n = write(saved->fd, bytes, len);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        saved->left -= (size_t)n;
    return n < 0 ? -errno : n;
}

static int send_all(struct file_stream *stream, const struct file_base *base,
                    struct str about)
{
    int r = file_stream_send(stream, &(struct file_message){
                                         .type = FILE_MSG_HELLO,
                                         .number = SAVED_VERSION,
                                     });

    if (r == 0)
        r = file_stream_send(stream, &(struct file_message){
                                         .type = FILE_MSG_DATA, .data = about});
    for (size_t i = 0; r == 0 && i < 2 * base->count; i++) {
        const struct file_pair *pair = &base->pairs[i / 2];

        r = file_stream_send(stream,
                             &(struct file_message){
                                 .type = FILE_MSG_ENTRY,
                                 .entry = i % 2 ? *pair->far : *pair->near,
                             });
    }
    if (r == 0)
        r = file_stream_send(stream, &(struct file_message){
                                         .type = FILE_MSG_LISTED,
                                         .number = base->count,
                                     });
    return r < 0 ? r : file_stream_flush(stream);
}

int file_saved_write(const struct file_near *near, const char *path,
                     struct str about)
{
    AUTO(strbuf_fini) struct strbuf temporary = STRBUF(LIMIT_FILES_PATH);
    struct saved saved = {.left = LIMIT_FILES_SAVED};
    struct file_stream stream;
    int r = 0;

    if (strbuf_addf(&temporary, "%s.new", path) < 0)
        return -ENAMETOOLONG;
    saved.fd =
        open(strbuf_cstr(&temporary),
             O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (saved.fd < 0)
        r = -errno;
    if (r == 0) {
        file_stream_init(&stream, saved_take, saved_give, &saved);
        r = send_all(&stream, &near->base, about);
        file_stream_fini(&stream);
        close(saved.fd);
    }
    if (r == 0 && renameat(AT_FDCWD, strbuf_cstr(&temporary), AT_FDCWD, path))
        r = -errno;
    if (r < 0) {
        unlinkat(AT_FDCWD, strbuf_cstr(&temporary), 0);
        unlinkat(AT_FDCWD, path, 0);
    }
    return r;
}

static int expect_head(struct file_stream *stream, struct str about)
{
    struct file_message message;
    int r = file_stream_expect(stream, FILE_MSG_HELLO, &message);

    if (r < 0 || message.number != SAVED_VERSION)
        return r < 0 ? r : -ESTALE;
    r = file_stream_expect(stream, FILE_MSG_DATA, &message);
    return r < 0 || str_eq(message.data, about) ? r : -ESTALE;
}

/* May both sides have had this, when they were alike? */
static bool is_pair(const struct file_pair *pair)
{
    return str_eq(pair->near->path, pair->far->path) &&
           pair->near->kind != FILE_OTHER &&
           (pair->near->kind == pair->far->kind ||
            (file_is_content(pair->near) && file_is_content(pair->far)));
}

/* The far one's entry follows NEAR, which is taken over. */
static int add_pair(struct file_stream *stream, struct file_base *base,
                    struct file_entry *near)
{
    struct file_pair pair = {.near = near};
    struct file_message message;
    int r = file_stream_expect(stream, FILE_MSG_ENTRY, &message);

    if (r == 0) {
        pair.far = file_entry_new(&message.entry);
        if (!is_pair(&pair) ||
            (base->count &&
             file_path_order(base->pairs[base->count - 1].near->path,
                             near->path) >= 0))
            r = -EBADMSG;
    }
    if (r == 0) {
        file_base_add(base, pair);
        return 0;
    }
    file_entry_unref(pair.near);
    file_entry_unref(pair.far);
    return r;
}

static int take_all(struct file_stream *stream, struct file_base *base)
{
    struct file_message message;
    int r;

    do {
        r = file_stream_next(stream, &message);
        if (r < 0 || message.type != FILE_MSG_ENTRY)
            break;
        r = base->count < LIMIT_FILES_ENTRIES
                ? add_pair(stream, base, file_entry_new(&message.entry))
                : -EFBIG;
    } while (r == 0);
    if (r < 0)
        return r;
    return message.type == FILE_MSG_LISTED && message.number == base->count
               ? 0
               : -EBADMSG;
}

static int open_own(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int r = 0;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 022))
        r = -EPERM;
    else if ((uint64_t)st.st_size > LIMIT_FILES_SAVED)
        r = -EFBIG;
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

int file_saved_read(struct file_near *near, const char *path, struct str about)
{
    struct saved saved = {.fd = open_own(path)};
    struct file_stream stream;
    int r;

    file_near_forget(near);
    if (saved.fd < 0)
        return saved.fd;
    file_stream_init(&stream, saved_take, saved_give, &saved);
    r = expect_head(&stream, about);
    r = r < 0 ? r : take_all(&stream, &near->base);
    file_stream_fini(&stream);
    close(saved.fd);
    if (r < 0)
        file_near_forget(near);
    return r;
}
