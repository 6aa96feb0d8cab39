#include "tests/support/exchange_driver.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOM_FOR_TESTS (64 * MIB)

/* ---- what the exchange asks of the world ---- */

static struct policy *host_policy(void *arg)
{
    struct exchange_driver *d = arg;

    return d->policy;
}

static const struct engine_facts *host_engine(void *arg)
{
    struct exchange_driver *d = arg;

    return &d->facts;
}

static struct own_ids *host_owned(void *arg)
{
    struct exchange_driver *d = arg;

    return d->owned;
}

static struct job_book *host_jobs(void *arg)
{
    struct exchange_driver *d = arg;

    return d->jobs;
}

static struct ledger *host_ledger(void *arg)
{
    struct exchange_driver *d = arg;

    return d->ledger;
}

static void host_turn(void *arg)
{
    struct exchange_driver *d = arg;

    d->turn = true;
}

static struct tunnel_share *host_builds(void *arg)
{
    struct exchange_driver *d = arg;

    return d->builds;
}

static uint64_t host_random(void *arg)
{
    (void)arg;
    return 4;
}

static bool host_has_room(void *arg, size_t more)
{
    struct exchange_driver *d = arg;

    return d->memory == 0 ||
           connection_memory(d->connection) + more <= d->memory;
}

static uint64_t host_clock(void *arg)
{
    struct exchange_driver *d = arg;

    return d->now_ns;
}

static int host_audit(void *arg, struct str line)
{
    struct exchange_driver *d = arg;

    if (d->audit_fails)
        return -ENOSPC;
    assert(line.len && line.ptr[line.len - 1] == '\n');
    assert(str_find(line, '\n') == (ssize_t)line.len - 1);
    return strbuf_add(&d->audit, line);
}

static void host_ended(void *arg, const struct audit_facts *end)
{
    struct exchange_driver *d = arg;

    counters_add(&d->counters, end);
    if ((end->operation == OP_SYSTEM_PING ||
         end->operation == OP_SYSTEM_PING_HEAD) &&
        end->close == AUDIT_CLOSE_LOCAL && end->status == 200)
        d->idle_pings++;
}

static void host_identify(void *arg, char *id, size_t size)
{
    struct exchange_driver *d = arg;

    snprintf(id, size, "x-%u", ++d->exchanges);
}

struct policy *driver_policy(const char *keys)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_POLICY);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_POLICY);
    const struct environment environment = {0};
    struct policy_source source = {.name = "policy",
                                   .environment = &environment};
    struct policy *policy = NULL;

    strbuf_addf(&text,
                "{\"version\": 1, %s"
                "\"upstream\": {\"url\": \"unix:///engine.sock\"}%s%s%s}",
                strstr(keys, "\"namespace\":") ? "" : "\"namespace\": \"r1\", ",
                strstr(keys, "\"isolation\"") ? ""
                                              : ", \"isolation\": \"none\"",
                *keys ? ", " : "", keys);
    source.text = strbuf_str(&text);
    if (policy_load(&source, &policy, &why)) {
        fprintf(stderr, "%s\n", strbuf_cstr(&why));
        abort();
    }
    return policy;
}

static void connect_sides(struct exchange_driver *d)
{
    for (int side = CLIENT; side <= ENGINE; side++)
        d->sides[side] = (struct driver_side){
            .in = STRBUF(ROOM_FOR_TESTS),
            .out = STRBUF(ROOM_FOR_TESTS),
            .room = SIZE_MAX,
        };
    d->has_stream = d->failed = d->closed = false;
    d->fate = STREAM_NONE;
    d->connection = connection_new(&d->host);
}

static void disconnect(struct exchange_driver *d)
{
    d->connection = connection_free(d->connection);
    for (int side = CLIENT; side <= ENGINE; side++) {
        strbuf_fini(&d->sides[side].in);
        strbuf_fini(&d->sides[side].out);
    }
}

void driver_init(struct exchange_driver *d, struct policy *policy)
{
    *d = (struct exchange_driver){
        .host =
            {
                   .policy = host_policy,
                   .engine = host_engine,
                   .owned = host_owned,
                   .has_room = host_has_room,
                   .ledger = host_ledger,
                   .jobs = host_jobs,
                   .turn = host_turn,
                   .clock_ns = host_clock,
                   .random = host_random,
                   .audit = host_audit,
                   .ended = host_ended,
                   .identify = host_identify,
                   .arg = d,
                   .listener = "/run/berth.sock",
                   .peer = {.pid = 7, .uid = 1000, .gid = 100},
                   },
        .policy = policy,
        .builds = tunnel_share_new(),
        .piece = SIZE_MAX,
        .audit = STRBUF(ROOM_FOR_TESTS),
        .now_ns = 1700000000123456789,
    };
    d->jobs = job_book_new();
    d->ledger = d->own_ledger = ledger_new();
    connect_sides(d);
    engine_facts_init(&d->facts);
    d->facts.oldest = API_MINOR_OLDEST;
}

void driver_reconnect(struct exchange_driver *d)
{
    disconnect(d);
    connect_sides(d);
}

void driver_fini(struct exchange_driver *d)
{
    disconnect(d);
    ledger_free(d->own_ledger);
    job_book_free(d->jobs);
    strbuf_fini(&d->audit);
    engine_facts_fini(&d->facts);
    tunnel_share_free(d->builds);
    policy_unref(d->policy);
}

void driver_know_engine(struct exchange_driver *d)
{
    const struct http_head head = {
        .status = 200,
        .headers = {{STR("Api-Version"), STR("1.45")},
                    {STR("Content-Length"), STR("2")},
                    {STR("Ostype"), STR("linux")}},
        .header_count = 3,
    };
    bool learned = engine_facts_learn(&d->facts, &head);

    assert(learned);
}

void driver_see_builds(struct exchange_driver *d, const char *server)
{
    const struct http_head head = {
        .status = 200,
        .headers = {{STR("Api-Version"), STR("1.45")},
                    {STR("Server"), str_from(server)}},
        .header_count = 2,
    };
    bool learned = engine_facts_learn(&d->facts, &head);

    assert(learned);
    d->host.builds = host_builds;
}

/* ---- wishes become deeds ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool write_to(struct exchange_driver *d, enum side to)
{
    struct driver_side *side = &d->sides[to];
    struct str out = connection_output(d->connection, to);
    size_t len = least(least(out.len, side->room), d->piece);
    int r;

    if (to == ENGINE && (!d->has_stream || d->failed))
        return false;
    if (len) {
        assert(!side->shut);
        r = strbuf_add(&side->out, str_head(out, len));
        assert(r == 0);
        side->room -= side->room == SIZE_MAX ? 0 : len;
        connection_sent(d->connection, to, len);
    }
    if (len == out.len && !side->shut &&
        connection_wish(d->connection).shut[to]) {
        side->shut = true;
        return true;
    }
    return len > 0;
}

/* From memory of exactly that size, so that a byte too far is seen. */
static bool feed(struct exchange_driver *d, enum side from)
{
    struct driver_side *side = &d->sides[from];
    struct str in = str_head(strbuf_str(&side->in), d->piece);
    char *copy = malloc(in.len);
    size_t used;

    assert(copy && in.len);
    memcpy(copy, in.ptr, in.len);
    used = connection_feed(d->connection, from, str_of(copy, in.len));
    free(copy);
    assert(used <= in.len);
    strbuf_consume(&side->in, used);
    return used > 0;
}

static bool read_from(struct exchange_driver *d, enum side from)
{
    struct driver_side *side = &d->sides[from];

    if (from == ENGINE && !d->has_stream)
        return false;
    if (!connection_wish(d->connection).read[from]) {
        if (from == CLIENT || !d->failed || !side->told_eof ||
            connection_wish(d->connection).ask)
            return false;
        connection_stream_failed(d->connection, d->why, 1, d->pristine);
        return true;
    }
    if (side->in.len)
        return feed(d, from);
    if (from == ENGINE && d->failed) {
        connection_stream_failed(d->connection, d->why, 1, d->pristine);
        return true;
    }
    if (!side->eof || side->told_eof)
        return false;
    side->told_eof = true;
    connection_eof(d->connection, from);
    return true;
}

static bool settle_stream(struct exchange_driver *d)
{
    struct driver_side *side = &d->sides[ENGINE];
    enum connection_stream wish = connection_wish(d->connection).stream;

    if (wish == STREAM_NONE || wish == STREAM_WANTED || wish == STREAM_USED)
        return false;
    d->has_stream = d->failed = false;
    d->fate = wish;
    /* as the pool sees to: nobody may read what was said to another */
    if (wish == STREAM_REUSABLE && (side->in.len || side->eof || side->shut))
        d->fate = STREAM_SPENT;
    strbuf_clear(&side->in);
    side->eof = side->told_eof = side->shut = false;
    connection_stream_gone(d->connection);
    return true;
}

void driver_settle(struct exchange_driver *d)
{
    bool progress = true;
    size_t index;

    while (progress && !d->closed) {
        progress = d->turn;
        d->turn = false;
        if (progress)
            connection_turn(d->connection);
        while (connection_next_lookup(d->connection, &index))
            connection_lookup_sent(d->connection, index);
        progress |= settle_stream(d);
        progress |= write_to(d, ENGINE);
        progress |= read_from(d, ENGINE);
        progress |= write_to(d, CLIENT);
        progress |= read_from(d, CLIENT);
        if (connection_wish(d->connection).close &&
            !connection_output(d->connection, CLIENT).len) {
            settle_stream(d);
            d->closed = true;
        }
    }
}

void driver_send(struct exchange_driver *d, enum side side, struct str bytes)
{
    int r;

    if (side == ENGINE && !d->has_stream)
        return; /* nobody is there any more */
    r = strbuf_add(&d->sides[side].in, bytes);
    assert(r == 0);
    driver_settle(d);
}

void driver_eof(struct exchange_driver *d, enum side side)
{
    d->sides[side].eof = true;
    driver_settle(d);
}

void driver_client_gone(struct exchange_driver *d)
{
    struct driver_side *client = &d->sides[CLIENT];

    client->eof = client->told_eof = true;
    strbuf_clear(&client->in);
    if (!d->closed)
        connection_client_gone(d->connection);
    driver_settle(d);
}

bool driver_wants_stream(const struct exchange_driver *d)
{
    return !d->closed && !d->has_stream &&
           connection_wish(d->connection).stream == STREAM_WANTED;
}

bool driver_open_stream(struct exchange_driver *d)
{
    if (!driver_wants_stream(d))
        return false;
    d->has_stream = true;
    d->fate = STREAM_NONE;
    connection_stream_open(d->connection);
    driver_settle(d);
    return true;
}

void driver_fail_stream(struct exchange_driver *d, const char *why,
                        bool pristine)
{
    d->why = why;
    d->pristine = pristine;
    if (d->has_stream)
        d->failed = true;
    else if (connection_wish(d->connection).ask)
        connection_ask_failed(d->connection, why, 1);
    else if (driver_wants_stream(d))
        connection_stream_failed(d->connection, why, 1, true);
    driver_settle(d);
}

const struct lookup *driver_lookup(const struct exchange_driver *d,
                                   size_t *index)
{
    const struct lookups *set = connection_lookups(d->connection);

    for (*index = 0; !d->closed && *index < set->count; ++*index) {
        if (connection_awaits_lookup(d->connection, *index))
            return &set->items[*index];
    }
    return NULL;
}

bool driver_answer(struct exchange_driver *d, int status, json_t *reply)
{
    size_t index;

    if (!driver_lookup(d, &index))
        return false;
    connection_answered(d->connection, index, status, reply);
    driver_settle(d);
    return true;
}
