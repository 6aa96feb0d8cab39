#pragma once

/* A machine in memory for policy/ssh_config: its files, and who runs there. */

#include "policy/ssh_config/ssh_config.h"

#define SSH_WORLD_FILES 140

struct ssh_world {
    struct ssh_config_reader reader;
    struct environment environment;
    struct ssh_config_machine machine;
    size_t count;
    struct ssh_world_file {
        const char *path;
        struct str text;
        bool others; /* may write to it */
    } files[SSH_WORLD_FILES];
};

/* The user "me", uid 1000, home /home/me, on the machine box.example, where
 * $ONE is "1". */
void ssh_world_init(struct ssh_world *world);
/* PATH and TEXT are kept as they are. */
void ssh_world_add(struct ssh_world *world, const char *path, struct str text);
