#pragma once

/* The files that OpenSSH's client reads on this machine, and who we are. */

#include "policy/ssh_config/ssh_config.h"

struct ssh_files {
    struct ssh_config_reader reader;
    struct ssh_config_machine machine;
    char *user, *home;
};

/* ENVIRONMENT, and the host name in it, must outlive FILES, and FILES may not
 * be moved. */
void ssh_files_init(struct ssh_files *files,
                    const struct environment *environment);
void ssh_files_fini(struct ssh_files *files);
