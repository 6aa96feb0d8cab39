#include "policy/build/build_private.h"

/* Metadata: gRPC's own heads, and those that open a session. */

/* Which calls of which side carry a key, and which way. */
struct metadata_row {
    struct str name;
    enum rpc_side side;
    enum build_way way;
    int id; /* of the method, or -1: all */
};

static const struct metadata_row rows[] = {
    {STR("traceparent"),                      RPC_CONTROL, BUILD_REQUEST, -1             },
    {STR("baggage"),                          RPC_CONTROL, BUILD_REQUEST, -1             },
    {STR("traceparent"),                      RPC_SESSION, BUILD_REQUEST, -1             },
    {STR("baggage"),                          RPC_SESSION, BUILD_REQUEST, -1             },
    {STR("buildkit-current-timestamp"),       RPC_CONTROL, BUILD_REPLY,   RPC_STATUS     },
    {STR("buildkit-current-timestamp"),       RPC_CONTROL, BUILD_REPLY,
     RPC_LISTEN_HISTORY                                                                  },
    {STR("dir-name"),                         RPC_SESSION, BUILD_REQUEST, RPC_FILE_SYNC  },
    {STR("include-patterns"),                 RPC_SESSION, BUILD_REQUEST, RPC_FILE_SYNC  },
    {STR("exclude-patterns"),                 RPC_SESSION, BUILD_REQUEST, RPC_FILE_SYNC  },
    {STR("followpaths"),                      RPC_SESSION, BUILD_REQUEST, RPC_FILE_SYNC  },
    {STR("include-patterns-encoded"),         RPC_SESSION, BUILD_REQUEST,
     RPC_FILE_SYNC                                                                       },
    {STR("exclude-patterns-encoded"),         RPC_SESSION, BUILD_REQUEST,
     RPC_FILE_SYNC                                                                       },
    {STR("followpaths-encoded"),              RPC_SESSION, BUILD_REQUEST, RPC_FILE_SYNC  },
    {STR("dir-name-encoded"),                 RPC_SESSION, BUILD_REQUEST, RPC_FILE_SYNC  },
    {STR("metadata-only-transfer"),           RPC_SESSION, BUILD_REQUEST, RPC_FILE_SYNC  },
    {STR("buildkit-attachable-exporter-id"),  RPC_SESSION, BUILD_REQUEST,
     RPC_FILE_SEND                                                                       },
    {STR("buildkit-exporter-multi-platform"), RPC_SESSION, BUILD_REQUEST,
     RPC_FILE_SEND                                                                       },
    {STR("buildkit.ssh.id"),                  RPC_SESSION, BUILD_REQUEST, RPC_SSH_FORWARD},
    {STR("urlpath"),                          RPC_SESSION, BUILD_REQUEST, RPC_UPLOAD     },
    {STR("urlhost"),                          RPC_SESSION, BUILD_REQUEST, RPC_UPLOAD     },
    {STR("buildkit-attachable-store-id"),     RPC_SESSION, BUILD_REQUEST,
     RPC_STORE                                                                           },
};

#define BUILD_ID_KEY  "buildkit-controlapi-buildid"
#define EXPORTER_DATA "exporter-md-"

static bool has_row(const struct rpc_method *method, enum build_way way,
                    struct str name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct metadata_row *row = &rows[i];

        if (row->side == method->side && row->way == way &&
            (row->id < 0 || row->id == (int)method->id) &&
            str_eq(row->name, name))
            return true;
    }
    return false;
}

static int take_build_id(struct build_call *call, struct str value,
                         struct strbuf *out)
{
    if (call->ref.len) {
        build_forbid(call, "request.identifier", BUILD_ID_KEY,
                     "a call belongs to one build; this one names two");
        return BUILD_E_REFUSED;
    }
    if (!build_id_in(call, BUILD_ID_KEY, value, &call->ref))
        return BUILD_E_REFUSED;
    build_note_one(call, "ref", value);
    return strbuf_add(out, build_id_str(&call->ref));
}

/* What goes on record of a stream that is not read. */
static void note_stream(struct build_call *call, struct str name,
                        struct str value)
{
    if (str_eq(name, S("dir-name")) || str_eq(name, S("urlpath")))
        build_note(call, "files", value);
    if (str_eq(name, S("buildkit.ssh.id")))
        build_note(call, "ssh", value);
    if (str_eq(name, S("buildkit-attachable-store-id")))
        build_note(call, "stores", value);
}

static int take(struct build_call *call, enum build_way way, struct str name,
                struct str value, struct strbuf *out)
{
    const struct rpc_method *method = call->method;
    int r;

    if (method->scoped && way == BUILD_REQUEST && str_eq(name, S(BUILD_ID_KEY)))
        return take_build_id(call, value, out);
    if (method->id == RPC_FILE_SEND && way == BUILD_REQUEST &&
        str_has_prefix(name, S(EXPORTER_DATA)))
        return strbuf_add(out, build_names_out(call, value));
    if (!has_row(method, way, name))
        return BUILD_DROP;
    note_stream(call, name, value);
    r = strbuf_add(out, value);
    return r;
}

int build_metadata(struct build_call *call, enum build_way way, struct str name,
                   struct str value, struct strbuf *out, struct verdict *why)
{
    int r;

    call->why = why;
    r = take(call, way, name, value, out);
    pb_tree_fini(&call->tree);
    call->why = NULL;
    return r;
}

int build_metadata_end(struct build_call *call, struct verdict *why)
{
    int r = 0;

    call->why = why;
    if (call->method->scoped && call->ref.len == 0) {
        build_refuse(call, 400, "request.identifier", BUILD_ID_KEY,
                     "the call names no build; it needs the metadata "
                     "%s",
                     BUILD_ID_KEY);
        r = BUILD_E_REFUSED;
    }
    call->why = NULL;
    return r;
}

/* ---- sessions ---- */

#define SESSION_HEAD "x-docker-expose-session-"

static int put_head(struct build_call *call, struct str name, struct str value,
                    struct strbuf *out)
{
    struct build_id id;

    if (str_eq(name, S(SESSION_HEAD "uuid"))) {
        if (!build_id_in(call, "session", value, &id))
            return BUILD_E_REFUSED;
        return strbuf_add(out, build_id_str(&id));
    }
    if (str_eq(name, S(SESSION_HEAD "sharedkey"))) {
        /* the engine keeps the last state of a directory by this name */
        if (value.len == 0 || call->view->ns.len == 0)
            return strbuf_add(out, value);
        return strbuf_addf(out, "%.*s.%.*s", STR_FMT(call->view->ns),
                           STR_FMT(value));
    }
    /* the engine calls what was announced, and nothing else */
    if (str_eq(name, S(SESSION_HEAD "grpc-method")))
        return rpc_find(RPC_SESSION, value) ? strbuf_add(out, value)
                                            : BUILD_DROP;
    return BUILD_DROP;
}

int build_session_head(const struct build_view *view, struct str name,
                       struct str value, struct strbuf *out,
                       struct verdict *why)
{
    struct build_call call = {.view = view, .why = why};
    int r = put_head(&call, name, value, out);

    json_decref(call.record);
    return r;
}
