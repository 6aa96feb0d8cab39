#include <errno.h>
#include <time.h>

#include "proxy/files_link/tree.h"

/* Which paths of a directory are kept in step. */

enum {
    KEPT_S = 30, /* a path is kept so long for a container to be made of it */
};

/* What tree.kept says of a path; else until when it is kept, in seconds. */
enum {
    LISTED,  /* a container has it */
    UNKNOWN, /* one had it in the last list */
    ENDED,   /* none has it, and what was written in it is to be brought back */
    TIMES,
};

static json_int_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (json_int_t)time.tv_sec + TIMES;
}

static void set(struct tree *t, struct str path, json_int_t value)
{
    json_object_setn_new(t->kept, path.ptr, path.len, json_integer(value));
}

static void drop(struct tree *t, struct str path)
{
    file_near_drop(&t->near, path);
    json_object_deln(t->kept, path.ptr, path.len);
}

void tree_list_begin(struct tree *t)
{
    const char *path;
    json_t *kept;

    json_object_foreach(t->kept, path, kept)
    {
        if (json_integer_value(kept) == LISTED)
            json_integer_set(kept, UNKNOWN);
    }
}

bool tree_list(struct tree *t, struct str path)
{
    int r = file_mounts_add(&t->near.mounts, path);

    if (r == 0)
        set(t, path, LISTED);
    return r != -ENOBUFS;
}

/*
 * A container that was removed may have written something since the last round,
 * and nobody need have waited for its end.
 */
void tree_list_end(struct tree *t)
{
    const char *path;
    json_t *kept;

    json_object_foreach(t->kept, path, kept)
    {
        json_int_t value = json_integer_value(kept);

        if (value != LISTED && value <= now())
            json_integer_set(kept, ENDED);
    }
}

bool tree_drop_ended(struct tree *t)
{
    const char *path;
    json_t *kept;
    void *next;
    bool any = false;

    json_object_foreach_safe(t->kept, next, path, kept)
    {
        if (json_integer_value(kept) != ENDED)
            continue;
        drop(t, str_from(path));
        any = true;
    }
    return any;
}

int tree_keep(struct tree *t, struct str path)
{
    const json_t *kept = json_object_getn(t->kept, path.ptr, path.len);
    int r = file_near_keep(&t->near, path);

    if (r == 0 && (!kept || json_integer_value(kept) != LISTED))
        set(t, path, now() + KEPT_S);
    return r;
}

bool tree_unkeep(struct tree *t, struct str path)
{
    const json_t *kept = json_object_getn(t->kept, path.ptr, path.len);

    if (!kept || json_integer_value(kept) == LISTED)
        return false; /* another has it */
    /* what was in step before may have been another's, of which we do not know
     * whether it still is */
    if (file_near_is_new(&t->near, path))
        drop(t, path);
    else
        set(t, path, ENDED);
    return true;
}
