#pragma once

/*
 * The ranges of addresses that an engine gives to networks which ask for none
 * ("default-address-pools" in its daemon.json), and how many of them are left.
 */

#include <jansson.h>

/* What is left is counted up to this. */
enum { ADDRESS_POOLS_MANY = 1000 };

/*
 * How many networks INFO and NETWORKS, the engine's replies to GET /info and
 * GET /networks, leave room for, up to ADDRESS_POOLS_MANY. An engine passes
 * over what its host has routes to as well, so there may be fewer; none is
 * none. Where INFO names no pools, they are those of libnetwork (ipamutils).
 * -1: these are no such replies.
 */
int address_pools_left(const json_t *info, const json_t *networks);
