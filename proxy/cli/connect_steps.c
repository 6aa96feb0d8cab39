#include "proxy/cli/connect_private.h"

#include <assert.h>
#include <stdio.h>

#define BIT(n) (1U << (n))
#define UNIX   BIT(UPSTREAM_UNIX)
#define TCP    BIT(UPSTREAM_TCP)
#define SSH    BIT(UPSTREAM_SSH)

static const struct {
    const char *name;
    unsigned kinds;     /* the upstreams that have this step */
    const char *remedy; /* where the reason alone does not say */
} steps[] = {
    [STEP_NAME] = {"name",     TCP | SSH,
                   "see upstream.url, and how this machine resolves names"                },
    [STEP_PROXY] = {"proxy",    SSH,              NULL                                     },
    [STEP_TCP] = {"TCP",      TCP | SSH,
                   "does it listen there, on this port, and does a firewall "
                  "let this machine through?"                                             },
    [STEP_SOCKET] = {"socket",   UNIX,
                   "is the engine running, and may this user use its "
                     "socket?"                                                            },
    [STEP_SSH] = {"SSH",      SSH,              "is it an SSH server that answers there?"},
    [STEP_HOST_KEY] = {"host key", SSH,              NULL                                     },
    [STEP_LOGIN] = {"login",    SSH,              NULL                                     },
    [STEP_CHANNEL] = {"channel",  SSH,              NULL                                     },
    [STEP_ENGINE] = {"engine",   UNIX | TCP | SSH,
                   "is it a Docker engine, and does it work over there?"                  },
    [STEP_API] = {"API",      UNIX | TCP | SSH, NULL                                     },
    [STEP_ID] = {"ID",       0,                NULL                                     },
    [STEP_RUNNER] = {"runner",   0,                NULL                                     },
    [STEP_PORTS] = {"ports",    0,                NULL                                     },
};

const struct proxy_config *walk_proxy(const struct walk *w)
{
    const struct proxy_config *proxy = &w->hops[0]->proxy;

    return w->hop == 0 && proxy->kind != PROXY_NONE ? proxy : NULL;
}

bool walk_has_step(const struct walk *w, enum step step)
{
    if (step == STEP_PROXY && !walk_proxy(w))
        return false;
    return steps[step].kinds & BIT(w->config->kind);
}

void walk_say(const char *word, enum step step, const char *format, ...)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_STEP);
    AUTO(strbuf_fini) struct strbuf line = STRBUF(4 * LIMIT_STEP);
    va_list args;

    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    strbuf_add_visible(&line, strbuf_str(&text));
    printf("%-4s  %-8s  %.*s\n", word, steps[step].name,
           STR_FMT(strbuf_str(&line)));
}

void walk_fail(struct walk *w, const char *why)
{
    const char *remedy = steps[w->at].remedy;

    walk_say("FAIL", w->at, "%s%s%s", why, remedy ? "; " : "",
             remedy ? remedy : "");
    event_base_loopbreak(w->base);
}

/* What is worth knowing of a step that went well. */
static void pass(const struct walk *w, enum step step)
{
    const struct upstream_config *config = w->hops[w->hop];
    bool jump = w->hop < w->hop_count;
    const char *before = jump ? "jump host " : "";
    const char *host = jump ? config->host : "";
    const char *colon = jump ? ": " : "";
    const struct proxy_config *proxy = walk_proxy(w);

    switch (step) {
    case STEP_NAME:
        if (proxy)
            walk_say("ok", step, "proxy %s: %.*s", proxy->host,
                     STR_FMT(strbuf_str(&w->addresses)));
        else
            walk_say("ok", step, "%s%s: %.*s", before, config->host,
                     STR_FMT(strbuf_str(&w->addresses)));
        break;
    case STEP_PROXY:
        assert(proxy);
        walk_say("ok", step, "port %u, and it lets us in", proxy->port);
        break;
    case STEP_TCP:
        walk_say("ok", step, "%s%s%sport %u%s", before, host, colon,
                 config->port, proxy ? ", as the proxy says" : "");
        break;
    case STEP_LOGIN:
        walk_say("ok", step, "%s%s%sas %s", before, host, colon, config->user);
        break;
    case STEP_SOCKET:
    case STEP_CHANNEL:
        walk_say("ok", step, "to %s", config->path);
        break;
    case STEP_SSH:
        walk_say("ok", step, "%s%s%skeys are exchanged", before, host, colon);
        break;
    case STEP_HOST_KEY:
        walk_say("ok", step, "%s%s%sis the one that is trusted", before, host,
                 colon);
        break;
    case STEP_ENGINE:
    case STEP_API:
    case STEP_ID:
    case STEP_RUNNER:
    case STEP_PORTS:
    case STEP_END:
        break; /* told by the engine's answer */
    }
}

void walk_reach(struct walk *w, enum step step)
{
    for (; w->at < step; w->at++) {
        if (walk_has_step(w, w->at))
            pass(w, w->at);
    }
}

void walk_reach_hop(struct walk *w, unsigned count)
{
    for (; w->hop < count && w->hop < w->hop_count; w->hop++) {
        walk_reach(w, STEP_CHANNEL);
        w->at = STEP_TCP; /* it looks up the name of the next */
    }
}
