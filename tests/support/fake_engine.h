#pragma once

/* An engine for tests of rewrites by themselves: it has every image and
 * container that it is asked for, no volume or network, and makes whatever it
 * is told. */

#include "policy/isolation/rewrite.h"

/* Of the namespace NS. own_ids_free(context.owned). */
struct rewrite_context obliging_context(const char *ns);
void obliging_context_free(const struct rewrite_context *context);

/* Answer all that RW asks, beginning with STEP. */
enum rewrite_step obliging_answers(struct rewrite *rw, enum rewrite_step step);
