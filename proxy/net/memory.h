#pragma once

/*
 * What a process holds of its clients' bytes, as a whole: bodies that are not
 * complete, replies that are not read, documents that are looked at. Each
 * piece has a maximum of its own (limits.h), but many clients have many pieces.
 *
 * Half of LIMIT_MEMORY is shared out among the listeners, and whoever needs
 * more than its share takes from the other half. So one runner's clients can
 * use up the common half, but never another's share.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct memory_share {
    struct memory *memory;
    size_t used;
    TAILQ_ENTRY(memory_share) link;
};

struct memory {
    TAILQ_HEAD(memory_shares, memory_share) shares;
    size_t count;
};

void memory_init(struct memory *memory);
/* A listener comes, and goes with nothing in use. */
void memory_share_init(struct memory_share *share, struct memory *memory);
void memory_share_fini(struct memory_share *share);

/* SHARE's owner had *BEFORE bytes in use and has NOW, which becomes *BEFORE. */
void memory_use(struct memory_share *share, size_t *before, size_t now);

/* May SHARE's owner use MORE bytes? */
bool memory_has_room(const struct memory_share *share, size_t more);
