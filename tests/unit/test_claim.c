#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/server/claim.h"

/* Names that no other run of this program has. */
static char namespace_[64];

static int setup(void **state)
{
    (void)state;
    snprintf(namespace_, sizeof(namespace_), "test-%d", (int)getpid());
    return 0;
}

/* Another process tries to claim it: its exit code. */
static int in_another_process(const char *name, const char *engine)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
        struct claims all = {.base = event_base_new()};
        struct claim *claim;
        int r = claim_get(&all, name, str_from(engine), &claim, &why);

        _exit(r == 0 ? 0 : r == -EADDRINUSE && why.len ? 1 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

static void a_namespace_on_an_engine_is_claimed_by_one_process(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct claims all = {.base = event_base_new()};
    struct claim *claim, *again;

    (void)state;
    assert_int_equal(claim_get(&all, namespace_, S("unix:/e"), &claim, &why),
                     0);
    assert_int_equal(in_another_process(namespace_, "unix:/e"), 1);
    assert_int_equal(in_another_process(namespace_, "unix:/f"), 0);
    assert_int_equal(in_another_process("test-other", "unix:/e"), 0);
    /* the same process may, as when a reload moves it to another listener */
    assert_int_equal(claim_get(&all, namespace_, S("unix:/e"), &again, &why),
                     0);
    assert_ptr_equal(claim, again);
    claim_unref(again);
    assert_int_equal(in_another_process(namespace_, "unix:/e"), 1);
    claim_unref(claim);
    assert_null(all.first);
    assert_int_equal(in_another_process(namespace_, "unix:/e"), 0);
    event_base_free(all.base);
}

static void who_asks_often_does_not_fill_the_queue(void **state)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(4096);
    struct claims all = {.base = event_base_new()};
    struct claim *claim;

    (void)state;
    assert_int_equal(claim_get(&all, namespace_, S("unix:/e"), &claim, &why),
                     0);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(in_another_process(namespace_, "unix:/e"), 1);
        event_base_loop(all.base, EVLOOP_NONBLOCK);
    }
    claim_unref(claim);
    event_base_free(all.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            a_namespace_on_an_engine_is_claimed_by_one_process, setup),
        cmocka_unit_test_setup(who_asks_often_does_not_fill_the_queue, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
