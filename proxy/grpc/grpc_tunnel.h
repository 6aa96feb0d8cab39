#pragma once

/*
 * The two HTTP/2 connections of one BuildKit tunnel and the calls that go from
 * one to the other: bytes in, bytes out. What reaches the other side was
 * parsed, judged and written anew: heads from the fields that are known,
 * messages by the judge; streams whose content is not judged are framed anew.
 * Each call is a stream on either side; one that is slow, malformed or refused
 * ends alone, with a gRPC status.
 *
 * Memory is bounded per tunnel: LIMIT_GRPC_STREAMS calls, LIMIT_GRPC_HELD bytes
 * under way from either side, LIMIT_GRPC_GATHERED of messages that come. And a
 * call whose bytes find no room (grpc_judge.has_room) ends.
 */

#include "proxy/grpc/grpc_judge.h"

enum grpc_side {
    GRPC_RUNNER,
    GRPC_ENGINE,
};

struct grpc_tunnel;

struct grpc_tunnel *grpc_tunnel_new(enum grpc_kind kind,
                                    const struct grpc_judge *judge, void *arg);
/* Always NULL. Calls that run are ended (grpc_judge.end). */
struct grpc_tunnel *grpc_tunnel_free(struct grpc_tunnel *tunnel);

/* Bytes from SIDE; all are taken. Only while grpc_tunnel_reads(). */
void grpc_tunnel_feed(struct grpc_tunnel *tunnel, enum grpc_side side,
                      struct str bytes);
bool grpc_tunnel_reads(const struct grpc_tunnel *tunnel, enum grpc_side side);

/* SIDE sends nothing more: its calls end, and the other side hears so. */
void grpc_tunnel_eof(struct grpc_tunnel *tunnel, enum grpc_side side);

/*
 * Append what is to be sent to SIDE, until OUT holds ROOM more bytes or a
 * frame beyond; OUT's maximum must leave 128 KiB behind that. What was pulled
 * on one side may make that something is to be pulled on the other.
 */
void grpc_tunnel_pull(struct grpc_tunnel *tunnel, enum grpc_side side,
                      struct strbuf *out, size_t room);
bool grpc_tunnel_has_output(const struct grpc_tunnel *tunnel,
                            enum grpc_side side);

/* Is the connection of SIDE over, once what is to be pulled was sent? */
bool grpc_tunnel_is_over(const struct grpc_tunnel *tunnel, enum grpc_side side);

/* Bytes that it holds, of all its calls. */
size_t grpc_tunnel_memory(const struct grpc_tunnel *tunnel);

/* Why it ended, when somebody broke the rules of HTTP/2; else NULL. */
const char *grpc_tunnel_fault(const struct grpc_tunnel *tunnel);
