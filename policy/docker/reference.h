#pragma once

/*
 * Where a request or a reply names something, what kind of thing, and how the
 * name is written there: a table for every JSON document of the API that names
 * anything at all, and one walk over it, used in both directions. What is to be
 * done about a name is for the caller to say.
 */

#include "policy/docker/operation.h"
#include "policy/docker/route.h"

#include <jansson.h>

/* How a name, or what else concerns a namespace, is written in its place. */
#define REFERENCE_FORMS(X)                                                     \
    X(FORM_NAME, "name")       /* a name that its client chose; "/name" too */ \
    X(FORM_REF, "ref")         /* a name, an ID, or the start of one */        \
    X(FORM_ID, "id")           /* tells whose the thing around it is */        \
    X(FORM_KEYS, "keys")       /* an object whose keys are names or refs */    \
    X(FORM_MODE, "mode")       /* "container:REF"; of a network also REF */    \
    X(FORM_LINK, "link")       /* "REF:ALIAS", "/NAME:/NAME/ALIAS" */          \
    X(FORM_FROM, "from")       /* "REF:MODE", of VolumesFrom */                \
    X(FORM_BIND, "bind")       /* "NAME:PATH:OPTIONS" */                       \
    X(FORM_MOUNT, "mount")     /* Source, as the Type beside it says */        \
    X(FORM_LABELS, "labels")   /* an object of labels */                       \
    X(FORM_ALIASES, "aliases") /* DNS names on a network */                    \
    X(FORM_PATH, "path")       /* a host path with a volume's name in it */    \
    X(FORM_TEXT, "text")       /* a sentence with names in it */               \
    X(FORM_OURS, "ours")       /* set by the engine only: never a client's */  \
    X(FORM_HOST, "host")       /* tells of the host, or of all its tenants */

enum reference_form {
#define X(id, name) id,
    REFERENCE_FORMS(X)
#undef X
};

const char *reference_form_name(enum reference_form form);

/*
 * One place. PATH goes from the document's element down: "." between names,
 * "[]" any element of a list, "{}" any value of an object, and at the end
 * "{key}" for an object's keys.
 */
struct reference {
    const char *path;
    enum ref_kind kind; /* REF_NONE where the form says it all */
    enum reference_form form;
};

enum reference_side {
    IN_REQUEST, /* the body */
    IN_REPLY,   /* the one value, or each line, of a success */
};

/* A document, or a part of one that repeats: each element AT is a thing of
 * KIND with the same places in it. */
struct document {
    enum operation operation;
    enum reference_side side;
    const char *at; /* "": the body itself; "[]", "Volumes[]" */
    enum ref_kind kind;
    const struct reference *rows;
    size_t count;
};

extern const struct document documents[];
extern const size_t document_count;

/* Where the walk is. VALUE is NULL where the object OWNER lacks the key
 * at the end of a path. */
struct spot {
    json_t *owner;   /* the object or list that VALUE is in */
    const char *key; /* in an object; NULL in a list */
    size_t index;    /* in a list */
    json_t *value;
};

/* Put VALUE there instead, taking it over. */
void spot_set(struct spot *spot, json_t *value);

struct reference_visitor {
    /* Before the places of an element; false: take the element out. */
    bool (*element)(void *arg, const struct document *document,
                    json_t *element);
    /* One place; false: take out what is there (a value of a list or
     * object), or the innermost such thing around it. */
    bool (*place)(void *arg, const struct reference *row, struct spot *spot);
    void *arg;
};

/* Visit all places of OPERATION's documents of SIDE in ROOT. A ROOT that is
 * itself refused becomes empty. */
void reference_walk(enum operation operation, enum reference_side side,
                    json_t *root, const struct reference_visitor *visitor);

/* The same for a single path, without a table. */
void reference_walk_path(const char *path, json_t *root,
                         const struct reference *row,
                         const struct reference_visitor *visitor);
