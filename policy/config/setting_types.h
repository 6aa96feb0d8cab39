#pragma once

/*
 * The types a setting may have: how each is read from a JSON value and
 * printed back. Objects and lists are settings.c's; what is here is one value.
 */

#include "policy/config/settings.h"

enum {
    SETTING_E_WRONG = 1,    /* not of this type */
    SETTING_E_OUT_OF_RANGE, /* of this type, but too small or too big */
};

/*
 * Read VALUE into *MEMBER; where it is a string, TEXT is its content with the
 * environment filled in. Returns 0 or one of the above.
 */
int setting_read_scalar(const struct setting *setting, const json_t *value,
                        struct str text, void *member);

/* Set *MEMBER to what null leaves there. */
void setting_clear(const struct setting *setting, void *member);

/* *MEMBER as JSON. */
json_t *setting_scalar_to_json(const struct setting *setting,
                               const void *member);

/* What the type is called ("size"), and what to write for it ("a number with
 * k, m, g or t, like "4g""). 0 or -ENOBUFS. */
const char *setting_noun(enum setting_type type);
int setting_put_remedy(const struct setting *setting, struct strbuf *out);

/* "1 to 4096", in the type's own spelling. 0 or -ENOBUFS. */
int setting_put_range(const struct setting *setting, struct strbuf *out);

/* May null be given? */
bool setting_is_optional(const struct setting *setting);

/* The highest value, or the most entries, the row allows. */
double setting_max(const struct setting *setting);
