/*
 * A tree of many files from one directory to another, in turns by
 * "tar | tar" and by both ends of proxy/files; then what a round costs when
 * nothing has changed, and when ten files have:
 *     build/tests/bench/bench_files FAR DIRECTORY [FILES [MIB [ROUNDS]]]
 * FAR is build/tests/support/files_far, or a command that runs it elsewhere
 * ("ssh host files_far /tmp/x"), with DIRECTORY/far as its directory if it
 * names none; only the first can be held against tar.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proxy/files/file_near.h"

enum { PER_FOLDER = 50, MOST_ROUNDS = 99 };

struct bench {
    const char *far;
    unsigned files;
    size_t bytes;
    int socket;
    pid_t pid;
    struct file_stream stream;
    struct file_near near;
    int root;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU of this process and of all that has ended, in ms. */
static double cpu_of(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static double cpu(void)
{
    return cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
}

static void shell(const char *command)
{
    if (system(command) != 0)
        die(command);
}

static void write_file(const char *path, size_t size, unsigned *seed)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    char bytes[4096];

    if (fd < 0)
        die(path);
    while (size) {
        size_t part = size < sizeof(bytes) ? size : sizeof(bytes);

        for (size_t i = 0; i < part; i += sizeof(int))
            memcpy(bytes + i, &(int){rand_r(seed)}, sizeof(int));
        if (write(fd, bytes, part) != (ssize_t)part)
            die(path);
        size -= part;
    }
    close(fd);
}

static void make_tree(const struct bench *bench)
{
    size_t each = bench->bytes / bench->files;
    unsigned seed = 1;
    char path[64];

    shell("rm -rf near far tar && mkdir near far tar");
    for (unsigned i = 0; i < bench->files; i++) {
        snprintf(path, sizeof(path), "near/folder%u", i / PER_FOLDER);
        if (i % PER_FOLDER == 0 && mkdir(path, 0755) < 0)
            die(path);
        snprintf(path, sizeof(path), "near/folder%u/file%u", i / PER_FOLDER, i);
        /* from an eighth to nearly twice the average */
        write_file(path, each / 8 + (size_t)rand_r(&seed) % (each * 7 / 4 + 1),
                   &seed);
    }
}

static ssize_t take(void *arg, char *bytes, size_t len)
{
    ssize_t n = read(((struct bench *)arg)->socket, bytes, len);

    return n < 0 ? -errno : n;
}

static ssize_t give(void *arg, const char *bytes, size_t len)
{
    ssize_t n = write(((struct bench *)arg)->socket, bytes, len);

    return n < 0 ? -errno : n;
}

static void connect_far(struct bench *bench)
{
    char command[4096];
    int pair[2];

    snprintf(command, sizeof(command),
             strchr(bench->far, ' ') ? "exec %s" : "exec %s far", bench->far);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        die("socketpair");
    bench->pid = fork();
    if (bench->pid == 0) {
        dup2(pair[1], 0);
        dup2(pair[1], 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    bench->socket = pair[0];
    bench->root = open("near", O_RDONLY | O_DIRECTORY);
    file_near_init(&bench->near, bench->root, &(struct file_limits){0});
    file_stream_init(&bench->stream, take, give, bench);
    if (file_near_connect(&bench->near, &bench->stream) < 0)
        die("the far end");
}

static void disconnect(struct bench *bench)
{
    close(bench->socket);
    waitpid(bench->pid, NULL, 0);
    file_stream_fini(&bench->stream);
    file_near_fini(&bench->near);
    close(bench->root);
}

static double round_ms(struct bench *bench, enum file_turn turn,
                       size_t expected)
{
    struct file_report report;
    double start = now();
    int r = file_near_round(&bench->near, turn, &report);
    double took = (now() - start) * 1e3;

    if (r < 0 || report.to_far + report.to_near != expected) {
        fprintf(stderr, "%s: %zu out, %zu in instead of %zu\n", strerror(-r),
                report.to_far, report.to_near, expected);
        exit(1);
    }
    return took;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

/* How long something took, and its CPU. */
struct cost {
    double ms[MOST_ROUNDS], cpu[MOST_ROUNDS];
};

static void fill(struct bench *bench, struct cost *cost, unsigned i)
{
    size_t folders = (bench->files + PER_FOLDER - 1) / PER_FOLDER;
    double start;

    shell("rm -rf far && mkdir far && sync");
    start = cpu();
    connect_far(bench);
    cost->ms[i] = round_ms(bench, FILE_TURN_NEAR, bench->files + folders);
    disconnect(bench);
    cost->cpu[i] = cpu() - start;
}

static void fill_by_tar(struct cost *cost, unsigned i)
{
    double start, used;

    shell("rm -rf tar && mkdir tar && sync");
    start = now();
    used = cpu();
    shell("tar -C near -cf - . | tar -C tar -xf -");
    cost->ms[i] = (now() - start) * 1e3;
    cost->cpu[i] = cpu() - used;
}

static void touch_ten(const char *root, unsigned at)
{
    unsigned seed = at;
    char path[64];

    for (unsigned i = 0; i < 10; i++) {
        snprintf(path, sizeof(path), "%s/folder%u/file%u", root, i,
                 i * PER_FOLDER);
        write_file(path, 1000 + at, &seed);
    }
}

static void show_fill(const char *unit, double tar, double files)
{
    printf("first fill: tar | tar %.0f, files %.0f %s, ratio %.2f\n", tar,
           files, unit, files / tar);
}

static void measure(struct bench *bench, unsigned rounds)
{
    static struct cost tar, files;
    double ours[MOST_ROUNDS] = {0};

    for (unsigned i = 0; i < rounds; i++) {
        fill_by_tar(&tar, i);
        fill(bench, &files, i);
    }
    show_fill("ms", median(tar.ms, rounds), median(files.ms, rounds));
    show_fill("ms of CPU", median(tar.cpu, rounds), median(files.cpu, rounds));
    connect_far(bench);
    printf("a new link, both sides full: %.0f ms\n",
           round_ms(bench, FILE_TURN_NEAR, 0));
    for (unsigned i = 0; i < rounds; i++)
        ours[i] = round_ms(bench, FILE_TURN_NEAR, 0);
    printf("nothing changed: %.1f ms\n", median(ours, rounds));
    for (unsigned i = 0; i < rounds; i++) {
        touch_ten("far", i);
        ours[i] = round_ms(bench, FILE_TURN_FAR, 10);
    }
    printf("ten files come back: %.1f ms\n", median(ours, rounds));
    disconnect(bench);
    shell("diff -r near far");
}

int main(int argc, char **argv)
{
    struct bench bench = {.far = argc > 1 ? argv[1] : NULL};
    unsigned rounds = argc > 5 ? (unsigned)atoi(argv[5]) : 5;

    if (argc < 3 || rounds > MOST_ROUNDS || chdir(argv[2]) < 0) {
        fprintf(stderr,
                "usage: bench_files FAR DIRECTORY [FILES [MIB [ROUNDS]]]\n");
        return 2;
    }
    bench.files = argc > 3 ? (unsigned)atoi(argv[3]) : 20000;
    bench.bytes = (argc > 4 ? (size_t)atoi(argv[4]) : 300) * MIB;
    make_tree(&bench);
    measure(&bench, rounds);
    return 0;
}
