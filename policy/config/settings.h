#pragma once

/*
 * The keys of a policy as tables. A shape is one JSON object: a row for each
 * key says what it may hold, where it goes in a C struct, what it is when
 * nobody gives it, and what it means. Reading, refusing unknown keys, printing
 * the effective policy, the JSON Schema and the table in docs/policy.md all
 * come from these rows; a new setting is a new row.
 *
 *     static const struct setting network_rows[] = {
 *         {"internal_only", BOOL_AT(struct network_policy, internal_only),
 *          "false", .help = "..."},
 *         {"count", INTEGER_AT(struct network_policy, count), "10", .max = 500,
 *          .help = "..."},
 *     };
 *     const struct shape network_shape =
 *         SHAPE(struct network_policy, network_rows);
 */

#include "policy/base/environment.h"
#include "policy/base/problems.h"
#include "policy/base/strings.h"

#include <jansson.h>

/* What a key may hold, and the C type of the member it goes to. "None" is what
 * null leaves there, for rows whose fallback is "null". */
enum setting_type {
    SETTING_BOOL,           /* bool */
    SETTING_STRING,         /* char *; none: NULL */
    SETTING_WORD_OR_NUMBER, /* char *: a string or an integer; none: NULL */
    SETTING_ENUM,           /* an enum: the index into .words */
    SETTING_INTEGER,   /* unsigned; none: UINT_MAX, so that "no limit" is the
                          highest one */
    SETTING_NUMBER,    /* double; none: INFINITY */
    SETTING_DURATION,  /* unsigned, milliseconds ("15s"); none: UINT_MAX */
    SETTING_SIZE,      /* uint64_t, bytes ("4g"); none: UINT64_MAX */
    SETTING_FILE_MODE, /* unsigned ("0660") */
    SETTING_STRINGS,   /* struct strings: a list of strings */
    SETTING_STRINGS_OR_ONE, /* the same; a lone string is a list of one */
    SETTING_OBJECT,         /* a struct, with the rows of .of */
    SETTING_OBJECTS,        /* struct objects: a list of such */
};

struct setting {
    const char *key;
    enum setting_type type;
    size_t offset;        /* of the member */
    const char *fallback; /* what it is when nobody says, as JSON text; "null"
                             also makes null a lawful value; NULL: the key must
                             be given. Not for SETTING_OBJECT, whose rows have
                             their own. */
    double min, max;      /* numbers, milliseconds, bytes: the lowest and
                             highest; lists: the most entries. 0: the most that
                             fits, and LIMIT_POLICY_LIST */
    const char *const *words; /* enum: NULL at the end */
    const struct shape *of;
    /* Is TEXT, the string or each of the strings, as it should be? If not, say
     * in WHY what it is not and what to write ("is no ...; write ..."). */
    bool (*check)(struct str text, struct strbuf *why);
    const char *pattern; /* what CHECK takes, as a regular expression for the
                            JSON Schema; or NULL */
    /* The words that CHECK takes, if they can be counted, for the JSON Schema:
     * append number INDEX to OUT; false past the last. */
    bool (*word_at)(size_t index, struct strbuf *out);
    const char *help; /* one line */
};

struct shape {
    const struct setting *rows;
    size_t count;
    size_t size; /* of the struct */
    /* After all members: do they go together? As in a row's CHECK; *KEY names
     * the member that is wrong, if one is. */
    bool (*check)(const void *object, const char **key, struct strbuf *why);
    const char *lone; /* the key that is meant by a value that is no object, or
                         NULL: "namespace": "r1" is {"name": "r1"} */
};

#define SHAPE(type, table)                                                     \
    {                                                                          \
        .rows = (table), .count = sizeof(table) / sizeof((table)[0]),          \
        .size = sizeof(type)                                                   \
    }

/* The offset of a member, after a look whether its type is right. (A type
 * takes no parentheses.) */
// clang-format off
// NOLINTBEGIN(bugprone-macro-parentheses)
#define SETTING_FIELD(object, member, ctype)                                   \
    (offsetof(object, member) +                                                \
     0 * sizeof(char[_Generic(&((object *)0)->member, ctype *: 1, default: -1)]))
// NOLINTEND(bugprone-macro-parentheses)

#define BOOL_AT(o, m)      SETTING_BOOL, SETTING_FIELD(o, m, bool)
#define STRING_AT(o, m)    SETTING_STRING, SETTING_FIELD(o, m, char *)
#define ENUM_AT(o, m)      SETTING_ENUM, SETTING_FIELD(o, m, unsigned)
#define INTEGER_AT(o, m)   SETTING_INTEGER, SETTING_FIELD(o, m, unsigned)
#define NUMBER_AT(o, m)    SETTING_NUMBER, SETTING_FIELD(o, m, double)
#define DURATION_AT(o, m)  SETTING_DURATION, SETTING_FIELD(o, m, unsigned)
#define SIZE_AT(o, m)      SETTING_SIZE, SETTING_FIELD(o, m, uint64_t)
#define FILE_MODE_AT(o, m) SETTING_FILE_MODE, SETTING_FIELD(o, m, unsigned)
#define STRINGS_AT(o, m)   SETTING_STRINGS, SETTING_FIELD(o, m, struct strings)
#define OBJECT_AT(o, m)    SETTING_OBJECT, offsetof(o, m)
#define OBJECTS_AT(o, m)   SETTING_OBJECTS, SETTING_FIELD(o, m, struct objects)
#define WORD_OR_NUMBER_AT(o, m)                                                \
    SETTING_WORD_OR_NUMBER, SETTING_FIELD(o, m, char *)
#define STRINGS_OR_ONE_AT(o, m)                                                \
    SETTING_STRINGS_OR_ONE, SETTING_FIELD(o, m, struct strings)
// clang-format on

/* One source of settings; what an earlier layer says goes before what a later
 * one says, key by key: objects merge, lists are replaced whole. */
struct layer {
    const char *name; /* the file's name, for messages */
    struct str text;  /* what ROOT was read from, for positions; or empty */
    const json_t *root;
};

enum { LAYERS_MAX = 4 };

/*
 * Fill *OBJECT, all zeros before, from the layers. What is wrong is added to
 * PROBLEMS; unless nothing is, OBJECT is of no use, but settings_fini still
 * has to be called.
 */
void settings_read(const struct shape *shape, void *object,
                   const struct layer *layers, size_t layer_count,
                   const struct environment *environment,
                   struct problems *problems);

void settings_fini(const struct shape *shape, void *object);

/* OBJECT as JSON, every key given; reading it gives the same object. The
 * caller owns the result. */
json_t *settings_to_json(const struct shape *shape, const void *object);

/* The row of KEY, or NULL. */
const struct setting *shape_find(const struct shape *shape, const char *key);
