#include "proxy/net/memory.h"

#include <assert.h>

#include "policy/base/limits.h"

void memory_init(struct memory *memory)
{
    TAILQ_INIT(&memory->shares);
    memory->count = 0;
}

void memory_share_init(struct memory_share *share, struct memory *memory)
{
    *share = (struct memory_share){.memory = memory};
    TAILQ_INSERT_TAIL(&memory->shares, share, link);
    memory->count++;
}

void memory_share_fini(struct memory_share *share)
{
    if (!share->memory)
        return;
    assert(share->used == 0);
    TAILQ_REMOVE(&share->memory->shares, share, link);
    share->memory->count--;
    share->memory = NULL;
}

void memory_use(struct memory_share *share, size_t *before, size_t now)
{
    assert(share->used >= *before);
    share->used = share->used - *before + now;
    *before = now;
}

static size_t over(size_t used, size_t own)
{
    return used > own ? used - own : 0;
}

bool memory_has_room(const struct memory_share *share, size_t more)
{
    size_t own = LIMIT_MEMORY / 2 / share->memory->count, common = 0;
    const struct memory_share *other;

    if (more > LIMIT_MEMORY)
        return false;
    if (share->used + more <= own)
        return true;
    TAILQ_FOREACH(other, &share->memory->shares, link)
    {
        common += over(other->used + (other == share ? more : 0), own);
    }
    return common <= LIMIT_MEMORY / 2;
}
