#include "proxy/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define LINE_MAX_LEN 4096

static enum log_level most = LOG_LEVEL_INFO;
static unsigned long lost; /* lines for which there was no room */

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

static int put_stderr(struct str line, void *arg)
{
    (void)arg;
    fwrite(line.ptr, 1, line.len, stderr);
    return 0;
}

static log_output output = put_stderr;
static void *output_arg;

void log_set_output(log_output put, void *arg)
{
    output = put ? put : put_stderr;
    output_arg = arg;
}

/* LINE, behind a word about those that were lost before it. */
static void log_write(const char *date, struct str line)
{
    AUTO(strbuf_fini) struct strbuf both = STRBUF(6 * LINE_MAX_LEN);

    if (lost)
        strbuf_addf(&both,
                    "time=%s level=warn msg=\"%lu lines of this log are lost: "
                    "its reader did not take them\"\n",
                    date, lost);
    strbuf_add(&both, line);
    if (output(strbuf_str(&both), output_arg) == -ENOBUFS)
        lost++;
    else
        lost = 0;
}

__attribute__((format(printf, 2, 0))) static void
log_at(enum log_level level, const char *format, va_list args)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    AUTO(strbuf_fini) struct strbuf line = STRBUF(5 * LINE_MAX_LEN);
    char msg[LINE_MAX_LEN], seconds[32], date[48];
    struct timespec now;
    struct tm tm;

    if (level > most)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(date, sizeof(date), "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
    vsnprintf(msg, sizeof(msg), format, args);
    strbuf_addf(&line, "time=%s level=%s msg=\"", date, names[level]);
    add_escaped(&line, msg);
    strbuf_add(&line, S("\"\n"));
    log_write(date, strbuf_str(&line));
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
