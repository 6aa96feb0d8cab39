#pragma once

/*
 * A tunnel with a caller and a server at its ends, and a judge whose methods do
 * what their names say:
 *
 *   /t/One    one message each way; "x" goes on as "<x>"
 *   /t/Each   one message, then any number: the reply "drop" is dropped
 *   /t/Both   any number each way
 *   /t/Bytes  unread
 *   /t/Nested Control.Session
 *
 * In a judged message, "no ..." is refused with PERMISSION_DENIED, "here" is
 * answered with "done", "empty" with nothing, "wait" waits until
 * grpc_stage_resume().
 */

#include "proxy/grpc/grpc_tunnel.h"
#include "tests/support/h2_peer.h"

struct grpc_stage {
    enum grpc_kind kind;
    struct grpc_tunnel *tunnel;
    struct h2_peer *caller, *server;
    struct grpc_call *waiting;
    bool resumed;
    size_t begun, ended, refused;
    enum grpc_code last_code; /* of the call that ended last */
    struct grpc_refusal last_refusal;
    size_t most;   /* bytes a feed; 0: all at once */
    size_t room;   /* bytes that the tunnel may hold; 0: any number */
    size_t pulled; /* bytes that the tunnel gave at most in one pull */
    bool over[2];  /* the caller's, the server's connection */
};

void grpc_stage_init(struct grpc_stage *stage, enum grpc_kind kind);
void grpc_stage_fini(struct grpc_stage *stage);

/* Carry bytes until nobody has any more. */
void grpc_stage_run(struct grpc_stage *stage);
void grpc_stage_resume(struct grpc_stage *stage);

enum grpc_side grpc_stage_side(const struct grpc_stage *stage, bool server);

/* The messages in DATA, "a|b|"; "?" where it is cut. */
const char *grpc_messages(struct str data, struct strbuf *out);

extern const struct grpc_judge grpc_stage_judge;
