#include "proxy/upstream/pool_groups.h"

#include <stdlib.h>

void pool_groups_init(struct pool_groups *groups)
{
    TAILQ_INIT(&groups->all);
    groups->waiting = 0;
}

static struct pool_group *group_of(struct pool_groups *groups, const void *who)
{
    struct pool_group *group;

    TAILQ_FOREACH(group, &groups->all, link)
    {
        if (group->who == who)
            return group;
    }
    group = xcalloc(1, sizeof(*group));
    group->who = who;
    TAILQ_INIT(&group->waiters);
    TAILQ_INSERT_TAIL(&groups->all, group, link);
    return group;
}

void pool_groups_add(struct pool_groups *groups, struct pool_waiter *waiter)
{
    waiter->group = group_of(groups, waiter->who);
    TAILQ_INSERT_TAIL(&waiter->group->waiters, waiter, link);
    groups->waiting++;
}

void pool_groups_remove(struct pool_groups *groups, struct pool_waiter *waiter)
{
    struct pool_group *group = waiter->group;

    TAILQ_REMOVE(&group->waiters, waiter, link);
    groups->waiting--;
    waiter->group = NULL;
    if (!TAILQ_EMPTY(&group->waiters))
        return;
    TAILQ_REMOVE(&groups->all, group, link);
    free(group);
}

struct pool_waiter *pool_groups_turn(struct pool_groups *groups,
                                     bool (*may)(const void *who, void *arg),
                                     void *arg)
{
    struct pool_group *group;

    TAILQ_FOREACH(group, &groups->all, link)
    {
        if (!may || may(group->who, arg))
            break;
    }
    if (!group)
        return NULL;
    TAILQ_REMOVE(&groups->all, group, link);
    TAILQ_INSERT_TAIL(&groups->all, group, link);
    return TAILQ_FIRST(&group->waiters);
}
