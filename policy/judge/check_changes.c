#include "policy/judge/check.h"

/*
 * Dockerfile instructions outside of a Dockerfile: the "changes" of a commit or
 * an import, and triggers (ONBUILD). They can set labels, so they are read as
 * an engine reads them (BuildKit, frontend/dockerfile/parser and shell): lines
 * and continuations, words in quotes and with escapes, both forms of LABEL.
 * What engines of several versions would read in several ways is refused.
 */

static bool refuse_changes(struct judge *judge, const struct place *place,
                           const char *remedy)
{
    return judge_forbid(judge, "labels.reserved", place,
                        "berth does not see for sure what this would do; %s",
                        remedy);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct str skip_blanks(struct str text)
{
    while (text.len && is_blank(text.ptr[0]))
        text = str_from_index(text, 1);
    return text;
}

/* The first word, and what is behind it. */
static struct str take_word(struct str *text)
{
    size_t len = 0;
    struct str word;

    while (len < text->len && !is_blank(text->ptr[len]))
        len++;
    word = str_head(*text, len);
    *text = skip_blanks(str_from_index(*text, len));
    return word;
}

/* How many bytes of TEXT are one blank of Unicode's (Go's unicode.IsSpace);
 * 0: it begins with something else. */
static size_t blank_length(struct str text)
{
    static const struct str wide[] = {
        STR("\xc2\x85"),     STR("\xc2\xa0"),     STR("\xe1\x9a\x80"),
        STR("\xe2\x80\xa8"), STR("\xe2\x80\xa9"), STR("\xe2\x80\xaf"),
        STR("\xe2\x81\x9f"), STR("\xe3\x80\x80"),
    };

    if (text.len && is_blank(text.ptr[0]))
        return 1;
    for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++) {
        if (str_has_prefix(text, wide[i]))
            return wide[i].len;
    }
    /* U+2000 to U+200A */
    return str_has_prefix(text, S("\xe2\x80")) && text.len > 2 &&
                   (unsigned char)text.ptr[2] >= 0x80 &&
                   (unsigned char)text.ptr[2] <= 0x8a
               ? 3
               : 0;
}

/* ---- labels ---- */

/* The next word of *TEXT with its quotes and escapes; empty at the end. */
static struct str take_quoted_word(struct str *text)
{
    struct str rest = *text, word;
    char quote = '\0';
    size_t len = 0, blank;

    while ((blank = blank_length(rest)))
        rest = str_from_index(rest, blank);
    while (len < rest.len &&
           (quote || !blank_length(str_from_index(rest, len)))) {
        char c = rest.ptr[len];

        if (c == '\\' && quote != '\'' && len + 1 < rest.len)
            len++; /* with what follows it */
        else if (c == quote)
            quote = '\0';
        else if (!quote && (c == '\'' || c == '"'))
            quote = c;
        len++;
    }
    word = str_head(rest, len);
    *text = str_from_index(rest, len);
    return word;
}

/*
 * What WORD says once its quotes and escapes are undone, into OUT. False where
 * it has a variable, or a quote without its end.
 */
static bool unquote(struct str word, struct strbuf *out)
{
    char quote = '\0';

    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        char next = (char)(i + 1 < word.len ? word.ptr[i + 1] : 0);

        if (c == quote) {
            quote = '\0';
            continue;
        }
        if (!quote && (c == '\'' || c == '"')) {
            quote = c;
            continue;
        }
        if (c == '$' && quote != '\'')
            return false;
        if (c == '\\' && quote != '\'' &&
            (!quote || next == '"' || next == '$' || next == '\\')) {
            if (i + 1 == word.len)
                break;
            c = word.ptr[++i];
        }
        if (strbuf_add_char(out, c))
            return false;
    }
    return quote == '\0';
}

static bool judge_key(struct judge *judge, const struct place *place,
                      struct str key)
{
    AUTO(strbuf_fini) struct strbuf plain = STRBUF(LIMIT_JSON_BODY);

    if (!unquote(key, &plain))
        return refuse_changes(judge, place,
                              "write the names of labels without variables, "
                              "and end what is in quotes");
    return label_is_free(judge, place, strbuf_str(&plain));
}

/* "KEY=VALUE KEY=VALUE ...", or the old form "KEY VALUE". */
static bool judge_label(struct judge *judge, const struct place *place,
                        struct str text)
{
    struct str rest = text, word = take_quoted_word(&rest), key, value;

    if (str_has_prefix(text, S("--")))
        return refuse_changes(judge, place, "LABEL takes no flags");
    if (word.len && str_find(word, '=') < 0)
        return judge_key(judge, place, take_word(&text));
    for (; word.len; word = take_quoted_word(&rest)) {
        if (!str_cut(word, '=', &key, &value))
            return judge_refuse(judge, 400, "request.query", place,
                                "a label needs a \"=\" in it, as the first one "
                                "has one");
        if (!judge_key(judge, place, key))
            return false;
    }
    return true;
}

/* ---- instructions ---- */

static bool has_control_characters(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (((unsigned char)line.ptr[i] < 0x20 && line.ptr[i] != '\t') ||
            line.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

static bool has_here_document(struct str line)
{
    for (size_t i = 0; i + 1 < line.len; i++) {
        if (line.ptr[i] == '<' && line.ptr[i + 1] == '<')
            return true;
    }
    return false;
}

/* An instruction that is carried out when a build begins with the image. */
static bool judge_trigger(struct judge *judge, const struct place *place,
                          struct str line)
{
    struct str rest = skip_blanks(str_trim(line)), word;

    /* the lines that follow "<<" would be its text */
    if (has_control_characters(line) || has_here_document(line) ||
        (rest.len && (rest.ptr[0] == '#' || rest.ptr[rest.len - 1] == '\\' ||
                      rest.ptr[rest.len - 1] == '`')))
        return refuse_changes(judge, place,
                              "write one instruction on one line");
    word = take_word(&rest);
    if (!str_is_ascii(word))
        return refuse_changes(judge, place,
                              "write one instruction on one line");
    return !str_eq_nocase(word, S("LABEL")) || judge_label(judge, place, rest);
}

static bool judge_instruction(struct judge *judge, const struct place *place,
                              struct str line)
{
    static const struct str words[] = {
        STR("CMD"),    STR("ENTRYPOINT"),  STR("ENV"),     STR("EXPOSE"),
        STR("LABEL"),  STR("HEALTHCHECK"), STR("ONBUILD"), STR("STOPSIGNAL"),
        STR("VOLUME"), STR("WORKDIR"),     STR("USER"),
    };
    struct str rest = str_trim(line), word = take_word(&rest);

    if (str_eq_nocase(word, S("LABEL")))
        return judge_label(judge, place, rest);
    if (str_eq_nocase(word, S("ONBUILD")))
        return judge_trigger(judge, place, rest);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq_nocase(word, words[i]))
            return true;
    }
    return judge_refuse(judge, 400, "request.query", place,
                        "\"%.*s\" is no instruction that an engine takes here",
                        STR_FMT(str_head(word, 40)));
}

/*
 * An engine replaces variables inside of itself, and what one line has made the
 * next may name again: "ENV A=$A$A" twenty times is a million times as long.
 * With one variable in a line, a value grows by what is written there only.
 */
static bool variables_are_few(struct judge *judge, const struct place *place,
                              struct str line, unsigned *lines)
{
    ssize_t at = str_find(line, '$');

    if (at < 0)
        return true;
    if (++*lines <= LIMIT_VARIABLES &&
        str_find(str_from_index(line, (size_t)at + 1), '$') < 0)
        return true;
    return judge_forbid(judge, "request.query", place,
                        "the engine itself would replace these variables; "
                        "write one on a line at most, and on %d lines",
                        LIMIT_VARIABLES);
}

/* ---- lines ---- */

/* Does a backslash at its end, before blanks, join the next line to it? LINE
 * is then cut before it. *DOUBLE: there are two, which versions read apart. */
static bool take_continuation(struct str *line, bool *is_double)
{
    struct str text = *line;

    while (text.len && is_blank(text.ptr[text.len - 1]))
        text.len--;
    *is_double = text.len > 1 && text.ptr[text.len - 1] == '\\' &&
                 text.ptr[text.len - 2] == '\\';
    if (!text.len || text.ptr[text.len - 1] != '\\')
        return false;
    *line = str_head(text, text.len - 1);
    return true;
}

/* A comment. At the top it could say which character is the escape. */
static bool judge_comment(struct judge *judge, const struct place *place,
                          struct str line, bool inside)
{
    if (inside || str_find(line, '=') >= 0)
        return refuse_changes(judge, place,
                              "leave comments out that are inside of an "
                              "instruction or have a \"=\" in them");
    return true;
}

bool judge_changes(struct judge *judge, const struct place *place,
                   struct str text)
{
    AUTO(strbuf_fini) struct strbuf whole = STRBUF(LIMIT_JSON_BODY);
    bool inside = false; /* an instruction that goes on */
    bool is_double;
    unsigned variables = 0;
    struct str line, bare;

    if (text.len > LIMIT_STATEMENTS)
        return judge_forbid(judge, "request.query", place,
                            "these instructions are longer than %zu KiB; "
                            "build the image from a Dockerfile",
                            LIMIT_STATEMENTS / KIB);
    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        bare = str_trim(line);
        if (has_control_characters(line))
            return refuse_changes(judge, place, "leave control characters out");
        if (bare.len == 0)
            continue; /* also inside of an instruction */
        if (bare.ptr[0] == '#') {
            if (!judge_comment(judge, place, bare, inside))
                return false;
            continue;
        }
        inside = take_continuation(&line, &is_double);
        if (is_double)
            return refuse_changes(judge, place,
                                  "end no line with two backslashes");
        if (strbuf_add(&whole, line))
            return refuse_changes(judge, place, "it is too long");
        if (inside)
            continue;
        if (!judge_instruction(judge, place, strbuf_str(&whole)) ||
            !variables_are_few(judge, place, strbuf_str(&whole), &variables))
            return false;
        strbuf_clear(&whole);
    }
    return !inside ||
           refuse_changes(judge, place, "the last line goes on without end");
}

/* The "changes" of a commit name the variables of its body. */
bool check_commit(struct judge *judge, const struct place *place,
                  json_t *object)
{
    json_t *env = json_object_get(object, "Env"), *line;
    struct place at = place_field(place, object, "Env");
    size_t size = 0, i;

    json_array_foreach(env, i, line)
    {
        size += json_string_length(line);
    }
    return size <= LIMIT_COMMIT_ENV ||
           judge_forbid(judge, "request.body", &at,
                        "the engine itself replaces these variables in the "
                        "changes of a commit; they may have %zu KiB together",
                        LIMIT_COMMIT_ENV / KIB);
}

static bool check_trigger(struct judge *judge, const struct field *field,
                          const struct place *place, struct str text)
{
    (void)field;
    return judge_trigger(judge, place, text);
}

bool check_on_build(struct judge *judge, const struct field *field,
                    const struct place *place, json_t *list)
{
    return each_text(judge, field, place, list, check_trigger);
}
