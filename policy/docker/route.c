#include "policy/docker/route.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/*
 * Where two rows fit one path, the first wins, as in the engine: checkpoints
 * before containers, whose names may hold slashes.
 */
// clang-format off
const struct route routes[] = {
    {METHOD_OPTIONS, "/{any*}",                                  OP_SYSTEM_OPTIONS,             BODY_NONE,          REPLY_EMPTY},
    {METHOD_GET,     "/_ping",                                   OP_SYSTEM_PING,                BODY_NONE,          REPLY_STREAM},
    {METHOD_HEAD,    "/_ping",                                   OP_SYSTEM_PING_HEAD,           BODY_NONE,          REPLY_EMPTY, .since = 40},
    {METHOD_GET,     "/info",                                    OP_SYSTEM_INFO,                BODY_NONE,          REPLY_JSON},
    {METHOD_GET,     "/version",                                 OP_SYSTEM_VERSION,             BODY_NONE,          REPLY_JSON},
    {METHOD_GET,     "/events",                                  OP_SYSTEM_EVENTS,              BODY_NONE,          REPLY_JSON_LINES, "since until filters"},
    {METHOD_GET,     "/system/df",                               OP_SYSTEM_DISK_USAGE,          BODY_NONE,          REPLY_JSON,       "type[] verbose", .since = 25},
    {METHOD_POST,    "/auth",                                    OP_SYSTEM_AUTH,                BODY_JSON,          REPLY_JSON},

    {METHOD_GET,     "/debug/vars",                              OP_DEBUG_VARS,                 BODY_NONE,          REPLY_STREAM},
    {METHOD_GET,     "/debug/pprof/",                            OP_DEBUG_PPROF_INDEX,          BODY_NONE,          REPLY_STREAM,     "debug"},
    {METHOD_GET,     "/debug/pprof/cmdline",                     OP_DEBUG_PPROF_CMDLINE,        BODY_NONE,          REPLY_STREAM},
    {METHOD_GET,     "/debug/pprof/profile",                     OP_DEBUG_PPROF_PROFILE,        BODY_NONE,          REPLY_STREAM,     "seconds"},
    {METHOD_GET,     "/debug/pprof/symbol",                      OP_DEBUG_PPROF_SYMBOL,         BODY_NONE,          REPLY_STREAM},
    {METHOD_GET,     "/debug/pprof/trace",                       OP_DEBUG_PPROF_TRACE,          BODY_NONE,          REPLY_STREAM,     "seconds"},
    {METHOD_GET,     "/debug/pprof/{profile}",                   OP_DEBUG_PPROF_NAMED,          BODY_NONE,          REPLY_STREAM,     "debug gc seconds"},

    {METHOD_POST,    "/session",                                 OP_SESSION,                    BODY_RAW,           REPLY_HIJACK, .since = 31, .upgrade = UPGRADE_H2C},
    {METHOD_POST,    "/grpc",                                    OP_GRPC,                       BODY_RAW,           REPLY_HIJACK, .since = 40, .upgrade = UPGRADE_H2C},

    {METHOD_POST,    "/build",                                   OP_IMAGE_BUILD,                BODY_TAR,           REPLY_JSON_LINES,
     "t[] remote dockerfile q nocache pull rm forcerm memory memswap cpushares cpusetcpus cpusetmems cpuperiod "
     "cpuquota cgroupparent shmsize ulimits buildargs labels cachefrom networkmode extrahosts[] securityopt[] squash "
     "target platform isolation session buildid version outputs"},
    {METHOD_POST,    "/build/cancel",                            OP_BUILD_CANCEL,               BODY_NONE,          REPLY_EMPTY,      "id", .since = 38},
    {METHOD_POST,    "/build/prune",                             OP_BUILD_PRUNE,                BODY_NONE,          REPLY_JSON,       "all filters keep-storage reserved-space max-used-space min-free-space", .since = 31},

    {METHOD_GET,     "/containers/{container*}/checkpoints",     OP_CHECKPOINT_LIST,            BODY_NONE,          REPLY_JSON,       "dir", .since = 25},
    {METHOD_POST,    "/containers/{container*}/checkpoints",     OP_CHECKPOINT_CREATE,          BODY_JSON,          REPLY_EMPTY, .since = 25},
    {METHOD_DELETE,  "/containers/{container}/checkpoints/{checkpoint}", OP_CHECKPOINT_DELETE,  BODY_NONE,          REPLY_EMPTY,      "dir", .since = 25},

    {METHOD_HEAD,    "/containers/{container*}/archive",         OP_CONTAINER_ARCHIVE_INFO,     BODY_NONE,          REPLY_EMPTY,      "path"},
    {METHOD_GET,     "/containers/{container*}/archive",         OP_CONTAINER_ARCHIVE,          BODY_NONE,          REPLY_STREAM,     "path"},
    {METHOD_PUT,     "/containers/{container*}/archive",         OP_PUT_CONTAINER_ARCHIVE,      BODY_TAR,           REPLY_EMPTY,      "path noOverwriteDirNonDir copyUIDGID"},
    {METHOD_GET,     "/containers/json",                         OP_CONTAINER_LIST,             BODY_NONE,          REPLY_JSON,       "all limit size filters since before"},
    {METHOD_GET,     "/containers/{container*}/export",          OP_CONTAINER_EXPORT,           BODY_NONE,          REPLY_STREAM},
    {METHOD_GET,     "/containers/{container*}/changes",         OP_CONTAINER_CHANGES,          BODY_NONE,          REPLY_JSON},
    {METHOD_GET,     "/containers/{container*}/json",            OP_CONTAINER_INSPECT,          BODY_NONE,          REPLY_JSON,       "size"},
    {METHOD_GET,     "/containers/{container*}/top",             OP_CONTAINER_TOP,              BODY_NONE,          REPLY_JSON,       "ps_args"},
    {METHOD_GET,     "/containers/{container*}/logs",            OP_CONTAINER_LOGS,             BODY_NONE,          REPLY_STREAM,     "follow stdout stderr since until timestamps tail details format"},
    {METHOD_GET,     "/containers/{container*}/stats",           OP_CONTAINER_STATS,            BODY_NONE,          REPLY_JSON_LINES, "stream one-shot"},
    {METHOD_GET,     "/containers/{container*}/attach/ws",       OP_CONTAINER_ATTACH_WEBSOCKET, BODY_NONE,          REPLY_HIJACK,     "detachKeys logs stream stdin stdout stderr", .upgrade = UPGRADE_WEBSOCKET},
    {METHOD_POST,    "/containers/{container*}/attach",          OP_CONTAINER_ATTACH,           BODY_RAW,           REPLY_HIJACK,     "detachKeys logs stream stdin stdout stderr", .upgrade = UPGRADE_TCP},
    {METHOD_POST,    "/containers/create",                       OP_CONTAINER_CREATE,           BODY_JSON,          REPLY_JSON,       "name platform"},
    {METHOD_POST,    "/containers/{container*}/kill",            OP_CONTAINER_KILL,             BODY_NONE,          REPLY_EMPTY,      "signal"},
    {METHOD_POST,    "/containers/{container*}/pause",           OP_CONTAINER_PAUSE,            BODY_NONE,          REPLY_EMPTY},
    {METHOD_POST,    "/containers/{container*}/unpause",         OP_CONTAINER_UNPAUSE,          BODY_NONE,          REPLY_EMPTY},
    {METHOD_POST,    "/containers/{container*}/restart",         OP_CONTAINER_RESTART,          BODY_NONE,          REPLY_EMPTY,      "t signal"},
    {METHOD_POST,    "/containers/{container*}/start",           OP_CONTAINER_START,            BODY_NONE,          REPLY_EMPTY,      "checkpoint checkpoint-dir"},
    {METHOD_POST,    "/containers/{container*}/stop",            OP_CONTAINER_STOP,             BODY_NONE,          REPLY_EMPTY,      "t signal"},
    {METHOD_POST,    "/containers/{container*}/wait",            OP_CONTAINER_WAIT,             BODY_NONE,          REPLY_JSON_LATER, "condition"},
    {METHOD_POST,    "/containers/{container*}/resize",          OP_CONTAINER_RESIZE,           BODY_NONE,          REPLY_EMPTY,      "h w"},
    {METHOD_POST,    "/containers/{container*}/exec",            OP_CONTAINER_EXEC,             BODY_JSON,          REPLY_JSON},
    {METHOD_POST,    "/containers/{container*}/rename",          OP_CONTAINER_RENAME,           BODY_NONE,          REPLY_EMPTY,      "name"},
    {METHOD_POST,    "/containers/{container*}/update",          OP_CONTAINER_UPDATE,           BODY_JSON,          REPLY_JSON},
    {METHOD_POST,    "/containers/prune",                        OP_CONTAINER_PRUNE,            BODY_NONE,          REPLY_JSON,       "filters", .since = 25},
    {METHOD_DELETE,  "/containers/{container*}",                 OP_CONTAINER_DELETE,           BODY_NONE,          REPLY_EMPTY,      "v force link"},
    {METHOD_POST,    "/containers/{container*}/copy",            OP_CONTAINER_COPY,             BODY_JSON,          REPLY_STREAM, .removed = 24},

    {METHOD_POST,    "/commit",                                  OP_IMAGE_COMMIT,               BODY_JSON_OPTIONAL, REPLY_JSON,       "container repo tag comment author pause changes[]"},

    {METHOD_GET,     "/exec/{exec*}/json",                       OP_EXEC_INSPECT,               BODY_NONE,          REPLY_JSON},
    {METHOD_POST,    "/exec/{exec*}/start",                      OP_EXEC_START,                 BODY_JSON_OPTIONAL, REPLY_HIJACK, .upgrade = UPGRADE_TCP},
    {METHOD_POST,    "/exec/{exec*}/resize",                     OP_EXEC_RESIZE,                BODY_NONE,          REPLY_EMPTY,      "h w"},

    {METHOD_GET,     "/images/json",                             OP_IMAGE_LIST,                 BODY_NONE,          REPLY_JSON,       "all filters filter digests shared-size manifests identity"},
    {METHOD_GET,     "/images/search",                           OP_IMAGE_SEARCH,               BODY_NONE,          REPLY_JSON,       "term limit filters"},
    {METHOD_GET,     "/images/get",                              OP_IMAGE_GET_ALL,              BODY_NONE,          REPLY_STREAM,     "names[] platform[]"},
    {METHOD_GET,     "/images/{image*}/get",                     OP_IMAGE_GET,                  BODY_NONE,          REPLY_STREAM,     "platform[]"},
    {METHOD_GET,     "/images/{image*}/history",                 OP_IMAGE_HISTORY,              BODY_NONE,          REPLY_JSON,       "platform"},
    {METHOD_GET,     "/images/{image*}/json",                    OP_IMAGE_INSPECT,              BODY_NONE,          REPLY_JSON,       "manifests platform"},
    {METHOD_GET,     "/images/{image*}/attestations",            OP_IMAGE_ATTESTATIONS,         BODY_NONE,          REPLY_JSON,       "platform type[] statement", .since = 55},
    {METHOD_POST,    "/images/load",                             OP_IMAGE_LOAD,                 BODY_TAR,           REPLY_JSON_LINES, "quiet platform[]"},
    {METHOD_POST,    "/images/create",                           OP_IMAGE_CREATE,               BODY_RAW,           REPLY_JSON_LINES, "fromImage fromSrc repo tag message changes[] platform"},
    {METHOD_POST,    "/images/{image*}/push",                    OP_IMAGE_PUSH,                 BODY_RAW,           REPLY_JSON_LINES, "tag platform"},
    {METHOD_POST,    "/images/{image*}/tag",                     OP_IMAGE_TAG,                  BODY_NONE,          REPLY_EMPTY,      "repo tag"},
    {METHOD_POST,    "/images/prune",                            OP_IMAGE_PRUNE,                BODY_NONE,          REPLY_JSON,       "filters", .since = 25},
    {METHOD_DELETE,  "/images/{image*}",                         OP_IMAGE_DELETE,               BODY_NONE,          REPLY_JSON,       "force noprune platforms[]"},

    {METHOD_GET,     "/distribution/{image*}/json",              OP_DISTRIBUTION_INSPECT,       BODY_NONE,          REPLY_JSON, .since = 30},

    {METHOD_GET,     "/networks",                                OP_NETWORK_LIST,               BODY_NONE,          REPLY_JSON,       "filters"},
    {METHOD_GET,     "/networks/",                               OP_NETWORK_LIST,               BODY_NONE,          REPLY_JSON,       "filters", .since = 25},
    {METHOD_GET,     "/networks/{network*}",                     OP_NETWORK_INSPECT,            BODY_NONE,          REPLY_JSON,       "verbose scope"},
    {METHOD_POST,    "/networks/create",                         OP_NETWORK_CREATE,             BODY_JSON,          REPLY_JSON},
    {METHOD_POST,    "/networks/{network*}/connect",             OP_NETWORK_CONNECT,            BODY_JSON,          REPLY_EMPTY},
    {METHOD_POST,    "/networks/{network*}/disconnect",          OP_NETWORK_DISCONNECT,         BODY_JSON,          REPLY_EMPTY},
    {METHOD_POST,    "/networks/prune",                          OP_NETWORK_PRUNE,              BODY_NONE,          REPLY_JSON,       "filters", .since = 25},
    {METHOD_DELETE,  "/networks/{network*}",                     OP_NETWORK_DELETE,             BODY_NONE,          REPLY_EMPTY},

    {METHOD_GET,     "/volumes",                                 OP_VOLUME_LIST,                BODY_NONE,          REPLY_JSON,       "filters"},
    {METHOD_GET,     "/volumes/{volume*}",                       OP_VOLUME_INSPECT,             BODY_NONE,          REPLY_JSON},
    {METHOD_POST,    "/volumes/create",                          OP_VOLUME_CREATE,              BODY_JSON,          REPLY_JSON},
    {METHOD_PUT,     "/volumes/{volume*}",                       OP_VOLUME_UPDATE,              BODY_JSON,          REPLY_EMPTY,      "version", .since = 42},
    {METHOD_POST,    "/volumes/prune",                           OP_VOLUME_PRUNE,               BODY_NONE,          REPLY_JSON,       "filters", .since = 25},
    {METHOD_DELETE,  "/volumes/{volume*}",                       OP_VOLUME_DELETE,              BODY_NONE,          REPLY_EMPTY,      "force"},

    {METHOD_POST,    "/swarm/init",                              OP_SWARM_INIT,                 BODY_JSON,          REPLY_JSON},
    {METHOD_POST,    "/swarm/join",                              OP_SWARM_JOIN,                 BODY_JSON,          REPLY_EMPTY},
    {METHOD_POST,    "/swarm/leave",                             OP_SWARM_LEAVE,                BODY_NONE,          REPLY_EMPTY,      "force"},
    {METHOD_GET,     "/swarm",                                   OP_SWARM_INSPECT,              BODY_NONE,          REPLY_JSON},
    {METHOD_GET,     "/swarm/unlockkey",                         OP_SWARM_UNLOCK_KEY,           BODY_NONE,          REPLY_JSON, .since = 25},
    {METHOD_POST,    "/swarm/update",                            OP_SWARM_UPDATE,               BODY_JSON,          REPLY_EMPTY,      "version rotateWorkerToken rotateManagerToken rotateManagerUnlockKey"},
    {METHOD_POST,    "/swarm/unlock",                            OP_SWARM_UNLOCK,               BODY_JSON,          REPLY_EMPTY, .since = 25},

    {METHOD_GET,     "/services",                                OP_SERVICE_LIST,               BODY_NONE,          REPLY_JSON,       "filters status"},
    {METHOD_GET,     "/services/{service}",                      OP_SERVICE_INSPECT,            BODY_NONE,          REPLY_JSON,       "insertDefaults"},
    {METHOD_POST,    "/services/create",                         OP_SERVICE_CREATE,             BODY_JSON,          REPLY_JSON},
    {METHOD_POST,    "/services/{service}/update",               OP_SERVICE_UPDATE,             BODY_JSON,          REPLY_JSON,       "version registryAuthFrom rollback"},
    {METHOD_DELETE,  "/services/{service}",                      OP_SERVICE_DELETE,             BODY_NONE,          REPLY_EMPTY},
    {METHOD_GET,     "/services/{service}/logs",                 OP_SERVICE_LOGS,               BODY_NONE,          REPLY_STREAM,     "follow stdout stderr since timestamps tail details", .since = 29},

    {METHOD_GET,     "/nodes",                                   OP_NODE_LIST,                  BODY_NONE,          REPLY_JSON,       "filters"},
    {METHOD_GET,     "/nodes/{node}",                            OP_NODE_INSPECT,               BODY_NONE,          REPLY_JSON},
    {METHOD_DELETE,  "/nodes/{node}",                            OP_NODE_DELETE,                BODY_NONE,          REPLY_EMPTY,      "force"},
    {METHOD_POST,    "/nodes/{node}/update",                     OP_NODE_UPDATE,                BODY_JSON,          REPLY_EMPTY,      "version"},

    {METHOD_GET,     "/tasks",                                   OP_TASK_LIST,                  BODY_NONE,          REPLY_JSON,       "filters"},
    {METHOD_GET,     "/tasks/{task}",                            OP_TASK_INSPECT,               BODY_NONE,          REPLY_JSON},
    {METHOD_GET,     "/tasks/{task}/logs",                       OP_TASK_LOGS,                  BODY_NONE,          REPLY_STREAM,     "follow stdout stderr since timestamps tail details", .since = 29},

    {METHOD_GET,     "/secrets",                                 OP_SECRET_LIST,                BODY_NONE,          REPLY_JSON,       "filters", .since = 25},
    {METHOD_POST,    "/secrets/create",                          OP_SECRET_CREATE,              BODY_JSON,          REPLY_JSON, .since = 25},
    {METHOD_DELETE,  "/secrets/{secret}",                        OP_SECRET_DELETE,              BODY_NONE,          REPLY_EMPTY, .since = 25},
    {METHOD_GET,     "/secrets/{secret}",                        OP_SECRET_INSPECT,             BODY_NONE,          REPLY_JSON, .since = 25},
    {METHOD_POST,    "/secrets/{secret}/update",                 OP_SECRET_UPDATE,              BODY_JSON,          REPLY_EMPTY,      "version", .since = 26},

    {METHOD_GET,     "/configs",                                 OP_CONFIG_LIST,                BODY_NONE,          REPLY_JSON,       "filters", .since = 30},
    {METHOD_POST,    "/configs/create",                          OP_CONFIG_CREATE,              BODY_JSON,          REPLY_JSON, .since = 30},
    {METHOD_DELETE,  "/configs/{config}",                        OP_CONFIG_DELETE,              BODY_NONE,          REPLY_EMPTY, .since = 30},
    {METHOD_GET,     "/configs/{config}",                        OP_CONFIG_INSPECT,             BODY_NONE,          REPLY_JSON, .since = 30},
    {METHOD_POST,    "/configs/{config}/update",                 OP_CONFIG_UPDATE,              BODY_JSON,          REPLY_EMPTY,      "version", .since = 30},

    {METHOD_GET,     "/plugins",                                 OP_PLUGIN_LIST,                BODY_NONE,          REPLY_JSON,       "filters", .since = 25},
    {METHOD_GET,     "/plugins/{plugin*}/json",                  OP_PLUGIN_INSPECT,             BODY_NONE,          REPLY_JSON, .since = 25},
    {METHOD_GET,     "/plugins/privileges",                      OP_PLUGIN_PRIVILEGES,          BODY_NONE,          REPLY_JSON,       "remote", .since = 25},
    {METHOD_DELETE,  "/plugins/{plugin*}",                       OP_PLUGIN_DELETE,              BODY_NONE,          REPLY_JSON,       "force", .since = 25},
    {METHOD_POST,    "/plugins/{plugin*}/enable",                OP_PLUGIN_ENABLE,              BODY_NONE,          REPLY_EMPTY,      "timeout", .since = 25},
    {METHOD_POST,    "/plugins/{plugin*}/disable",               OP_PLUGIN_DISABLE,             BODY_NONE,          REPLY_EMPTY,      "force", .since = 25},
    {METHOD_POST,    "/plugins/pull",                            OP_PLUGIN_PULL,                BODY_JSON,          REPLY_JSON_LINES, "remote name", .since = 25},
    {METHOD_POST,    "/plugins/{plugin*}/push",                  OP_PLUGIN_PUSH,                BODY_NONE,          REPLY_JSON_LINES, .since = 25},
    {METHOD_POST,    "/plugins/{plugin*}/upgrade",               OP_PLUGIN_UPGRADE,             BODY_JSON,          REPLY_JSON_LINES, "remote", .since = 26},
    {METHOD_POST,    "/plugins/{plugin*}/set",                   OP_PLUGIN_SET,                 BODY_JSON,          REPLY_EMPTY, .since = 25},
    {METHOD_POST,    "/plugins/create",                          OP_PLUGIN_CREATE,              BODY_TAR,           REPLY_EMPTY,      "name", .since = 25},
};
// clang-format on
const size_t route_count = sizeof(routes) / sizeof(routes[0]);

static const struct str kinds[] = {
#define X(id, name) [id] = STR(name),
    REF_KINDS(X)
#undef X
};

const char *ref_kind_name(enum ref_kind kind)
{
    return kinds[kind].ptr;
}

/* A route's path in pieces: words, "{kind}" and "{kind*}". */
#define PIECES_MAX 5
#define PARAMS_MAX                                                             \
    (sizeof(((struct route_match *)NULL)->params) / sizeof(struct route_param))

struct piece {
    struct str text;
    bool is_name;
    bool takes_slashes;
    enum ref_kind kind;
};

static enum ref_kind kind_find(struct str name)
{
    unsigned i = 0;

    while (!str_eq(name, kinds[i])) {
        i++;
        assert(i < sizeof(kinds) / sizeof(kinds[0]));
    }
    return (enum ref_kind)i;
}

static size_t split(const char *path, struct piece pieces[PIECES_MAX])
{
    struct str rest = str_from(path + 1);
    size_t count = 0;

    while (rest.len) {
        struct piece piece = {0};
        struct str name;

        str_cut(rest, '/', &piece.text, &rest);
        piece.is_name = piece.text.ptr[0] == '{';
        if (piece.is_name) {
            name = str_of(piece.text.ptr + 1, piece.text.len - 2);
            piece.takes_slashes = str_has_suffix(name, S("*"));
            name.len -= piece.takes_slashes;
            piece.kind = kind_find(name);
        }
        assert(count < PIECES_MAX);
        pieces[count++] = piece;
    }
    return count;
}

/* The path from segment FIRST on, COUNT segments long. */
static struct str span(const struct target *target, size_t first, size_t count)
{
    struct str from = target->segments[first];
    struct str to = target->segments[first + count - 1];

    return str_of(from.ptr, (size_t)(to.ptr + to.len - from.ptr));
}

static bool fits(const struct route *route, const struct target *target,
                 struct route_match *match)
{
    bool slash = str_has_suffix(str_from(route->path), S("/"));
    struct piece pieces[PIECES_MAX];
    struct route_match found = {.route = route};
    size_t count, spare, at = 0, params = 0;

    if (slash != target->trailing_slash)
        return false;
    count = split(route->path, pieces);
    if (target->segment_count < count)
        return false;
    spare = target->segment_count - count;
    for (size_t i = 0; i < count; i++) {
        size_t take = pieces[i].takes_slashes ? 1 + spare : 1;

        if (pieces[i].is_name) {
            assert(params < PARAMS_MAX);
            found.params[params].kind = pieces[i].kind;
            found.params[params++].value = span(target, at, take);
        } else if (!str_eq(pieces[i].text, target->segments[at])) {
            return false;
        }
        at += take;
    }
    if (at != target->segment_count)
        return false;
    found.param_count = params;
    *match = found;
    return true;
}

/*
 * Is every encoded slash inside a name? This is asked of the row that
 * the engine will choose, never to choose another one.
 */
static bool slashes_are_in_names(const struct route_match *match,
                                 const struct target *target)
{
    for (size_t i = 0; i < target->segment_count; i++) {
        const char *at = target->segments[i].ptr;
        bool inside = false;

        if (!(target->encoded_slashes >> i & 1))
            continue;
        for (size_t p = 0; p < match->param_count; p++) {
            struct str name = match->params[p].value;

            inside |= at > name.ptr && at < name.ptr + name.len;
        }
        if (!inside)
            return false;
    }
    return true;
}

/* The one row that fits any path, "/" included. */
static void match_any(const struct route *route, const struct target *target,
                      struct route_match *match)
{
    *match = (struct route_match){
        .route = route,
        .params = {{REF_NONE, str_from_index(target->path, 1)}},
        .param_count = 1,
    };
}

/* Most rows are about something else: look at the first segment, cheaply. */
static bool begins_like(const struct route *route, struct str segment)
{
    const char *path = route->path + 1;

    return strncmp(path, segment.ptr, segment.len) == 0 &&
           (path[segment.len] == '/' || path[segment.len] == '\0');
}

int route_find(enum method method, const struct target *target,
               struct route_match *match)
{
    struct route_match found;

    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].method != method)
            continue;
        if (routes[i].operation == OP_SYSTEM_OPTIONS) {
            match_any(&routes[i], target, match);
            return 0;
        }
        if (target->segment_count &&
            begins_like(&routes[i], target->segments[0]) &&
            fits(&routes[i], target, &found)) {
            if (!slashes_are_in_names(&found, target))
                return ROUTE_E_UNKNOWN;
            *match = found;
            return 0;
        }
    }
    return ROUTE_E_UNKNOWN;
}

bool route_knows_query(const struct route *route, struct str key, bool *repeats)
{
    struct str rest = str_from(route->query), word;

    while (rest.len) {
        bool many;

        str_cut(rest, ' ', &word, &rest);
        many = str_has_suffix(word, S("[]"));
        word.len -= many ? 2 : 0;
        if (str_eq(word, key)) {
            *repeats = many;
            return true;
        }
    }
    return false;
}

int route_check_query(const struct route_match *match,
                      const struct target *target, struct verdict *why)
{
    for (size_t i = 0; i < target->query_count; i++) {
        struct str key = target->query[i].key;
        char field[sizeof(why->field)];
        bool repeats;

        if (!route_knows_query(match->route, key, &repeats) || repeats ||
            target_count(target, key) == 1)
            continue;
        snprintf(field, sizeof(field), "query %.*s", STR_FMT(key));
        verdict_deny(why, 400, "request.query", field,
                     "%s takes \"%.*s\" once; it is given more than once.",
                     operation_name(match->route->operation), STR_FMT(key));
        return ROUTE_E_QUERY;
    }
    return 0;
}

/*
 * A name came out of a path, but a caller may have changed it since: what would
 * change the shape of the path is refused here.
 */
static int put_name(struct strbuf *out, struct str name, bool takes_slashes)
{
    struct str segment;
    bool more;

    do {
        more = str_cut(name, '/', &segment, &name);
        if (segment.len == 0 || str_eq(segment, S(".")) ||
            str_eq(segment, S("..")) || (more && !takes_slashes))
            return -EINVAL;
        if (strbuf_add_char(out, '/') < 0 ||
            target_put_segment(out, segment) < 0)
            return -ENOBUFS;
    } while (more);
    return 0;
}

/* Any path at all: it was clean when it was parsed. */
static int put_any(struct strbuf *out, struct str path)
{
    struct str segment;
    bool more;

    do {
        more = str_cut(path, '/', &segment, &path);
        if (strbuf_add_char(out, '/') < 0 ||
            target_put_segment(out, segment) < 0)
            return -ENOBUFS;
    } while (more);
    return 0;
}

static int put_path(struct strbuf *out, const struct route_match *match)
{
    struct piece pieces[PIECES_MAX];
    size_t count = split(match->route->path, pieces);
    size_t param = 0;
    int r = 0;

    if (match->route->operation == OP_SYSTEM_OPTIONS)
        return put_any(out, match->params[0].value);
    for (size_t i = 0; i < count && r == 0; i++) {
        if (pieces[i].is_name) {
            r = put_name(out, match->params[param++].value,
                         pieces[i].takes_slashes);
        } else {
            r = strbuf_add_char(out, '/');
            if (r == 0)
                r = strbuf_add(out, pieces[i].text);
        }
    }
    if (r == 0 && str_has_suffix(str_from(match->route->path), S("/")))
        r = strbuf_add_char(out, '/');
    return r;
}

static int put_pair(struct strbuf *out, char separator,
                    const struct query_pair *pair)
{
    int r = strbuf_add_char(out, separator);

    if (r == 0)
        r = target_put_query(out, pair->key);
    if (r == 0)
        r = strbuf_add_char(out, '=');
    if (r == 0)
        r = target_put_query(out, pair->value);
    return r;
}

int route_put_target(struct strbuf *out, const struct route_match *match,
                     const struct target *target)
{
    char separator = '?';
    bool repeats;
    int r = 0;

    if (target->versioned)
        r = strbuf_addf(out, "/v%u.%u", target->major, target->minor);
    if (r == 0)
        r = put_path(out, match);
    for (size_t i = 0; i < target->query_count && r == 0; i++) {
        const struct query_pair *pair = &target->query[i];

        if (!route_knows_query(match->route, pair->key, &repeats))
            continue;
        r = put_pair(out, separator, pair);
        separator = '&';
    }
    return r;
}
