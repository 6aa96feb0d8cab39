#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/base/limits.h"
#include "policy/record/audit_verify.h"

/* A record of LINES lines, in two files; number LINES / 2 + 1 begins the
 * second. */
enum { LINES = 12, FIRST_FILE = 6, LINE_MAX = 256 };

struct record {
    char lines[LINES + 1][LINE_MAX];
    size_t count;
};

static void make(struct record *record)
{
    struct audit_chain chain = {0};

    record->count = LINES;
    for (size_t i = 0; i < LINES; i++) {
        AUTO(strbuf_fini) struct strbuf line = STRBUF(64), out = STRBUF(KIB);

        strbuf_addf(&line, "{\"call\":%zu}\n", i + 1);
        assert_int_equal(audit_chain_add(&chain, strbuf_str(&line), &out), 0);
        snprintf(record->lines[i], LINE_MAX, "%.*s", (int)out.len - 1, out.ptr);
    }
}

static void add_text(struct str text, void *arg)
{
    struct strbuf *all = arg;

    strbuf_addf(all, "%.*s\n", STR_FMT(text));
}

/* Verify the record: the faults are TEXTS, in any order, and no others. */
static struct audit_verify_result verify(const struct record *record,
                                         const char *const *texts)
{
    AUTO(strbuf_fini) struct strbuf faults = STRBUF(64 * KIB);
    struct audit_verify *v = audit_verify_new(add_text, &faults);
    struct audit_verify_result result;
    size_t count = 0;

    assert_int_equal(audit_verify_file(v, "a.1"), 0);
    for (size_t i = 0; i < record->count; i++) {
        if (i == FIRST_FILE)
            assert_int_equal(audit_verify_file(v, "a"), 0);
        assert_int_equal(audit_verify_line(v, str_from(record->lines[i])), 0);
    }
    result = audit_verify_end(v);
    for (; texts[count]; count++) {
        if (!strstr(strbuf_cstr(&faults), texts[count]))
            fail_msg("no \"%s\" in:\n%s", texts[count], strbuf_cstr(&faults));
    }
    if (result.faults != count)
        fail_msg("%zu faults:\n%s", result.faults, strbuf_cstr(&faults));
    audit_verify_free(v);
    return result;
}

#define FAULTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_FAULTS   ((const char *const[]){NULL})

static void take_out(struct record *record, size_t at)
{
    record->count--;
    for (; at < record->count; at++)
        memcpy(record->lines[at], record->lines[at + 1], LINE_MAX);
}

static void put_in(struct record *record, size_t at, const char *line)
{
    for (size_t i = record->count; i > at; i--)
        memcpy(record->lines[i], record->lines[i - 1], LINE_MAX);
    snprintf(record->lines[at], LINE_MAX, "%s", line);
    record->count++;
}

static void a_whole_record_has_no_fault(void **state)
{
    struct audit_verify_result result;
    struct audit_chain last = {0};
    struct record record;

    (void)state;
    make(&record);
    result = verify(&record, NO_FAULTS);
    assert_int_equal(result.lines, LINES);
    assert_int_equal(result.unchained, 0);
    assert_int_equal(result.first, 1);
    sha256_hex(str_from(record.lines[LINES - 1]), last.hash);
    assert_int_equal(result.last.line, LINES);
    assert_string_equal(result.last.hash, last.hash);
}

static void every_changed_line_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < LINES; i++) {
        struct record record;
        char text[64];

        make(&record);
        record.lines[i][2] = 'C';
        snprintf(text, sizeof(text), "%s:%zu: this line was changed",
                 i < FIRST_FILE ? "a.1" : "a", i % FIRST_FILE + 1);
        verify(&record, FAULTS(text));
    }
}

static void every_missing_line_is_named(void **state)
{
    (void)state;
    for (size_t i = 1; i + 1 < LINES; i++) {
        struct record record;

        make(&record);
        take_out(&record, i);
        verify(&record,
               FAULTS("missing before this line: 1 of the record, after"));
    }
}

static void several_missing_lines_are_counted(void **state)
{
    struct record record;

    (void)state;
    make(&record);
    take_out(&record, 2);
    take_out(&record, 2);
    take_out(&record, 2);
    verify(&record, FAULTS("a.1:3: missing before this line: 3 of the record, "
                           "after a.1:2"));
}

static void a_moved_line_is_the_one_that_is_named(void **state)
{
    char line[LINE_MAX], text[64];

    (void)state;
    for (size_t from = 1; from < LINES; from++) {
        for (size_t to = 1; to < LINES; to++) {
            struct record record;

            if (to == from || to + 1 == from || from + 1 == to)
                continue; /* of two neighbours, either was moved */
            make(&record);
            memcpy(line, record.lines[from], LINE_MAX);
            take_out(&record, from);
            put_in(&record, to, line);
            snprintf(text, sizeof(text), "%s:%zu: line %zu of the record is",
                     to < FIRST_FILE ? "a.1" : "a", to % FIRST_FILE + 1,
                     from + 1);
            verify(&record, FAULTS(text));
        }
    }
}

/* It begins a chain, wherever it is. */
static void a_moved_first_line_is_named(void **state)
{
    char line[LINE_MAX];
    struct record record;

    (void)state;
    make(&record);
    memcpy(line, record.lines[0], LINE_MAX);
    take_out(&record, 0);
    put_in(&record, LINES - 1, line);
    verify(&record, FAULTS("a:6: a chain begins anew here"));
}

static void a_line_that_was_put_in_is_named(void **state)
{
    struct record record;

    (void)state;
    make(&record);
    put_in(&record, 4, "{\"call\":99}");
    verify(&record, FAULTS("a.1:5: this line is in no chain"));
    make(&record);
    put_in(&record, 4, record.lines[2]);
    verify(&record,
           FAULTS("a.1:5: line 3 of the record is not in its place",
                  "a second line 3 of the record; the other is a.1:3"));
}

static void what_was_written_before_there_was_a_chain_is_no_fault(void **state)
{
    struct audit_verify_result result;
    struct record record;

    (void)state;
    make(&record);
    put_in(&record, 0, "{\"call\":0}");
    result = verify(&record, NO_FAULTS);
    assert_int_equal(result.unchained, 1);
}

static void older_files_may_be_gone(void **state)
{
    struct audit_verify_result result;
    struct record record;

    (void)state;
    make(&record);
    take_out(&record, 0);
    take_out(&record, 0);
    result = verify(&record, NO_FAULTS);
    assert_int_equal(result.first, 3);
}

static void a_chain_that_begins_anew_is_a_fault(void **state)
{
    struct record record, other;

    (void)state;
    make(&record);
    make(&other);
    for (size_t i = 8; i < LINES; i++)
        memcpy(record.lines[i], other.lines[i - 8], LINE_MAX);
    verify(&record, FAULTS("a:3: a chain begins anew here"));
}

static void nothing_is_whole(void **state)
{
    struct audit_verify *v = audit_verify_new(add_text, NULL);

    (void)state;
    assert_int_equal(audit_verify_end(v).faults, 0);
    audit_verify_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_record_has_no_fault),
        cmocka_unit_test(every_changed_line_is_named),
        cmocka_unit_test(every_missing_line_is_named),
        cmocka_unit_test(several_missing_lines_are_counted),
        cmocka_unit_test(a_moved_line_is_the_one_that_is_named),
        cmocka_unit_test(a_moved_first_line_is_named),
        cmocka_unit_test(a_line_that_was_put_in_is_named),
        cmocka_unit_test(what_was_written_before_there_was_a_chain_is_no_fault),
        cmocka_unit_test(older_files_may_be_gone),
        cmocka_unit_test(a_chain_that_begins_anew_is_a_fault),
        cmocka_unit_test(nothing_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
