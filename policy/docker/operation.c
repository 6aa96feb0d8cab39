#include "policy/docker/operation.h"

#include <assert.h>

struct fact {
    struct str name;
    enum operation_group group;
    enum operation_access access;
    bool mutates;
};

// clang-format off
static const struct fact facts[] = {
    [OP_NONE] = {STR("none"), GROUP_COUNT, ACCESS_COUNT, false},
#define X(id, name, group, access, mutates) \
    [id] = {STR(name), group, access, mutates},
    OPERATIONS(X)
#undef X
};
// clang-format on

static const struct str groups[] = {
#define X(id, name) [id] = STR(name),
    OPERATION_GROUPS(X)
#undef X
};

static const struct str accesses[] = {
#define X(id, name) [id] = STR(name),
    OPERATION_ACCESSES(X)
#undef X
};

const char *operation_name(enum operation operation)
{
    assert(operation < OP_COUNT);
    return facts[operation].name.ptr;
}

enum operation_group operation_group(enum operation operation)
{
    assert(operation > OP_NONE && operation < OP_COUNT);
    return facts[operation].group;
}

enum operation_access operation_access(enum operation operation)
{
    assert(operation > OP_NONE && operation < OP_COUNT);
    return facts[operation].access;
}

bool operation_mutates(enum operation operation)
{
    assert(operation > OP_NONE && operation < OP_COUNT);
    return facts[operation].mutates;
}

enum operation operation_find(struct str name)
{
    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++) {
        if (str_eq(name, facts[i].name))
            return (enum operation)i;
    }
    return OP_NONE;
}

const char *operation_group_name(enum operation_group group)
{
    assert(group < GROUP_COUNT);
    return groups[group].ptr;
}

const char *operation_access_name(enum operation_access access)
{
    assert(access < ACCESS_COUNT);
    return accesses[access].ptr;
}

enum operation_group operation_group_find(struct str name)
{
    unsigned i = 0;

    while (i < GROUP_COUNT && !str_eq(name, groups[i]))
        i++;
    return (enum operation_group)i;
}

enum operation_access operation_access_find(struct str name)
{
    unsigned i = 0;

    while (i < ACCESS_COUNT && !str_eq(name, accesses[i]))
        i++;
    return (enum operation_access)i;
}

const char *operation_swarm_refusal(enum operation operation)
{
    enum operation_group group = operation_group(operation);

    if (operation == OP_SWARM_LEAVE)
        return "This node is not part of a swarm";
    if (group < GROUP_SWARM || group > GROUP_CONFIG ||
        operation == OP_SWARM_INIT || operation == OP_SWARM_JOIN)
        return NULL;
    return "This node is not a swarm manager. Use \"docker swarm init\" or "
           "\"docker swarm join\" to connect this node to swarm and try again.";
}
