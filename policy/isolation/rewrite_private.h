#pragma once

/*
 * The inside of a rewrite, shared by rewrite*.c alone.
 *
 * A request is rewritten in passes. Each begins anew with a copy of the body,
 * goes through everything, and collects what it does not know; once a pass
 * lacks nothing, its draft and its edits become the request. So no step has to
 * remember how far it had come.
 */

#include "policy/base/json_str.h"
#include "policy/docker/reference.h"
#include "policy/isolation/image_names.h"
#include "policy/isolation/rewrite.h"

/* One change of the target: of a name in the path, or of the query. */
struct edit {
    size_t param; /* or EDIT_QUERY */
    struct str key;
    struct str value;
    bool drop;
    bool add; /* beside the values that are there */
};
#define EDIT_QUERY ((size_t)-1)

enum filter_field {
    FILTER_NAME,      /* regular expressions on names */
    FILTER_ID,        /* ... on IDs */
    FILTER_PREFIX,    /* how an ID may begin */
    FILTER_TYPE,      /* words */
    FILTER_ACTOR,     /* how an event's ID or name may begin */
    FILTER_IMAGE,     /* an event's image */
    FILTER_REFERENCE, /* names of images, as path.Match has them */
    FILTER_PUBLISH,   /* ports of the runner's localhost */
};

/* A filter that berth applies to what the runner sees. */
struct local_filter {
    enum filter_field field;
    struct name_pattern **patterns; /* of FILTER_NAME and FILTER_ID */
    json_t *values;                 /* an object whose keys they are */
};

/* ---- rewrite_edit.c, rewrite_ask.c ---- */

/* Else it is a build for the whole engine: see rewrite_begin_plain. */
static inline bool rewrite_has_namespace(const struct rewrite *rw)
{
    return rw->context.ns.len > 0;
}

/* Keep a copy of S as long as RW lives. */
struct str rewrite_keep(struct rewrite *rw, struct str s);
/* "<namespace>.NAME", kept. */
struct str rewrite_prefix(struct rewrite *rw, struct str name);

void rewrite_refuse(struct rewrite *rw, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with a 403, by RULE of the policy. */
void rewrite_refuse_by(struct rewrite *rw, const char *rule, const char *field,
                       const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool rewrite_is_refused(const struct rewrite *rw);
/* Give the container that is made the label KEY: VALUE as JSON. Over LIMIT
 * bytes: refused, as what it DOES, with what to do instead. */
void rewrite_put_label(struct rewrite *rw, const char *key, const json_t *value,
                       size_t limit, const char *does, const char *instead);
/* The object, or list, KEY of OBJECT, put there if there is none. */
json_t *object_at(json_t *object, const char *key);
json_t *list_at(json_t *object, const char *key);
/* Answer STATUS and REPLY (taken over) in the engine's stead. */
void rewrite_answer_with(struct rewrite *rw, int status, json_t *reply);

void rewrite_set_param(struct rewrite *rw, size_t param, struct str value);
void rewrite_set_query(struct rewrite *rw, struct str key, struct str value);
void rewrite_add_query(struct rewrite *rw, struct str key, struct str value);
void rewrite_drop_query(struct rewrite *rw, struct str key);
/* The first value in the query, or an empty one. */
struct str rewrite_query(const struct rewrite *rw, struct str key);

/* The request has to be written in API 1.MINOR at least. */
void rewrite_need_minor(struct rewrite *rw, unsigned minor);
/* Can the engine mount a part of a volume? And: this request does. */
bool mounts_have_subpaths(const struct rewrite *rw);
void mounts_need_subpaths(struct rewrite *rw);

/* The answer to GET TARGET, or NULL: it has to be asked first. */
const struct lookup *rewrite_get(struct rewrite *rw, struct str target);
/* Have METHOD TARGET with BODY (taken over) done when nothing is missing. Its
 * answer, or NULL as long as it is not done. It may be done at the same time as
 * others; IN_ORDER: when all that were wanted before it are done. */
const struct lookup *rewrite_do(struct rewrite *rw, enum method method,
                                struct str target, json_t *body,
                                const char *undo);
const struct lookup *rewrite_do_in_order(struct rewrite *rw, enum method method,
                                         struct str target, json_t *body,
                                         const char *undo);

/* Targets of berth's own, kept: PATH, SEGMENT encoded, and the rest; and PATH
 * with filters for what is labelled as the namespace's, and KEY=VALUE beside it
 * unless KEY is NULL. */
struct str rewrite_path_to(struct rewrite *rw, const char *path,
                           struct str segment, const char *rest);
struct str rewrite_path_to_own(struct rewrite *rw, const char *path,
                               const char *key, struct str value);

/* Did what berth asked for on its own account come about? */
bool rewrite_is_done(const struct lookup *ask);
/* If not: refuse the request, for berth could not do WHAT; NULL: the engine's
 * words alone are enough. Its client must not take the engine's status for an
 * answer to what it asked itself. */
void rewrite_fail(struct rewrite *rw, const struct lookup *ask,
                  const char *what);

/* May one more thing be looked for in what the engine answered? If not, the
 * request is refused: each takes a walk over all there is. */
bool rewrite_may_look_up(struct rewrite *rw);

/* Append JSON as the value of a query key. */
void rewrite_put_json(struct strbuf *out, const json_t *json);

/* The answer to GET TARGET if it was asked for; else NULL. */
const struct lookup *rewrite_asked(const struct rewrite *rw, struct str target);

/* One more question, whatever was asked before; NULL: too many. */
struct lookup *rewrite_add_ask(struct rewrite *rw, enum method method,
                               struct str target);
/* All questions are answered: ask for what rewrite_do wants. Any? */
bool rewrite_ask_for_changes(struct rewrite *rw);

/*
 * Is this object labelled as the namespace's? LABELS may be NULL or null. Of a
 * container that is not enough: labels of an image become those of the
 * containers that a build makes of it.
 */
bool labels_are_own(const struct rewrite *rw, const json_t *labels);
/* Is CONTAINER, as a list or an inspect shows it, the namespace's: by its label
 * and by its name, which only berth gives? */
bool container_is_own(const struct rewrite *rw, const json_t *container);
/* Refuse labels of ours that a client wrote; and put our own in. */
void labels_refuse_ours(struct rewrite *rw, json_t *labels);
void labels_claim(struct rewrite *rw, json_t *labels);
void labels_hide(json_t *labels);

void own_ids_note(struct rewrite *rw, enum ref_kind kind, struct str word);
bool own_ids_known(struct rewrite *rw, enum ref_kind kind, struct str word);

/* ---- rewrite_resolve.c: a word of the runner's becomes the engine's ---- */

/* Each gives an empty slice as long as something is missing, or refused. */
struct str resolve_container(struct rewrite *rw, struct str ref);
struct str resolve_exec(struct rewrite *rw, struct str id);
struct str resolve_network(struct rewrite *rw, struct str ref);
struct str resolve_volume(struct rewrite *rw, struct str name);
struct str resolve(struct rewrite *rw, enum ref_kind kind, struct str ref);

/* "container:REF" with its REF resolved; what is no such thing stays. */
struct str resolve_mode(struct rewrite *rw, enum ref_kind kind,
                        struct str mode);

/* All containers of the namespace, as GET /containers/json has them. */
const json_t *own_container_list(struct rewrite *rw);

/* The plain name of the container that REF means; empty: missing, or none. */
struct str container_plain_name(struct rewrite *rw, struct str ref);

/* GET /containers/REF/json, REF as the engine knows it; NULL: missing. */
const struct lookup *container_inspected(struct rewrite *rw, struct str ref);
/* The container that SOURCE, of VolumesFrom behind rewrite_body, names; NULL
 * while it is being looked up. */
const struct lookup *rewrite_mounts_of(struct rewrite *rw,
                                       const json_t *source);

/* own_bridge.c: the namespace's own bridge, made if there is none; empty:
 * missing. For what only reads, none is made: the engine's, which is shown in
 * its place. */
struct str own_bridge(struct rewrite *rw);
bool is_own_bridge(const struct rewrite *rw, struct str name);
/* NETWORK, "bridge" as the runner sees it, gets the gateway of the context. */
void own_bridge_show_gateway(const struct rewrite *rw, json_t *network);
/* In a list of networks: has the namespace one of its own by now? */
bool networks_have_own_bridge(const struct rewrite *rw, const json_t *list);

/* ---- rewrite_body.c: by the table of references ---- */

void rewrite_body(struct rewrite *rw);
void rewrite_by_tables(struct rewrite *rw); /* and the names in the path */

/* ---- image_lookup.c ---- */

/* GET /images/REF/json, REF as the engine knows it: false as long as there is
 * no answer; *IMAGE is NULL when there is no such image. */
bool image_inspected(struct rewrite *rw, struct str ref, const json_t **image);

/* What REF, as a runner writes it, means to the namespace: a name, a digest, an
 * ID or the beginning of one. What is another's is not there. */
enum image_found { IMAGE_MISSING, IMAGE_NONE, IMAGE_OWN, IMAGE_SHARED };
struct image_look {
    enum image_found found; /* IMAGE_MISSING: it is being asked for */
    struct str id;          /* "sha256:<64 digits>", kept */
    const json_t *inspected;
};
struct image_look image_look_up(struct rewrite *rw, struct str ref);

/* What is sent for REF: the ID that was found, or what no image is called so
 * that the engine says in its own words that there is none. */
struct str image_sent(struct rewrite *rw, struct str ref,
                      const struct image_look *look);
struct str resolve_image(struct rewrite *rw, struct str ref);
/* The same, but by name where there is one. */
struct str resolve_image_name(struct rewrite *rw, struct str ref);

/* Read TEXT, a name that a runner may have given: false when it is none, or one
 * of those that no runner gives. */
bool image_ref_of_runner(struct str text, struct image_ref *ref);
/* The own tag of REF, with tag and digest as they are; kept. */
struct str image_own_tag(struct rewrite *rw, const struct image_ref *ref);
void image_names_of(const struct rewrite *rw, const json_t *image,
                    struct image_names *names);
/* Has it any tag, of whomever? */
bool image_has_names(const json_t *image);
/* {ID: true} of what others in LIST were made from. */
json_t *images_parents(const json_t *list);
/* {ID: image} of LIST. */
json_t *images_by_id(const json_t *list);
/* {ID: true} of images in LIST without names that own ones were made from. */
json_t *images_made_from(const struct rewrite *rw, const json_t *list);

/* ---- rewrite_image.c ---- */

/* TEXT is to be the name of an image: parse it into *REF; false after a refusal
 * in Docker's words. */
bool image_new_name(struct rewrite *rw, struct str text, struct image_ref *ref);
/* POST /images/IMAGE/tag; undone when the request fails. */
const struct lookup *image_give_name(struct rewrite *rw, struct str image,
                                     struct str name);
/* The same, never undone. */
void image_put_back(struct rewrite *rw, struct str image, struct str name);
const struct lookup *image_take_name(struct rewrite *rw, struct str name);
struct str image_anchor(struct rewrite *rw, struct str id);
/* Take all anchors of the namespace off IMAGE. */
void image_drop_anchors(struct rewrite *rw, const json_t *image);
/* The own name of REF, which has a digest; kept. */
struct str image_own_digest(struct rewrite *rw, const struct image_ref *ref);
/* REF is about to be taken off what it is on, unless that is ID: anchor it if
 * this is its last name. */
void image_keep_old(struct rewrite *rw, const struct image_ref *ref,
                    struct str id);
void image_create_line(struct rewrite *rw, json_t *line);
void image_load_line(struct rewrite *rw, const json_t *line);
bool image_build_line(struct rewrite *rw, json_t *line); /* to be shown? */

/* ---- rewrite_image_delete.c ---- */

/* Take all own names off IMAGE, and add to LINES what Docker's reply would
 * have; false as long as it is not done. */
bool image_take_off_all(struct rewrite *rw, const json_t *image,
                        const struct image_names *names, json_t *lines);

/* ---- rewrite_image_save.c, rewrite_image_push.c ---- */

/* Add the engine's names of all tags of REF's repository that the runner has;
 * none also as long as it is being asked. */
void image_tags_of_repository(struct rewrite *rw, const struct image_ref *ref,
                              json_t *out);
/* The push is over, or will not be: its name goes back. */
void image_push_give_back(struct rewrite *rw);

/* ---- image_restore.c ---- */

/* A whole list has come: what its elements are to be compared with. */
void image_list_begin(struct rewrite *rw, const json_t *list);
/* Put IMAGE, an element of a list or the reply to an inspect, into the runner's
 * words. Does it see it? */
bool image_restore(struct rewrite *rw, json_t *image, bool listed);
bool image_inspect_restore(struct rewrite *rw, json_t *image);
/* The names that containerd's store notes in the annotations of a DESCRIPTOR
 * become NAME, the runner's of the image, or go where it has none. */
void image_descriptor_restore(json_t *descriptor, struct str name);
/* Leave of IMAGE's Identity, and of its manifests', what TAGS and DIGESTS, the
 * names that the runner sees on it, say anyway, and its own builds. */
void image_identity_restore(const struct rewrite *rw, json_t *image,
                            const json_t *tags, const json_t *digests);
void history_restore(struct rewrite *rw, json_t *history);
void filters_map_images(struct rewrite *rw, json_t *filters, const char *key);
/* "app:1", or NULL when NAME is none of the namespace's own. */
json_t *image_name_restored(const struct rewrite *rw, struct str name);

/* ---- rewrite_create.c, rewrite_network.c, ...: one operation each ---- */

void rewrite_container_create(struct rewrite *rw);
void rewrite_container_rename(struct rewrite *rw);
void rewrite_container_list(struct rewrite *rw);
void rewrite_container_prune(struct rewrite *rw);
void rewrite_network_create(struct rewrite *rw);
void rewrite_network_list(struct rewrite *rw);
void rewrite_network_inspect(struct rewrite *rw);
void rewrite_network_delete(struct rewrite *rw);
void rewrite_network_connect(struct rewrite *rw);
void rewrite_network_prune(struct rewrite *rw);
void rewrite_volume_create(struct rewrite *rw);
void rewrite_volume_list(struct rewrite *rw);
void rewrite_volume_prune(struct rewrite *rw);
void rewrite_image_list(struct rewrite *rw);
void rewrite_image_delete(struct rewrite *rw);
void rewrite_image_prune(struct rewrite *rw);
void rewrite_image_tag(struct rewrite *rw);
void rewrite_image_load(struct rewrite *rw);
void rewrite_image_push(struct rewrite *rw);
void rewrite_image_get(struct rewrite *rw);
void rewrite_image_get_all(struct rewrite *rw);
void rewrite_image_create(struct rewrite *rw);
void rewrite_image_commit(struct rewrite *rw);
void rewrite_image_build(struct rewrite *rw);
void rewrite_image_inspect(struct rewrite *rw);
/* When the head of the reply has come; and its end. */
void after_container_rename(struct rewrite *rw);
void after_image_tag(struct rewrite *rw);
void finish_image_create(struct rewrite *rw);
void finish_image_commit(struct rewrite *rw);
void finish_image_push(struct rewrite *rw);
/* In the middle of its reply: the engine needs the real name no more. */
void follow_image_push(struct rewrite *rw);
bool image_push_line(struct rewrite *rw, const json_t *line); /* to be shown? */
void finish_image_load(struct rewrite *rw);
void finish_image_build(struct rewrite *rw);
void rewrite_build_prune(struct rewrite *rw);
void rewrite_events(struct rewrite *rw);
void rewrite_info(struct rewrite *rw);

/* Put the aliases that make NAME resolve on the endpoint of NETWORK (names
 * as the runner knows them). And the other way round. */
void aliases_add(json_t *endpoint, struct str name, struct str network);
void aliases_remove(json_t *endpoint, struct str name, struct str network);

/* ---- rewrite_name.c ---- */

/* The name that the query of a create gives, or an invented one; empty after a
 * refusal. */
struct str container_new_name(struct rewrite *rw);

/* ---- rewrite_anonymous.c, rewrite_endpoints.c ---- */

/* Behind rewrite_body, HOST and IMAGE as below: each anonymous volume becomes
 * a mount with our label. */
void anonymous_volumes_create(struct rewrite *rw, json_t *host,
                              const json_t *image);
/* When all names of networks are known: aliases for NAME, and links. */
void endpoints_create(struct rewrite *rw, json_t *host, struct str name);
/* Is NETWORK, or the mode of one, the runner's to make: neither the engine's
 * nor what takes the place of its bridge? */
bool is_user_network(const struct rewrite *rw, struct str mode);
/* What its runner calls NETWORK; empty if it is none of the namespace's. */
struct str network_plain_name(const struct rewrite *rw, struct str network);

/* ---- rewrite_ports.c ---- */

bool ports_are_runners(const struct rewrite *rw);
/* HOST, the HostConfig of a create from IMAGE (NULL: not known). */
void ports_create(struct rewrite *rw, json_t *host, const json_t *image);
void ports_created(struct rewrite *rw, struct str id);
void rewrite_container_start(struct rewrite *rw);
/* What these opened is not used after all, as far as is known. */
void ports_not_started(struct rewrite *rw);
void ports_restore(const struct rewrite *rw, json_t *container,
                   const json_t *labels, bool inspected);
/* Does CONTAINER, of a list, publish one of VALUES, a filter's? */
bool ports_match(json_t *values, const json_t *container);

/* ---- rewrite_mounts.c ---- */

/* HOST, the HostConfig of a create from IMAGE (NULL: not known). */
void mounts_create(struct rewrite *rw, json_t *host, const json_t *image);
void mounts_restore(json_t *container, const json_t *labels, bool inspected);

/* ---- rewrite_files.c ---- */

/* Behind rewrite_body: binds of what is copied become parts of volumes. */
void files_create(struct rewrite *rw, json_t *host);
/* Bring what is copied into step: before the request is sent, where the runner
 * has the last word; or behind its reply, where containers have. */
void files_in(struct rewrite *rw);
void files_out(struct rewrite *rw);
/* Its client hears that it has ended, in REPLY: and if that is so, of what
 * could not be brought. */
void finish_exec_inspect(struct rewrite *rw);
void files_tell_exec(const struct rewrite *rw, json_t *reply);
void files_tell_wait(const struct rewrite *rw, json_t *reply);
void rewrite_files_in(struct rewrite *rw);
void finish_container_logs(struct rewrite *rw);
void finish_container_inspect(struct rewrite *rw);
/* Has CONTAINER, of an inspect, ended, and are files copied for it? */
bool files_have_ended(const json_t *container);

/* ---- rewrite_socket.c ---- */

/* Behind rewrite_body: what the judge has marked becomes a socket; who takes
 * the volumes from one that has a socket shares it. */
void socket_create(struct rewrite *rw, json_t *host, const json_t *image);
void socket_restore(json_t *container, const json_t *labels, bool inspected);

/* ---- rewrite_filters.c ---- */

/* The filters of the query as {"key": {"value": true}}, owned by the caller;
 * NULL after a refusal. */
json_t *filters_read(struct rewrite *rw);
/* Write them back (taken over), in the encoding that all engines read. */
void filters_write(struct rewrite *rw, json_t *filters);
/* AND our label in. */
void filters_claim(struct rewrite *rw, json_t *filters);
/* Take KEY out, to be applied to the reply. */
void filters_keep(struct rewrite *rw, json_t *filters, const char *key,
                  enum filter_field field);
/* Change each value of KEY: FUNCTION adds what it becomes to VALUES. */
void filters_map(struct rewrite *rw, json_t *filters, const char *key,
                 void (*function)(struct rewrite *rw, struct str value,
                                  json_t *values));
void filters_forget(struct rewrite *rw);

/* Do all kept filters on FIELD let one of TEXTS through? */
bool filters_match(const struct rewrite *rw, enum filter_field field,
                   const struct str *texts, size_t count);

/* ---- rewrite_events.c ---- */
bool event_is_own(struct rewrite *rw, const json_t *event);
bool event_is_wanted(const struct rewrite *rw, const json_t *event);
/* Has something ended whose files are copied? Before its labels are hidden. */
bool event_ends_copied(const struct rewrite *rw, const json_t *event);

/* ---- rewrite_restore.c: what an object looks like to its runner ---- */
void container_restore(struct rewrite *rw, json_t *container, bool inspected);
void network_restore(struct rewrite *rw, json_t *network);
void info_restore(struct rewrite *rw, json_t *info);
void disk_usage_restore(json_t *usage);
/* An event, before its labels are hidden. */
void event_restore(struct rewrite *rw, json_t *event);
