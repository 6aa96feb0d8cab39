#pragma once

/*
 * Builds with BuildKit, seen through. The gRPC calls of an engine's /grpc and
 * /session tunnels are judged here one message at a time: what comes in is a
 * protobuf message (without gRPC's five bytes in front), what goes out is the
 * same message written anew from what was judged, in the names that the other
 * side knows; or a refusal. Nothing here knows HTTP/2 or asks anybody anything.
 *
 * Inbound, everything that an engine keeps by name gets the namespace: refs of
 * builds, sessions, cache mounts, tags. Outbound it goes again. What a build
 * may do is the policy's to say (its sections "build", "images", "container"),
 * in both places where a client can write it: Control.Solve and
 * LLBBridge.Solve.
 *
 * A namespace of "" is for policies without isolation: builds are judged, and
 * nothing is renamed.
 */

#include "policy/base/verdict.h"
#include "policy/build/rpc.h"
#include "policy/config/rules.h"

#include <jansson.h>

struct build_images;
struct build_memory;

/* What stays the same for all calls of one tunnel; it outlives them. */
struct build_view {
    struct str ns;
    const struct rules *rules;
    bool reports;          /* the policy only reports: refusals by a rule are
                              noted, and the call goes on */
    struct str engine;     /* the engine's version, "26.1.5+dfsg1"; or "" */
    bool containerd_store; /* where the engine keeps images; else graph drivers
                            */
    struct build_memory *memory;
};

/*
 * The image list of the engine (GET /images/json), as far as it matters to a
 * namespace: its own tags. The caller frees it.
 */
struct build_images *build_images_new(struct str ns, const json_t *list);
void build_images_free(struct build_images *images);
/* Is some name being pushed by somebody right now? Then it may stand for
 * another image than a registry's for a moment: wait, and ask again. */
bool build_images_have_push(const struct build_images *images);

/*
 * The digests that this namespace's own build records have named, and what was
 * read in their content: what may be read of the engine's content store. One
 * for each tunnel; at most LIMIT_BUILD_DIGESTS, of which the oldest go first.
 */
struct build_memory *build_memory_new(void);
void build_memory_free(struct build_memory *memory);

/* Which way something goes, by gRPC's roles: a request goes from gRPC's client
 * to its server, whichever of them is the runner. */
enum build_way { BUILD_REQUEST, BUILD_REPLY };

enum {
    BUILD_DROP = 1,  /* leave this one out; the call goes on */
    BUILD_E_REFUSED, /* the call ends, with the verdict as its status */
};

struct build_call;

/*
 * A call of METHOD begins. IMAGES, for methods with needs_images, may be given
 * later, before its first message. RANDOM, which nobody can guess, names the
 * anchor of what is built.
 */
struct build_call *build_call_new(const struct build_view *view,
                                  const struct rpc_method *method,
                                  uint64_t random);
void build_call_free(struct build_call *call); /* NULL is fine */
/* IMAGES outlives the call, or is NULL. */
void build_call_images(struct build_call *call,
                       const struct build_images *images);

/*
 * One metadata pair, its name in lower case: 0 and its new value appended to
 * OUT, BUILD_DROP, or BUILD_E_REFUSED. After the last one of a request
 * build_metadata_end says whether something is missing: 0 or BUILD_E_REFUSED.
 */
int build_metadata(struct build_call *call, enum build_way way, struct str name,
                   struct str value, struct strbuf *out, struct verdict *why);
int build_metadata_end(struct build_call *call, struct verdict *why);

/*
 * One message: 0 and what is to be sent appended to OUT; BUILD_DROP, of a
 * stream; BUILD_E_REFUSED; or -ENOBUFS when OUT is full.
 */
int build_message(struct build_call *call, enum build_way way,
                  struct str message, struct strbuf *out, struct verdict *why);

/*
 * After a request's message: is the engine not to be asked? Then OUT of that
 * build_message is the one reply, unless build_answer_is_empty, which means a
 * stream without any; the status is 0.
 */
bool build_is_answered(const struct build_call *call);
bool build_answer_is_empty(const struct build_call *call);

/* What a trailer says, as the runner knows it: grpc-message as plain text, and
 * grpc-status-details-bin as bytes (nothing is appended when it is to be left
 * out). 0 or -ENOBUFS. */
int build_error_text(struct build_call *call, struct str text,
                     struct strbuf *out);
int build_error_details(struct build_call *call, struct str details,
                        struct strbuf *out);

/* The gRPC status for a refusal: 7 PERMISSION_DENIED, 3 INVALID_ARGUMENT, 8
 * RESOURCE_EXHAUSTED, 5 NOT_FOUND. */
int build_status_of(const struct verdict *why);

/*
 * A session opens: one head of POST /session, or metadata of Control.Session,
 * its name in lower case. 0 and the value for the engine appended to OUT,
 * BUILD_DROP, or BUILD_E_REFUSED.
 */
int build_session_head(const struct build_view *view, struct str name,
                       struct str value, struct strbuf *out,
                       struct verdict *why);

/*
 * What is to go on record of this call, as a JSON object of the call's, or
 * NULL: "ref", "frontend", "names", "sources", "exporters", "caches",
 * "secrets", "ssh", "entitlements", "files", "hosts", "changed". Names only,
 * never values of arguments, secrets or tokens.
 */
const json_t *build_record(const struct build_call *call);
/* The first refusal that a policy which only reports let pass, or NULL. */
const struct verdict *build_reported(const struct build_call *call);

/*
 * What is left to do on the engine once Control.Solve has been answered: take
 * the name ANCHOR off (DELETE /images/<anchor>?noprune=1); before that, unless
 * IMAGE is empty, give that image, an ID, its own anchor in place of it
 * (POST /images/<id>/tag). Both empty: nothing. Slices of the call's.
 */
struct build_after {
    struct str anchor, image;
};
struct build_after build_after(const struct build_call *call);

/* How many names the engine's images get by it; one without any counts, too. */
size_t build_places(const struct build_call *call);

/*
 * And what the build took the last own tag from: images that graph drivers
 * keep, as Docker does, and that need an anchor (as IMAGE above) to stay the
 * namespace's. The ID of number INDEX, a slice of the call's; empty past the
 * last.
 */
struct str build_replaced(const struct build_call *call, size_t index);
