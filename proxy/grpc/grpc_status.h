#pragma once

/*
 * How a gRPC call ends ("gRPC over HTTP2", Responses): a number, and a text in
 * percent-encoding.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_CODES = 17, /* this and above is none */
};

/* Why a call is refused; zeroed it is nothing to be sent. */
struct grpc_refusal {
    enum grpc_code code;
    char rule[64];             /* as in struct verdict */
    char field[160];           /* the same */
    char reason[LIMIT_REASON]; /* for the client: what, why, and the remedy */
};

void grpc_refuse(struct grpc_refusal *refusal, enum grpc_code code,
                 const char *rule, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Append TEXT as grpc-message has it; bytes that do not fit are left out. */
void grpc_message_encode(struct strbuf *out, struct str text);
/* The other way; what is no escape stays. 0 or -ENOBUFS. */
int grpc_message_decode(struct strbuf *out, struct str text);

/* What the value of grpc-status is, or GRPC_UNKNOWN for what it cannot be. */
enum grpc_code grpc_code_read(struct str value);

/* Is this a value of grpc-timeout: 1 to 8 digits and a unit? */
bool grpc_timeout_is_valid(struct str value);
