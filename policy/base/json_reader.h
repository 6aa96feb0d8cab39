#pragma once

/*
 * JSON text as a tree of jansson's, in one pass: the structure, plain words and
 * short numbers are read here, and every token that takes more understanding
 * (escapes, UTF-8, fractions) is jansson's to read. Reading is most of what a
 * request or a reply costs, and jansson by itself takes four times as long.
 */

#include "policy/base/str.h"

#include <jansson.h>

struct json_rules {
    size_t depth;  /* levels of objects and lists */
    size_t values; /* of every kind, all together */
    size_t decode; /* jansson's flags, for the tokens that it reads */

    /* Read what somebody else vouches for: of equal keys the last stays, and a
     * number that jansson would not give back as it came is kept as it is. If
     * not, equal keys are a fault, and numbers have to fit. */
    bool faithful;
};

enum json_fault_kind {
    JSON_FAULT_MALFORMED,
    JSON_FAULT_DEEP,
    JSON_FAULT_MANY, /* values */
    JSON_FAULT_MEMORY,
};

struct json_fault {
    enum json_fault_kind kind;
    size_t at;                         /* the byte */
    char what[JSON_ERROR_TEXT_LENGTH]; /* MALFORMED: a few words, in which the
                                          text is not quoted */
};

/*
 * Read BYTES: one value with nothing but blanks around it, in valid UTF-8, with
 * no lone surrogate. The caller owns the tree; or NULL and *FAULT.
 */
json_t *json_read(struct str bytes, const struct json_rules *rules,
                  struct json_fault *fault);

/* Is VALUE a number that was kept as it is? Then *NUMBER is its text. */
bool json_kept_number(const json_t *value, struct str *number);
