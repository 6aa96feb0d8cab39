#include "policy/judge/check.h"

/*
 * Dockerfile instructions outside of a Dockerfile: the "changes" of a commit or
 * an import, and triggers (ONBUILD). They can set labels, so they have to be
 * read; what is written so that two readers could differ is refused.
 */

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

/* A key or a value of LABEL: plain, or in quotes without tricks. *WORD is what
 * it says. */
static bool take_plain(struct str *text, bool is_key, struct str *word)
{
    size_t len = 0;
    bool quoted = text->len && (text->ptr[0] == '"' || text->ptr[0] == '\'');

    if (quoted) {
        ssize_t end = str_find(str_from_index(*text, 1), text->ptr[0]);

        if (end < 0)
            return false;
        *word = str_of(text->ptr + 1, (size_t)end);
        *text = str_from_index(*text, (size_t)end + 2);
    } else {
        while (len < text->len && !is_blank(text->ptr[len]) &&
               !(is_key && text->ptr[len] == '='))
            len++;
        *word = str_head(*text, len);
        *text = str_from_index(*text, len);
        if (str_find(*word, '"') >= 0 || str_find(*word, '\'') >= 0 ||
            !str_is_ascii(*word)) /* Unicode has blanks of its own */
            return false;
    }
    return str_find(*word, '\\') < 0 &&
           (!is_key || (word->len && str_find(*word, '$') < 0));
}

static bool refuse_changes(struct judge *judge, const struct place *place,
                           const char *remedy)
{
    return judge_forbid(judge, "labels.reserved", place,
                        "berth does not see for sure what this would do; %s",
                        remedy);
}

/* "KEY=VALUE KEY=VALUE ..." */
static bool judge_label(struct judge *judge, const struct place *place,
                        struct str text)
{
    struct str key, value;

    while (text.len) {
        if (!take_plain(&text, true, &key) || text.len == 0 ||
            text.ptr[0] != '=')
            return refuse_changes(judge, place,
                                  "write labels as KEY=VALUE or KEY=\"VALUE\", "
                                  "without escapes");
        text = str_from_index(text, 1);
        if (!take_plain(&text, false, &value) ||
            (text.len && !is_blank(text.ptr[0])))
            return refuse_changes(judge, place,
                                  "write labels as KEY=VALUE or KEY=\"VALUE\", "
                                  "without escapes");
        text = skip_blanks(text);
        if (!label_is_free(judge, place, key))
            return false;
    }
    return true;
}

static bool is_plain_line(struct str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if ((unsigned char)line.ptr[i] < 0x20 && line.ptr[i] != '\t')
            return false;
        if (line.ptr[i] == '<' && i + 1 < line.len && line.ptr[i + 1] == '<')
            return false; /* the lines that follow would be its text */
    }
    return line.len == 0 ||
           (line.ptr[0] != '#' && line.ptr[line.len - 1] != '\\' &&
            line.ptr[line.len - 1] != '`');
}

static bool judge_trigger(struct judge *judge, const struct place *place,
                          struct str line)
{
    struct str rest = skip_blanks(str_trim(line)), word;

    word = take_word(&rest);
    if (!is_plain_line(line) || !str_is_ascii(word))
        return refuse_changes(judge, place,
                              "write one instruction on one line");
    return !str_eq_nocase(word, S("LABEL")) || judge_label(judge, place, rest);
}

static bool judge_line(struct judge *judge, const struct place *place,
                       struct str line)
{
    static const struct str words[] = {
        STR("CMD"),    STR("ENTRYPOINT"),  STR("ENV"),     STR("EXPOSE"),
        STR("LABEL"),  STR("HEALTHCHECK"), STR("ONBUILD"), STR("STOPSIGNAL"),
        STR("VOLUME"), STR("WORKDIR"),     STR("USER"),
    };
    struct str rest = str_trim(line), word;

    if (!is_plain_line(rest))
        return refuse_changes(judge, place,
                              "write one instruction on one line");
    if (rest.len == 0)
        return true;
    word = take_word(&rest);
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

bool judge_changes(struct judge *judge, const struct place *place,
                   struct str text)
{
    unsigned variables = 0;
    struct str line;

    if (text.len > LIMIT_STATEMENTS)
        return judge_forbid(judge, "request.query", place,
                            "these instructions are longer than %zu KiB; "
                            "build the image from a Dockerfile",
                            LIMIT_STATEMENTS / KIB);
    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (!judge_line(judge, place, line) ||
            !variables_are_few(judge, place, line, &variables))
            return false;
    }
    return true;
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
