#pragma once

/*
 * The lines of a Dockerfile, as the parser of Docker's engine puts them
 * together (moby/buildkit, frontend/dockerfile/parser): comments and empty
 * lines go, continuations are joined, flags are apart.
 */

#include "policy/base/limits.h"
#include "policy/base/verdict.h"

/* One instruction. All slices live as long as the struct dockerfile_lines. */
struct dockerfile_line {
    size_t number;      /* of its first line, from 1 */
    struct str text;    /* joined, without white space at either end */
    struct str keyword; /* as written: "FROM", "from" */
    struct str *flags;  /* "--from=x", without quotes and escapes */
    size_t flag_count;
    struct str args; /* what is behind the flags */
};

/* The rule of refusals that are an engine's own, in its words. */
#define DOCKERFILE_RULE "build.dockerfile"

struct dockerfile_lines {
    char escape;
    struct dockerfile_line *lines;
    size_t count;
    char **kept; /* what the slices point into */
    size_t kept_count;
};

/*
 * Read TEXT, a Dockerfile or the trigger of an ONBUILD. Returns 0; or -EINVAL
 * with *WHY, in the words of an engine where it refuses the same: what an
 * engine cannot parse, has no instruction, or is over MAX bytes (of at most
 * LIMIT_DOCKERFILE_WRITTEN) or LIMIT_DOCKERFILE_LINES. dockerfile_lines_fini in
 * any case.
 */
int dockerfile_lines_read(struct dockerfile_lines *lines, struct str text,
                          size_t max, struct verdict *why);
void dockerfile_lines_fini(struct dockerfile_lines *lines);

/*
 * Read TEXT, one joined line, into *LINE. It is kept in LINES, but not added to
 * it: the instruction behind an ONBUILD.
 */
void dockerfile_line_split(struct dockerfile_lines *lines, struct str text,
                           struct dockerfile_line *line);

/* Is it the instruction KEYWORD, in any case? */
bool dockerfile_line_is(const struct dockerfile_line *line,
                        const char *keyword);

/*
 * Append line number NUMBER, TEXT, to OUT, which has *AT lines by now: empty
 * lines first, so that an engine counts as before. 0 or -ENOBUFS.
 */
int dockerfile_line_put(struct strbuf *out, size_t *at, size_t number,
                        struct str text);

/*
 * The words of ARGS, as FROM, COPY and ADD have them. Returns how many there
 * are; the first MAX are put into WORDS.
 */
size_t dockerfile_words(struct str args, struct str *words, size_t max);

/* The words of ARGS, as ENV and ARG have them: quotes and escapes stay. Calls
 * EACH for every one until it returns non-zero, which it then returns. */
int dockerfile_quoted_words(struct str args, char escape,
                            int (*each)(void *arg, struct str word), void *arg);

/* Cut TEXT at its first run of blanks (Docker's reWhitespace). */
void dockerfile_cut_blanks(struct str text, struct str *head, struct str *tail);
