#pragma once

/*
 * What of the host a container gets to see. There are three ways to ask for
 * it: a string in Binds (check_binds.c), a Mount of type bind (check_mounts.c),
 * and a volume whose driver has options (the rules of section volume judge
 * these). The first two are judged here by container.mounts, and by
 * container.engine_socket where it is docker.sock.
 */

#include "policy/judge/check.h"

/* One wish for a path of the host, and what becomes of it. */
struct bind_wish {
    struct str text; /* all of it, of a string */
    struct str source;
    bool read_only, read_write; /* as the client said, if it did */
    bool relabel;
    bool shared_read_only; /* the policy says so */
    bool force_read_only;  /* and the client did not */
    bool left_out;         /* it is not mounted at all */
    bool leads_back;       /* to this berth: a socket takes its place */
    bool listed;           /* the policy has a path for it */
    bool create;           /* which the engine may make */
    bool of_runner;        /* it is a path of the runner's own container */
    struct str copied;     /* the rule's source, where it is copied; or empty */
    struct strbuf host;    /* the path on the host */
};

void bind_wish_fini(struct bind_wish *wish);

/*
 * May what WISH has as its source be mounted? Fills in what becomes of it, and
 * warns where that is not what was asked for. False after a refusal.
 */
bool judge_host_source(struct judge *judge, const struct place *place,
                       struct bind_wish *wish);
/* May a mount propagate so? An empty MODE is the engine's default. Refuses. */
bool propagation_is_good(struct judge *judge, const struct place *place,
                         struct str mode);

/* Is it called otherwise on the host? Where the policy has no word for the
 * source, it stays what it is. */
bool bind_is_mapped(const struct bind_wish *wish);
/* Is it no path of the engine's host? */
bool bind_is_elsewhere(const struct bind_wish *wish);
/* What MOUNT is on the host is left to be found; it may become a volume, which
 * has neither labels of its own nor a propagation. MAKE: what is missing of a
 * copied one may be made. */
void bind_mark_elsewhere(struct judge *judge, const struct bind_wish *wish,
                         json_t *mount, struct str propagation, bool make);
/* Remember what was asked for at TARGET: ASKED (taken over) as KEY. */
void bind_note_asked(struct judge *judge, struct str target, const char *key,
                     json_t *asked);

/* What is left out is taken from its list when all have been judged, and is
 * null until then. The first returns true. */
bool bind_leave_out(struct judge *judge, const struct place *place);
void binds_remove_left_out(json_t *list);
