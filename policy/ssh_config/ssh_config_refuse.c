#include "policy/ssh_config/ssh_config_private.h"

int ssh_run_refuse_at(struct ssh_run *run, const struct ssh_origin *origin,
                      const char *format, ...)
{
    va_list args;

    strbuf_clear(run->why);
    if (origin && origin->line)
        strbuf_addf(run->why, "%s:%u: ", origin->file, origin->line);
    va_start(args, format);
    strbuf_addv(run->why, format, args);
    va_end(args);
    return SSH_CONFIG_E_REFUSED;
}

int ssh_run_refuse(struct ssh_run *run, const char *format, ...)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_SSH_CONFIG_LINE);
    const struct ssh_origin here = {run->file, run->line};
    va_list args;

    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    return ssh_run_refuse_at(run, &here, "%.*s", STR_FMT(strbuf_str(&text)));
}
