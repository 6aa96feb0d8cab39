#pragma once

/*
 * One string of HostConfig.Binds, read as an engine on Linux reads it:
 * TARGET (an anonymous volume), SOURCE:TARGET or SOURCE:TARGET:OPTIONS.
 */

#include "policy/base/str.h"

struct bind_spec {
    struct str source; /* a path, a volume's name, or empty */
    struct str target;
    struct str options; /* as they are */
    bool read_only, read_write;
    bool relabel;           /* z or Z: new SELinux labels for the source */
    struct str propagation; /* "rslave"; empty: none said */
};

/* What is wrong with TEXT, or NULL and SPEC is filled with slices of TEXT. */
const char *bind_spec_parse(struct str text, struct bind_spec *spec);
