#pragma once

/*
 * What "berth explain" has found out, for people or as JSON.
 */

#include "proxy/cli/assumed_engine.h"

struct explanation {
    const struct request *rq;
    const struct http_head *head; /* as it came; NULL: there is none */
    struct str body;              /* the same */
    struct str sent;              /* as it goes: head and body */
    const struct assumptions *assumptions;
};

/*
 * What was done to the request, head and body, as rows of json_diff.h: "path",
 * "query NAME", "header NAME", and the fields of the body by their own paths.
 * The caller owns it.
 */
json_t *explain_diff(const struct explanation *explanation);

/* Print it all on standard output. */
void explain_show_text(const struct explanation *explanation);
void explain_show_json(const struct explanation *explanation);
