#pragma once

/*
 * berth gives up, before it serves anybody, all that serving does not take, so
 * that a fault in it is not a way into its machine: privileges for good,
 * capabilities (but the one to give a socket a group, for root), core dumps
 * and being traced, files that no policy names, and system calls that it does
 * not make. What a kernel lacks is left out.
 */

#include "proxy/sandbox/sandbox_paths.h"

enum { SANDBOX_DEFENCES = 8 };

struct sandbox {
    struct sandbox_paths paths; /* what is left, with Landlock */
    bool closed;                /* Landlock is in force */
    /* sentences, "missing: ..." for what is not in force; NULL at the end */
    char *defences[SANDBOX_DEFENCES + 1];
    size_t count;
};

/*
 * Confine the process to what the policies in FILES need. It must have no
 * threads yet. Once only, and for good.
 */
void sandbox_enter(struct sandbox *sandbox, const char *const *files,
                   size_t file_count, const struct policies *policies);

/* It stays as it is, for the reason WHY: that is in DEFENCES. */
void sandbox_leave_out(struct sandbox *sandbox, const char *why);

/* Tell the operator what is in force, and what is missing. */
void sandbox_log(const struct sandbox *sandbox);

void sandbox_fini(struct sandbox *sandbox);

/* Could POLICIES be served from in here? If not, say in WHY what is in the way,
 * a line each. */
bool sandbox_admits(const struct sandbox *sandbox,
                    const struct policies *policies, struct strbuf *why);

/* Is the program built so that it cannot be confined? Then the reason; or
 * NULL. */
const char *sandbox_impossible(void);
