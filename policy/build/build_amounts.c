#include <stdio.h>

#include "policy/build/build_private.h"
#include "policy/judge/amounts.h"

/* How much of the host the steps of a build may take. */

static const struct {
    struct str key;
    enum amount amount;
} keys[] = {
    {STR("memory"),    AMOUNT_MEMORY     },
    {STR("memswap"),   AMOUNT_MEMORY_SWAP},
    {STR("cpuquota"),  AMOUNT_CPU_QUOTA  },
    {STR("cpuperiod"), AMOUNT_CPU_PERIOD },
    {STR("cpushares"), AMOUNT_CPU_SHARES },
    {STR("shm-size"),  AMOUNT_SHM        },
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

/* A plain number, which is all that clients send. */
static bool read_amount(struct build_call *call, struct str key,
                        struct str text, int64_t *amount)
{
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t n = 0;

    if (text.len &&
        (str_to_u64(negative ? str_from_index(text, 1) : text, &n) != 0 ||
         n > INT64_MAX))
        return build_refuse(call, 400, "container.limits", key.ptr,
                            "\"%.*s\" is no number",
                            STR_FMT(str_head(text, 40)));
    *amount = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool judge_cpuset(struct build_call *call, struct pb_message *map,
                         unsigned number)
{
    bool asked = pb_map_text(map, number, S("cpusetcpus")).len ||
                 pb_map_text(map, number, S("cpusetmems")).len;

    return !asked || call->view->rules->container.cpuset ||
           build_refuse(call, 403, "container.cpuset", "cpusetcpus",
                        "builds may not choose their CPUs here; to allow it, "
                        "set container.cpuset to true in the policy");
}

/*
 * Steps are held to container.limits by BuildKit 0.31 and later (Engine 29.7);
 * an older one has no word for it but the size of /dev/shm.
 */
static bool is_read(const struct build_call *call, enum amount amount)
{
    return amount == AMOUNT_SHM || build_engine_is(call->view, 29, 7);
}

static void fill_in(struct build_call *call, struct pb_message *map,
                    unsigned number, size_t index, int64_t amount)
{
    char text[24];

    if (!is_read(call, keys[index].amount))
        return;
    snprintf(text, sizeof(text), "%lld", (long long)amount);
    pb_map_set(&call->tree, map, number, keys[index].key,
               pb_keep(&call->tree, str_from(text)));
    build_note_change(call, keys[index].key.ptr);
}

bool build_judge_amounts(struct build_call *call, struct pb_message *map,
                         unsigned number, bool fill)
{
    const struct container_rules *rules = &call->view->rules->container;
    struct amounts asked = {0}, given;
    enum amount over;

    for (size_t i = 0; i < KEYS; i++)
        if (!read_amount(call, keys[i].key,
                         pb_map_text(map, number, keys[i].key),
                         &asked.of[keys[i].amount]))
            return false;
    given = asked;
    amounts_fill(&given, &rules->limits, &rules->defaults, false);
    given.of[AMOUNT_PIDS] = 0; /* a build has no word for it */
    over = amounts_over(&given, &rules->limits);
    if (over != AMOUNT_COUNT &&
        !build_refuse(call, 403, amount_rule(over), "FrontendAttrs",
                      "%lld is more than the %lld that %s in the policy "
                      "allows; ask for less, or leave it out",
                      (long long)given.of[over],
                      (long long)amount_limit(over, &given, &rules->limits),
                      amount_rule(over)))
        return false;
    for (size_t i = 0; fill && i < KEYS; i++)
        if (given.of[keys[i].amount] != asked.of[keys[i].amount])
            fill_in(call, map, number, i, given.of[keys[i].amount]);
    return judge_cpuset(call, map, number);
}
