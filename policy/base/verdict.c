#include "policy/base/verdict.h"

#include <stdio.h>

/*
 * Copy TEXT as printable ASCII; what does not fit SIZE is cut off, and three
 * dots say so.
 */
static void copy_printable(char *to, size_t size, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;
    size_t cut = 0; /* the last place where the dots would fit */

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= 0x20 && c < 0x7f;

        if (len + sizeof("...") <= size)
            cut = len;
        if (len + (plain ? 1 : 4) >= size) {
            memcpy(to + cut, "...", sizeof("..."));
            return;
        }
        if (plain) {
            to[len++] = (char)c;
        } else {
            to[len++] = '\\';
            to[len++] = 'x';
            to[len++] = hex[c >> 4];
            to[len++] = hex[c & 15];
        }
    }
    to[len] = '\0';
}

void verdict_allow(struct verdict *verdict, const char *rule)
{
    *verdict = (struct verdict){.kind = VERDICT_ALLOW};
    copy_printable(verdict->rule, sizeof(verdict->rule), rule);
}

void verdict_deny(struct verdict *verdict, int status, const char *rule,
                  const char *field, const char *format, ...)
{
    char text[LIMIT_REASON + 1]; /* one more, so that a cut is noticed */
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    *verdict = (struct verdict){.kind = VERDICT_DENY, .status = status};
    copy_printable(verdict->rule, sizeof(verdict->rule), rule);
    copy_printable(verdict->field, sizeof(verdict->field), field);
    copy_printable(verdict->reason, sizeof(verdict->reason), text);
}
