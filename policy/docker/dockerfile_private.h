#pragma once

/* The inside of a Dockerfile, shared by dockerfile*.c alone. */

#include "policy/docker/dockerfile.h"
#include "policy/docker/dockerfile_line.h"
#include "policy/docker/dockerfile_vars.h"

#define NO_IMAGE ((size_t)-1)
#define NO_STAGE ((size_t)-1)

struct dockerfile_image {
    char *name;
    char *sent;
    json_t *inspected;
};

enum instruction_kind {
    INSTRUCTION_PLAIN, /* written as it was */
    INSTRUCTION_FROM,  /* from an image, a stage or scratch */
    INSTRUCTION_COPY,  /* --from an image */
};

/* Beside each line. */
struct dockerfile_instruction {
    enum instruction_kind kind;
    size_t image;   /* or NO_IMAGE */
    size_t stage;   /* FROM: the one it goes on with, or NO_STAGE */
    size_t flag;    /* COPY: which flag is --from */
    struct str as;  /* FROM: what this stage is called, or empty */
    bool is_beyond; /* behind the target: never carried out */
};

struct dockerfile {
    struct dockerfile_lines lines;
    struct dockerfile_instruction *instructions; /* as many as lines */
    struct dockerfile_image *images;
    size_t image_count;
    struct dockerfile_stage {
        size_t line;
        struct str name; /* or empty */
    } * stages;
    size_t stage_count;
    struct dockerfile_scope scope; /* with the ARGs before the first FROM */
    json_t *build_args;
    char **urls;
    size_t url_count;
};

/* Line NUMBER is refused: as by an engine's parser; as by an engine that
 * builds; or because nobody could tell what an engine would make of it. */
int dockerfile_refuse(struct verdict *why, size_t number, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));
int dockerfile_fail(struct verdict *why, size_t number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int dockerfile_doubt(struct verdict *why, size_t number, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));

/* There are more than LIMIT_DOCKERFILE_VARS. */
int dockerfile_refuse_variables(struct verdict *why, size_t number);

/* The stage among the first COUNT that is called NAME, in any case. */
size_t dockerfile_find_stage(const struct dockerfile *df, size_t count,
                             struct str name);

/* What the flag --from of LINE names: 0 and *AT, which flag, *VALUE; or
 * -ENOENT without one, or with an empty one; or -EINVAL and *WHY. */
int dockerfile_copy_from(const struct dockerfile_line *line, size_t *at,
                         struct str *value, struct verdict *why);
/* Does COPY --from take VALUE for the number of a stage? */
bool dockerfile_is_number(struct str value);

/* ARG, before the first FROM or in a stage: into VARS, expanded by ENV, which
 * sees nothing of the same line. */
int dockerfile_arg(struct dockerfile_vars *vars, const struct shell_env *env,
                   const struct dockerfile_line *line, char escape,
                   struct verdict *why);
