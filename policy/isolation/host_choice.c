#include "policy/isolation/host_choice.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "policy/base/sha256.h"

static bool told(const struct host_facts *host)
{
    return host->engine && *host->engine;
}

/* Two of them that are one. */
static bool find_twins(const struct host_facts *hosts, size_t count,
                       struct strbuf *why)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; told(&hosts[i]) && j < i; j++) {
            if (!told(&hosts[j]) || strcmp(hosts[i].engine, hosts[j].engine))
                continue;
            strbuf_addf(why,
                        "%s and %s lead to the same engine (%s); let "
                        "upstream.url name it once",
                        hosts[j].url, hosts[i].url, hosts[i].engine);
            return true;
        }
    }
    return false;
}

/* COUNT: there is none. */
static size_t next_with_things(const struct host_facts *hosts, size_t count,
                               size_t from)
{
    while (from < count && !(told(&hosts[from]) && hosts[from].has))
        from++;
    return from;
}

static const struct host_facts *first_missing(const struct host_facts *hosts,
                                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!told(&hosts[i]))
            return &hosts[i];
    }
    return NULL;
}

/* How far in front NS puts ENGINE: the same everywhere, and for each namespace
 * another order (rendezvous hashing, Thaler and Ravishankar 1998). */
static uint64_t rank(struct str ns, const char *engine)
{
    AUTO(strbuf_fini)
    struct strbuf both = STRBUF(LIMIT_NAMESPACE + LIMIT_ENGINE_ID + 2);
    unsigned char digest[SHA256_BYTES];
    uint64_t value;

    strbuf_addf(&both, "%.*s\n%s", STR_FMT(ns), engine);
    sha256(strbuf_str(&both), digest);
    memcpy(&value, digest, sizeof(value));
    return value;
}

static uint64_t load(const struct host_facts *host)
{
    return (uint64_t)host->running + host->placed;
}

/* Less than 2^48. */
static uint64_t capacity(const struct host_facts *host)
{
    return (uint64_t)(host->cpus ? host->cpus : 1) *
           (host->weight ? host->weight : 1);
}

static bool is_less_loaded(const struct host_facts *a,
                           const struct host_facts *b)
{
    return (double)load(a) * (double)capacity(b) <
           (double)load(b) * (double)capacity(a);
}

/* Of those that may be given something new: the smallest priority, and whether
 * any of that has a weight. False: there is none. */
struct class
{
    unsigned priority;
    bool weighs;
};

static bool find_class(const struct host_facts *hosts, size_t count,
                       struct class *class)
{
    bool found = false;

    for (size_t i = 0; i < count; i++) {
        const struct host_facts *host = &hosts[i];

        if (!told(host) || host->drained)
            continue;
        if (!found || host->priority < class->priority)
            *class = (struct class){.priority = host->priority};
        found = true;
        class->weighs |= host->priority == class->priority && host->weight;
    }
    return found;
}

static bool is_in(const struct class *class, const struct host_facts *host)
{
    return told(host) && !host->drained && host->priority == class->priority &&
           (host->weight || !class->weighs);
}

/* Of those that may be given something new; false: there is none. */
static bool choose_anew(struct str ns, const struct host_facts *hosts,
                        size_t count, size_t *at)
{
    const struct host_facts *first = NULL, *second = NULL;
    uint64_t of_first = 0, of_second = 0;
    struct class class = {0};

    if (!find_class(hosts, count, &class))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct host_facts *host = &hosts[i];
        uint64_t value;

        if (!is_in(&class, host))
            continue;
        value = rank(ns, host->engine);
        if (!first || value > of_first) {
            second = first;
            of_second = of_first;
            first = host;
            of_first = value;
        } else if (!second || value > of_second) {
            second = host;
            of_second = value;
        }
    }
    if (second && is_less_loaded(second, first))
        first = second;
    *at = (size_t)(first - hosts);
    return true;
}

enum host_choice host_choose(struct str ns, const struct host_facts *hosts,
                             size_t count, bool skip_missing, size_t *at,
                             struct strbuf *why)
{
    const struct host_facts *missing = first_missing(hosts, count);
    size_t home = next_with_things(hosts, count, 0), other;

    assert(count <= HOSTS_MOST);
    if (find_twins(hosts, count, why))
        return HOST_REFUSED;
    if (home < count) {
        other = next_with_things(hosts, count, home + 1);
        if (other == count) {
            *at = home;
            return HOST_CHOSEN;
        }
        strbuf_addf(
            why,
            "%.*s has something on %s and on %s, and lives on one host "
            "only; remove what is on one of them (\"berth clean\", with "
            "a policy that names that host alone)",
            STR_FMT(ns), hosts[home].url, hosts[other].url);
        return HOST_REFUSED;
    }
    if (missing && !skip_missing) {
        strbuf_addf(why,
                    "it is not known whether %.*s has something on %s (%s); "
                    "bring that host back, take it out of upstream.url, or let "
                    "upstream.missing be \"skip\"",
                    STR_FMT(ns), missing->url,
                    missing->why ? missing->why : "it has not answered yet");
        return HOST_WAIT;
    }
    if (choose_anew(ns, hosts, count, at))
        return HOST_CHOSEN;
    if (missing)
        strbuf_addf(why,
                    "no host that may be given something new answers: %s: %s",
                    missing->url,
                    missing->why ? missing->why : "it has not answered yet");
    else
        strbuf_add(why, S("all hosts are named in upstream.drain; take one of "
                          "them out of it, or add one to upstream.url"));
    return HOST_WAIT;
}
