#pragma once

/*
 * What was seen, one by one, as the few entries that a policy should have: of
 * paths and image names below each other the upper one alone, and where MANY or
 * more are in one directory, the directory. Paths and names are words with "/"
 * between them.
 * What was seen is the client's choice, so no directory of the system's is
 * there for anything, nor does "/", a directory below it, or a whole registry.
 */

#include <jansson.h>

#include "policy/base/str.h"

enum { LEARN_MANY = 4 };

/* May DIRECTORY stand for all that is in it? */
typedef bool (*learn_tree_cb)(struct str directory);

/* A tree of words: a new json object, the caller's, for these. */
void learn_tree_add(json_t *tree, struct str word);

/* The entries of TREE, each with ROOT ("/" or nothing) before it: {word: how
 * many words it stands for}, a new reference. */
json_t *learn_tree_entries(const json_t *tree, struct str root,
                           learn_tree_cb may_stand);

/* Is WORD one of ENTRIES, or below one? */
bool learn_tree_has(const json_t *entries, struct str word);

/* Such directories of a Docker host, and such beginnings of image names. */
bool learn_directory_may_stand(struct str directory);
bool learn_images_may_stand(struct str beginning);
