#include "policy/config/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

static const struct {
    struct str scheme;
    enum upstream_kind kind;
    bool srv;
} schemes[] = {
    {STR("ssh"),     UPSTREAM_SSH,  false},
    {STR("unix"),    UPSTREAM_UNIX, false},
    {STR("tcp"),     UPSTREAM_TCP,  false},
    {STR("ssh+srv"), UPSTREAM_SSH,  true },
    {STR("tcp+srv"), UPSTREAM_TCP,  true },
};

/* Schemes that Docker has and berth does not, and what to write instead. */
static const struct {
    struct str scheme;
    const char *remedy;
} others[] = {
    {STR("npipe"),
     "berth reaches no named pipe of Windows; write ssh://USER@HOST"         },
    {STR("http"),  "for an engine's plain TCP port write tcp://HOST:PORT"    },
    {STR("https"), "berth speaks no TLS to an engine; write ssh://USER@HOST" },
    {STR("fd"),
     "that is how an engine is told to listen; write unix://" URL_ENGINE_PATH},
};

static int invalid(struct strbuf *why, const char *text)
{
    strbuf_addf(why, "%s", text);
    return URL_E_INVALID;
}

/* What has no place anywhere in a URL of ours. */
static int check_bytes(struct str text, struct strbuf *why)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < ' ' || c == 0x7f)
            return invalid(why, "holds a control byte; write it without");
        if (c == '?' || c == '#')
            return invalid(why, "holds a query or a fragment (\"?\" or "
                                "\"#\"); write it without");
    }
    return 0;
}

static int no_scheme(struct str text, struct strbuf *why)
{
    if (str_has_prefix(text, S("/")))
        strbuf_addf(why, "has no scheme; write \"unix://%.*s\"", STR_FMT(text));
    else
        strbuf_addf(why, "has no scheme; write ssh://USER@HOST, "
                         "unix:///PATH or tcp://HOST:PORT");
    return URL_E_INVALID;
}

static int find_scheme(struct str scheme, struct url *url, struct strbuf *why)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (str_eq_nocase(scheme, schemes[i].scheme)) {
            url->kind = schemes[i].kind;
            url->srv = schemes[i].srv;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (str_eq_nocase(scheme, others[i].scheme)) {
            strbuf_addf(why, "is a URL of %s://; %s", others[i].scheme.ptr,
                        others[i].remedy);
            return URL_E_INVALID;
        }
    }
    return invalid(why, "has a scheme that berth does not know; write "
                        "ssh://USER@HOST, unix:///PATH or tcp://HOST:PORT");
}

static int check_path(struct str path, struct strbuf *why)
{
    size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

    if (!str_has_prefix(path, S("/")))
        return invalid(why, "has no absolute path; write three slashes, like "
                            "unix://" URL_ENGINE_PATH);
    if (str_has_suffix(path, S("/")))
        return invalid(why, "names a directory; write the path of the socket, "
                            "like " URL_ENGINE_PATH);
    if (path.len > max) {
        strbuf_addf(why,
                    "has a path too long for a socket; write one of %zu "
                    "characters at most",
                    max);
        return URL_E_INVALID;
    }
    return 0;
}

static int take_user(struct str *authority, struct url *url, struct strbuf *why)
{
    struct str user = *authority;

    while (user.len && user.ptr[user.len - 1] != '@')
        user.len--;
    if (user.len == 0)
        return 0;
    *authority = str_from_index(*authority, user.len);
    user.len--;
    if (str_find(user, ':') >= 0)
        return invalid(why, "holds a password, which berth never takes from a "
                            "URL; write it without and use upstream.identity");
    if (url->kind != UPSTREAM_SSH)
        return invalid(why, "names a user, which only ssh:// has; write it "
                            "without");
    for (size_t i = 0; i < user.len; i++) {
        unsigned char c = (unsigned char)user.ptr[i];

        if (c <= ' ' || c >= 0x7f || c == '%' || c == '@')
            return invalid(why, "has a user name with a blank, \"%\", \"@\" or "
                                "a byte outside ASCII in it; write the name of "
                                "the account as it is");
    }
    if (user.len == 0 || user.len > LIMIT_USER)
        return invalid(why, "has a user name that is empty or too long; write "
                            "ssh://USER@HOST, or leave out the \"@\"");
    url->user = user;
    return 0;
}

static bool is_ipv6(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len >= sizeof(text) || memchr(host.ptr, '\0', host.len))
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_host_name(struct str host)
{
    if (host.len == 0 || host.len > LIMIT_HOST || host.ptr[0] == '-' ||
        host.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return false;
    }
    return true;
}

/* Cut the host off the front of *AUTHORITY, leaving "" or ":port". */
static int take_host(struct str *authority, struct url *url, struct strbuf *why)
{
    struct str host = *authority;
    ssize_t end;

    if (str_has_prefix(host, S("["))) {
        end = str_find(host, ']');
        url->host = end < 0 ? S("") : str_of(host.ptr + 1, (size_t)end - 1);
        if (end < 0 || !is_ipv6(url->host))
            return invalid(why, "has no IPv6 address between \"[\" and \"]\"; "
                                "write one like [2001:db8::1], or a name");
        *authority = str_from_index(host, (size_t)end + 1);
        return 0;
    }
    end = str_find(host, ':');
    if (end >= 0 && str_find(str_from_index(host, (size_t)end + 1), ':') >= 0)
        return invalid(why, "has more than one \":\" in its host; write an "
                            "IPv6 address in brackets, like [2001:db8::1]");
    url->host = end < 0 ? host : str_head(host, (size_t)end);
    if (url->host.len == 0)
        return invalid(why, "names no host; write it behind the \"//\"");
    if (!is_host_name(url->host))
        return invalid(why, "has a host that is no name and no address; write "
                            "letters, digits, \"-\", \"_\" and \".\"");
    *authority = str_from_index(host, url->host.len);
    return 0;
}

/* The records are those of a name, and say the port. */
static int check_srv(struct str authority, struct str host, struct strbuf *why)
{
    struct in_addr address;
    char text[INET_ADDRSTRLEN + 1];

    if (authority.len)
        return invalid(why, "names a port, which the SRV records of the name "
                            "say; write it without");
    snprintf(text, sizeof(text), "%.*s", STR_FMT(str_head(host, sizeof(text))));
    if (is_ipv6(host) || inet_pton(AF_INET, text, &address) == 1)
        return invalid(why, "has an address where it needs the name of SRV "
                            "records; write one like _docker._tcp.example.com");
    return 0;
}

static int take_port(struct str authority, struct url *url, struct strbuf *why)
{
    uint64_t port;

    if (url->srv)
        return check_srv(authority, url->host, why);
    if (authority.len == 0) {
        if (url->kind == UPSTREAM_TCP)
            return invalid(why, "names no port; write tcp://HOST:PORT (2375 is "
                                "Docker's)");
        url->port = URL_SSH_PORT;
        return 0;
    }
    if (authority.ptr[0] != ':' ||
        str_to_u64(str_from_index(authority, 1), &port) < 0 || port == 0 ||
        port > UINT16_MAX)
        return invalid(why, "has a port that is no number from 1 to 65535; "
                            "write HOST:PORT");
    url->port = (unsigned)port;
    url->port_given = true;
    return 0;
}

static int parse_remote(struct str rest, struct url *url, struct strbuf *why)
{
    ssize_t slash = str_find(rest, '/');
    struct str authority = slash < 0 ? rest : str_head(rest, (size_t)slash);
    struct str path = str_from_index(rest, authority.len);
    int r = take_user(&authority, url, why);

    if (r == 0)
        r = take_host(&authority, url, why);
    if (r == 0)
        r = take_port(authority, url, why);
    if (r != 0)
        return r;
    if (path.len == 0 || str_eq(path, S("/"))) {
        if (url->kind == UPSTREAM_SSH)
            url->path = S(URL_ENGINE_PATH);
        return 0;
    }
    if (url->kind == UPSTREAM_TCP)
        return invalid(why, "has a path, which tcp:// cannot use; write "
                            "tcp://HOST:PORT");
    url->path = path;
    return check_path(path, why);
}

/* A ":" and then an "@": wherever the parts turn out to end. */
static bool may_hold_password(struct str text)
{
    struct str before, after, rest;

    str_cut(text, ':', &before, &after);
    str_cut(after, ':', &before, &rest);
    return str_find(rest, '@') >= 0;
}

int url_parse(struct str text, struct url *url, struct strbuf *why)
{
    struct url parts = {0};
    struct str scheme, rest;
    int r;

    if (may_hold_password(text))
        strbuf_clear(why);
    r = check_bytes(text, why);
    if (r != 0)
        return r;
    if (!str_cut(text, ':', &scheme, &rest) || !str_has_prefix(rest, S("//")))
        return no_scheme(text, why);
    rest = str_from_index(rest, 2);
    r = find_scheme(scheme, &parts, why);
    if (r == 0 && parts.kind == UPSTREAM_UNIX) {
        parts.path = rest;
        r = check_path(rest, why);
    } else if (r == 0) {
        r = parse_remote(rest, &parts, why);
    }
    if (r == 0)
        *url = parts;
    return r;
}

int url_host_port(struct str text, struct str *host, unsigned *port,
                  struct strbuf *why)
{
    struct url url = {.kind = UPSTREAM_SSH}; /* without a port it has one */
    int r = check_bytes(text, why);

    if (r == 0)
        r = take_host(&text, &url, why);
    if (r == 0)
        r = take_port(text, &url, why);
    if (r == 0 && !url.port_given)
        r = invalid(why, "names no port; write HOST:PORT");
    *host = url.host;
    *port = url.port;
    return r;
}

int url_to_config(struct str text, const char *default_user,
                  struct upstream_config *config, struct strbuf *why)
{
    struct url url;
    int r = url_parse(text, &url, why);

    if (r != 0)
        return r;
    if (url.kind == UPSTREAM_SSH && url.user.len == 0) {
        url.user = str_from(default_user);
        if (url.user.len == 0)
            return invalid(why, "names no user, and $USER is not set; write "
                                "ssh://USER@HOST");
    }
    config->kind = url.kind;
    config->srv = url.srv;
    config->url = xstr_dup(text);
    config->port = url.port;
    if (url.kind == UPSTREAM_SSH)
        config->user = xstr_dup(url.user);
    if (url.kind != UPSTREAM_UNIX)
        config->host = xstr_dup(url.host);
    if (url.kind != UPSTREAM_TCP)
        config->path = xstr_dup(url.path);
    return 0;
}

bool url_may_lead_to(struct str url, struct str host)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON);
    struct url records, target;

    return str_eq(url, host) ||
           (url_parse(url, &records, &why) == 0 &&
            url_parse(host, &target, &why) == 0 && records.srv && !target.srv &&
            target.kind == records.kind);
}

bool upstream_is_local(const struct upstream_config *config)
{
    struct in_addr address;

    if (config->kind == UPSTREAM_UNIX)
        return true;
    return str_eq_nocase(str_from(config->host), S("localhost")) ||
           strcmp(config->host, "::1") == 0 ||
           (inet_pton(AF_INET, config->host, &address) == 1 &&
            ntohl(address.s_addr) >> 24 == 127);
}
