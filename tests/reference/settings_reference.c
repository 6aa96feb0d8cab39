/*
 * What the tables of settings say, for people (tables in docs/policy.md, lists
 * in berth-policy(5)) and for editors (policy/berth-policy.schema.json):
 *
 *     settings_reference check|write schema|table|man FILE
 *
 * "check" fails when the file says anything else; "write" puts it there. Where
 * a person wrote the rest, the part between the two "settings" comments counts.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/base/limits.h"
#include "tests/reference/reference.h"

#define OPENING "settings: made from the tables, see \"meson compile\""
#define CLOSING "end of settings"

static const struct document {
    const char *name;
    void (*put)(struct strbuf *out);
    const char *opening, *closing; /* NULL: it is the whole file */
} documents[] = {
    {"schema", put_settings_schema, NULL,                       NULL                 },
    {"table",  put_settings_table,  "<!-- " OPENING " -->\n\n",
     "<!-- " CLOSING " -->\n"                                                        },
    {"man",    put_settings_man,    ".\\\" " OPENING "\n",      ".\\\" " CLOSING "\n"},
};

static int read_file(const char *path, struct strbuf *out)
{
    FILE *file = fopen(path, "rb");
    int c;

    if (file == NULL)
        return -1;
    while ((c = getc(file)) != EOF)
        strbuf_add_char(out, (char)c);
    fclose(file);
    return 0;
}

static int write_file(const char *path, struct str text)
{
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(text.ptr, 1, text.len, file) == text.len;

    if (file != NULL && fclose(file) != 0)
        good = false;
    return good ? 0 : -1;
}

/* OLD with NEW between the document's comments. */
static int put_between(const struct document *document, struct strbuf *out,
                       struct strbuf *old, struct str new)
{
    const char *text = strbuf_cstr(old);
    const char *start = strstr(text, document->opening);
    const char *end = strstr(text, document->closing);

    if (start == NULL || end == NULL)
        return -1;
    strbuf_add(out, str_of(text, (size_t)(start - text)));
    strbuf_addf(out, "%s", document->opening);
    strbuf_add(out, new);
    return strbuf_add(out, str_from(end));
}

static const struct document *find(const char *name)
{
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++)
        if (strcmp(documents[i].name, name) == 0)
            return &documents[i];
    return NULL;
}

int main(int argc, char **argv)
{
    AUTO(strbuf_fini) struct strbuf made = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf old = STRBUF(MIB);
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(2 * MIB);
    const struct document *document = argc == 4 ? find(argv[2]) : NULL;

    if (document == NULL) {
        fprintf(stderr, "usage: %s check|write schema|table|man FILE\n",
                argv[0]);
        return 2;
    }
    bool write = strcmp(argv[1], "write") == 0;
    const char *path = argv[3];

    document->put(&made);
    if (read_file(path, &old) < 0 && !(write && document->opening == NULL)) {
        perror(path);
        return 1;
    }
    if (document->opening == NULL) {
        strbuf_add(&whole, strbuf_str(&made));
    } else if (put_between(document, &whole, &old, strbuf_str(&made)) < 0) {
        fprintf(stderr, "%s: has no place for the settings\n", path);
        return 1;
    }
    if (write)
        return write_file(path, strbuf_str(&whole)) == 0 ? 0 : 1;
    if (!str_eq(strbuf_str(&whole), strbuf_str(&old))) {
        fprintf(stderr,
                "%s: is not what the tables of settings say; run "
                "\"meson compile -C build reference\"\n",
                path);
        return 1;
    }
    return 0;
}
