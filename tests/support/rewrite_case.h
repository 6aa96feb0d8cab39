#pragma once

/* One case of tests/policy/rewrite; test_rewrite.c says what is in it. */

#include <jansson.h>

#include "policy/base/str.h"

/* Run ONE, and say in WRONG what did not come out as it should. */
void rewrite_case_run(json_t *one, struct strbuf *wrong);
