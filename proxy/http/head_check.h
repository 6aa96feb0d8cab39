#pragma once

/*
 * Judges the lines of a head one by one, as they come and before any parser
 * sees them. It refuses whatever two parsers could read in two ways, and keeps
 * the few facts about framing that the lines gave. It holds no bytes.
 */

#include "proxy/http/http_reader.h"

struct head_check {
    enum http_side side;
    size_t lines;        /* all of them, the first one too */
    unsigned minor;      /* HTTP/1.MINOR */
    unsigned seen;       /* which rows of the table of headers, as bits */
    bool has_length;     /* one good Content-Length, no Transfer-Encoding */
    bool is_chunked;     /* Transfer-Encoding: chunked, no Content-Length */
    bool wants_continue; /* Expect: 100-continue */
};

enum { HEAD_E_REFUSED = 1 };

void head_check_init(struct head_check *check, enum http_side side);

/*
 * The next LINE, without its line end. Returns 0; or HEAD_E_REFUSED and fills
 * *WHY.
 */
int head_check_line(struct head_check *check, struct str line,
                    struct http_error *why);

/* The empty line has come. Returns as head_check_line does. */
int head_check_end(struct head_check *check, struct http_error *why);
