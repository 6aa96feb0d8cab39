#include "policy/config/upstream_target.h"

#include <stdlib.h>

#include "policy/config/url.h"

/* As berth prints it, and as upstream.drain may name it. */
static int put_url(struct strbuf *out, const struct upstream_config *of,
                   const char *host, unsigned port)
{
    bool ssh = of->kind == UPSTREAM_SSH;
    bool usual = !ssh || !strcmp(of->path, URL_ENGINE_PATH);

    return strbuf_addf(out, "%s://%s%s%s:%u%s", ssh ? "ssh" : "tcp",
                       ssh ? of->user : "", ssh ? "@" : "", host, port,
                       usual ? "" : of->path);
}

int upstream_target_make(struct upstream_config *config,
                         const struct upstream_config *of, const char *host,
                         unsigned port)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_PATH);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REASON);
    struct url url;

    if (put_url(&text, of, host, port) != 0 ||
        url_parse(strbuf_str(&text), &url, &why) != 0 ||
        !str_eq(url.host, str_from(host)) || url.port != port)
        return URL_E_INVALID;
    *config = *of;
    config->srv = false;
    config->srv_name = of->host;
    config->url = xstr_dup(strbuf_str(&text));
    config->host = xstrdup(host);
    config->port = port;
    if (of->jump) { /* the last of them connects to the target */
        config->jump = xcalloc(1, sizeof(*config->jump));
        *config->jump = *of->jump;
        config->jump->forward_host = xstrdup(host);
        config->jump->forward_port = port;
    }
    return 0;
}

void upstream_target_fini(struct upstream_config *config)
{
    if (config->jump)
        free(config->jump->forward_host);
    free(config->jump);
    free(config->host);
    free(config->url);
    *config = (struct upstream_config){0};
}
