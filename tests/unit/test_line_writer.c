#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "proxy/net/line_writer.h"

enum {
    QUEUE = 4096,
    LINE = 1000,
    PIPE_SIZE = 4096, /* the smallest that the kernel gives */
};

static int reader, writer_fd;
static struct line_writer *writer;

static void make_pipe(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    reader = ends[0];
    writer_fd = ends[1];
    fcntl(writer_fd, F_SETPIPE_SZ, PIPE_SIZE);
    writer = line_writer_new(writer_fd, LINE_STREAM, QUEUE);
}

static void close_pipe(void)
{
    line_writer_free(writer);
    close(reader);
    close(writer_fd);
}

/* A line of LINE bytes that says which it is. */
static struct str line(unsigned number)
{
    static char text[LINE];

    memset(text, 'x', sizeof(text));
    text[0] = (char)('a' + number % 26);
    text[LINE - 1] = '\n';
    return str_of(text, sizeof(text));
}

/* Add lines until one finds no room; how many were taken. */
static unsigned fill(void)
{
    unsigned count = 0;

    while (line_writer_add(writer, line(count)) == 0)
        assert_true(++count < 100);
    return count;
}

/* What the reader gets are the first COUNT lines, each whole. */
static void expect_lines(unsigned count)
{
    static char got[100 * LINE];
    size_t len = 0;

    fcntl(reader, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t n = read(reader, got + len, sizeof(got) - len);

        if (n > 0) {
            len += (size_t)n;
            continue;
        }
        if (line_writer_waiting(writer) == 0)
            break;
        assert_int_equal(line_writer_flush(writer), 0);
    }
    assert_int_equal(len, count * LINE);
    for (unsigned i = 0; i < count; i++) {
        struct str wanted = line(i);

        assert_memory_equal(got + i * LINE, wanted.ptr, LINE);
    }
}

static void a_reader_that_stalls_blocks_nobody(void **state)
{
    unsigned taken;

    (void)state;
    make_pipe();
    taken = fill();
    /* the pipe's and the queue's, and no more */
    assert_true(taken >= (PIPE_SIZE + QUEUE) / LINE - 2);
    assert_true(taken <= (PIPE_SIZE + QUEUE) / LINE);
    assert_int_equal(line_writer_add(writer, line(0)), -ENOBUFS);
    expect_lines(taken);
    assert_int_equal(line_writer_add(writer, line(0)), 0);
    expect_lines(1);
    close_pipe();
}

static void the_queue_takes_its_last_byte_and_no_more(void **state)
{
    char longest[QUEUE];

    (void)state;
    make_pipe();
    memset(longest, 'y', sizeof(longest));
    longest[QUEUE - 1] = '\n';
    /* the first fills the pipe, the second the queue */
    assert_int_equal(line_writer_add(writer, str_of(longest, QUEUE)), 0);
    assert_int_equal(line_writer_waiting(writer), 0);
    assert_int_equal(line_writer_add(writer, str_of(longest, QUEUE)), 0);
    assert_int_equal(line_writer_waiting(writer), QUEUE);
    assert_int_equal(line_writer_add(writer, S("\n")), -ENOBUFS);
    close_pipe();
}

static void others_who_share_the_pipe_keep_waiting_for_it(void **state)
{
    (void)state;
    make_pipe();
    assert_int_equal(fcntl(writer_fd, F_GETFL) & O_NONBLOCK, 0);
    close_pipe();
}

static void a_reader_that_has_gone_is_an_error(void **state)
{
    (void)state;
    make_pipe();
    close(reader);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(line_writer_add(writer, line(0)), -EPIPE);
    line_writer_free(writer);
    close(writer_fd);
}

static void a_datagram_is_a_line_without_its_end(void **state)
{
    int pair[2];
    char got[64];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    writer = line_writer_new(pair[1], LINE_DATAGRAM, QUEUE);
    assert_int_equal(line_writer_add(writer, S("one\n")), 0);
    assert_int_equal(line_writer_add(writer, S("two\n")), 0);
    assert_int_equal(recv(pair[0], got, sizeof(got), 0), 3);
    assert_memory_equal(got, "one", 3);
    assert_int_equal(recv(pair[0], got, sizeof(got), 0), 3);
    assert_memory_equal(got, "two", 3);
    /* a daemon that does not read */
    while (line_writer_waiting(writer) == 0)
        assert_int_equal(line_writer_add(writer, S("three\n")), 0);
    assert_int_equal(line_writer_waiting(writer), 6);
    assert_int_equal(line_writer_add(writer, S("four\n")), 0);
    while (recv(pair[0], got, sizeof(got), MSG_DONTWAIT) == 5)
        ;
    assert_int_equal(line_writer_flush(writer), 0);
    assert_int_equal(recv(pair[0], got, sizeof(got), 0), 5);
    assert_memory_equal(got, "three", 5);
    assert_int_equal(recv(pair[0], got, sizeof(got), 0), 4);
    assert_memory_equal(got, "four", 4);
    line_writer_free(writer);
    close(pair[0]);
    close(pair[1]);
}

static unsigned told;
static bool waits;

static void on_wait(struct line_writer *w, bool now, void *arg)
{
    assert_ptr_equal(w, writer);
    assert_ptr_equal(arg, &told);
    told++;
    waits = now;
}

static void who_watches_is_told_when_lines_wait_and_when_none_does(void **state)
{
    unsigned taken;

    (void)state;
    make_pipe();
    told = 0;
    line_writer_watch(writer, on_wait, &told);
    assert_int_equal(line_writer_add(writer, line(0)), 0);
    assert_int_equal(told, 0);
    expect_lines(1);
    taken = fill();
    assert_int_equal(told, 1);
    assert_true(waits);
    expect_lines(taken);
    assert_int_equal(told, 2);
    assert_false(waits);
    fill();
    assert_int_equal(told, 3);
    line_writer_watch(writer, NULL, NULL);
    assert_int_equal(told, 4);
    assert_false(waits);
    close_pipe();
    assert_int_equal(told, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_stalls_blocks_nobody),
        cmocka_unit_test(the_queue_takes_its_last_byte_and_no_more),
        cmocka_unit_test(others_who_share_the_pipe_keep_waiting_for_it),
        cmocka_unit_test(a_reader_that_has_gone_is_an_error),
        cmocka_unit_test(a_datagram_is_a_line_without_its_end),
        cmocka_unit_test(
            who_watches_is_told_when_lines_wait_and_when_none_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
