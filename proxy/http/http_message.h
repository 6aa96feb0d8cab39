#pragma once

/*
 * HTTP/1.1 messages as values (RFC 9110, RFC 9112): the head that a reader
 * found, and the writers that make a new head and its framing. A head is never
 * passed on as it came: who sends one writes it line by line with these.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"
#include "policy/docker/method.h"

struct http_header {
    struct str name;
    struct str value; /* without the blanks around it */
};

enum http_body {
    HTTP_BODY_NONE,
    HTTP_BODY_SIZED, /* Content-Length, also 0 */
    HTTP_BODY_CHUNKED,
    HTTP_BODY_EOF, /* a response without a length: all until the peer's EOF */
};

/* A complete head. Slices point into the reader that gave it. */
struct http_head {
    enum method method; /* request */
    struct str target;  /* request: as it stood on the line */
    int status;         /* response */
    struct str reason;  /* response */
    unsigned minor;     /* HTTP/1.MINOR */

    struct http_header headers[LIMIT_HEADERS]; /* in order, framing included */
    size_t header_count;

    /* What the head says about framing, already checked */
    enum http_body body;
    uint64_t length; /* HTTP_BODY_SIZED */
    bool keep_alive; /* the sender can take another message behind it */
    bool expect_continue;
    struct str upgrade; /* the Upgrade header's value, empty without one */
};

/* Is S a token (RFC 9110, 5.6.2), as a header name or method must be? */
bool http_is_token(struct str s);
/* May S be a header value: no control byte but HTAB? */
bool http_is_value(struct str s);
/* May S be a target on a request line: not empty, printable ASCII only,
 * no blank? */
bool http_is_target(struct str s);

/* The value of the first header NAME (any case), or NULL. */
const struct str *http_head_get(const struct http_head *head, struct str name);

/* Does the comma-separated list in the headers NAME (there may be several)
 * hold TOKEN (any case)? */
bool http_head_has_token(const struct http_head *head, struct str name,
                         struct str token);

/* The standard reason phrase of STATUS ("Not Found"), or "Unknown". */
const char *http_reason(int status);

/*
 * Writers. They append to OUT and return 0, or -ENOBUFS when OUT is full; or
 * -EINVAL for what would not be read again as what it was: a name that is no
 * token, a value or reason with a control byte, a target with a blank,
 * METHOD_OTHER. So nothing can start a line of its own. After a failure OUT is
 * as it was.
 */
int http_put_request_line(struct strbuf *out, enum method method,
                          struct str target);
int http_put_status_line(struct strbuf *out, int status, struct str reason);
int http_put_header(struct strbuf *out, struct str name, struct str value);
int http_put_end_of_head(struct strbuf *out);
/* The line before a chunk of LEN bytes, which is not 0; the caller adds the
 * bytes and CRLF. */
int http_put_chunk_line(struct strbuf *out, size_t len);
int http_put_last_chunk(struct strbuf *out);
