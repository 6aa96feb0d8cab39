/* Tokens, variables and "~". */

#include <stdlib.h>

#include "policy/ssh_config/ssh_config_private.h"

#define LIMIT_NAME_SHOWN 64

static int put(struct strbuf *out, struct str text, struct strbuf *why)
{
    if (strbuf_add(out, text) == 0)
        return 0;
    strbuf_add(why, S("is too long once it is expanded; write less"));
    return SSH_CONFIG_E_REFUSED;
}

static int put_token(const struct ssh_tokens *tokens, char token,
                     struct strbuf *out, struct strbuf *why)
{
    const char *value = NULL;
    struct str text;

    switch (token) {
    case '%':
        return put(out, S("%"), why);
    case 'h':
        value = tokens->host;
        break;
    case 'n':
        value = tokens->original;
        break;
    case 'p':
        value = tokens->port;
        break;
    case 'r':
        value = tokens->remote_user;
        break;
    case 'u':
        value = tokens->local_user;
        break;
    case 'd':
        value = tokens->home;
        break;
    case 'i':
        value = tokens->uid;
        break;
    case 'k':
        value = tokens->alias;
        break;
    case 'j':
        value = tokens->jump;
        break;
    case 'l':
    case 'L':
        value = tokens->local_host;
        break;
    default:
        break;
    }
    if (!value && token == 'C') {
        strbuf_add(why, S("has a %C, which OpenSSH's versions make in "
                          "different ways; write %h, %p and %r"));
        return SSH_CONFIG_E_REFUSED;
    }
    if (!value) {
        strbuf_addf(why,
                    "has a %%%c, which is not known here; write %%%% for "
                    "a \"%%\"",
                    token > ' ' && token < 0x7f ? token : '?');
        return SSH_CONFIG_E_REFUSED;
    }
    text = str_from(value);
    if (token == 'L')
        text = str_head(text, strcspn(value, "."));
    return put(out, text, why);
}

/* "${NAME}" at the front of *TEXT. */
static int put_variable(const struct ssh_config_query *query, const char **text,
                        struct strbuf *out, struct strbuf *why)
{
    const char *name = *text + 2, *end = strchr(name, '}');
    const char *value;
    char *copy;

    if (!end || end == name) {
        strbuf_add(why, S("has a \"${\" without a name and a \"}\"; write "
                          "${NAME}"));
        return SSH_CONFIG_E_REFUSED;
    }
    copy = xstr_dup(str_of(name, (size_t)(end - name)));
    value = environment_get(query->machine->environment, copy);
    if (!value)
        strbuf_addf(why, "needs the variable %.*s, which is not set; set it",
                    LIMIT_NAME_SHOWN, copy);
    free(copy);
    *text = end;
    return value ? put(out, str_from(value), why) : SSH_CONFIG_E_REFUSED;
}

/* "~" at the front of *TEXT, with the slashes behind it. */
static int put_home(const struct ssh_config_query *query, const char **text,
                    struct strbuf *out, struct strbuf *why)
{
    const char *home = query->machine->home;

    if ((*text)[1] && (*text)[1] != '/') {
        strbuf_add(why, S("begins with another user's \"~\"; write the whole "
                          "path"));
        return SSH_CONFIG_E_REFUSED;
    }
    if (!home) {
        strbuf_add(why, S("begins with \"~\", and there is no home directory; "
                          "write the whole path"));
        return SSH_CONFIG_E_REFUSED;
    }
    *text += 1 + strspn(*text + 1, "/");
    if (put(out, str_from(home), why))
        return SSH_CONFIG_E_REFUSED;
    return str_has_suffix(str_from(home), S("/")) ? 0 : put(out, S("/"), why);
}

int ssh_expand(const struct ssh_config_query *query,
               const struct ssh_tokens *tokens, const char *text, unsigned what,
               struct strbuf *out, struct strbuf *why)
{
    int r = 0;

    if ((what & SSH_EXPAND_TILDE) && *text == '~')
        r = put_home(query, &text, out, why);
    for (; r == 0 && *text; text++) {
        if ((what & SSH_EXPAND_DOLLAR) && text[0] == '$' && text[1] == '{') {
            r = put_variable(query, &text, out, why);
        } else if ((what & SSH_EXPAND_PERCENT) && *text == '%') {
            text++;
            r = put_token(tokens, *text, out, why);
            if (*text == '\0')
                break;
        } else {
            r = put(out, str_of(text, 1), why);
        }
    }
    return r;
}
