#pragma once

/*
 * A Dockerfile, read as the classic builder of Docker's engine reads it, and
 * written anew so that no engine can read it otherwise: which images it builds
 * from, said by their IDs.
 *
 *     df = dockerfile_read(text, build_args, target, &why);
 *     for (i = 0; i < dockerfile_image_count(df); i++)
 *         dockerfile_resolve(df, i, SENT, INSPECTED);
 *     if (dockerfile_check(df, &why) == 0)
 *         dockerfile_put(df, &out, &why);
 *
 * What is written has one line for each instruction, at the number where it
 * began. FROM has no variable in it any more. Heredocs are refused: the classic
 * builder has none, but engines of some ages read them all the same.
 *
 * Pure. The rules are those of moby/moby, builder/dockerfile, and of
 * moby/buildkit, frontend/dockerfile, which engines 20.10 to 29 use for it.
 */

#include <jansson.h>

#include "policy/base/verdict.h"
#include "policy/docker/dockerfile_line.h"

struct dockerfile;

/*
 * BUILD_ARGS is an object of strings and nulls, or NULL; TARGET the stage to
 * build, or empty: images of stages behind it are not asked for. NULL when it
 * is refused, with *WHY in the words of an engine where it refuses the same.
 */
struct dockerfile *dockerfile_read(struct str text, const json_t *build_args,
                                   struct str target, struct verdict *why);
/* Always NULL. */
struct dockerfile *dockerfile_free(struct dockerfile *df);

/* The images that FROM and COPY --from name, each once. What a stage is called
 * is none, nor is "scratch". A name as written, with its variables expanded. */
size_t dockerfile_image_count(const struct dockerfile *df);
struct str dockerfile_image(const struct dockerfile *df, size_t index);

/*
 * SENT, a full ID or a name with nothing in it that an engine would expand, is
 * written for image INDEX; INSPECTED (may be NULL) is what GET
 * /images/ID/json said of it.
 */
void dockerfile_resolve(struct dockerfile *df, size_t index, struct str sent,
                        const json_t *inspected);

/*
 * Once all are resolved: 0; or -EINVAL when what an ONBUILD of an image or
 * stage does cannot be vouched for: it copies from an image by its name, or
 * cannot be read; or an image is not known.
 */
int dockerfile_check(struct dockerfile *df, struct verdict *why);

/* The addresses that ADD fetches, known after dockerfile_check; a source whose
 * variables are not known is "$", for it may be any. */
size_t dockerfile_url_count(const struct dockerfile *df);
struct str dockerfile_url(const struct dockerfile *df, size_t index);

/* Append the Dockerfile as it is to be sent. 0; or -EINVAL, when there is
 * something in it that cannot be written without doubt. */
int dockerfile_put(const struct dockerfile *df, struct strbuf *out,
                   struct verdict *why);

/* How step NUMBER (from 1) is to be shown; empty when there is none. */
struct str dockerfile_step(const struct dockerfile *df, size_t number);
