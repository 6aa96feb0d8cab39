#include "proxy/base/policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/ssh_files.h"

int file_read(const char *path, struct strbuf *out)
{
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC)
                               : dup(STDIN_FILENO);
    ssize_t got = 0;
    int r = 0;

    if (fd < 0)
        return -errno;
    for (;;) {
        char bytes[16384];

        got = read(fd, bytes, sizeof(bytes));
        if (got < 0)
            r = -errno;
        if (got <= 0)
            break;
        if (strbuf_add(out, str_of(bytes, (size_t)got))) {
            r = -EFBIG;
            break;
        }
    }
    close(fd);
    return r;
}

bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static const char *get_variable(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

int policy_file_load(const char *path, const struct policy_override *overrides,
                     size_t override_count, struct policy **out,
                     struct strbuf *why)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_POLICY);
    char host[256] = "";
    const struct environment environment = {
        .get = get_variable,
        .host_name = gethostname(host, sizeof(host) - 1) == 0 ? host : NULL,
    };
    struct ssh_files files;
    struct policy_source source = {
        .name = path,
        .environment = &environment,
        .machine = &files.machine,
        .overrides = overrides,
        .override_count = override_count,
    };
    int r;

    if (path) {
        r = file_read(path, &text);
        if (r < 0) {
            strbuf_addf(why, "%s: %s\n", path,
                        r == -EFBIG ? "longer than a policy may be (1 MiB)"
                                    : strerror(-r));
            return POLICY_E_INVALID;
        }
        source.text = text.ptr ? strbuf_str(&text) : S("");
    }
    ssh_files_init(&files, &environment);
    r = policy_load(&source, out, why);
    ssh_files_fini(&files);
    return r;
}
