#include "policy/isolation/relay_name.h"

#include "policy/base/limits.h"
#include "policy/base/sha256.h"
#include "policy/docker/companion_name.h"

int relay_put_name(struct strbuf *out, struct str ns, struct str id,
                   struct str started)
{
    AUTO(strbuf_fini) struct strbuf key = STRBUF(LIMIT_NAME);
    char digits[SHA256_HEX + 1];

    strbuf_addf(&key, "%.*s %.*s", STR_FMT(id), STR_FMT(started));
    sha256_hex(strbuf_str(&key), digits);
    return strbuf_addf(out, RELAY_NAME "%.*s.%.*s", STR_FMT(ns),
                       (int)FILES_DIGITS, digits);
}

bool relay_name_is_of(struct str name, struct str ns)
{
    struct str intro = S(RELAY_NAME), rest;

    if (!str_has_prefix(name, intro))
        return false;
    rest = str_from_index(name, intro.len);
    return rest.len == ns.len + 1 + FILES_DIGITS && str_has_prefix(rest, ns) &&
           rest.ptr[ns.len] == '.';
}
