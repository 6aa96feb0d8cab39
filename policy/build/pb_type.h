#pragma once

/*
 * Protocol Buffers messages as tables (proto3, the binary form). A message
 * type is a row for each field there is; the walker in pb.h reads by them,
 * refuses what they do not have, and writes by them. A new field of BuildKit
 * is a new row.
 */

#include <stddef.h>

enum pb_kind {
    PB_BOOL,   /* varint: 0 or 1 */
    PB_INT32,  /* varint: a sign-extended int32 */
    PB_UINT32, /* varint */
    PB_INT64,  /* varint; read as its two's complement */
    PB_UINT64, /* varint */
    PB_ENUM,   /* varint: 0 to .most, without a gap */
    PB_STRING, /* UTF-8 */
    PB_BYTES,
    PB_MESSAGE, /* of type .of */
};

enum pb_count {
    PB_ONE,
    PB_MANY,
    PB_MAP, /* many, of an entry type: field 1 is the key, which no two share */
};

struct pb_type;

struct pb_field {
    unsigned number;
    const char *name; /* as BuildKit's .proto writes it */
    enum pb_kind kind;
    enum pb_count count;
    const struct pb_type *of; /* PB_MESSAGE */
    unsigned most;            /* PB_ENUM: the highest value known */
    unsigned oneof;           /* 0, or the group of which one may be given */
};

/* Rows are in ascending order of their numbers. */
struct pb_type {
    const char *name;
    const struct pb_field *fields;
    size_t count;
};

#define PB_TYPE(title, rows)                                                   \
    {                                                                          \
        (title), (rows), sizeof(rows) / sizeof((rows)[0])                      \
    }

/* map<string, string> and map<string, bytes> */
extern const struct pb_type pb_string_entry, pb_bytes_entry;

/* The row of NUMBER, or NULL. */
const struct pb_field *pb_field_find(const struct pb_type *type,
                                     unsigned number);
