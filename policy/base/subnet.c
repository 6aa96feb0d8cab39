#include "policy/base/subnet.h"

#include <arpa/inet.h>

bool subnet_parse(struct str text, struct subnet *subnet)
{
    struct str address, bits;
    bool ranged = str_cut(text, '/', &address, &bits);
    struct subnet parsed = {0};
    char buffer[INET6_ADDRSTRLEN];
    uint64_t n, max;

    if (address.len >= sizeof(buffer))
        return false;
    memcpy(buffer, address.ptr ? address.ptr : "", address.len);
    buffer[address.len] = '\0';
    if (strlen(buffer) != address.len)
        return false;
    parsed.family = strchr(buffer, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(parsed.family, buffer, parsed.address) != 1)
        return false;
    max = parsed.family == AF_INET6 ? 128 : 32;
    n = max;
    if (ranged && (str_to_u64(bits, &n) != 0 || n > max))
        return false;
    parsed.bits = (unsigned)n;
    *subnet = parsed;
    return true;
}

bool subnet_is_within(const struct subnet *inner, const struct subnet *outer)
{
    unsigned whole = outer->bits / 8, rest = outer->bits % 8;
    unsigned char mask = (unsigned char)(0xff00u >> rest);

    return inner->family == outer->family && inner->bits >= outer->bits &&
           memcmp(inner->address, outer->address, whole) == 0 &&
           (rest == 0 ||
            ((inner->address[whole] ^ outer->address[whole]) & mask) == 0);
}
