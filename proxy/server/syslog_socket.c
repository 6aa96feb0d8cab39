#include "proxy/server/syslog_socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

int syslog_connect(const char *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    if (strlen(place) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, place, strlen(place) + 1);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno
                                                                      : 0;
    if (r == 0)
        return fd;
    close(fd);
    return r;
}

int syslog_put(struct strbuf *out, int64_t seconds, struct str line)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)seconds;
    struct tm tm;

    localtime_r(&now, &tm);
    return strbuf_addf(out, "<%d>%s %2d %02d:%02d:%02d berth[%d]: %.*s",
                       LOG_AUTHPRIV | LOG_INFO, months[tm.tm_mon], tm.tm_mday,
                       tm.tm_hour, tm.tm_min, tm.tm_sec, (int)getpid(),
                       STR_FMT(line));
}
