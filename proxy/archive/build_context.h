#pragma once

/*
 * The context of a classic build, a tar archive, on its way to the engine. All
 * entries go on, written anew, but for two: the Dockerfile and the
 * .dockerignore are held to the end. There the caller takes the Dockerfile,
 * says what is to be built from, and these follow:
 *
 *   - the Dockerfile as it was, for "COPY . ." copies it;
 *   - the .dockerignore, with BUILD_CONTEXT_DOCKERFILE as one more line;
 *   - the Dockerfile that is built, called BUILD_CONTEXT_DOCKERFILE.
 *
 * The engine has to be told "dockerfile=" BUILD_CONTEXT_DOCKERFILE. It reads
 * that file, and then takes it out of the context itself, since .dockerignore
 * says so, as it does for "docker build -f -". So the context is what the
 * client sent, and whatever an archive plays with links and doubles: the
 * Dockerfile that is built is the last entry.
 *
 * Refused, because nobody could say which file the client means: a Dockerfile
 * or .dockerignore that is there twice, or is a link, or lies behind one; an
 * entry outside of the context; one of a kind that is not known.
 */

#include "proxy/archive/body_filter.h"

#define BUILD_CONTEXT_DOCKERFILE ".berth.dockerfile"

/*
 * DOCKERFILE is the query's word for where it lies; empty: "Dockerfile", and
 * where there is none "dockerfile". NULL, with *WHY, when that is outside of
 * the context.
 */
struct body_filter *build_context_new(struct str dockerfile,
                                      struct verdict *why);

/* Behind the end of the body, which refuses a context without one: the
 * Dockerfile. */
struct str build_context_dockerfile(const struct body_filter *context);

/* Append what follows, with BUILT as the Dockerfile to build, and the end of
 * the archive. Once. 0 or -ENOBUFS (BUILD_CONTEXT_TAIL holds any). */
#define BUILD_CONTEXT_TAIL                                                     \
    (3 * LIMIT_DOCKERFILE + LIMIT_DOCKERFILE_WRITTEN + 4 * TAR_HEADER_MAX)
int build_context_finish(struct body_filter *context, struct str built,
                         struct strbuf *out);
