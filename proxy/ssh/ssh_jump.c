/* The jump hosts before a link: a link of its own for each. */

#include "proxy/ssh/ssh_link_private.h"

void ssh_jump_end(struct ssh_link *l)
{
    struct ssh_link *outer = l->outer;

    l->outer = NULL;
    if (!outer)
        return;
    outer->upstream.on_status = NULL;
    outer->doomed = true;
    if (outer->depth == 0)       /* else ssh_link_end() does it */
        ssh_link_destroy(outer); /* its one stream was ours */
}

/* Something is new about the stream through the jump host. */
static void on_way(struct stream *way, void *arg)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);
    struct ssh_link *l = arg;

    ssh_link_begin(l);
    if (l->doomed) {
        ssh_link_end(l);
        return;
    }
    if (l->state > LINK_DIALING) {
        ssh_transport_fill(&l->transport);
        ssh_transport_flush(&l->transport);
        ssh_link_run(l);
    } else if (way->state == STREAM_CLOSED) {
        strbuf_addf(&why, "jump host %s: %s", l->config->jump->host,
                    way->why ? way->why : "it closed the connection");
        ssh_link_fail_at(l, UPSTREAM_CONNECT, ssh_jump_behind(l), false,
                         strbuf_str(&why));
    } else if (way->state == STREAM_OPEN) {
        l->way = NULL; /* handed over */
        ssh_transport_init_stream(&l->transport, way,
                                  l->outer->transport.handle);
        ssh_link_log_in(l);
    }
    ssh_link_end(l);
}

/* The jump host is up, or was lost: then so are we. */
static void on_outer(struct upstream *upstream, void *arg)
{
    struct ssh_link *l = arg, *outer = (struct ssh_link *)upstream;
    AUTO(strbuf_fini) struct strbuf why = STRBUF(SSH_LINK_WHY);

    if (outer->state == LINK_UP)
        return;
    ssh_link_begin(l);
    strbuf_add(&why, strbuf_str(&outer->why));
    ssh_link_fail_at(l, outer->failed_at, outer->hops, outer->stubborn,
                     strbuf_str(&why));
    ssh_link_end(l);
}

void ssh_jump_start(struct ssh_link *l)
{
    l->outer = (struct ssh_link *)ssh_link_new(l->waker.base, l->config->jump);
    l->outer->upstream.on_status = on_outer;
    l->outer->upstream.status_arg = l;
    l->way = upstream_open(&l->outer->upstream, on_way, l);
}
