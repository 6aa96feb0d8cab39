#include "policy/docker/dockerfile_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/docker/shell_word.h"

static int refuse(struct verdict *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct verdict *why, const char *format, ...)
{
    char text[LIMIT_REASON];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    verdict_deny(why, 400, DOCKERFILE_RULE, "", "%s", text);
    return -EINVAL;
}

static struct str keep(struct dockerfile_lines *lines, struct str s)
{
    char *copy = xstr_dup(s);

    lines->kept =
        realloc(lines->kept, (lines->kept_count + 1) * sizeof(*lines->kept));
    if (!lines->kept)
        abort();
    lines->kept[lines->kept_count++] = copy;
    return str_of(copy, s.len);
}

/* ---- one line of the file ---- */

/* Docker's blanks between words: [\t\v\f\r ]. */
static bool is_blank(char c)
{
    return c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == ' ';
}

static struct str trim_newline(struct str line)
{
    while (line.len &&
           (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    return line;
}

static bool is_comment(struct str line)
{
    line = shell_trim_left(line);
    return line.len && line.ptr[0] == '#';
}

/*
 * Take the continuation character off LINE; false when there is none. It is
 * the last but for spaces and tabs, and no other is in front of it.
 */
static bool cut_continuation(struct str *line, char escape)
{
    struct str s = *line;

    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    if (s.len == 0 || s.ptr[s.len - 1] != escape ||
        (s.len >= 2 && s.ptr[s.len - 2] == escape))
        return false;
    *line = str_head(s, s.len - 1);
    return true;
}

/* ---- directives: "# escape=`" ---- */

struct directives {
    bool done;
    bool seen[3];
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Go's \s */
static bool is_regexp_space(char c)
{
    return c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' ';
}

static struct str trim_regexp_space(struct str s)
{
    while (s.len && is_regexp_space(s.ptr[0]))
        s = str_from_index(s, 1);
    while (s.len && is_regexp_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* "# NAME = VALUE" */
static bool directive_split(struct str line, struct str *name,
                            struct str *value)
{
    size_t len = 0;

    if (line.len == 0 || line.ptr[0] != '#')
        return false;
    line = shell_trim_left(str_from_index(line, 1));
    while (len < line.len &&
           (is_letter(line.ptr[len]) ||
            (len && line.ptr[len] >= '0' && line.ptr[len] <= '9')))
        len++;
    *name = str_head(line, len);
    line = trim_regexp_space(str_from_index(line, len));
    if (len == 0 || line.len == 0 || line.ptr[0] != '=')
        return false;
    line = str_from_index(line, 1);
    *value = trim_regexp_space(line);
    if (value->len == 0)
        *value = line; /* of blanks alone one is the value */
    return value->len > 0;
}

/* LINE is one of the first, and may say how the others are read. */
static int directive_read(struct dockerfile_lines *lines,
                          struct directives *directives, struct str line,
                          struct verdict *why)
{
    static const char *const names[] = {"escape", "syntax", "check"};
    struct str name, value;

    if (directives->done)
        return 0;
    directives->done = true;
    if (!directive_split(line, &name, &value))
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!str_eq_nocase(name, str_from(names[i])))
            continue;
        if (directives->seen[i])
            return refuse(why, "only one %s parser directive can be used",
                          names[i]);
        directives->seen[i] = true;
        directives->done = false;
        if (i > 0)
            return 0;
        if (!str_eq(value, S("\\")) && !str_eq(value, S("`")))
            return refuse(why,
                          "invalid escape token '%.*s' does not match ` "
                          "or \\",
                          STR_FMT(str_head(value, 64)));
        lines->escape = value.ptr[0];
    }
    return 0;
}

/* ---- the instruction ---- */

void dockerfile_cut_blanks(struct str text, struct str *head, struct str *tail)
{
    size_t end = 0;

    while (end < text.len && !is_blank(text.ptr[end]))
        end++;
    *head = str_head(text, end);
    while (end < text.len && is_blank(text.ptr[end]))
        end++;
    *tail = str_from_index(text, end);
}

/* Flags are read byte by byte, and a byte is taken for a character. */
static bool is_flag_space(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= '\t' && u <= '\r') || u == ' ' || u == 0x85 || u == 0xa0;
}

static void add_flag(struct dockerfile_lines *lines,
                     struct dockerfile_line *line, struct str word)
{
    line->flags =
        realloc(line->flags, (line->flag_count + 1) * sizeof(*line->flags));
    if (!line->flags)
        abort();
    line->flags[line->flag_count++] = keep(lines, word);
}

/*
 * Take one flag off the start of REST, without its quotes and escapes. False
 * when what is there is none.
 */
static bool cut_flag(struct str *rest, char escape, struct strbuf *word,
                     bool *quoted)
{
    struct str s = *rest;
    char quote = '\0';
    size_t i;

    while (s.len && is_flag_space(s.ptr[0]))
        s = str_from_index(s, 1);
    if (!str_has_prefix(s, S("--"))) {
        *rest = s;
        return false;
    }
    strbuf_clear(word);
    *quoted = false;
    for (i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (!quote && is_flag_space(c))
            break;
        if (quote && c == quote) {
            quote = '\0';
            continue;
        }
        if (!quote && (c == '\'' || c == '"')) {
            quote = c;
            *quoted = true;
            continue;
        }
        if (c == escape) {
            if (i + 1 == s.len)
                continue; /* forgotten at the end of the line */
            c = s.ptr[++i];
        }
        strbuf_add_char(word, c);
    }
    *rest = str_from_index(s, i);
    return true;
}

static void split_flags(struct dockerfile_lines *lines,
                        struct dockerfile_line *line, struct str rest)
{
    AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_DOCKERFILE_WRITTEN);
    bool quoted;

    while (cut_flag(&rest, lines->escape, &word, &quoted)) {
        /* "--" ends them; at the very end it is forgotten as well */
        if (str_eq(strbuf_str(&word), S("--")))
            break;
        if (word.len || quoted)
            add_flag(lines, line, strbuf_str(&word));
    }
    line->args = shell_trim(rest);
}

void dockerfile_line_split(struct dockerfile_lines *lines, struct str text,
                           struct dockerfile_line *line)
{
    struct str rest;

    *line = (struct dockerfile_line){0};
    line->text = keep(lines, shell_trim(text));
    dockerfile_cut_blanks(line->text, &line->keyword, &rest);
    split_flags(lines, line, rest);
}

bool dockerfile_line_is(const struct dockerfile_line *line, const char *keyword)
{
    return str_eq_nocase(line->keyword, str_from(keyword));
}

static int add_line(struct dockerfile_lines *lines, struct str text,
                    size_t number, struct verdict *why)
{
    struct dockerfile_line *line;

    if (lines->count >= LIMIT_DOCKERFILE_LINES)
        return refuse(why, "a Dockerfile may have %d instructions",
                      LIMIT_DOCKERFILE_LINES);
    lines->lines =
        realloc(lines->lines, (lines->count + 1) * sizeof(*lines->lines));
    if (!lines->lines)
        abort();
    line = &lines->lines[lines->count++];
    dockerfile_line_split(lines, text, line);
    line->number = number;
    if (line->keyword.len == 0)
        return refuse(why,
                      "dockerfile parse error on line %zu: unknown "
                      "instruction: ",
                      number);
    /* written on one line it must be no longer than an engine reads */
    if (line->text.len >= LIMIT_DOCKERFILE_LINE)
        return refuse(why,
                      "dockerfile line greater than max allowed size of "
                      "%d",
                      LIMIT_DOCKERFILE_LINE);
    return 0;
}

/* ---- the file ---- */

/* A place in the file. */
struct cursor {
    struct str rest;
    size_t number; /* of lines read */
};

static bool next_line(struct cursor *cursor, struct str *line)
{
    struct str tail;

    if (cursor->rest.len == 0)
        return false;
    str_cut(cursor->rest, '\n', line, &tail);
    cursor->rest = tail;
    cursor->number++;
    return true;
}

/* The lines that follow one with a continuation character; joined. */
static void join_lines(struct cursor *cursor, char escape, struct strbuf *out)
{
    struct str line;
    bool goes_on = true;

    while (goes_on && next_line(cursor, &line)) {
        line = trim_newline(line);
        if (is_comment(line) || shell_trim_left(line).len == 0)
            continue;
        goes_on = cut_continuation(&line, escape);
        strbuf_add(out, line);
    }
}

int dockerfile_lines_read(struct dockerfile_lines *lines, struct str text,
                          size_t max, struct verdict *why)
{
    AUTO(strbuf_fini) struct strbuf joined = STRBUF(LIMIT_DOCKERFILE_WRITTEN);
    struct directives directives = {0};
    struct cursor cursor = {.rest = text};
    struct str line;
    int r = 0;

    *lines = (struct dockerfile_lines){.escape = '\\'};
    if (text.len > max)
        return refuse(why, "a Dockerfile may have %zu bytes", max);
    if (str_has_prefix(text, S("\xef\xbb\xbf")))
        cursor.rest = str_from_index(text, 3);
    while (r == 0 && next_line(&cursor, &line)) {
        size_t number = cursor.number;
        bool goes_on;

        line = shell_trim_left(trim_newline(line));
        r = directive_read(lines, &directives, line, why);
        if (r || is_comment(line))
            continue;
        goes_on = cut_continuation(&line, lines->escape);
        if (!goes_on && line.len == 0)
            continue;
        strbuf_clear(&joined);
        strbuf_add(&joined, line);
        if (goes_on)
            join_lines(&cursor, lines->escape, &joined);
        r = add_line(lines, strbuf_str(&joined), number, why);
    }
    if (r == 0 && lines->count == 0)
        r = refuse(why, "file with no instructions");
    return r;
}

void dockerfile_lines_fini(struct dockerfile_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->lines[i].flags);
    free(lines->lines);
    for (size_t i = 0; i < lines->kept_count; i++)
        free(lines->kept[i]);
    free(lines->kept);
    *lines = (struct dockerfile_lines){0};
}

int dockerfile_line_put(struct strbuf *out, size_t *at, size_t number,
                        struct str text)
{
    int r = 0;

    for (; r == 0 && *at + 1 < number; (*at)++)
        r = strbuf_add_char(out, '\n');
    if (r == 0)
        r = strbuf_add(out, text);
    if (r == 0)
        r = strbuf_add_char(out, '\n');
    (*at)++;
    return r;
}

/* ---- words ---- */

size_t dockerfile_words(struct str args, struct str *words, size_t max)
{
    size_t count = 0;
    struct str word;

    while (args.len) {
        dockerfile_cut_blanks(args, &word, &args);
        if (count < max)
            words[count] = word;
        count++;
    }
    return count;
}

/* One word off the start of REST, quotes and escapes in it as they are. */
static bool cut_quoted_word(struct str *rest, char escape, struct strbuf *word)
{
    struct str s = shell_trim_left(*rest);
    char quote = '\0';
    bool quoted = false;
    size_t i = 0;

    strbuf_clear(word);
    while (i < s.len) {
        char c = s.ptr[i];

        if (!quote && shell_space(str_from_index(s, i)))
            break;
        if (quote && c == quote) {
            quote = '\0';
        } else if (!quote && (c == '\'' || c == '"')) {
            quote = c;
            quoted = true;
        } else if (c == escape && quote != '\'') {
            if (++i == s.len)
                break; /* forgotten at the end of the line */
            strbuf_add_char(word, c);
            c = s.ptr[i];
        }
        strbuf_add_char(word, c);
        i++;
    }
    *rest = str_from_index(s, i);
    return word->len || quoted || rest->len;
}

int dockerfile_quoted_words(struct str args, char escape,
                            int (*each)(void *arg, struct str word), void *arg)
{
    AUTO(strbuf_fini) struct strbuf word = STRBUF(LIMIT_DOCKERFILE_WRITTEN);
    int r = 0;

    while (r == 0 && cut_quoted_word(&args, escape, &word)) {
        if (word.len)
            r = each(arg, strbuf_str(&word));
    }
    return r;
}
