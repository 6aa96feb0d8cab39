/*
 * The first byte says which end reads the rest, after a greeting: the far one
 * what it is asked, or the near one what it is answered, over three rounds. It
 * also says how the bytes are cut. Properties: what is read as a message is
 * written as the same bytes; whatever comes, nothing outside the root is read,
 * made, changed or removed, and no temporary name is left; and what an end
 * sends, messages are.
 */

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/files/file_far.h"
#include "proxy/files/file_near.h"
#include "tests/fuzz/fuzz.h"

#define SECRET "TOPSECRET"

static char folder[] = "/tmp/berth-fuzz-files-XXXXXX";
static int top = -1;
static struct stat outside, secret;

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_world(void)
{
    nftw(folder, remove_one, 64, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *path, const char *content)
{
    int fd = openat(top, path, O_WRONLY | O_CREAT | O_EXCL, 0644);

    assert(fd >= 0);
    assert(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    close(fd);
}

static void make_world(void)
{
    assert(mkdtemp(folder));
    atexit(remove_world);
    top = open(folder, O_RDONLY | O_DIRECTORY);
    assert(top >= 0 && mkdirat(top, "outside", 0755) == 0);
    write_file("outside/secret", SECRET);
    assert(fstatat(top, "outside", &outside, 0) == 0);
    assert(fstatat(top, "outside/secret", &secret, 0) == 0);
}

/* The root as it is before every input; returns it open. */
static int make_root(void)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "%s/root", folder);
    nftw(path, remove_one, 64, FTW_DEPTH | FTW_PHYS);
    assert(mkdirat(top, "root", 0755) == 0);
    assert(mkdirat(top, "root/d", 0755) == 0);
    write_file("root/a", "one");
    write_file("root/d/b", "two");
    write_file("root/m", "mounted");
    assert(symlinkat("../outside", top, "root/l") == 0);
    assert(linkat(top, "root/a", top, "root/d/h", 0) == 0);
    fd = openat(top, "root", O_RDONLY | O_DIRECTORY);
    assert(fd >= 0);
    return fd;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
           a->st_nlink == b->st_nlink &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int look_for_temporary(const char *path, const struct stat *st, int flag,
                              struct FTW *ftw)
{
    (void)st;
    (void)flag;
    assert(!file_name_is_temporary(str_from(path + ftw->base)));
    return 0;
}

static void check_world(void)
{
    struct stat st;

    assert(fstatat(top, "outside", &st, 0) == 0 && is_same(&st, &outside));
    assert(fstatat(top, "outside/secret", &st, 0) == 0 &&
           is_same(&st, &secret));
    nftw(folder, look_for_temporary, 64, FTW_PHYS);
}

/* What is read, and what was written. */
struct pipe {
    struct str in;
    size_t step;
    struct strbuf out;
};

static ssize_t take(void *arg, char *bytes, size_t len)
{
    struct pipe *pipe = arg;
    struct str part = str_head(pipe->in, len < pipe->step ? len : pipe->step);

    if (part.len)
        memcpy(bytes, part.ptr, part.len);
    pipe->in = str_from_index(pipe->in, part.len);
    return (ssize_t)part.len;
}

static ssize_t give(void *arg, const char *bytes, size_t len)
{
    struct pipe *pipe = arg;

    assert(!memmem(bytes, len, SECRET, 9));
    return strbuf_add(&pipe->out, str_of(bytes, len)) < 0 ? -EPIPE
                                                          : (ssize_t)len;
}

static void check_messages(struct str bytes)
{
    struct file_message message;

    while (bytes.len) {
        AUTO(strbuf_fini) struct strbuf again = STRBUF(MIB);
        struct str rest = bytes;

        if (file_wire_next(&rest, &message) != 1)
            return;
        assert(file_wire_add(&again, &message) == 0);
        assert(
            str_eq(strbuf_str(&again), str_head(bytes, bytes.len - rest.len)));
        bytes = rest;
    }
}

static void serve_far(int root, struct file_stream *stream)
{
    static const struct file_limits limits = {.entries = 1000, .bytes = MIB};

    file_far_serve(root, &limits, stream);
}

static void run_near(int root, struct file_stream *stream)
{
    static const struct file_limits limits = {.entries = 1000, .bytes = MIB};
    struct file_report report;
    struct file_near near;
    int r;

    file_near_init(&near, root, &limits);
    file_mounts_add(&near.mounts, S(""));
    file_mounts_add(&near.mounts, S("m"));
    r = file_near_connect(&near, stream);
    for (int turn = 0; r == 0 && turn < 3; turn++)
        r = file_near_round(&near, (enum file_turn)turn, &report);
    file_near_fini(&near);
}

static void run(struct str input, size_t step, bool near)
{
    AUTO(strbuf_fini) struct strbuf all = STRBUF(2 * MIB);
    struct pipe pipe = {.step = step, .out = STRBUF(16 * MIB)};
    struct file_stream stream;
    int root = make_root();

    file_wire_add(&all, &(struct file_message){
                            .type = FILE_MSG_HELLO,
                            .number = FILE_WIRE_VERSION,
                        });
    strbuf_add(&all, input);
    pipe.in = strbuf_str(&all);
    file_stream_init(&stream, take, give, &pipe);
    if (near)
        run_near(root, &stream);
    else
        serve_far(root, &stream);
    check_world();
    check_messages(strbuf_str(&pipe.out));
    file_stream_fini(&stream);
    strbuf_fini(&pipe.out);
    close(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct str input = str_of((const char *)bytes, len);

    if (top < 0)
        make_world();
    /* what an end repeats tells nothing */
    if (!len || len > 256 * KIB || memmem(bytes, len, SECRET, 9))
        return 0;
    input = str_from_index(input, 1);
    check_messages(input);
    run(input, bytes[0] & 2 ? (size_t)(bytes[0] >> 2) + 1 : SIZE_MAX,
        bytes[0] & 1);
    return 0;
}
