#include "tests/unit/unit.h"

#include "policy/docker/route.h"
#include "policy/judge/query_field.h"

#include <stdio.h>
#include <stdlib.h>

/* The tables against tests/catalogue/fields.tsv, which says what an engine
 * reads and what is dangerous about it. */

struct line {
    struct str operation, in, path, severity;
};

static char *catalogue;
static struct line lines[1024];
static size_t line_count;

static int read_catalogue(void **state)
{
    const char *root = getenv("BERTH_SOURCE_ROOT");
    AUTO(strbuf_fini) struct strbuf text = STRBUF(MIB);
    char path[4096];
    struct str rest, row;
    FILE *file;
    size_t n;

    (void)state;
    snprintf(path, sizeof(path), "%s/tests/catalogue/fields.tsv", root);
    file = fopen(path, "re");
    if (!file)
        return -1;
    do {
        char *to = strbuf_reserve(&text, 4096);

        n = fread(to, 1, 4096, file);
        strbuf_commit(&text, n);
    } while (n);
    fclose(file);
    catalogue = xstr_dup(strbuf_str(&text));
    rest = str_from(catalogue);
    while (rest.len) {
        struct line *line = &lines[line_count];

        str_cut(rest, '\n', &row, &rest);
        if (row.len == 0 || row.ptr[0] == '#')
            continue;
        str_cut(row, '\t', &line->operation, &row);
        str_cut(row, '\t', &line->in, &row);
        str_cut(row, '\t', &line->path, &row);
        str_cut(row, '\t', &line->severity, &row);
        line_count++;
    }
    return line_count > 300 ? 0 : -1;
}

static int free_catalogue(void **state)
{
    (void)state;
    free(catalogue);
    return 0;
}

static bool is_harmless(const struct line *line)
{
    return str_eq(line->severity, S("none")) ||
           str_eq(line->severity, S("info"));
}

/* "Mounts[]": the name, and what is behind it with the keys taken out. */
static struct str cut_marks(struct str step, char marks[16])
{
    struct str name = step;
    size_t len = 0;
    bool key = false;

    for (size_t i = 0; i < step.len; i++) {
        char c = step.ptr[i];

        if (c == '{' || c == '[') {
            if (name.len == step.len)
                name = str_head(step, i);
            marks[len++] = c;
            key = true;
        } else if (c == '}' || c == ']') {
            marks[len++] = c;
            key = false;
        } else {
            assert_true(key || name.len == step.len);
        }
    }
    marks[len] = '\0';
    return name;
}

static bool marks_fit(enum field_type type, const char *marks)
{
    static const char *const wanted[] = {
        [FIELD_BOOL] = "",
        [FIELD_INT] = "",
        [FIELD_STRING] = "",
        [FIELD_STRINGS] = "[]",
        [FIELD_COMMAND] = "[]",
        [FIELD_INTS] = "[]",
        [FIELD_STRING_LISTS] = "[][]",
        [FIELD_STRING_MAP] = "{}",
        [FIELD_STRING_OR_NULL_MAP] = "{}",
        [FIELD_STRUCT] = "",
        [FIELD_STRUCTS] = "[]",
        [FIELD_STRUCT_MAP] = "{}",
        [FIELD_STRUCTS_MAP] = "{}[]",
    };

    if (type == FIELD_ANY || type == FIELD_IGNORED)
        return true;
    /* the catalogue may stop short of what is inside */
    return strncmp(wanted[type], marks, strlen(marks)) == 0;
}

/* The field that PATH names below RECORD; *GOVERNED: has anything a say? */
static const struct field *walk(const struct record *record, struct str path,
                                bool *governed)
{
    const struct field *field = NULL;
    struct str step, rest = path;
    char marks[16], name[128];

    *governed = false;
    while (rest.len) {
        struct str plain;

        assert_non_null(record);
        str_cut(rest, '.', &step, &rest);
        plain = cut_marks(step, marks);
        snprintf(name, sizeof(name), "%.*s", STR_FMT(plain));
        field = record_find(record, name, 0);
        if (!field)
            return NULL;
        if (!marks_fit(field->type, marks))
            fail_msg("%.*s is of another type", STR_FMT(path));
        *governed |= field->check || field->each || field->rule ||
                     field->type == FIELD_IGNORED;
        record = field->of;
    }
    return field;
}

/* Dangerous, and yet no row says who judges it: somebody else does. */
static const char *const judged_elsewhere[] = {
    "HostConfig.CapDrop[]", /* the record adds what the policy drops */
    "HostConfig.RestartPolicy.MaximumRetryCount", /* goes with the name */
    "RestartPolicy.MaximumRetryCount",
    "MemoryReservation", /* a wish, not a claim */
    "KernelMemory",      /* no engine knows it any more */
    "NetworkingConfig.EndpointsConfig{}.GwPriority", /* in the container */
    "EndpointConfig.GwPriority",
    "CheckDuplicate",       /* the record sets it */
    "Internal",             /* less, not more */
    "Healthcheck.Interval", /* tests wait for services that way */
};

static bool is_judged_elsewhere(struct str path)
{
    size_t count = sizeof(judged_elsewhere) / sizeof(judged_elsewhere[0]);

    for (size_t i = 0; i < count; i++) {
        if (str_eq(path, str_from(judged_elsewhere[i])))
            return true;
    }
    return false;
}

static void every_field_of_the_catalogue_has_a_row(void **state)
{
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < line_count; i++) {
        const struct line *line = &lines[i];
        const struct record *record;
        bool governed;

        if (!str_eq(line->in, S("body")))
            continue;
        record = body_record(operation_find(line->operation));
        assert_non_null(record);
        if (!walk(record, line->path, &governed))
            fail_msg("%.*s: no row for %.*s", STR_FMT(line->operation),
                     STR_FMT(line->path));
        /* whose an object is, the names in a request have to show */
        if (!governed && !is_harmless(line) &&
            !str_eq(line->severity, S("tenant")) &&
            !is_judged_elsewhere(line->path))
            fail_msg("%.*s: nobody judges %.*s", STR_FMT(line->operation),
                     STR_FMT(line->path));
        seen++;
    }
    assert_true(seen > 200);
}

/* Does the catalogue have PATH, itself or on the way to something? */
static bool catalogue_has(enum operation operation, const char *path)
{
    struct str name = str_from(operation_name(operation));
    struct str wanted = str_from(path);

    for (size_t i = 0; i < line_count; i++) {
        struct str found = lines[i].path, after;
        char plain[256];
        size_t len = 0;

        if (!str_eq(lines[i].operation, name) ||
            !str_eq(lines[i].in, S("body")))
            continue;
        /* the same without its marks */
        for (size_t j = 0; j < found.len && len < sizeof(plain) - 1; j++) {
            if (found.ptr[j] == '{' || found.ptr[j] == '[') {
                while (found.ptr[j] != '}' && found.ptr[j] != ']')
                    j++;
                continue;
            }
            plain[len++] = found.ptr[j];
        }
        plain[len] = '\0';
        after = str_from_index(str_of(plain, len), wanted.len);
        if (str_has_prefix(str_of(plain, len), wanted) &&
            (after.len == 0 || after.ptr[0] == '.'))
            return true;
    }
    return false;
}

static void look_up(enum operation operation, const struct record *record,
                    const char *above)
{
    assert_true(record->count <= RECORD_FIELDS_MAX);
    for (size_t i = 0; i < record->count; i++) {
        const struct field *field = &record->fields[i];
        char path[512];

        snprintf(path, sizeof(path), "%s%s%s", above, *above ? "." : "",
                 field->name);
        /* ours to drop or to refuse, whoever may know it */
        if (field->type == FIELD_IGNORED ||
            (field->rule && strcmp(field->rule, "request.never") == 0))
            continue;
        /* the catalogue names these lists, not what is in them */
        if (!catalogue_has(operation, path) && !strstr(path, "Blkio") &&
            !strstr(path, "Ulimits.") && !strstr(path, "email"))
            fail_msg("%s: the catalogue does not know %s",
                     operation_name(operation), path);
        if (field->of)
            look_up(operation, field->of, path);
    }
}

static void every_row_is_in_the_catalogue(void **state)
{
    (void)state;
    for (unsigned i = 1; i < OP_COUNT; i++) {
        const struct record *record = body_record((enum operation)i);

        /* a commit takes a create's Config, of which the catalogue says so */
        if (record && i != OP_IMAGE_COMMIT)
            look_up((enum operation)i, record, "");
    }
}

static void every_json_body_is_judged_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &routes[i];
        bool json =
            route->body == BODY_JSON || route->body == BODY_JSON_OPTIONAL;
        enum operation_group group = operation_group(route->operation);

        if (body_record(route->operation))
            assert_true(json);
        else if (json && group != GROUP_SWARM && group != GROUP_SERVICE &&
                 group != GROUP_NODE && group != GROUP_SECRET &&
                 group != GROUP_CONFIG && group != GROUP_PLUGIN &&
                 route->operation != OP_VOLUME_UPDATE && /* of a swarm */
                 route->operation != OP_CONTAINER_COPY)  /* long gone */
            fail_msg("%s has a body without a table",
                     operation_name(route->operation));
    }
}

static bool has_query_row(enum operation operation, struct str key)
{
    for (size_t i = 0; i < query_field_count; i++) {
        if (query_fields[i].operation == operation &&
            str_eq(str_from(query_fields[i].key), key))
            return true;
    }
    /* judged together */
    for (size_t i = 0; i < request_check_count; i++) {
        if (request_checks[i].operation == operation &&
            (operation != OP_IMAGE_BUILD || str_eq(key, S("memory")) ||
             str_eq(key, S("memswap")) || str_eq(key, S("cpushares")) ||
             str_eq(key, S("cpuperiod")) || str_eq(key, S("cpuquota")) ||
             str_eq(key, S("shmsize"))))
            return true;
    }
    return false;
}

static void every_dangerous_query_key_has_a_row(void **state)
{
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < line_count; i++) {
        const struct line *line = &lines[i];
        enum operation operation = operation_find(line->operation);

        if (!str_eq(line->in, S("query")) || is_harmless(line) ||
            str_eq(line->severity, S("tenant")) ||
            operation_group(operation) == GROUP_SERVICE)
            continue;
        /* what is unpacked where in a container of one's own */
        if (operation == OP_PUT_CONTAINER_ARCHIVE)
            continue;
        if (operation == OP_VOLUME_DELETE) /* of a volume of one's own */
            continue;
        if (!has_query_row(operation, line->path))
            fail_msg("%.*s: no row for the query key %.*s",
                     STR_FMT(line->operation), STR_FMT(line->path));
        seen++;
    }
    assert_true(seen > 20);
}

static void every_query_row_is_of_a_key_that_its_route_knows(void **state)
{
    (void)state;
    for (size_t i = 0; i < query_field_count; i++) {
        const struct query_field *field = &query_fields[i];
        bool known = false, repeats;

        for (size_t r = 0; r < route_count; r++)
            known |=
                routes[r].operation == field->operation &&
                route_knows_query(&routes[r], str_from(field->key), &repeats);
        if (!known)
            fail_msg("%s has no query key %s", operation_name(field->operation),
                     field->key);
    }
}

static void keys_are_found_in_any_case_of_ascii(void **state)
{
    const struct record *record = &host_config_record;

    (void)state;
    assert_string_equal(record_find(record, "Privileged", 5)->name,
                        "Privileged");
    assert_null(record_find(record, "privileged", 0));
    assert_string_equal(record_find_folded(record, "pRIVILEGED")->name,
                        "Privileged");
    assert_null(record_find_folded(record, "Privilege"));
    assert_null(record_find_folded(record, "\xc5\xbfhmsize"));
}

/* A rule names a key of the policy, and has the address of its member. */
static void check_rule(const char *rule, size_t at)
{
    const struct shape *shape = &rules_shape;
    struct str rest = str_from(rule), step;
    size_t offset = 0;

    if (!rule || strncmp(rule, "request.", 8) == 0)
        return;
    while (rest.len) {
        const struct setting *setting;
        char key[64];

        str_cut(rest, '.', &step, &rest);
        snprintf(key, sizeof(key), "%.*s", STR_FMT(step));
        setting = shape ? shape_find(shape, key) : NULL;
        if (!setting) {
            fail_msg("%s is no key of a policy", rule);
            return;
        }
        offset += setting->offset;
        shape = setting->of;
    }
    if (at && at != offset)
        fail_msg("%s is not where the row looks for it", rule);
}

static void check_rules(const struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        check_rule(record->fields[i].rule, record->fields[i].at);
        if (record->fields[i].of)
            check_rules(record->fields[i].of);
    }
}

static void every_rule_is_a_key_of_the_policy(void **state)
{
    (void)state;
    for (unsigned i = 1; i < OP_COUNT; i++) {
        if (body_record((enum operation)i))
            check_rules(body_record((enum operation)i));
    }
    for (size_t i = 0; i < query_field_count; i++) {
        check_rule(query_fields[i].rule, query_fields[i].at);
        if (query_fields[i].json)
            check_rule(query_fields[i].json->rule, query_fields[i].json->at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_the_catalogue_has_a_row),
        cmocka_unit_test(every_row_is_in_the_catalogue),
        cmocka_unit_test(every_json_body_is_judged_or_refused),
        cmocka_unit_test(every_dangerous_query_key_has_a_row),
        cmocka_unit_test(every_query_row_is_of_a_key_that_its_route_knows),
        cmocka_unit_test(keys_are_found_in_any_case_of_ascii),
        cmocka_unit_test(every_rule_is_a_key_of_the_policy),
    };

    return cmocka_run_group_tests(tests, read_catalogue, free_catalogue);
}
