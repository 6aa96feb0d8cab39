#include "proxy/server/audit_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "proxy/base/log.h"

struct audit_sink {
    char *path; /* of a file, or NULL */
    int fd;     /* of a file or standard output, or -1 */
    bool syslog;
    bool faulty; /* the last write failed */
    bool torn;   /* a line was cut: the next begins with a newline */
};

static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                  0600);

    return fd < 0 ? -errno : fd;
}

int audit_sink_new(const char *to, struct audit_sink **out)
{
    struct audit_sink *sink = xcalloc(1, sizeof(*sink));

    sink->fd = -1;
    if (to && !strcmp(to, "stdout")) {
        sink->fd = STDOUT_FILENO;
    } else if (to && !strcmp(to, "syslog")) {
        sink->syslog = true;
        openlog("berth", LOG_PID, LOG_AUTHPRIV);
    } else if (to) {
        sink->path = xstrdup(to);
        sink->fd = open_file(to);
        if (sink->fd < 0) {
            int r = sink->fd;

            audit_sink_free(sink);
            return r;
        }
    }
    *out = sink;
    return 0;
}

struct audit_sink *audit_sink_free(struct audit_sink *sink)
{
    if (!sink)
        return NULL;
    if (sink->path && sink->fd >= 0)
        close(sink->fd);
    if (sink->syslog)
        closelog();
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

int audit_sink_write(struct audit_sink *sink, struct str line)
{
    int r = 0;

    if (sink->syslog) {
        syslog(LOG_INFO, "%.*s", (int)line.len - 1, line.ptr);
        return 0;
    }
    if (sink->fd < 0)
        return 0;
    if (sink->torn)
        r = write_whole(sink, S("\n"));
    if (r == 0)
        r = write_whole(sink, line);
    if (r < 0 && !sink->faulty)
        log_error("audit records for %s are lost: %s",
                  sink->path ? sink->path : "stdout", strerror(-r));
    else if (r == 0 && sink->faulty)
        log_info("audit records go to %s again",
                 sink->path ? sink->path : "stdout");
    sink->faulty = r < 0;
    return r;
}

void audit_sink_reopen(struct audit_sink *sink)
{
    int fd;

    if (!sink->path)
        return;
    fd = open_file(sink->path);
    if (fd < 0) {
        log_error(
            "the audit file %s cannot be opened anew, the old one goes on: %s",
            sink->path, strerror(-fd));
        return;
    }
    close(sink->fd);
    sink->fd = fd;
    sink->torn = false;
}
