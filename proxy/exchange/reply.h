#pragma once

/*
 * What a client is answered: berth's own replies, and the engine's, whose head
 * is written anew with our framing.
 */

#include "proxy/http/http_message.h"

/* What is known of the engine from its last answer to a ping. */
struct engine_facts {
    bool known;            /* the engine answered, and the link is up */
    unsigned minor;        /* of its API version, 1.MINOR */
    unsigned oldest;       /* of the oldest that it speaks; 0: not known */
    char version[32];      /* its own, "26.1.5+dfsg1"; empty: not known */
    struct strbuf headers; /* Api-Version, Ostype, ... as header lines */
    char log_driver[32];   /* of containers that name none; or "" */
};

void engine_facts_init(struct engine_facts *facts);
void engine_facts_fini(struct engine_facts *facts);

/* Learn from the head of an engine's reply to a ping. False: it is none. */
bool engine_facts_learn(struct engine_facts *facts,
                        const struct http_head *head);

/* The connection's fate, as the reply's head announces it. */
enum reply_connection {
    REPLY_KEEP_ALIVE,
    REPLY_CLOSE,
};

/*
 * An answer of berth's: {"message": "..."} (or nothing, to a HEAD) with STATUS.
 * "berth: " is in front, unless the words are the ENGINE's for such a case.
 * RETRY_AFTER seconds when it is not 0. MESSAGE is cut at twice LIMIT_REASON;
 * bytes in it that are not UTF-8 are shown as "?".
 */
void reply_put_message(struct strbuf *out, const struct http_head *request,
                       int status, const char *message, bool engine,
                       unsigned retry_after, enum reply_connection connection);

/*
 * The answer to GET or HEAD /_ping, from what is known of the engine. CLASSIC:
 * a Builder-Version says "1", by which Docker 20.10 takes the classic builder
 * unless it is told to use BuildKit (newer ones do not go by it).
 */
void reply_put_ping(struct strbuf *out, const struct http_head *request,
                    const struct engine_facts *facts, bool classic,
                    enum reply_connection connection);

/* How a reply's body is framed for the client. */
enum reply_framing {
    REPLY_FRAMING_NONE, /* no body */
    REPLY_FRAMING_SIZED,
    REPLY_FRAMING_CHUNKED,
    REPLY_FRAMING_RAW,    /* until EOF, for an HTTP/1.0 client */
    REPLY_FRAMING_HIJACK, /* no HTTP any more */
};

/* How the body of the engine's REPLY to REQUEST is framed for the client. */
enum reply_framing reply_framing(const struct http_head *request,
                                 const struct http_head *reply);

/*
 * The head of the engine's REPLY, for a client that asked with REQUEST: its
 * end-to-end headers, and our FRAMING with LENGTH where it is sized. 0, or
 * -EINVAL or -ENOBUFS for a head that cannot be passed on; OUT then is as it
 * was.
 */
int reply_put_head(struct strbuf *out, const struct http_head *request,
                   const struct http_head *reply, enum reply_framing framing,
                   uint64_t length, enum reply_connection connection);

/* berth's own answer: BODY, which is JSON or empty, with STATUS. */
void reply_put_json(struct strbuf *out, const struct http_head *request,
                    int status, struct str body,
                    enum reply_connection connection);
