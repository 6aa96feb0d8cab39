#include "policy/isolation/lease_book.h"

#include <stdlib.h>

#include "policy/base/limits.h"

enum { LOOKS = 4 }; /* while one makes sure; every other may be missed */

/* The leases of one namespace, as of one look. */
struct leases {
    unsigned count;
    uint64_t print;
    bool held;   /* one of them is not over */
    bool marked; /* by somebody who may be at it */
    int64_t ends;
    uint32_t term_s; /* the longest */
};

struct entry {
    char *ns;
    struct leases known, next;
    uint64_t since_ms; /* they have been the same */
};

struct lease_book {
    struct entry *items;
    size_t count, room;
    int64_t now;       /* of the look that runs, or the last */
    uint64_t began_ms; /* the last that told something */
};

struct lease_book *lease_book_new(void)
{
    return xcalloc(1, sizeof(struct lease_book));
}

struct lease_book *lease_book_free(struct lease_book *book)
{
    if (!book)
        return NULL;
    for (size_t i = 0; i < book->count; i++)
        free(book->items[i].ns);
    free(book->items);
    free(book);
    return NULL;
}

/* ---- one look ---- */

/* FNV-1a; names are random, and nobody but berths makes them. */
static uint64_t print_of(struct str name)
{
    uint64_t print = 0xcbf29ce484222325;

    for (size_t i = 0; i < name.len; i++)
        print = (print ^ (unsigned char)name.ptr[i]) * 0x100000001b3;
    return print;
}

static void add(struct leases *leases, const struct lease_row *row, int64_t now)
{
    int64_t ends = row->made + (int64_t)row->term_s;

    if (row->is_mark) {
        leases->marked |= !lease_row_is_over(row, now);
        return;
    }
    leases->count++;
    leases->print += print_of(row->name); /* in any order */
    leases->held |= !lease_row_is_over(row, now);
    if (ends > leases->ends)
        leases->ends = ends;
    if (row->term_s > leases->term_s)
        leases->term_s = row->term_s;
}

static struct entry *find(const struct lease_book *book, struct str ns)
{
    for (size_t i = 0; i < book->count; i++) {
        if (str_eq(str_from(book->items[i].ns), ns))
            return &book->items[i];
    }
    return NULL;
}

static void make_room(struct lease_book *book)
{
    if (book->count < book->room)
        return;
    book->room = book->room ? 2 * book->room : 16;
    book->items = reallocarray(book->items, book->room, sizeof(*book->items));
    if (!book->items)
        abort();
}

static void note(void *arg, const struct lease_row *row)
{
    struct lease_book *book = arg;
    struct entry *entry = find(book, row->ns);

    if (!entry && book->count == LIMIT_OWNERS)
        return; /* the next look has room for it */
    if (!entry) {
        make_room(book);
        entry = &book->items[book->count++];
        *entry = (struct entry){.ns = xstr_dup(row->ns)};
    }
    add(&entry->next, row, book->now);
}

static uint64_t sure_ms(const struct leases *leases)
{
    return (uint64_t)leases->term_s * 1000;
}

/* Was it seen to be the same all the time up to this look? */
static bool is_same(const struct entry *entry, uint64_t gap_ms)
{
    return entry->known.count && entry->known.count == entry->next.count &&
           entry->known.print == entry->next.print &&
           gap_ms <= sure_ms(&entry->next) / 2;
}

bool lease_book_look(struct lease_book *book, int64_t now, uint64_t began_ms,
                     const json_t *reply, uint64_t ended_ms)
{
    uint64_t gap_ms = ended_ms - book->began_ms; /* all that went by */
    size_t kept = 0;

    book->now = now;
    for (size_t i = 0; i < book->count; i++)
        book->items[i].next = (struct leases){.count = 0};
    if (!leases_walk(reply, note, book))
        return false;
    book->began_ms = began_ms;
    for (size_t i = 0; i < book->count; i++) {
        struct entry *entry = &book->items[i];

        if (!entry->next.count) {
            free(entry->ns);
            continue;
        }
        if (!is_same(entry, gap_ms))
            entry->since_ms = ended_ms;
        entry->known = entry->next;
        book->items[kept++] = *entry;
    }
    book->count = kept;
    return true;
}

/* ---- what follows from it ---- */

static enum lease_state state_of(const struct lease_book *book,
                                 const struct entry *entry)
{
    if (entry->known.held)
        return LEASE_HELD;
    if (entry->known.marked)
        return LEASE_SWEPT;
    return book->began_ms > entry->since_ms &&
                   book->began_ms - entry->since_ms >= sure_ms(&entry->known)
               ? LEASE_OVER
               : LEASE_DOUBTED;
}

bool lease_book_at(const struct lease_book *book, size_t index,
                   struct lease_known *known)
{
    const struct entry *entry;

    if (index >= book->count)
        return false;
    entry = &book->items[index];
    *known = (struct lease_known){
        .ns = entry->ns,
        .state = state_of(book, entry),
        .ends = entry->known.ends,
        .print = entry->known.print,
    };
    return true;
}

struct lease_known lease_book_find(const struct lease_book *book, struct str ns)
{
    struct lease_known known = {.state = LEASE_UNKNOWN};
    const struct entry *entry = find(book, ns);

    if (entry)
        lease_book_at(book, (size_t)(entry - book->items), &known);
    return known;
}

unsigned lease_book_again_ms(const struct lease_book *book)
{
    unsigned again = 0;

    for (size_t i = 0; i < book->count; i++) {
        const struct entry *entry = &book->items[i];
        unsigned ms = (unsigned)(sure_ms(&entry->known) / LOOKS);

        if (state_of(book, entry) == LEASE_DOUBTED && (!again || ms < again))
            again = ms ? ms : 1;
    }
    return again;
}

struct one {
    struct str ns;
    int64_t now;
    struct leases leases;
};

static void note_one(void *arg, const struct lease_row *row)
{
    struct one *one = arg;

    if (str_eq(row->ns, one->ns))
        add(&one->leases, row, one->now);
}

uint64_t lease_print(const json_t *reply, struct str ns, int64_t now,
                     bool *all_over)
{
    struct one one = {.ns = ns, .now = now};

    *all_over = leases_walk(reply, note_one, &one) && !one.leases.held;
    return one.leases.count ? one.leases.print : 0;
}
