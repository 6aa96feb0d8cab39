/*
 * What happens at the two ends of a tunnel, a step a record: a byte that says
 * what, one with the length of what follows, that. Real peers speak, and bytes
 * come in between that they did not write.
 *
 * Properties: whatever is done, each call that began has ended when the tunnel
 * is gone, and nobody else's memory is touched.
 */

#include <assert.h>

#include "policy/base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/grpc_stage.h"

enum step {
    STEP_CALL,    /* the path by the first byte, the rest a message */
    STEP_WRITE,   /* bytes of the caller, on the stream of its last call */
    STEP_END,     /* and no more */
    STEP_RESPOND, /* the server, to what came last */
    STEP_REPLY,   /* bytes of the server */
    STEP_FINISH,  /* its trailers */
    STEP_RESET_CALL,
    STEP_RESET_REPLY,
    STEP_RAW_CALLER, /* bytes on the caller's connection */
    STEP_RAW_SERVER,
    STEP_RUN,
    STEP_RESUME,
    STEP_EOF,
    STEP_STALL,
    STEPS,
};

static const char *const paths[] = {"/t/One",   "/t/Each",   "/t/Both",
                                    "/t/Bytes", "/t/Nested", "/t/None"};

static struct peer_stream *last_of(struct h2_peer *peer)
{
    return peer->count ? peer->streams[peer->count - 1] : NULL;
}

static void call(struct grpc_stage *stage, struct str data)
{
    size_t path = data.len ? (unsigned char)data.ptr[0] % 6 : 0;
    int32_t id;

    if (stage->caller->count > 500)
        return;
    id = h2_peer_call(stage->caller, paths[path], NULL);
    if (id > 0 && data.len > 1)
        h2_peer_message(stage->caller, id, str_from_index(data, 1), path < 2);
}

static void feed(struct grpc_stage *stage, bool server, struct str data)
{
    enum grpc_side side = grpc_stage_side(stage, server);

    if (grpc_tunnel_reads(stage->tunnel, side))
        grpc_tunnel_feed(stage->tunnel, side, data);
}

static void take_step(struct grpc_stage *stage, enum step step, struct str data)
{
    struct peer_stream *asked = last_of(stage->caller);
    struct peer_stream *there = last_of(stage->server);

    switch (step) {
    case STEP_CALL:
        call(stage, data);
        break;
    case STEP_WRITE:
    case STEP_END:
        if (asked)
            h2_peer_write(stage->caller, asked->id, data, step == STEP_END);
        break;
    case STEP_RESPOND:
        if (there)
            h2_peer_respond(stage->server, there->id, "m-a: b\n");
        break;
    case STEP_REPLY:
        if (there)
            h2_peer_message(stage->server, there->id, data, false);
        break;
    case STEP_FINISH:
        if (there)
            h2_peer_finish(stage->server, there->id,
                           data.len ? "grpc-status: 5\ngrpc-message: a%20b\n"
                                    : "grpc-status: 0\n");
        break;
    case STEP_RESET_CALL:
        if (asked)
            h2_peer_reset(stage->caller, asked->id, NGHTTP2_CANCEL);
        break;
    case STEP_RESET_REPLY:
        if (there)
            h2_peer_reset(stage->server, there->id, NGHTTP2_INTERNAL_ERROR);
        break;
    case STEP_RAW_CALLER:
    case STEP_RAW_SERVER:
        feed(stage, step == STEP_RAW_SERVER, data);
        break;
    case STEP_RUN:
        grpc_stage_run(stage);
        break;
    case STEP_RESUME:
        if (stage->waiting)
            grpc_stage_resume(stage);
        break;
    case STEP_EOF:
        grpc_tunnel_eof(stage->tunnel, data.len ? GRPC_ENGINE : GRPC_RUNNER);
        break;
    case STEP_STALL:
        stage->caller->stalled = stage->server->stalled = data.len > 0;
        break;
    case STEPS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct str in = str_of((const char *)bytes, len);
    struct grpc_stage stage;

    if (in.len == 0)
        return 0;
    grpc_stage_init(&stage, in.ptr[0] & 1 ? GRPC_SESSION : GRPC_CONTROL);
    in = str_from_index(in, 1);
    while (in.len >= 2) {
        unsigned step = (unsigned char)in.ptr[0];
        struct str data =
            str_head(str_from_index(in, 2), (unsigned char)in.ptr[1]);

        if (step >= 0x80) /* half of all bytes are the same step */
            step = STEP_RUN;
        take_step(&stage, (enum step)(step % STEPS), data);
        in = str_from_index(in, 2 + data.len);
    }
    grpc_stage_run(&stage);
    stage.tunnel = grpc_tunnel_free(stage.tunnel);
    assert(stage.begun == stage.ended);
    grpc_stage_fini(&stage);
    return 0;
}
