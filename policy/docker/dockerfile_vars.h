#pragma once

/*
 * The variables that a Dockerfile's words are expanded with: build arguments
 * and what ARG and ENV make of them, by the rules of Docker's classic builder
 * (moby, builder/dockerfile/buildargs.go).
 */

#include <jansson.h>

#include "policy/docker/shell_word.h"

struct dockerfile_var {
    char *name;
    char *value;  /* NULL: declared without one */
    bool unknown; /* it has a value, but nobody here knows which */
};

struct dockerfile_vars {
    struct dockerfile_var *vars;
    size_t count;
};

enum { DOCKERFILE_VARS_E_MANY = 1 };

/* Set NAME to VALUE (NULL: none), once more if it is there. 0; or
 * DOCKERFILE_VARS_E_MANY over LIMIT_DOCKERFILE_VARS. */
int dockerfile_vars_set(struct dockerfile_vars *vars, struct str name,
                        const struct str *value, bool unknown);
const struct dockerfile_var *
dockerfile_vars_find(const struct dockerfile_vars *vars, struct str name);
/* Set all of FROM in TO; as above. */
int dockerfile_vars_copy(struct dockerfile_vars *to,
                         const struct dockerfile_vars *from);
void dockerfile_vars_fini(struct dockerfile_vars *vars);

/* What a word sees. */
struct dockerfile_scope {
    const json_t *options;       /* build arguments of the request: an object
                                    of strings and nulls, or NULL */
    struct dockerfile_vars meta; /* ARG before the first FROM */
    struct dockerfile_vars args; /* ARG of the stage */
    struct dockerfile_vars env;  /* ENV of the stage and of its image */
    bool env_is_open;            /* the image's are not known */
    size_t work; /* spent on looking up; over LIMIT_DOCKERFILE_WORK, all is
                    unknown */
};

/* How words are expanded within a stage; and in FROM and before. Both point to
 * SCOPE. */
struct shell_env dockerfile_scope_env(struct dockerfile_scope *scope);
struct shell_env dockerfile_scope_meta_env(struct dockerfile_scope *scope);
void dockerfile_scope_fini(struct dockerfile_scope *scope);
