#include "tests/support/fake_engine.h"

#include <stdlib.h>

struct rewrite_context obliging_context(const char *ns)
{
    return (struct rewrite_context){
        .ns = str_from(ns),
        .engine_minor = 45,
        .owned = own_ids_new(16),
        .lookups = xcalloc(1, sizeof(struct lookups)),
    };
}

void obliging_context_free(const struct rewrite_context *context)
{
    lookups_fini(context->lookups);
    free(context->lookups);
    own_ids_free(context->owned);
}

static int status_of(const struct lookup *ask)
{
    struct str target = str_from(ask->target);

    if (ask->changes)
        return 201;
    return str_has_prefix(target, S("/volumes/")) ||
                   str_has_prefix(target, S("/networks/"))
               ? 404
               : 200;
}

enum rewrite_step obliging_answers(struct rewrite *rw, enum rewrite_step step)
{
    while (step == REWRITE_ASK) {
        struct lookups *set = rw->context.lookups;

        for (size_t i = 0; i < set->count; i++) {
            if (set->items[i].state != LOOKUP_ANSWERED)
                lookups_answer(set, i, status_of(&set->items[i]),
                               json_object());
        }
        step = rewrite_next(rw);
    }
    return step;
}
