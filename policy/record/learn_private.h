#pragma once

/* What learn.c gathers, and learn_policy.c makes a policy of. */

#include "policy/config/policy.h"
#include "policy/record/learn.h"

struct learner {
    bool refused;
    size_t count; /* of calls */
    bool seen[OP_COUNT];
    struct rules rules; /* the strictest */
    json_t *lacks;      /* {"container.capabilities": {"SYS_PTRACE": 3}} */
    json_t *hopeless;   /* {rule: reason}: what no policy allows */
    json_t *made;       /* {"docker.io/library/app": true}: repositories that */
    json_t *pulled;     /* it tagged itself, and those that it pulled */
    char *namespace_;   /* of the first record */
};

/* Tighter than the defaults, where a record tells enough to open up again. */
extern const char learn_strictest[];
