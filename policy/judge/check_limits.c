#include <limits.h>
#include <math.h>

#include "policy/judge/amounts.h"
#include "policy/judge/check.h"

/* Under which key each amount is in a HostConfig, in the body of an update,
 * and in the query of a build. */
static const char *const body_keys[AMOUNT_COUNT] = {
    [AMOUNT_MEMORY] = "Memory",        [AMOUNT_MEMORY_SWAP] = "MemorySwap",
    [AMOUNT_NANO_CPUS] = "NanoCpus",   [AMOUNT_CPU_QUOTA] = "CpuQuota",
    [AMOUNT_CPU_PERIOD] = "CpuPeriod", [AMOUNT_CPU_SHARES] = "CpuShares",
    [AMOUNT_PIDS] = "PidsLimit",       [AMOUNT_SHM] = "ShmSize",
};
static const struct str query_keys[AMOUNT_COUNT] = {
    [AMOUNT_MEMORY] = STR("memory"),
    [AMOUNT_MEMORY_SWAP] = STR("memswap"),
    [AMOUNT_CPU_QUOTA] = STR("cpuquota"),
    [AMOUNT_CPU_PERIOD] = STR("cpuperiod"),
    [AMOUNT_CPU_SHARES] = STR("cpushares"),
    [AMOUNT_SHM] = STR("shmsize"),
};

static void read_amounts(const json_t *object, struct amounts *amounts)
{
    for (unsigned i = 0; i < AMOUNT_COUNT; i++)
        amounts->of[i] = member_integer(object, body_keys[i]);
}

static bool refuse_amount(struct judge *judge, const struct place *place,
                          enum amount amount, const struct amounts *amounts)
{
    const struct limit_rules *limits = &judge->rules->container.limits;
    int64_t n = amounts->of[amount];

    if (n < 0)
        return judge_refuse(judge, 403, amount_rule(amount), place,
                            "this may not be unlimited here; ask for %lld at "
                            "most, or leave it out",
                            (long long)amount_limit(amount, amounts, limits));
    return judge_refuse(judge, 403, amount_rule(amount), place,
                        "%lld is more than the %lld that %s in the policy "
                        "allows; ask for less, or leave it out",
                        (long long)n,
                        (long long)amount_limit(amount, amounts, limits),
                        amount_rule(amount));
}

static bool hold_to_limits(struct judge *judge, const struct place *place,
                           json_t *object)
{
    const struct container_rules *rules = &judge->rules->container;
    struct amounts asked, given;
    enum amount over;

    read_amounts(object, &asked);
    given = asked;
    amounts_fill(&given, &rules->limits, &rules->defaults, true);
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        struct place at = place_field(place, object, body_keys[i]);

        if (given.of[i] == asked.of[i])
            continue;
        json_object_set_new(object, body_keys[i], json_integer(given.of[i]));
        judge_note(judge, CHANGE_INJECTED, &at);
    }
    over = amounts_over(&given, &rules->limits);
    if (over != AMOUNT_COUNT) {
        struct place at = place_field(place, object, body_keys[over]);

        return refuse_amount(judge, &at, over, &given);
    }
    return true;
}

bool check_host_config(struct judge *judge, const struct place *place,
                       json_t *object)
{
    const char *parent = judge->rules->container.cgroup_parent;
    struct place at = place_field(place, object, "CgroupParent");

    drop_capabilities(judge, place, object);
    move_binds(object);
    if (!judge->rules->container.root)
        keep_privileges(judge, place, object);
    if (parent && member_text(object, "CgroupParent").len == 0) {
        json_object_set_new(object, "CgroupParent", json_string(parent));
        judge_note(judge, CHANGE_INJECTED, &at);
    }
    return hold_to_limits(judge, place, object);
}

bool check_container_create(struct judge *judge, const struct place *place,
                            json_t *object)
{
    const struct container_rules *rules = &judge->rules->container;
    struct place user_at = place_field(place, object, "User");
    struct place host_at = place_field(place, object, "HostConfig");

    if (!rules->root && member_text(object, "User").len == 0 &&
        !judge_refuse(judge, 403, "container.root", &user_at,
                      "root is not allowed here, and the image may ask for it; "
                      "give the user as a number other than 0"))
        return false;
    if (json_object_get(object, "HostConfig"))
        return true;
    /* without one nothing would be filled in */
    json_object_set_new(object, "HostConfig", json_object());
    return check_host_config(judge, &host_at,
                             json_object_get(object, "HostConfig"));
}

/* An update is judged by what would come out of it: what it does not mention
 * stays, as far as it matters to what it does mention. */
static void merge(const json_t *body, const json_t *current,
                  struct amounts *amounts)
{
    struct amounts old;
    const int64_t *of = amounts->of;

    read_amounts(body, amounts);
    read_amounts(current, &old);
    if (of[AMOUNT_CPU_QUOTA] || of[AMOUNT_CPU_PERIOD]) {
        if (!of[AMOUNT_CPU_QUOTA])
            amounts->of[AMOUNT_CPU_QUOTA] = old.of[AMOUNT_CPU_QUOTA];
        if (!of[AMOUNT_CPU_PERIOD])
            amounts->of[AMOUNT_CPU_PERIOD] = old.of[AMOUNT_CPU_PERIOD];
    }
}

bool update_is_within(const struct limit_rules *limits, const json_t *body,
                      const json_t *current)
{
    struct amounts merged = {0};

    merge(body, current, &merged);
    return json_is_object(current) &&
           amounts_over(&merged, limits) == AMOUNT_COUNT;
}

void complete_update(struct judge *judge, const struct place *place,
                     json_t *body, const json_t *current)
{
    static const enum amount pair[] = {AMOUNT_CPU_PERIOD, AMOUNT_CPU_QUOTA};
    const struct limit_rules *limits = &judge->rules->container.limits;
    struct amounts said, merged = {0};

    read_amounts(body, &said);
    merge(body, current, &merged);
    if (isinf(limits->cpus) ||
        (!said.of[AMOUNT_CPU_PERIOD] == !said.of[AMOUNT_CPU_QUOTA]))
        return;
    if (merged.of[AMOUNT_CPU_PERIOD] <= 0)
        merged.of[AMOUNT_CPU_PERIOD] = AMOUNT_PERIOD;
    if (merged.of[AMOUNT_CPU_QUOTA] <= 0)
        merged.of[AMOUNT_CPU_QUOTA] =
            amount_limit(AMOUNT_CPU_QUOTA, &merged, limits);
    for (size_t i = 0; i < 2; i++) {
        struct place at = place_field(place, body, body_keys[pair[i]]);

        if (merged.of[pair[i]] == said.of[pair[i]])
            continue;
        json_object_set_new(body, body_keys[pair[i]],
                            json_integer(merged.of[pair[i]]));
        judge_note(judge, CHANGE_INJECTED, &at);
    }
}

bool check_container_update(struct judge *judge, const struct place *place,
                            json_t *object)
{
    const struct limit_rules *limits = &judge->rules->container.limits;
    struct amounts amounts;
    enum amount over;

    read_amounts(object, &amounts);
    /* here, and only here, a 0 that is given takes the limit away */
    if (limits->pids != UINT_MAX && json_object_get(object, "PidsLimit") &&
        amounts.of[AMOUNT_PIDS] == 0)
        amounts.of[AMOUNT_PIDS] = -1;
    over = amounts_over(&amounts, limits);
    if (over != AMOUNT_COUNT) {
        struct place at = place_field(place, object, body_keys[over]);

        return refuse_amount(judge, &at, over, &amounts);
    }
    if (isinf(limits->cpus) ||
        !amounts.of[AMOUNT_CPU_QUOTA] == !amounts.of[AMOUNT_CPU_PERIOD])
        return true;
    return judge_need(judge, NEED_CONTAINER, S(""), "container.limits.cpus",
                      place,
                      "the container would get more than the %g CPUs that "
                      "container.limits.cpus in the policy allows",
                      limits->cpus);
}

bool check_build_limits(struct judge *judge)
{
    const struct container_rules *rules = &judge->rules->container;
    struct amounts asked = {0}, given;
    const struct str *parent;
    enum amount over;

    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (query_keys[i].len &&
            !query_integer(judge, query_keys[i], &asked.of[i]))
            return false;
    }
    given = asked;
    amounts_fill(&given, &rules->limits, &rules->defaults, false);
    given.of[AMOUNT_PIDS] = 0; /* a build has no word for it */
    over = amounts_over(&given, &rules->limits);
    if (over != AMOUNT_COUNT) {
        struct query_place at;

        if (!refuse_amount(judge, query_place(&at, query_keys[over]), over,
                           &given))
            return false;
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (given.of[i] != asked.of[i] &&
            !query_set_integer(judge, query_keys[i], given.of[i]))
            return false;
    }
    parent = target_get(judge->target, S("cgroupparent"));
    return !rules->cgroup_parent || (parent && parent->len) ||
           query_set_text(judge, S("cgroupparent"),
                          str_from(rules->cgroup_parent));
}
