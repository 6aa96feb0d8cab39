#pragma once

/*
 * Write one JSON object straight into a buffer, member by member, for what is
 * written so often that building a tree first costs too much.
 */

#include "policy/base/str.h"

struct json_line {
    struct strbuf *out;
    size_t start; /* what OUT held before */
    size_t mark;  /* and before its key, when it is a member */
    bool full;
};

/* Begin an object at the end of OUT. */
void json_line_begin(struct json_line *line, struct strbuf *out);

/* Add a member; KEY is a plain word. Text that is no UTF-8 becomes
 * "(not UTF-8)", since it cannot be in JSON. */
void json_line_text(struct json_line *line, const char *key, struct str value);
void json_line_int(struct json_line *line, const char *key, int64_t value);
void json_line_uint(struct json_line *line, const char *key, uint64_t value);
/* MICROS as milliseconds with three decimals. */
void json_line_millis(struct json_line *line, const char *key, uint64_t micros);
void json_line_null(struct json_line *line, const char *key);
/* JSON is a value already written. */
void json_line_json(struct json_line *line, const char *key, struct str json);

/*
 * Add an object as member: open INNER, add its members to that and nothing to
 * LINE meanwhile, and close it. One without members is taken back.
 */
void json_line_open(struct json_line *line, const char *key,
                    struct json_line *inner);
void json_line_close(struct json_line *line, struct json_line *inner);

/* Close the object. 0; or -ENOBUFS, with OUT as it was before. */
int json_line_end(struct json_line *line);
