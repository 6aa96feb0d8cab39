#pragma once

/*
 * A .dockerignore, as an engine reads it to know whether it takes the
 * Dockerfile out of the build's context (moby/patternmatcher). Clients apply it
 * to all other files themselves.
 */

#include "policy/base/str.h"

/*
 * Does TEXT, the file, exclude PATH, a clean relative one ("Dockerfile",
 * "docker/app.Dockerfile")? The last pattern that fits PATH or a folder above
 * it counts; "!" includes again. False, too, when there is a pattern that an
 * engine cannot read: then it excludes nothing.
 */
bool ignore_file_excludes(struct str text, struct str path);
