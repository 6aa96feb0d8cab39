#include "proxy/upstream/pool_use.h"

#include <assert.h>

unsigned pool_use_begin(struct pool_use *use)
{
    use->used++;
    use->young[0]++;
    use->handed++;
    return use->turn;
}

void pool_use_end(struct pool_use *use, unsigned begun)
{
    unsigned age = use->turn - begun;

    assert(use->used > 0);
    use->used--;
    if (age < 2) {
        assert(use->young[age] > 0);
        use->young[age]--;
    }
}

static unsigned *peak(struct pool_use *use, unsigned ago)
{
    return &use->peaks[(use->turn + POOL_FAR_TURNS - ago) % POOL_FAR_TURNS];
}

void pool_use_note(struct pool_use *use, unsigned waiting)
{
    if (use->used + waiting > *peak(use, 0))
        *peak(use, 0) = use->used + waiting;
    if (*peak(use, 0) > use->most)
        use->most = *peak(use, 0);
}

void pool_use_opened(struct pool_use *use, const struct upstream *upstream)
{
    struct upstream_status status;

    upstream_get_status(upstream, &status);
    use->far = status.open_us >= POOL_FAR_US;
    use->crowds = !use->far && !status.direct;
}

void pool_use_turn(struct pool_use *use, unsigned waiting,
                   const struct upstream *upstream)
{
    unsigned turns;

    pool_use_opened(use, upstream);
    use->turn++;
    use->young[1] = use->young[0];
    use->young[0] = 0;
    use->most = *peak(use, 0) = 0;
    pool_use_note(use, waiting);
    turns = use->far ? POOL_FAR_TURNS : POOL_NEAR_TURNS;
    for (unsigned ago = 1; ago < turns; ago++) {
        if (*peak(use, ago) > use->most)
            use->most = *peak(use, ago);
    }
}

unsigned pool_use_level(const struct pool_use *use)
{
    return use->most + POOL_IDLE_LEAST;
}

bool pool_use_may_open(struct pool_use *use, unsigned opening)
{
    if (!use->crowds || use->young[0] + use->young[1] + opening < POOL_CROWD)
        return true;
    if (use->more == 0)
        return false;
    use->more--;
    return true;
}

void pool_use_begin_moment(struct pool_use *use)
{
    use->handed = use->more = 0;
}

void pool_use_end_moment(struct pool_use *use, unsigned waiting)
{
    use->more = waiting > use->handed ? waiting - use->handed : 0;
}
