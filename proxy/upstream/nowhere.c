#include "proxy/upstream/nowhere.h"

#include <stdlib.h>

struct nowhere {
    struct upstream upstream; /* first: an upstream is cast to its nowhere */
    char *why;
};

static struct stream *open_stream(struct upstream *upstream,
                                  stream_cb on_change, void *arg)
{
    (void)upstream;
    (void)on_change;
    (void)arg;
    return NULL;
}

static void status(const struct upstream *upstream,
                   struct upstream_status *status)
{
    const struct nowhere *nowhere = (const struct nowhere *)upstream;

    *status = (struct upstream_status){.why = nowhere->why};
}

static void free_nowhere(struct upstream *upstream)
{
    struct nowhere *nowhere = (struct nowhere *)upstream;

    free(nowhere->why);
    free(nowhere);
}

struct upstream *nowhere_new(void)
{
    static const struct upstream_ops ops = {
        .open = open_stream,
        .status = status,
        .free = free_nowhere,
    };
    struct nowhere *nowhere = xcalloc(1, sizeof(*nowhere));

    nowhere->upstream.ops = &ops;
    nowhere->why = xstrdup("the hosts are asked which of them this runner's "
                           "containers are on");
    return &nowhere->upstream;
}

void nowhere_say(struct upstream *upstream, const char *why)
{
    struct nowhere *nowhere = (struct nowhere *)upstream;

    free(nowhere->why);
    nowhere->why = xstrdup(why);
}
