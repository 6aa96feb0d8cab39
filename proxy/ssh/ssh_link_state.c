/* The states of a link, and what it tells of the one that it is in. Nothing
 * here changes anything but the state. */

#include <assert.h>

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/ssh/ssh_link_private.h"

#define BIT(n) (1U << (n))

static const struct state {
    const char *name;
    unsigned next; /* the states that may follow, as bits */
} states[] = {
    [LINK_DOWN] = {"down",     BIT(LINK_DIALING)                  },
    [LINK_DIALING] = {"dialing",  BIT(LINK_DOWN) | BIT(LINK_LOGIN)   },
    [LINK_LOGIN] = {"login",    BIT(LINK_DOWN) | BIT(LINK_STARTING)},
    [LINK_STARTING] = {"starting", BIT(LINK_DOWN) | BIT(LINK_UP)      },
    [LINK_UP] = {"up",       BIT(LINK_DOWN)                     },
};

void ssh_link_enter(struct ssh_link *l, enum link_state to)
{
    assert(states[l->state].next & BIT(to));
    log_debug("link: %s -> %s", states[l->state].name, states[to].name);
    l->state = to;
}

bool ssh_jump_is_one(const struct ssh_link *l)
{
    return l->config->forward_host != NULL;
}

const struct ssh_link *ssh_jump_front(const struct ssh_link *l)
{
    while (l->state == LINK_DIALING && l->outer && l->outer->state != LINK_UP)
        l = l->outer;
    return l;
}

unsigned ssh_jump_behind(const struct ssh_link *l)
{
    unsigned count = 0;

    for (l = l->outer; l; l = l->outer)
        count += l->state == LINK_UP;
    return count;
}

enum upstream_stage ssh_link_stage(const struct ssh_link *l)
{
    static const enum upstream_stage of_login[] = {
        [SSH_LOGIN_HANDSHAKE] = UPSTREAM_HANDSHAKE,
        [SSH_LOGIN_HOST_KEY] = UPSTREAM_HOST_KEY,
        [SSH_LOGIN_AUTH] = UPSTREAM_LOGIN,
        [SSH_LOGIN_DONE] = UPSTREAM_CHANNEL,
    };

    switch (l->state) {
    case LINK_DOWN:
        return l->failed_at;
    case LINK_DIALING:
        return ssh_dial_stage(l);
    case LINK_LOGIN:
        return of_login[l->login.state];
    case LINK_STARTING:
    case LINK_UP:
        break;
    }
    return UPSTREAM_CHANNEL;
}

const char *ssh_link_doing(const struct ssh_link *l)
{
    if (l->state == LINK_DIALING)
        return ssh_dial_doing(l);
    if (l->state == LINK_LOGIN && ssh_auth_waits_for_agent(&l->login.auth))
        return "the agent was asked to sign; if it asks somebody in turn, let "
               "upstream.connect_timeout be longer";
    return states[l->state].name;
}

void ssh_link_get_status(const struct ssh_link *l,
                         struct upstream_status *status)
{
    uint64_t now = clock_ms();

    *status = (struct upstream_status){
        .up = l->state == LINK_UP,
        .stage = ssh_link_stage(l),
        .generation = l->generation,
        .connects = l->generation,
        .links = l->state == LINK_UP,
        .hops = l->state == LINK_DOWN ? l->hops : ssh_jump_behind(l),
        .channels = (unsigned)(l->mux.count + l->mux.spares),
        .open_us = l->mux.quickest_open,
    };
    if (status->up)
        return;
    status->why = l->why.len ? l->why.ptr : "connecting to the SSH server";
    if (l->state == LINK_DOWN && l->retry_at > now)
        status->retry_ms = (unsigned)(l->retry_at - now);
}
