#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/docker/companion_name.h"
#include "proxy/companion/wire.h"
#include "proxy/files/file_far.h"
#include "proxy/files_link/files_link.h"
#include "tests/unit/fake_upstream.h"
#include "tests/unit/listener_place.h"

/*
 * A directory and its volume, which is another directory here: the far end runs
 * in a thread of the test, which plays the engine between the two.
 */

#define ID "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"

static struct event_base *base;
static struct fake_upstream fake;
static struct listener_place place;
static struct pool *pool;
static struct files *files;
static char here[64], there[64]; /* the runner's directory, and the volume */
static char kept[64];            /* for what outlives berth */
static const char *listed;       /* the label of the one container; or NULL */
static const char *box;          /* the ID of the container of the volume */
static uint64_t most_bytes;      /* of content */

/* ---- the far end ---- */

struct far {
    int fd; /* its own end, then ours */
    int ours;
    size_t at; /* the stream that it is behind */
    pthread_t thread;
    bool runs;
    size_t left; /* bytes that it may still send; then it is cut */
    bool stop;
};
static struct far far;

static ssize_t far_read(void *arg, char *bytes, size_t len)
{
    const struct far *f = arg;

    return recv(f->fd, bytes, len, 0);
}

static ssize_t far_write(void *arg, const char *bytes, size_t len)
{
    const struct far *f = arg;
    ssize_t n = send(f->fd, bytes, len, MSG_NOSIGNAL);

    return n < 0 ? -errno : n;
}

static void *far_run(void *arg)
{
    const struct file_limits limits = {.stop = &far.stop};
    struct file_stream stream;
    int root = open(there, O_RDONLY | O_DIRECTORY);

    file_stream_init(&stream, far_read, far_write, arg);
    file_far_serve(root, &limits, &stream);
    file_stream_fini(&stream);
    close(root);
    shutdown(far.fd, SHUT_RDWR);
    return NULL;
}

static void end_far(void)
{
    if (!far.runs)
        return;
    __atomic_store_n(&far.stop, true, __ATOMIC_SEQ_CST);
    shutdown(far.ours, SHUT_RDWR);
    pthread_join(far.thread, NULL);
    close(far.ours);
    close(far.fd);
    far.runs = false;
}

static void begin_far(size_t at)
{
    int pair[2];

    end_far();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    far.fd = pair[0];
    far.ours = pair[1];
    far.at = at;
    far.runs = true;
    far.stop = false;
    assert_int_equal(pthread_create(&far.thread, NULL, far_run, &far), 0);
}

/* ---- the engine ---- */

static void feed_bytes(size_t at, const char *bytes, size_t len)
{
    struct fake_stream *stream = &fake.streams[at];

    assert_int_equal(strbuf_add(&stream->in, str_of(bytes, len)), 0);
    fake_feed(&fake, at, "");
}

/* What the far end has to say, as a piece of standard output. */
static void feed_far(void)
{
    unsigned char head[8] = {1};
    char bytes[32 * 1024];
    ssize_t n = recv(far.ours, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n <= 0)
        return;
    if (far.left && (size_t)n >= far.left) {
        far.left = 0;
        end_far();
        fake_fail(&fake, far.at, "the link was lost");
        return;
    }
    far.left -= far.left ? (size_t)n : 0;
    wire_put(head + 4, 4, (uint32_t)n);
    feed_bytes(far.at, (const char *)head, sizeof(head));
    feed_bytes(far.at, bytes, (size_t)n);
}

static void reply(size_t at, int status, const char *body)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(64 * KIB);

    strbuf_clear(&fake.streams[at].out);
    strbuf_addf(&text,
                "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                "Content-Length: %zu\r\n\r\n%s",
                status, strlen(body), body);
    fake_feed(&fake, at, strbuf_cstr(&text));
}

static void reply_list(size_t at)
{
    json_auto_t *list = json_array();
    char *body;

    if (listed)
        json_array_append_new(list, json_pack("{s:s, s:[s], s:{s:s, s:s}}",
                                              "Id", ID, "Names", "/r1.job",
                                              "Labels", "berth.namespace", "r1",
                                              LABEL_FILES, listed));
    body = json_dumps(list, JSON_COMPACT);
    reply(at, 200, body);
    free(body);
}

/* Answer what stream AT was asked. */
static void serve(size_t at)
{
    struct fake_stream *stream = &fake.streams[at];
    struct str out = strbuf_str(&stream->out);
    char body[256];

    if (out.len == 0 || stream->closed)
        return;
    if (far.runs && far.at == at) {
        assert_int_equal(send(far.ours, out.ptr, out.len, MSG_NOSIGNAL),
                         out.len);
        strbuf_clear(&stream->out);
    } else if (memmem(out.ptr, out.len, "/start HTTP", 11) &&
               str_has_prefix(out, S("POST /exec/"))) {
        strbuf_clear(&stream->out);
        begin_far(at);
        fake_feed(&fake, at,
                  "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n"
                  "Upgrade: tcp\r\n\r\n");
    } else if (str_has_prefix(out, S("GET /containers/json"))) {
        reply_list(at);
    } else if (str_has_prefix(out, S("GET /containers/berth_files.r1."))) {
        snprintf(body, sizeof(body),
                 "{\"Id\":\"%s\","
                 "\"Config\":{\"Labels\":{\"berth.companion\":\"r1\"}},"
                 "\"State\":{\"Running\":true}}",
                 box);
        reply(at, 200, body);
    } else if (str_has_prefix(out, S("POST /containers/berth_files.r1."))) {
        reply(at, 201, "{\"Id\":\"" ID "\"}");
    }
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
    for (size_t at = 0; at < fake.count; at++) {
        if (fake.streams[at].stream.state == STREAM_OPENING)
            fake_open(&fake, at);
        serve(at);
    }
    if (far.runs)
        feed_far();
}

/* ---- who asks ---- */

struct asker {
    struct files_ask *ask;
    int status;
    json_t *reply;
};

static void on_reply(int status, json_t *answer, void *arg)
{
    struct asker *asker = arg;

    asker->ask = NULL;
    asker->status = status;
    asker->reply = answer;
}

static void ask(struct asker *asker, const char *way, const char *path)
{
    json_auto_t *what = json_pack("{s:s}", "turn", way);

    if (path)
        json_object_set_new(what, "binds",
                            json_pack("[{s:s, s:s, s:b, s:s}]", "root", here,
                                      "path", path, "make", 0, "here", path));
    *asker = (struct asker){0};
    asker->ask = files_ask(files, what, on_reply, asker);
}

static void expect_status(struct asker *asker, int status)
{
    for (unsigned i = 0; i < 3000 && !asker->status; i++) {
        turn();
        poll(NULL, 0, i > 100);
    }
    if (asker->status != status)
        fail_msg("%d: %s", asker->status,
                 json_string_value(json_object_get(asker->reply, "message")));
}

static void expect_words(struct asker *asker, const char *words)
{
    const char *said =
        json_string_value(json_object_get(asker->reply, "message"));

    if (!said || !strstr(said, words))
        fail_msg("%s", said);
    json_decref(asker->reply);
}

static void bring(const char *way, const char *path)
{
    struct asker asker;

    ask(&asker, way, path);
    expect_status(&asker, 200);
    json_decref(asker.reply);
}

/* ---- files ---- */

static void put(const char *root, const char *name, const char *content)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void drop(const char *root, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(unlink(path), 0);
}

static void make(const char *root, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void expect_file(const char *root, const char *name, const char *content)
{
    char path[256], text[256] = "";
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    file = fopen(path, "r");
    if (!content) {
        assert_null(file);
        return;
    }
    if (!file)
        fail_msg("%s is not there", path);
    assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, content);
}

static void begin_files(const char *mode, size_t entries)
{
    struct mount_rule rules[2] = {
        {.source = (char *)(uintptr_t) "/host", .by = MOUNT_BY_HOST     },
        { .source = here,
         .by = MOUNT_BY_COPY,
         .mode = strcmp(mode, "rw") ? MOUNT_READ_ONLY : MOUNT_READ_WRITE},
    };
    const struct objects mounts = {.items = rules, .count = 2};
    struct files_config config = {
        .base = base,
        .turns = &place.group,
        .pool = pool,
        .ns = S("r1"),
        .mounts = &mounts,
        .limits = {.entries = entries, .bytes = most_bytes},
        .state = kept,
    };

    files_free(files);
    files = files_new(&config);
    assert_true(files_is_as(files, &config));
    config.limits.bytes--;
    assert_false(files_is_as(files, &config));
}

static int setup(void **state)
{
    (void)state;
    strcpy(here, "/tmp/files-here.XXXXXX");
    strcpy(there, "/tmp/files-there.XXXXXX");
    assert_non_null(mkdtemp(here));
    assert_non_null(mkdtemp(there));
    strcpy(kept, "/tmp/files-kept.XXXXXX");
    assert_non_null(mkdtemp(kept));
    make(here, "repo");
    listed = NULL;
    box = ID;
    far = (struct far){.fd = -1};
    most_bytes = MIB;
    base = event_base_new();
    listener_place_init(&place, base);
    fake_upstream_init(&fake);
    pool = pool_new(base, &fake.upstream);
    files = NULL;
    begin_files("rw", 100);
    return 0;
}

static int teardown(void **state)
{
    char command[256];

    (void)state;
    files = files_free(files);
    end_far();
    run_loop(base);
    pool_free(pool);
    listener_place_fini(&place);
    fake_upstream_fini(&fake);
    event_base_free(base);
    snprintf(command, sizeof(command), "rm -rf %s %s %s", here, there, kept);
    return system(command);
}

/* ---- */

static void both_sides_are_brought_into_step(void **state)
{
    (void)state;
    put(here, "repo/a", "ours");
    put(here, "beside", "not mounted");
    bring("in", "repo");
    expect_file(there, "repo/a", "ours");
    expect_file(there, "beside", NULL);
    put(there, "repo/out", "theirs");
    bring("out", NULL);
    expect_file(here, "repo/out", "theirs");
}

static void what_is_done_is_counted(void **state)
{
    struct files_counts counts;

    (void)state;
    put(here, "repo/a", "1234");
    put(here, "repo/b", "12");
    bring("in", "repo");
    counts = files_count(files);
    assert_int_equal(counts.directories, 1);
    assert_int_equal(counts.files_out, 3); /* with the directory itself */
    assert_int_equal(counts.bytes_out, 6);
    assert_int_equal(counts.files_in, 0);
    assert_int_equal(counts.rounds, 1);
    put(there, "repo/out", "theirs");
    put(there, "repo/a", "theirs, too");
    put(here, "repo/a", "ours");
    drop(there, "repo/b");
    bring("out", NULL);
    counts = files_count(files);
    assert_int_equal(counts.files_in, 2);
    assert_int_equal(counts.bytes_in, 6 + 11);
    assert_int_equal(counts.removed_in, 1);
    assert_int_equal(counts.removed_out, 0);
    assert_int_equal(counts.lost, 1);
    assert_int_equal(counts.rounds, 2);
    assert_int_equal(counts.failed, 0);
}

/* All of it a hole: to hash it would take longer than any test may. */
static void put_huge(const char *root, const char *name)
{
    char path[256];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)(LIMIT_FILES_BYTES / 2)), 0);
    close(fd);
}

/* Has this process the file NAME of ROOT open? */
static bool is_open(const char *root, const char *name)
{
    char path[256], link[64], to[256];
    bool found = false;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    for (int fd = 0; fd < 256 && !found; fd++) {
        ssize_t len;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        len = readlink(link, to, sizeof(to));
        found = len > 0 && str_eq(str_of(to, (size_t)len), str_from(path));
    }
    return found;
}

static void who_is_given_up_stops_to_read(void **state)
{
    struct asker asker;

    (void)state;
    most_bytes = LIMIT_FILES_BYTES;
    begin_files("rw", 100);
    make(there, "repo");
    put_huge(here, "repo/huge");
    put_huge(there, "repo/huge");
    ask(&asker, "in", "repo");
    while (!is_open(here, "repo/huge"))
        turn();
    files = files_free(files);
    run_loop(base);
    assert_int_equal(asker.status, 503);
    json_decref(asker.reply);
}

/* Whoever may rename what is above the directory leads to no other. */
static void a_link_that_was_not_there_is_not_followed(void **state)
{
    struct asker asker;
    char aside[80];

    (void)state;
    put(here, "repo/a", "ours");
    bring("in", "repo");
    snprintf(aside, sizeof(aside), "%s.aside", here);
    assert_int_equal(rename(here, aside), 0);
    assert_int_equal(symlink(aside, here), 0);
    put(aside, "repo/a", "another's");
    ask(&asker, "in", NULL);
    expect_status(&asker, 503);
    expect_words(&asker, "a symbolic link leads there");
    expect_file(there, "repo/a", "ours");
    assert_int_equal(unlink(here), 0);
    assert_int_equal(rename(aside, here), 0);
    bring("in", NULL);
    expect_file(there, "repo/a", "another's");
}

static void a_link_that_was_there_is_followed(void **state)
{
    char real[80];

    (void)state;
    put(here, "repo/a", "ours");
    snprintf(real, sizeof(real), "%s.real", here);
    assert_int_equal(rename(here, real), 0);
    assert_int_equal(symlink(real, here), 0);
    begin_files("rw", 100);
    bring("in", "repo");
    expect_file(there, "repo/a", "ours");
    assert_int_equal(unlink(here), 0);
    assert_int_equal(rename(real, here), 0);
}

static void nobody_who_mounts_nothing_waits(void **state)
{
    (void)state;
    bring("in", NULL);
    bring("out", NULL);
    assert_false(far.runs);
}

static void those_of_one_turn_are_served_together(void **state)
{
    struct asker askers[4];

    (void)state;
    bring("in", "repo");
    ask(&askers[0], "in", NULL);
    ask(&askers[1], "in", NULL);
    ask(&askers[2], "out", NULL);
    ask(&askers[3], "in", NULL);
    askers[1].ask = files_ask_cancel(askers[1].ask);
    expect_status(&askers[0], 200);
    assert_int_equal(askers[2].status, 0);
    expect_status(&askers[3], 200);
    assert_int_equal(askers[2].status, 200);
    assert_int_equal(askers[1].status, 0);
    for (size_t i = 0; i < 4; i++)
        json_decref(askers[i].reply);
}

static void what_is_not_there_is_told(void **state)
{
    struct asker asker;
    char path[128];

    (void)state;
    ask(&asker, "in", "none");
    expect_status(&asker, 400);
    expect_words(&asker, "bind source path does not exist: none");
    snprintf(path, sizeof(path), "%s/link", here);
    assert_int_equal(symlink("/etc", path), 0);
    ask(&asker, "in", "link/ssl");
    expect_status(&asker, 400);
    expect_words(&asker, "symbolic link");
    ask(&asker, "in", "../etc");
    expect_status(&asker, 400);
    json_decref(asker.reply);
}

static void more_than_may_be_is_refused_and_forgotten(void **state)
{
    struct asker asker;
    char name[32];

    (void)state;
    begin_files("rw", 10);
    make(here, "many");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "many/%d", i);
        put(here, name, "x");
    }
    ask(&asker, "in", "many");
    expect_status(&asker, 403);
    assert_string_equal(json_string_value(json_object_get(asker.reply, "rule")),
                        "container.limits");
    expect_words(&asker, "more than 10 files");
    assert_int_equal(files_count(files).failed, 1);
    put(here, "repo/a", "ours");
    bring("in", "repo");
    expect_file(there, "repo/a", "ours");
}

/* A waiter for an end is told, and so is a later question, until it is well. */
static void what_was_written_over_the_limits_is_told(void **state)
{
    struct asker asker;
    char name[128];

    (void)state;
    begin_files("rw", 10);
    put(here, "repo/a", "ours");
    bring("in", "repo");
    bring("last", NULL);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "repo/%d", i);
        put(there, name, "x");
    }
    ask(&asker, "out", NULL);
    expect_status(&asker, 403);
    expect_words(&asker, "more than 10 files");
    expect_file(here, "repo/1", NULL);
    ask(&asker, "last", NULL);
    expect_status(&asker, 403);
    expect_words(&asker, "more than 10 files");
    for (int i = 1; i < 20; i++) {
        snprintf(name, sizeof(name), "%s/repo/%d", there, i);
        assert_int_equal(unlink(name), 0);
    }
    bring("out", NULL);
    expect_file(here, "repo/0", "x");
    bring("last", NULL);
}

static void one_path_too_many_is_told(void **state)
{
    AUTO(strbuf_fini) struct strbuf label = STRBUF(64 * KIB);
    struct asker asker;

    (void)state;
    for (int i = 0; i <= LIMIT_FILES_MOUNTS; i++)
        strbuf_addf(&label, "%c{\"root\":\"%s\",\"path\":\"%d\"}",
                    i ? ',' : '[', here, i);
    strbuf_add_char(&label, ']');
    listed = strbuf_cstr(&label);
    ask(&asker, "in", NULL);
    expect_status(&asker, 400);
    expect_words(&asker, "too many paths");
}

static void what_only_the_volume_has_is_of_another_time(void **state)
{
    (void)state;
    make(there, "repo");
    put(there, "repo/old", "of an earlier job");
    put(here, "repo/a", "ours");
    bring("in", "repo");
    expect_file(here, "repo/old", NULL);
    expect_file(there, "repo/old", NULL);
}

static void unless_a_container_has_it(void **state)
{
    char label[256];

    (void)state;
    snprintf(label, sizeof(label), "[{\"root\":\"%s\",\"path\":\"repo\"}]",
             here);
    listed = label;
    make(there, "repo");
    put(there, "repo/made", "while no berth was there");
    bring("out", NULL);
    expect_file(here, "repo/made", "while no berth was there");
}

/* Berth is started anew, with OTHER as the container of the volume; meanwhile a
 * file was removed on either side. */
static void restart(const char *other)
{
    static char label[256];
    char path[128];

    snprintf(label, sizeof(label), "[{\"root\":\"%s\",\"path\":\"repo\"}]",
             here);
    put(here, "repo/a", "ours");
    put(here, "repo/b", "ours");
    bring("in", "repo");
    usleep(30000);
    bring("in", NULL);
    listed = label;
    files = files_free(files);
    run_loop(base);
    snprintf(path, sizeof(path), "%s/repo/a", here);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/repo/b", there);
    assert_int_equal(unlink(path), 0);
    put(there, "repo/c", "theirs");
    box = other;
    begin_files("rw", 100);
    bring("in", NULL);
    expect_file(here, "repo/c", "theirs");
}

static void a_removal_while_berth_was_away_is_one(void **state)
{
    (void)state;
    restart(ID);
    expect_file(here, "repo/a", NULL);
    expect_file(there, "repo/a", NULL);
    expect_file(here, "repo/b", NULL);
    expect_file(there, "repo/b", NULL);
}

static void it_is_none_when_the_volume_is_another_one(void **state)
{
    (void)state;
    restart("b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2");
    expect_file(here, "repo/a", "ours");
    expect_file(there, "repo/b", "ours");
}

static void what_no_container_has_is_kept_in_step_no_more(void **state)
{
    char label[256];

    (void)state;
    make(here, "other");
    snprintf(label, sizeof(label), "[{\"root\":\"%s\",\"path\":\"other\"}]",
             here);
    listed = label;
    bring("in", NULL);
    listed = NULL;
    bring("in", "repo");
    put(here, "other/late", "late");
    put(here, "repo/a", "ours");
    bring("in", NULL);
    expect_file(there, "other/late", NULL);
    expect_file(there, "repo/a", "ours");
}

static void list_repo(void)
{
    static char label[256];

    snprintf(label, sizeof(label), "[{\"root\":\"%s\",\"path\":\"repo\"}]",
             here);
    listed = label;
}

/* Nobody waited for its end, or another one is made before that is heard. */
static void what_a_container_left_is_not_of_another_time(void **state)
{
    (void)state;
    bring("in", "repo");
    list_repo();
    make(here, "other");
    bring("in", "other");
    put(there, "repo/made", "before it was removed");
    listed = NULL;
    bring("in", "repo");
    expect_file(here, "repo/made", "before it was removed");
    expect_file(there, "repo/made", "before it was removed");
}

static void what_a_container_left_comes_back_once(void **state)
{
    (void)state;
    list_repo();
    make(here, "other");
    bring("in", "other");
    put(there, "repo/made", "before it was removed");
    listed = NULL;
    bring("in", "other");
    expect_file(here, "repo/made", "before it was removed");
    put(there, "repo/late", "by nobody");
    bring("out", NULL);
    expect_file(here, "repo/late", NULL);
}

static void what_a_container_left_holds_up_nothing(void **state)
{
    char name[32];

    (void)state;
    begin_files("rw", 10);
    list_repo();
    bring("in", NULL);
    listed = NULL;
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "repo/%d", i);
        put(here, name, "x");
    }
    make(here, "other");
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "other/%d", i);
        put(here, name, "ours");
    }
    bring("in", "other");
    expect_file(there, "other/7", "ours");
}

static void what_a_container_left_outlives_a_refusal(void **state)
{
    struct asker asker;
    json_auto_t *what = json_pack(
        "{s:s, s:[{s:s, s:s, s:b, s:s}, {s:s, s:s, s:b, s:s}]}", "turn", "in",
        "binds", "root", here, "path", "repo", "make", 0, "here", "repo",
        "root", here, "path", "none", "make", 0, "here", "none");

    (void)state;
    bring("in", "repo");
    put(there, "repo/made", "before it was removed");
    asker = (struct asker){0};
    asker.ask = files_ask(files, what, on_reply, &asker);
    expect_status(&asker, 400);
    json_decref(asker.reply);
    bring("in", "repo");
    expect_file(here, "repo/made", "before it was removed");
}

static void what_is_mounted_around_a_container_takes_nothing(void **state)
{
    (void)state;
    make(there, "repo");
    list_repo();
    bring("in", "repo");
    put(there, "repo/made", "by one that runs");
    put(there, "old", "of an earlier job");
    bring("in", "");
    expect_file(there, "repo/made", "by one that runs");
    expect_file(here, "repo/made", "by one that runs");
    expect_file(there, "old", NULL);
}

/* The engine's administrator has removed it, and all that was in it. */
static void another_volume_is_no_removal_of_all_files(void **state)
{
    char command[256];

    (void)state;
    put(here, "repo/a", "ours");
    bring("in", "repo");
    expect_file(there, "repo/a", "ours");
    end_far();
    fake_fail(&fake, far.at, "the container was removed");
    snprintf(command, sizeof(command), "rm -rf %s/repo", there);
    assert_int_equal(system(command), 0);
    box = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
    bring("out", NULL);
    expect_file(here, "repo/a", "ours");
    expect_file(there, "repo/a", "ours");
}

static void a_removal_while_the_link_was_lost_is_one(void **state)
{
    char command[256];

    (void)state;
    put(here, "repo/a", "ours");
    bring("in", "repo");
    end_far();
    fake_fail(&fake, far.at, "the link was lost");
    snprintf(command, sizeof(command), "rm -rf %s/repo/a", there);
    assert_int_equal(system(command), 0);
    bring("out", NULL);
    expect_file(here, "repo/a", NULL);
}

static void what_is_only_read_never_comes_back(void **state)
{
    (void)state;
    begin_files("ro", 100);
    put(here, "repo/a", "ours");
    bring("in", "repo");
    put(there, "repo/a", "theirs, which they could not");
    put(there, "repo/b", "nor this");
    bring("out", NULL);
    expect_file(here, "repo/a", "ours");
    expect_file(here, "repo/b", NULL);
}

static void the_last_word_is_the_turn_s(void **state)
{
    (void)state;
    put(here, "repo/a", "first");
    bring("in", "repo");
    put(here, "repo/a", "ours, second");
    put(there, "repo/a", "theirs, too");
    bring("in", NULL);
    expect_file(there, "repo/a", "ours, second");
    put(here, "repo/a", "ours, the third");
    put(there, "repo/a", "theirs, the fourth");
    bring("out", NULL);
    expect_file(here, "repo/a", "theirs, the fourth");
}

static void a_link_that_is_lost_is_made_up_for(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "repo/%d", i);
        put(here, name, "ours");
    }
    for (size_t left = 10; left < 2000; left += 900) {
        far.left = left;
        bring("in", "repo");
    }
    far.left = 0;
    put(here, "repo/0", "other");
    bring("in", NULL);
    expect_file(there, "repo/0", "other");
    for (int i = 1; i < 20; i++) {
        snprintf(name, sizeof(name), "repo/%d", i);
        expect_file(there, name, "ours");
    }
}

static void one_that_stays_lost_is_told(void **state)
{
    struct asker asker;

    (void)state;
    bring("in", "repo");
    ask(&asker, "in", NULL);
    for (unsigned i = 0; i < 5000 && !asker.status; i++) {
        turn();
        if (far.runs) {
            end_far();
            fake_fail(&fake, far.at, "the link was lost");
        }
        poll(NULL, 0, 1);
    }
    assert_int_equal(asker.status, 503);
    expect_words(&asker, "try again");
}

static void who_waits_is_told_when_it_ends(void **state)
{
    struct asker asker, gone;

    (void)state;
    ask(&asker, "in", "repo");
    ask(&gone, "in", NULL);
    for (int i = 0; i < 30; i++)
        turn();
    files = files_free(files);
    gone.ask = files_ask_cancel(gone.ask);
    run_loop(base);
    assert_int_equal(asker.status, 503);
    expect_words(&asker, "try again");
    assert_int_equal(gone.status, 0);
}

#define LINKED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINKED(both_sides_are_brought_into_step),
        LINKED(what_is_done_is_counted),
        LINKED(who_is_given_up_stops_to_read),
        LINKED(a_link_that_was_not_there_is_not_followed),
        LINKED(a_link_that_was_there_is_followed),
        LINKED(nobody_who_mounts_nothing_waits),
        LINKED(those_of_one_turn_are_served_together),
        LINKED(what_is_not_there_is_told),
        LINKED(more_than_may_be_is_refused_and_forgotten),
        LINKED(what_was_written_over_the_limits_is_told),
        LINKED(one_path_too_many_is_told),
        LINKED(what_only_the_volume_has_is_of_another_time),
        LINKED(unless_a_container_has_it),
        LINKED(a_removal_while_berth_was_away_is_one),
        LINKED(it_is_none_when_the_volume_is_another_one),
        LINKED(what_no_container_has_is_kept_in_step_no_more),
        LINKED(what_a_container_left_is_not_of_another_time),
        LINKED(what_a_container_left_comes_back_once),
        LINKED(what_a_container_left_holds_up_nothing),
        LINKED(what_a_container_left_outlives_a_refusal),
        LINKED(what_is_mounted_around_a_container_takes_nothing),
        LINKED(another_volume_is_no_removal_of_all_files),
        LINKED(a_removal_while_the_link_was_lost_is_one),
        LINKED(what_is_only_read_never_comes_back),
        LINKED(the_last_word_is_the_turn_s),
        LINKED(a_link_that_is_lost_is_made_up_for),
        LINKED(one_that_stays_lost_is_told),
        LINKED(who_waits_is_told_when_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
