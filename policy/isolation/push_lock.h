#pragma once

/*
 * The lock of a push (rewrite_image_push.c): a container that is never started,
 * named after the real name that is borrowed, with labels that say what has to
 * be given back. It is there for as long as anything is borrowed.
 */

#include <jansson.h>
#include <stdbool.h>

#include "policy/base/str.h"

#define PUSH_LOCK_NAME "berth.push." /* digits made of the real name follow */

#define LABEL_PUSH    "berth.push"      /* the real name that is borrowed */
#define LABEL_PUSH_BY "berth.push.by"   /* the namespace */
#define LABEL_PUSH_OF "berth.push.of"   /* the image that is pushed */
#define LABEL_PUSHED  "berth.push.from" /* the image the name stood for */

struct push_lock { /* slices of the labels */
    struct str ns, real, of, from;
};

/* False: not all of it is there. */
bool push_lock_read(struct push_lock *lock, const json_t *labels);

/* Made so long ago, at MADE by the engine's clock, that it counts no more at
 * NOW: who made it was killed, or lost its engine. */
bool push_lock_is_over(int64_t made, int64_t now);

/* Append the mark of REAL, a name in full, which keeps runners from using it
 * (own_tag.h). 0; or a negative errno, when it is no name. */
int push_lock_put_mark(struct strbuf *out, struct str real);
