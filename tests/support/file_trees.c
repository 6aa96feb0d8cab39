#include "tests/support/file_trees.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/files/file_far.h"
#include "proxy/files/file_read.h"
#include "proxy/files/file_scan.h"

void file_trees_init(struct file_trees *trees)
{
    *trees = (struct file_trees){.folder = "/tmp/berth-files-XXXXXX"};
    assert(mkdtemp(trees->folder));
    snprintf(trees->near, sizeof(trees->near), "%s/near", trees->folder);
    snprintf(trees->far, sizeof(trees->far), "%s/far", trees->folder);
    snprintf(trees->outside, sizeof(trees->outside), "%s/outside",
             trees->folder);
    assert(mkdir(trees->near, 0755) == 0 && mkdir(trees->far, 0755) == 0 &&
           mkdir(trees->outside, 0755) == 0);
    trees->near_fd = open(trees->near, O_RDONLY | O_DIRECTORY);
    trees->far_fd = open(trees->far, O_RDONLY | O_DIRECTORY);
    assert(trees->near_fd >= 0 && trees->far_fd >= 0);
    file_near_init(&trees->end, trees->near_fd, &(struct file_limits){0});
}

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 64, FTW_DEPTH | FTW_PHYS);
}

void file_trees_fini(struct file_trees *trees)
{
    if (trees->open)
        file_trees_close(trees);
    file_near_fini(&trees->end);
    close(trees->near_fd);
    close(trees->far_fd);
    remove_all(trees->folder);
}

/* May LEN bytes more go? Fewer; 0 when the stream breaks here. */
static size_t spend(struct file_trees *trees, size_t len)
{
    long left = __atomic_load_n(&trees->budget, __ATOMIC_SEQ_CST);

    __atomic_add_fetch(&trees->carried, (long)len, __ATOMIC_SEQ_CST);
    if (left < 0)
        return len;
    if (left < (long)len)
        len = (size_t)left;
    __atomic_sub_fetch(&trees->budget, (long)len, __ATOMIC_SEQ_CST);
    if (!len) {
        shutdown(trees->sockets[0], SHUT_RDWR);
        shutdown(trees->sockets[1], SHUT_RDWR);
    }
    return len;
}

static ssize_t near_write(void *arg, const char *bytes, size_t len)
{
    struct file_trees *trees = arg;
    ssize_t n;

    len = spend(trees, len);
    if (!len)
        return -EPIPE;
    n = send(trees->sockets[0], bytes, len, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static ssize_t near_read(void *arg, char *bytes, size_t len)
{
    struct file_trees *trees = arg;
    ssize_t n = recv(trees->sockets[0], bytes, len, 0);

    return n < 0 ? -errno : n;
}

static ssize_t far_write(void *arg, const char *bytes, size_t len)
{
    struct file_trees *trees = arg;
    ssize_t n;

    len = spend(trees, len);
    if (!len)
        return -EPIPE;
    n = send(trees->sockets[1], bytes, len, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static ssize_t far_read(void *arg, char *bytes, size_t len)
{
    struct file_trees *trees = arg;
    ssize_t n = recv(trees->sockets[1], bytes, len, 0);

    return n < 0 ? -errno : n;
}

static void *serve(void *arg)
{
    struct file_trees *trees = arg;

    trees->far_result =
        file_far_serve(trees->far_fd, &trees->far_limits, &trees->far_stream);
    shutdown(trees->sockets[1], SHUT_RDWR);
    return NULL;
}

static void start_process(struct file_trees *trees)
{
    trees->child = fork();
    assert(trees->child >= 0);
    if (trees->child == 0) {
        close(trees->sockets[0]);
        serve(trees);
        _exit(0);
    }
    /* so that the end of the process is the end of the stream */
    close(trees->sockets[1]);
    trees->sockets[1] = -1;
}

static void start_thread(struct file_trees *trees)
{
    int r = pthread_create(&trees->thread, NULL, serve, trees);

    assert(r == 0);
}

int file_trees_open(struct file_trees *trees, long budget)
{
    assert(!trees->open);
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, trees->sockets) == 0);
    trees->budget = budget;
    file_stream_init(&trees->near_stream, near_read, near_write, trees);
    file_stream_init(&trees->far_stream, far_read, far_write, trees);
    trees->open = true;
    if (trees->forked)
        start_process(trees);
    else
        start_thread(trees);
    return file_near_connect(&trees->end, &trees->near_stream);
}

int file_trees_close(struct file_trees *trees)
{
    shutdown(trees->sockets[0], SHUT_RDWR);
    if (trees->forked)
        waitpid(trees->child, NULL, 0);
    else
        pthread_join(trees->thread, NULL);
    close(trees->sockets[0]);
    if (!trees->forked)
        close(trees->sockets[1]);
    file_stream_fini(&trees->near_stream);
    file_stream_fini(&trees->far_stream);
    trees->open = false;
    return trees->far_result;
}

struct file_report file_trees_round(struct file_trees *trees,
                                    enum file_turn turn)
{
    struct file_report report;
    int r = 0;

    if (!trees->open)
        r = file_trees_open(trees, -1);
    assert(r == 0);
    r = file_near_round(&trees->end, turn, &report);
    if (r < 0)
        fprintf(stderr, "round: %s\n", strerror(-r));
    assert(r == 0);
    return report;
}

static void show_content(int root, const struct file_entry *entry,
                         struct strbuf *out)
{
    struct file_entry hashed;

    if (file_hash(root, entry->path, &(struct file_limits){0}, &hashed) !=
        FILE_DONE) {
        strbuf_add(out, S(" unreadable"));
        return;
    }
    strbuf_addf(out, " %zu ", (size_t)hashed.stamp.size);
    for (size_t i = 0; i < 8; i++)
        strbuf_addf(out, "%02x", hashed.hash[i]);
}

static void show_entry(int root, const struct file_entry *entry,
                       struct strbuf *out)
{
    strbuf_addf(out, "%.*s %d", STR_FMT(entry->path), (int)entry->kind);
    if (entry->kind != FILE_OTHER && entry->kind != FILE_SYMLINK)
        strbuf_addf(out, " %04o", entry->mode & 01777);
    if (entry->target.len)
        strbuf_addf(out, " -> %.*s", STR_FMT(entry->target));
    if (file_is_content(entry))
        show_content(root, entry, out);
    strbuf_add_char(out, '\n');
}

void file_trees_show(const char *root, struct strbuf *out)
{
    static const struct file_mounts all;
    struct file_table table = {0};
    int fd = open(root, O_RDONLY | O_DIRECTORY);

    assert(file_scan(fd, &all, &(struct file_limits){0}, NULL, NULL, &table) ==
           0);
    for (size_t i = 0; i < table.count; i++)
        show_entry(fd, table.rows[i], out);
    file_table_fini(&table);
    close(fd);
}

static bool found_temporary;

static int look_for_temporary(const char *path, const struct stat *st, int flag,
                              struct FTW *ftw)
{
    (void)st;
    (void)flag;
    if (file_name_is_temporary(str_from(path + ftw->base)))
        found_temporary = true;
    return 0;
}

bool file_trees_are_alike(const struct file_trees *trees)
{
    AUTO(strbuf_fini) struct strbuf near = STRBUF(64 * MIB);
    AUTO(strbuf_fini) struct strbuf far = STRBUF(64 * MIB);
    bool alike;

    found_temporary = false;
    nftw(trees->folder, look_for_temporary, 64, FTW_PHYS);
    file_trees_show(trees->near, &near);
    file_trees_show(trees->far, &far);
    alike = str_eq(strbuf_str(&near), strbuf_str(&far));
    if (!alike)
        fprintf(stderr, "near:\n%.*sfar:\n%.*s", STR_FMT(near), STR_FMT(far));
    if (found_temporary)
        fprintf(stderr, "a temporary name is left\n");
    return alike && !found_temporary;
}

const char *file_trees_path(struct file_trees *trees, const char *path)
{
    static char text[4 * LIMIT_FILES_PATH];

    snprintf(text, sizeof(text), "%s/%s", trees->folder, path);
    return text;
}

void file_trees_write(struct file_trees *trees, const char *path,
                      const char *content)
{
    int fd =
        open(file_trees_path(trees, path), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert(fd >= 0);
    assert(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    close(fd);
}

const char *file_trees_read(struct file_trees *trees, const char *path)
{
    static char text[4096];
    int fd = open(file_trees_path(trees, path), O_RDONLY);
    ssize_t n;

    if (fd < 0)
        return NULL;
    n = read(fd, text, sizeof(text) - 1);
    assert(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

void file_trees_mkdir(struct file_trees *trees, const char *path)
{
    assert(mkdir(file_trees_path(trees, path), 0755) == 0);
}

void file_trees_remove(struct file_trees *trees, const char *path)
{
    remove_all(file_trees_path(trees, path));
}

/* Few names at few depths, so that edits meet. */
static void random_path(const char *root, unsigned *seed, char *out,
                        size_t room)
{
    static const char *const names[] = {"a", "b", "a.b", "c", "\xc3\xa9 x"};
    int len = snprintf(out, room, "%s", root);
    unsigned depth = (unsigned)rand_r(seed) % 3 + 1;

    while (depth--)
        len += snprintf(out + len, room - (size_t)len, "/%s",
                        names[(unsigned)rand_r(seed) % 5]);
}

static void write_random(const char *path, unsigned *seed)
{
    static unsigned serial;
    int fd =
        open(path,
             O_WRONLY | O_CREAT | O_NOFOLLOW | (rand_r(seed) % 2 ? O_TRUNC : 0),
             0644);
    size_t repeat = rand_r(seed) % 8 ? 1 : 20000;
    char text[16];

    if (fd < 0)
        return;
    if (rand_r(seed) % 8 == 0)
        lseek(fd, 1 << 20, SEEK_SET);
    snprintf(text, sizeof(text), "%07u\n", serial++ % 10000000);
    while (repeat--)
        assert(write(fd, text, 8) == 8);
    close(fd);
}

static void edit(const char *root, unsigned *seed)
{
    char path[256], other[256];

    random_path(root, seed, path, sizeof(path));
    random_path(root, seed, other, sizeof(other));
    switch (rand_r(seed) % 12) {
    case 0:
    case 1:
        mkdir(path, 0755);
        break;
    case 2:
        remove_all(path);
        break;
    case 3:
        if (symlink(rand_r(seed) % 2 ? "a/b" : "/nowhere", path) < 0)
            unlink(path);
        break;
    case 4:
        if (link(other, path) < 0)
            unlink(path);
        break;
    case 5:
        if (rename(other, path) < 0)
            unlink(path);
        break;
    case 6: {
        struct stat st;

        if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
            chmod(path, S_ISDIR(st.st_mode) ? 0700 | (rand_r(seed) & 077)
                                            : 0600 | (rand_r(seed) & 0177));
        break;
    }
    default:
        write_random(path, seed);
    }
}

void file_trees_edit(const char *root, unsigned *seed, unsigned count)
{
    while (count--)
        edit(root, seed);
}
