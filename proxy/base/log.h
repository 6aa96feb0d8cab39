#pragma once

/*
 * The operator's log: one logfmt line an event, to stderr. Never bodies,
 * environments or credentials; text of a peer is escaped.
 */

#include "policy/base/str.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

/* Lines of a lower importance than LEVEL are dropped. At first: info. */
void log_set_level(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A warning for each line of TEXT, with WHAT in front. */
void log_warn_lines(const char *what, struct str text);
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Lines go to PUT instead of stderr (NULL: to stderr again), which returns 0,
 * or -ENOBUFS when there is no room for LINE: such lines are counted, and the
 * next that finds room says how many they were.
 */
typedef int (*log_output)(struct str line, void *arg);
void log_set_output(log_output put, void *arg);
