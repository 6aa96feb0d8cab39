#pragma once

/*
 * What the BuildKit tunnels of one namespace have in common: which sessions are
 * open, so that none is taken over by who knows its ID (the engine refuses a
 * second one over POST /session only), and how its engine keeps images.
 */

#include "policy/base/str.h"

struct tunnel_share;

struct tunnel_share *tunnel_share_new(void);
struct tunnel_share *tunnel_share_free(struct tunnel_share *share); /* NULL */

/* The session ID opens: false when it is open already, or there are
 * LIMIT_BUILD_SESSIONS. And it is over. */
bool tunnel_share_open(struct tunnel_share *share, struct str id);
void tunnel_share_close(struct tunnel_share *share, struct str id);

/*
 * How the engine keeps images, if that is known of the engine called VERSION:
 * another version is another engine.
 */
bool tunnel_share_knows_store(const struct tunnel_share *share,
                              struct str version, bool *containerd);
void tunnel_share_set_store(struct tunnel_share *share, struct str version,
                            bool containerd);
