#include "proxy/grpc/grpc_status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void grpc_refuse(struct grpc_refusal *refusal, enum grpc_code code,
                 const char *rule, const char *format, ...)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(4 * LIMIT_REASON);
    AUTO(strbuf_fini) struct strbuf shown = STRBUF(LIMIT_REASON - 1);
    va_list args;

    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    strbuf_add_visible(&shown, strbuf_str(&text));
    *refusal = (struct grpc_refusal){.code = code};
    snprintf(refusal->rule, sizeof(refusal->rule), "%s", rule);
    snprintf(refusal->reason, sizeof(refusal->reason), "%.*s",
             STR_FMT(strbuf_str(&shown)));
}

void grpc_message_encode(struct strbuf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        int r = c >= 0x20 && c <= 0x7e && c != '%'
                    ? strbuf_add_char(out, (char)c)
                    : strbuf_addf(out, "%%%02X", c);

        if (r)
            return;
    }
}

int grpc_message_decode(struct strbuf *out, struct str text)
{
    int r = 0;

    for (size_t i = 0; i < text.len && !r; i++) {
        int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;

        if (text.ptr[i] == '%' && high >= 0 && low >= 0) {
            r = strbuf_add_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            r = strbuf_add_char(out, text.ptr[i]);
        }
    }
    return r;
}

enum grpc_code grpc_code_read(struct str value)
{
    uint64_t code;

    if (str_to_u64(value, &code) || code >= GRPC_CODES)
        return GRPC_UNKNOWN;
    return (enum grpc_code)code;
}

bool grpc_timeout_is_valid(struct str value)
{
    size_t digits = value.len - 1;
    uint64_t amount;

    return value.len >= 2 && digits <= 8 &&
           !str_to_u64(str_head(value, digits), &amount) &&
           str_find(S("HMSmun"), value.ptr[digits]) >= 0;
}
