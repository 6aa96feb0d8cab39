#pragma once

/* The programs that this berth carries in itself; made by embed.py. */

struct companion_program {
    const char *architecture; /* as Docker calls it: "amd64"; NULL at the end */
    const char *digest;       /* SHA-256, in hex */
    const char *begin, *end;
};

extern const struct companion_program companion_programs[];
