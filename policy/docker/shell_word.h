#pragma once

/*
 * Words of a Dockerfile, expanded as Docker does it (moby/buildkit,
 * frontend/dockerfile/shell): quotes and escapes are taken off, "$x" and
 * "${x:-y}" replaced. It looks like a shell's reading and is not quite one.
 *
 * What engines of different ages read differently ("${x#pattern}",
 * "${x/a/b}") is not expanded here: SHELL_WORD_E_UNKNOWN.
 */

#include "policy/base/str.h"

/* What is known of a variable. */
enum shell_value {
    SHELL_UNSET,
    SHELL_SET,
    SHELL_UNKNOWN, /* it may have any value, or none */
};

struct shell_env {
    /* Look NAME up; fills *VALUE when it is set. */
    enum shell_value (*find)(void *arg, struct str name, struct str *value);
    void *arg;
};

enum {
    SHELL_WORD_E_SYNTAX = 1, /* an engine refuses it, too */
    SHELL_WORD_E_UNKNOWN,    /* its value hangs on what is not known here */
    SHELL_WORD_E_LONG,       /* it does not fit into OUT */
};

/*
 * Append to OUT what WORD becomes. ESCAPE is the escape character, "\\" or "`".
 * Returns 0 or one of the above, with OUT then as it was.
 */
int shell_word_expand(struct strbuf *out, struct str word, char escape,
                      const struct shell_env *env);

/*
 * Might an engine find a heredoc ("<<EOF") in LINE, an instruction as a whole?
 * True also in some cases where only certain ages of engines would.
 */
bool shell_line_has_heredoc(struct str line);

/* The length of the white space (unicode.IsSpace) that TEXT begins with: of
 * one character, or 0. */
size_t shell_space(struct str text);
/* TEXT without white space at its start; or at either end. */
struct str shell_trim_left(struct str text);
struct str shell_trim(struct str text);
