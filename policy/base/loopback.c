#include "policy/base/loopback.h"

#include "policy/base/subnet.h"

#include <arpa/inet.h>

bool loopback_parse(struct str text, struct loopback *out)
{
    struct subnet local4, local6, parsed;
    struct str address = text, port;
    uint64_t number;
    bool bracketed = str_has_prefix(text, S("["));

    subnet_parse(S("127.0.0.0/8"), &local4);
    subnet_parse(S("::1"), &local6);
    if (bracketed && str_cut(str_from_index(text, 1), ']', &address, &port) &&
        str_has_prefix(port, S(":")))
        port = str_from_index(port, 1);
    else if (bracketed || !str_cut(text, ':', &address, &port))
        return false;
    if (str_find(address, '/') >= 0 || !subnet_parse(address, &parsed) ||
        (parsed.family == AF_INET6) != bracketed ||
        !subnet_is_within(&parsed, bracketed ? &local6 : &local4) ||
        str_to_u64(port, &number) != 0 || number == 0 || number > UINT16_MAX)
        return false;
    *out = (struct loopback){.family = parsed.family, .port = (uint16_t)number};
    memcpy(out->address, parsed.address, sizeof(out->address));
    return true;
}
