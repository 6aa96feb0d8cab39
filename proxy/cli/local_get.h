#pragma once

/* One question to a berth on this machine, for the commands that ask. */

#include "policy/base/str.h"

/*
 * GET TARGET at PLACE, as in local_address.h. 0 with the reply's *STATUS and
 * BODY; -EAGAIN when none came in time (some seconds for each step), -EPROTO
 * for what is no HTTP or longer than BODY may be, another negative errno when
 * nobody is there.
 */
int local_get(const char *place, struct str target, int *status,
              struct strbuf *body);
