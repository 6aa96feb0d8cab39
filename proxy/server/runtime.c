#include "proxy/server/runtime.h"

#include <malloc.h>
#include <unistd.h>

#include "policy/base/json_pool.h"
#include "policy/base/limits.h"
#include "proxy/base/log.h"
#include "proxy/server/audit_sink.h"
#include "proxy/server/write_on.h"

enum {
    LAST_WORDS_MS = 500, /* for a reader of the log that does not read */
    TRIM_S = 30,
};

/* So much that is free may stay: giving it back and taking it again costs. */
#define TRIM_FROM (4 * MIB)

/*
 * glibc gives back what is free at the end of its heap alone. What lies between
 * pieces that live long would stay berth's for good.
 */
static void on_trim(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
#ifdef __GLIBC__
    if (mallinfo2().fordblks + json_pool_kept() > TRIM_FROM) {
        json_pool_trim();
        malloc_trim(TRIM_FROM / 4);
    }
#endif
}

static int put_log(struct str line, void *arg)
{
    return line_writer_add(arg, line);
}

void runtime_init(struct runtime *runtime)
{
    *runtime = (struct runtime){.base = event_base_new()};
    runtime->backends = (struct backends){.base = runtime->base};
    runtime->claims = (struct claims){.base = runtime->base};
    memory_init(&runtime->memory);
    turns_init(&runtime->turns, runtime->base);
    runtime->log = line_writer_new(STDERR_FILENO, LINE_STREAM, LIMIT_LOG_QUEUE);
    write_on(runtime->base, runtime->log);
    runtime->trim = event_new(runtime->base, -1, EV_PERSIST, on_trim, runtime);
    event_add(runtime->trim, &(struct timeval){TRIM_S, 0});
    log_set_output(put_log, runtime->log);
}

void runtime_settle(struct runtime *runtime)
{
    event_base_loop(runtime->base, EVLOOP_NONBLOCK);
}

void runtime_fini(struct runtime *runtime)
{
    runtime_settle(runtime);
    turns_fini(&runtime->turns);
    event_free(runtime->trim);
    audit_sink_end();
    log_set_output(NULL, NULL);
    line_writer_drain(runtime->log, LAST_WORDS_MS);
    line_writer_free(runtime->log);
    event_base_free(runtime->base);
}
