#include "policy/docker/shell_word.h"

#include "policy/base/limits.h"

/* One word on its way; nested for the words within "${x:-word}". */
struct expansion {
    struct str text;
    size_t at;
    char escape;
    const struct shell_env *env;
    unsigned depth;
};

enum { WORD_DEPTH = 32 };

static bool is_over(const struct expansion *ex)
{
    return ex->at >= ex->text.len;
}

static char peek(const struct expansion *ex)
{
    return (char)(is_over(ex) || !ex->text.ptr ? 0 : ex->text.ptr[ex->at]);
}

static bool looks_at(const struct expansion *ex, char c)
{
    return !is_over(ex) && ex->text.ptr[ex->at] == c;
}

static int put_char(struct strbuf *out, char c)
{
    return strbuf_add_char(out, c) ? SHELL_WORD_E_LONG : 0;
}

static int put(struct strbuf *out, struct str s)
{
    return strbuf_add(out, s) ? SHELL_WORD_E_LONG : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters beyond ASCII count as well; who uses them asks for trouble, so names
 * with such bytes are not looked at: see expand_dollar. */
static bool is_name_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '_';
}

static struct str read_name(struct expansion *ex)
{
    size_t start = ex->at;

    if (is_digit(peek(ex))) {
        while (is_digit(peek(ex)))
            ex->at++;
    } else if (!is_over(ex) && strchr("@*#?-$!", peek(ex)) && peek(ex)) {
        ex->at++;
    } else {
        while (is_name_char(peek(ex)))
            ex->at++;
    }
    return str_of(ex->text.ptr + start, ex->at - start);
}

static int expand_until(struct expansion *ex, struct strbuf *out, bool nested);

static int put_value(struct strbuf *out, enum shell_value found,
                     struct str value)
{
    switch (found) {
    case SHELL_UNSET:
        return 0;
    case SHELL_SET:
        return put(out, value);
    case SHELL_UNKNOWN:
        break;
    }
    return SHELL_WORD_E_UNKNOWN;
}

/* "${name:-word}", behind the operator and what went before it. */
static int expand_operator(struct expansion *ex, struct strbuf *out,
                           char operator, bool null_is_unset,
                           enum shell_value found, struct str value)
{
    AUTO(strbuf_fini) struct strbuf word = STRBUF(out->max);
    bool is_set;
    int r;

    if (!strchr("-+?", operator))
        return SHELL_WORD_E_UNKNOWN;
    if (++ex->depth > WORD_DEPTH)
        return SHELL_WORD_E_SYNTAX;
    r = expand_until(ex, &word, true);
    ex->depth--;
    if (r)
        return r;
    if (found == SHELL_UNKNOWN)
        return SHELL_WORD_E_UNKNOWN;
    is_set = found == SHELL_SET && !(null_is_unset && value.len == 0);
    switch (operator) {
    case '-':
        return put(out, is_set ? value : strbuf_str(&word));
    case '+':
        return is_set ? put(out, strbuf_str(&word)) : 0;
    default:
        return is_set ? put(out, value) : SHELL_WORD_E_SYNTAX;
    }
}

static int expand_braces(struct expansion *ex, struct strbuf *out)
{
    struct str name, value = S("");
    enum shell_value found;
    bool null_is_unset = false;
    char operator;

    if (is_over(ex) || strchr("{}:", peek(ex)))
        return SHELL_WORD_E_SYNTAX;
    name = read_name(ex);
    if (is_over(ex))
        return SHELL_WORD_E_SYNTAX;
    if (name.len == 0)
        return SHELL_WORD_E_UNKNOWN; /* a letter beyond ASCII, or nonsense */
    operator= ex->text.ptr[ex->at++];
    found = ex->env->find(ex->env->arg, name, &value);
    if (operator== '}')
        return put_value(out, found, value);
    if (operator== ':') {
        null_is_unset = true;
        if (is_over(ex))
            return SHELL_WORD_E_SYNTAX;
        operator= ex->text.ptr[ex->at++];
    }
    return expand_operator(ex, out, operator, null_is_unset, found, value);
}

static int expand_dollar(struct expansion *ex, struct strbuf *out)
{
    struct str name, value = S("");

    ex->at++; /* "$" */
    if (looks_at(ex, '{')) {
        ex->at++;
        return expand_braces(ex, out);
    }
    name = read_name(ex);
    /* Go reads on over letters beyond ASCII */
    if (!is_over(ex) && (unsigned char)peek(ex) >= 0x80)
        return SHELL_WORD_E_UNKNOWN;
    if (name.len == 0)
        return put_char(out, '$');
    return put_value(out, ex->env->find(ex->env->arg, name, &value), value);
}

static int expand_single_quotes(struct expansion *ex, struct strbuf *out)
{
    struct str rest = str_from_index(ex->text, ex->at + 1);
    ssize_t end = str_find(rest, '\'');

    if (end < 0)
        return SHELL_WORD_E_SYNTAX;
    ex->at += (size_t)end + 2;
    return put(out, str_head(rest, (size_t)end));
}

static int expand_double_quotes(struct expansion *ex, struct strbuf *out)
{
    ex->at++;
    while (!is_over(ex)) {
        char c = peek(ex);
        int r;

        if (c == '"') {
            ex->at++;
            return 0;
        }
        if (c == '$') {
            r = expand_dollar(ex, out);
        } else {
            ex->at++;
            if (c == ex->escape) {
                if (is_over(ex))
                    continue;
                if (peek(ex) == '"' || peek(ex) == '$' ||
                    peek(ex) == ex->escape)
                    c = ex->text.ptr[ex->at++];
            }
            r = put_char(out, c);
        }
        if (r)
            return r;
    }
    return SHELL_WORD_E_SYNTAX;
}

/* To the end, or NESTED to the "}" that ends it. */
static int expand_until(struct expansion *ex, struct strbuf *out, bool nested)
{
    while (!is_over(ex)) {
        char c = peek(ex);
        int r;

        if (nested && c == '}') {
            ex->at++;
            return 0;
        }
        switch (c) {
        case '$':
            r = expand_dollar(ex, out);
            break;
        case '\'':
            r = expand_single_quotes(ex, out);
            break;
        case '"':
            r = expand_double_quotes(ex, out);
            break;
        default:
            ex->at++;
            if (c == ex->escape) {
                if (is_over(ex) || !ex->text.ptr)
                    continue;
                c = ex->text.ptr[ex->at++];
            }
            r = put_char(out, c);
            break;
        }
        if (r)
            return r;
    }
    return nested ? SHELL_WORD_E_SYNTAX : 0;
}

int shell_word_expand(struct strbuf *out, struct str word, char escape,
                      const struct shell_env *env)
{
    struct expansion ex = {.text = word, .escape = escape, .env = env};
    size_t before = out->len;
    int r;

    /* what Go's scanner cannot decode, it replaces */
    if (!str_is_utf8(word) || memchr(word.ptr ? word.ptr : "", 0, word.len))
        return SHELL_WORD_E_UNKNOWN;
    r = expand_until(&ex, out, false);
    if (r)
        out->len = before;
    return r;
}

/* ---- white space ---- */

size_t shell_space(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;

    if (text.len == 0)
        return 0;
    if ((p[0] >= '\t' && p[0] <= '\r') || p[0] == ' ')
        return 1;
    if (text.len >= 2 && p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0))
        return 2;
    if (text.len < 3)
        return 0;
    if (p[0] == 0xe1 && p[1] == 0x9a && p[2] == 0x80) /* U+1680 */
        return 3;
    if (p[0] == 0xe2 && p[1] == 0x80 &&
        ((p[2] >= 0x80 && p[2] <= 0x8a) || p[2] == 0xa8 || p[2] == 0xa9 ||
         p[2] == 0xaf)) /* U+2000 to U+200A, U+2028, U+2029, U+202F */
        return 3;
    if ((p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0x9f) || /* U+205F */
        (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80))   /* U+3000 */
        return 3;
    return 0;
}

struct str shell_trim_left(struct str text)
{
    size_t len;

    while ((len = shell_space(text)))
        text = str_from_index(text, len);
    return text;
}

/* The length of the white space that TEXT ends with, of one character. */
static size_t space_at_end(struct str text)
{
    for (size_t len = 1; len <= 3 && len <= text.len; len++) {
        if (shell_space(str_from_index(text, text.len - len)) == len)
            return len;
    }
    return 0;
}

struct str shell_trim(struct str text)
{
    size_t len;

    text = shell_trim_left(text);
    while ((len = space_at_end(text)))
        text.len -= len;
    return text;
}

/* ---- heredocs ---- */

/* Does a word that begins with REST begin a heredoc? "2<<-EOF", "<< EOF" */
static bool begins_heredoc(struct str rest)
{
    while (rest.len && is_digit(rest.ptr[0]))
        rest = str_from_index(rest, 1);
    if (!str_has_prefix(rest, S("<<")))
        return false;
    rest = str_from_index(rest, 2);
    while (rest.len && strchr("\t\r ", rest.ptr[0]))
        rest = str_from_index(rest, 1);
    if (rest.len && rest.ptr[0] == '-')
        rest = str_from_index(rest, 1);
    return rest.len && rest.ptr[0] != '<' && shell_space(rest) == 0;
}

static bool has_braces(struct str line)
{
    for (size_t i = 0; i + 1 < line.len; i++) {
        if (line.ptr[i] == '$' && line.ptr[i + 1] == '{')
            return true;
    }
    return false;
}

/*
 * Engines split the line at white space outside of quotes, and look at the
 * words. What comes of a "${" is split once more, whatever quotes are in it; in
 * a line that has one, no quote counts here.
 */
bool shell_line_has_heredoc(struct str line)
{
    bool quotes_count = !has_braces(line);
    bool at_start = true;
    char quote = '\0';

    for (size_t i = 0; i < line.len;) {
        struct str rest = str_from_index(line, i);
        size_t space = shell_space(rest);
        char c = rest.ptr[0];

        if (at_start && begins_heredoc(rest))
            return true;
        at_start = space && !quote;
        i += space ? space : 1;
        if (!quotes_count)
            continue;
        if (c == '\\' && quote != '\'')
            i++;
        else if (quote && c == quote)
            quote = '\0';
        else if (!quote && (c == '\'' || c == '"'))
            quote = c;
    }
    return false;
}
