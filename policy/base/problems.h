#pragma once

/* What is wrong with a document: a list, so that an author sees all of it at
 * once. */

#include "policy/base/str.h"

struct problem {
    char *where;           /* the file, or whatever the text came from */
    unsigned line, column; /* from 1; 0: no position */
    char *text;            /* "listen.mode: "rw" is no ...; write ..." */
};

struct problems {
    struct problem *items;
    size_t count; /* at most LIMIT_PROBLEMS; further ones are dropped */
};

void problems_add(struct problems *problems, const char *where, unsigned line,
                  unsigned column, struct str text);

/* By line and column; problems without a position go first. */
void problems_sort(struct problems *problems);

/* Append "WHERE:LINE:COLUMN: TEXT", one line each. 0 or -ENOBUFS. */
int problems_put(const struct problems *problems, struct strbuf *out);

void problems_fini(struct problems *problems);
