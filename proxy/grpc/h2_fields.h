#pragma once

/*
 * Header fields as HTTP/2 and gRPC have them: pairs of a lower-case name and a
 * value of any bytes, in order, names may repeat. The list owns its text and
 * has a maximum for it, and one for its length.
 */

#include "policy/base/str.h"

struct h2_field {
    struct str name, value;
};

struct h2_fields {
    struct strbuf text; /* its max is the maximum of all names and values */
    struct h2_span {
        size_t name, value, end; /* offsets into TEXT */
    } * spans;
    size_t count, cap, max;
};

#define H2_FIELDS(most_bytes, most_fields)                                     \
    {                                                                          \
        .text = STRBUF(most_bytes), .max = (most_fields)                       \
    }

void h2_fields_fini(struct h2_fields *fields);
/* Forget all of them, keep the memory. */
/* Bytes that it holds. */
size_t h2_fields_memory(const struct h2_fields *fields);
void h2_fields_clear(struct h2_fields *fields);

/* Append a copy: 0, or -ENOBUFS over a maximum, leaving all as it was. */
int h2_fields_add(struct h2_fields *fields, struct str name, struct str value);

/* The field at INDEX; its slices are valid until the list changes. */
struct h2_field h2_fields_at(const struct h2_fields *fields, size_t index);

/*
 * The value of the first field NAME into *VALUE; false when there is none.
 * h2_fields_one: also false when there is more than one.
 */
bool h2_fields_get(const struct h2_fields *fields, struct str name,
                   struct str *value);
bool h2_fields_one(const struct h2_fields *fields, struct str name,
                   struct str *value);
