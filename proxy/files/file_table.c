#include "proxy/files/file_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void file_table_fini(struct file_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        file_entry_unref(table->rows[i]);
    free(table->rows);
    *table = (struct file_table){0};
}

static size_t most_entries(const struct file_limits *limits)
{
    return limits->entries && limits->entries < LIMIT_FILES_ENTRIES
               ? limits->entries
               : LIMIT_FILES_ENTRIES;
}

static uint64_t most_bytes(const struct file_limits *limits)
{
    return limits->bytes && limits->bytes < LIMIT_FILES_BYTES
               ? limits->bytes
               : LIMIT_FILES_BYTES;
}

/*
 * Is ENTRY's directory in TABLE? Going back from the end meets only
 * the last entry's own directories, so the search is short for most.
 */
static bool has_parent(const struct file_table *table, struct str path)
{
    struct str parent = file_path_parent(path);
    const struct file_entry *last =
        table->count ? table->rows[table->count - 1] : NULL;
    const struct file_entry *found;

    if (!parent.len)
        return true;
    if (last && str_eq(last->path, parent))
        return last->kind == FILE_DIRECTORY && !last->opaque;
    if (last && str_eq(file_path_parent(last->path), parent))
        return true; /* the last one's directory was looked for already */
    found = file_table_find(table, parent);
    return found && found->kind == FILE_DIRECTORY && !found->opaque;
}

/* A hard link leads to a regular file before it. */
static bool has_target(const struct file_table *table,
                       const struct file_entry *entry)
{
    const struct file_entry *found;

    if (entry->kind != FILE_HARD_LINK)
        return true;
    found = file_table_find(table, entry->target);
    return found && found->kind == FILE_REGULAR;
}

static void make_room(struct file_table *table)
{
    if (table->count < table->room)
        return;
    table->room = table->room ? 2 * table->room : 64;
    table->rows =
        realloc(table->rows, table->room * sizeof(struct file_entry *));
    assert(table->rows);
}

bool file_limits_stop(const struct file_limits *limits)
{
    return limits->stop && __atomic_load_n(limits->stop, __ATOMIC_SEQ_CST);
}

/* Append ENTRY, which is known to fit here. */
static int append(struct file_table *table, struct file_entry *entry,
                  const struct file_limits *limits)
{
    size_t names = entry->path.len + entry->target.len;
    uint64_t bytes = entry->kind == FILE_REGULAR ? entry->stamp.size : 0;

    if (table->count >= most_entries(limits) ||
        names > LIMIT_FILES_NAMES - table->names ||
        bytes > most_bytes(limits) - table->bytes)
        return -EFBIG;
    make_room(table);
    table->rows[table->count++] = file_entry_ref(entry);
    table->names += names;
    table->bytes += bytes;
    return 0;
}

int file_table_add(struct file_table *table, struct file_entry *entry,
                   const struct file_limits *limits)
{
    if (file_limits_stop(limits))
        return -ECANCELED;
    if (!file_entry_is_good(entry) ||
        (table->count && file_path_order(table->rows[table->count - 1]->path,
                                         entry->path) >= 0) ||
        !has_parent(table, entry->path) || !has_target(table, entry))
        return -EBADMSG;
    return append(table, entry, limits);
}

int file_table_share(struct file_table *table, struct file_entry *entry,
                     const struct file_limits *limits)
{
    int r =
        file_limits_stop(limits) ? -ECANCELED : append(table, entry, limits);

    table->shared += r == 0;
    return r;
}

bool file_table_is_same(const struct file_table *table,
                        const struct file_table *old)
{
    return table->shared == table->count && table->count == old->count;
}

size_t file_table_seek(const struct file_table *table, struct str path)
{
    size_t low = 0;
    size_t high = table->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (file_path_order(table->rows[middle]->path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct file_entry *file_table_find(const struct file_table *table,
                                   struct str path)
{
    size_t at = file_table_seek(table, path);

    return at < table->count && str_eq(table->rows[at]->path, path)
               ? table->rows[at]
               : NULL;
}
