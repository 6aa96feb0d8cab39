#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/base/json_str.h"
#include "policy/docker/companion_name.h"
#include "proxy/files_link/tree.h"

/* What a round's thread does. It logs nothing, and calls nobody. */

enum { SHOWN = 200 /* bytes of a path */ };

static void refuse(struct tree *t, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct tree *t, int status, const char *format, ...)
{
    va_list args;

    if (t->round.status != 200)
        return;
    t->round.status = status;
    va_start(args, format);
    strbuf_addv(&t->round.why, format, args);
    va_end(args);
}

/* ---- the paths that are to be mounted ---- */

static struct str shown(const json_t *bind)
{
    return str_head(str_at(bind, "here"), SHOWN);
}

/* The owner of what is made here, where it may be given away. */
static void give_away(const struct tree *t, int folder, const char *name)
{
    const struct file_apply *apply = &t->near.apply;

    if (apply->owner == FILE_OWNER_FIXED)
        (void)!fchownat(folder, name, apply->uid, apply->gid,
                        AT_SYMLINK_NOFOLLOW);
}

/* The last part of PATH, in the directory that it is in. */
static int make_folder(const struct tree *t, int root, struct str path)
{
    AUTO(file_close)
    int folder = file_open_beneath(root, file_path_parent(path),
                                   O_PATH | O_DIRECTORY | O_CLOEXEC);
    char name[LIMIT_FILES_NAME + 1] = {0};

    if (folder < 0)
        return folder;
    memcpy(name, file_path_name(path).ptr, file_path_name(path).len);
    if (mkdirat(folder, name, 0755) < 0)
        return errno == EEXIST ? 0 : -errno;
    give_away(t, folder, name);
    return 0;
}

/* All directories of PATH that are missing. */
static int make_folders(const struct tree *t, int root, struct str path)
{
    int r = 0;

    for (size_t i = 1; r == 0 && i <= path.len; i++) {
        struct str part = str_head(path, i);
        AUTO(file_close) int fd = -1;

        if (i < path.len && path.ptr[i] != '/')
            continue;
        fd = file_open_beneath(root, part, O_PATH | O_CLOEXEC);
        if (fd == -ENOENT)
            r = make_folder(t, root, part);
        else if (fd < 0)
            r = fd;
    }
    return r;
}

static void refuse_bind(struct tree *t, const json_t *bind, int error)
{
    struct str path = shown(bind);

    if (error == -ENOENT)
        refuse(t, 400,
               "invalid mount config for type \"bind\": bind source path does "
               "not exist: %.*s",
               STR_FMT(path));
    else if (error == -ELOOP || error == -EXDEV)
        refuse(t, 400,
               "\"%.*s\" goes through a symbolic link, and what is copied "
               "goes through none; mount where it leads to",
               STR_FMT(path));
    else if (error == -EACCES || error == -EPERM)
        refuse(t, 403,
               "berth's user may not look into \"%.*s\" on this machine; run "
               "it as the runner's user",
               STR_FMT(path));
    else
        refuse(t, 400, "\"%.*s\" cannot be copied: %s", STR_FMT(path),
               strerror(-error));
}

static void prepare_bind(struct tree *t, int root, const json_t *bind)
{
    struct str path = str_at(bind, "path");
    bool make = json_is_true(json_object_get(bind, "make"));
    AUTO(file_close) int fd = -1;
    struct stat st;
    int r = 0;

    if (path.len && !file_path_is_good(path))
        r = -EINVAL;
    if (r == 0 && path.len && make)
        r = make_folders(t, root, path);
    if (r == 0)
        r = fd = file_open_beneath(root, path, O_PATH | O_CLOEXEC);
    if (r < 0)
        refuse_bind(t, bind, r);
    else if (fstat(fd, &st) < 0 ||
             !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
        refuse(t, 400,
               "\"%.*s\" is neither a file nor a directory, and nothing else "
               "is copied",
               STR_FMT(shown(bind)));
}

static void prepare_binds(struct tree *t, int root)
{
    const json_t *bind;
    size_t i;

    json_array_foreach(t->round.binds, i, bind)
    {
        if (str_eq(str_at(bind, "root"), str_from(t->source)))
            prepare_bind(t, root, bind);
    }
}

/* ---- a round ---- */

static void note(void *arg, enum file_note kind, const struct file_item *item,
                 enum file_status status)
{
    static const char *const words[] = {
        [FILE_NOTE_LOST] = "was changed on both sides, and only one is kept",
        [FILE_NOTE_LEFT] = "was not copied this time",
        [FILE_NOTE_SKIPPED] = "is not copied",
    };
    static const char *const reasons[] = {
        [FILE_DONE] = "",
        [FILE_CHANGED] = "",
        [FILE_DENIED] = ": permission denied",
        [FILE_TROUBLE] = ": it could not be read or written",
    };
    struct tree *t = arg;

    if (t->round.note_count++ >= TREE_NOTES)
        return;
    strbuf_addf(&t->round.notes, "%s/", t->source);
    strbuf_add_visible(&t->round.notes, str_head(item->path, SHOWN));
    strbuf_addf(&t->round.notes, " %s%s\n", words[kind], reasons[status]);
}

/* All that comes back belongs to the one whose directory it is. */
static void set_owner(struct tree *t, int root)
{
    struct file_apply *apply = &t->near.apply;
    struct stat st;

    if (geteuid() != 0 || fstat(root, &st) < 0)
        return;
    apply->owner = FILE_OWNER_FIXED;
    apply->uid = st.st_uid;
    apply->gid = st.st_gid;
}

static void refuse_round(struct tree *t, int error)
{
    struct str source = str_head(str_from(t->source), SHOWN);
    const struct file_limits *limits = &t->near.limits;

    t->round.broken = t->stream.broken != 0;
    if (error == -EFBIG) {
        t->round.rule = FILES_LIMIT_RULE;
        refuse(t, 403,
               "what containers mount of \"%.*s\" is more than %zu files or "
               "%llu MiB; mount less of it, or have the policy raise "
               "container.limits.copy_files or container.limits.copy_bytes",
               STR_FMT(source), limits->entries,
               (unsigned long long)(limits->bytes / MIB));
    } else if (t->round.broken) {
        refuse(t, 503, "the copy of \"%.*s\" on the engine was lost; try again",
               STR_FMT(source));
    } else {
        refuse(t, 500, "\"%.*s\" cannot be copied: %s", STR_FMT(source),
               strerror(-error));
    }
}

static void run_round(struct tree *t, int root)
{
    int r = 0;

    file_near_set_root(&t->near, root);
    tree_load(t, root);
    set_owner(t, root);
    prepare_binds(t, root);
    if (t->round.status != 200)
        return;
    if (!t->greeted)
        r = file_near_connect(&t->near, &t->stream);
    t->greeted = r == 0;
    if (r == 0)
        r = file_near_round(&t->near, t->round.turn, &t->round.report);
    if (r < 0)
        refuse_round(t, r);
    else
        tree_save(t, root);
}

static void refuse_root(struct tree *t, int error)
{
    const char *more = "";

    if (error == EACCES)
        more = "; berth's user may not open it, or it was not there, or "
               "another, when berth was started";
    if (error == ELOOP)
        more = "; a symbolic link leads there that did not when berth read "
               "its policy";
    refuse(t, 503, "the directory \"%.*s\" on berth's machine: %s%s",
           STR_FMT(str_head(str_from(t->source), SHOWN)), strerror(error),
           more);
}

void *tree_run(void *arg)
{
    struct tree *t = arg;
    const uint64_t one = 1;
    int root = tree_open(t);

    t->near.note = note;
    t->near.changing = tree_unsave;
    t->near.note_arg = t;
    if (root < 0)
        refuse_root(t, -root);
    else
        run_round(t, root);
    file_near_set_root(&t->near, -1);
    if (root >= 0)
        close(root);
    (void)!write(t->done_fd, &one, sizeof(one));
    return NULL;
}
