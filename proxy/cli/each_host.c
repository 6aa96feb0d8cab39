#include "proxy/cli/each_host.h"

#include "proxy/net/srv_resolver.h"

struct visiting {
    void (*visit)(const struct host_visit *visit, void *arg);
    void *arg;
};

static void visit_target(const struct visiting *v,
                         const struct upstream_config *of,
                         const struct srv_target *target)
{
    struct upstream_config config;
    const struct host_visit failed = {
        .config = of, .of = of, .why = "a record of it tells no host"};

    if (upstream_target_make(&config, of, target->host, target->port) != 0) {
        v->visit(&failed, v->arg);
        return;
    }
    v->visit(
        &(struct host_visit){.config = &config, .of = of, .target = target},
        v->arg);
    upstream_target_fini(&config);
}

static void visit_targets(const struct visiting *v,
                          const struct upstream_config *of)
{
    struct srv_answer answer;

    srv_look_up(of->host, &answer);
    for (size_t i = 0; i < answer.count; i++)
        visit_target(v, of, &answer.targets[i]);
    if (answer.count == 0)
        v->visit(&(struct host_visit){.config = of,
                                      .of = of,
                                      .why = *answer.why
                                                 ? answer.why
                                                 : "there are no SRV records "
                                                   "of that name"},
                 v->arg);
}

void each_host(const struct policy *policy,
               void (*visit)(const struct host_visit *visit, void *arg),
               void *arg)
{
    const struct visiting visiting = {visit, arg};

    for (size_t i = 0; i < policy_host_count(policy); i++) {
        const struct upstream_config *config = policy_host(policy, i);

        if (config->srv)
            visit_targets(&visiting, config);
        else
            visit(&(struct host_visit){.config = config, .of = config}, arg);
    }
}
