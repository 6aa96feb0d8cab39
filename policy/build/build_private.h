#pragma once

/* What the parts of policy/build share, and nobody else sees. */

#include "policy/base/limits.h"
#include "policy/base/pattern.h"
#include "policy/build/build.h"
#include "policy/build/pb.h"
#include "policy/build/schema.h"
#include "policy/docker/own_tag.h"

/* An ID of a build or a session: "<ns>." and what the client calls it. */
enum { BUILD_ID_MAX = LIMIT_NAMESPACE + 1 + LIMIT_BUILD_ID };

struct build_id {
    char text[BUILD_ID_MAX + 1];
    size_t len;
};

enum { BUILD_IMAGE_ID = 80 }; /* holds "sha256:", hex, and a NUL */

struct build_call {
    const struct build_view *view;
    const struct rpc_method *method;
    const struct build_images *images;
    uint64_t random;
    struct build_id ref, session; /* the engine's, or empty */
    bool answered, answer_empty;
    unsigned rules_made; /* of the source policy */
    json_t *record;
    struct verdict reported;
    bool has_reported;
    char anchor[OWN_TAG_MAX + 1]; /* that goes along in "name", or "" */
    bool has_names;               /* besides it */
    size_t name_count;            /* of them */
    char image[BUILD_IMAGE_ID];   /* what was built: its ID */
    char replaced[LIMIT_BUILD_REPLACED][BUILD_IMAGE_ID];
    size_t replaced_count;
    struct strbuf blob; /* content being read, to look into */
    bool blob_is_of_use;
    /* of the message at hand */
    struct pb_tree tree;
    struct verdict *why;
};

/* ---- build_say.c: refusing and noting ---- */

/*
 * Refuse by RULE, in FIELD. False; or true, to go on, where the policy only
 * reports and STATUS is 403.
 */
bool build_refuse(struct build_call *call, int status, const char *rule,
                  const char *field, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* In any case, as it cannot be told what it would lead to. False. */
bool build_forbid(struct build_call *call, const char *rule, const char *field,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Add TEXT to the list KEY of the record, once; it is no secret. */
void build_note(struct build_call *call, const char *key, struct str text);
void build_note_one(struct build_call *call, const char *key, struct str text);
/* That berth changed FIELD, which is what "changed" lists. */
void build_note_change(struct build_call *call, const char *field);

/* ---- build_names.c: names of the namespace, in and out ---- */

/* "[A-Za-z0-9_-]+", at most LIMIT_BUILD_ID: refuse, or put the engine's into
 * *ID. */
bool build_id_in(struct build_call *call, const char *field, struct str text,
                 struct build_id *id);
struct str build_id_str(const struct build_id *id);
/* Does the engine's TEXT have our namespace in front? Then without it. */
bool build_id_out(const struct build_view *view, struct str text,
                  struct str *out);
/* The hidden names: of cache mounts, and the host name of steps. */
int build_cache_space(const struct build_view *view, struct strbuf *out);
int build_salt(const struct build_view *view, struct strbuf *out);

/* TEXT, of the engine, as the runner knows it; kept in the call's tree, or TEXT
 * itself. Anchors in lists ("a,b") are left out by build_names_out. */
struct str build_text_out(struct build_call *call, struct str text);
struct str build_names_out(struct build_call *call, struct str text);
/* Is there an anchor of the namespace in TEXT? */
bool build_text_has_anchor(const struct build_view *view, struct str text);
/* Any text that may also name the call's ref and session. */
int build_put_text_out(struct build_call *call, struct str text,
                       struct strbuf *out);

/* Is the engine known to be of that version, or later? */
bool build_engine_is(const struct build_view *view, unsigned major,
                     unsigned minor);

/* Is the host of REF berth's? Refuses what a client may not write. */
bool build_image_is_ours(const struct build_view *view,
                         const struct image_ref *ref);
/* Has the namespace a tag of its own for REF? */
bool build_images_have(const struct build_images *images,
                       const struct image_ref *ref);

/* ---- the parts of a request: true, or refused ---- */

/* build_solve.c */
bool build_judge_solve(struct build_call *call, struct pb_message *solve);
/* build_bridge.c: LLBBridge */
bool build_judge_bridge(struct build_call *call, struct pb_message *message);
/* build_attrs.c: FrontendAttrs and FrontendOpt, the map NUMBER; FRONTEND is
 * whether there is one to read them */
bool build_judge_attrs(struct build_call *call, struct pb_message *message,
                       unsigned number, struct str frontend);
bool build_judge_frontend(struct build_call *call, struct str frontend);
/* build_amounts.c: of the same map; FILL: what is not asked for, too */
bool build_judge_amounts(struct build_call *call, struct pb_message *map,
                         unsigned number, bool fill);
/* build_exports.c */
bool build_judge_exporters(struct build_call *call, struct pb_message *solve);
/* build_caches.c: entries {Type, Attrs} in field NUMBER */
bool build_judge_caches(struct build_call *call, struct pb_message *message,
                        unsigned number, const char *field, bool exported);
bool build_judge_cache_list(struct build_call *call, struct pb_message *entry,
                            const char *field);
bool build_judge_cache_json(struct build_call *call, struct pb_message *entry,
                            const char *field);
/* build_llb.c */
bool build_judge_definition(struct build_call *call,
                            const struct pb_message *definition,
                            const char *field);
bool build_judge_definitions(struct build_call *call,
                             const struct pb_message *message, unsigned number,
                             const char *field);
bool build_judge_mounts(struct build_call *call, const struct pb_message *from,
                        unsigned number, const char *field);
bool build_judge_meta(struct build_call *call, const struct pb_message *meta,
                      const char *field);
bool build_judge_modes(struct build_call *call, uint64_t network,
                       uint64_t security, const char *field);
/* build_source.c */
bool build_judge_source(struct build_call *call,
                        const struct pb_message *source, const char *field);
bool build_judge_url(struct build_call *call, struct str url,
                     const char *field);
bool build_judge_image(struct build_call *call, struct str text,
                       const char *field);
/* An image that would run as a frontend. */
bool build_judge_frontend_image(struct build_call *call, struct str text,
                                const char *field);
/* build_policy.c: the rules of sources, the client's and then ours */
bool build_judge_policy(struct build_call *call,
                        const struct pb_message *policy, const char *field);
bool build_judge_policies(struct build_call *call,
                          const struct pb_message *message, unsigned number,
                          const char *field);
void build_add_rules(struct build_call *call, struct pb_message *policy,
                     bool convert);
/* build_images.c */
struct build_own {
    struct str real;   /* "docker.io/library/app:latest" */
    struct str own;    /* "r1.berth.invalid/app:latest" */
    struct str digest; /* of the index or manifest, or empty */
    struct str id;     /* of the image */
};
size_t build_images_count(const struct build_images *images);
const struct build_own *build_images_at(const struct build_images *images,
                                        size_t index);

/* build_restore.c: replies */
int build_restore(struct build_call *call, struct pb_message *reply);
/* build_restore_text.c: what is in them. The text of an error, in the tree. */
struct str build_restore_error(struct build_call *call, struct str text);
/* The values of a map; those of "image.name" are lists. */
void build_restore_map(struct build_call *call, struct pb_message *message,
                       unsigned number);
/* A google.rpc.Status, or NULL. */
void build_restore_status(struct build_call *call, struct pb_message *status);
/* build_history.c */
bool build_judge_history(struct build_call *call, struct pb_message *message);
int build_restore_event(struct build_call *call, struct pb_message *event);
/* build_session.c: what the engine asks a session */
bool build_judge_session(struct build_call *call, struct pb_message *message);

/* build_memory.c */
void build_memory_add(struct build_memory *memory, struct str digest);
bool build_memory_has(const struct build_memory *memory, struct str digest);
/* Note the digests in BLOB, if it is the JSON of an index or manifest. */
void build_memory_look_into(struct build_memory *memory, struct str blob);
