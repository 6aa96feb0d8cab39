/* Lines, and the words in them. */

#include <stdlib.h>

#include "policy/ssh_config/ssh_config_private.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str skip_blanks(struct str s)
{
    while (s.len && is_blank(*s.ptr))
        s = str_from_index(s, 1);
    return s;
}

/* What is behind a keyword: blanks, and one "=" among them. */
static struct str skip_equals(struct str s)
{
    s = skip_blanks(s);
    if (str_has_prefix(s, S("=")))
        s = skip_blanks(str_from_index(s, 1));
    return s;
}

static bool is_escape(char next, char quote)
{
    return next == '\'' || next == '"' || next == '\\' ||
           (quote == 0 && next == ' ');
}

/* One word from the front of *REST to *TO, without its quotes. False when a
 * quote is never closed. */
static bool take_word(struct str *rest, char **to)
{
    struct str s = *rest;
    char quote = 0;

    for (; s.len; s = str_from_index(s, 1)) {
        char c = *s.ptr;

        if (c == '\\' && s.len > 1 && is_escape(s.ptr[1], quote)) {
            s = str_from_index(s, 1);
            c = *s.ptr;
        } else if (quote == 0 && (c == ' ' || c == '\t')) {
            break;
        } else if (quote == 0 && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        } else if (quote && c == quote) {
            quote = 0;
            continue;
        }
        *(*to)++ = c;
    }
    *(*to)++ = '\0';
    *rest = s;
    return quote == 0;
}

static int split(struct ssh_words *words, struct strbuf *why)
{
    struct str rest = words->rest;
    char *to;

    /* each word takes its own bytes and a NUL in the place of a blank */
    words->text = xcalloc(rest.len + 2, 1);
    words->items = xcalloc(rest.len / 2 + 2, sizeof(char *));
    to = words->text;
    for (;;) {
        while (rest.len && (*rest.ptr == ' ' || *rest.ptr == '\t'))
            rest = str_from_index(rest, 1);
        if (rest.len == 0 || *rest.ptr == '#')
            return 0;
        words->items[words->count++] = to;
        if (!take_word(&rest, &to)) {
            strbuf_add(why, S("a quote is never closed; close it"));
            return SSH_CONFIG_E_REFUSED;
        }
    }
}

int ssh_words_read(struct str line, struct ssh_words *words, struct strbuf *why)
{
    size_t n = 0;

    *words = (struct ssh_words){0};
    while (line.len &&
           (is_blank(line.ptr[line.len - 1]) || line.ptr[line.len - 1] == '\f'))
        line.len--;
    line = skip_blanks(line);
    if (line.len == 0 || *line.ptr == '#')
        return SSH_LINE_EMPTY;
    if (memchr(line.ptr, '\0', line.len)) {
        strbuf_add(why, S("there is a NUL byte in it; remove it"));
        return SSH_CONFIG_E_REFUSED;
    }
    while (n < line.len && !is_blank(line.ptr[n]) && line.ptr[n] != '=' &&
           line.ptr[n] != '"')
        n++;
    words->keyword = str_head(line, n);
    words->rest = skip_equals(str_from_index(line, n));
    if (n == 0 || (n < line.len && line.ptr[n] == '"')) {
        strbuf_add(why, S("begins with no option; write \"Option value\""));
        return SSH_CONFIG_E_REFUSED;
    }
    if (words->rest.len == 0) {
        strbuf_addf(why, "%.*s has no value; write one",
                    STR_FMT(str_head(words->keyword, 64)));
        return SSH_CONFIG_E_REFUSED;
    }
    return split(words, why);
}

void ssh_words_fini(struct ssh_words *words)
{
    free(words->text);
    free(words->items);
}

const char *ssh_words_next(struct ssh_words *words)
{
    return words->next < words->count ? words->items[words->next++] : NULL;
}
