#pragma once

/*
 * What is behind the rows of the tables: the functions that a row names to
 * judge a value, and what they use to refuse, to note a change and to ask for a
 * fact. Only the tables and the checks themselves include this.
 */

#include "policy/judge/field.h"
#include "policy/judge/judge.h"

/* One request being judged. */
struct judge {
    const struct rules *rules;
    const struct route_match *match;
    enum operation operation;
    struct target *target;
    struct judgement *out;
};

/*
 * Refuse, for the sake of RULE, what is at PLACE. Returns false; or true,
 * which is to go on with it as if it were allowed, where STATUS is 403: the
 * policy only reports, or what else is wrong is to be told, too. The sentence
 * says what is wrong and what to do, and may hold names, paths and numbers of
 * the client, but never values that might be secret.
 */
bool judge_refuse(struct judge *judge, int status, const char *rule,
                  const struct place *place, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/*
 * The same with a 403, where RULE would have allowed it if it held WORD, which
 * is noted: one more entry of its list, a number, or "true". Goes into the
 * audit, so it must be no secret.
 */
bool judge_lack(struct judge *judge, const char *rule, struct str word,
                const struct place *place, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* judgement.c: what is behind the above. Refuse for WHY, or pass it over when
 * refusals are only reported: true. */
bool judgement_refuse(struct judgement *judgement, const struct verdict *why);
/* More than LIMIT_LACKS of them, or longer ones, are left out: they are there
 * to help. */
void judgement_note_lack(struct judgement *judgement, const char *rule,
                         struct str word);
/* No answer of the engine's would change the verdict. */
void judgement_drop_needs(struct judgement *judgement);

/* Just note that RULE does not hold WORD. */
void judge_note_lack(struct judge *judge, const char *rule, struct str word);

/* Refuse with a 403 in any case, as it cannot be told what it would lead to;
 * always returns false. */
bool judge_forbid(struct judge *judge, const char *rule,
                  const struct place *place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void judge_note(struct judge *judge, enum change_kind kind,
                const struct place *place);

/* Tell the client what becomes of its request, in the engine's reply. */
void judge_warn(struct judge *judge, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Ask for a fact; with what follows as the refusal (403, by RULE) unless the
 * answer is good. False, and refused, when there are LIMIT_NEEDS already. */
bool judge_need(struct judge *judge, enum need_kind kind, struct str subject,
                const char *rule, const struct place *place, const char *format,
                ...) __attribute__((format(printf, 6, 7)));

/* Walk OBJECT as RECORD; the heart of it, in judge_walk.c. */
bool judge_record(struct judge *judge, const struct record *record,
                  const struct place *place, json_t *object);
/* Walk one value as FIELD. */
bool judge_field(struct judge *judge, const struct field *field,
                 const struct place *place, json_t *value);

/* The rule of FIELD, in the type that its row has checked. */
static inline const void *field_rule(const struct judge *judge,
                                     const struct field *field)
{
    return (const char *)judge->rules + field->at;
}

/* null, false, 0, "", [] and {}: what Docker takes for "not there". */
bool json_is_empty(const json_t *value);
/* The string VALUE as a slice; any other value as the empty one. */
struct str json_text(const json_t *value);
/* The member KEY of OBJECT, likewise; and as a number, or 0. */
struct str member_text(const json_t *object, const char *key);
json_int_t member_integer(const json_t *object, const char *key);

/*
 * Call EACH for every string in VALUE: itself, the elements of a list, the
 * values of a map. Stops at the first false, and returns it.
 */
typedef bool text_function(struct judge *judge, const struct field *field,
                           const struct place *place, struct str text);
bool each_text(struct judge *judge, const struct field *field,
               const struct place *place, json_t *value, text_function *each);

/* Questions that several checks ask. The ones with a PLACE refuse. */
bool object_name_is_good(struct str name);
bool inner_path_is_good(struct judge *judge, const char *rule,
                        const struct place *place, struct str path);
bool label_is_free(struct judge *judge, const struct place *place,
                   struct str key);
bool judge_image(struct judge *judge, const struct place *place,
                 struct str reference);
/* What check_binds has left among the Binds as a mount becomes one. */
void move_binds(json_t *host_config);
bool judge_tmpfs_mount(struct judge *judge, const struct place *place,
                       json_t *mount);
bool namespace_mode_is_good(struct judge *judge, const struct place *place,
                            struct str which, struct str mode);

/* Where root is not allowed, no setuid program makes one of it either. */
void keep_privileges(struct judge *judge, const struct place *place,
                     json_t *host_config);
/* Add what the policy drops to CapDrop. */
void drop_capabilities(struct judge *judge, const struct place *place,
                       json_t *host_config);

/* check_values.c: what many rows have in common */
check_function check_flag;   /* set to something: the rule has to be true */
check_function check_given;  /* there at all, were it []: the same */
check_function check_listed; /* each string, or "key=value", is in the rule */
check_function check_keys;   /* each key of a map is */
check_function check_never;  /* may not be set; .note says why */
check_function check_choice; /* one of the words in .note */
check_function check_labels;

/* check_paths.c */
check_function check_inner_path;  /* a path in a container */
check_function check_inner_paths; /* the same, keys of a map */
check_function check_working_dir;
check_function check_subpath;
check_function check_object_name; /* volumes, checkpoints */

/* check_host.c: what separates a container from the host */
check_function check_namespace_mode; /* .note: which namespace */
check_function check_capabilities;
check_function check_device;
check_function check_device_request;
check_function check_disk; /* the path of a block device */
check_function check_cgroup_parent;
check_function check_ulimit;
check_function check_oom_score;
check_function check_user;
check_function check_on_build;
bool check_commit(struct judge *judge, const struct place *place,
                  json_t *object);

/* check_defaults.c: what may be the engine's own default */
check_function check_hidden_paths;      /* .note: "masked" or "readonly" */
check_function check_listed_or_default; /* .note: its key in GET /info */
check_function check_cgroup_mode;
check_function check_endpoint_mac;
check_function check_config_mac;
check_function check_left_out; /* no engine reads it, but others look at it */
/* Is it so in INFO: "KEY=VALUE"? */
bool engine_is_as_asked(const char *subject, const json_t *info);

/* host_source.c, check_binds.c, check_mounts.c, check_tmpfs.c */
check_function check_propagation;
check_function check_binds;
check_function check_mount;
check_function check_mounts; /* all of them, afterwards */
check_function check_tmpfs;
check_function check_tmpfs_options;
check_function check_volumes_from;

/* check_network.c */
check_function check_port_bindings;
check_function check_port_binding;
check_function check_publish_all;
check_function check_endpoints;
check_function check_aliases;
check_function check_subnet;
check_function check_network_name;
bool check_network_create(struct judge *judge, const struct place *place,
                          json_t *object);

/* check_images.c */
check_function check_image;
check_function check_registry;

/* check_log.c: what an engine executes and allocates for a log */
bool check_log(struct judge *judge, const struct place *place, json_t *log);

/* check_times.c: what an engine waits for and repeats */
check_function check_stop_timeout;
bool check_health(struct judge *judge, const struct place *place,
                  json_t *health);

/* check_limits.c: amounts, filled in and held to their maximum */
bool check_host_config(struct judge *judge, const struct place *place,
                       json_t *object);
bool check_container_create(struct judge *judge, const struct place *place,
                            json_t *object);
bool check_container_update(struct judge *judge, const struct place *place,
                            json_t *object);
bool check_build_limits(struct judge *judge);
/* Would a container of the HostConfig CURRENT, updated by BODY, stay within
 * LIMITS? */
bool update_is_within(const struct limit_rules *limits, const json_t *body,
                      const json_t *current);
/* An update of the quota or the period alone says the other one too, as it is
 * in CURRENT: another update may change that before this one arrives. */
void complete_update(struct judge *judge, const struct place *place,
                     json_t *body, const json_t *current);

/* check_images.c: may the image that was INSPECTED be used, going by any of its
 * names? */
bool image_is_listed(const struct rules *rules, const json_t *inspected);

/* judge_query.c: the query, and what the path names */
bool judge_query(struct judge *judge);

/* query_value.c: the place "query KEY", spelled out. */
struct query_place {
    struct place place;
    char text[64];
};
const struct place *query_place(struct query_place *at, struct str key);
/* The value of KEY as a number, 0 when there is none. */
bool query_integer(struct judge *judge, struct str key, int64_t *n);
/* KEY becomes VALUE. */
bool query_put(struct judge *judge, struct str key, struct str value);
/* The same, of a value that was not there, and noted. */
bool query_set_integer(struct judge *judge, struct str key, int64_t n);
bool query_set_text(struct judge *judge, struct str key, struct str value);

/* What a query asks for in several values together; these refuse. */
bool judge_image_create(struct judge *judge);
bool judge_image_path(struct judge *judge);
bool judge_new_name(struct judge *judge, const struct place *place,
                    struct str name, bool tag_apart);
bool judge_registry(struct judge *judge, const struct place *place,
                    struct str host, bool push);
bool judge_changes(struct judge *judge, const struct place *place,
                   struct str text);
