#include "proxy/server/session_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

void session_account(struct session *s)
{
    size_t sum = connection_memory(s->connection) + s->held.cap;

    for (size_t i = 0; i < SESSION_LOOKUPS; i++) {
        if (s->lookups[i].subrequest)
            sum += subrequest_memory(s->lookups[i].subrequest);
    }
    memory_use(&s->frontend->memory, &s->memory, sum);
}

static struct policy *host_policy(void *arg)
{
    struct session *s = arg;

    session_hold_backend(s);
    return s->frontend->policy;
}

static const struct engine_facts *host_engine(void *arg)
{
    struct session *s = arg;

    return engine_probe_get(s->backend->engine);
}

static struct own_ids *host_owned(void *arg)
{
    struct session *s = arg;

    return s->frontend->owned;
}

bool session_has_room(void *arg, size_t more)
{
    struct session *s = arg;

    session_account(s);
    return memory_has_room(&s->frontend->memory, more);
}

static int64_t *host_match_steps(void *arg)
{
    struct session *s = arg;

    return frontend_match_steps(s->frontend);
}

static struct ledger *host_ledger(void *arg)
{
    struct session *s = arg;

    return s->frontend->ledger;
}

static struct job_book *host_jobs(void *arg)
{
    struct session *s = arg;

    return s->frontend->jobs;
}

static void host_turn(void *arg)
{
    struct session *s = arg;

    session_wake(s);
}

static struct tunnel_share *host_builds(void *arg)
{
    struct session *s = arg;

    return s->frontend->builds;
}

static const struct port_book *host_ports(void *arg)
{
    struct session *s = arg;

    return &s->frontend->ports;
}

/* Linux has had getrandom(2) since 3.17, and it gives up to 256 bytes at once
 * or none at all: without it, names that nobody may guess could be guessed. One
 * call serves many requests. */
static uint64_t random_number(void)
{
    static uint64_t numbers[32];
    static size_t left;
    uint64_t number;

    if (left == 0) {
        if (getrandom(numbers, sizeof(numbers), 0) != sizeof(numbers)) {
            fputs("berth: the kernel has no random numbers\n", stderr);
            abort();
        }
        left = sizeof(numbers) / sizeof(*numbers);
    }
    number = numbers[--left];
    numbers[left] = 0; /* it is told to one alone */
    return number;
}

static uint64_t host_random(void *arg)
{
    (void)arg;
    return random_number();
}

static uint64_t host_clock(void *arg)
{
    struct timespec now;

    (void)arg;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int host_audit(void *arg, struct str line)
{
    struct session *s = arg;

    return frontend_record(s->frontend, line);
}

static bool host_sum_up(void *arg, const struct audit_facts *end)
{
    struct session *s = arg;

    return frontend_sums_up(s->frontend, end);
}

static void host_ended(void *arg, const struct audit_facts *end)
{
    struct session *s = arg;

    counters_add(&s->frontend->counters, end);
    refusals_add(&s->frontend->refusals, end);
}

static void host_identify(void *arg, char *id, size_t size)
{
    static uint64_t process, number;

    (void)arg;
    if (!process)
        process = random_number();
    snprintf(id, size, "%012llx-%llu",
             (unsigned long long)(process & 0xffffffffffff),
             (unsigned long long)++number);
}

static struct peer peer_of(const struct session *s)
{
    struct ucred ucred;
    socklen_t size = sizeof(ucred);

    if (s->caller ||
        getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
        return (struct peer){.pid = -1,
                             .uid = (unsigned)-1,
                             .gid = (unsigned)-1,
                             .container = s->caller};
    return (struct peer){.pid = ucred.pid, .uid = ucred.uid, .gid = ucred.gid};
}

void session_host_init(struct session *s, bool busy)
{
    s->host = (struct connection_host){
        .policy = host_policy,
        .engine = host_engine,
        .owned = host_owned,
        .has_room = session_has_room,
        .match_steps = host_match_steps,
        .ledger = host_ledger,
        .jobs = host_jobs,
        .turn = host_turn,
        .builds = host_builds,
        .ports = host_ports,
        .clock_ns = host_clock,
        .random = host_random,
        .audit = host_audit,
        .sum_up = host_sum_up,
        .ended = host_ended,
        .identify = host_identify,
        .arg = s,
        .listener = s->frontend->path,
        .peer = peer_of(s),
        .busy = busy,
    };
}
