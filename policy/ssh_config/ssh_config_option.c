/* What becomes of each option. */

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>

#include "policy/ssh_config/ssh_config_private.h"

/* Note once that OPTION was asked for and is not followed. */
static void note(struct ssh_run *run, const struct ssh_option_row *option)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(LIMIT_SSH_CONFIG_LINE);

    if (strings_have(&run->said, str_from(option->name)))
        return;
    strings_add(&run->said, str_from(option->name));
    strbuf_addf(&text, "%s:%u: %s is not followed%s%s", run->file, run->line,
                option->name, option->instead ? "; " : "",
                option->instead ? option->instead : "");
    strings_add(&run->config->not_followed, strbuf_str(&text));
}

/* "1h30m": seconds, or -1. */
static int read_time(const char *text)
{
    static const struct {
        char letter;
        unsigned seconds;
    } units[] = {
        {'s', 1     },
        {'m', 60    },
        {'h', 3600  },
        {'d', 86400 },
        {'w', 604800}
    };
    uint64_t total = 0;

    while (*text) {
        size_t digits = strspn(text, "0123456789"), unit = 0;
        uint64_t number;

        if (str_to_u64(str_of(text, digits), &number) < 0 || number > INT_MAX)
            return -1;
        text += digits;
        while (*text && unit < sizeof(units) / sizeof(units[0]) &&
               units[unit].letter != tolower((unsigned char)*text))
            unit++;
        if (unit == sizeof(units) / sizeof(units[0]))
            return -1;
        text += *text != '\0';
        total += number * units[unit].seconds;
        if (total > INT_MAX)
            return -1;
    }
    return (int)total;
}

/* "1G", "64k" or "default": bytes, or -1. */
static long long read_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number, factor = 1;

    if (strcmp(text, "default") == 0)
        return 0;
    if (str_to_u64(str_of(text, digits), &number) < 0 || number >> 32)
        return -1;
    switch (tolower((unsigned char)text[digits])) {
    case 'k':
        factor = KIB;
        break;
    case 'm':
        factor = MIB;
        break;
    case 'g':
        factor = 1024 * MIB;
        break;
    case '\0':
        return number == 0 || number >= 16 ? (long long)number : -1;
    default:
        return -1;
    }
    return text[digits + 1] ? -1 : (long long)(number * factor);
}

static int wrong(struct ssh_run *run, const struct ssh_option_row *option,
                 const char *value, const char *write)
{
    return ssh_run_refuse(run, "%s: \"%.64s\" is no value of it; write %s",
                          option->name, value ? value : "", write);
}

static int read_flag(const char *word)
{
    if (str_eq_nocase(str_from(word), S("yes")) ||
        str_eq_nocase(str_from(word), S("true")))
        return 1;
    if (str_eq_nocase(str_from(word), S("no")) ||
        str_eq_nocase(str_from(word), S("false")))
        return 0;
    return -1;
}

static int read_choice(const struct ssh_option_row *option, const char *word)
{
    if (option->words == ssh_stricts) {
        int flag = read_flag(word);

        if (flag >= 0)
            return flag;
        if (str_eq_nocase(str_from(word), S("off")))
            return SSH_CONFIG_STRICT_NO;
    }
    for (int i = 0; option->words[i]; i++)
        if (str_eq_nocase(str_from(word), str_from(option->words[i])))
            return i;
    return -1;
}

static int set_number(struct ssh_run *run, const struct ssh_option_row *option,
                      const char *word)
{
    int *member = (int *)((char *)run->config + option->offset);
    uint64_t number;
    int value = -1;

    switch (option->kind) {
    case SSH_K_FLAG:
        value = read_flag(word);
        if (value < 0)
            return wrong(run, option, word, "yes or no");
        break;
    case SSH_K_CHOICE:
        value = read_choice(option, word);
        if (value < 0)
            return wrong(run, option, word,
                         option->words == ssh_families
                             ? "any, inet or inet6"
                             : "yes, no, ask or accept-new");
        break;
    case SSH_K_TIME:
        if (strcmp(word, "none") == 0)
            return 0;
        value = read_time(word);
        if (value < 0)
            return wrong(run, option, word, "a time like 30 or 1m30s");
        break;
    case SSH_K_PORT:
    case SSH_K_NUMBER:
        if (str_to_u64(str_from(word), &number) < 0 ||
            number > (option->kind == SSH_K_PORT ? UINT16_MAX : INT_MAX) ||
            (option->kind == SSH_K_PORT && number == 0))
            return wrong(run, option, word,
                         option->kind == SSH_K_PORT ? "a number up to 65535"
                                                    : "a number");
        value = (int)number;
        break;
    case SSH_K_IGNORED:
    case SSH_K_STRING:
    case SSH_K_WORD:
    case SSH_K_PATHS:
    case SSH_K_FILES:
    case SSH_K_REKEY:
    case SSH_K_SPECIAL:
        break;
    }
    if (run->active && *member == -1) {
        *member = value;
        if (member == &run->config->tcp_keep_alive && value == 0)
            note(run, &(struct ssh_option_row){
                          option->name, option->kind, 0, NULL,
                          "berth has to notice when the server is gone"});
        if (member == &run->config->strict && value != SSH_CONFIG_STRICT_YES &&
            value != SSH_CONFIG_STRICT_ASK)
            note(run, &(struct ssh_option_row){option->name, option->kind, 0,
                                               NULL, SSH_KNOWN_ONLY});
    }
    return 0;
}

static int add_path(struct ssh_run *run, const struct ssh_option_row *option,
                    const char *word)
{
    struct strings *list =
        (struct strings *)((char *)run->config + option->offset);

    if (!run->active || strings_have(list, str_from(word)))
        return 0;
    if (list->count == LIMIT_IDENTITIES)
        return ssh_run_refuse(run, "%s: more than %d of them; write fewer",
                              option->name, LIMIT_IDENTITIES);
    strings_add(list, str_from(word));
    if (option->instead && strcasecmp(word, "none") != 0)
        note(run, option);
    return 0;
}

static int add_files(struct ssh_run *run, const struct ssh_option_row *option,
                     const char *word, struct ssh_words *words)
{
    struct strings *list =
        (struct strings *)((char *)run->config + option->offset);
    bool takes = run->active && list->count == 0;

    for (unsigned i = 0; word; word = ssh_words_next(words), i++) {
        if (*word == '\0' || i == LIMIT_KNOWN_HOSTS_FILES)
            return ssh_run_refuse(
                run, "%s: %s; write up to %d files", option->name,
                *word ? "has too many files" : "has an empty name",
                LIMIT_KNOWN_HOSTS_FILES);
        if (strcasecmp(word, "none") == 0 &&
            (i > 0 || words->next < words->count))
            return ssh_run_refuse(run,
                                  "%s: \"none\" has to be alone; remove "
                                  "what is with it",
                                  option->name);
        if (takes)
            strings_add(list, str_from(word));
    }
    return 0;
}

static int set_rekey(struct ssh_run *run, const struct ssh_option_row *option,
                     const char *word, struct ssh_words *words)
{
    long long bytes = read_size(word);
    const char *time = ssh_words_next(words);
    int seconds = 0;

    if (bytes < 0)
        return wrong(run, option, word, "a size like 1G, or default");
    if (time && strcmp(time, "none") != 0) {
        seconds = read_time(time);
        if (seconds < 0)
            return wrong(run, option, time, "a time like 1h, or none");
    }
    if (run->active && run->config->rekey_bytes == -1) {
        run->config->rekey_bytes = bytes;
        note(run, option);
    }
    if (run->active && time && strcmp(time, "none") != 0 &&
        run->config->rekey_seconds == -1)
        run->config->rekey_seconds = seconds;
    return 0;
}

static void set_text(struct ssh_run *run, char **member, struct str text,
                     enum ssh_option origin)
{
    if (!run->active || *member)
        return;
    *member = xstr_dup(text);
    if (origin < SSH_OPTIONS)
        run->origins[origin] = (struct ssh_origin){run->file, run->line};
}

/* Without a comment behind it. */
static struct str jump_text(struct str rest)
{
    struct str text, comment;

    str_cut(rest, '#', &text, &comment);
    return str_trim(text);
}

static int set_jump(struct ssh_run *run, struct str rest)
{
    struct str text = jump_text(rest);
    struct ssh_config_hop *hops = NULL;
    size_t count = 0;
    int r = 0;

    if (str_eq_nocase(text, S("none"))) {
        set_text(run, &run->jump, S("none"), SSH_O_OTHER);
        return 0;
    }
    r = ssh_hops_read(text, &hops, &count);
    ssh_hops_free(hops, count);
    if (r)
        return ssh_run_refuse(
            run,
            "ProxyJump: \"%.*s\" is no list of jump hosts; write up to %d of "
            "[user@]host[:port], with commas",
            STR_FMT(str_head(text, 64)), LIMIT_JUMPS);
    if (run->active && !run->command && !run->jump) {
        set_text(run, &run->jump, text, SSH_O_PROXY_JUMP);
        run->command = xstrdup("none"); /* a later one is not looked at */
    }
    return 0;
}

static int set_special(struct ssh_run *run, const struct ssh_option_row *option,
                       const char *word, struct ssh_words *words)
{
    enum ssh_option which = (enum ssh_option)option->offset;
    struct str rest = words->rest;
    bool none = str_eq_nocase(str_from(word), S("none"));
    int canonicalize;

    words->next = words->count;
    switch (which) {
    case SSH_O_PROXY_COMMAND:
        set_text(run, &run->command, rest, which);
        return 0;
    case SSH_O_PROXY_JUMP:
        return set_jump(run, rest);
    case SSH_O_KNOWN_HOSTS_COMMAND:
        set_text(run, &run->known_hosts_command, rest, which);
        return 0;
    case SSH_O_REVOKED_HOST_KEYS:
        if (run->active && run->origins[which].line == 0) {
            run->origins[which] = (struct ssh_origin){run->file, run->line};
            run->revoked_keys = !none;
        }
        return 0;
    case SSH_O_CANONICALIZE:
        canonicalize = read_flag(word);
        if (canonicalize < 0 && !none &&
            !str_eq_nocase(str_from(word), S("always")))
            return wrong(run, option, word, "no");
        if (run->active && run->origins[which].line == 0) {
            run->origins[which] = (struct ssh_origin){run->file, run->line};
            run->canonicalize = canonicalize != 0 && !none;
        }
        return 0;
    case SSH_O_OTHER:
        break;
    }
    if (str_eq(str_from(option->name), S("HostName"))) {
        if (words->count > 1)
            return ssh_run_refuse(run, "HostName: has more than one value; "
                                       "write one");
        set_text(run, &run->hostname, str_from(word), SSH_O_OTHER);
    } else if (run->active) {
        return ssh_run_refuse(run, "RefuseConnection: %.200s", word);
    }
    return 0;
}

static int unknown(struct ssh_run *run, struct str keyword)
{
    struct suggestion suggestion = SUGGESTION(keyword);

    if (run->ignore_unknown) {
        char *name = xstr_dup(keyword);
        bool known;

        for (size_t i = 0; i < keyword.len; i++)
            name[i] = (char)tolower((unsigned char)name[i]);
        known = ssh_pattern_list_matches(str_from(run->ignore_unknown),
                                         str_from(name), true);
        free(name);
        if (known)
            return 0;
    }
    ssh_option_weigh(&suggestion);
    return ssh_run_refuse(run, "\"%.*s\" is no option of ssh%s%s%s",
                          STR_FMT(str_head(keyword, 64)),
                          suggestion.best ? "; did you mean "
                                          : "; remove it, "
                                            "or name it in IgnoreUnknown",
                          suggestion.best ? suggestion.best : "",
                          suggestion.best ? "?" : "");
}

/* Like ssh, also where it is not used. */
static int check_agent(struct ssh_run *run, const struct ssh_option_row *option,
                       const char *word)
{
    AUTO(strbuf_fini) struct strbuf path = STRBUF(LIMIT_SSH_CONFIG_LINE);
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_SSH_CONFIG_LINE);

    if (ssh_expand(run->query, NULL, word, SSH_EXPAND_DOLLAR, &path, &why) == 0)
        return 0;
    return ssh_run_refuse(run, "%s: \"%.64s\" %.*s", option->name, word,
                          STR_FMT(strbuf_str(&why)));
}

static int set(struct ssh_run *run, const struct ssh_option_row *option,
               const char *word, struct ssh_words *words)
{
    char **text;
    char *folded;
    int r;

    switch (option->kind) {
    case SSH_K_IGNORED:
        if (run->active)
            note(run, option);
        words->next = words->count;
        return 0;
    case SSH_K_STRING:
        if (option->offset == offsetof(struct ssh_config, identity_agent)) {
            r = check_agent(run, option, word);
            if (r)
                return r;
        }
        text = (char **)((char *)run->config + option->offset);
        set_text(run, text, str_from(word), SSH_O_OTHER);
        return 0;
    case SSH_K_WORD:
        folded = xstrdup(word);
        for (size_t i = 0; folded[i]; i++)
            folded[i] = (char)tolower((unsigned char)folded[i]);
        text = (char **)((char *)run->config + option->offset);
        set_text(run, text, str_from(folded), SSH_O_OTHER);
        free(folded);
        return 0;
    case SSH_K_FLAG:
    case SSH_K_NUMBER:
    case SSH_K_TIME:
    case SSH_K_PORT:
    case SSH_K_CHOICE:
        return set_number(run, option, word);
    case SSH_K_PATHS:
        return add_path(run, option, word);
    case SSH_K_FILES:
        return add_files(run, option, word, words);
    case SSH_K_REKEY:
        return set_rekey(run, option, word, words);
    case SSH_K_SPECIAL:
        return set_special(run, option, word, words);
    }
    return 0;
}

int ssh_run_option(struct ssh_run *run, struct ssh_words *words)
{
    static const struct str ignore = STR("IgnoreUnknown");
    const struct ssh_option_row *option = ssh_option_find(words->keyword);
    const char *word;
    int r;

    if (!option && !str_eq_nocase(words->keyword, ignore))
        return unknown(run, words->keyword);
    word = ssh_words_next(words);
    if (!word || *word == '\0')
        return ssh_run_refuse(run, "%.*s has no value; write one",
                              STR_FMT(words->keyword));
    if (!option) {
        set_text(run, &run->ignore_unknown, str_from(word), SSH_O_OTHER);
        return 0;
    }
    r = set(run, option, word, words);
    if (r == 0 && words->next < words->count)
        return ssh_run_refuse(run,
                              "%s: there is more behind its value; remove "
                              "it, or write quotes around all of it",
                              option->name);
    return r;
}
