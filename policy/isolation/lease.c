#include "policy/isolation/lease.h"

#include "policy/base/json_str.h"
#include "policy/base/limits.h"
#include "policy/base/rfc3339.h"
#include "policy/docker/lease_name.h"

enum {
    SHARES = 6,            /* of a term: a lease is made anew so often in it */
    ROUNDING_S = 1,        /* engines tell whole seconds */
    TERM_MOST_S = 1 << 26, /* more than a policy can say */
};

unsigned lease_period_ms(uint64_t term_ms)
{
    uint64_t share = term_ms / SHARES;

    return share < LEASE_PERIOD_MS ? (unsigned)share : LEASE_PERIOD_MS;
}

static const char *const intros[] = {
    [LEASE_ITSELF] = LEASE_NAME,
    [LEASE_MARK] = LEASE_MARK_NAME,
    [LEASE_WATCH] = LEASE_WATCH_NAME,
};

static int put_intro(struct strbuf *out, enum lease_kind kind, struct str ns,
                     uint64_t random)
{
    return strbuf_addf(out, "%s%.*s.%016llx-", intros[kind], STR_FMT(ns),
                       (unsigned long long)random);
}

int lease_put_name(struct strbuf *out, enum lease_kind kind, struct str ns,
                   uint64_t random, unsigned number)
{
    int r = put_intro(out, kind, ns, random);

    return r ? r : strbuf_addf(out, "%u", number);
}

bool lease_is_of(struct str name, struct str ns, uint64_t random)
{
    AUTO(strbuf_fini) struct strbuf intro = STRBUF(LIMIT_NAME);

    return put_intro(&intro, LEASE_ITSELF, ns, random) == 0 &&
           str_has_prefix(name, strbuf_str(&intro));
}

json_t *lease_body(struct str name, struct str ns, unsigned term_s)
{
    json_t *labels = json_pack("{s:s%}", LABEL_LEASE, ns.ptr, ns.len);

    if (term_s)
        json_object_set_new(labels, LABEL_LEASE_TERM,
                            json_sprintf("%u", term_s));
    return json_pack("{s:s%, s:s, s:o}", "Name", name.ptr, name.len, "Driver",
                     "local", "Labels", labels);
}

json_t *lease_watch_body(struct str name, struct str ns, uint64_t print,
                         uint64_t seen_ms)
{
    json_t *body = lease_body(name, ns, 0);
    json_t *labels = json_object_get(body, "Labels");

    json_object_set_new(labels, LABEL_LEASE_PRINT,
                        json_sprintf("%016llx", (unsigned long long)print));
    json_object_set_new(labels, LABEL_LEASE_SEEN,
                        json_sprintf("%llu", (unsigned long long)seen_ms));
    return body;
}

static uint32_t read_term(struct str text)
{
    uint32_t term = 0;

    if (text.len == 0)
        return UINT32_MAX;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || term > TERM_MOST_S)
            return UINT32_MAX;
        term = term * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    return term;
}

/* Is NAME what begins with INTRO, of NS? */
static bool is_named(struct str name, struct str intro, struct str ns)
{
    struct str rest = str_from_index(name, intro.len);

    return str_has_prefix(name, intro) && str_has_prefix(rest, ns) &&
           rest.len > ns.len && rest.ptr[ns.len] == '.';
}

static bool read_kind(struct lease_row *row)
{
    for (size_t i = 0; i < sizeof(intros) / sizeof(*intros); i++) {
        row->kind = (enum lease_kind)i;
        if (is_named(row->name, str_from(intros[i]), row->ns))
            return true;
    }
    return false;
}

bool leases_walk(const json_t *reply,
                 void (*visit)(void *arg, const struct lease_row *row),
                 void *arg)
{
    const json_t *list = json_object_get(reply, "Volumes"), *volume;
    size_t i;

    json_array_foreach(list, i, volume)
    {
        const json_t *labels = json_object_get(volume, "Labels");
        struct lease_row row = {
            .ns = str_at(labels, LABEL_LEASE),
            .name = str_at(volume, "Name"),
            .made = rfc3339_seconds(str_at(volume, "CreatedAt")),
            .term_s = read_term(str_at(labels, LABEL_LEASE_TERM)),
        };

        (void)str_to_hex64(str_at(labels, LABEL_LEASE_PRINT), &row.print);
        (void)str_to_u64(str_at(labels, LABEL_LEASE_SEEN), &row.seen_ms);
        if (row.ns.len && read_kind(&row))
            visit(arg, &row);
    }
    return json_is_array(list) || (reply && json_is_null(list));
}

bool lease_row_is_over(const struct lease_row *row, int64_t now)
{
    uint32_t term = row->kind == LEASE_MARK ? LEASE_MARK_S : row->term_s;

    return row->made != 0 && term != UINT32_MAX &&
           (now > row->made + (int64_t)term + ROUNDING_S ||
            now + ROUNDING_S < row->made);
}

bool lease_mark_works(const struct lease_row *row, int64_t now)
{
    return row->kind == LEASE_MARK && !lease_row_is_over(row, now) &&
           now <= row->made + LEASE_ALONE_S + ROUNDING_S;
}

struct looking {
    struct str ns, newest;
    int64_t now;
    bool fresh;
    struct lease_look look;
};

static void see(void *arg, const struct lease_row *row)
{
    struct looking *looking = arg;

    if (!str_eq(row->ns, looking->ns))
        return;
    looking->look.marks += row->kind == LEASE_MARK;
    looking->look.leases += row->kind == LEASE_ITSELF;
    if (row->kind == LEASE_MARK) {
        looking->fresh |=
            row->made == 0 || looking->now <= row->made + LEASE_MARK_S;
    } else if (str_eq(row->name, looking->newest)) {
        looking->look.has_newest = true;
        looking->look.now = row->made;
    }
}

struct lease_look lease_look(const json_t *reply, struct str ns,
                             struct str newest)
{
    struct looking looking = {.ns = ns, .newest = newest};

    leases_walk(reply, see, &looking);
    return looking.look;
}

bool lease_has_fresh_mark(const json_t *reply, struct str ns, int64_t now)
{
    struct looking looking = {.ns = ns, .newest = S(""), .now = now};

    leases_walk(reply, see, &looking);
    return looking.fresh;
}
