#pragma once

/*
 * What berth sent to one side, in a form that does not depend on where its
 * input was cut: all data that came in chunks since the last look is in
 * one chunk. All else is as it was sent.
 */

#include "proxy/http/http_reader.h"

struct plain {
    enum http_side kind;
    struct http_reader *reader;
    const enum method *methods; /* responses: what each one answers */
    size_t method_count;
    bool raw;
    struct strbuf message; /* bytes of the head that is coming */
    struct strbuf chunk;   /* data of chunks since the last look */
    struct strbuf text;    /* what a look would show, but for CHUNK */
};

void plain_init(struct plain *plain, enum http_side kind,
                const enum method *methods, size_t method_count);
void plain_fini(struct plain *plain);

/* Take all of SENT, which is empty then. False: it is not valid HTTP. */
bool plain_take(struct plain *plain, struct strbuf *sent);

/* All since the last plain_forget; valid until the next call. */
struct str plain_look(struct plain *plain);
void plain_forget(struct plain *plain);
