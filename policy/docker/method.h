#pragma once

/* The HTTP methods that Docker's API knows; anything else is METHOD_OTHER. */

#include "policy/base/str.h"

#define METHODS(X)                                                             \
    X(METHOD_GET, "GET")                                                       \
    X(METHOD_HEAD, "HEAD")                                                     \
    X(METHOD_POST, "POST")                                                     \
    X(METHOD_PUT, "PUT")                                                       \
    X(METHOD_DELETE, "DELETE")                                                 \
    X(METHOD_OPTIONS, "OPTIONS")                                               \
    X(METHOD_OTHER, "OTHER")

enum method {
#define X(id, name) id,
    METHODS(X)
#undef X
};

const char *method_name(enum method method);

/* The method of that exact (upper-case) name, METHOD_OTHER for the rest. */
enum method method_find(struct str name);
