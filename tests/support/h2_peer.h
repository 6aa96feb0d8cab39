#pragma once

/*
 * An HTTP/2 client or server for the tests, straight on nghttp2: what a test
 * writes goes out, what comes is kept by stream. It takes all windows that it
 * is given, and gives none back while it is stalled.
 */

#include "policy/base/str.h"

#include <nghttp2/nghttp2.h>

struct peer_stream {
    int32_t id;
    struct strbuf head; /* "name: value\n" for each field */
    struct strbuf trailers;
    struct strbuf data;
    size_t data_len; /* all that came; DATA keeps the first bytes */
    bool has_head, ended, closed;
    uint32_t code; /* when closed */
    struct strbuf out;
    size_t out_at;
    bool out_ended, deferred;
    struct strbuf out_trailers; /* "name: value\n" */
};

enum { PEER_STREAMS = 1024 };

struct h2_peer {
    nghttp2_session *ng;
    bool server, stalled, goaway;
    size_t pings; /* that were answered */
    struct peer_stream *streams[PEER_STREAMS];
    size_t count;
};

struct h2_peer *h2_peer_new(bool server);
void h2_peer_free(struct h2_peer *peer);

/* A field for nghttp2's own functions; its slices are not copied. */
nghttp2_nv h2_peer_field(struct str name, struct str value);

/* What it has to send; appended. And what came. False: it is over. */
void h2_peer_output(struct h2_peer *peer, struct strbuf *out);
bool h2_peer_input(struct h2_peer *peer, struct str bytes);

/* The stream ID, or the one that came as number N (from 0); or NULL. */
struct peer_stream *h2_peer_stream(struct h2_peer *peer, int32_t id);
struct peer_stream *h2_peer_nth(struct h2_peer *peer, size_t n);

/*
 * Call: a POST to PATH as gRPC has it, with EXTRA fields ("name: value\n"
 * each). Returns the stream's ID.
 */
int32_t h2_peer_call(struct h2_peer *peer, const char *path, const char *extra);
void h2_peer_write(struct h2_peer *peer, int32_t id, struct str data, bool end);
/* One gRPC message around TEXT. */
void h2_peer_message(struct h2_peer *peer, int32_t id, struct str text,
                     bool end);
/* A server's head; and its end, behind all data. */
void h2_peer_respond(struct h2_peer *peer, int32_t id, const char *extra);
void h2_peer_finish(struct h2_peer *peer, int32_t id, const char *trailers);
/* The same without data: head and end in one. */
void h2_peer_refuse(struct h2_peer *peer, int32_t id, const char *trailers);
void h2_peer_reset(struct h2_peer *peer, int32_t id, uint32_t code);

/* Forget the streams that are closed. */
void h2_peer_forget(struct h2_peer *peer);

/* Give back the windows of what came while it was stalled. */
void h2_peer_unstall(struct h2_peer *peer);
