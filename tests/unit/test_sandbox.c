/*
 * What could somebody do who has taken over a berth? Each attempt is made by a
 * child of ours that has entered the sandbox like berth, and tells by its end
 * what came of it.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/sandbox/sandbox.h"

/* Berth's own directory, with its policy and its socket; and a foreign one. */
static char own[] = "/tmp/berth-own.XXXXXX";
static char foreign[] = "/tmp/berth-foreign.XXXXXX";
static char policy_path[64], socket_path[64], audit_path[64], secret_path[64];
static struct policies policies;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4096);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    const char *const files[] = {policy_path};

    (void)state;
    assert_non_null(mkdtemp(own));
    assert_non_null(mkdtemp(foreign));
    snprintf(policy_path, sizeof(policy_path), "%s/policy.json", own);
    snprintf(socket_path, sizeof(socket_path), "%s/docker.sock", own);
    snprintf(audit_path, sizeof(audit_path), "%s/audit.jsonl", own);
    snprintf(secret_path, sizeof(secret_path), "%s/secret", foreign);
    strbuf_addf(&text,
                "{\"version\": 1, \"namespace\": \"r1\","
                " \"listen\": {\"path\": \"%s\"},"
                " \"audit\": {\"to\": \"%s\"},"
                " \"upstream\": {\"url\": \"unix:///run/docker.sock\"}}",
                socket_path, audit_path);
    write_file(policy_path, strbuf_cstr(&text));
    write_file(secret_path, "secret");
    return policies_load(files, 1, NULL, 0, &policies, &why);
}

static int teardown(void **state)
{
    const char *const paths[] = {policy_path, socket_path, audit_path,
                                 secret_path};

    (void)state;
    policies_fini(&policies);
    for (size_t i = 0; i < 4; i++)
        unlink(paths[i]);
    return rmdir(own) | rmdir(foreign);
}

/* Make ATTEMPT in a sandboxed child; returns its wait status. */
static int attempt(int (*what)(void))
{
    const char *const files[] = {policy_path};
    struct sandbox sandbox = {0};
    int status;
    pid_t pid;

    if (sandbox_impossible())
        skip();
    pid = fork();
    if (pid == 0) {
        sandbox_enter(&sandbox, files, 1, &policies);
        if (!sandbox.closed || sandbox.count != 5)
            _exit(99); /* this kernel has no Landlock, or something failed */
        _exit(what());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
        skip();
    return status;
}

/* The errno of what must fail. */
static void fails_with(int error, int (*what)(void))
{
    int status = attempt(what);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), error);
}

static void works(int (*what)(void))
{
    fails_with(0, what);
}

static void is_deadly(int (*what)(void))
{
    int status = attempt(what);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int result(long r)
{
    return r < 0 ? errno : 0;
}

/* ---- what berth itself does still works ---- */

static int read_policy(void)
{
    char byte;

    return result(read(open(policy_path, O_RDONLY), &byte, 1));
}

static int append_to_audit(void)
{
    int fd = open(audit_path, O_WRONLY | O_APPEND | O_CREAT, 0600);

    return fd < 0 ? errno : result(write(fd, "x\n", 2));
}

static int make_and_remove_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, socket_path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        lchown(socket_path, (uid_t)-1, getegid()) < 0 ||
        chmod(socket_path, 0600) < 0)
        return errno;
    return result(unlink(socket_path));
}

static void *nothing(void *arg)
{
    return arg;
}

static int make_thread(void)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, nothing, NULL);

    return r ? r : pthread_join(thread, NULL);
}

static int end_by_abort(void)
{
    abort();
}

static void what_berth_does_still_works(void **state)
{
    int status;

    (void)state;
    works(read_policy);
    works(append_to_audit);
    works(make_and_remove_socket);
    works(make_thread);
    status = attempt(end_by_abort);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_false(WCOREDUMP(status));
}

/* ---- and nothing else ---- */

static int open_secret(void)
{
    return result(open(secret_path, O_RDONLY));
}

static int open_shadow(void)
{
    return result(open("/etc/shadow", O_RDONLY));
}

static int list_foreign(void)
{
    return result(open(foreign, O_RDONLY | O_DIRECTORY));
}

static int overwrite_policy(void)
{
    return result(truncate(policy_path, 0));
}

static int open_own_memory(void)
{
    return result(open("/proc/self/mem", O_RDWR));
}

static int make_file_elsewhere(void)
{
    char path[80];

    snprintf(path, sizeof(path), "%s/new", foreign);
    return result(open(path, O_WRONLY | O_CREAT, 0600));
}

static int link_secret(void)
{
    char path[80];

    snprintf(path, sizeof(path), "%s/link", own);
    return result(link(secret_path, path));
}

static void no_foreign_file_can_be_opened(void **state)
{
    (void)state;
    fails_with(EACCES, open_secret);
    fails_with(EACCES, open_shadow);
    fails_with(EACCES, list_foreign);
    fails_with(EPERM, overwrite_policy);
    fails_with(EACCES, open_own_memory);
    fails_with(EACCES, make_file_elsewhere);
    fails_with(EPERM, link_secret);
}

static int execute(void)
{
    static char name[] = "sh";
    char *const argv[] = {name, NULL};

    return result(execv("/bin/sh", argv));
}

static int execute_from_memory(void)
{
    return result(syscall(SYS_memfd_create, "x", 0));
}

static int execute_by_descriptor(void)
{
    return result(syscall(SYS_execveat, 0, "", NULL, NULL, 0x1000));
}

static int make_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return result(pid);
}

static int make_writable_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int make_data_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static void nothing_can_be_executed(void **state)
{
    (void)state;
    is_deadly(execute);
    is_deadly(execute_by_descriptor);
    fails_with(EPERM, execute_from_memory);
    fails_with(EPERM, make_process);
    fails_with(EPERM, make_writable_code);
    fails_with(EPERM, make_data_code);
}

static int trace_parent(void)
{
    return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int signal_parent(void)
{
    return result(kill(getppid(), 0));
}

static int read_parent(void)
{
    return result(
        syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int leave_namespaces(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int listen_to_packets(void)
{
    return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int give_file_away(void)
{
    return result(lchown(policy_path, 12345, (gid_t)-1));
}

static int push_into_terminal(void)
{
    return result(syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x"));
}

static void others_are_out_of_reach(void **state)
{
    (void)state;
    is_deadly(trace_parent);
    is_deadly(read_parent);
    is_deadly(leave_namespaces);
    fails_with(EPERM, signal_parent);
    fails_with(EPERM, listen_to_packets);
    fails_with(EPERM, give_file_away);
    fails_with(EPERM, push_into_terminal);
}

static int gate[2];

static int wait_at_gate(void)
{
    char byte;

    close(gate[1]);
    return result(read(gate[0], &byte, 1));
}

/* What the kernel says of a child that has entered the sandbox. */
static void read_status(struct strbuf *text)
{
    const char *const files[] = {policy_path};
    struct sandbox sandbox = {0};
    char path[64], bytes[8192];
    ssize_t got;
    pid_t pid;
    int fds[2], fd;

    assert_int_equal(pipe(gate) | pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        sandbox_enter(&sandbox, files, 1, &policies);
        (void)!write(fds[1], "x", 1);
        _exit(wait_at_gate());
    }
    assert_int_equal(read(fds[0], bytes, 1), 1); /* it has entered */
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    fd = open(path, O_RDONLY);
    got = read(fd, bytes, sizeof(bytes));
    assert_true(got > 0);
    strbuf_add(text, str_of(bytes, (size_t)got));
    close(fd);
    for (int i = 0; i < 2; i++) {
        close(gate[i]);
        close(fds[i]);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void privileges_are_gone(void **state)
{
    AUTO(strbuf_fini) struct strbuf status = STRBUF(8192);
    const char *text;

    (void)state;
    if (sandbox_impossible())
        skip();
    read_status(&status);
    text = strbuf_cstr(&status);
    assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
    assert_non_null(strstr(text, "Seccomp:\t2\n"));
    assert_non_null(strstr(text, "CapInh:\t0000000000000000\n"));
    assert_non_null(strstr(text, "CapAmb:\t0000000000000000\n"));
    if (geteuid() != 0) {
        assert_non_null(strstr(text, "CapPrm:\t0000000000000000\n"));
        return;
    }
    assert_non_null(strstr(text, "CapPrm:\t0000000000000401\n"));
    assert_non_null(strstr(text, "CapEff:\t0000000000000401\n"));
    assert_non_null(strstr(text, "CapBnd:\t0000000000000401\n"));
}

static int core_limit(void)
{
    struct rlimit core;

    return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? 0 : 1;
}

static void core_dumps_are_gone(void **state)
{
    (void)state;
    works(core_limit);
}

/* ---- reload ---- */

static int admit_same(void)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    const char *const files[] = {policy_path};
    struct policies again = {.count = 0};
    struct sandbox sandbox = {.closed = true};

    sandbox_paths_add(&sandbox.paths, files, 1, &policies);
    if (policies_load(files, 1, NULL, 0, &again, &why))
        return 1;
    if (!sandbox_admits(&sandbox, &again, &why))
        return 2;
    sandbox.paths.count = 1; /* the policy's own place alone */
    return sandbox_admits(&sandbox, &again, &why) ? 3 : 0;
}

static void a_reload_is_read_and_admitted_inside(void **state)
{
    (void)state;
    works(admit_same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_berth_does_still_works),
        cmocka_unit_test(no_foreign_file_can_be_opened),
        cmocka_unit_test(nothing_can_be_executed),
        cmocka_unit_test(others_are_out_of_reach),
        cmocka_unit_test(privileges_are_gone),
        cmocka_unit_test(core_dumps_are_gone),
        cmocka_unit_test(a_reload_is_read_and_admitted_inside),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
