#include "proxy/server/runtime.h"

#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/base/log.h"
#include "proxy/server/audit_sink.h"
#include "proxy/server/write_on.h"

enum {
    LAST_WORDS_MS = 500, /* for a reader of the log that does not read */
};

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
    audit_sink_end();
    log_set_output(NULL, NULL);
    line_writer_drain(runtime->log, LAST_WORDS_MS);
    line_writer_free(runtime->log);
    event_base_free(runtime->base);
}
