#include "tests/unit/unit.h"

#include "policy/docker/reference.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the catalogue ---- */

/* What a form does, by the catalogue's words for it. */
static bool does(enum reference_form form, struct str action)
{
    static const struct {
        const char *action;
        unsigned forms;
    } words[] = {
#define BIT(form) (1u << (form))
#define NAMES                                                                  \
    (BIT(FORM_NAME) | BIT(FORM_REF) | BIT(FORM_KEYS) | BIT(FORM_MODE) |        \
     BIT(FORM_LINK) | BIT(FORM_FROM) | BIT(FORM_BIND) | BIT(FORM_MOUNT))
        {"rewrite",         NAMES                                                      },
        {"strip",           NAMES | BIT(FORM_PATH) | BIT(FORM_TEXT) | BIT(FORM_ALIASES)},
        {"strip+filter",    NAMES                                                      },
        {"filter",
                                                                         BIT(FORM_ID) | BIT(FORM_KEYS) | BIT(FORM_REF) | BIT(FORM_HOST)                },
        {"inject",          BIT(FORM_LABELS)                                           },
        {"hide",            BIT(FORM_LABELS)                                           },
        {"add",             BIT(FORM_ALIASES)                                          },
        {"remove-injected", BIT(FORM_ALIASES)                                          },
        {"drop",            BIT(FORM_OURS)                                             },
        {"mask",            BIT(FORM_HOST)                                             },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (str_eq(action, str_from(words[i].action)))
            return words[i].forms & BIT(form);
    }
    fail_msg("the catalogue has a new word: %.*s", STR_FMT(action));
    return false;
}

/* The whole path of a row: "[].HostConfig.NetworkMode". */
static void put_path(struct strbuf *out, const struct document *document,
                     const struct reference *row)
{
    strbuf_addf(out, "%s%s%s", document->at,
                document->at[0] && row->path[0] ? "." : "", row->path);
}

static bool has_place(enum operation operation, enum reference_side side,
                      struct str path, struct str action)
{
    for (size_t i = 0; i < document_count; i++) {
        const struct document *document = &documents[i];

        if (document->operation != operation || document->side != side)
            continue;
        for (size_t n = 0; n < document->count; n++) {
            const struct reference *row = &document->rows[n];
            AUTO(strbuf_fini) struct strbuf whole = STRBUF(1024);

            put_path(&whole, document, row);
            if (str_eq(strbuf_str(&whole), path) && does(row->form, action))
                return true;
        }
    }
    return false;
}

static void every_place_of_the_catalogue_is_in_the_tables(void **state)
{
    const char *root = getenv("BERTH_SOURCE_ROOT");
    char path[4096], line[512];
    size_t count = 0, wrong = 0;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/tests/catalogue/references.tsv", root);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        struct str rest = str_from(line), cell[5];

        if (line[0] == '#')
            continue;
        rest.len--;
        for (size_t i = 0; i < 5; i++)
            str_cut(rest, '\t', &cell[i], &rest);
        if (!has_place(operation_find(cell[0]),
                       str_eq(cell[1], S("request")) ? IN_REQUEST : IN_REPLY,
                       cell[2], cell[4]))
            wrong += printf("no row for %s", line) > 0;
        count++;
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(count > 150);
}

static bool in_catalogue(const char *text, const struct document *document,
                         const struct reference *row)
{
    AUTO(strbuf_fini) struct strbuf line = STRBUF(1024);

    strbuf_addf(&line, "\n%s\t%s\t", operation_name(document->operation),
                document->side == IN_REQUEST ? "request" : "reply");
    put_path(&line, document, row);
    strbuf_add_char(&line, '\t');
    return strstr(text, strbuf_cstr(&line)) != NULL;
}

/* Rows that the catalogue, which tells of what engines do, need not have: they
 * say whose a thing is, or are where Docker's types say a thing may. */
static bool is_extra(const struct document *document,
                     const struct reference *row)
{
    return row->form == FORM_ID ||
           (document->operation == OP_IMAGE_INSPECT &&
            strcmp(row->path, "ContainerConfig.Labels{key}") == 0) ||
           (document->operation == OP_NETWORK_LIST &&
            strncmp(row->path, "Containers", 10) == 0);
}

static void every_row_is_in_the_catalogue(void **state)
{
    const char *root = getenv("BERTH_SOURCE_ROOT");
    char path[4096], *text = xcalloc(1, 256 * KIB);
    size_t wrong = 0;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/tests/catalogue/references.tsv", root);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, 256 * KIB - 1, file) > 0);
    fclose(file);
    for (size_t i = 0; i < document_count; i++) {
        for (size_t n = 0; n < documents[i].count; n++) {
            const struct reference *row = &documents[i].rows[n];

            if (!in_catalogue(text, &documents[i], row) &&
                !is_extra(&documents[i], row))
                wrong += printf("%s: %s is not in the catalogue\n",
                                operation_name(documents[i].operation),
                                row->path) > 0;
        }
    }
    free(text);
    assert_int_equal(wrong, 0);
}

/* ---- the walk ---- */

struct seen {
    struct strbuf text;
    const char *drop; /* take out what this is at */
};

static bool on_place(void *arg, const struct reference *row, struct spot *spot)
{
    struct seen *seen = arg;
    char *value = spot->value
                      ? json_dumps(spot->value, JSON_ENCODE_ANY | JSON_COMPACT)
                      : xstrdup("-");
    const char *text = json_string_value(spot->value);
    bool keep = !seen->drop || !text || strcmp(text, seen->drop) != 0;

    (void)row;
    strbuf_addf(&seen->text, "%s=%s ", spot->key ? spot->key : "#", value);
    free(value);
    return keep;
}

static void assert_walk(const char *path, const char *json, const char *drop,
                        const char *seen_text, const char *left)
{
    struct seen seen = {.text = STRBUF(KIB), .drop = drop};
    const struct reference_visitor visitor = {.place = on_place, .arg = &seen};
    const struct reference row = {0};
    json_t *root = json_loads(json, 0, NULL);
    char *text;

    assert_non_null(root);
    reference_walk_path(path, root, &row, &visitor);
    assert_string_equal(seen.text.len ? strbuf_cstr(&seen.text) : "",
                        seen_text);
    text = json_dumps(root, JSON_COMPACT);
    assert_string_equal(text, left);
    free(text);
    json_decref(root);
    strbuf_fini(&seen.text);
}

static void paths_lead_to_their_places(void **state)
{
    (void)state;
    assert_walk("A.B", "{\"A\":{\"B\":\"x\"}}", NULL, "B=\"x\" ",
                "{\"A\":{\"B\":\"x\"}}");
    assert_walk("A[].B", "{\"A\":[{\"B\":1},{\"C\":2},3]}", NULL, "B=1 B=- ",
                "{\"A\":[{\"B\":1},{\"C\":2},3]}");
    assert_walk("[]", "[1,2]", NULL, "#=1 #=2 ", "[1,2]");
    assert_walk("A{}.B[]", "{\"A\":{\"x\":{\"B\":[1]},\"y\":null}}", NULL,
                "#=1 ", "{\"A\":{\"x\":{\"B\":[1]},\"y\":null}}");
    assert_walk("A{key}", "{\"A\":{\"x\":1}}", NULL, "A={\"x\":1} ",
                "{\"A\":{\"x\":1}}");
    assert_walk("A{key}", "{}", NULL, "A=- ", "{}");
    assert_walk("A.B{key}", "{}", NULL, "", "{}");
    assert_walk("A.B.C", "{\"A\":\"text\"}", NULL, "", "{\"A\":\"text\"}");
}

static void what_is_refused_is_taken_out_of_what_is_around_it(void **state)
{
    (void)state;
    assert_walk("[]", "[\"a\",\"b\",\"a\"]", "a", "#=\"a\" #=\"b\" #=\"a\" ",
                "[\"b\"]");
    assert_walk("[].N", "[{\"N\":\"a\"},{\"N\":\"b\"}]", "a",
                "N=\"a\" N=\"b\" ", "[{\"N\":\"b\"}]");
    assert_walk("A{}.N", "{\"A\":{\"x\":{\"N\":\"a\"},\"y\":{\"N\":\"b\"}}}",
                "a", "N=\"a\" N=\"b\" ", "{\"A\":{\"y\":{\"N\":\"b\"}}}");
    assert_walk("N", "{\"N\":\"a\",\"M\":1}", "a", "N=\"a\" ", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_of_the_catalogue_is_in_the_tables),
        cmocka_unit_test(every_row_is_in_the_catalogue),
        cmocka_unit_test(paths_lead_to_their_places),
        cmocka_unit_test(what_is_refused_is_taken_out_of_what_is_around_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
