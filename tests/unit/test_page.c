#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/metrics/page.h"

/* What tries to be markup, wherever somebody else's text is shown. */
#define EVIL "<script>alert(\"1\")</script>'&\x01"
#define TAME "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;"

enum { NAMESPACES = 200 };

static struct counters counters;
static struct refusals refusals;
static struct frontend_view frontends[NAMESPACES];
static struct backend_view backend;
static const char *const defences[] = {"missing: " EVIL, NULL};
static struct picture picture;

static void fill_refusals(const char *text, size_t count)
{
    refusals = (struct refusals){.count = count};
    for (size_t i = 0; i < count; i++) {
        struct refusal *r = &refusals.items[i];

        *r = (struct refusal){.time_ns = i + 1,
                              .count = 3,
                              .operation = OP_CONTAINER_CREATE,
                              .verdict = AUDIT_VERDICT_DENY};
        snprintf(r->rule, sizeof(r->rule), "%s", text);
        snprintf(r->field, sizeof(r->field), "%s", text);
        snprintf(r->reason, sizeof(r->reason), "%s", text);
        snprintf(r->path, sizeof(r->path), "%s", text);
        snprintf(r->allow, sizeof(r->allow), "%s", text);
    }
}

static void fill(const char *text, size_t count)
{
    counters = (struct counters){.bytes_in = 3 << 20};
    backend = (struct backend_view){.upstream = text, .why = text};
    for (size_t i = 0; i < count; i++) {
        frontends[i] = (struct frontend_view){
            .runner = text,
            .namespace = "r1",
            .listener = text,
            .counters = &counters,
            .open = {[ACCESS_WRITE] = CALLS_SHOWN + 2},
            .call_count = CALLS_SHOWN,
            .refusals = &refusals,
        };
        for (size_t k = 0; k < CALLS_SHOWN; k++)
            frontends[i].calls[k] = (struct call_view){
                .operation = OP_CONTAINER_CREATE, .path = str_from(text)};
    }
    picture = (struct picture){
        .process = {.version = text,
                    .libssh2 = text,
                    .libevent = text,
                    .defences = defences},
        .frontends = frontends,
        .frontend_count = count,
        .backends = &backend,
        .backend_count = 1,
    };
}

static size_t count_of(const char *page, const char *text)
{
    size_t count = 0;

    while ((page = strstr(page, text)) != NULL) {
        page++;
        count++;
    }
    return count;
}

static void nobodys_text_is_markup(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
    const char *page;

    (void)state;
    fill_refusals(EVIL, 1);
    fill(EVIL, 1);
    assert_int_equal(page_put(&out, &picture), 0);
    page = strbuf_cstr(&out);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "\x01"));
    /* upstream, why, listener, three versions, a defence; the runner's name in
     * each row; the calls; and five texts of the refusal */
    assert_int_equal(count_of(page, TAME),
                     7 + (2 + CALLS_SHOWN + 1) + CALLS_SHOWN + 5);
    assert_non_null(strstr(page, "and 2 more"));
    assert_non_null(strstr(page, "3.0 MiB"));
    assert_non_null(strstr(page, "<span class=r>not ready</span>"));
}

/* As many runners as may be, each with all that is kept, of the longest. */
static void the_page_of_200_namespaces_fits(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(32 * MIB);
    char text[2048];

    (void)state;
    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fill_refusals(text, REFUSALS_KEPT);
    fill(text, NAMESPACES);
    for (size_t i = 0; i < NAMESPACES; i++)
        frontends[i].runner = frontends[i].listener = "runner";
    assert_int_equal(page_put(&out, &picture), 0);
}

static void a_page_that_does_not_fit_is_an_error(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(16 * KIB);

    (void)state;
    fill_refusals("x", REFUSALS_KEPT);
    fill("x", NAMESPACES);
    assert_int_equal(page_put(&out, &picture), -ENOBUFS);
}

static void nothing_at_all_is_a_page_too(void **state)
{
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB);
    const struct picture empty = {.process = {.version = "1"}};

    (void)state;
    assert_int_equal(page_put(&out, &empty), 0);
    assert_non_null(strstr(strbuf_cstr(&out), "ready</span>: runners 0"));
}

static void the_page_loads_and_runs_nothing(void **state)
{
    static const char *const never[] = {"<script", "<link",  "<img",  "<iframe",
                                        "<form",   "src=",   "href=", "url(",
                                        "@import", "onclick"};
    AUTO(strbuf_fini) struct strbuf out = STRBUF(MIB), policy = STRBUF(KIB);

    (void)state;
    fill_refusals("x", 2);
    fill("x", 2);
    assert_int_equal(page_put(&out, &picture), 0);
    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        assert_null(strstr(strbuf_cstr(&out), never[i]));
    assert_int_equal(page_put_policy(&policy), 0);
    assert_non_null(strstr(strbuf_cstr(&policy), "default-src 'none';"));
    assert_non_null(strstr(strbuf_cstr(&policy), "style-src 'sha256-"));
    assert_null(strstr(strbuf_cstr(&policy), "unsafe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobodys_text_is_markup),
        cmocka_unit_test(the_page_of_200_namespaces_fits),
        cmocka_unit_test(a_page_that_does_not_fit_is_an_error),
        cmocka_unit_test(nothing_at_all_is_a_page_too),
        cmocka_unit_test(the_page_loads_and_runs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
