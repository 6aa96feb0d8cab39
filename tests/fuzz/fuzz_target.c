/*
 * The input is "METHOD TARGET". Property: a target that is taken and written
 * anew names the same route, names and query once more, and is then written
 * the same way: judge and engine cannot read it differently.
 */

#include <assert.h>

#include "policy/docker/route.h"
#include "tests/fuzz/fuzz.h"

/* The next pair from *AT on that ROUTE knows, or NULL. */
static const struct query_pair *
next_known(const struct route *route, const struct target *target, size_t *at)
{
    bool repeats;

    while (*at < target->query_count) {
        const struct query_pair *pair = &target->query[(*at)++];

        if (route_knows_query(route, pair->key, &repeats))
            return pair;
    }
    return NULL;
}

static void assert_same_query(const struct route *route,
                              const struct target *asked,
                              const struct target *again)
{
    size_t i = 0, j = 0;

    for (;;) {
        const struct query_pair *a = next_known(route, asked, &i);
        const struct query_pair *b = next_known(route, again, &j);

        if (!a || !b) {
            assert(!a && !b);
            return;
        }
        assert(str_eq(a->key, b->key) && str_eq(a->value, b->value));
    }
}

static void assert_same_match(const struct route_match *a,
                              const struct route_match *b)
{
    assert(a->route == b->route);
    assert(a->param_count == b->param_count);
    for (size_t i = 0; i < a->param_count; i++) {
        assert(a->params[i].kind == b->params[i].kind);
        assert(str_eq(a->params[i].value, b->params[i].value));
    }
}

static void check(enum method method, struct target *asked)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(4 * LIMIT_HEAD);
    AUTO(strbuf_fini) struct strbuf twice = STRBUF(4 * LIMIT_HEAD);
    AUTO(target_fini) struct target again;
    struct route_match match, found;
    struct verdict why;

    target_init(&again);
    if (route_find(method, asked, &match) != 0)
        return;
    assert(route_put_target(&out, &match, asked) == 0);
    if (target_parse(&again, strbuf_str(&out), &why) != 0) {
        /* escapes made it longer: the only reason there is */
        assert(why.status == 414);
        return;
    }
    assert(route_find(method, &again, &found) == 0);
    assert_same_match(&match, &found);
    assert(again.query_count <= asked->query_count);
    assert(again.versioned == asked->versioned && again.minor == asked->minor);
    assert_same_query(match.route, asked, &again);
    assert(route_check_query(&match, asked, &why) ==
           route_check_query(&found, &again, &why));
    assert(route_put_target(&twice, &found, &again) == 0);
    assert(str_eq(strbuf_str(&out), strbuf_str(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    AUTO(target_fini) struct target target;
    struct verdict why = {0};
    struct str method, raw;

    target_init(&target);
    str_cut(str_of((const char *)bytes, len), ' ', &method, &raw);
    if (target_parse(&target, raw, &why) == 0)
        check(method_find(method), &target);
    else
        assert(why.kind == VERDICT_DENY && why.status >= 400 && why.reason[0]);
    return 0;
}
