#include "proxy/files_link/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/docker/companion_name.h"
#include "policy/isolation/files_name.h"
#include "proxy/base/log.h"

/* ---- between the thread and the pipe ---- */

static ssize_t thread_read(void *arg, char *bytes, size_t len)
{
    const struct tree *t = arg;
    ssize_t n;

    do {
        n = recv(t->thread_end, bytes, len, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t thread_write(void *arg, const char *bytes, size_t len)
{
    const struct tree *t = arg;
    ssize_t n;

    do {
        n = send(t->thread_end, bytes, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void go_on(struct tree *t)
{
    event_add(t->stall, &(struct timeval){TREE_STALL_S, 0});
}

/* The thread, if there is one, finds its stream broken from now on. */
static void cut(struct tree *t)
{
    t->pipe = exec_pipe_free(t->pipe);
    if (t->loop_end >= 0)
        shutdown(t->loop_end, SHUT_RDWR);
    if (t->readable)
        event_del(t->readable);
    if (t->writable)
        event_del(t->writable);
}

/* All of the way to the far end, while no thread runs. */
static void drop_way(struct tree *t)
{
    cut(t);
    if (t->loop_end < 0)
        return;
    event_free(t->readable);
    event_free(t->writable);
    t->readable = t->writable = NULL;
    close(t->loop_end);
    close(t->thread_end);
    t->loop_end = t->thread_end = -1;
    bytes_fini(&t->out);
    file_stream_fini(&t->stream);
    t->greeted = false;
}

static ssize_t on_output(struct str bytes, void *arg)
{
    struct tree *t = arg;
    ssize_t n =
        send(t->loop_end, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return -1;
    if (n < 0 || (size_t)n < bytes.len)
        event_add(t->writable, NULL);
    go_on(t);
    return n < 0 ? 0 : n;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct tree *t = arg;

    (void)fd;
    (void)what;
    exec_pipe_resume(t->pipe);
}

static void on_room(void *arg)
{
    struct tree *t = arg;
    size_t taken;

    do {
        taken = exec_pipe_write(t->pipe, bytes_str(&t->out));
        bytes_consume(&t->out, taken);
        if (taken)
            go_on(t);
    } while (taken && t->out.len > 0);
    if (t->out.len == 0)
        event_add(t->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct tree *t = arg;
    char *to = bytes_reserve(&t->out, TREE_PUMP);
    ssize_t n = recv(t->loop_end, to, TREE_PUMP, MSG_DONTWAIT);

    (void)fd;
    (void)what;
    if (n > 0) {
        bytes_commit(&t->out, (size_t)n);
        event_del(t->readable); /* until all of it has gone */
        on_room(t);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        event_del(t->readable);
    }
}

static void on_pipe_end(const char *why, void *arg)
{
    struct tree *t = arg;

    log_debug("files: %s: %s", t->source, why);
    if (t->runs)
        cut(t);
    else
        drop_way(t);
}

/* ---- a round ---- */

static void fail(struct tree *t, int status, const char *why)
{
    if (t->round.status == 200) {
        t->round.status = status;
        strbuf_addf(&t->round.why, "the copy of \"%s\" on the engine: %s",
                    t->source, why);
    }
    event_active(t->done, 0, 0);
}

static void start_thread(struct tree *t)
{
    int r;

    t->runs = true;
    r = pthread_create(&t->thread, NULL, tree_run, t);
    if (r == 0)
        return;
    t->runs = false;
    fail(t, 503, strerror(r));
}

/* The far end runs, or will: the thread can talk to it. */
static void on_exec(const char *id, void *arg)
{
    const struct exec_events events = {on_output, on_room, on_pipe_end, arg};
    struct tree *t = arg;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        fail(t, 503, strerror(errno));
        return;
    }
    t->loop_end = pair[0];
    t->thread_end = pair[1];
    t->out.max = TREE_PUMP;
    t->readable = event_new(t->config.base, t->loop_end, EV_READ | EV_PERSIST,
                            on_readable, t);
    t->writable =
        event_new(t->config.base, t->loop_end, EV_WRITE, on_writable, t);
    event_add(t->readable, NULL);
    file_stream_init(&t->stream, thread_read, thread_write, t);
    t->pipe = exec_pipe_new(t->config.turns, t->config.pool, id, &events);
    start_thread(t);
}

static void on_failure(int status, const char *why, void *arg)
{
    fail(arg, status, why);
}

static void clear_round(struct tree *t, enum file_turn turn,
                        const json_t *binds)
{
    strbuf_fini(&t->round.why);
    strbuf_fini(&t->round.notes);
    t->round = (struct tree_round){
        .turn = t->read_only ? FILE_TURN_ONE_WAY : turn,
        .binds = binds,
        .status = 200,
        .why = STRBUF(LIMIT_REASON),
        .notes = STRBUF(TREE_NOTES * LIMIT_REASON),
    };
}

static void try(struct tree *t)
{
    go_on(t);
    if (t->pipe)
        start_thread(t);
    else
        box_begin(t->box);
}

void tree_begin(struct tree *t, enum file_turn turn, const json_t *binds)
{
    clear_round(t, turn, binds);
    t->tries = 1;
    if (t->done_fd < 0)
        fail(t, 503, "too many files are open");
    else
        try(t);
}

static void log_round(const struct tree *t)
{
    const struct file_report *report = &t->round.report;
    struct str notes = strbuf_str(&t->round.notes), line;

    while (str_cut(notes, '\n', &line, &notes))
        log_warn("files: %.*s", STR_FMT(line));
    if (t->round.note_count > TREE_NOTES)
        log_warn("files: %s: %u more like these", t->source,
                 t->round.note_count - TREE_NOTES);
    log_debug("files: %s: %zu to the engine and %zu back, %zu and %zu removed",
              t->source, report->to_far, report->to_near, report->removed_far,
              report->removed_near);
}

static void count_report(struct tree *t)
{
    const struct file_report *report = &t->round.report;
    struct files_counts *counts = &t->counts;

    counts->files_out += report->to_far;
    counts->files_in += report->to_near;
    counts->removed_out += report->removed_far;
    counts->removed_in += report->removed_near;
    counts->bytes_out += report->bytes_out;
    counts->bytes_in += report->bytes_in;
    counts->lost += report->lost;
    counts->left += report->left;
}

/* The thread has ended, or none could be begun. */
static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct tree *t = arg;
    uint64_t count;

    (void)fd;
    (void)what;
    (void)!read(t->done_fd, &count, sizeof(count));
    if (t->runs)
        pthread_join(t->thread, NULL);
    t->runs = false;
    event_del(t->stall);
    log_round(t);
    count_report(t);
    if (t->round.broken || (t->loop_end >= 0 && !t->pipe))
        drop_way(t);
    if (t->round.broken && t->round.status == 503 && t->tries++ < TREE_TRIES) {
        clear_round(t, t->round.turn, t->round.binds);
        try(t);
        return;
    }
    t->counts.rounds++;
    t->counts.failed += t->round.status != 200;
    t->on_done(t, t->arg);
}

/* ---- its container ---- */

static bool is_needed(void *arg)
{
    (void)arg;
    return true;
}

/* Another container may well have another volume, which is empty. */
static void on_identity(struct str id, void *arg)
{
    struct tree *t = arg;

    if (t->box_id && !str_eq(str_from(t->box_id), id)) {
        log_warn("files: the copy of \"%s\" on the engine is another one now; "
                 "all of it is compared",
                 t->source);
        file_near_forget(&t->near);
    }
    free(t->box_id);
    t->box_id = xstr_dup(id);
}

/* It changes files of any owner, and asks whether somebody writes to them. */
static void fill(json_t *body, json_t *host, void *arg)
{
    const struct tree *t = arg;
    size_t bytes = 128 * MIB + t->config.limits.entries * KIB;
    json_int_t memory = (json_int_t)bytes;

    json_object_set_new(body, "Cmd",
                        json_pack("[s, s]", "/" COMPANION_PROGRAM, "idle"));
    json_object_set_new(host, "CapAdd",
                        json_pack("[s, s, s, s, s]", "CHOWN", "DAC_OVERRIDE",
                                  "FOWNER", "FSETID", "LEASE"));
    json_object_set_new(host, "Memory", json_integer(memory));
    json_object_set_new(host, "MemorySwap", json_integer(memory));
}

/* The volume's own directory is what this one is. */
static json_t *command(void *arg)
{
    const struct tree *t = arg;
    struct stat st = {.st_mode = 0755};
    AUTO(file_close) int root = tree_open(t);

    if (root >= 0)
        (void)fstat(root, &st);
    return json_pack(
        "[s, s, s, o, o, o, o, o]", "/" COMPANION_PROGRAM, "files",
        FILES_VOLUME, json_sprintf("%04o", st.st_mode & 07777),
        json_sprintf("%u", st.st_uid), json_sprintf("%u", st.st_gid),
        json_sprintf("%zu", t->config.limits.entries),
        json_sprintf("%llu", (unsigned long long)t->config.limits.bytes));
}

static struct box *new_box(struct tree *t)
{
    AUTO(strbuf_fini) struct strbuf name = STRBUF(LIMIT_NAME + 64);
    struct box_config config = {
        .base = t->config.base,
        .pool = t->config.pool,
        .ns = str_from(t->ns),
        .target = FILES_VOLUME,
        .fill = fill,
        .command = command,
        .is_needed = is_needed,
        .on_identity = on_identity,
        .on_exec = on_exec,
        .on_failure = on_failure,
        .arg = t,
    };

    files_put_name(&name, str_from(t->ns), str_from(t->source));
    config.name = strbuf_str(&name);
    return box_new(&config);
}

static void on_stall(evutil_socket_t fd, short what, void *arg)
{
    struct tree *t = arg;

    (void)fd;
    (void)what;
    t->tries = TREE_TRIES;
    if (t->runs) {
        cut(t);
        return;
    }
    t->box = box_free(t->box); /* whatever it is at */
    t->box = new_box(t);
    fail(t, 503, "it takes too long");
}

/* ---- the whole of it ---- */

void tree_count(const struct tree *t, struct files_counts *to)
{
    to->directories += json_object_size(t->kept) > 0;
    to->files_out += t->counts.files_out;
    to->files_in += t->counts.files_in;
    to->removed_out += t->counts.removed_out;
    to->removed_in += t->counts.removed_in;
    to->bytes_out += t->counts.bytes_out;
    to->bytes_in += t->counts.bytes_in;
    to->rounds += t->counts.rounds;
    to->failed += t->counts.failed;
    to->lost += t->counts.lost;
    to->left += t->counts.left;
}

int tree_open(const struct tree *t)
{
    return file_open_root(t->real);
}

struct tree *tree_new(const struct files_config *config, const char *source,
                      bool read_only,
                      void (*told)(struct tree *tree, void *arg), void *arg)
{
    struct tree *t = xcalloc(1, sizeof(*t));

    t->config = *config;
    t->ns = xstr_dup(config->ns);
    t->source = xstrdup(source);
    t->real = realpath(source, NULL);
    if (!t->real)
        t->real = xstrdup(source); /* it is not there yet: by no link at all */
    t->saved = tree_saved_path(config->state, source);
    t->read_only = read_only;
    t->on_done = told;
    t->arg = arg;
    t->kept = json_object();
    t->loop_end = t->thread_end = -1;
    file_near_init(&t->near, -1, &config->limits);
    t->near.limits.stop = &t->stop;
    t->box = new_box(t);
    t->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->done = event_new(config->base, t->done_fd,
                        t->done_fd < 0 ? 0 : EV_READ | EV_PERSIST, on_done, t);
    if (t->done_fd >= 0)
        event_add(t->done, NULL);
    t->stall = event_new(config->base, -1, 0, on_stall, t);
    return t;
}

void tree_free(struct tree *t)
{
    cut(t);
    __atomic_store_n(&t->stop, true, __ATOMIC_SEQ_CST);
    if (t->runs)
        pthread_join(t->thread, NULL);
    drop_way(t);
    box_free(t->box);
    event_free(t->done);
    event_free(t->stall);
    if (t->done_fd >= 0)
        close(t->done_fd);
    file_near_fini(&t->near);
    strbuf_fini(&t->round.why);
    strbuf_fini(&t->round.notes);
    json_decref(t->kept);
    free(t->box_id);
    free(t->saved);
    free(t->source);
    free(t->real);
    free(t->ns);
    free(t);
}
