#include "proxy/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define LINE_MAX_LEN 4096

static enum log_level most = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    most = level;
}

/* MSG as the inside of a logfmt string. */
static void add_escaped(struct strbuf *line, const char *msg)
{
    for (; *msg; msg++) {
        unsigned char c = (unsigned char)*msg;

        if (c == '"' || c == '\\')
            strbuf_addf(line, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            strbuf_addf(line, "\\x%02x", c);
        else
            strbuf_add_char(line, (char)c);
    }
}

__attribute__((format(printf, 2, 0))) static void
log_at(enum log_level level, const char *format, va_list args)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    AUTO(strbuf_fini) struct strbuf line = STRBUF(5 * LINE_MAX_LEN);
    char msg[LINE_MAX_LEN], date[32];
    struct timespec now;
    struct tm tm;

    if (level > most)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    vsnprintf(msg, sizeof(msg), format, args);
    strbuf_addf(&line, "time=%s.%03ldZ level=%s msg=\"", date,
                now.tv_nsec / 1000000, names[level]);
    add_escaped(&line, msg);
    strbuf_add(&line, S("\"\n"));
    fwrite(line.ptr, 1, line.len, stderr);
}

#define DEFINE_LOG(name, level)                                                \
    void name(const char *format, ...)                                         \
    {                                                                          \
        va_list args;                                                          \
                                                                               \
        va_start(args, format);                                                \
        log_at(level, format, args);                                           \
        va_end(args);                                                          \
    }

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

void log_warn_lines(const char *what, struct str text)
{
    struct str line;

    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (line.len)
            log_warn("%s: %.*s", what, STR_FMT(line));
    }
}
