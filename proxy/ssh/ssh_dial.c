/* A socket to the first host of the way, by itself or through a proxy. */

#include "proxy/ssh/ssh_link_private.h"

void ssh_dial_end(struct ssh_link *l)
{
    dialer_cancel(l->dialer);
    l->dialer = NULL;
    proxy_dialer_cancel(l->proxy);
    l->proxy = NULL;
}

enum upstream_stage ssh_dial_stage(const struct ssh_link *l)
{
    if (l->proxy)
        return proxy_dialer_has_asked(l->proxy) ? UPSTREAM_CONNECT
                                                : UPSTREAM_PROXY;
    return l->before_proxy ? UPSTREAM_PROXY : UPSTREAM_CONNECT;
}

const char *ssh_dial_doing(const struct ssh_link *l)
{
    if (!l->proxy)
        return "dialing";
    return proxy_dialer_has_asked(l->proxy)
               ? "the proxy was asked to connect there"
               : "no answer of the proxy";
}

static void on_dialed(int fd, const char *error, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    struct ssh_link *l = arg;

    l->dialer = NULL;
    if (fd < 0)
        strbuf_addf(&why, "cannot connect to %s: %s", l->config->host, error);
    l->on_socket(l, fd, &why);
}

static void on_proxied(int fd, bool unreached, const char *error, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    struct ssh_link *l = arg;

    l->proxy = NULL;
    l->before_proxy = fd < 0 && !unreached;
    if (fd < 0)
        strbuf_add(&why, str_from(error));
    l->on_socket(l, fd, &why);
}

void ssh_dial_start(struct ssh_link *l, ssh_dial_cb on_socket)
{
    const struct upstream_config *config = l->config;

    l->on_socket = on_socket;
    l->before_proxy = false;
    if (config->proxy.kind != PROXY_NONE)
        l->proxy = proxy_dialer_start(l->waker.base, config, on_proxied, l);
    else
        l->dialer =
            dialer_start(l->waker.base, config->host, config->port,
                         &(struct dialer_options){
                             config->ip_version, config->bind_address, l->skip},
                         config->connect_timeout_ms, on_dialed, l);
}
