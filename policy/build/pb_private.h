#pragma once

/* What reading and writing share. */

#include "policy/build/pb.h"

/* Groups (3, 4) are no part of proto3. */
enum {
    PB_WIRE_VARINT = 0,
    PB_WIRE_64 = 1,
    PB_WIRE_LENGTH = 2,
    PB_WIRE_32 = 5,
};

/* A value of FIELD in no message yet. */
struct pb_value *pb_value_new(struct pb_tree *tree,
                              const struct pb_field *field);
