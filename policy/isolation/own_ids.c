#include "policy/isolation/own_ids.h"

#include <stdlib.h>

/* A hash table of chains through an array, and the same entries in the order
 * in which they were last heard of. */
struct entry {
    char word[OWNED_WORD];
    size_t len;
    enum ref_kind kind;
    bool portless;
    struct entry *chain;         /* the next of the same bucket */
    struct entry *older, *newer; /* a ring with OWNED's own entry in it */
};

struct own_ids {
    size_t max, count;
    size_t bucket_count;
    struct own_ids_uses uses;
    struct entry **buckets;
    struct entry ring; /* .newer is the oldest, .older the newest */
};

struct own_ids *own_ids_new(size_t max)
{
    struct own_ids *owned = xcalloc(1, sizeof(*owned));

    owned->max = max ? max : 1;
    owned->bucket_count = owned->max;
    owned->buckets = xcalloc(owned->bucket_count, sizeof(struct entry *));
    owned->ring.older = owned->ring.newer = &owned->ring;
    return owned;
}

struct own_ids *own_ids_free(struct own_ids *owned)
{
    if (!owned)
        return NULL;
    for (struct entry *at = owned->ring.newer, *next; at != &owned->ring;
         at = next) {
        next = at->newer;
        free(at);
    }
    free(owned->buckets);
    free(owned);
    return NULL;
}

/* FNV-1a */
static struct entry **bucket_of(const struct own_ids *owned, enum ref_kind kind,
                                struct str word)
{
    uint64_t hash = 14695981039346656037u ^ (unsigned)kind;

    for (size_t i = 0; i < word.len; i++)
        hash = (hash ^ (unsigned char)word.ptr[i]) * 1099511628211u;
    return &owned->buckets[hash % owned->bucket_count];
}

/* The link that points to the entry, or to NULL at the end of its chain. */
static struct entry **find(const struct own_ids *owned, enum ref_kind kind,
                           struct str word)
{
    struct entry **at = bucket_of(owned, kind, word);

    while (*at && !((*at)->kind == kind &&
                    str_eq(str_of((*at)->word, (*at)->len), word)))
        at = &(*at)->chain;
    return at;
}

static void unlink_entry(struct entry *entry)
{
    entry->older->newer = entry->newer;
    entry->newer->older = entry->older;
}

static void make_newest(struct own_ids *owned, struct entry *entry)
{
    entry->older = owned->ring.older;
    entry->newer = &owned->ring;
    entry->older->newer = entry;
    owned->ring.older = entry;
}

static void forget(struct own_ids *owned, struct entry **at)
{
    struct entry *entry = *at;

    *at = entry->chain;
    unlink_entry(entry);
    free(entry);
    owned->count--;
}

/* Is it there? Then it was just heard of. */
static bool heard(struct own_ids *owned, enum ref_kind kind, struct str word)
{
    struct entry *entry = *find(owned, kind, word);

    if (!entry)
        return false;
    unlink_entry(entry);
    make_newest(owned, entry);
    return true;
}

void owned_add(struct own_ids *owned, enum ref_kind kind, struct str word)
{
    struct entry *entry;

    if (word.len == 0 || word.len > OWNED_WORD || heard(owned, kind, word))
        return;
    if (owned->count == owned->max) {
        entry = owned->ring.newer;
        forget(owned,
               find(owned, entry->kind, str_of(entry->word, entry->len)));
    }
    entry = xcalloc(1, sizeof(*entry));
    memcpy(entry->word, word.ptr, word.len);
    entry->len = word.len;
    entry->kind = kind;
    entry->chain = *bucket_of(owned, kind, word);
    *bucket_of(owned, kind, word) = entry;
    make_newest(owned, entry);
    owned->count++;
}

bool own_ids_has(struct own_ids *owned, enum ref_kind kind, struct str word)
{
    bool known = heard(owned, kind, word);

    owned->uses.asked++;
    owned->uses.known += known;
    return known;
}

void own_ids_note_portless(struct own_ids *owned, struct str id)
{
    struct entry *entry = *find(owned, REF_CONTAINER, id);

    if (entry)
        entry->portless = true;
}

bool own_ids_is_portless(const struct own_ids *owned, struct str id)
{
    const struct entry *entry = *find(owned, REF_CONTAINER, id);

    return entry && entry->portless;
}

bool own_ids_begins(const struct own_ids *owned, enum ref_kind kind,
                    struct str word)
{
    for (const struct entry *at = owned->ring.newer; at != &owned->ring;
         at = at->newer) {
        if (at->kind == kind && str_has_prefix(str_of(at->word, at->len), word))
            return true;
    }
    return false;
}

struct own_ids_uses own_ids_uses(const struct own_ids *owned)
{
    return owned->uses;
}

size_t own_ids_count(const struct own_ids *owned)
{
    return owned->count;
}
