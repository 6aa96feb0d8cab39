/* ProxyJump: [user@]host[:port] and ssh:// URLs, with commas. */

#include <stdlib.h>

#include "policy/ssh_config/ssh_config_private.h"

static bool is_plain(struct str s)
{
    if (s.len == 0 || *s.ptr == '-')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("'`\"$\\;&<>|(){},", c))
            return false;
    }
    return true;
}

static int refused(void)
{
    return SSH_CONFIG_E_REFUSED;
}

static int read_port(struct str text, unsigned *port)
{
    uint64_t number;

    if (text.len == 0)
        return 0;
    if (str_to_u64(text, &number) < 0 || number == 0 || number > UINT16_MAX)
        return refused();
    *port = (unsigned)number;
    return 0;
}

/* Cut the host off the front of *TEXT, leaving its port. */
static int take_host(struct str *text, struct str *host)
{
    struct str rest = *text;
    ssize_t end;

    if (str_has_prefix(rest, S("["))) {
        end = str_find(rest, ']');
        if (end < 0)
            return refused();
        *host = str_of(rest.ptr + 1, (size_t)end - 1);
        rest = str_from_index(rest, (size_t)end + 1);
        if (rest.len && *rest.ptr != ':')
            return refused();
        *text = str_from_index(rest, 1);
    } else {
        str_cut(rest, ':', host, text);
    }
    return is_plain(*host) && host->len <= LIMIT_HOST ? 0 : refused();
}

static int read_hop(struct str text, struct ssh_config_hop *hop)
{
    struct str user = text, host;

    if (str_has_prefix(text, S("ssh://"))) {
        text = str_from_index(text, strlen("ssh://"));
        if (str_has_suffix(text, S("/")))
            text.len--;
        user = text;
    }
    while (user.len && user.ptr[user.len - 1] != '@')
        user.len--;
    if (user.len) {
        text = str_from_index(text, user.len);
        user.len--;
        if (!is_plain(user) || user.len > LIMIT_USER)
            return refused();
    }
    if (take_host(&text, &host) || read_port(text, &hop->port))
        return refused();
    hop->host = xstr_dup(host);
    hop->user = user.len ? xstr_dup(user) : NULL;
    return 0;
}

int ssh_hops_read(struct str text, struct ssh_config_hop **hops, size_t *count)
{
    struct ssh_config_hop *list = xcalloc(LIMIT_JUMPS, sizeof(*list));
    size_t n = 0;
    bool more = true;
    int r = 0;

    while (r == 0 && more) {
        struct str one;

        more = str_cut(text, ',', &one, &text);
        r = n < LIMIT_JUMPS ? read_hop(one, &list[n]) : refused();
        if (r == 0)
            n++;
    }
    *hops = list;
    *count = n;
    return r;
}

void ssh_hops_free(struct ssh_config_hop *hops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(hops[i].host);
        free(hops[i].user);
    }
    free(hops);
}
