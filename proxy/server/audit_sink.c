#include "proxy/server/audit_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/base/log.h"
#include "proxy/server/chained_file.h"
#include "proxy/server/syslog_socket.h"
#include "proxy/server/write_on.h"

/* How long the end waits for a reader that does not read. */
#define LAST_RECORDS_MS 500

/* How often a file may be rotated while one line is written. */
#define ROTATIONS_MAX 4

struct audit_sink {
    struct event_base *base;    /* or NULL */
    const char *name;           /* for messages */
    char *path;                 /* of a file, or NULL */
    int fd;                     /* of a file, or of syslog's socket, or -1 */
    struct line_writer *writer; /* of what may stall, or NULL */
    struct chained_file *chain; /* its lines hold each other; or NULL */
    bool syslog;
    bool faulty;   /* the last write failed */
    bool torn;     /* a line was cut: the next begins with a newline */
    bool low;      /* the file system is nearly full */
    time_t looked; /* when that was last looked at */
};

/* Standard output is one queue, whoever writes to it: its lines stay whole. */
static struct line_writer *stdout_writer;

static struct line_writer *standard_output(struct event_base *base)
{
    if (!stdout_writer)
        stdout_writer =
            line_writer_new(STDOUT_FILENO, LINE_STREAM, LIMIT_AUDIT_QUEUE);
    if (base)
        write_on(base, stdout_writer);
    return stdout_writer;
}

void audit_sink_end(void)
{
    if (!stdout_writer)
        return;
    write_on_end(stdout_writer);
    line_writer_drain(stdout_writer, LAST_RECORDS_MS);
}

/* O_NONBLOCK: a named pipe without a reader is an error, and no wait. One that
 * is CHAINED is read, too: its last line may be another process's. */
static int open_file(const char *path, bool chained)
{
    int fd = open(path,
                  (chained ? O_RDWR : O_WRONLY) | O_APPEND | O_CREAT |
                      O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                  0600);

    return fd < 0 ? -errno : fd;
}

static void use_writer(struct audit_sink *sink, enum line_framing framing)
{
    sink->writer = line_writer_new(sink->fd, framing, LIMIT_AUDIT_QUEUE);
    if (sink->base)
        write_on(sink->base, sink->writer);
}

static void use_file(struct audit_sink *sink, int fd)
{
    struct stat st;

    if (sink->fd >= 0)
        close(sink->fd);
    sink->fd = fd;
    sink->torn = false;
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
        use_writer(sink, LINE_STREAM);
}

static int reopen(struct audit_sink *sink)
{
    int fd = open_file(sink->path, sink->chain != NULL);

    if (fd < 0) {
        log_error(
            "the audit file %s cannot be opened anew, the old one goes on: %s",
            sink->path, strerror(-fd));
        return fd;
    }
    sink->writer = line_writer_free(sink->writer);
    use_file(sink, fd);
    return 0;
}

static int connect_syslog(struct audit_sink *sink)
{
    int fd = syslog_connect(SYSLOG_PLACE);

    if (fd < 0)
        return fd;
    sink->writer = line_writer_free(sink->writer);
    if (sink->fd >= 0)
        close(sink->fd);
    sink->fd = fd;
    use_writer(sink, LINE_DATAGRAM);
    return 0;
}

int audit_sink_new(struct event_base *base, const struct audit_policy *policy,
                   struct audit_sink **out)
{
    const char *to = policy->to;
    struct audit_sink *sink = xcalloc(1, sizeof(*sink));
    int fd;

    sink->base = base;
    sink->fd = -1;
    sink->name = "stdout";
    if (to && !strcmp(to, "stdout")) {
        sink->writer = standard_output(base);
    } else if (to && !strcmp(to, "syslog")) {
        sink->syslog = true;
        sink->name = "syslog";
        (void)connect_syslog(sink); /* each record tries again */
    } else if (to) {
        fd = open_file(to, policy->chain);
        if (fd < 0) {
            free(sink);
            return fd;
        }
        sink->path = xstrdup(to);
        sink->name = sink->path;
        use_file(sink, fd);
        if (policy->chain)
            sink->chain = chained_file_new(to);
    }
    *out = sink;
    return 0;
}

struct audit_sink *audit_sink_free(struct audit_sink *sink)
{
    if (!sink)
        return NULL;
    if (sink->path || sink->syslog)
        line_writer_free(sink->writer);
    if (sink->fd >= 0)
        close(sink->fd);
    chained_file_free(sink->chain);
    free(sink->path);
    free(sink);
    return NULL;
}

static int write_whole(struct audit_sink *sink, struct str line)
{
    while (line.len) {
        ssize_t done = write(sink->fd, line.ptr, line.len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        if ((size_t)done < line.len)
            sink->torn = true;
        line = str_from_index(line, (size_t)done);
    }
    sink->torn = false;
    return 0;
}

static int write_file(struct audit_sink *sink, struct str line)
{
    int r = sink->torn ? write_whole(sink, S("\n")) : 0;

    return r < 0 ? r : write_whole(sink, line);
}

/* Nobody has to wait for SIGHUP after a rotation, which not every berth gets.
 */
static int write_chained(struct audit_sink *sink, struct str line)
{
    int r = -ESTALE;

    for (int i = 0; r == -ESTALE && i < ROTATIONS_MAX; i++) {
        bool anyway = i > 0 && reopen(sink) < 0;

        r = chained_file_write(sink->chain, sink->fd, line, anyway);
    }
    return r;
}

/* Over the daemon's socket, which is another one after each of its restarts. */
static int write_syslog(struct audit_sink *sink, struct str line)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_AUDIT_LINE + KIB);
    int r = syslog_put(&text, time(NULL), line);

    if (r == 0)
        r = sink->writer ? line_writer_add(sink->writer, strbuf_str(&text))
                         : -ENOTCONN;
    if (r == 0 || r == -ENOBUFS || r == -EMSGSIZE)
        return r;
    r = connect_syslog(sink);
    return r < 0 ? r : line_writer_add(sink->writer, strbuf_str(&text));
}

static const char *reason(int error)
{
    return error == -ENOBUFS ? "its reader does not take them"
                             : strerror(-error);
}

int audit_sink_write(struct audit_sink *sink, struct str line)
{
    int r = 0;

    if (sink->syslog)
        r = write_syslog(sink, line);
    else if (sink->chain)
        r = write_chained(sink, line);
    else if (sink->writer)
        r = line_writer_add(sink->writer, line);
    else if (sink->fd >= 0)
        r = write_file(sink, line);
    if (r < 0 && !sink->faulty)
        log_error("audit records for %s are lost: %s", sink->name, reason(r));
    else if (r == 0 && sink->faulty)
        log_info("audit records go to %s again", sink->name);
    sink->faulty = r < 0;
    return r;
}

/* Less than that is little; above half as much again, it no longer is. */
static uint64_t little(uint64_t size)
{
    uint64_t part = size / 20;

    return part < AUDIT_SPACE_LOW ? part : AUDIT_SPACE_LOW;
}

static void look_at_space(struct audit_sink *sink)
{
    struct statvfs fs;
    uint64_t left, low;

    if (fstatvfs(sink->fd, &fs) < 0)
        return;
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    low = little((uint64_t)fs.f_blocks * fs.f_frsize);
    if (!sink->low && left < low) {
        sink->low = true;
        log_warn("the file system of the audit file %s has only %llu MiB "
                 "left: records of refused requests and of reads are summed "
                 "up from now on; make room before it is full, for with "
                 "audit.required no change is made without a record",
                 sink->path, (unsigned long long)(left / MIB));
    } else if (sink->low && left > low + low / 2) {
        sink->low = false;
        log_info("the file system of the audit file %s has room again",
                 sink->path);
    }
}

bool audit_sink_is_low(struct audit_sink *sink)
{
    time_t now = time(NULL);

    if (sink->path && !sink->writer && now != sink->looked) {
        sink->looked = now;
        look_at_space(sink);
    }
    return sink->low;
}

void audit_sink_reopen(struct audit_sink *sink)
{
    if (sink->path)
        reopen(sink);
}
