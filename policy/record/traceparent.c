#include "policy/record/traceparent.h"

enum {
    LENGTH = 55,      /* of version 00 */
    LENGTH_MAX = 256, /* of what a later one may add to that */
};

/* LEN digits of TEXT from AT on; *ZERO: all are "0". */
static bool are_digits(struct str text, size_t at, size_t len, bool *zero)
{
    *zero = true;
    for (size_t i = at; i < at + len; i++) {
        char c = text.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        *zero = *zero && c == '0';
    }
    return true;
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    }
    return true;
}

bool traceparent_is_valid(struct str text)
{
    bool no_version, no_trace, no_parent, no_flags;

    if (text.len < LENGTH || text.len > LENGTH_MAX ||
        !are_digits(text, 0, 2, &no_version) || text.ptr[2] != '-' ||
        !are_digits(text, 3, 32, &no_trace) || text.ptr[35] != '-' ||
        !are_digits(text, 36, 16, &no_parent) || text.ptr[52] != '-' ||
        !are_digits(text, 53, 2, &no_flags) || no_trace || no_parent ||
        str_has_prefix(text, S("ff")))
        return false;
    return text.len == LENGTH ||
           (!no_version && text.ptr[LENGTH] == '-' && is_printable(text));
}
