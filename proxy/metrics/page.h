#pragma once

/*
 * The page for who runs berth: one HTML document without scripts, of which
 * everything is in it; it loads itself again every few seconds.
 */

#include "proxy/metrics/metrics.h"

/* 0 or -ENOBUFS. */
int page_put(struct strbuf *out, const struct picture *picture);

/* The Content-Security-Policy with which it works, and nothing else would. 0 or
 * -ENOBUFS. */
int page_put_policy(struct strbuf *out);
