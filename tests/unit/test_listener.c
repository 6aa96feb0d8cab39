#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/net/listener.h"

static char dir[] = "/tmp/berth-listen.XXXXXX";
static char path[64], lock[80];
static struct event_base *base;
static unsigned clients;

static int setup(void **state)
{
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sock", dir);
    snprintf(lock, sizeof(lock), "%s.lock", path);
    base = event_base_new();
    clients = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    event_base_free(base);
    unlink(path);
    unlink(lock);
    return rmdir(dir);
}

static void on_client(int fd, void *arg)
{
    (void)arg;
    clients++;
    close(fd);
}

static int listen_at(int activated, struct listener **out, struct strbuf *why)
{
    const struct listen_policy config = {.path = path, .mode = 0620};

    return listener_new(base, &config, activated, on_client, NULL, out, why);
}

static int unix_socket(bool listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    if (listening) {
        assert_int_equal(
            bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 5), 0);
    } else {
        assert_int_equal(
            connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    }
    return fd;
}

static void clients_are_accepted_and_the_file_goes_at_the_end(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct listener *listener;
    struct stat st;
    int fd;

    (void)state;
    assert_int_equal(listen_at(-1, &listener, &why), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0620);
    fd = unix_socket(false);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(clients, 1);
    close(fd);
    listener_free(listener);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_live_socket_is_left_alone(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct listener *listener;
    int fd = unix_socket(true);

    (void)state;
    assert_int_equal(listen_at(-1, &listener, &why), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    close(fd);
}

static void a_stale_socket_is_replaced(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct listener *listener;

    (void)state;
    close(unix_socket(true));
    assert_int_equal(listen_at(-1, &listener, &why), 0);
    close(unix_socket(false));
    listener_free(listener);
}

static void two_of_us_cannot_have_one_path(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct listener *first, *second;

    (void)state;
    assert_int_equal(listen_at(-1, &first, &why), 0);
    assert_int_equal(listen_at(-1, &second, &why), -EADDRINUSE);
    /* the one that failed takes nothing along */
    close(unix_socket(false));
    listener_free(first);
}

static void a_file_that_is_no_socket_is_kept(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct listener *listener;

    (void)state;
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(listen_at(-1, &listener, &why), -EEXIST);
    assert_int_equal(access(path, F_OK), 0);
}

static void a_socket_of_systemd_is_adopted_and_its_file_kept(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct listener *listener;
    int fd = unix_socket(true);

    (void)state;
    assert_int_equal(listen_at(fd, &listener, &why), 0);
    close(unix_socket(false));
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(clients, 1);
    listener_free(listener);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(listen_at(open("/dev/null", O_RDONLY), &listener, &why),
                     -EINVAL);
}

static void a_group_that_cannot_be_had_is_known_before_it_is_given(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    char none[] = "no-such-group", some[] = "4242", other[] = "4243";
    struct listen_policy config = {.path = path, .mode = 0620};
    struct listener *listener;
    struct stat st;

    (void)state;
    assert_int_equal(listen_at(-1, &listener, &why), 0);
    assert_int_equal(listener_try_access(listener, &config, &why), 0);
    config.group = none;
    assert_int_equal(listener_try_access(listener, &config, &why), -ENOENT);
    config.group = some;
    if (geteuid() == 0) {
        assert_int_equal(listener_try_access(listener, &config, &why), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_not_equal(st.st_gid, 4242);
        assert_int_equal(chown(dir, 65534, (gid_t)-1), 0);
        assert_int_equal(chown(lock, 65534, (gid_t)-1), 0);
        assert_int_equal(seteuid(65534), 0);
        config.group = other;
    }
    assert_int_equal(listener_try_access(listener, &config, &why), -EPERM);
    assert_int_equal(seteuid(getuid()), 0);
    listener_free(listener);
}

static void only_what_systemd_gave_this_process_counts(void **state)
{
    char pid[16];

    (void)state;
    snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    assert_int_equal(listener_activated(), 2);
    assert_null(getenv("LISTEN_FDS"));
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "2", 1);
    assert_int_equal(listener_activated(), 0);
    assert_int_equal(listener_activated(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(clients_are_accepted_and_the_file_goes_at_the_end),
        TEST(a_live_socket_is_left_alone),
        TEST(a_stale_socket_is_replaced),
        TEST(two_of_us_cannot_have_one_path),
        TEST(a_file_that_is_no_socket_is_kept),
        TEST(a_socket_of_systemd_is_adopted_and_its_file_kept),
        TEST(a_group_that_cannot_be_had_is_known_before_it_is_given),
        TEST(only_what_systemd_gave_this_process_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
