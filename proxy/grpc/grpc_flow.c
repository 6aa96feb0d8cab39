#include "proxy/grpc/grpc_private.h"

/* ---- one way of a call: what comes on one stream goes on on the other ---- */

static struct h2_stream *target_of(const struct grpc_call *call,
                                   enum grpc_way way)
{
    return call->stream[grpc_other(way)];
}

static void consume(struct grpc_call *call, enum grpc_way way, size_t len)
{
    if (call->stream[way])
        h2_stream_consume(call->stream[way], len);
}

static void refuse(struct grpc_call *call, enum grpc_code code, const char *why)
{
    struct grpc_refusal refusal;

    grpc_refuse(&refusal, code, "request.grpc", "%s", why);
    grpc_call_deny(call, &refusal);
}

bool grpc_flow_is_crowded(struct grpc_call *call, size_t more)
{
    struct grpc_tunnel *tunnel = call->tunnel;
    struct grpc_refusal refusal;

    if (tunnel->judge->has_room(tunnel->arg, more))
        return false;
    grpc_refuse(&refusal, GRPC_RESOURCE_EXHAUSTED, "request.memory",
                "berth holds as many bytes of this listener's clients as it "
                "may; try again in a moment, with fewer builds at a time");
    grpc_call_deny(call, &refusal);
    return true;
}

/* ---- messages ---- */

static void put_message(struct h2_stream *target, struct str message)
{
    unsigned char head[GRPC_FRAME_HEAD];

    grpc_frame_head(head, message.len);
    h2_stream_write(target, str_of((const char *)head, sizeof(head)));
    h2_stream_write(target, message);
}

/* Its message goes on in the words of OUT. */
static void send_message(struct grpc_call *call, enum grpc_way way,
                         struct str out)
{
    struct h2_stream *target;

    if (call->state == CALL_HELD)
        grpc_call_start(call);
    if (call->state == CALL_ENDED) /* there is nobody to start it at */
        return;
    target = target_of(call, way);
    if (target && (way == GRPC_REQUEST || call->answered))
        put_message(target, out);
}

/* It is answered here. */
static void answer(struct grpc_call *call, const struct strbuf *message)
{
    if (!call->answered)
        grpc_call_answer(call);
    if (message && call->stream[GRPC_REQUEST])
        put_message(call->stream[GRPC_REQUEST], strbuf_str(message));
    call->code = GRPC_OK;
    strbuf_clear(&call->text);
    if (call->stream[GRPC_REPLY])
        h2_stream_reset(call->stream[GRPC_REPLY], H2_CANCEL);
    grpc_call_finish(call);
}

static void judge_message(struct grpc_call *call, enum grpc_way way)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(LIMIT_GRPC_MESSAGE);
    struct call_way *w = &call->way[way];
    struct grpc_refusal why = {.code = GRPC_INTERNAL};
    enum grpc_verdict verdict = call->tunnel->judge->message(
        call->judged, way, strbuf_str(&w->reader.message), &out, &why);

    if (verdict == GRPC_WAIT) {
        w->state = WAY_WAITS;
        return;
    }
    w->state = WAY_READS;
    grpc_call_forget_message(call, way);
    if (verdict == GRPC_SEND)
        send_message(call, way, strbuf_str(&out));
    else if (verdict == GRPC_ANSWER && way == GRPC_REQUEST)
        answer(call, &out);
    else if (verdict == GRPC_ANSWER_EMPTY && way == GRPC_REQUEST)
        answer(call, NULL);
    else if (verdict != GRPC_DROP || w->flow != GRPC_EACH)
        grpc_call_deny(call, &why);
}

/* A message is whole. */
static void on_message(struct grpc_call *call, enum grpc_way way)
{
    struct call_way *w = &call->way[way];

    w->count++;
    if (w->flow == GRPC_NESTED) {
        grpc_nested_message(call, way, strbuf_str(&w->reader.message));
        grpc_call_forget_message(call, way);
    } else if (w->flow == GRPC_ONE && w->count > 1) {
        refuse(call, GRPC_INTERNAL,
               "there is more than one message where one is meant");
    } else if (w->flow == GRPC_ONE && way == GRPC_REQUEST && !w->at_end) {
        w->state = WAY_WHOLE;
    } else {
        judge_message(call, way);
    }
}

/* Take up a part of what came; MORE is false when there is nothing more. */
static void read_part(struct grpc_call *call, enum grpc_way way)
{
    struct call_way *w = &call->way[way];
    enum grpc_read read;
    size_t used;

    read = grpc_reader_next(&w->reader, LIMIT_GRPC_MESSAGE, bytes_str(&w->in),
                            &used);
    bytes_consume(&w->in, used);
    bytes_trim(&w->in);
    consume(call, way, used);
    if (!grpc_call_count(call, way))
        read = GRPC_READ_TOO_LARGE;
    switch (read) {
    case GRPC_READ_MORE:
        break;
    case GRPC_READ_MESSAGE:
        on_message(call, way);
        break;
    case GRPC_READ_COMPRESSED:
        refuse(call, GRPC_UNIMPLEMENTED,
               "the message is compressed, which is not supported");
        break;
    case GRPC_READ_TOO_LARGE:
        refuse(call, GRPC_RESOURCE_EXHAUSTED,
               "the message is longer than berth takes, or too many come at "
               "the same time");
        break;
    }
}

static bool reads(const struct grpc_call *call, enum grpc_way way)
{
    const struct call_way *w = &call->way[way];
    const struct h2_stream *target = target_of(call, way);

    if (call->state == CALL_ENDED || w->state != WAY_READS || !w->in.len)
        return false;
    if (w->flow == GRPC_NESTED && !grpc_nested_reads(call, way))
        return false;
    return !target || h2_stream_pending(target) < LIMIT_GRPC_PENDING;
}

/* ---- the end of a way ---- */

static void end_request(struct grpc_call *call)
{
    struct call_way *w = &call->way[GRPC_REQUEST];

    if (!grpc_reader_is_empty(&w->reader)) {
        refuse(call, GRPC_INVALID_ARGUMENT, "the call ends within a message");
        return;
    }
    if (w->flow == GRPC_ONE && w->count == 0) {
        refuse(call, GRPC_INVALID_ARGUMENT, "the call has no message");
        return;
    }
    if (call->nested)
        grpc_nested_end(call, GRPC_REQUEST);
    w->state = WAY_ENDED;
    if (call->stream[GRPC_REPLY])
        h2_stream_end(call->stream[GRPC_REPLY], NULL);
}

static void end_reply(struct grpc_call *call)
{
    struct call_way *w = &call->way[GRPC_REPLY];

    if (!grpc_reader_is_empty(&w->reader)) {
        refuse(call, GRPC_INTERNAL, "the reply ends within a message");
        return;
    }
    if (call->nested)
        grpc_nested_end(call, GRPC_REPLY);
    w->state = WAY_ENDED;
    grpc_call_finish(call);
}

void grpc_flow_go_on(struct grpc_call *call, enum grpc_way way)
{
    struct call_way *w = &call->way[way];

    while (reads(call, way))
        read_part(call, way);
    if (call->state == CALL_ENDED) {
        consume(call, way, w->in.len);
        bytes_fini(&w->in);
        return;
    }
    if (!w->at_end)
        return;
    if (w->state == WAY_WHOLE && !w->in.len)
        judge_message(call, way);
    else if (w->state == WAY_WHOLE)
        refuse(call, GRPC_INTERNAL,
               "there is more than one message where one is meant");
    if (call->state == CALL_ENDED || w->state != WAY_READS || w->in.len)
        return;
    if (way == GRPC_REQUEST)
        end_request(call);
    else
        end_reply(call);
}

/* ---- what the connections tell ---- */

void grpc_flow_data(struct grpc_call *call, enum grpc_way way, struct str data)
{
    struct call_way *w = &call->way[way];
    struct h2_stream *target = target_of(call, way);

    if (call->state != CALL_ENDED && grpc_flow_is_crowded(call, data.len)) {
        consume(call, way, data.len);
        return;
    }
    if (call->state != CALL_ENDED && w->flow != GRPC_BYTES) {
        w->in.max = LIMIT_GRPC_HELD; /* the window is less */
        if (bytes_add(&w->in, data) == 0)
            grpc_flow_go_on(call, way);
        else
            refuse(call, GRPC_RESOURCE_EXHAUSTED, "too much was sent at once");
    } else if (call->state != CALL_ENDED && target &&
               (way == GRPC_REQUEST || call->answered)) {
        h2_stream_write(target, data); /* consumed when it has left */
    } else {
        consume(call, way, data.len);
    }
}

void grpc_flow_end(struct grpc_call *call, enum grpc_way way)
{
    if (call->state == CALL_ENDED)
        return;
    call->way[way].at_end = true;
    grpc_flow_go_on(call, way);
}

void grpc_flow_sent(struct grpc_call *call, enum grpc_way way, size_t len)
{
    if (call->way[way].flow == GRPC_BYTES) {
        consume(call, way, len);
        return;
    }
    if (call->nested) {
        grpc_nested_flush(call);
        /* whoever did not read the answers is read again */
        grpc_flow_go_on(call, grpc_other(way));
    }
    grpc_flow_go_on(call, way);
}

void grpc_call_resume(struct grpc_call *call)
{
    struct grpc_call *parent = call->tunnel->parent;

    for (int i = GRPC_REQUEST; i <= GRPC_REPLY; i++) {
        enum grpc_way way = (enum grpc_way)i;

        if (call->state == CALL_ENDED || call->way[way].state != WAY_WAITS)
            continue;
        judge_message(call, way);
        grpc_flow_go_on(call, way);
    }
    if (parent)
        grpc_nested_flush(parent);
}
