#pragma once

/* The query keys that matter: as in policy/judge/field.h, a row for each says
 * who has a say about its value. A key of a route that has no row here does no
 * harm. */

#include "policy/judge/check.h"

struct query_field;
typedef bool query_check(struct judge *judge, const struct query_field *field,
                         const struct place *place, struct str value);

struct query_field {
    enum operation operation;
    const char *key;
    query_check *check;
    const char *rule;
    size_t at; /* in struct rules */
    const char *note;
    const struct field *json; /* the value is JSON of this type */
};

extern const struct query_field query_fields[];
extern const size_t query_field_count;

/* Operations whose path, or several values together, have to be looked at. */
struct request_check {
    enum operation operation;
    bool (*check)(struct judge *judge);
};

extern const struct request_check request_checks[];
extern const size_t request_check_count;

/* check_query.c */
query_check query_set;        /* not empty: the rule has to be true */
query_check query_never;      /* has to be empty; .note says why */
query_check query_never_true; /* has to be what Docker takes for false */
query_check query_listed;     /* empty, or in the rule */
query_check query_choice;     /* empty, or what .note says */
query_check query_network;    /* whose network a build uses */
query_check query_cgroup;
query_check query_remote;
query_check query_version;
query_check query_relative;   /* a path without ".." */
query_check query_new_name;   /* a name that an image gets, without its tag */
query_check query_build_name; /* the same with its tag */
query_check query_changes;
query_check query_ps; /* check_ps.c */
query_check query_search;
query_check query_stop_time; /* check_times.c */
query_check query_checkpoint;
query_check query_ports; /* ranges of ports among filters */
query_check query_word;  /* letters, digits, "-", "_", "." */
query_check query_json;

check_function check_output;
check_function check_cache_images;
