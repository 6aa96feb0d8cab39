#include "policy/config/upstream_proxy.h"

#include <stdlib.h>

#include "policy/base/subnet.h"
#include "policy/config/url.h"

static const struct {
    struct str scheme;
    enum proxy_kind kind;
    const char *remedy; /* of one that berth does not have */
} schemes[] = {
    {STR("http"),    PROXY_HTTP,   NULL                      },
    {STR("socks5"),  PROXY_SOCKS5, NULL                      },
    {STR("socks5h"), PROXY_SOCKS5, NULL                      },
    {STR("https"),   PROXY_NONE,
     "berth speaks no TLS to a proxy; write http://HOST:PORT"},
    {STR("socks"),   PROXY_NONE,   "write socks5://HOST:PORT"},
    {STR("socks4"),  PROXY_NONE,
     "berth knows SOCKS5 only; write socks5://HOST:PORT"     },
    {STR("socks4a"), PROXY_NONE,
     "berth knows SOCKS5 only; write socks5://HOST:PORT"     },
};

static int find_scheme(struct str scheme, struct proxy_config *proxy,
                       struct strbuf *why)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (!str_eq_nocase(scheme, schemes[i].scheme))
            continue;
        proxy->kind = schemes[i].kind;
        if (schemes[i].remedy)
            strbuf_addf(why, "is a URL of %s://; %s", schemes[i].scheme.ptr,
                        schemes[i].remedy);
        return schemes[i].remedy ? URL_E_INVALID : 0;
    }
    strbuf_addf(why, "has a scheme that berth does not know; write "
                     "http://HOST:PORT or socks5://HOST:PORT");
    return URL_E_INVALID;
}

int upstream_proxy_parse(struct str text, struct proxy_config *proxy,
                         struct strbuf *why)
{
    struct str scheme, rest, host;
    int r;

    if (str_find(text, '@') >= 0) {
        strbuf_clear(why); /* whoever quoted it */
        strbuf_addf(why, "the URL of the proxy holds a user or a password; "
                         "write it without, and name a file with USER:PASSWORD "
                         "in it in upstream.proxy.credentials");
        return URL_E_INVALID;
    }
    if (!str_cut(text, ':', &scheme, &rest) || !str_has_prefix(rest, S("//"))) {
        strbuf_addf(why, "has no scheme; write http://HOST:PORT or "
                         "socks5://HOST:PORT");
        return URL_E_INVALID;
    }
    r = find_scheme(scheme, proxy, why);
    if (r)
        return r;
    rest = str_from_index(rest, 2);
    if (str_has_suffix(rest, S("/")))
        rest.len--;
    r = url_host_port(rest, &host, &proxy->port, why);
    if (r)
        return r;
    proxy->host = xstr_dup(host);
    return 0;
}

static bool is_loopback(struct str host, const struct subnet *address)
{
    struct subnet four, six;

    if (!address)
        return str_eq_nocase(host, S("localhost"));
    return (subnet_parse(S("127.0.0.0/8"), &four) &&
            subnet_is_within(address, &four)) ||
           (subnet_parse(S("::1"), &six) && subnet_is_within(address, &six));
}

/* Is HOST the name DOMAIN, or below it? One with a dot in front is only what is
 * below it. */
static bool is_in_domain(struct str host, struct str domain)
{
    size_t len;

    if (str_has_prefix(domain, S("*.")))
        domain = str_from_index(domain, 1);
    if (!str_has_prefix(domain, S(".")) && str_eq_nocase(host, domain))
        return true;
    len = domain.len;
    if (host.len <= len ||
        !str_eq_nocase(str_from_index(host, host.len - len), domain))
        return false;
    return str_has_prefix(domain, S(".")) ||
           host.ptr[host.len - len - 1] == '.';
}

/* Take ":PORT" off the end of *ENTRY, and the brackets of an IPv6 address.
 * False when it is another port. */
static bool take_port(struct str *entry, unsigned port)
{
    struct str text;
    uint64_t number;
    ssize_t end;

    if (str_has_prefix(*entry, S("["))) {
        end = str_find(*entry, ']');
        if (end <= 0)
            return true;
        text = str_from_index(*entry, (size_t)end + 1);
        *entry = str_of(entry->ptr + 1, (size_t)end - 1);
    } else {
        end = str_find(*entry, ':');
        if (end < 0 ||
            str_find(str_from_index(*entry, (size_t)end + 1), ':') >= 0)
            return true;
        text = str_from_index(*entry, (size_t)end);
        *entry = str_head(*entry, (size_t)end);
    }
    if (text.len == 0)
        return true;
    return text.ptr[0] == ':' &&
           str_to_u64(str_from_index(text, 1), &number) == 0 && number == port;
}

static bool spares(struct str entry, struct str host,
                   const struct subnet *address, unsigned port)
{
    struct subnet range;

    if (str_eq(entry, S("*")))
        return true;
    if (entry.len == 0 || !take_port(&entry, port) || entry.len == 0)
        return false;
    if (subnet_parse(entry, &range))
        return address && subnet_is_within(address, &range);
    return !address && is_in_domain(host, entry);
}

bool upstream_proxy_is_spared(struct str list, const char *host, unsigned port)
{
    struct str name = str_from(host), entry, rest = list;
    struct subnet address;
    bool numeric;

    if (str_has_suffix(name, S(".")))
        name.len--;
    numeric = subnet_parse(name, &address);
    if (is_loopback(name, numeric ? &address : NULL))
        return true;
    do {
        str_cut(rest, ',', &entry, &rest);
        if (spares(str_trim(entry), name, numeric ? &address : NULL, port))
            return true;
    } while (rest.len);
    return false;
}

/* A variable, in small letters first, as curl and Go have it. */
static const char *variable(const struct environment *environment,
                            const char *small, const char *large)
{
    const char *value = environment_get(environment, small);

    return value && *value ? value : environment_get(environment, large);
}

int upstream_proxy_make(const struct upstream_policy *keys,
                        const struct environment *environment,
                        struct upstream_config *config, struct strbuf *why)
{
    const char *url = keys->proxy.url;
    const char *spared = NULL;
    int r;

    if (!url && keys->proxy.environment) {
        url = variable(environment, "all_proxy", "ALL_PROXY");
        spared = variable(environment, "no_proxy", "NO_PROXY");
        if (!url || !*url ||
            upstream_proxy_is_spared(str_from(spared), config->host,
                                     config->port))
            return 0;
    }
    if (!url)
        return 0;
    if (!keys->proxy.url)
        strbuf_addf(why, "$ALL_PROXY ");
    r = upstream_proxy_parse(str_from(url), &config->proxy, why);
    if (r)
        return r;
    strbuf_clear(why);
    if (keys->proxy.credentials)
        config->proxy.credentials = xstrdup(keys->proxy.credentials);
    return 0;
}
