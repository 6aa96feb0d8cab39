#pragma once

/*
 * Protobuf messages as JSON, for cases that people write and read: fields by
 * their names, maps as objects, lists as lists. Bytes are text, or {"hex":
 * "0a01"}, or {"op": {...}}, an operation of LLB within.
 */

#include "policy/build/pb.h"

#include <jansson.h>

/* JSON as a message of TYPE, appended to OUT. Ends the program with a word
 * about what is wrong in JSON. */
void pb_from_json(const struct pb_type *type, const json_t *json,
                  struct strbuf *out);

/* And back; the caller owns the result. */
json_t *pb_to_json(const struct pb_message *message);
