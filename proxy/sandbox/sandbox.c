#include "proxy/sandbox/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/base/sanitized.h"
#include "proxy/base/log.h"
#include "proxy/base/state_dir.h"
#include "proxy/sandbox/sandbox_calls.h"
#include "proxy/sandbox/sandbox_landlock.h"

#define MISSING "missing: "

static void note(struct sandbox *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct sandbox *s, const char *format, ...)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(512);
    va_list args;

    assert(s->count < SANDBOX_DEFENCES);
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    s->defences[s->count++] = xstr_dup(strbuf_str(&text));
}

/* R of something that should work everywhere; SENTENCE if it did. */
static void expect(struct sandbox *s, int r, const char *sentence)
{
    if (r == 0)
        note(s, "%s", sentence);
    else
        note(s, MISSING "%s: %s", sentence, strerror(errno));
}

/* Where files are COPIED, root reads and writes those of the runner's, gives
 * them back to it, and asks whether somebody else has them open. */
static uint64_t kept_capabilities(bool copies)
{
    uint64_t kept = 1ULL << CAP_CHOWN | 1ULL << CAP_NET_BIND_SERVICE;

    if (copies)
        kept |=
            1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FOWNER | 1ULL << CAP_LEASE;
    return kept;
}

static int drop_capabilities(bool copies)
{
    struct __user_cap_header_struct header = {.version =
                                                  _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    uint64_t kept = kept_capabilities(copies);

    if (syscall(SYS_capget, &header, data) < 0)
        return -1;
    /* those of the bounding set first: that takes one of them. Without it, no
     * new privileges see to it that none comes from there. */
    for (int i = 0; i <= 63; i++) {
        if (!(kept >> i & 1))
            prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    data[0].effective &= (uint32_t)kept;
    data[0].permitted &= (uint32_t)kept;
    data[0].inheritable = data[1].inheritable = 0;
    data[1].effective = data[1].permitted = 0;
    return (int)syscall(SYS_capset, &header, data);
}

static int forbid_core_dumps(void)
{
    const struct rlimit none = {0, 0};

    return setrlimit(RLIMIT_CORE, &none) < 0 ||
                   prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0
               ? -1
               : 0;
}

static void close_files(struct sandbox *s)
{
    int r = sandbox_landlock(&s->paths);

    s->closed = r >= 0;
    if (s->closed)
        note(s, "no files but those that policies name (Landlock %d)", r);
    else
        note(s, MISSING "a limit to files, for this kernel's Landlock says: %s",
             strerror(-r));
}

static void close_calls(struct sandbox *s, bool copies)
{
    size_t allowed = 0;
    int r = sandbox_calls(copies, &allowed);

    if (r == 0)
        note(s, "no system calls but %zu, none that executes (seccomp)",
             allowed);
    else
        note(s,
             MISSING "a limit to system calls, for this kernel's seccomp says: "
                     "%s",
             strerror(-r));
}

void sandbox_enter(struct sandbox *s, const char *const *files,
                   size_t file_count, const struct policies *policies)
{
    bool copies = sandbox_paths_copy(policies);

    if (copies)
        state_dir_make(); /* what is not there cannot be opened later */
    sandbox_paths_add_system(&s->paths);
    sandbox_paths_add(&s->paths, files, file_count, policies);
    expect(s, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
           "no new privileges, ever");
    expect(s, drop_capabilities(copies),
           geteuid() == 0 && copies
               ? "no capabilities but to copy files, to give sockets a group "
                 "and to listen on low ports"
           : geteuid() == 0 ? "no capabilities but to give sockets a group and "
                              "to listen on low ports"
                            : "no capabilities but to listen on low ports, if "
                              "they were given");
    expect(s, forbid_core_dumps(), "no core dumps, no tracing");
    close_files(s);
    close_calls(s, copies);
}

void sandbox_leave_out(struct sandbox *s, const char *why)
{
    note(s, MISSING "all of it: %s", why);
}

void sandbox_log(const struct sandbox *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (str_has_prefix(str_from(s->defences[i]), S(MISSING)))
            log_warn("sandbox: %s", s->defences[i]);
        else
            log_info("sandbox: %s", s->defences[i]);
    }
}

void sandbox_fini(struct sandbox *s)
{
    while (s->count)
        free(s->defences[--s->count]);
    sandbox_paths_fini(&s->paths);
}

bool sandbox_admits(const struct sandbox *s, const struct policies *policies,
                    struct strbuf *why)
{
    AUTO(sandbox_paths_fini) struct sandbox_paths wanted = {0};

    if (!s->closed)
        return true;
    sandbox_paths_add(&wanted, NULL, 0, policies);
    return sandbox_paths_cover(&s->paths, &wanted, why);
}

const char *sandbox_impossible(void)
{
#ifdef SANITIZED
    return "it is built with sanitizers, which look into everything";
#else
    return NULL;
#endif
}
