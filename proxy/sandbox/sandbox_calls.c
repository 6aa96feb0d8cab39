#include "proxy/sandbox/sandbox_calls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* With any arguments. Names that a library or machine does not know are left
 * out. */
static const char *const allowed_calls[] = {
    /* memory */
    "brk",
    "madvise",
    "mremap",
    "munmap",
    /* descriptors */
    "close",
    "dup",
    "fcntl",
    "fcntl64",
    "lseek",
    "_llseek",
    "pipe2",
    "pread64",
    "read",
    "readv",
    "write",
    "writev",
    /* files, of which Landlock says which */
    "access",
    "chmod",
    "faccessat",
    "faccessat2",
    "fchmodat",
    "fchmodat2",
    "flock",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "getcwd",
    "getdents64",
    "lstat",
    "lstat64",
    "newfstatat",
    "open",
    "openat",
    "readlink",
    "readlinkat",
    "stat",
    "stat64",
    "statx",
    "umask",
    "unlink",
    "unlinkat",
    /* sockets */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socketpair",
    /* waiting */
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "nanosleep",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pselect6",
    "pselect6_time64",
    "restart_syscall",
    "select",
    "_newselect",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_settime64",
    /* time and chance */
    "clock_getres",
    "clock_getres_time64",
    "clock_gettime",
    "clock_gettime64",
    "getrandom",
    "gettimeofday",
    "time",
    /* threads and signals of its own */
    "exit",
    "exit_group",
    "futex",
    "futex_time64",
    "get_robust_list",
    "gettid",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "sigreturn",
    /* itself */
    "getegid",
    "getegid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getpid",
    "getppid",
    "getrlimit",
    "getrusage",
    "getuid",
    "getuid32",
    "sysinfo",
    "ugetrlimit",
    "uname",
};

/* The same where it copies files. */
static const char *const copying_calls[] = {
    "fchmod",           "fchown",           "fchown32",
    "fchownat",         "fstatfs",          "fstatfs64",
    "ftruncate",        "ftruncate64",      "inotify_add_watch",
    "inotify_init1",    "inotify_rm_watch", "linkat",
    "mkdirat",          "openat2",          "renameat",
    "renameat2",        "symlinkat",        "utimensat",
    "utimensat_time64",
};

/* Nothing of berth's makes these: who does is not berth any more. */
static const char *const deadly_calls[] = {
    "bpf",
    "execve",
    "execveat",
    "init_module",
    "finit_module",
    "kexec_load",
    "mount",
    "move_mount",
    "open_by_handle_at",
    "pidfd_getfd",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "setns",
    "umount2",
    "unshare",
    "userfaultfd",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int add(scmp_filter_ctx filter, uint32_t action, const char *name)
{
    int call = seccomp_syscall_resolve_name(name);
    int r;

    if (call == __NR_SCMP_ERROR)
        return 0;
    r = seccomp_rule_add(filter, action, call, 0);
    return r == -EDOM ? 0 : r; /* not this machine's */
}

/* Rules about arguments: a call passes if any of its rules lets it. */
static int add_conditional(scmp_filter_ctx filter, bool copies)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const unsigned long requests[] = {FIONREAD, FIONBIO, TCGETS};
    const struct {
        int call;
        struct scmp_arg_cmp condition;
    } rules[] = {
  /* memory is never for writing and execution, nor becomes executable
  * (libraries that name services bring along are mapped so at once) */
        {SCMP_SYS(mprotect),   SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,               0)             },
        {SCMP_SYS(mmap),       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,               0)             },
        {SCMP_SYS(mmap),       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE,              0)             },
        {SCMP_SYS(mmap2),      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,               0)             },
        {SCMP_SYS(mmap2),      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE,              0)             },
 /* threads, but no processes */
        {SCMP_SYS(clone),
         SCMP_A0(SCMP_CMP_MASKED_EQ,                       CLONE_THREAD,            CLONE_THREAD)  },
 /* abort() */
        {SCMP_SYS(tgkill),     SCMP_A0(SCMP_CMP_EQ,        (scmp_datum_t)getpid())},
 /* its own limits */
        {SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_EQ,                         0)                       },
 /* a socket's group, but no owner */
        {SCMP_SYS(lchown),          SCMP_A1(SCMP_CMP_MASKED_EQ,                         UINT32_MAX,                        UINT32_MAX)               },
        {SCMP_SYS(fchownat),
         SCMP_A2(SCMP_CMP_MASKED_EQ,                         UINT32_MAX,                        UINT32_MAX)},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < COUNT(rules); i++) {
        if (copies && rules[i].call == SCMP_SYS(fchownat))
            continue; /* it is allowed already */
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, 1,
                                   &rules[i].condition);
        if (r == -EDOM)
            r = 0;
    }
    for (size_t i = 0; r == 0 && i < COUNT(families); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    for (size_t i = 0; r == 0 && i < COUNT(requests); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_EQ, requests[i]));
    /* so that the C library takes clone, whose flags can be seen */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
                             0);
    return r;
}

static int fill(scmp_filter_ctx filter, bool copies)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < COUNT(allowed_calls); i++)
        r = add(filter, SCMP_ACT_ALLOW, allowed_calls[i]);
    for (size_t i = 0; r == 0 && i < COUNT(deadly_calls); i++)
        r = add(filter, SCMP_ACT_KILL_PROCESS, deadly_calls[i]);
    for (size_t i = 0; copies && r == 0 && i < COUNT(copying_calls); i++)
        r = add(filter, SCMP_ACT_ALLOW, copying_calls[i]);
    return r < 0 ? r : add_conditional(filter, copies);
}

int sandbox_calls(bool copies, size_t *allowed)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int r = filter ? fill(filter, copies) : -ENOMEM;

    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (r == 0)
        r = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    if (r == 0)
        *allowed = COUNT(allowed_calls) + (copies ? COUNT(copying_calls) : 0);
    return r;
}
