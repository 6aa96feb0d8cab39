#pragma once

/*
 * Read, change and write one protobuf message. Go's readers are kinder than is
 * safe to rely on: of a scalar given twice they take the last, they merge
 * messages, keep unknown fields and enum values, and count any varint that is
 * not 0 as true. Here each of these is a fault, so that what was judged has
 * one reading, and what is sent is written anew from what was judged.
 *
 * A tree's strings are slices of the message it was read from, which has to
 * outlive it, or of what pb_keep copied.
 */

#include "policy/base/str.h"
#include "policy/build/pb_type.h"

struct pb_message;

struct pb_value {
    const struct pb_field *field;
    union {
        uint64_t number;            /* all varints; int32 sign-extended */
        struct str bytes;           /* PB_STRING, PB_BYTES */
        struct pb_message *message; /* PB_MESSAGE */
    };
    struct pb_value *next;
};

struct pb_message {
    const struct pb_type *type;
    struct pb_value *first;
    size_t size; /* while it is written */
};

struct pb_block;

/* Owns all messages, values and copies of one tree. All zeros is an empty one.
 */
struct pb_tree {
    struct pb_block *blocks;
    size_t values; /* made so far; at most LIMIT_PB_VALUES are read */
};

void pb_tree_fini(struct pb_tree *tree);

/* How fields are read that no row has, and text that is not UTF-8. */
enum pb_strictness {
    PB_STRICT,  /* faults: what a runner sends */
    PB_LENIENT, /* left out, and taken as it is: what a newer engine says */
};

struct pb_fault {
    char where[160]; /* "Exporters[1].Attrs", or empty: the message itself */
    char what[96];   /* "field 99 is not known" */
};

enum { PB_E_FAULT = 1 };

/*
 * Read TEXT as a message of TYPE. Returns 0 and fills *OUT, which belongs to
 * TREE; or PB_E_FAULT and *FAULT. LIMIT_PB_DEPTH and LIMIT_PB_VALUES are faults
 * too.
 */
int pb_parse(struct pb_tree *tree, const struct pb_type *type, struct str text,
             enum pb_strictness strictness, struct pb_message **out,
             struct pb_fault *fault);

/* Append MESSAGE as bytes: 0 or -ENOBUFS. */
int pb_put(struct pb_message *message, struct strbuf *out);

/* The first value of field NUMBER, or NULL; and the next of the same field. */
struct pb_value *pb_find(const struct pb_message *message, unsigned number);
struct pb_value *pb_next(const struct pb_value *value);

/* What is not given reads as proto3 has it: empty, 0, or NULL for a message. */
struct str pb_text(const struct pb_message *message, unsigned number);
uint64_t pb_number(const struct pb_message *message, unsigned number);
struct pb_message *pb_child(const struct pb_message *message, unsigned number);

/* An empty message of its own, to be filled. */
struct pb_message *pb_new(struct pb_tree *tree, const struct pb_type *type);

/* Change. The row of NUMBER must be there and of that kind; text is not copied
 * (pb_keep does that). pb_set_* replaces what is there; empty text and 0 take
 * the field away. pb_add_* puts one more behind the others. */
void pb_set_text(struct pb_tree *tree, struct pb_message *message,
                 unsigned number, struct str text);
void pb_set_number(struct pb_tree *tree, struct pb_message *message,
                   unsigned number, uint64_t value);
void pb_add_text(struct pb_tree *tree, struct pb_message *message,
                 unsigned number, struct str text);
struct pb_message *pb_add_message(struct pb_tree *tree,
                                  struct pb_message *message, unsigned number);
/* All values of field NUMBER, or one VALUE, which must be of MESSAGE. */
void pb_remove(struct pb_message *message, unsigned number);
void pb_remove_value(struct pb_message *message, const struct pb_value *value);

/* The entry of KEY in the map NUMBER, or NULL; field 2 of it is the value. */
struct pb_message *pb_map_find(const struct pb_message *message,
                               unsigned number, struct str key);
/* The text there, or empty. */
struct str pb_map_text(const struct pb_message *message, unsigned number,
                       struct str key);
void pb_map_set(struct pb_tree *tree, struct pb_message *message,
                unsigned number, struct str key, struct str value);
void pb_map_remove(struct pb_message *message, unsigned number, struct str key);

/* A copy of TEXT that lives as long as TREE. */
struct str pb_keep(struct pb_tree *tree, struct str text);
