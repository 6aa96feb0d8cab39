#include "tests/unit/unit.h"

#include <stdio.h>

#include "policy/base/limits.h"
#include "proxy/exchange/tunnel_share.h"

static void a_session_is_open_once(void **state)
{
    struct tunnel_share *share = tunnel_share_new();

    (void)state;
    assert_true(tunnel_share_open(share, S("a")));
    assert_true(tunnel_share_open(share, S("b")));
    assert_false(tunnel_share_open(share, S("a")));
    tunnel_share_close(share, S("a"));
    assert_true(tunnel_share_open(share, S("a")));
    tunnel_share_close(share, S("nobody"));
    assert_false(tunnel_share_open(share, S("b")));
    tunnel_share_free(share);
}

static void sessions_have_a_maximum(void **state)
{
    struct tunnel_share *share = tunnel_share_new();
    char id[16];

    (void)state;
    for (int i = 0; i < LIMIT_BUILD_SESSIONS; i++) {
        snprintf(id, sizeof(id), "%d", i);
        assert_true(tunnel_share_open(share, str_from(id)));
    }
    assert_false(tunnel_share_open(share, S("more")));
    tunnel_share_close(share, S("0"));
    assert_true(tunnel_share_open(share, S("more")));
    tunnel_share_free(share);
}

static void what_is_known_of_one_engine_is_not_of_another(void **state)
{
    struct tunnel_share *share = tunnel_share_new();
    bool containerd = false;

    (void)state;
    assert_false(tunnel_share_knows_store(share, S("26.1"), &containerd));
    tunnel_share_set_store(share, S("26.1"), true);
    assert_true(tunnel_share_knows_store(share, S("26.1"), &containerd));
    assert_true(containerd);
    assert_false(tunnel_share_knows_store(share, S("28.5"), &containerd));
    tunnel_share_free(share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_open_once),
        cmocka_unit_test(sessions_have_a_maximum),
        cmocka_unit_test(what_is_known_of_one_engine_is_not_of_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
