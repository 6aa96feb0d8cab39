#pragma once

/* What the kernel tells about this process. */

#include <dirent.h>

#include "proxy/metrics/metrics.h"

struct process {
    int statm;
    DIR *descriptors;
    double start_time;
};

/* Opens what it will read, so that it can be read behind a sandbox, too. */
void process_init(struct process *process);
void process_fini(struct process *process);

/* Fill in of VIEW what is known here; what the kernel does not tell stays. */
void process_look(const struct process *process, struct process_view *view);
