#include "policy/docker/method.h"

#include <assert.h>

static const struct str names[] = {
#define X(id, name) [id] = STR(name),
    METHODS(X)
#undef X
};

const char *method_name(enum method method)
{
    assert((size_t)method < sizeof(names) / sizeof(names[0]));
    return names[method].ptr;
}

enum method method_find(struct str name)
{
    for (enum method m = 0; m < METHOD_OTHER; m++) {
        if (str_eq(names[m], name))
            return m;
    }
    return METHOD_OTHER;
}
