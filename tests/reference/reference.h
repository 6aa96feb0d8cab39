#pragma once

/* The settings of a policy as documents. All of these end the program when OUT
 * is too small. */

#include "policy/config/settings.h"

/* A JSON Schema (draft 7, the one that editors know best). */
void put_settings_schema(struct strbuf *out);

/* Tables in Markdown: a heading and a table for each section. */
void put_settings_table(struct strbuf *out);

/* Lists in mdoc: one, and then a subsection with a list for each section. */
void put_settings_man(struct strbuf *out);

/* Write one setting: at PATH, "ssh.identity" or "berths[].listen". */
typedef void put_setting_fn(struct strbuf *out, const struct setting *setting,
                            const char *path);

/* WRITE SETTING, which is behind PREFIX, and all that is inside it; of
 * objects that are one, only what is inside. */
void put_each_setting(struct strbuf *out, const struct setting *setting,
                      const char *prefix, put_setting_fn *write);

/* TEXT as it is. */
void put(struct strbuf *out, struct str text);

/* What a value of SETTING may be: "whole number, 1 to 10", or the words of an
 * enumeration, each in quotes with MARK around them. */
void put_setting_type(struct strbuf *out, const struct setting *setting,
                      const char *mark);
