#pragma once

/* The settings of a policy as documents. Both end the program when OUT is too
 * small. */

#include "policy/str.h"

/* A JSON Schema (draft 7, the one that editors know best). */
void put_settings_schema(struct strbuf *out);

/* Tables in Markdown: a heading and a table for each section. */
void put_settings_table(struct strbuf *out);
