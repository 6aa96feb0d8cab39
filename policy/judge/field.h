#pragma once

/*
 * The JSON bodies that Docker's API reads, as tables. A record is one of
 * Docker's structs; a field is one of its members: its key on the wire, the
 * type Docker reads it as, and what has a say about it. What has no row here
 * does not reach an engine.
 */

#include "policy/base/place.h"
#include "policy/config/rules.h"
#include "policy/docker/operation.h"

struct judge;

/* Docker's (Go's) types. null is lawful for all of them and means "not there";
 * an inner null is what Docker makes of it: "" or {} or []. */
enum field_type {
    FIELD_IGNORED,      /* no engine reads it, but a client sends it: dropped */
    FIELD_ANY,          /* anything; only for what may never be set */
    FIELD_BOOL,         /* bool */
    FIELD_INT,          /* an integer from .min to .max */
    FIELD_STRING,       /* string */
    FIELD_STRINGS,      /* []string */
    FIELD_COMMAND,      /* []string, or one string for a list of one */
    FIELD_INTS,         /* []uint */
    FIELD_STRING_LISTS, /* [][]string */
    FIELD_STRING_MAP,   /* map[string]string: keys are data, left verbatim */
    FIELD_STRING_OR_NULL_MAP, /* map[string]*string: its nulls mean something */
    FIELD_STRUCT,             /* .of */
    FIELD_STRUCTS,            /* [].of */
    FIELD_STRUCT_MAP,         /* map[string].of */
    FIELD_STRUCTS_MAP,        /* map[string][].of */
};

struct field;

/*
 * May the client have VALUE, which is of the field's type and whose own fields
 * have been judged, at PLACE? It may be changed there. False after a refusal.
 */
typedef bool check_function(struct judge *judge, const struct field *field,
                            const struct place *place, json_t *value);

struct field {
    const char *name;
    enum field_type type;
    json_int_t min, max;     /* FIELD_INT; 0 and 0: all of int64 */
    const struct record *of; /* its struct */
    check_function *check;   /* of the whole value; NULL: nothing to say */
    check_function *each;    /* of each of its structs, CHECK going last */
    const char *rule;        /* the policy key that governs it */
    size_t at;               /* its place in struct rules */
    const char *note;        /* what CHECK wants to know besides */
};

struct record {
    const char *name; /* Docker's name of the struct */
    const struct field *fields;
    size_t count; /* at most RECORD_FIELDS_MAX */
    /* After all of its fields: is OBJECT as a whole alright? */
    bool (*check)(struct judge *judge, const struct place *place,
                  json_t *object);
    const struct record *misplaced; /* its fields do not belong here, but in */
    const char *belongs;            /* ... the field of this name */
};

enum { RECORD_FIELDS_MAX = 128 };

#define RECORD(struct_name, table)                                             \
    .name = (struct_name), .fields = (table),                                  \
    .count = sizeof(table) / sizeof((table)[0])

/* The field of exactly that key, looked for from the one at HINT on, as clients
 * write them in Docker's order; or the one Docker would take KEY for, reading
 * ASCII letters in either case (non-ASCII keys have been refused). Or NULL. */
const struct field *record_find(const struct record *record, const char *key,
                                size_t hint);
const struct field *record_find_folded(const struct record *record,
                                       const char *key);

/* The body that OPERATION reads; NULL: none, or one we do not judge. */
const struct record *body_record(enum operation operation);

extern const struct record container_create_record;
extern const struct record container_config_record;
extern const struct record host_config_record;
extern const struct record container_update_record;
extern const struct record exec_create_record;
extern const struct record exec_start_record;
extern const struct record checkpoint_create_record;
extern const struct record endpoint_record;
extern const struct record weight_device_record;
extern const struct record throttle_device_record;
extern const struct record network_create_record;
extern const struct record network_connect_record;
extern const struct record network_disconnect_record;
extern const struct record volume_create_record;
extern const struct record auth_record;

/* Columns of a row that say who judges it, with the type of the rule checked.
 */
#define RULE(member, ctype)                                                    \
    .rule = #member, .at = SETTING_FIELD(struct rules, member, ctype)
#define GOVERNED(function, member)                                             \
    .check = (function), .rule = #member, .at = offsetof(struct rules, member)
#define FLAG(member)   .check = check_flag, RULE(member, bool)
#define LISTED(member) .check = check_listed, RULE(member, struct strings)
#define NEVER(why)     .check = check_never, .rule = "request.never", .note = (why)
