#include "policy/judge/query_field.h"

/*
 * What an engine waits for or does again and again: how long it lets a
 * container stop, and how often it looks after its health. Both are the
 * engine's own time, so they are bounded where the policy only reports, too.
 */

enum { MS_PER_S = 1000 };

static const json_int_t NS_PER_MS = 1000000;

/* A container that ignores its stop signal holds up whoever stops it, and the
 * engine when that is to end or to start; less than 0 is for ever. */
static bool stop_time_is_good(struct judge *judge, const struct place *place,
                              int64_t seconds)
{
    unsigned limit = judge->rules->container.limits.stop_timeout / MS_PER_S;

    return (seconds >= 0 && seconds <= limit) ||
           judge_forbid(judge, "container.limits.stop_timeout", place,
                        "the engine would wait %s for the container to stop; "
                        "ask for 0 to %u seconds, or have the policy raise "
                        "container.limits.stop_timeout",
                        seconds < 0 ? "for ever" : "too long", limit);
}

bool check_stop_timeout(struct judge *judge, const struct field *field,
                        const struct place *place, json_t *value)
{
    (void)field;
    return stop_time_is_good(judge, place, json_integer_value(value));
}

bool query_stop_time(struct judge *judge, const struct query_field *field,
                     const struct place *place, struct str value)
{
    int64_t seconds;

    return value.len == 0 ||
           (query_integer(judge, str_from(field->key), &seconds) &&
            stop_time_is_good(judge, place, seconds));
}

static bool interval_is_good(struct judge *judge, const struct place *place,
                             json_t *health, const char *key)
{
    unsigned least = judge->rules->container.limits.health_interval;
    json_int_t interval = member_integer(health, key);
    struct place at = place_field(place, health, key);

    return interval == 0 || interval >= least * NS_PER_MS ||
           judge_forbid(judge, "container.limits.health_interval", &at,
                        "the engine starts a process for each look at the "
                        "health of a container; let %u ms or more pass "
                        "between two, or have the policy lower "
                        "container.limits.health_interval",
                        least);
}

bool check_health(struct judge *judge, const struct place *place,
                  json_t *health)
{
    return interval_is_good(judge, place, health, "Interval") &&
           interval_is_good(judge, place, health, "StartInterval");
}
