#pragma once

/*
 * The policies that come with berth: the files of policy/config/presets/, built
 * into the program. A policy names one as its "preset" and overrides it key by
 * key.
 */

#include "policy/base/str.h"

struct preset {
    const char *name; /* "compose-tests" */
    struct str text;  /* the whole JSON file */
};

extern const struct preset presets[];
extern const size_t preset_count;

/* The preset of that name, or NULL. */
const struct preset *preset_find(struct str name);

/* Is there such a preset? If not, say in WHY which ones there are. */
bool preset_check(struct str name, struct strbuf *why);

/* Append the name of preset number INDEX; false past the last. */
bool preset_word_at(size_t index, struct strbuf *out);
