#pragma once

/*
 * Reads HTTP/1.1 messages from bytes, wherever they are cut. No I/O, no
 * policy: the caller feeds what has come and is told what it was.
 *
 * Strict where two parsers could disagree (both lengths, two lengths, folded
 * lines, a name that is no token, blanks before the colon, two Hosts, bad chunk
 * sizes, control bytes: an error), generous where a real client needs it (a
 * bare LF ends a line of a head). Trailers are read, bounded and dropped.
 *
 * Who does what: the lines of a head are gathered and checked here
 * (head_check.h) before http-parser takes the head apart, because http-parser
 * 2.9.4 lets through most of what must not pass. The framing of bodies is ours
 * (chunked.h): Debian builds http-parser without its strict mode, and then it
 * takes any two bytes for the CRLF behind a chunk.
 */

#include "proxy/http/http_message.h"

enum http_side {
    HTTP_REQUESTS,
    HTTP_RESPONSES,
};

enum http_event {
    HTTP_MORE,   /* all input is used; feed more */
    HTTP_HEAD,   /* a head is complete: http_reader_head() */
    HTTP_DATA,   /* some of the body: DATA points into the input */
    HTTP_END,    /* the message is over; the next event belongs to another */
    HTTP_HIJACK, /* from here on the connection speaks no HTTP */
    HTTP_ERROR,  /* framing is lost: http_reader_error() */
};

struct http_error {
    int status;         /* what to answer the client: 400, 414, 417, 431, 501
                           or 505; 502 when it was a response */
    const char *reason; /* a sentence, without the peer's bytes in it */
};

struct http_reader;

struct http_reader *http_reader_new(enum http_side side);
/* Always NULL: reader = http_reader_free(reader). */
struct http_reader *http_reader_free(struct http_reader *reader);

/*
 * The next event in INPUT. *USED says how many bytes it took, *DATA is the
 * body part of HTTP_DATA (pointing into INPUT, no framing in it). Call again
 * with the rest until HTTP_MORE. After HTTP_ERROR and HTTP_TUNNEL every
 * further call gives the same and takes nothing.
 *
 * HTTP_END takes nothing, so what follows stays with the caller, who asks again
 * only for another message: behind a request that hijacks, it is raw.
 *
 * Requests: each message is HEAD DATA* END. Responses: an interim one (1xx but
 * 101) is HEAD END and the reader still awaits the final one; a 101 is
 * HEAD TUNNEL; a body until EOF is HEAD DATA* and then http_reader_eof().
 */
enum http_event http_reader_next(struct http_reader *reader, struct str input,
                                 size_t *used, struct str *data);

/*
 * The peer has sent EOF. HTTP_END when that ends a body-until-EOF message,
 * HTTP_MORE between messages, HTTP_ERROR in the middle of one (behind an
 * interim response, too), HTTP_TUNNEL in a tunnel.
 */
enum http_event http_reader_eof(struct http_reader *reader);

/* Responses: the next final one answers a request with METHOD (HEAD has no
 * body, whatever the head says). */
void http_reader_expect(struct http_reader *reader, enum method method);

/* Stop reading messages: what follows is raw (a 200 that hijacks). */
void http_reader_hijack(struct http_reader *reader);

/* Is it between two messages, with no byte of the next seen? */
bool http_reader_is_idle(const struct http_reader *reader);

/* Has a part of a head come, but not all of it? (for the head's timeout) */
bool http_reader_in_head(const struct http_reader *reader);

/* The last complete head; valid until the first http_reader_next() behind its
 * HTTP_END, which begins to gather another in its place. */
const struct http_head *http_reader_head(const struct http_reader *reader);

/* Why it was HTTP_ERROR; status 0 and no reason before that. */
const struct http_error *http_reader_error(const struct http_reader *reader);

/* The last head is not needed any more: between two messages, this gives back
 * the memory of a long one. */
void http_reader_forget(struct http_reader *reader);
