#include "tests/unit/unit.h"

#include "tests/unit/audit_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the document ---- */

struct document {
    char text[32 * 1024];
};

static void read_document(struct document *document)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(4096);
    const char *root = getenv("BERTH_SOURCE_ROOT");
    FILE *file;
    size_t got;

    strbuf_addf(&path, "%s/docs/audit.md", root ? root : ".");
    file = fopen(strbuf_cstr(&path), "rb");
    if (!file)
        fail_msg("%s cannot be opened", strbuf_cstr(&path));
    got = fread(document->text, 1, sizeof(document->text) - 1, file);
    fclose(file);
    assert_true(got < sizeof(document->text) - 1);
    document->text[got] = '\0';
}

/*
 * The next row "| `NAME` | CELL |" in REST, which must be the table's: an
 * empty name at its end.
 */
static struct str next_row(struct str *rest, struct str *cell)
{
    struct str line, name;

    str_cut(*rest, '\n', &line, rest);
    if (!str_has_prefix(line, S("| `")))
        return S("");
    line = str_from_index(line, 3);
    str_cut(line, '`', &name, &line);
    str_cut(str_from_index(line, 3), '|', cell, &line);
    *cell = str_trim(*cell);
    return name;
}

/* What is behind the head of the table that begins with TITLE. */
static struct str table(const struct document *document, const char *title)
{
    const char *at = strstr(document->text, title);
    struct str rest, line;

    assert_non_null(at);
    rest = str_from(at);
    str_cut(rest, '\n', &line, &rest);
    str_cut(rest, '\n', &line, &rest);
    return rest;
}

/* RECORD's keys are the document's fields of its kind, in their order. */
static void check_order(const struct document *document, json_t *record,
                        const char *kind)
{
    struct str rest = table(document, "| field |"), cell, name;
    void *at = json_object_iter(record);

    for (;;) {
        name = next_row(&rest, &cell);
        if (name.len && !str_has_prefix(cell, S("all")) &&
            !str_has_prefix(cell, str_from(kind)))
            continue;
        if (!at || !name.len)
            break;
        if (!str_eq(name, str_from(json_object_iter_key(at))))
            fail_msg("documented: %.*s, on record: %s", STR_FMT(name),
                     json_object_iter_key(at));
        at = json_object_iter_next(record, at);
    }
    assert_int_equal(name.len, 0);
    assert_null(at);
}

static const char create[] =
    "{\"Labels\":{\"berth.image\":\"app:1\"},"
    "\"Image\":\"a\",\"Entrypoint\":\"e\",\"Cmd\":[\"c\"],\"User\":\"u\","
    "\"NetworkingConfig\":{\"EndpointsConfig\":{\"n\":{\"DriverOpts\":{}}}},"
    "\"HostConfig\":{\"Binds\":[\"/a:/b\"],\"Mounts\":[{\"Type\":\"volume\","
    "\"Source\":\"s\",\"Target\":\"t\",\"ReadOnly\":true,"
    "\"VolumeOptions\":{\"x\":1}}],\"VolumesFrom\":[\"v\"],"
    "\"NetworkMode\":\"n\",\"PortBindings\":{\"80/tcp\":[]},"
    "\"Privileged\":true,\"CapAdd\":[\"ALL\"],\"Devices\":[{}],"
    "\"SecurityOpt\":[\"o\"],\"PidMode\":\"host\",\"IpcMode\":\"host\","
    "\"Runtime\":\"r\"}}";

static void the_document_has_every_field_in_its_order(void **state)
{
    struct document document;
    struct all all;
    json_t *record;

    (void)state;
    read_document(&document);
    fill(&all, METHOD_POST, "/containers/create?name=db", create);
    record = read_record(audit_put_end, &all.facts);
    check_order(&document, record, "end");
    json_decref(record);
    record = read_record(audit_put_decision, &all.facts);
    check_order(&document, record, "decision");
    json_decref(record);
    record = read_record(audit_put_call, &all.facts);
    check_order(&document, record, "call");
    json_decref(record);
    fini(&all);
}

static void a_field_that_says_nothing_is_left_out(void **state)
{
    const struct audit_facts facts = {.id = "p-1", .namespace_ = "r1"};
    struct document document;
    struct str rest, cell, name;
    json_t *record = read_record(audit_put_end, &facts);

    (void)state;
    read_document(&document);
    rest = table(&document, "| field |");
    while ((name = next_row(&rest, &cell)).len) {
        char *key = xstr_dup(name);

        if (str_has_suffix(cell, S("always")) != !!json_object_get(record, key))
            fail_msg("%s: %.*s", key, STR_FMT(cell));
        free(key);
    }
    json_decref(record);
}

/* Does the document name OPERATION in the row of LABEL? */
static bool documents(const struct document *document, struct str label,
                      const char *operation)
{
    struct str rest = table(document, "| member of"), cell, name;

    while ((name = next_row(&rest, &cell)).len) {
        if (str_eq(name, label))
            return memmem(cell.ptr, cell.len, operation, strlen(operation));
    }
    return false;
}

static void the_document_has_every_member_of_a_request(void **state)
{
    static const struct {
        const char *target, *body;
    } requests[] = {
        {"/containers/create",     create                             },
        {"/containers/a/exec",
         "{\"Cmd\":[\"c\"],\"User\":\"u\",\"Privileged\":true}"       },
        {"/networks/create",       "{\"Name\":\"n\",\"Driver\":\"d\"}"},
        {"/networks/n/connect",    "{\"Container\":\"c\"}"            },
        {"/networks/n/disconnect", "{\"Container\":\"c\"}"            },
        {"/volumes/create",        "{\"Name\":\"n\",\"Driver\":\"d\"}"},
    };
    struct document document;
    struct str rest, cell, name;
    size_t documented = 0, recorded = 0;

    (void)state;
    read_document(&document);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct all all;
        json_t *record, *request, *value;
        const char *label;

        fill(&all, METHOD_POST, requests[i].target, requests[i].body);
        record = read_record(audit_put_decision, &all.facts);
        request = json_object_get(record, "request");
        json_object_foreach(request, label, value)
        {
            recorded++;
            if (!documents(&document, str_from(label),
                           operation_name(all.facts.operation)))
                fail_msg("%s is not documented", label);
        }
        json_decref(record);
        fini(&all);
    }
    rest = table(&document, "| member of");
    while ((name = next_row(&rest, &cell)).len) {
        documented++;
        for (size_t i = 0; i < cell.len && cell.ptr[i] != ':'; i++)
            documented += cell.ptr[i] == ',';
    }
    assert_int_equal(documented, recorded);
}

static void the_document_has_every_close_word(void **state)
{
    struct document document;
    struct str rest, cell, name;
    enum audit_close close = AUDIT_CLOSE_NONE;

    (void)state;
    read_document(&document);
    rest = table(&document, "| `close` | meaning |");
    while ((name = next_row(&rest, &cell)).len) {
        close++;
        assert_true(close <= AUDIT_CLOSE_SHUTDOWN);
        if (!str_eq(name, str_from(audit_close_name(close))))
            fail_msg("%.*s is not %s", STR_FMT(name), audit_close_name(close));
    }
    assert_int_equal(close, AUDIT_CLOSE_SHUTDOWN);
}

/* ---- single fields ---- */

static void a_record_is_one_line_that_never_changes_its_form(void **state)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(LIMIT_AUDIT_LINE);
    struct all all;

    (void)state;
    fill(&all, METHOD_POST, "/v1.45/containers/a/kill?signal=TERM&x=1", "{}");
    verdict_allow(&all.verdict, "operations.allow");
    all.facts.changes = NULL;
    all.facts.lacks = NULL;
    all.facts.object = S("");
    all.facts.status = 204;
    all.facts.close = AUDIT_CLOSE_DONE;
    assert_int_equal(audit_put_end(&line, &all.facts), 0);
    assert_string_equal(
        strbuf_cstr(&line),
        "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"event\":\"end\","
        "\"id\":\"p-1\",\"namespace\":\"r1\",\"listener\":\"/run/berth.sock\","
        "\"pid\":7,\"uid\":8,\"gid\":9,\"container\":\"c1\","
        "\"traceparent\":\"00-"
        "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\","
        "\"job\":{\"container.privileged\":[\"true\"]},"
        "\"method\":\"POST\","
        "\"operation\":\"ContainerKill\",\"path\":\"/v1.45/asked\","
        "\"sent\":\"/v1.45/"
        "sent\",\"api\":\"1.32\",\"query\":{\"signal\":\"TERM\"},"
        "\"verdict\":\"allow\",\"rule\":\"operations.allow\",\"status\":204,"
        "\"bytes_in\":1,\"bytes_out\":2,\"duration_ms\":1.234,"
        "\"close\":\"done\"}\n");
    fini(&all);
}

static void what_a_report_only_policy_lets_pass_is_told_apart(void **state)
{
    struct all all;
    json_t *record;

    (void)state;
    fill(&all, METHOD_GET, "/info", "{}");
    all.facts.would_deny = true;
    record = read_record(audit_put_end, &all.facts);
    assert_string_equal(json_string_value(json_object_get(record, "verdict")),
                        "would-deny");
    assert_string_equal(json_string_value(json_object_get(record, "reason")),
                        "reason");
    json_decref(record);
    fini(&all);
}

static void bytes_of_a_peer_cannot_leave_their_string(void **state)
{
    struct all all;
    json_t *record, *query;

    (void)state;
    fill(&all, METHOD_GET, "/containers/json?limit=%22%2C%0A%22verdict%22",
         "{}");
    all.facts.path = S("/a\"\n\x01");
    record = read_record(audit_put_end, &all.facts);
    assert_string_equal(json_string_value(json_object_get(record, "path")),
                        "/a\"\n\x01");
    query = json_object_get(record, "query");
    assert_string_equal(json_string_value(json_object_get(query, "limit")),
                        "\",\n\"verdict\"");
    json_decref(record);
    fini(&all);
}

static void a_key_that_was_given_twice_has_both_values(void **state)
{
    struct all all;
    json_t *record, *t;

    (void)state;
    fill(&all, METHOD_POST, "/build?t=a&q=1&t=b", "{}");
    record = read_record(audit_put_end, &all.facts);
    t = json_object_get(json_object_get(record, "query"), "t");
    assert_int_equal(json_array_size(t), 2);
    assert_string_equal(json_string_value(json_array_get(t, 0)), "a");
    assert_string_equal(json_string_value(json_array_get(t, 1)), "b");
    json_decref(record);
    fini(&all);
}

static void a_long_part_hides_no_other_and_shows_its_beginning(void **state)
{
    struct all all;
    json_t *record, *request;
    json_t *command = json_pack("[s]", "rm");
    const char *shown;

    (void)state;
    fill(&all, METHOD_POST, "/containers/create?name=db", create);
    for (size_t i = 0; i < LIMIT_AUDIT_PART / 2; i++)
        json_array_append_new(command, json_string("\u00e9"));
    json_object_set_new(all.body, "Cmd", command);
    record = read_record(audit_put_decision, &all.facts);
    request = json_object_get(record, "request");
    shown = json_string_value(json_object_get(request, "command"));
    assert_non_null(shown);
    assert_non_null(strstr(shown, "(cut, of "));
    assert_non_null(strstr(shown, "[\"rm\",\"\u00e9\""));
    assert_true(strlen(shown) < LIMIT_AUDIT_PART);
    assert_string_equal(json_string_value(json_object_get(request, "image")),
                        "app:1");
    json_decref(record);
    fini(&all);
}

static void a_part_that_just_fits_is_whole(void **state)
{
    for (size_t over = 0; over < 2; over++) {
        char *user = xcalloc(1, LIMIT_AUDIT_PART);
        struct all all;
        json_t *record, *shown;

        (void)state;
        fill(&all, METHOD_POST, "/containers/create", "{}");
        memset(user, 'u', LIMIT_AUDIT_PART - 2 + over);
        json_object_set_new(all.body, "User",
                            json_stringn(user, LIMIT_AUDIT_PART - 2 + over));
        record = read_record(audit_put_decision, &all.facts);
        shown = json_object_get(json_object_get(record, "request"), "user");
        assert_int_equal(json_string_value(shown)[0], over ? '(' : 'u');
        json_decref(record);
        fini(&all);
        free(user);
    }
}

/* Whatever is where a row of the table looks. */
static void a_body_of_the_wrong_shape_is_put_on_record(void **state)
{
    static const char *const bodies[] = {
        "[]",
        "{\"HostConfig\":[],\"Cmd\":7,\"Image\":{}}",
        "{\"HostConfig\":{\"Mounts\":{\"a\":1},\"Binds\":1.5}}",
        "{\"NetworkingConfig\":{\"EndpointsConfig\":[1]}}",
        "{\"HostConfig\":{\"Mounts\":[1,null,[]]},\"NetworkingConfig\":\"x\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct all all;

        fill(&all, METHOD_POST, "/containers/create", bodies[i]);
        json_decref(read_record(audit_put_decision, &all.facts));
        fini(&all);
    }
}

static void the_longest_record_fits_its_limit(void **state)
{
    AUTO(strbuf_fini) struct strbuf target = STRBUF(LIMIT_HEAD);
    struct all all;
    char *odd = xcalloc(1, LIMIT_AUDIT_PART);

    (void)state;
    memset(odd, 1, LIMIT_AUDIT_PART);
    /* the route with the most keys, each as long as it may be and of bytes
     * that need six in JSON */
    strbuf_addf(&target, "/build?t=");
    for (size_t i = 0; i < 2000; i++)
        strbuf_addf(&target, "%%01");
    for (const char *key = "dockerfile q nocache pull rm forcerm memory "
                           "memswap cpushares cpusetcpus cpusetmems cpuperiod "
                           "cpuquota cgroupparent shmsize ulimits labels "
                           "cachefrom networkmode squash target platform ";
         *key; key = strchr(key, ' ') + 1) {
        strbuf_addf(&target, "&%.*s=", (int)strcspn(key, " "), key);
        for (size_t i = 0; i < 2700; i++)
            strbuf_addf(&target, "%%01");
    }
    fill(&all, METHOD_POST, strbuf_cstr(&target), "{}");
    all.facts.path = all.facts.sent = str_of(odd, LIMIT_PATH);
    all.facts.object = str_of(odd, LIMIT_CREATED_REPLY);
    json_array_append_new(all.changes, json_stringn(odd, 2600));
    json_decref(read_record(audit_put_end, &all.facts));
    free(odd);
    fini(&all);
}

static void a_full_buffer_is_told(void **state)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(20);
    const struct audit_facts facts = {.id = "p-1", .namespace_ = "r1"};

    (void)state;
    assert_int_equal(audit_put_decision(&line, &facts), -ENOBUFS);
    assert_int_equal(line.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_has_every_field_in_its_order),
        cmocka_unit_test(a_field_that_says_nothing_is_left_out),
        cmocka_unit_test(the_document_has_every_member_of_a_request),
        cmocka_unit_test(the_document_has_every_close_word),
        cmocka_unit_test(a_record_is_one_line_that_never_changes_its_form),
        cmocka_unit_test(what_a_report_only_policy_lets_pass_is_told_apart),
        cmocka_unit_test(bytes_of_a_peer_cannot_leave_their_string),
        cmocka_unit_test(a_key_that_was_given_twice_has_both_values),
        cmocka_unit_test(a_long_part_hides_no_other_and_shows_its_beginning),
        cmocka_unit_test(a_part_that_just_fits_is_whole),
        cmocka_unit_test(a_body_of_the_wrong_shape_is_put_on_record),
        cmocka_unit_test(the_longest_record_fits_its_limit),
        cmocka_unit_test(a_full_buffer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
