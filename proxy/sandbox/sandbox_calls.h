#pragma once

/*
 * Linux's seccomp: from now on this process can make only the system calls that
 * serving takes. Others fail with EPERM; those that only an intruder would make
 * (to execute a program, to reach into another process) end it.
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Confine the calling thread and those to come; where it COPIES files, it can
 * make links, directories and so on, too. Returns 0 with how many calls
 * are ALLOWED; or a negative errno, and nothing is confined. No new privileges
 * must be given already.
 */
int sandbox_calls(bool copies, size_t *allowed);
