#include "policy/isolation/lease_book.h"

#include <stdlib.h>

#include "policy/base/limits.h"

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
    uint64_t since_ms;  /* they have been the same; */
    uint64_t credit_ms; /* and for so long before that */
    struct record {
        uint64_t seen_ms;
        int64_t made;
    } record; /* the longest that the last look found of them */
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

    leases->marked |= lease_mark_works(row, now);
    if (row->kind != LEASE_ITSELF)
        return;
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

    if (row->kind == LEASE_WATCH)
        return;
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

/* Of the leases that the same list has. */
static void note_record(void *arg, const struct lease_row *row)
{
    struct lease_book *book = arg;
    struct entry *entry = row->kind == LEASE_WATCH ? find(book, row->ns) : NULL;

    if (entry && row->print == entry->next.print &&
        row->seen_ms > entry->record.seen_ms)
        entry->record = (struct record){row->seen_ms, row->made};
}

/* Up to the last look. */
static uint64_t seen_ms(const struct lease_book *book,
                        const struct entry *entry)
{
    uint64_t here =
        book->began_ms > entry->since_ms ? book->began_ms - entry->since_ms : 0;

    return entry->credit_ms + here;
}

/* What counts of MS after a gap. */
static uint64_t after_gap(const struct entry *entry, uint64_t ms)
{
    uint64_t sure = sure_ms(&entry->next);
    uint64_t most = sure - lease_period_ms(sure);

    return ms < most ? ms : most;
}

static bool is_same(const struct entry *entry)
{
    return entry->known.count && entry->known.count == entry->next.count &&
           entry->known.print == entry->next.print;
}

/* They are new to this process: go on from what others recorded. The engine
 * tells how long ago that was. */
static uint64_t begin_with(const struct lease_book *book,
                           const struct entry *entry)
{
    const struct record *record = &entry->record;
    uint64_t sure = sure_ms(&entry->next);
    int64_t gap_s = book->now - record->made;

    if (record->made == 0 || gap_s < 0 || (uint64_t)gap_s * 1000 > sure / 2)
        return after_gap(entry, record->seen_ms);
    return record->seen_ms < sure ? record->seen_ms : sure;
}

/* One look at ENTRY, which ended at ENDED_MS, so long after the last. */
static void update(const struct lease_book *book, struct entry *entry,
                   uint64_t ended_ms, uint64_t gap_ms)
{
    if (!is_same(entry)) {
        entry->credit_ms = begin_with(book, entry);
        entry->since_ms = ended_ms;
    } else if (gap_ms > sure_ms(&entry->next) / 2) {
        entry->credit_ms = after_gap(entry, seen_ms(book, entry));
        entry->since_ms = ended_ms;
    }
    entry->known = entry->next;
}

bool lease_book_look(struct lease_book *book, int64_t now, uint64_t began_ms,
                     const json_t *reply, uint64_t ended_ms)
{
    uint64_t gap_ms = ended_ms - book->began_ms; /* all that went by */
    size_t kept = 0;

    book->now = now;
    for (size_t i = 0; i < book->count; i++) {
        book->items[i].next = (struct leases){.count = 0};
        book->items[i].record = (struct record){.seen_ms = 0};
    }
    if (!leases_walk(reply, note, book))
        return false;
    leases_walk(reply, note_record, book);
    for (size_t i = 0; i < book->count; i++) {
        struct entry *entry = &book->items[i];

        if (!entry->next.count) {
            free(entry->ns);
            continue;
        }
        update(book, entry, ended_ms, gap_ms);
        book->items[kept++] = *entry;
    }
    book->count = kept;
    book->began_ms = began_ms;
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
    return seen_ms(book, entry) >= sure_ms(&entry->known) ? LEASE_OVER
                                                          : LEASE_DOUBTED;
}

bool lease_book_at(const struct lease_book *book, size_t index,
                   struct lease_known *known)
{
    const struct entry *entry;
    uint64_t seen;

    if (index >= book->count)
        return false;
    entry = &book->items[index];
    seen = seen_ms(book, entry);
    *known = (struct lease_known){
        .ns = entry->ns,
        .state = state_of(book, entry),
        .ends = entry->known.ends,
        .print = entry->known.print,
        .seen_ms = seen,
        .news_ms =
            seen > entry->record.seen_ms ? seen - entry->record.seen_ms : 0,
        .period_ms = lease_period_ms(sure_ms(&entry->known)),
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
        uint64_t sure = sure_ms(&entry->known), seen = seen_ms(book, entry);
        unsigned ms = lease_period_ms(sure);

        if (state_of(book, entry) != LEASE_DOUBTED)
            continue;
        if (sure - seen < ms)
            ms = (unsigned)(sure - seen);
        if (!again || ms < again)
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
