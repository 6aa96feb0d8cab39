#pragma once

/* What an http_reader said about some bytes, as text that tests compare. */

#include "proxy/http/http_reader.h"

/*
 * Read INPUT, cut before each of the COUNT positions CUTS (in rising order),
 * then EOF; append one line for each event to OUT, DATA that follows DATA on
 * the same line. METHOD is what the first final response answers. Each piece
 * is in memory of its own, so that a byte read too far is seen.
 */
void http_trace(enum http_side side, enum method method, struct str input,
                const size_t *cuts, size_t count, struct strbuf *out);

/* A maximum for OUT that is no concern of a test. */
#define TRACE_MAX (16 * MIB)
