#include "policy/docker/address_pools.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "policy/base/json_str.h"
#include "policy/base/limits.h"
#include "policy/base/subnet.h"

/* Of IPv4, first and last address. */
struct range {
    uint64_t first, last;
};

struct ranges {
    struct range *items;
    size_t count, room;
};

/* As libnetwork/ipamutils has them, for networks of one host. */
static const struct {
    const char *base;
    unsigned size;
} own_pools[] = {
    {"172.17.0.0/16",  16},
    {"172.18.0.0/16",  16},
    {"172.19.0.0/16",  16},
    {"172.20.0.0/14",  16},
    {"172.24.0.0/14",  16},
    {"172.28.0.0/14",  16},
    {"192.168.0.0/16", 20},
};

/* False when it is no range of IPv4. */
static bool range_read(struct str text, struct range *range, unsigned *bits)
{
    struct subnet subnet;
    uint64_t size;
    uint32_t address;

    if (!subnet_parse(text, &subnet) || subnet.family != AF_INET)
        return false;
    memcpy(&address, subnet.address, sizeof(address));
    size = UINT64_C(1) << (32 - subnet.bits);
    range->first = ntohl(address) & ~(size - 1);
    range->last = range->first + size - 1;
    *bits = subnet.bits;
    return true;
}

static void ranges_add(struct ranges *taken, struct str text)
{
    struct range range;
    unsigned bits;

    if (taken->count < taken->room && range_read(text, &range, &bits))
        taken->items[taken->count++] = range;
}

static void add_network(struct ranges *taken, const json_t *network)
{
    const json_t *ipam = json_object_get(network, "IPAM"), *config;
    size_t i;

    json_array_foreach(json_object_get(ipam, "Config"), i, config)
    {
        ranges_add(taken, str_at(config, "Subnet"));
    }
}

/* The last address of what is taken around RANGE; or 0. */
static uint64_t taken_until(const struct ranges *taken,
                            const struct range *range)
{
    for (size_t i = 0; i < taken->count; i++) {
        const struct range *other = &taken->items[i];

        if (other->first <= range->last && other->last >= range->first)
            return other->last;
    }
    return 0;
}

/* The free ranges of SIZE bits in BASE, added to LEFT. */
static int count_free(const struct ranges *taken, struct str base,
                      uint64_t size, int left)
{
    struct range pool, range;
    unsigned bits;
    uint64_t step;

    if (!range_read(base, &pool, &bits) || size < bits || size > 32)
        return left;
    step = UINT64_C(1) << (32 - size);
    range.first = pool.first;
    while (range.first <= pool.last && left < ADDRESS_POOLS_MANY) {
        uint64_t until;

        range.last = range.first + step - 1;
        until = taken_until(taken, &range);
        if (until > range.last) /* on behind it, where the next one begins */
            range.first = (until / step + 1) * step;
        else
            range.first += step;
        left += until == 0;
    }
    return left;
}

static int count_all(const struct ranges *taken, const json_t *pools)
{
    const json_t *pool;
    int left = 0;
    size_t i;

    if (json_array_size(pools) == 0) {
        for (i = 0; i < sizeof(own_pools) / sizeof(*own_pools); i++)
            left = count_free(taken, str_from(own_pools[i].base),
                              own_pools[i].size, left);
    }
    json_array_foreach(pools, i, pool)
    {
        json_int_t size = json_integer_value(json_object_get(pool, "Size"));

        left = count_free(taken, str_at(pool, "Base"),
                          size > 0 ? (uint64_t)size : 0, left);
    }
    return left;
}

int address_pools_left(const json_t *info, const json_t *networks)
{
    struct ranges taken = {.room = LIMIT_NETWORK_RANGES};
    const json_t *network;
    size_t i;
    int left;

    if (!json_is_object(info) || !json_is_array(networks))
        return -1;
    taken.items = xcalloc(taken.room, sizeof(*taken.items));
    json_array_foreach(networks, i, network)
    {
        add_network(&taken, network);
    }
    left = count_all(&taken, json_object_get(info, "DefaultAddressPools"));
    free(taken.items);
    return left;
}
