#include "tests/support/grpc_stage.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/base/limits.h"

struct judged {
    struct grpc_stage *stage;
    struct grpc_call *call;
    const char *name;
};

static const struct row {
    const char *path;
    enum grpc_flow request, reply;
} rows[] = {
    {"/t/One",    GRPC_ONE,    GRPC_ONE   },
    {"/t/Each",   GRPC_ONE,    GRPC_EACH  },
    {"/t/Both",   GRPC_EACH,   GRPC_EACH  },
    {"/t/Bytes",  GRPC_BYTES,  GRPC_BYTES },
    {"/t/Nested", GRPC_NESTED, GRPC_NESTED},
};

static bool find(void *arg, enum grpc_kind kind, struct str path,
                 struct grpc_method *method)
{
    (void)arg;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (!str_eq(path, str_from(rows[i].path)) ||
            (rows[i].request == GRPC_NESTED && kind == GRPC_SESSION))
            continue;
        *method = (struct grpc_method){
            {rows[i].request, rows[i].reply},
            &rows[i]
        };
        return true;
    }
    return false;
}

static void *begin(void *arg, struct grpc_call *call, enum grpc_kind kind,
                   const struct grpc_method *method,
                   const struct h2_fields *metadata, struct h2_fields *out,
                   struct grpc_refusal *why)
{
    struct grpc_stage *stage = arg;
    struct judged *judged;

    (void)kind;
    for (size_t i = 0; i < metadata->count; i++) {
        struct h2_field field = h2_fields_at(metadata, i);

        if (str_eq(field.name, S("refuse"))) {
            grpc_refuse(why, GRPC_PERMISSION_DENIED, "test.metadata",
                        "refused by its head");
            return NULL;
        }
        if (str_has_prefix(field.name, S("m-")))
            h2_fields_add(out, field.name, field.value);
    }
    judged = xcalloc(1, sizeof(*judged));
    judged->stage = stage;
    judged->call = call;
    judged->name = ((const struct row *)method->row)->path;
    stage->begun++;
    return judged;
}

static enum grpc_verdict message(void *state, enum grpc_way way,
                                 struct str text, struct strbuf *out,
                                 struct grpc_refusal *why)
{
    struct judged *judged = state;
    struct grpc_stage *stage = judged->stage;

    (void)way;
    if (str_has_prefix(text, S("no "))) {
        grpc_refuse(why, GRPC_PERMISSION_DENIED, "test.no",
                    "I do not want %.*s", STR_FMT(str_head(text, 100)));
        return GRPC_REFUSED;
    }
    if (str_eq(text, S("wait")) && !stage->resumed) {
        stage->waiting = judged->call;
        return GRPC_WAIT;
    }
    if (str_eq(text, S("drop")))
        return GRPC_DROP;
    if (str_eq(text, S("empty")))
        return GRPC_ANSWER_EMPTY;
    if (str_eq(text, S("here"))) {
        strbuf_add(out, S("done"));
        return GRPC_ANSWER;
    }
    if (text.len + 2 > LIMIT_GRPC_MESSAGE) {
        strbuf_add(out, text);
        return GRPC_SEND;
    }
    strbuf_addf(out, "<");
    strbuf_add(out, text);
    strbuf_addf(out, ">");
    return GRPC_SEND;
}

static void reply_metadata(void *state, const struct h2_fields *metadata,
                           struct h2_fields *out)
{
    (void)state;
    for (size_t i = 0; i < metadata->count; i++) {
        struct h2_field field = h2_fields_at(metadata, i);

        if (str_has_prefix(field.name, S("m-")))
            h2_fields_add(out, field.name, field.value);
    }
}

static void status(void *state, enum grpc_code code, struct str said,
                   struct str said_details, struct strbuf *text,
                   struct strbuf *details)
{
    (void)state;
    (void)code;
    strbuf_addf(text, "<%.*s>", STR_FMT(said));
    strbuf_add(details, said_details);
}

static void end(void *state, enum grpc_code code)
{
    struct judged *judged = state;

    if (judged->stage->waiting == judged->call)
        judged->stage->waiting = NULL;
    judged->stage->ended++;
    judged->stage->last_code = code;
    free(judged);
}

static bool has_room(void *arg, size_t more)
{
    const struct grpc_stage *stage = arg;

    return !stage->room ||
           grpc_tunnel_memory(stage->tunnel) + more <= stage->room;
}

static void refused(void *arg, enum grpc_kind kind, struct str path,
                    const struct grpc_refusal *why)
{
    struct grpc_stage *stage = arg;

    (void)kind;
    (void)path;
    stage->refused++;
    stage->last_refusal = *why;
}

const struct grpc_judge grpc_stage_judge = {
    .find = find,
    .begin = begin,
    .message = message,
    .reply_metadata = reply_metadata,
    .status = status,
    .end = end,
    .has_room = has_room,
    .refused = refused,
};

void grpc_stage_init(struct grpc_stage *stage, enum grpc_kind kind)
{
    *stage = (struct grpc_stage){.kind = kind};
    stage->tunnel = grpc_tunnel_new(kind, &grpc_stage_judge, stage);
    stage->caller = h2_peer_new(false);
    stage->server = h2_peer_new(true);
}

void grpc_stage_fini(struct grpc_stage *stage)
{
    stage->tunnel = grpc_tunnel_free(stage->tunnel);
    h2_peer_free(stage->caller);
    h2_peer_free(stage->server);
}

enum grpc_side grpc_stage_side(const struct grpc_stage *stage, bool server)
{
    return (stage->kind == GRPC_CONTROL) == server ? GRPC_ENGINE : GRPC_RUNNER;
}

/* Returns whether something moved. */
static bool carry(struct grpc_stage *stage, bool server)
{
    AUTO(strbuf_fini) struct strbuf in = STRBUF((size_t)256 << 20);
    AUTO(strbuf_fini) struct strbuf out = STRBUF((size_t)1 << 20);
    struct h2_peer *peer = server ? stage->server : stage->caller;
    enum grpc_side side = grpc_stage_side(stage, server);
    struct str bytes;

    if (!peer)
        return false;
    grpc_tunnel_pull(stage->tunnel, side, &out, 64 * KIB);
    if (out.len > stage->pulled)
        stage->pulled = out.len;
    if (out.len && !h2_peer_input(peer, strbuf_str(&out)))
        stage->over[server] = true;
    if (!grpc_tunnel_reads(stage->tunnel, side))
        return out.len > 0;
    h2_peer_output(peer, &in);
    bytes = strbuf_str(&in);
    while (bytes.len) {
        struct str part = str_head(bytes, stage->most ? stage->most : SIZE_MAX);

        grpc_tunnel_feed(stage->tunnel, side, part);
        bytes = str_from_index(bytes, part.len);
    }
    return in.len || out.len;
}

void grpc_stage_run(struct grpc_stage *stage)
{
    bool moved = true;

    while (moved) {
        moved = carry(stage, false);
        moved |= carry(stage, true);
    }
}

void grpc_stage_resume(struct grpc_stage *stage)
{
    struct grpc_call *call = stage->waiting;

    assert(call);
    stage->waiting = NULL;
    stage->resumed = true;
    grpc_call_resume(call);
}

const char *grpc_messages(struct str data, struct strbuf *out)
{
    strbuf_clear(out);
    while (data.len >= 5) {
        const unsigned char *head = (const unsigned char *)data.ptr;
        size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 |
                     (size_t)head[3] << 8 | head[4];

        data = str_from_index(data, 5);
        if (len > data.len)
            break;
        strbuf_addf(out, "%.*s|", (int)len, data.ptr);
        data = str_from_index(data, len);
    }
    if (data.len)
        strbuf_addf(out, "?");
    return strbuf_cstr(out);
}
