#pragma once

/*
 * Two directories, made for each test and removed after it, and what tests do
 * with them. Included once by a test's source.
 */

#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "tests/support/file_trees.h"

static struct file_trees trees;

static inline int scene_make(void **state)
{
    (void)state;
    file_trees_init(&trees);
    return 0;
}

static inline int scene_clean(void **state)
{
    (void)state;
    file_trees_fini(&trees);
    return 0;
}

static inline void put(const char *path, const char *content)
{
    file_trees_write(&trees, path, content);
}

/* NULL: there is nothing. */
static inline void holds(const char *path, const char *content)
{
    const char *found = file_trees_read(&trees, path);

    if (!content) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, content);
}

static inline struct file_report in(void)
{
    return file_trees_round(&trees, FILE_TURN_NEAR);
}

static inline struct file_report out(void)
{
    return file_trees_round(&trees, FILE_TURN_FAR);
}

static inline struct stat look(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(file_trees_path(&trees, path), &st), 0);
    return st;
}
