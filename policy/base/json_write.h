#pragma once

/*
 * A JSON tree as compact text. jansson can do it too, at four times the cost:
 * it checks again what json_strict or we ourselves have put into the tree.
 */

#include "policy/base/str.h"

#include <jansson.h>

/* Append TREE, whose strings are UTF-8 as jansson keeps them, or numbers that
 * json_read kept. 0 or -ENOBUFS, OUT then holding part of it. */
int json_write(struct strbuf *out, const json_t *tree);

/* Append TEXT, which is UTF-8, as a JSON string. As above. */
int json_write_text(struct strbuf *out, struct str text);
