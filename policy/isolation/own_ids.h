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

struct owned;

/* A set of at most MAX words; freed by owned_free, which takes NULL. */
struct owned *owned_new(size_t max);
struct owned *owned_free(struct owned *owned);

/* WORD, of at most OWNED_WORD bytes (a longer one is not remembered), is the
 * namespace's own KIND. */
enum { OWNED_WORD = 128 };
void owned_add(struct owned *owned, enum ref_kind kind, struct str word);
bool owned_has(struct owned *owned, enum ref_kind kind, struct str word);

/* Is there one of this KIND that begins with WORD? Looks at all of them. */
bool owned_begins(const struct owned *owned, enum ref_kind kind,
                  struct str word);

/* How often owned_has was asked, and how often it knew. */
struct owned_uses {
    uint64_t asked, known;
};
struct owned_uses owned_uses(const struct owned *owned);

size_t owned_count(const struct owned *owned);
