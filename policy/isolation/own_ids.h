#pragma once

/*
 * What is known to be a namespace's own: full IDs of containers, networks and
 * images, exec IDs, names of anonymous volumes. An owner never changes, so
 * what is in here stays true; what is not in here may be owned all the same.
 * Bounded: the word heard of longest ago makes room.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"
#include "policy/docker/route.h"

struct own_ids;

/* A set of at most MAX words; freed by own_ids_free, which takes NULL. */
struct own_ids *own_ids_new(size_t max);
struct own_ids *own_ids_free(struct own_ids *owned);

/* WORD, of at most OWNED_WORD bytes (a longer one is not remembered), is the
 * namespace's own KIND. */
enum { OWNED_WORD = 128 };
void owned_add(struct own_ids *owned, enum ref_kind kind, struct str word);
bool own_ids_has(struct own_ids *owned, enum ref_kind kind, struct str word);

/*
 * The container ID, which is in here, publishes no ports: that is settled when
 * it is made, by its ID for good. False also when nothing is known of it.
 */
void own_ids_note_portless(struct own_ids *owned, struct str id);
bool own_ids_is_portless(const struct own_ids *owned, struct str id);

/* Is there one of this KIND that begins with WORD? Looks at all of them. */
bool own_ids_begins(const struct own_ids *owned, enum ref_kind kind,
                    struct str word);

/* How often own_ids_has was asked, and how often it knew. */
struct own_ids_uses {
    uint64_t asked, known;
};
struct own_ids_uses own_ids_uses(const struct own_ids *owned);

size_t own_ids_count(const struct own_ids *owned);
