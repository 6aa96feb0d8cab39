/*
 * The input is what a name server answers to a question for SRV records.
 * Property: what is read of it is within its bounds, in order, each host once
 * and in small letters, and nothing where it makes no sense.
 */

#include <assert.h>

#include "proxy/net/srv_resolver.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct srv_target *target,
                  const struct srv_target *before)
{
    assert(*target->host && strlen(target->host) <= LIMIT_HOST);
    assert(target->priority <= UINT16_MAX && target->weight <= UINT16_MAX &&
           target->port <= UINT16_MAX);
    for (const char *c = target->host; *c; c++)
        assert(*c < 'A' || *c > 'Z');
    if (!before)
        return;
    assert(before->priority <= target->priority);
    assert(strcmp(before->host, target->host) != 0 ||
           before->port != target->port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct srv_answer answer;

    srv_read(data, size, &answer);
    assert(answer.count <= LIMIT_HOSTS);
    assert(answer.count == 0 || !*answer.why);
    for (size_t i = 0; i < answer.count; i++)
        check(&answer.targets[i], i ? &answer.targets[i - 1] : NULL);
    return 0;
}
