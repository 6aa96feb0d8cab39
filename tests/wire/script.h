#pragma once

/*
 * A transcript, read: steps of one line each, or of several when lines that
 * send, or expect, on one side follow each other. README.md says what can be
 * written.
 */

#include "policy/docker/method.h"
#include "proxy/exchange/connection.h"

enum word {
    /* the world, before the first turn */
    WORD_ALLOW,
    WORD_DENY,
    WORD_AUDIT_REQUIRED,
    WORD_REPORT_ONLY,
    WORD_POLICY,
    WORD_ENGINE_KNOWN,
    WORD_ENGINE_OLDEST,
    WORD_BUSY,
    WORD_ENGINE_FAR,
    WORD_KEEPS_STREAMS,
    /* what happens */
    WORD_CLIENT_SENDS,
    WORD_ENGINE_SENDS,
    WORD_CLIENT_EOF,
    WORD_ENGINE_EOF,
    WORD_CLIENT_GONE,
    WORD_RECONNECT,
    WORD_FIRST_CLIENT,
    WORD_SECOND_CLIENT,
    WORD_IDLE_CLOSES,
    WORD_RELOAD,
    WORD_CLIENT_ROOM,
    WORD_ENGINE_ROOM,
    WORD_ANSWERED,
    WORD_STREAM_OPEN,
    WORD_STREAM_FAILS,
    WORD_TIMEOUT,
    WORD_SHUTDOWN,
    WORD_AUDIT_FAILS,
    WORD_AUDIT_WORKS,
    /* what must have happened */
    WORD_CLIENT_GETS,
    WORD_ENGINE_GETS,
    WORD_ASKS,
    WORD_ANSWER,
    WORD_EXPECT,
    WORD_AUDIT,
    WORD_NEVER,
};

struct step {
    unsigned line;
    enum word word;
    bool bulk;          /* sent in large pieces: not cut everywhere */
    struct str rest;    /* of the line, behind the word; without blanks */
    struct strbuf text; /* bytes to send or to expect */
    size_t requests[2]; /* that the clients sent before */
};

struct script {
    char *source;
    struct step *steps;
    size_t count;
    struct strbuf keys; /* of the policy, as JSON members */
    struct methods {
        enum method *items;
        size_t count;
    } methods[2];   /* of the requests that each client sends */
    unsigned reads; /* whose lines are read */
    size_t cuts;    /* how many bytes are sent, but for bulk */
    size_t bulk;
};

/* Read TEXT. False with a message on stderr for what makes no sense. */
bool script_read(struct script *script, const char *path, struct str text);
void script_fini(struct script *script);
