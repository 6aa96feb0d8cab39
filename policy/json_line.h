#pragma once

/*
 * Write one JSON object straight into a buffer, member by member, for what is
 * written so often that building a tree first is too dear.
 */

#include "policy/str.h"

struct record {
    struct strbuf *out;
    size_t start; /* what OUT held before */
    size_t mark;  /* and before its key, when it is a member */
    bool full;
};

/* Begin an object at the end of OUT. */
void record_begin(struct record *record, struct strbuf *out);

/* Add a member; KEY is a plain word. Text that is no UTF-8 becomes
 * "(not UTF-8)", since it cannot stand in JSON. */
void record_text(struct record *record, const char *key, struct str value);
void record_int(struct record *record, const char *key, int64_t value);
void record_uint(struct record *record, const char *key, uint64_t value);
/* MICROS as milliseconds with three decimals. */
void record_millis(struct record *record, const char *key, uint64_t micros);
void record_null(struct record *record, const char *key);
/* JSON is a value already written. */
void record_json(struct record *record, const char *key, struct str json);

/*
 * Add an object as member: open INNER, add its members to that and nothing to
 * RECORD meanwhile, and close it. One without members is taken back.
 */
void record_open(struct record *record, const char *key, struct record *inner);
void record_close(struct record *record, struct record *inner);

/* Close the object. 0; or -ENOBUFS, with OUT as it was before. */
int record_end(struct record *record);
