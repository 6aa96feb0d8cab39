#include "tests/wire/script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX (64 * MIB)

enum form {
    FORM_PLAIN, /* nothing behind the word */
    FORM_REST,  /* words */
    FORM_TEXT,  /* bytes; lines that follow each other are one step */
    FORM_BULK,  /* COUNT BYTES: so many times */
    FORM_KEY,   /* words for the policy */
};

static const struct form_row {
    struct str name;
    enum word word;
    enum form form;
} rows[] = {
    {STR("allow"),          WORD_ALLOW,          FORM_KEY  },
    {STR("deny"),           WORD_DENY,           FORM_KEY  },
    {STR("audit required"), WORD_AUDIT_REQUIRED, FORM_KEY  },
    {STR("report only"),    WORD_REPORT_ONLY,    FORM_KEY  },
    {STR("policy"),         WORD_POLICY,         FORM_KEY  },
    {STR("engine known"),   WORD_ENGINE_KNOWN,   FORM_PLAIN},
    {STR("engine oldest"),  WORD_ENGINE_OLDEST,  FORM_REST },
    {STR("busy"),           WORD_BUSY,           FORM_PLAIN},
    {STR("engine far"),     WORD_ENGINE_FAR,     FORM_PLAIN},
    {STR("keeps streams"),  WORD_KEEPS_STREAMS,  FORM_PLAIN},
    {STR("client>*"),       WORD_CLIENT_SENDS,   FORM_BULK },
    {STR("engine>*"),       WORD_ENGINE_SENDS,   FORM_BULK },
    {STR("client>"),        WORD_CLIENT_SENDS,   FORM_TEXT },
    {STR("engine>"),        WORD_ENGINE_SENDS,   FORM_TEXT },
    {STR("client<*"),       WORD_CLIENT_GETS,    FORM_BULK },
    {STR("engine<*"),       WORD_ENGINE_GETS,    FORM_BULK },
    {STR("client<"),        WORD_CLIENT_GETS,    FORM_TEXT },
    {STR("engine<"),        WORD_ENGINE_GETS,    FORM_TEXT },
    {STR("client eof"),     WORD_CLIENT_EOF,     FORM_PLAIN},
    {STR("engine eof"),     WORD_ENGINE_EOF,     FORM_PLAIN},
    {STR("client gone"),    WORD_CLIENT_GONE,    FORM_PLAIN},
    {STR("reconnect"),      WORD_RECONNECT,      FORM_PLAIN},
    {STR("first client"),   WORD_FIRST_CLIENT,   FORM_PLAIN},
    {STR("second client"),  WORD_SECOND_CLIENT,  FORM_PLAIN},
    {STR("idle closes"),    WORD_IDLE_CLOSES,    FORM_PLAIN},
    {STR("reload"),         WORD_RELOAD,         FORM_REST },
    {STR("client room"),    WORD_CLIENT_ROOM,    FORM_REST },
    {STR("engine room"),    WORD_ENGINE_ROOM,    FORM_REST },
    {STR("stream open"),    WORD_STREAM_OPEN,    FORM_PLAIN},
    {STR("stream fails"),   WORD_STREAM_FAILS,   FORM_REST },
    {STR("timeout"),        WORD_TIMEOUT,        FORM_REST },
    {STR("shutdown"),       WORD_SHUTDOWN,       FORM_REST },
    {STR("audit fails"),    WORD_AUDIT_FAILS,    FORM_PLAIN},
    {STR("audit works"),    WORD_AUDIT_WORKS,    FORM_PLAIN},
    {STR("answered"),       WORD_ANSWERED,       FORM_REST },
    {STR("answer"),         WORD_ANSWER,         FORM_REST },
    {STR("asks"),           WORD_ASKS,           FORM_REST },
    {STR("expect"),         WORD_EXPECT,         FORM_REST },
    {STR("audit<"),         WORD_AUDIT,          FORM_REST },
    {STR("never"),          WORD_NEVER,          FORM_REST },
};

static const struct form_row *find_row(struct str line, struct str *rest)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str name = rows[i].name;

        if (str_has_prefix(line, name) &&
            (line.len == name.len || line.ptr[name.len] == ' ')) {
            *rest = str_from_index(line, name.len + 1);
            return &rows[i];
        }
    }
    return NULL;
}

static int hex(char c)
{
    ssize_t at = str_find(S("0123456789abcdef"), c);

    return (int)at;
}

/* TEXT with \r \n \t \\ and \xHH, and nothing else, behind a backslash. */
static bool add_text(struct strbuf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        static const struct str names = STR("rnt\\"), bytes = STR("\r\n\t\\");
        char c = text.ptr[i];
        ssize_t at;

        if (c != '\\') {
            strbuf_add_char(out, c);
            continue;
        }
        if (++i == text.len)
            return false;
        at = str_find(names, text.ptr[i]);
        if (at >= 0) {
            strbuf_add_char(out, bytes.ptr[at]);
        } else if (text.ptr[i] == 'x' && i + 2 < text.len &&
                   hex(text.ptr[i + 1]) >= 0 && hex(text.ptr[i + 2]) >= 0) {
            strbuf_add_char(
                out, (char)(hex(text.ptr[i + 1]) << 4 | hex(text.ptr[i + 2])));
            i += 2;
        } else {
            return false;
        }
    }
    return true;
}

static bool add_bulk(struct strbuf *out, struct str rest)
{
    AUTO(strbuf_fini) struct strbuf unit = STRBUF(TEXT_MAX);
    struct str number, text;
    uint64_t count;

    str_cut(rest, ' ', &number, &text);
    if (str_to_u64(number, &count) || !add_text(&unit, text))
        return false;
    while (count--) {
        if (strbuf_add(out, strbuf_str(&unit)))
            return false;
    }
    return true;
}

/* "allow A B" is a member of the policy. */
static void add_key(struct strbuf *keys, enum word word, struct str rest)
{
    struct str name;
    const char *comma = "";

    if (word == WORD_AUDIT_REQUIRED) {
        strbuf_addf(keys,
                    "%s\"audit\": {\"to\": \"stdout\", "
                    "\"required\": true}",
                    keys->len ? ", " : "");
        return;
    }
    if (word == WORD_POLICY) {
        strbuf_addf(keys, "%s%.*s", keys->len ? ", " : "", STR_FMT(rest));
        return;
    }
    if (word == WORD_REPORT_ONLY) {
        strbuf_addf(keys, "%s\"mode\": \"report-only\"", keys->len ? ", " : "");
        return;
    }
    /* the members of "operations" are closed by the next key, or the end */
    strbuf_addf(keys, "%s\"%s\": [", keys->len ? ", " : "",
                word == WORD_ALLOW ? "allow" : "deny");
    while (rest.len) {
        str_cut(rest, ' ', &name, &rest);
        strbuf_addf(keys, "%s\"%.*s\"", comma, STR_FMT(name));
        comma = ", ";
    }
    strbuf_addf(keys, "]");
}

static void note_request(struct script *s, struct str line)
{
    struct methods *methods = &s->methods[s->reads];
    struct str method, target;

    if (!str_cut(line, ' ', &method, &target) ||
        !str_has_prefix(target, S("/")) ||
        !memmem(line.ptr, line.len, "HTTP/1", 6))
        return;
    methods->items =
        realloc(methods->items, (methods->count + 1) * sizeof(*methods->items));
    assert(methods->items);
    methods->items[methods->count++] = method_find(method);
}

static struct step *add_step(struct script *s, enum word word, bool bulk,
                             unsigned line)
{
    struct step *last = s->count ? &s->steps[s->count - 1] : NULL;
    bool sends = word == WORD_CLIENT_SENDS || word == WORD_ENGINE_SENDS;
    bool gets = word == WORD_CLIENT_GETS || word == WORD_ENGINE_GETS;

    if (last && last->word == word && (gets || (sends && last->bulk == bulk)))
        return last;
    s->steps = realloc(s->steps, (s->count + 1) * sizeof(*s->steps));
    assert(s->steps);
    last = &s->steps[s->count++];
    *last = (struct step){
        .line = line,
        .word = word,
        .bulk = bulk && sends,
        .text = STRBUF(TEXT_MAX),
        .requests = {s->methods[0].count, s->methods[1].count}
    };
    return last;
}

static bool read_line(struct script *s, struct str line, unsigned number,
                      struct strbuf *operations)
{
    struct str rest;
    const struct form_row *row = find_row(line, &rest);
    struct step *step;

    if (!row)
        return false;
    if (row->form == FORM_KEY) {
        add_key(row->word == WORD_ALLOW || row->word == WORD_DENY ? operations
                                                                  : &s->keys,
                row->word, rest);
        return true;
    }
    if (row->word == WORD_FIRST_CLIENT || row->word == WORD_SECOND_CLIENT)
        s->reads = row->word == WORD_SECOND_CLIENT;
    step = add_step(s, row->word, row->form == FORM_BULK, number);
    switch (row->form) {
    case FORM_TEXT:
        if (row->word == WORD_CLIENT_SENDS)
            note_request(s, rest);
        return add_text(&step->text, rest);
    case FORM_BULK:
        return add_bulk(&step->text, rest);
    case FORM_REST:
        step->rest = str_trim(rest);
        return true;
    case FORM_PLAIN:
    case FORM_KEY:
        break;
    }
    return rest.len == 0;
}

bool script_read(struct script *s, const char *path, struct str text)
{
    AUTO(strbuf_fini) struct strbuf operations = STRBUF(LIMIT_POLICY);
    struct str rest, line;
    unsigned number = 0;

    *s = (struct script){
        .source = xstr_dup(text),
        .keys = STRBUF(LIMIT_POLICY),
    };
    for (rest = str_of(s->source, text.len); rest.len;) {
        str_cut(rest, '\n', &line, &rest);
        number++;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (!read_line(s, line, number, &operations)) {
            fprintf(stderr, "%s:%u: \"%.*s\" is not understood\n", path, number,
                    STR_FMT(line));
            return false;
        }
    }
    if (operations.len)
        strbuf_addf(&s->keys, "%s\"operations\": {%s}", s->keys.len ? ", " : "",
                    strbuf_cstr(&operations));
    for (size_t i = 0; i < s->count; i++) {
        const struct step *step = &s->steps[i];

        if (step->word == WORD_CLIENT_SENDS || step->word == WORD_ENGINE_SENDS)
            *(step->bulk ? &s->bulk : &s->cuts) += step->text.len;
    }
    return true;
}

void script_fini(struct script *s)
{
    for (size_t i = 0; i < s->count; i++)
        strbuf_fini(&s->steps[i].text);
    free(s->steps);
    free(s->methods[0].items);
    free(s->methods[1].items);
    free(s->source);
    strbuf_fini(&s->keys);
}
