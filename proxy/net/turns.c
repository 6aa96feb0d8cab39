#include "proxy/net/turns.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/base/clock.h"

enum {
    /* a group goes on with its next turn until it has worked so long in this
     * round; the last of its turns may take longer */
    SHARE_NS = 500 * 1000,
    /* the same where others have worked lately: a request needs several rounds,
     * and waits for the others' shares in each */
    SHARE_AMONG_OTHERS_NS = 50 * 1000,
    LATELY_NS = 100 * 1000 * 1000,
};

static void run_first(struct turn_group *group)
{
    struct turn *turn = TAILQ_FIRST(&group->waiting);

    turn_cancel(turn);
    turn->run(turn);
}

/*
 * GROUP's share of this round. A turn may free its group, which was out of the
 * list then: only one that is still first there is looked at again.
 */
static void run_share(struct turns *turns, struct turn_group *group)
{
    uint64_t now = clock_ns(), end;

    if (group != turns->last) {
        turns->last = group;
        turns->changed_ns = now;
    }
    end = now + (now - turns->changed_ns < LATELY_NS ? SHARE_AMONG_OTHERS_NS
                                                     : SHARE_NS);
    do {
        run_first(group);
    } while (TAILQ_FIRST(&turns->groups) == group && clock_ns() < end);
    if (TAILQ_FIRST(&turns->groups) == group) {
        TAILQ_REMOVE(&turns->groups, group, link);
        TAILQ_INSERT_TAIL(&turns->groups, group, link);
    }
}

static size_t count_groups(const struct turns *turns)
{
    const struct turn_group *group;
    size_t count = 0;

    TAILQ_FOREACH(group, &turns->groups, link)
    {
        count++;
    }
    return count;
}

static void on_round(evutil_socket_t fd, short what, void *arg)
{
    struct turns *turns = arg;

    (void)fd;
    (void)what;
    for (size_t left = count_groups(turns);
         left && !TAILQ_EMPTY(&turns->groups); left--)
        run_share(turns, TAILQ_FIRST(&turns->groups));
    if (!TAILQ_EMPTY(&turns->groups))
        soon_call(&turns->round);
}

void turns_init(struct turns *turns, struct event_base *base)
{
    *turns = (struct turns){0};
    TAILQ_INIT(&turns->groups);
    soon_init(&turns->round, base, on_round, turns);
}

void turns_fini(struct turns *turns)
{
    assert(TAILQ_EMPTY(&turns->groups));
    soon_fini(&turns->round);
}

void turn_group_init(struct turn_group *group, struct turns *turns)
{
    group->turns = turns;
    TAILQ_INIT(&group->waiting);
}

void turn_init(struct turn *turn, struct turn_group *group,
               void (*run)(struct turn *turn))
{
    *turn = (struct turn){.run = run, .group = group};
}

void turn_wake(struct turn *turn)
{
    struct turn_group *group = turn->group;

    if (turn->waits)
        return;
    if (TAILQ_EMPTY(&group->waiting))
        TAILQ_INSERT_TAIL(&group->turns->groups, group, link);
    turn->waits = true;
    TAILQ_INSERT_TAIL(&group->waiting, turn, link);
    soon_call(&group->turns->round);
}

void turn_cancel(struct turn *turn)
{
    struct turn_group *group = turn->group;

    if (!turn->waits)
        return;
    turn->waits = false;
    TAILQ_REMOVE(&group->waiting, turn, link);
    if (TAILQ_EMPTY(&group->waiting))
        TAILQ_REMOVE(&group->turns->groups, group, link);
}
