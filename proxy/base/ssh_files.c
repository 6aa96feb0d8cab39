#include "proxy/base/ssh_files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/base/policy_file.h"

/* Like ssh: who can write to the file can say where we connect to. */
static int check_owner(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if ((st.st_uid != 0 && st.st_uid != getuid()) || (st.st_mode & 022))
        return -EPERM;
    return 0;
}

static int read_file(void *arg, const char *path, bool careful,
                     struct strbuf *out)
{
    int r = careful ? check_owner(path) : 0;

    (void)arg;
    if (r == 0)
        r = file_read(path, out);
    return r == -EFBIG ? -ENOBUFS : r;
}

static int find_files(void *arg, const char *pattern, struct strings *out)
{
    glob_t found = {0};
    int r = glob(pattern, 0, NULL, &found);

    (void)arg;
    if (r == GLOB_NOMATCH)
        r = 0;
    else if (r == GLOB_NOSPACE)
        r = -ENOMEM;
    else if (r != 0)
        r = -EIO;
    if (r == 0 && found.gl_pathc) {
        out->items = xcalloc(found.gl_pathc, sizeof(char *));
        for (; out->count < found.gl_pathc; out->count++)
            out->items[out->count] = xstrdup(found.gl_pathv[out->count]);
    }
    globfree(&found);
    return r;
}

void ssh_files_init(struct ssh_files *files,
                    const struct environment *environment)
{
    const struct passwd *me = getpwuid(getuid());
    const char *home = environment_get(environment, "HOME");
    const char *user = environment_get(environment, "USER");

    *files = (struct ssh_files){
        .reader = {read_file, find_files, NULL}
    };
    /* like ssh, the account first; a container may have none */
    if (me && me->pw_dir)
        home = me->pw_dir;
    if (me && me->pw_name)
        user = me->pw_name;
    files->home = home ? xstrdup(home) : NULL;
    files->user = user ? xstrdup(user) : NULL;
    files->machine = (struct ssh_config_machine){
        .reader = &files->reader,
        .environment = environment,
        .user = files->user,
        .home = files->home,
        .host = environment->host_name,
        .uid = getuid(),
    };
}

void ssh_files_fini(struct ssh_files *files)
{
    free(files->user);
    free(files->home);
}
