#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/base/sha256.h"
#include "proxy/files/file_saved.h"
#include "proxy/files_link/tree.h"

/* A directory has one file, whichever namespace it was for last. */
char *tree_saved_path(const char *state, const char *source)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_FILES_PATH);
    char digits[SHA256_HEX + 1];

    sha256_hex(str_from(source), digits);
    if (!state || strbuf_addf(&path, "%s/%.16s", state, digits) < 0)
        return NULL;
    return xstr_dup(strbuf_str(&path));
}

/* Which two sides these are: another container of the volume may have another
 * volume, and another directory is not this one. */
static void put_about(const struct tree *t, int root, struct strbuf *about)
{
    struct stat st = {0};

    (void)fstat(root, &st);
    strbuf_addf(about, "%s %llu %llu %s %s", t->box_id ? t->box_id : "",
                (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                t->ns, t->source);
}

void tree_load(struct tree *t, int root)
{
    AUTO(strbuf_fini) struct strbuf about = STRBUF(LIMIT_FILES_PIECE);

    if (!t->saved || t->loaded || !t->box_id)
        return;
    t->loaded = true;
    put_about(t, root, &about);
    /* what cannot be read is as good as none: all is compared */
    if (file_saved_read(&t->near, t->saved, strbuf_str(&about)) < 0)
        unlinkat(AT_FDCWD, t->saved, 0);
}

void tree_save(struct tree *t, int root)
{
    AUTO(strbuf_fini) struct strbuf about = STRBUF(LIMIT_FILES_PIECE);

    if (!t->saved || !t->unsaved || !t->box_id)
        return;
    t->unsaved = false;
    put_about(t, root, &about);
    (void)file_saved_write(&t->near, t->saved, strbuf_str(&about));
}

void tree_unsave(void *arg)
{
    struct tree *t = arg;

    t->unsaved = true;
    if (t->saved)
        unlinkat(AT_FDCWD, t->saved, 0);
}
