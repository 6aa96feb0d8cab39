#pragma once

/* A record with all that can be said. Needs unit.h before it. */

#include "policy/record/audit.h"

struct all {
    struct target target;
    struct route_match match;
    struct verdict verdict;
    json_t *body;
    json_t *changes, *lacks;
    struct audit_facts facts;
};

static void fill(struct all *all, enum method method, const char *target,
                 const char *body)
{
    struct verdict why;

    *all = (struct all){0};
    target_init(&all->target);
    assert_int_equal(target_parse(&all->target, str_from(target), &why), 0);
    assert_int_equal(route_find(method, &all->target, &all->match), 0);
    verdict_deny(&all->verdict, 403, "rule.x", "field", "reason");
    all->body = json_loads(body, 0, NULL);
    assert_non_null(all->body);
    all->changes = json_pack("[s]", "dropped HostConfig.X");
    all->lacks = json_pack("{s:[s]}", "container.privileged", "true");
    all->facts = (struct audit_facts){
        .id = "p-1",
        .namespace_ = "r1",
        .listener = "/run/berth.sock",
        .peer = {.pid = 7, .uid = 8, .gid = 9, .container = "c1"},
        .trace = S("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        .job = all->lacks,
        .time_ns = 1700000000123456789,
        .duration_ns = 1234567,
        .method = method,
        .operation = all->match.route->operation,
        .path = S("/v1.45/asked"),
        .sent = S("/v1.45/sent"),
        .api = 32,
        .target = &all->target,
        .match = &all->match,
        .body = all->body,
        .changes = all->changes,
        .lacks = all->lacks,
        .call = S("/moby.buildkit.v1.Control/Solve"),
        .build = all->lacks,
        .verdict = &all->verdict,
        .status = 403,
        .bytes_in = 1,
        .bytes_out = 2,
        .object = S("c1"),
        .close = AUDIT_CLOSE_DENIED,
    };
}

static void fini(struct all *all)
{
    target_fini(&all->target);
    json_decref(all->body);
    json_decref(all->changes);
    json_decref(all->lacks);
}

static json_t *read_record(int (*put)(struct strbuf *,
                                      const struct audit_facts *),
                           const struct audit_facts *facts)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_AUDIT_LINE);
    json_t *record;

    assert_int_equal(put(&line, facts), 0);
    assert_int_equal(str_find(strbuf_str(&line), '\n'), line.len - 1);
    record = json_loadb(line.ptr, line.len, 0, NULL);
    assert_non_null(record);
    return record;
}
