#include "tests/unit/unit.h"

#include "policy/docker/bind_spec.h"

static void a_bind_is_read_as_an_engine_reads_it(void **state)
{
    struct bind_spec spec;

    (void)state;
    assert_null(bind_spec_parse(S("/a:/b:ro,z,rslave,cached"), &spec));
    assert_true(str_eq(spec.source, S("/a")) && str_eq(spec.target, S("/b")));
    assert_true(spec.read_only && !spec.read_write && spec.relabel);
    assert_true(str_eq(spec.propagation, S("rslave")));
    assert_null(bind_spec_parse(S("/b"), &spec));
    assert_true(spec.source.len == 0 && str_eq(spec.target, S("/b")));
    assert_null(bind_spec_parse(S("v:/b:"), &spec));
    assert_non_null(bind_spec_parse(S("/a:/b:ro:z"), &spec));
    assert_non_null(bind_spec_parse(S("/a:/b:RO"), &spec));
    assert_non_null(bind_spec_parse(S("/a:/b:ro,,z"), &spec));
    assert_non_null(bind_spec_parse(S("/a:/b:z,Z"), &spec));
    assert_non_null(bind_spec_parse(S("/a:/b:shared,slave"), &spec));
    assert_non_null(bind_spec_parse(S("/a:"), &spec));
    assert_non_null(bind_spec_parse(S(":/a"), &spec));
    assert_non_null(bind_spec_parse(S(""), &spec));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bind_is_read_as_an_engine_reads_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
