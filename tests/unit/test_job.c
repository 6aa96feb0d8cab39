#include "tests/unit/unit.h"

#include <stdio.h>

#include "policy/base/limits.h"
#include "policy/record/job.h"

static char *word_items[] = {
    (char[]){"label:com.gitlab.gitlab-runner.job.id"},
    (char[]){"env:GITHUB_RUN_ID"},
    (char[]){"env:CI_REPOSITORY_URL"},
};
static const struct strings words = {word_items, 3};

static void assert_job(enum operation operation, const char *body,
                       const char *wanted)
{
    json_auto_t *request = json_loads(body, 0, NULL);
    json_auto_t *job = job_find(&words, operation, request);
    json_auto_t *right = wanted ? json_loads(wanted, 0, NULL) : NULL;

    assert_non_null(request);
    assert_true(right ? json_equal(job, right) : job == NULL);
}

static void labels_and_variables_that_are_named_tell_the_job(void **state)
{
    (void)state;
    assert_job(OP_CONTAINER_CREATE,
               "{\"Labels\": {\"com.gitlab.gitlab-runner.job.id\": \"4711\", "
               "\"other\": \"x\"}, \"Env\": [\"PASSWORD=secret\"]}",
               "{\"com.gitlab.gitlab-runner.job.id\": \"4711\"}");
    assert_job(OP_CONTAINER_EXEC,
               "{\"Env\": [\"GITHUB_RUN_ID=1\", \"GITHUB_RUN_ID=2\", "
               "\"GITHUB_RUN_IDS=3\"]}",
               "{\"GITHUB_RUN_ID\": \"2\"}");
    assert_job(OP_VOLUME_CREATE,
               "{\"Labels\": {\"com.gitlab.gitlab-runner.job.id\": \"1\"}}",
               "{\"com.gitlab.gitlab-runner.job.id\": \"1\"}");
    assert_job(OP_CONTAINER_CREATE, "{\"Env\": [\"GITHUB_RUN_ID\"]}", NULL);
    assert_job(OP_CONTAINER_CREATE, "{\"Env\": [\"GITHUB_RUN_ID=\"]}", NULL);
    assert_job(OP_CONTAINER_CREATE, "{\"Env\": [1, null], \"Labels\": []}",
               NULL);
    assert_job(OP_CONTAINER_UPDATE, "{\"Env\": [\"GITHUB_RUN_ID=1\"]}", NULL);
}

static void a_url_with_a_password_is_not_shown(void **state)
{
    (void)state;
    assert_job(OP_CONTAINER_CREATE,
               "{\"Env\": [\"CI_REPOSITORY_URL="
               "https://gitlab-ci-token:SECRET@gitlab.com/a/b.git\"]}",
               "{\"CI_REPOSITORY_URL\": \"(hidden)\"}");
    assert_job(OP_CONTAINER_CREATE,
               "{\"Env\": [\"CI_REPOSITORY_URL=see http://a/ and "
               "https://u:SEC/RET@gitlab.com\"]}",
               "{\"CI_REPOSITORY_URL\": \"(hidden)\"}");
    assert_job(OP_CONTAINER_CREATE,
               "{\"Env\": [\"CI_REPOSITORY_URL="
               "https://gitlab.com/a?private_token=SECRET\"]}",
               "{\"CI_REPOSITORY_URL\": \"(hidden)\"}");
    assert_job(OP_CONTAINER_CREATE,
               "{\"Env\": [\"CI_REPOSITORY_URL=https://gitlab.com/a b@c ?\"]}",
               "{\"CI_REPOSITORY_URL\": \"https://gitlab.com/a b@c ?\"}");
}

static void a_job_is_bounded_as_a_whole(void **state)
{
    AUTO(strbuf_fini) struct strbuf value = STRBUF(LIMIT_JOB_VALUE);
    char *names[] = {(char[]){"env:A"}, (char[]){"env:B"}, (char[]){"env:C"},
                     (char[]){"env:D"}, (char[]){"env:E"}};
    const struct strings five = {names, 5};
    json_auto_t *env = json_array(), *request = NULL, *job = NULL;

    (void)state;
    /* four of them fit to the byte, with their names */
    while (value.len < LIMIT_JOB_BYTES / 4 - 1)
        strbuf_add(&value, S("x"));
    for (char c = 'A'; c <= 'E'; c++)
        json_array_append_new(
            env,
            json_sprintf("%c=%s", c, c == 'E' ? "1" : strbuf_cstr(&value)));
    request = json_pack("{s:O}", "Env", env);
    job = job_find(&five, OP_CONTAINER_EXEC, request);
    assert_int_equal(json_object_size(job), 4);
    assert_null(json_object_get(job, "E"));
}

static void values_are_bounded_at_whole_characters(void **state)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(4 * KIB);
    json_auto_t *request = NULL, *job = NULL;
    struct str value;

    (void)state;
    strbuf_add(&line, S("GITHUB_RUN_ID=x")); /* so that 256 is in a character */
    while (line.len < 2 * LIMIT_JOB_VALUE)
        strbuf_add(&line, S("\xc3\xa4"));
    request = json_pack("{s:[s]}", "Env", strbuf_cstr(&line));
    job = job_find(&words, OP_CONTAINER_EXEC, request);
    value = str_from(json_string_value(json_object_get(job, "GITHUB_RUN_ID")));
    assert_int_equal(value.len, LIMIT_JOB_VALUE - 1);
    assert_true(str_is_utf8(value));
}

static void a_book_knows_the_last_that_were_told(void **state)
{
    struct job_book *book = job_book_new();
    json_auto_t *first = json_pack("{s:s}", "n", "1");
    json_auto_t *second = json_pack("{s:s}", "n", "2");
    char name[32];

    (void)state;
    job_book_put(book, REF_CONTAINER, S("r1.web"), first);
    assert_ptr_equal(job_book_find(book, REF_CONTAINER, S("r1.web")), first);
    assert_null(job_book_find(book, REF_NETWORK, S("r1.web")));
    job_book_put(book, REF_CONTAINER, S("r1.web"), second);
    assert_ptr_equal(job_book_find(book, REF_CONTAINER, S("r1.web")), second);
    job_book_put(book, REF_CONTAINER, S("r1.web"), NULL);
    assert_null(job_book_find(book, REF_CONTAINER, S("r1.web")));
    for (int i = 0; i <= LIMIT_JOBS; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        job_book_put(book, REF_CONTAINER, str_from(name), first);
        job_book_put(book, REF_CONTAINER, S("c0"), second); /* and again */
    }
    assert_ptr_equal(job_book_find(book, REF_CONTAINER, S("c0")), second);
    assert_null(job_book_find(book, REF_CONTAINER, S("c1")));
    assert_ptr_equal(job_book_find(book, REF_CONTAINER, S("c2")), first);
    assert_ptr_equal(job_book_find(book, REF_CONTAINER, str_from(name)), first);
    job_book_free(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_and_variables_that_are_named_tell_the_job),
        cmocka_unit_test(a_url_with_a_password_is_not_shown),
        cmocka_unit_test(a_job_is_bounded_as_a_whole),
        cmocka_unit_test(values_are_bounded_at_whole_characters),
        cmocka_unit_test(a_book_knows_the_last_that_were_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
