#pragma once

/* The environment in which the tests read policies. */

#include "policy/base/environment.h"

static const char *get_variable(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "RUNNER_NAME") == 0)
        return "r7";
    if (strcmp(name, "USER") == 0)
        return "me";
    if (strcmp(name, "SHOUTING") == 0)
        return "RUNNER";
    return strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static const struct environment environment = {.get = get_variable,
                                               .host_name = "CI-Host_3.lan"};
